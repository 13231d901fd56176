# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state machine: random changes, scans, uploads, purges, crashes, holds and restores, each held against the model.

The clock is the test's, and is sometimes wrong. Work that is killed dies in a process of its own at some operation on
files (layer.py); then it is looked at what is left, and the work is done again or left so.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import CATALOGUE_FILE, Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care.coherency import EVERYTHING
from ansible_collections.restante.carbonio.plugins.module_utils.care.purge import merge
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import RestanteError
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ACCOUNT_ITEM, SERVER, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import ArchiveBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.copy_source import CopyOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.external import external_restore
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import (
    mailbox_import,
    map_name,
    read_import,
)
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.session import Sides
from ansible_collections.restante.carbonio.plugins.module_utils.restore.undelete import Interval
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import (
    accounts,
    backups,
    care,
    coherency,
    items,
    recovery,
    retrieval,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.scan.realtime import RealtimeScanner, Situation
from ansible_collections.restante.carbonio.plugins.module_utils.scan.recorder import Cadence
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.engine.care.coherency_kit import files_of, harm
from tests.engine.restore.copy_kit import content_of
from tests.torture import layer
from tests.torture.layer import KILL_AFTER, KILL_BEFORE, KILL_TORN, NO_FAULT, Fault
from tests.torture.machine import mail
from tests.torture.machine.mail import CHANGES, Change, do_all
from tests.torture.machine.model import ALWAYS, COMES_BACK, Model, Told, Witness
from tests.torture.machine.restored import (
    SETTINGS,
    Mailbox,
    compare,
    copy_of,
    counted,
    deleted,
    tag_names,
    untouched,
    with_substitutes,
    without_what_has_moved,
)
from tests.torture.worlds import Broken, World, check_catalogue, check_contents, told

HOUR: Final = DAY // 24
NUMBERS: Final = st.integers(0, 40)
CRASHES: Final = st.one_of(
    st.just(NO_FAULT), st.just(NO_FAULT),
    st.tuples(st.integers(1, 150), st.sampled_from((KILL_BEFORE, KILL_AFTER, KILL_TORN))).map(lambda one: Fault(*one)),
)
THOROUGH: Final = 8
"""Every so many steps all that costs more is looked at too."""


class Clock:
    """What the node takes for the time."""

    def __init__(self) -> None:
        self.now = moment.now()

    def __call__(self) -> int:
        return self.now


class Machine(RuleBasedStateMachine):
    """Node a with its backup and archive, node b, and what must be true of them."""

    tried: ClassVar[Counter[str]] = Counter()
    """How often each step was taken, by what came of it; of all machines."""
    place: ClassVar[str | None] = None
    """Where the worlds are made; None for the usual place of temporary files."""

    def __init__(self) -> None:
        super().__init__()
        self._scratch = tempfile.TemporaryDirectory(prefix="restante-machine-", dir=self.place)
        self._clock = Clock()
        self._real_now, moment.now = moment.now, self._clock  # type: ignore[assignment]
        self.world = World.empty(Path(self._scratch.name) / "world")
        with self.world.store("a") as store:
            mail.start(store)
        self.model = Model()
        self.steps = 0
        self.copies: set[tuple[str, str, int, str]] = set()
        """Account, item, number of the state and where to, of all that item restores have brought back."""
        self.imported: dict[tuple[str, int, str], str] = {}
        """What items (account, when its mailbox began, and id) have become at node b."""
        self.deletions: dict[str, set[int]] = {}
        """The numbers of all deletions of each account, also those that a purge has forgotten since."""
        backups.smart_scan(self.world.node("a"))
        self._scanned([self._witness()], complete=True)

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # else what is found would only follow from what was found before
                self._look_closely()
        finally:
            moment.now = self._real_now
            self._scratch.cleanup()

    # -- work ------------------------------------------------------------------------------------------------------

    def _note(self, what: str) -> None:
        self.tried[what] += 1

    def _do(self, name: str, work: Callable[[], object], fault: Fault = NO_FAULT) -> bool:
        """Do work, or have it killed; return whether it came to its end. :raises Broken: it ended in another way."""
        self._clock.now += 1000
        if fault == NO_FAULT:
            try:
                work()
            except RestanteError as error:
                self._note(f"{name}: refused")
                self._refusal = str(error)
                return False
            self._note(f"{name}: done")
            self._refusal = ""
            return True
        outcome = layer.perform(work, self.world.path, fault)
        if outcome.broken:
            raise Broken(f"{name}: {outcome.broken}")
        self._refusal = outcome.refused
        ended = "killed" if outcome.killed else "refused" if outcome.refused else "done"
        self._note(f"{name}: {ended}")
        return ended == "done"

    def _must(self, name: str, work: Callable[[], object]) -> None:
        if not self._do(name, work):
            raise Broken(f"{name}: {self._refusal}")

    @property
    def _backup(self) -> Path:
        return self.world.path / "a" / "backup"

    def _told(self) -> Told:
        return told(self._backup)

    def _witness(self, name: str = "a") -> Witness:
        with self.world.store(name) as store:
            return Witness(store)

    def _mailbox(self, account: str, name: str = "a") -> Mailbox:
        with self.world.store(name) as store:
            return {state.item_id: state for state in store.changes(account).items}

    def _scanned(
        self, witnesses: Sequence[Witness], complete: bool, only: Collection[str] | None = None
    ) -> None:
        self.model.scanned(self._told(), witnesses, self._clock.now, complete, only)
        for scope in self.model.accounts():
            self.deletions.setdefault(scope, set()).update(self.model.real_ends(scope))
        self._committed()

    def _committed(self) -> None:
        with contextlib.closing(self.world.node("a").repository()) as backup:
            self.model.committed(backup.newest())

    def _same(self, what: str) -> None:
        """Check that work has left what the backup says."""
        if self._told() != self.model.past:
            raise Broken(f"{what} has changed what the backup says.")
        self._committed()

    def _live(self) -> list[str]:
        """Return the ids of the accounts that node a has."""
        with self.world.store("a") as store:
            return [entry.entry_id for entry in store.entries(kinds.ACCOUNT)]

    def _any(self, number: int, among: Sequence[Any]) -> Any:
        return among[number % len(among)] if among else None

    # -- the mail server, the clock, the files ---------------------------------------------------------------------

    def _change(self, changes: list[Change]) -> None:
        with self.world.store("a") as store:
            do_all(store, changes, self._note)

    # Each rule is as likely as any other: what makes the others worth while is there several times.
    change = rule(changes=CHANGES)(_change)
    change_more = rule(changes=CHANGES)(_change)
    change_again = rule(changes=CHANGES)(_change)

    @rule(by=st.sampled_from((1, HOUR, DAY, 3 * DAY, 12 * DAY, 40 * DAY, -HOUR, -2 * DAY)))
    def time(self, by: int) -> None:
        self._clock.now += by
        self._note("the clock moves" if by > 0 else "the clock is set back")

    @rule()
    def lose_catalogue(self) -> None:
        for file in self._backup.glob(CATALOGUE_FILE + "*"):
            file.unlink()
        self._note("the catalogue is deleted")

    # -- scans -----------------------------------------------------------------------------------------------------

    @rule(changes=CHANGES, fault=CRASHES)
    def change_and_scan(self, changes: list[Change], fault: Fault) -> None:
        self._change(changes)
        self.scan(set(), False, fault)

    @rule(chosen=st.sets(NUMBERS, max_size=2), deep=st.booleans(), fault=CRASHES)
    def scan(self, chosen: set[int], deep: bool, fault: Fault) -> None:
        """SmartScan of all or some accounts."""
        only = sorted({self._any(number, self._live()) for number in chosen}) or None
        witness = self._witness()
        done = self._do(
            "SmartScan", lambda: backups.smart_scan(self.world.node("a"), deep=deep, accounts=only or ()), fault
        )
        if fault == NO_FAULT and not done:
            raise Broken(f"SmartScan: {self._refusal}")
        self._scanned([witness], done, only)

    @rule(fault=CRASHES)
    def scan_with_many_commits(self, fault: Fault) -> None:
        """A scan that commits after every item, and uploads nothing."""
        def work() -> None:
            node = self.world.node("a")
            with contextlib.closing(node.store()) as store, contextlib.closing(node.repository()) as backup:
                with backup.writer() as writer:
                    smart_scan(store, writer, cadence=Cadence(seconds=0))

        witness = self._witness()
        self._scanned([witness], self._do("scan with many commits", work, fault))

    @rule(parts=st.lists(CHANGES, min_size=1, max_size=4), gap=st.booleans())
    def follow(self, parts: list[list[Change]], gap: bool) -> None:
        """The Realtime Scanner runs while things happen."""
        if not gap:  # what was not recorded before would never be seen
            self.scan(set(), False, NO_FAULT)
        self._clock.now += 1000
        node, seconds, left = self.world.node("a"), [0.0], list(parts)
        with contextlib.closing(node.store()) as store, contextlib.closing(node.repository()) as backup:
            witnesses = [Witness(store)]

            def pause(wait: float) -> bool:
                if not wait:
                    return False
                seconds[0] += wait + 1
                if not left:
                    return True
                do_all(store, left.pop(0), self._note)
                witnesses.append(Witness(store))
                return False

            situation = Situation(complete_until=self._clock.now)
            if gap:
                situation = Situation(gap_since=-1, gap_reason="it did not run")
            RealtimeScanner(store, backup, situation, now=self._clock, clock=lambda: seconds[0]).run(pause)
        self._note("Realtime Scanner: done")
        self._scanned(witnesses, complete=True)

    # -- care ------------------------------------------------------------------------------------------------------

    @rule(chosen=NUMBERS, hold=st.booleans())
    def hold(self, chosen: int, hold: bool) -> None:
        scope = self._any(chosen, [one for one in self.model.accounts() if ACCOUNT_ITEM in self.model.past[one]])
        if scope is not None:
            self._must("legal hold", lambda: care.set_hold(self.world.node("a"), [scope], hold))
            self.model.holding(self._told(), [scope], hold)
            self._committed()

    @rule(
        data=st.sampled_from((0, 1, 10, 30)), account=st.sampled_from((0, 1, 10, 30)), fault=CRASHES,
        grace=st.sampled_from((0, 1, 7)), later=st.sampled_from((0, 2, 15, 40)),
    )
    def purge(self, data: int, account: int, fault: Fault, grace: int, later: int) -> None:
        """A purge, some days later."""
        self._clock.now += later * DAY
        node = self.world.node("a")
        node.settings = dataclasses.replace(node.settings, account_retention_days=account, purge_grace_days=grace)
        done = self._do("purge", lambda: care.purge(node, str(data), trust_clock=True), fault)
        left, now = self.model.purged(self._clock.now, data, account), self._told()
        if now != left and (done or now != self.model.past):
            raise Broken(f"A purge after {data} and {account} days: {_first_difference(left, now)}")
        self.model.past = now
        self._committed()

    @rule(fault=CRASHES)
    def merge(self, fault: Fault) -> None:
        def work() -> None:
            with contextlib.closing(self.world.node("a").repository()) as backup, backup.writer() as writer:
                merge(writer, merge_from=3)

        self._do("merge", work, fault)
        self._same("Merging")

    @rule(fault=CRASHES)
    def upload(self, fault: Fault) -> None:
        if self._do("upload", self._upload, fault):
            compare(self.world.not_archived(), 0, "Commits that are not archived after an upload")
        self._same("An upload")

    def _upload(self) -> None:
        node = self.world.node("a")
        with contextlib.closing(node.repository()) as backup:
            archive = node.archive(backup.server_id)
            assert archive is not None
            Uploader(backup, archive).sync()

    @rule(
        harms=st.lists(st.tuples(
            st.booleans(), st.sampled_from(("blobs", "metadata", "commits", "catalogue")), NUMBERS,
            st.sampled_from(("flip", "cut", "empty", "delete")),
        ), min_size=1, max_size=4), keep=st.booleans(), fault=CRASHES,
    )
    def damage_and_fix(
        self, harms: list[tuple[bool, str, int, str]], keep: bool, fault: Fault
    ) -> None:
        """Files are damaged, each on one side; the coherency check finds it and puts all of it right."""
        self._upload()
        with contextlib.closing(self.world.node("a").repository()) as backup:
            archive = self.world.archive / backup.server_id
        names: dict[str, list[str]] = {
            kind: sorted(str(path.relative_to(self._backup)) for path in files_of(self._backup, kind))
            for kind in ("blobs", "metadata", "commits")
        }
        hurt: set[str] = set()
        for here, kind, which, how in harms:
            name = CATALOGUE_FILE if kind == "catalogue" else self._any(which, names[kind])
            if name is None or name in hurt or not (self._backup / name).exists():
                continue
            hurt.add(name)
            side = self._backup if here or kind == "catalogue" else archive
            harm(side / name, how, random.Random(which))
        if not keep:
            self.lose_catalogue()
        options = coherency.Options(fix=True, archive=EVERYTHING)

        def fix() -> None:
            coherency.check(self.world.node("a"), options, fail_on_damage=False)

        self._do("coherency fix", fix, fault)
        self._must("coherency fix", fix)
        self._same(f"Putting {sorted(hurt)} right")
        self._upload()
        self._coherent(fix=True)
        self._look_closely()

    def _coherent(self, fix: bool) -> None:
        """Check the backup and its archive. :param fix: put right what is wrong: that must be nothing."""
        options = coherency.Options(fix=fix, archive=EVERYTHING)
        found = coherency.check(self.world.node("a"), options, fail_on_damage=False)
        if not found["coherent"] or found["changed"] or found["report"]["lost_contents"]:
            raise Broken(f"A coherency check finds {found['report']}")
        self._note("coherency check: done")

    @rule()
    def check(self) -> None:
        self._upload()
        self._coherent(fix=False)

    # -- recovery --------------------------------------------------------------------------------------------------

    @rule(fault=CRASHES)
    def retrieve(self, fault: Fault) -> None:
        self._retrieve(fault)

    def _retrieve(self, fault: Fault) -> Told | None:
        """Retrieve the metadata; return what it says."""
        def work() -> None:
            node = self.world.node("b")
            archive = retrieval.find_archive(node, retrieval.in_directory(str(self.world.archive)))
            retrieval.retrieve_metadata(node, archive, str(self.world.retrieved))

        if not self._do("retrieve", work, fault):
            if fault == NO_FAULT:
                raise Broken(f"retrieve: {self._refusal}")
            self._must("retrieve", work)
        with contextlib.closing(Repository.open(str(self.world.retrieved))) as retrieved:
            head = retrieved.head()
            assert head is not None
        now = told(self.world.retrieved)
        left = self.model.as_of(head.seq, head.last)
        if now != left:
            raise Broken(f"What was retrieved as of commit {head.seq}: {_first_difference(left, now)}")
        with contextlib.closing(self.world.node("a").repository()) as backup:
            compare(head.seq, backup.newest() - self.world.not_archived(), "The newest commit that was retrieved")
        return now

    @rule(fault=CRASHES)
    def copy(self, fault: Fault) -> None:
        """Copy the Backup Path, again and again into the same place."""
        target = self.world.path / "copy"

        def work() -> None:
            retrieval.copy_backup_path(self.world.node("a"), str(self._backup), str(target))

        if not self._do("copy of the Backup Path", work, fault):
            self._must("copy of the Backup Path", work)
        if told(target) != self.model.past:
            raise Broken(f"The copy: {_first_difference(self.model.past, told(target))}")
        check_contents(target, self.model.past)

    @rule(source=st.sampled_from(("backup", "copy", "archive")), fault=CRASHES)
    def external_restore(self, source: str, fault: Fault) -> None:
        """Restore to node b, again and again."""
        if source == "archive":
            said = self._retrieve(NO_FAULT)
            work = self._from_archive
        else:
            if source == "copy":
                self.copy(NO_FAULT)
            place, said = self.world.path / "copy" if source == "copy" else self._backup, self.model.past

            def work() -> None:
                self._complete(recovery.restore(self.world.node("b"), str(place), ExternalOptions()))

        before = self._node_b()
        self._do("External Restore", work, fault)
        self._must("External Restore", work)
        model = Model()
        assert said is not None
        model.past = said
        self._came_to_b(model, before)

    def _began(self, source: Model, scope: str) -> int:
        """Return after which deletion the mailbox began that a source has; 0 for the first one of the account."""
        last = max(seq for seq, _at, state in source.past[scope][ACCOUNT_ITEM] if state is not None)
        return max((end for end in self.deletions.get(scope, ()) if end < last), default=0)

    def _from_archive(self) -> None:
        node = self.world.node("b")

        def blobs(source: Repository) -> ArchiveBlobs:
            return ArchiveBlobs(source, DirectoryArchive(str(self.world.archive), source.server_id))

        sides = Sides(
            lambda: Repository.open(str(self.world.retrieved)), node.store, blobs, node.settings.backup_path
        )
        self._complete(external_restore(sides, ExternalOptions()).to_json())

    def _complete(self, result: Mapping[str, Any]) -> None:
        report = result.get("report", result)
        if report["unrestored_items"]:
            raise Broken(f"Not everything was restored: {report}")

    def _node_b(self) -> dict[str, Mailbox]:
        with self.world.store("b") as store:
            return {
                entry.name: {state.item_id: state for state in store.changes(entry.entry_id).items}
                for entry in store.entries(kinds.ACCOUNT)
            }

    def _came_to_b(self, source: Model, before: dict[str, Mailbox]) -> None:
        """Everything of the source is at node b once, and what was there before is untouched."""
        after = self._node_b()
        node = self.world.node("b")
        with contextlib.closing(self.world.node("a").repository()) as backup:
            map_file = str(Path(node.settings.backup_path) / map_name(backup.server_id))
        import_id, rows = read_import(map_file)
        ids = {row.source_id: row.destination_id for row in rows}
        for name, mailbox in before.items():
            mailbox = without_what_has_moved(mailbox, after.get(name, {}), after)
            untouched(mailbox, after.get(name, {}), f"{name} at the destination", frozenset({
                kinds.FOLDER, kinds.TAG, kinds.CONTACT_GROUP, *SETTINGS,
            }))
        new: dict[str, set[str]] = {}
        for scope in source.accounts():
            entry = source.state(scope, ACCOUNT_ITEM)
            if entry is None:
                continue
            name, mailbox = entry["name"], source.mailbox(scope)
            number = self._began(source, scope)
            with self.world.store("b") as store:
                found = store.find_entry(kinds.ACCOUNT, name)
                # What was unset since an earlier run stays: nothing is taken away at the destination.
                wanted = entry.get("attrs", {}).get("displayName")
                if found is None or (wanted and [found.first("displayName")] != wanted):
                    raise Broken(f"The account {entry} is {found} at the destination.")
                pairs = list(store.imported(found.entry_id, mailbox_import(import_id, ids, scope)))
            if len({origin for origin, _item in pairs}) != len(pairs):
                raise Broken(f"{name}: an item was imported twice: {pairs}")
            became, there = dict(pairs), after[name]
            for item, state in mailbox.items():
                if state.kind not in COMES_BACK:
                    continue
                known = self.imported.get((scope, number, item))
                if known is None:
                    copy = there.get(became.get(item, ""))
                    if copy is not None and state.digest and (copy.kind, copy.digest) == (state.kind, state.digest):
                        # The mailbox before had the same under the same id, and that is there.
                        if copy.item_id in before.get(name, {}):
                            self.imported[scope, number, item] = copy.item_id
                            continue
                    if copy is None or copy.item_id in before.get(name, {}):
                        raise Broken(f"{name} ({scope}): {state} is {copy} at the destination.")
                    new.setdefault(name, set()).add(copy.item_id)
                    self.imported[scope, number, item] = copy.item_id
                    # A folder or a tag that was restored before is what its user has made of it since.
                    compare(copy_of(copy, {}), copy_of(state, {}), f"{name}: item {item}")
                    compare(copy.folder, became.get(state.folder), f"{name}: the folder of item {item}")
                    compare(set(copy.tags), {became.get(tag) for tag in state.tags}, f"{name}: the tags of item {item}")
                elif known not in there and known in before.get(name, {}):
                    raise Broken(f"{name}: item {item} was {known} at the destination, and is gone.")
        for name, mailbox in after.items():
            found_new = {
                item for item, state in mailbox.items()
                if state.kind in COMES_BACK and item not in before.get(name, {})
            }
            compare(found_new, new.get(name, set()), f"{name}: what came to the destination")

    @rule(account=NUMBERS, item=NUMBERS, deletes=st.booleans())
    def use_b(self, account: int, item: int, deletes: bool) -> None:
        """A user of node b flags or deletes something: it must stay so."""
        with self.world.store("b") as store:
            entry = self._any(account, list(store.entries(kinds.ACCOUNT)))
            if entry is None:
                return
            found = [state for state in store.changes(entry.entry_id).items if state.kind in COMES_BACK]
            state = self._any(item, found)
            if state is None:
                return
            if deletes:
                store.delete_items(entry.entry_id, [state.item_id])
            else:
                store.update_item(entry.entry_id, state._replace(flags="f" if "f" not in state.flags else ""))
            self._note("use of node b: done")

    # -- restores on node a ----------------------------------------------------------------------------------------

    def _restore(self, name: str, work: Callable[[Node], Any], fault: Fault) -> bool:
        """Restore something on node a, which scans first; after a crash again. Return whether it was not refused."""
        results: list[Any] = []
        for one in (fault, NO_FAULT) if fault != NO_FAULT else (NO_FAULT,):
            witness = self._witness()
            done = self._do(name, lambda: results.append(work(self.world.node("a"))), one)
            scanned = done and bool(results) and bool(results[0]["operation_id"])
            self._scanned([witness], complete=scanned)
        if done:
            self._complete(results[0])
        return done

    @rule(source=NUMBERS, when=NUMBERS, undelete=st.booleans(), number=st.integers(0, 9), fault=CRASHES)
    def restore_on_new_account(
        self, source: int, when: int, undelete: bool, number: int, fault: Fault
    ) -> None:
        scope = self._any(source, [one for one in self.model.accounts() if ACCOUNT_ITEM in self.model.past[one]])
        if scope is None or len(self._live()) >= mail.MOST_ACCOUNTS:
            return
        moments = [at for at in self.model.whole if self.model.state(scope, ACCOUNT_ITEM, at) is not None]
        at = self._any(when, moments) if when % 3 else None
        address = f"copy{number}.{self.steps}@{mail.DOMAIN}"
        options = CopyOptions(undelete=undelete) if at is None else CopyOptions(date=at, undelete=undelete)
        if not self._restore(
            "Restore on New Account",
            lambda node: accounts.restore_on_new_account(node, scope, address, options=options), fault,
        ):
            self._refused_rightly(scope, at)
            return
        with self.world.store("a") as store:
            made = store.find_entry(kinds.ACCOUNT, address)
        assert made is not None
        self._is_copy(scope, at, undelete, made.entry_id, address)

    def _refused_rightly(self, scope: str, at: int | None) -> None:
        """A moment of the past is refused when a purge has taken all before it, or the clock is behind it."""
        span = [*self.model.moments(), 0]
        if at is None or (min(span[:-1]) <= at <= max(*span, self._clock.now)
                          and self.model.state(scope, ACCOUNT_ITEM, at) is not None):
            raise Broken(f"A restore of {scope} as of {at} was refused: {self._refusal}")

    def _is_copy(self, scope: str, at: int | None, undelete: bool, account: str, what: str) -> None:
        """Check that an account is what another one was at a moment."""
        ended = self.model.fact(scope, ACCOUNT_ITEM, ALWAYS if at is None else at)
        assert ended is not None
        then = ALWAYS if at is None else at
        if ended[2] is None:
            then = ended[1]
        if then != ALWAYS and not self.model.is_orderly(then):
            self._note("restored as of a moment of a wrong clock")
            return
        wanted, found = self.model.mailbox(scope, then), self._mailbox(account)
        if not undelete:
            compare(content_of(found), content_of(with_substitutes(wanted)), what)
        elif len(self.model.ends(scope)) <= (ended[2] is None):
            copies = counted(wanted.values(), wanted)
            for (_item, _seq), state in deleted(self.model, scope, -ALWAYS, then).items():
                copies[copy_of(state, tag_names(self.model, scope, state))] += 1
            compare(counted(found.values(), found), copies, what)

    @rule(which=NUMBERS, when=NUMBERS, fault=CRASHES)
    def restore_account(self, which: int, when: int, fault: Fault) -> None:
        live = self._live()
        gone = [one for one in self.model.accounts() if one not in live and self.model.past[one].get(ACCOUNT_ITEM)]
        scope = self._any(which, gone)
        if scope is None or len(live) >= mail.MOST_ACCOUNTS:
            return
        moments = [at for at in self.model.whole if self.model.state(scope, ACCOUNT_ITEM, at) is not None]
        at = self._any(when, moments) if when % 3 else None
        options = CopyOptions() if at is None else CopyOptions(date=at)
        entry = [state for _seq, _at, state in self.model.past[scope][ACCOUNT_ITEM] if state is not None][-1]
        if not self._restore(
            "Restore Account", lambda node: accounts.restore_account(node, scope, options=options), fault
        ):
            with self.world.store("a") as store:
                taken = store.find_entry(kinds.ACCOUNT, entry["name"]) is not None
                homeless = store.find_entry(kinds.DOMAIN, entry["name"].rpartition("@")[2]) is None
            if not (taken or homeless):
                self._refused_rightly(scope, at)
            return
        self._is_copy(scope, at, False, scope, entry["name"])

    @rule(account=NUMBERS, which=NUMBERS, when=NUMBERS, elsewhere=st.booleans(), fault=CRASHES)
    def restore_item(self, account: int, which: int, when: int, elsewhere: bool, fault: Fault) -> None:
        live = [one for one in self._witness().scopes if one in self.model.past and one != SERVER]
        scope = self._any(account, live)
        if scope is None or self.model.ends(scope):
            return
        known = [
            item for item, facts in self.model.past[scope].items()
            if any(state is not None and state["kind"] in COMES_BACK for _seq, _at, state in facts)
        ]
        item = self._any(which, sorted(known))
        if item is None:
            return
        moments = [at for at in self.model.whole if self.model.fact(scope, item, at) is not None]
        at = self._any(when, moments) if when % 3 else None
        folder = "Inbox/again" if elsewhere else ""
        before = self._mailbox(scope)
        if not self._restore("Single Item Restore", lambda node: items.restore_item(
            node, scope, item, date=moment.LAST if at is None else at, restore_folder=folder
        ), fault):
            self._refused_rightly(scope, at)
            return
        fact = self.model.fact(scope, item, ALWAYS if at is None else at)
        assert fact is not None
        was = fact if fact[2] is not None else self.model.before(scope, item, fact[0])
        assert was is not None
        state = self.model.item(item, was)
        key = (scope, item, was[0], folder)
        wanted = {key: state} if key not in self.copies else {}
        present = before.get(item)
        if not elsewhere and present is not None and present._replace(date=state.date) == state:
            wanted = {}
        self._came_back(scope, before, wanted, "")

    @rule(account=NUMBERS, one=NUMBERS, two=NUMBERS, original=st.booleans(), fault=CRASHES)
    def undelete(self, account: int, one: int, two: int, original: bool, fault: Fault) -> None:
        live = [scope for scope in self._witness().scopes if scope in self.model.past and scope != SERVER]
        scope, moments = self._any(account, live), self.model.moments()
        if scope is None or self.model.ends(scope):
            return
        start, end = sorted((self._any(one, moments), self._any(two, moments)))
        before = self._mailbox(scope)
        tags: list[str] = []

        def work(node: Node) -> Any:
            result = items.undelete(node, scope, Interval(start, end), target_original_folder=original)
            tags.append(result["tag"])
            return result

        if not self._restore("Undelete", work, fault):
            raise Broken(f"Undelete: {self._refusal}")
        apart = "" if original else "undelete"
        gone = deleted(self.model, scope, start, end).items()
        copies = {(scope, item, seq, apart): state for (item, seq), state in gone}
        new = {key: state for key, state in copies.items() if key not in self.copies}
        self._came_back(scope, before, new, tags[-1])

    def _came_back(
        self, scope: str, before: Mailbox, wanted: Mapping[tuple[str, str, int, str], ItemState], tag: str
    ) -> None:
        """Check that just this has come back to a mailbox, and that the rest is as it was."""
        after = self._mailbox(scope)
        untouched(before, after, f"the mailbox {scope}", frozenset((kinds.FOLDER,)))
        new = [state for item, state in after.items() if item not in before]
        copies: Counter[Any] = Counter()
        for state in wanted.values():
            copies[copy_of(state, tag_names(self.model, scope, state), tag)] += 1
        compare(counted(new, after), copies, f"what came back to {scope}")
        self.copies |= wanted.keys()

    # -- what must be true -----------------------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        self.steps += 1
        if self._told() != self.model.past:
            raise Broken(f"The backup: {_first_difference(self.model.past, self._told())}")
        moments = self.model.moments()
        sample = sorted({moments[len(moments) * part // 5] for part in range(5)} | {moments[-1], self._clock.now})
        with contextlib.closing(self.world.node("a").repository()) as backup:
            for at in sample:
                self._at(backup, at)
            for scope in (SERVER, *self.model.accounts()):
                for start, end in zip(sample, sample[1:]):
                    found = [(one.at, one.seq, one.item_id) for one in backup.deleted_between(scope, start, end)]
                    compare(found, self.model.deletions(scope, start, end), f"deletions of {scope} in {start} to {end}")
        if self.steps % THOROUGH == 0:
            self._look_closely()

    def _at(self, backup: Repository, at: int) -> None:
        for scope in (SERVER, *self.model.accounts()):
            found = {
                one.item_id: (one.seq, one.at, one.state.to_json())
                for one in backup.states(scope, at) if one.state is not None
            }
            compare(found, self.model.present(scope, at), f"{scope} at {at}")
        there = {
            one.scope: one.state.to_json() for one in backup.entries(kinds.ACCOUNT, at) if one.state is not None
        }
        states = {scope: self.model.state(scope, ACCOUNT_ITEM, at) for scope in self.model.accounts()}
        compare(there, {scope: state for scope, state in states.items() if state is not None}, f"accounts at {at}")

    def _look_closely(self) -> None:
        check_catalogue(self._backup, self.model.past)
        check_contents(self._backup, self.model.past)
        self.world.check_archive()


def _first_difference(wanted: Told, found: Told) -> str:
    for scope in sorted(wanted.keys() | found.keys()):
        for item in sorted(wanted.get(scope, {}).keys() | found.get(scope, {}).keys()):
            one, other = wanted.get(scope, {}).get(item), found.get(scope, {}).get(item)
            if one != other:
                return f"item {item} of {scope} should be {one}, and is {other}."
    return f"there should be {sorted(wanted)}, and is {sorted(found)}."
