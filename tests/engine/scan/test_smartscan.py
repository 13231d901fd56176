# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import Changes, NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, NotFound, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import (
    ACCOUNT_ITEM,
    SERVER,
    Entry,
    ItemState,
)
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import Silent
from ansible_collections.restante.carbonio.plugins.module_utils.scan.recorder import Cadence

INBOX, TRASH = "2", "3"

AFTER_EVERY_ITEM = Cadence(seconds=0)


class StopAfter(Silent):
    """A progress that is told to stop once so many items are done."""

    def __init__(self, items: int) -> None:
        self.left = items

    def advance(self, items: int = 0, bytes_: int = 0) -> None:
        self.left -= items

    def stopping(self) -> bool:
        return self.left <= 0


def new_document(name: str, content: bytes) -> Any:
    return NewItem("", ItemState("", kinds.DOCUMENT, "16", name, date=1), content)


def test_the_first_scan_records_all_there_is(node: Any) -> None:
    """R-210, R-213."""
    account = node.account("anna")
    node.store.create_entry(Entry("c-1", kinds.COS, "staff", {"zimbraMailQuota": ("1000",)}))
    node.store.create_entry(Entry("l-1", kinds.DISTRIBUTION_LIST, "all@example.com", members=("anna@example.com",)))
    ids = node.mail(account, b"Subject: one\r\n\r\n1", b"Subject: two\r\n\r\n2", b"Subject: one\r\n\r\n1")
    report = node.scan()
    assert node.recorded(account) == node.live(account)
    assert {"domain", "cos", "distribution_list"} == {
        last.kind for kind in kinds.ENTRY_KINDS for last in node.repository.entries(kind) if last.scope == SERVER
    }
    assert node.repository.entry(account, ACCOUNT_ITEM) == node.store.find_entry(kinds.ACCOUNT, account)
    one = node.repository.state(account, ids[0]).state
    assert node.repository.read_blob(one.digest) == b"Subject: one\r\n\r\n1"
    assert (report.new_accounts, report.updated_accounts, report.read_errors) == (1, 0, 0)
    assert report.new_blobs == 2, "the third message has the content of the first"
    assert report.new_items == report.checked_items
    assert report.changed


def test_a_scan_of_an_empty_server_is_no_error(node: Any) -> None:
    node.store.delete_entry(kinds.DOMAIN, "d-1")
    node.scan()
    assert node.repository.scopes() == []


def test_scanning_again_writes_nothing_and_looks_into_no_mailbox(node: Any, between: Any) -> None:
    """R-211."""
    for name in ("anna", "bruno"):
        node.mail(node.account(name), b"Subject: x\r\n\r\n")
    node.scan()
    head = node.repository.head()
    watched = between(node.store)
    report = node.scan(watched)
    assert "changes" not in watched.calls
    assert not report.changed
    assert report.unchanged_accounts == 2
    assert node.repository.head() == head


def test_a_scan_takes_only_what_changed_since_the_last(node: Any, between: Any) -> None:
    """R-211, R-212."""
    account, other = node.account("anna"), node.account("bruno")
    first, second, third = node.mail(account, b"1", b"2", b"3")
    node.scan()
    state = node.store.item(account, first)
    node.store.update_item(account, state._replace(folder=TRASH, flags="f"))
    node.store.delete_items(account, [second])
    new = node.mail(account, b"4")[0]
    watched = between(node.store)
    report = node.scan(watched)
    assert node.recorded(account) == node.live(account)
    assert node.repository.state(account, second).state is None
    assert watched.calls.count("changes") == 1
    assert watched.calls.count("read_blob") == 1, "a new flag is no new content"
    assert (report.new_items, report.updated_items, report.deleted_items) == (1, 1, 1)
    assert (report.updated_accounts, report.unchanged_accounts) == (1, 1)
    assert {last.item_id for last in node.repository.history(account, third)} == {third}
    assert len(list(node.repository.history(account, third))) == 1
    assert node.repository.state(account, new).state.digest == hashlib.sha256(b"4").hexdigest()
    assert node.repository.token(other) == dict(node.store.tokens())[other]


def test_a_changed_entry_is_written_alone(node: Any) -> None:
    account = node.account("anna")
    node.store.create_entry(Entry("c-1", kinds.COS, "staff", {"zimbraMailQuota": ("1000",)}))
    node.scan()
    last = node.repository.head().last
    node.store.update_entry(Entry("c-1", kinds.COS, "staff", {"zimbraMailQuota": ("2000",)}))
    node.store.update_entry(Entry(account, kinds.ACCOUNT, "anna@example.com", {"displayName": ("Anna",)}))
    report = node.scan()
    assert node.repository.head().last == last + 2
    assert node.repository.entry(SERVER, "c-1").first("zimbraMailQuota") == "2000"
    assert node.repository.entry(account, ACCOUNT_ITEM).first("displayName") == "Anna"
    assert (report.updated_items, report.updated_accounts) == (2, 1)


def test_deleted_entries_are_recorded_as_deleted(node: Any) -> None:
    """R-212, R-248."""
    account = node.account("anna")
    item = node.mail(account, b"kept")[0]
    node.store.create_entry(Entry("c-1", kinds.COS, "staff"))
    node.scan()
    node.store.delete_entry(kinds.ACCOUNT, account)
    node.store.delete_entry(kinds.COS, "c-1")
    report = node.scan()
    assert (report.deleted_accounts, report.deleted_items) == (1, 1)
    assert list(node.repository.entries(kinds.ACCOUNT)) == []
    assert list(node.repository.entries(kinds.COS)) == []
    assert node.repository.state(account, item).state is not None, "what a deleted account held is still there"
    assert not node.scan().changed


def test_an_account_that_comes_back_with_its_id_is_read_as_a_new_mailbox(node: Any) -> None:
    account = node.account("anna")
    node.mail(account, b"1", b"2", b"3")
    node.scan()
    node.store.delete_entry(kinds.ACCOUNT, account)
    node.scan()
    node.account("anna")
    node.mail(account, b"4")
    node.scan()
    assert node.recorded(account) == node.live(account)
    assert node.repository.entry(account, ACCOUNT_ITEM) is not None


def test_distribution_lists_can_be_left_out(node: Any) -> None:
    """R-228."""
    node.store.create_entry(Entry("l-1", kinds.DISTRIBUTION_LIST, "all@example.com"))
    node.scan(skip_lists=True)
    assert list(node.repository.entries(kinds.DISTRIBUTION_LIST)) == []
    node.scan()
    assert len(list(node.repository.entries(kinds.DISTRIBUTION_LIST))) == 1
    node.scan(skip_lists=True)
    assert len(list(node.repository.entries(kinds.DISTRIBUTION_LIST))) == 1


def test_named_accounts_are_scanned_and_nothing_else(node: Any) -> None:
    """R-219."""
    anna, bruno = node.account("anna"), node.account("bruno")
    node.mail(anna, b"1")
    node.mail(bruno, b"2")
    report = node.scan(accounts=["Anna@example.com"])
    assert node.repository.scopes() == [anna]
    assert node.recorded(anna) == node.live(anna)
    assert report.new_accounts == 1
    node.scan(accounts=[bruno])
    assert node.recorded(bruno) == node.live(bruno)
    assert list(node.repository.entries(kinds.DOMAIN)) == []


def test_an_unknown_account_is_named_and_nothing_is_scanned(node: Any) -> None:
    node.account("anna")
    with pytest.raises(NotFound, match="nobody@example.com"):
        node.scan(accounts=["anna@example.com", "nobody@example.com"])
    assert node.repository.head() is None


@pytest.mark.parametrize("error", [Damaged("altered"), Unavailable("no answer"), OSError(5, "Input/output error")])
def test_an_unreadable_item_costs_no_other_and_is_tried_again(node: Any, between: Any, error: Exception) -> None:
    """R-212, R-230, R-282."""
    account = node.account("anna")
    first, broken, last = node.mail(account, b"1", b"2", b"3")

    def read_blob(account_id: str, item_id: str) -> bytes:
        if item_id == broken:
            raise error
        return bytes(node.store.read_blob(account_id, item_id))

    report = node.scan(between(node.store, read_blob=read_blob))
    assert report.read_errors == 1
    assert [(failure.account, failure.item_id) for failure in report.failures] == [("anna@example.com", broken)]
    assert str(error) in report.text()
    assert set(node.live(account)) - set(node.recorded(account)) == {broken}
    assert node.repository.token(account) == ""
    again = node.scan()
    assert (again.read_errors, again.new_items) == (0, 1)
    assert node.recorded(account) == node.live(account)
    assert all(len(list(node.repository.history(account, item))) == 1 for item in (first, broken, last))


def test_an_unreadable_mailbox_costs_no_other(node: Any, between: Any) -> None:
    anna, bruno = node.account("anna"), node.account("bruno")
    node.mail(anna, b"1")
    node.mail(bruno, b"2")

    def changes(account_id: str, since: str = "") -> Changes:
        if account_id == anna:
            raise Unavailable("The mailbox is locked.")
        return node.store.changes(account_id, since)  # type: ignore[no-any-return]

    report = node.scan(between(node.store, changes=changes))
    assert report.read_errors == 1
    assert node.recorded(anna) == {}
    assert node.recorded(bruno) == node.live(bruno)
    assert node.scan().read_errors == 0
    assert node.recorded(anna) == node.live(anna)


def test_a_listing_that_breaks_off_deletes_nothing(node: Any, between: Any) -> None:
    account = node.account("anna")
    node.mail(account, b"1", b"2", b"3")
    node.scan()

    def changes(account_id: str, since: str = "") -> Changes:
        whole = node.store.changes(account_id)

        def cut() -> Iterator[Any]:
            yield from itertools.islice(whole.items, 1)
            raise Unavailable("The connection broke.")

        return whole._replace(items=cut())  # type: ignore[no-any-return]

    token = node.repository.token(account)
    node.mail(account, b"4")
    report = node.scan(between(node.store, changes=changes))
    assert (report.read_errors, report.deleted_items) == (1, 0)
    assert node.repository.token(account) == token
    node.scan()
    assert node.recorded(account) == node.live(account)


def test_a_scan_gives_up_beyond_the_threshold_and_keeps_what_it_has(node: Any, between: Any) -> None:
    """R-230."""
    account = node.account("anna")
    ids = node.mail(account, *(str(number).encode() for number in range(10)))

    def read_blob(account_id: str, item_id: str) -> bytes:
        if int(item_id) > int(ids[4]):
            raise Damaged("altered")
        return bytes(node.store.read_blob(account_id, item_id))

    report = node.scan(between(node.store, read_blob=read_blob), read_error_threshold=2)
    assert report.gave_up
    assert report.read_errors == 3
    assert set(ids[:5]) <= set(node.recorded(account))
    assert not node.scan().gave_up
    assert node.recorded(account) == node.live(account)


def test_a_stopped_scan_leaves_nothing_to_be_skipped_by_the_next(node: Any) -> None:
    """R-227."""
    accounts = [node.account(name) for name in ("anna", "bruno", "carla")]
    for account in accounts:
        node.mail(account, *(f"{account} {number}".encode() for number in range(20)))
    reports = []
    while not reports or reports[-1].stopped:
        reports.append(node.scan(progress=StopAfter(7 * (len(reports) + 1))))
    assert len(reports) > 5
    for account in accounts:
        assert node.recorded(account) == node.live(account)
        assert all(len(list(node.repository.history(account, item))) == 1 for item in node.live(account))


def test_a_scan_commits_as_it_goes(node: Any) -> None:
    account = node.account("anna")
    node.mail(account, b"1", b"2", b"3")
    commits: list[Any] = []
    report = node.scan(cadence=AFTER_EVERY_ITEM, committed=commits.append)
    assert report.commits == len(commits) >= 3
    assert [commit.seq for commit in commits] == list(range(1, len(commits) + 1))
    token = dict(node.store.tokens())[account]
    assert [commit.tokens.get(account) == token for commit in commits] == [False] * (len(commits) - 1) + [True]


def test_an_item_that_vanishes_while_it_is_read_is_no_error(node: Any, between: Any) -> None:
    account = node.account("anna")
    known, unknown = node.mail(account, b"1")[0], None
    node.scan()
    node.store.update_item(account, node.store.item(account, known)._replace(flags="f"))
    unknown = node.mail(account, b"2")[0]

    def read_blob(account_id: str, item_id: str) -> bytes:
        node.store.delete_items(account_id, [known, unknown])
        return bytes(node.store.read_blob(account_id, item_id))

    report = node.scan(between(node.store, read_blob=read_blob))
    assert report.read_errors == 0
    node.scan()
    assert node.recorded(account) == node.live(account)
    assert list(node.repository.history(account, unknown)) == []


def test_an_item_that_changes_while_it_is_read_is_recorded_as_it_is(node: Any, between: Any) -> None:
    account = node.account("anna")
    item = node.store.write_items(account, [new_document("notes.txt", b"old")])[0].item_id

    def read_blob(account_id: str, item_id: str) -> bytes:
        node.store.update_item(account, node.store.item(account, item), b"newer")
        return bytes(node.store.read_blob(account_id, item_id))

    report = node.scan(between(node.store, read_blob=read_blob))
    assert report.read_errors == 0
    assert node.repository.read_blob(node.repository.state(account, item).state.digest) == b"newer"
    node.scan()
    assert node.recorded(account) == node.live(account)


def test_a_content_that_is_not_what_its_digest_says_is_an_error(node: Any, between: Any) -> None:
    account = node.account("anna")
    item = node.mail(account, b"right")[0]
    report = node.scan(between(node.store, read_blob=lambda account_id, item_id: b"wrong"))
    assert report.read_errors == 1
    assert item not in node.recorded(account)


def test_a_server_that_knows_no_digests_is_read_once(node: Any, between: Any) -> None:
    account = node.account("anna")
    node.mail(account, b"1", b"2")

    def changes(account_id: str, since: str = "") -> Changes:
        told = node.store.changes(account_id, since)
        return told._replace(items=(state._replace(digest="", size=0) for state in told.items))  # type: ignore[no-any-return]

    ignorant = between(node.store, changes=changes)
    node.scan(ignorant)
    assert node.recorded(account) == node.live(account)
    assert not node.scan(ignorant).changed


def test_an_item_without_any_content_is_recorded_as_it_is(node: Any, between: Any) -> None:
    account = node.account("anna")
    group = ItemState("900", kinds.CONTACT_GROUP, "7", "team", attrs={"members": []})

    def changes(account_id: str, since: str = "") -> Changes:
        told = node.store.changes(account_id, since)
        return told._replace(items=iter([*told.items, group]))  # type: ignore[no-any-return]

    def item(account_id: str, item_id: str) -> ItemState | None:
        return group if item_id == "900" else node.store.item(account_id, item_id)  # type: ignore[no-any-return]

    report = node.scan(between(node.store, changes=changes, item=item))
    assert report.read_errors == 0
    assert node.repository.state(account, "900").state == group


def test_a_content_that_the_server_has_lost_is_an_error_and_no_deletion(node: Any, between: Any) -> None:
    account = node.account("anna")
    lost = node.mail(account, b"1")[0]

    def read_blob(account_id: str, item_id: str) -> bytes:
        raise NotFound("There is no such file.")

    report = node.scan(between(node.store, read_blob=read_blob))
    assert [(failure.item_id, "no such file" in failure.reason) for failure in report.failures] == [(lost, True)]
    assert node.repository.token(account) == ""


def test_an_account_deleted_while_it_is_scanned_is_no_error(node: Any, between: Any) -> None:
    account = node.account("anna")

    def changes(account_id: str, since: str = "") -> Changes:
        node.store.delete_entry(kinds.ACCOUNT, account_id)
        return node.store.changes(account_id, since)  # type: ignore[no-any-return]

    assert node.scan(between(node.store, changes=changes)).read_errors == 0
    assert node.scan().deleted_accounts == 1
    assert node.repository.entry(account, ACCOUNT_ITEM) is None


def test_a_deep_scan_reads_every_content_and_writes_nothing_that_is_there(node: Any, between: Any) -> None:
    """R-218."""
    account = node.account("anna")
    node.mail(account, b"1", b"2")
    node.scan()
    watched = between(node.store)
    report = node.scan(watched, deep=True)
    assert watched.calls.count("read_blob") == 2
    assert report.checked_items > len(node.live(account))
    assert not report.changed


@pytest.mark.parametrize("harm", ["lost", "damaged"])
def test_a_deep_scan_writes_again_what_the_backup_has_lost(node: Any, harm: str) -> None:
    """R-218."""
    account = node.account("anna")
    node.mail(account, b"1", b"2", b"2")
    node.scan()
    name = next(pack.name for pack in node.repository.packs() if pack.kind == "blobs")
    pack = node.path / "backup" / "packs" / name[:2] / name
    if harm == "lost":
        pack.unlink()
    else:
        pack.write_bytes(bytes(pack.stat().st_size))
    assert not node.scan().changed, "a scan that is not deep looks at what has changed only"
    assert node.scan(deep=True).new_blobs == 2
    for content in (b"1", b"2"):
        assert node.repository.read_blob(hashlib.sha256(content).hexdigest()) == content
    assert not node.scan(deep=True).changed


def test_the_report_has_the_counters_of_the_notification(node: Any) -> None:
    """R-282."""
    node.mail(node.account("anna"), b"1")
    report = node.scan()
    text = report.text()
    for counter in (
        "New accounts: 1", "Accounts updated: 0", "Items updated: 0", "New metadata: ", "New files: 1",
        "Checked items: ", "Skipped items: 0", "I/O read exceptions: 0", "Items/sec: ",
    ):
        assert counter in text
    assert json.loads(json.dumps(report.to_json()))["new_blobs"] == 1


def test_what_each_login_changes_is_not_recorded(node: Any) -> None:
    """R-191."""
    account = node.account("anna")
    node.scan()
    for number in range(3):
        node.store.update_entry(
            Entry(account, kinds.ACCOUNT, "", {"zimbraLastLogonTimestamp": (f"2026010{number}000000Z",)})
        )
        assert not node.scan().changed
    node.store.update_entry(Entry(account, kinds.ACCOUNT, "", {"displayName": ("Anna",)}))
    assert node.scan().changed
    assert node.repository.entry(account, ACCOUNT_ITEM).attrs == {"displayName": ("Anna",)}
    assert len(list(node.repository.history(account, ACCOUNT_ITEM))) == 2


def test_a_former_content_stays_with_the_time_it_was_valid(node: Any) -> None:
    """R-189, R-194."""
    account = node.account("anna")
    written, = node.store.write_items(account, [new_document("plan", b"old")])
    node.scan()
    node.store.update_item(account, node.store.item(account, written.item_id), b"new")
    node.scan()
    first, second = node.repository.history(account, written.item_id)
    assert first.seq < second.seq and first.at <= second.at
    assert [node.repository.read_blob(one.state.digest) for one in (first, second)] == [b"old", b"new"]


def test_several_changes_between_two_looks_are_one_state(node: Any) -> None:
    """R-195."""
    account = node.account("anna")
    item, = node.mail(account, b"x")
    node.scan()
    for fields in ({"flags": "f"}, {"folder": TRASH}, {"flags": "fr"}):
        node.store.update_item(account, node.store.item(account, item)._replace(**fields))
    node.scan()
    _first, last = node.repository.history(account, item)
    assert (last.state.folder, last.state.flags) == (TRASH, "fr")


def test_mail_that_was_sent_is_recorded_as_any_other(node: Any) -> None:
    """R-226: the web client puts it into the folder of sent mail."""
    account = node.account("anna")
    item, = node.mail(account, b"Subject: sent", folder="5", flags="s")
    node.scan()
    assert node.recorded(account)[item] == node.live(account)[item]


@pytest.mark.parametrize("newer", [1, 2, 3])
def test_a_mail_server_that_was_put_back_is_backed_up_as_it_is_now(node: Any, newer: int) -> None:
    """With fewer, as many and more changes than were lost; ids are given again, for other mails."""
    account = node.account("anna")
    kept, = node.mail(account, b"old")
    node.store.close()
    shutil.copytree(node.path / "store", node.path / "snapshot")
    node.store = EmbeddedStore.open(str(node.path / "store"))
    lost = node.mail(account, b"lost 0")
    lost += node.mail(account, b"lost 1")
    node.scan()
    node.store.close()
    shutil.rmtree(node.path / "store")
    (node.path / "snapshot").rename(node.path / "store")
    node.store = EmbeddedStore.open(str(node.path / "store"))
    new = [node.mail(account, b"new %d" % number)[0] for number in range(newer)]
    node.scan()
    assert node.recorded(account) == node.live(account)
    for number, item in enumerate(new):
        assert node.repository.read_blob(node.repository.state(account, item).state.digest) == b"new %d" % number
    for item in set(lost) - set(new):
        assert node.repository.state(account, item).state is None
    assert len(list(node.repository.history(account, kept))) == 1
    head = node.repository.head()
    assert not node.scan().changed
    assert node.repository.head() == head
