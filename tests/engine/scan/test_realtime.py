# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Realtime Scanner's loop, by a clock that moves when it waits."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup.ended import began_after, was_switched_off
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.following import TokenFollower
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import (
    ACCOUNT_ITEM,
    SERVER,
    Entry,
    ItemState,
)
from ansible_collections.restante.carbonio.plugins.module_utils.scan import recorder
from ansible_collections.restante.carbonio.plugins.module_utils.scan.realtime import (
    COMMIT,
    LOOK,
    OVERRUN,
    Gap,
    RealtimeScanner,
    Situation,
)
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan

Step = Callable[[], object]
START = 1_800_000_000_000


def nothing() -> None:
    """Let time go by."""


class Scripted:
    """A scanner of a node, whose clock moves by each wait; then the next step of the test happens."""

    def __init__(
        self, node: Any, store: Any = None, situation: Situation | None = None, commit_every: float = COMMIT
    ) -> None:
        self.now = START
        self.set_back = 0
        self.gaps: list[Gap] = []
        self.stopped = False
        self.quiet = False
        """Nothing has happened since the scanner looked."""
        self._steps: list[Step] = []
        self.scanner = RealtimeScanner(
            store or node.store, node.repository, situation or Situation(complete_until=START - 60_000),
            closed=self.gaps.append, commit_every=commit_every, now=lambda: self.now + self.set_back,
            clock=lambda: self.now / 1000,
        )

    @property
    def situation(self) -> Situation:
        return self.scanner.situation

    def run(self, *steps: Step) -> None:
        """Wait, do a step and have the scanner look, for each step; end after one more look."""
        self._steps = list(steps)
        self.scanner.run(self._pause)

    def _pause(self, seconds: float) -> bool:
        if seconds and not self.stopped:
            self.now += int(seconds * 1000)
            if not self._steps:
                return True
            self._steps.pop(0)()
        return self.stopped


def seconds_of(count: float) -> list[Step]:
    """Return steps in which nothing happens for so many seconds."""
    return [nothing] * int(count / LOOK)


@pytest.fixture
def anna(node: Any) -> str:
    account: str = node.account("anna")
    node.scan()
    return account


def test_what_happens_is_committed_with_the_look_that_sees_it(node: Any, anna: str) -> None:
    """R-221."""
    scripted = Scripted(node)

    def recorded() -> None:
        assert node.recorded(anna) == node.live(anna)
        assert scripted.situation.last_commit == node.repository.head().seq
        assert scripted.situation.pending == scripted.situation.pending_since == 0

    scripted.run(lambda: node.mail(anna, b"new"), recorded)
    assert scripted.situation.commits == 1
    assert scripted.situation.last_event == str(node.store.last_transaction())


@pytest.mark.parametrize("kind", sorted(kinds.ITEM_KINDS))
def test_every_kind_of_item_is_recorded_changed_and_gone(node: Any, anna: str, kind: str) -> None:
    """R-188, R-221: mail, calendar, contacts, folders and all else."""
    ids: list[str] = []

    def write() -> None:
        state = ItemState("", kind, "1" if kind == kinds.FOLDER else "2", name="its name")
        blob = b"content" if kind in kinds.WITH_CONTENT else None
        ids.extend(one.item_id for one in node.store.write_items(anna, [NewItem("", state, blob)]))

    def change() -> None:
        assert node.recorded(anna) == node.live(anna)
        node.store.update_item(anna, node.store.item(anna, ids[0])._replace(name="another", flags="f"))

    def delete() -> None:
        assert node.recorded(anna) == node.live(anna)
        node.store.delete_items(anna, ids)

    Scripted(node).run(write, *seconds_of(COMMIT), change, *seconds_of(COMMIT), delete)
    assert node.recorded(anna) == node.live(anna)
    states = [last.state for last in node.repository.history(anna, ids[0])]
    assert [state and state.name for state in states] == ["its name", "another", None]


def test_only_accounts_in_which_something_happens_are_asked_about(node: Any, anna: str, between: Any) -> None:
    node.account("bruno")
    node.scan()
    asked: list[str] = []

    def changes(account: str, since: str = "") -> Any:
        asked.append(account)
        return node.store.changes(account, since)

    store = between(node.store, changes=changes)
    Scripted(node, store).run(*[lambda: node.mail(anna, b"new"), *seconds_of(2)] * 5)
    assert asked == [anna] * 5
    assert "tokens" not in store.calls
    assert store.calls.count("entries") == 2, "of the directory, only the classes of service and domains, and once"


def test_a_login_is_not_recorded(node: Any, anna: str) -> None:
    """R-191: it changes the account's entry, and nothing that lasts."""
    def login() -> None:
        node.store.update_entry(Entry(anna, kinds.ACCOUNT, "", {"zimbraLastLogonTimestamp": ("20260101000000Z",)}))

    def rename() -> None:
        node.store.update_entry(Entry(anna, kinds.ACCOUNT, "", {"displayName": ("Anna",)}))

    scripted = Scripted(node)
    scripted.run(login, *seconds_of(2))
    assert scripted.situation.commits == 0 and scripted.situation.pending == 0
    scripted.run(rename, *seconds_of(2))
    assert scripted.situation.commits == 1
    assert node.repository.entry(anna, ACCOUNT_ITEM).attrs == {"displayName": ("Anna",)}


def test_a_flag_costs_no_content(node: Any, anna: str, between: Any) -> None:
    """R-196: reference, section 2.4: where only metadata has changed, only metadata is written."""
    item, = node.mail(anna, b"content")
    node.scan()

    def read_blobs(_account: str, items: Any) -> Any:
        assert not items, "the content was read again"
        return iter(())

    store = between(node.store, read_blobs=read_blobs)
    Scripted(node, store).run(lambda: node.store.update_item(anna, node.store.item(anna, item)._replace(flags="f")))
    assert node.recorded(anna)[item]["flags"] == "f"
    assert "read_blob" not in store.calls


def test_where_things_happen_all_the_time_commits_keep_their_distance(node: Any, anna: str) -> None:
    scripted = Scripted(node, situation=Situation(complete_until=START))
    lags: list[float] = []

    def mail() -> None:
        lags.append(scripted.now - scripted.situation.complete_until)
        node.mail(anna, b"new %d" % scripted.now)

    scripted.run(*[mail] * int(20 / LOOK))
    assert node.recorded(anna) == node.live(anna)
    assert 15 <= scripted.situation.commits <= 21
    assert max(lags) <= (COMMIT + 2 * LOOK) * 1000


def test_a_clock_that_is_set_back_holds_nothing_up(node: Any, anna: str) -> None:
    scripted = Scripted(node)

    def set_back() -> None:
        scripted.set_back = -3_600_000
        node.mail(anna, b"an hour ago")

    scripted.run(lambda: node.mail(anna, b"now"), *seconds_of(COMMIT), set_back, nothing)
    assert scripted.situation.commits == 2
    assert node.recorded(anna) == node.live(anna)


def test_accounts_are_recorded_as_they_come_change_and_go(node: Any, anna: str) -> None:
    """C-06: the account is covered."""
    bruno = Entry("a-bruno", kinds.ACCOUNT, "bruno@example.com", {"displayName": ("Bruno",)})
    changed = bruno._replace(attrs={"displayName": ("Bruno B.",)})

    def change() -> None:
        assert node.repository.entry("a-bruno", ACCOUNT_ITEM).attrs["displayName"] == ("Bruno",)
        assert node.recorded("a-bruno") == node.live("a-bruno")
        node.store.update_entry(changed)

    def delete() -> None:
        assert node.repository.entry("a-bruno", ACCOUNT_ITEM).attrs["displayName"] == ("Bruno B.",)
        node.store.delete_entry(kinds.ACCOUNT, "a-bruno")

    Scripted(node).run(
        lambda: node.store.create_entry(bruno), *seconds_of(COMMIT), change, *seconds_of(COMMIT), delete,
    )
    assert node.repository.entry("a-bruno", ACCOUNT_ITEM) is None
    assert node.repository.token("a-bruno") == ""
    assert [last.state is None for last in node.repository.history("a-bruno", ACCOUNT_ITEM)] == [False, False, True]


def test_domains_are_recorded_where_the_feed_tells_of_them(node: Any, anna: str) -> None:
    """R-223: the vendor's Realtime Scanner does not; ours does where the mail server says so."""
    Scripted(node).run(lambda: node.store.create_entry(Entry("d-2", kinds.DOMAIN, "second.example.com")))
    assert "second.example.com" in [found.state.name for found in node.repository.entries(kinds.DOMAIN)]


def test_no_commit_has_an_account_without_its_domain(node: Any, anna: str) -> None:
    """A domain with its first account, as both are made at once; each entry and message is a commit of its own."""
    def create() -> None:
        node.store.create_entry(Entry("d-2", kinds.DOMAIN, "second.example.com"))
        node.store.create_entry(Entry("a-bruno", kinds.ACCOUNT, "bruno@second.example.com"))
        node.mail("a-bruno", b"first", b"second")

    scripted = Scripted(node, commit_every=0)
    scripted.run(create)
    assert scripted.situation.commits > 4
    domain, = node.repository.history(SERVER, "d-2")
    account, = node.repository.history("a-bruno", ACCOUNT_ITEM)
    assert domain.seq < account.seq


def test_accounts_whose_backup_is_switched_off_are_ignored(node: Any, anna: str) -> None:
    """R-245: by the account or by its class of service, at once."""
    cos = node.store.create_entry(Entry("c-1", kinds.COS, "temporary"))
    bruno = node.store.create_entry(
        Entry("a-bruno", kinds.ACCOUNT, "bruno@example.com", {"zimbraCOSId": ("c-1",)})
    ).entry_id
    node.scan()
    before = {account: node.recorded(account) for account in (anna, bruno)}

    def mail() -> None:
        node.mail(anna, b"not recorded")
        node.mail(bruno, b"not recorded")

    off = {"backupEnabled": ("FALSE",)}
    Scripted(node).run(
        lambda: node.mail(anna, b"known", b"switch"), *seconds_of(COMMIT),
        lambda: node.store.update_entry(node.store.find_entry(kinds.ACCOUNT, anna)._replace(attrs=off)),
        lambda: node.store.update_entry(cos._replace(attrs=off)), *seconds_of(COMMIT), mail, *seconds_of(COMMIT),
    )
    assert len(node.recorded(anna)) == len(before[anna]) + 2
    assert node.recorded(bruno) == before[bruno]
    assert node.repository.entry(anna, ACCOUNT_ITEM) is None


def test_a_class_of_service_that_is_switched_takes_all_its_accounts_with_it(
    node: Any, anna: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-245, R-246: at once, also those in which nothing happens."""
    ticks = itertools.count(START)
    monkeypatch.setattr(moment, "now", lambda: next(ticks))
    cos = node.store.create_entry(Entry("c-1", kinds.COS, "temporary"))
    quiet, busy = (
        node.store.create_entry(Entry(f"a-{name}", kinds.ACCOUNT, f"{name}@example.com", {"zimbraCOSId": ("c-1",)}))
        for name in ("bruno", "carla")
    )
    node.mail(quiet.entry_id, b"before")
    node.scan()
    before = node.recorded(quiet.entry_id)

    def off() -> None:
        node.store.update_entry(cos._replace(attrs={"backupEnabled": ("FALSE",)}))
        node.mail(busy.entry_id, b"with the switch")

    Scripted(node).run(off)
    for account in (quiet.entry_id, busy.entry_id):
        assert node.repository.entry(account, ACCOUNT_ITEM) is None
        *_older, end = node.repository.history(account, ACCOUNT_ITEM)
        assert was_switched_off(node.repository, end), "its class of service is recorded before it"
    assert node.repository.entry(anna, ACCOUNT_ITEM) is not None
    assert not node.scan().changed, "a SmartScan has nothing to add"

    node.mail(quiet.entry_id, b"meanwhile")
    assert node.recorded(quiet.entry_id) == before
    Scripted(node).run(lambda: node.store.update_entry(cos._replace(attrs={"backupEnabled": ()})))
    for account in (quiet.entry_id, busy.entry_id):
        assert node.repository.entry(account, ACCOUNT_ITEM) is not None
        assert node.recorded(account) == node.live(account), "also what came meanwhile"
        assert began_after(node.repository, account) == 0, "it is the same mailbox"
    assert not node.scan().changed


def test_a_scan_of_an_account_that_its_class_of_service_switches_off_knows_why_it_ends(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-245: also where only this account was to be scanned."""
    ticks = itertools.count(START)
    monkeypatch.setattr(moment, "now", lambda: next(ticks))
    cos = node.store.create_entry(Entry("c-1", kinds.COS, "temporary"))
    bruno = node.store.create_entry(Entry("a-bruno", kinds.ACCOUNT, "bruno@example.com", {"zimbraCOSId": ("c-1",)}))
    node.scan()
    node.store.update_entry(cos._replace(attrs={"backupEnabled": ("FALSE",)}))
    node.scan(accounts=[bruno.name])
    *_older, end = node.repository.history(bruno.entry_id, ACCOUNT_ITEM)
    assert end.state is None and was_switched_off(node.repository, end)


def test_a_mail_server_without_a_feed_is_followed_by_its_tokens(node: Any, anna: str, between: Any) -> None:
    store = between(node.store, follow=lambda: TokenFollower(node.store.tokens))
    Scripted(node, store).run(lambda: node.mail(anna, b"new"))
    assert node.recorded(anna) == node.live(anna)


# -- beside others -----------------------------------------------------------------------------------------------------


def test_the_lock_is_free_whenever_it_waits(node: Any, anna: str) -> None:
    def scan() -> None:
        node.mail(anna, b"new")
        node.scan()

    scripted = Scripted(node)
    scripted.run(*[scan] * 8)
    assert node.recorded(anna) == node.live(anna)
    for item in node.recorded(anna):
        assert len(list(node.repository.history(anna, item))) == 1


def test_another_writer_is_waited_for_and_what_waits_is_told(node: Any, anna: str) -> None:
    scripted = Scripted(node)
    before = scripted.now

    def busy() -> None:
        assert "Another process is writing" in scripted.situation.waits
        assert scripted.situation.pending == 1
        assert scripted.situation.complete_until == before

    with node.repository.writer() as writer:
        scripted.run(lambda: node.mail(anna, b"new"), *seconds_of(3), busy)
        busy()
        writer.close()
        scripted.run(*seconds_of(2))
    assert node.recorded(anna) == node.live(anna)
    assert scripted.situation.waits == "" and scripted.situation.complete_until == scripted.now


@pytest.mark.parametrize("deep", [False, True])
def test_a_long_scan_gives_way_between_two_mailboxes(
    node: Any, deep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "TURN", 0)
    accounts = [node.account(name) for name in ("anna", "bruno", "carla")]
    for account in accounts:
        node.mail(account, b"first", b"second")
    scripted = Scripted(node)
    given: list[Any] = [node.repository.writer()]

    def turn() -> Any:
        """What was scanned, and what is still to be scanned, changes, and is recorded meanwhile."""
        given[-1].close()
        scripted.run(*[change for account in accounts for change in (
            lambda account=account: node.mail(account, b"new"),
            lambda account=account: node.store.delete_items(account, [max(node.live(account), key=int)]),
            lambda account=account: node.mail(account, b"newer"),
            *seconds_of(COMMIT),
        )])
        given.append(node.repository.writer())
        return given[-1]

    smart_scan(node.store, given[0], deep=deep, turn=turn)
    given[-1].close()
    assert len(given) == 1 + len(accounts)
    assert scripted.situation.commits >= len(accounts)
    node.repository.refresh()
    for account in accounts:
        assert node.recorded(account) == node.live(account)
        assert node.repository.token(account) == dict(node.store.tokens())[account]
        for item in node.recorded(account):
            assert len(list(node.repository.history(account, item))) == 1
    assert not node.scan().changed


# -- gaps --------------------------------------------------------------------------------------------------------------


def test_a_gap_is_closed_before_anything_else(node: Any, anna: str) -> None:
    """R-224."""
    node.mail(anna, b"while nobody followed")
    node.store.create_entry(Entry("d-2", kinds.DOMAIN, "second.example.com"))
    since = START - 3_600_000
    scripted = Scripted(node, situation=Situation(since, gap_since=since, gap_reason="it was stopped"))

    def open_still() -> None:
        assert scripted.situation.gap_since == scripted.situation.complete_until == since

    scripted.run(open_still, nothing)
    assert node.recorded(anna) == node.live(anna)
    assert "second.example.com" in [found.state.name for found in node.repository.entries(kinds.DOMAIN)]
    assert scripted.situation.gap_since == 0 and scripted.situation.complete_until == scripted.now
    gap, = scripted.gaps
    assert (gap.since, gap.reason, gap.report.new_items) == (since, "it was stopped", 2)


def test_a_gap_that_is_not_closed_when_it_ends_stays(node: Any, anna: str) -> None:
    for number in range(5):
        node.mail(anna, b"%d" % number)
    scripted = Scripted(node, situation=Situation(7, gap_since=7, gap_reason="it was stopped"))
    scripted.stopped = True
    scripted.run()
    assert scripted.situation.gap_since == scripted.situation.complete_until == 7
    assert scripted.gaps == []


def test_what_happens_while_a_gap_is_closed_is_recorded_too(node: Any, anna: str, between: Any) -> None:
    def changes(account: str, since: str = "") -> Any:
        found = node.store.changes(account, since)
        if not changed:
            changed.append(node.mail(anna, b"meanwhile"))
        return found

    changed: list[Any] = []
    node.mail(anna, b"before")
    scripted = Scripted(node, between(node.store, changes=changes), Situation(gap_since=-1))
    scripted.run(nothing, *seconds_of(COMMIT))
    assert changed and node.recorded(anna) == node.live(anna)


def test_a_feed_that_ran_over_is_a_gap_and_is_closed(node: Any, anna: str) -> None:
    scripted = Scripted(node)
    bruno = node.account("bruno")

    def overrun() -> None:
        node.mail(anna, b"1")
        node.mail(bruno, b"2")
        node.mail(anna, b"3")
        node.store._database.execute("DELETE FROM feed WHERE seq < ?", (node.store.last_transaction(),))

    scripted.run(*seconds_of(2), overrun, *seconds_of(2))
    assert [gap.reason for gap in scripted.gaps] == [OVERRUN]
    assert scripted.gaps[0].since >= START
    for account in (anna, bruno):
        assert node.recorded(account) == node.live(account)
    assert scripted.situation.gap_since == 0


# -- what cannot be read -----------------------------------------------------------------------------------------------


class Sick:
    """The contents of a mail server, one of which cannot be read until it is well again."""

    def __init__(self, node: Any, between: Any) -> None:
        self.item = ""
        self.asked = 0
        self._node = node
        self.store = between(node.store, read_blobs=self._read_blobs, changes=self._changes)

    def _read_blobs(self, account: str, items: Any) -> Any:
        for item, blob in zip(items, self._node.store.read_blobs(account, items)):
            yield Damaged(f"Item {item} cannot be read.") if item == self.item else blob

    def _changes(self, account: str, since: str = "") -> Any:
        self.asked += 1
        return self._node.store.changes(account, since)


def test_what_cannot_be_read_costs_no_other_and_is_tried_again(node: Any, anna: str, between: Any) -> None:
    sick = Sick(node, between)
    scripted = Scripted(node, sick.store)

    def mail() -> None:
        sick.item, _well = node.mail(anna, b"sick", b"well")

    def told() -> None:
        assert set(node.live(anna)) - set(node.recorded(anna)) == {sick.item}
        assert scripted.situation.unreadable == [f"anna@example.com {sick.item} Item {sick.item} cannot be read."]
        sick.item = ""

    scripted.run(mail, *seconds_of(1), told, *seconds_of(6))
    assert node.recorded(anna) == node.live(anna)
    assert scripted.situation.unreadable == []


def test_nothing_counts_as_complete_beyond_what_cannot_be_read(node: Any, anna: str, between: Any) -> None:
    """A kill may come at any moment, and the gap then begins where all was committed."""
    bruno = node.account("bruno")
    sick = Sick(node, between)
    scripted = Scripted(node, sick.store)
    situation, failed_at = scripted.situation, 0

    def mail() -> None:
        nonlocal failed_at
        failed_at = scripted.now
        _well, sick.item = node.mail(anna, b"well", b"sick")

    def told() -> None:
        assert situation.unreadable and situation.pending == 1
        assert situation.complete_until == situation.pending_since == failed_at - LOOK * 1000

    def more() -> None:
        node.mail(anna, b"later")
        node.mail(bruno, b"well")

    def well() -> None:
        told()
        assert node.recorded(bruno) == node.live(bruno)
        sick.item = ""

    scripted.run(*seconds_of(2), mail, *seconds_of(1), told, more, *seconds_of(7), well, *seconds_of(6))
    assert situation.pending == situation.pending_since == 0
    assert situation.complete_until == scripted.now


@pytest.mark.parametrize("since", [START - 3_600_000, -1])
def test_a_gap_goes_on_for_what_its_closing_scan_could_not_read(
    node: Any, anna: str, between: Any, since: int
) -> None:
    sick = Sick(node, between)
    sick.item, = node.mail(anna, b"sick")
    situation = Situation(max(since, 0), gap_since=since)
    scripted = Scripted(node, sick.store, situation)

    def told() -> None:
        assert situation.gap_since == 0 and situation.pending == 1
        assert situation.complete_until == since
        sick.item = ""

    scripted.run(*seconds_of(2), told, *seconds_of(6))
    assert situation.pending == 0 and situation.complete_until == scripted.now


def test_what_cannot_be_read_is_not_tried_with_every_event(node: Any, anna: str, between: Any) -> None:
    sick = Sick(node, between)
    scripted = Scripted(node, sick.store)

    def mail() -> None:
        found = node.mail(anna, b"%d" % scripted.now)
        sick.item = sick.item or found[0]

    scripted.run(*[mail] * int(20 / LOOK))
    assert 3 <= sick.asked <= 6


def test_what_a_closing_scan_could_not_read_is_tried_again(node: Any, anna: str, between: Any) -> None:
    sick = Sick(node, between)
    sick.item, _well = node.mail(anna, b"sick", b"well")
    scripted = Scripted(node, sick.store, Situation(gap_since=-1))

    def told() -> None:
        assert scripted.gaps[0].report.read_errors == 1
        assert len(scripted.situation.unreadable) == 1
        sick.item = ""

    scripted.run(nothing, *seconds_of(1), told, *seconds_of(6))
    assert node.recorded(anna) == node.live(anna)


def test_a_mail_server_that_goes_away_ends_it(node: Any, anna: str, between: Any) -> None:
    def find_entry(_kind: str, _name: str) -> Entry:
        raise Unavailable("The mail server does not answer.")

    scripted = Scripted(node, between(node.store, find_entry=find_entry), Situation(complete_until=START))
    with pytest.raises(Unavailable):
        scripted.run(lambda: node.mail(anna, b"new"))
    assert scripted.situation.complete_until == START
    with node.repository.writer():
        pass  # it has let go of the Backup Path
