# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out a plan: the only place of a restore that writes to a mail server.

Whatever is written is counted, reported and recorded here. A mail server that does not answer is asked again a few
times; a refusal concerns one entry or one item, and never stops the others.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from ..mailstore.port import MailStore, NewItem, Written
from ..model import kinds, moment
from ..model.errors import AlreadyExists, Refused, RestanteError, Unavailable
from ..model.state import Entry, ItemState
from ..operations.progress import Progress
from ..operations.report import INVALID_ITEM, RestoreReport, cause_of
from .idmap import ItemLog, OriginSet

_Answer = TypeVar("_Answer")
_CHUNK: Final = 4096


class Patience(NamedTuple):
    """How long to wait for a mail server that does not answer."""

    delays: Sequence[float] = (0.5, 1, 2, 4, 8, 15)
    """Seconds before each further attempt."""
    sleep: Callable[[float], None] = time.sleep

    def ask(self, call: Callable[[], _Answer]) -> _Answer:
        """Return what a call returns, trying again while the mail server is unavailable.

        :raises Unavailable: it still is after the last attempt.
        """
        for delay in self.delays:
            try:
                return call()
            except Unavailable:
                self.sleep(delay)
        return call()


PATIENT: Final = Patience()


class DirectoryApplier:
    """Writes directory entries."""

    def __init__(self, store: MailStore, report: RestoreReport, patience: Patience = PATIENT) -> None:
        self.store = store
        self._report = report
        self._patience = patience
        self._created: set[str] = set()

    def create(self, entry: Entry) -> Entry | None:
        """Create an entry, or find the one of this name; return it, None where the mail server refused.

        It gets the id it had where the mail server can do that and the id is free.
        """
        try:
            present = self._find(entry)
            if present is not None:
                return present
            if entry.kind not in self.store.capabilities().entry_kinds:
                raise Refused(f"This mail server cannot hold a {entry.kind}.")
            created = self._patience.ask(lambda: self._create(entry))
        except Unavailable:
            raise
        except RestanteError as error:
            self._refused(entry, [str(error)])
            return None
        self._created.add(created.entry_id)
        return created

    def _find(self, entry: Entry) -> Entry | None:
        return self._patience.ask(lambda: self.store.find_entry(entry.kind, entry.name))

    def _create(self, entry: Entry) -> Entry:
        try:
            return self.store.create_entry(entry)
        except AlreadyExists:
            # Either an attempt whose answer was lost has made it, or the id is taken by an entry of another name.
            return self.store.find_entry(entry.kind, entry.name) or self.store.create_entry(entry._replace(entry_id=""))

    def attributes(self, entry: Entry) -> bool:
        """Give the entry with this id what the backup knows of it, as much as the mail server takes; count it."""
        problems: list[str] = []
        changed = self._update(entry, problems)
        if problems:  # then piece by piece, so that one bad piece costs only itself
            problems = []
            for piece in _pieces(entry):
                changed = self._update(piece, problems) or changed
        if problems:
            self._refused(entry, problems)
        elif changed or self.made(entry):
            self._report.add_restored(entry.kind)
        else:
            self._report.add_skipped(entry.kind)
        return changed

    def made(self, entry: Entry) -> bool:
        """Return whether this run has created the entry with this id."""
        return entry.entry_id in self._created

    def set_attribute(self, entry: Entry, name: str, values: Sequence[str]) -> bool:
        """Give one attribute of an entry these values; without counting it."""
        changed = Entry(entry.entry_id, entry.kind, entry.name, {name: tuple(values)})
        return self._patience.ask(lambda: self.store.update_entry(changed))

    def _update(self, entry: Entry, problems: list[str]) -> bool:
        try:
            return self._patience.ask(lambda: self.store.update_entry(entry))
        except Unavailable:
            raise
        except RestanteError as error:
            problems.append(str(error))
            return False

    def _refused(self, entry: Entry, problems: Sequence[str]) -> None:
        self._report.add_unrestored("", entry.name, entry.kind, INVALID_ITEM, " ".join(dict.fromkeys(problems)))


def _pieces(entry: Entry) -> Iterator[Entry]:
    nothing = Entry(entry.entry_id, entry.kind, entry.name)
    for name, values in entry.attrs.items():
        yield nothing._replace(attrs={name: values})
    for alias in entry.aliases:
        yield nothing._replace(aliases=(alias,))
    for member in entry.members:
        yield nothing._replace(members=(member,))
    for signature in entry.signatures:
        yield nothing._replace(signatures=(signature,))


class MailboxApplier:
    """Writes the items of one mailbox."""

    def __init__(
        self,
        store: MailStore,
        account_id: str,
        address: str,
        import_id: str,
        log: ItemLog,
        report: RestoreReport,
        progress: Progress,
        patience: Patience = PATIENT,
        before_writing: Callable[[], object] = lambda: None,
        same_mailbox: bool = False,
    ) -> None:
        """
        :param before_writing: called once, before the first new item is written.
        :param same_mailbox: the backup is of this very mailbox.
        """
        self.store = store
        self.account_id = account_id
        self.address = address
        self.import_id = import_id
        self.report = report
        self._log = log
        self._progress = progress
        self._patience = patience
        self.newest_back = 0
        """From when on the first message was there, UTC milliseconds: of a restore, the newest one. 0 for none."""
        self._before_writing: Callable[[], object] | None = before_writing
        self._same_mailbox = same_mailbox
        self._held = store.capabilities().item_kinds

    def write(self, batch: Sequence[NewItem]) -> list[Written]:
        """Write new items, and say of each what became of it, in the order of the batch."""
        if not batch:
            return []
        if self._before_writing is not None:
            self._before_writing()
            self._before_writing = None
        written = self._patience.ask(lambda: self.store.write_items(self.account_id, batch, self.import_id))
        restored: Counter[str] = Counter()
        skipped: Counter[str] = Counter()
        for item, result in zip(batch, written):
            if result.error:
                self.leave(item.state, item.origin, INVALID_ITEM, result.error)
            else:
                (skipped if result.existed else restored)[item.state.kind] += 1
                for what in result.lost:
                    self.report.add_not_held(item.state.kind, what)
        self._log.add((result.origin, result.item_id) for result in written if not result.error)
        self._count(restored, skipped)
        self._progress.advance(len(batch), sum(item.state.size for item in batch))
        return written

    def make(self, states: Sequence[ItemState], imported: Mapping[str, str]) -> list[Written]:
        """Write folders or tags. One that an earlier run has made, and somebody has removed since, is made again.

        :param imported: what earlier runs have made of them. As write().
        """
        written = self.write([
            NewItem(f"{origin}/{imported[origin]}" if origin in imported else origin, state)
            for origin, state in ((state.item_id, state) for state in states)
        ])
        again = [
            (state, result.item_id) for state, result in zip(states, written)
            if state.item_id in imported and not result.error
        ]
        if again:
            self._record(again)
        return written

    def adopt(self, pairs: Sequence[tuple[ItemState, str]]) -> None:
        """Record that items of the backup are these items of the mailbox already; they count as skipped."""
        if pairs:
            self._record(pairs)
            self.skip(Counter(state.kind for state, _unused in pairs))

    def change(self, state: ItemState, present: ItemState, blob: bytes | None = None) -> bool:
        """Make an item that is there already what it is to be, and record it as a copy.

        :param state: the item in the backup. :param present: what the item of the mailbox is to become.
        :return: False where the mail server refused.
        """
        try:
            self._patience.ask(lambda: self.store.update_item(self.account_id, present, blob))
        except Unavailable:
            raise
        except RestanteError as error:
            self.leave(state, state.item_id, cause_of(error), str(error))
            return False
        self._record([(state, present.item_id)])
        self._count(Counter((state.kind,)), Counter())
        self._progress.advance(1, state.size)
        return True

    def change_all(self, changes: Sequence[tuple[ItemState, ItemState]]) -> None:
        """Make several items what they are to be, as change() does, but for contents.

        :param changes: of each the item in the backup, and what the item of the mailbox is to become.
        """
        if not changes:
            return
        wanted = [present for _unused, present in changes]
        refused = self._patience.ask(lambda: self.store.update_items(self.account_id, wanted))
        done = []
        for (state, present), error in zip(changes, refused):
            if error is None:
                done.append((state, present.item_id))
            else:
                self.leave(state, state.item_id, cause_of(error), str(error))
        if done:
            self._record(done)
            self._count(Counter(state.kind for state, _unused in done), Counter())
            self._progress.advance(len(done))

    def amend(self, present: ItemState, blob: bytes | None = None) -> None:
        """Change an item of the mailbox that is not a copy, or whose copy has been counted."""
        self._patience.ask(lambda: self.store.update_item(self.account_id, present, blob))

    def move_in(self, batch: Sequence[NewItem]) -> list[Written]:
        """Write items that come from another mailbox of this server; they are not counted and not logged."""
        return self._patience.ask(lambda: self.store.write_items(self.account_id, batch, self.import_id))

    def moved_out(self, item_ids: Sequence[str]) -> None:
        """Remove items that are in another mailbox now."""
        self._patience.ask(lambda: self.store.delete_items(self.account_id, item_ids))

    def skip(self, by_kind: Counter[str]) -> None:
        """Count items that an earlier run has written."""
        by_kind = +by_kind
        if by_kind:
            self._count(Counter(), by_kind)
            self._progress.advance(sum(by_kind.values()))

    def skip_one(self, kind: str) -> None:
        """Count one item that an earlier run has written."""
        self.skip(Counter((kind,)))

    def warn(self, sentence: str) -> None:
        """Tell the administrator something about this mailbox."""
        self.report.warn(f"{self.address}: {sentence}")

    def warn_all(self, sentences: Iterable[str]) -> None:
        """Tell the administrator several things."""
        for sentence in sentences:
            self.warn(sentence)

    def unreadable(self, state: ItemState, error: RestanteError) -> None:
        """Report an item that cannot be read from the backup."""
        self.leave(state, state.item_id, cause_of(error), str(error))

    def holds(self, kind: str) -> bool:
        """Return whether the mail server can hold items of a kind."""
        return kind in self._held

    def leave_unheld(self, state: ItemState) -> None:
        """Report an item of a kind that the mail server cannot hold."""
        self.leave(state, state.item_id, INVALID_ITEM, f"This mail server cannot hold a {state.kind}.")

    def leave(self, state: ItemState, origin: str, cause: str, reason: str) -> None:
        """Report an item that cannot be restored."""
        self.report.add_unrestored(self.address, origin, state.kind, cause, reason)

    # -- what is there already --------------------------------------------------------------------------------------

    def imported(self, wanted: Container[str], present: OriginSet) -> dict[str, str]:
        """Take in what earlier runs of this import have written.

        What the log lacks, because the run was killed, is added to it.

        :param present: gets the id in the backup of everything that was written.
        :return: the ids here of those wanted.
        """
        found: dict[str, str] = {}
        logged = self._log.origins()
        unlogged: list[tuple[str, str]] = []
        for origin, item_id in self.store.imported(self.account_id, self.import_id):
            present.add(origin)
            if origin in wanted:
                found[origin] = item_id
            if origin not in logged:
                unlogged.append((origin, item_id))
                if len(unlogged) == _CHUNK:
                    self._log.add(unlogged)
                    unlogged = []
        self._log.add(unlogged)
        return found

    def has(self, kind: str, item_id: str) -> bool:
        """Return whether the mailbox has an item of a kind under an id of its own."""
        present = self.store.item(self.account_id, item_id)
        return present is not None and present.kind == kind

    def named(self, kind: str) -> dict[str, ItemState]:
        """Return the items of a kind of which a mailbox has few, by name. It looks through the whole mailbox."""
        return {state.name: state for state in self.store.changes(self.account_id).items if state.kind == kind}

    def is_there(self, state: ItemState) -> bool:
        """Tell whether an item is in the mailbox already without having been restored.

        That can only be where the backup is of this very mailbox; then it has the id and the content that it had.
        """
        if not self._same_mailbox:
            return False
        present = self.store.item(self.account_id, state.item_id)
        return present is not None and (present.kind, present.digest) == (state.kind, state.digest)

    def _record(self, pairs: Sequence[tuple[ItemState, str]]) -> None:
        ids = [(state.item_id, item_id) for state, item_id in pairs]
        self._patience.ask(lambda: self.store.map_imported(self.account_id, self.import_id, ids))
        self._log.add(ids)

    def _count(self, restored: Counter[str], skipped: Counter[str]) -> None:
        if not self.newest_back and restored[kinds.MESSAGE] + skipped[kinds.MESSAGE]:
            self.newest_back = moment.now()
        for kind, count in restored.items():
            self.report.add_restored(kind, count)
        for kind, count in skipped.items():
            self.report.add_skipped(kind, count)
