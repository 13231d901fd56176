# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One mailbox of a standby is brought up to what the primary's was.

What was begun is noted before anything is written, and how far it is when all is written: so a kill at any moment only
means that the same is looked at again. What of it was written by then, the mail store tells by the id of the import.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from ..backup.repository import Repository
from ..ledger.standby import NAMED, WHOLE, Copy, Known, Mailbox, Record
from ..mailstore.port import MailStore
from ..model import kinds
from ..model.state import ItemState, Transaction
from ..operations.progress import Progress
from ..restore.ahead import Ahead
from ..restore.apply import Patience
from ..restore.blobs import Blobs
from ..restore.idmap import OriginSet
from ..restore.mailbox import Content, read_contents
from . import plan
from .report import RoundReport
from .writing import MailboxWriter

STREAMED: Final = (kinds.MESSAGE, kinds.CONTACT, kinds.APPOINTMENT, kinds.TASK, kinds.DOCUMENT)
LATE: Final = (kinds.CONTACT_GROUP, kinds.DATA_SOURCE)
"""They refer to others by their ids."""
WINDOW_ITEMS: Final = 1024
WINDOW_BYTES: Final = 16 << 20


class Sides(NamedTuple):
    """Primary and standby, open. Used by one thread."""

    source: Repository
    """The primary's backup, as far as it was retrieved."""
    blobs: Blobs
    store: MailStore
    record: Record
    import_id: str
    patience: Patience
    progress: Progress


_NOTHING: Final[Collection[str]] = frozenset()


class _Everything(Container[str]):
    def __init__(self, but: Collection[str]) -> None:
        self._but = but

    def __contains__(self, one: object) -> bool:
        return one not in self._but


class Stopped(Exception):
    """The work was told to stop in the middle of a mailbox, which is to be gone on with."""


class _Window(NamedTuple):
    changes: Sequence[Transaction]
    contents: dict[str, Content]
    """Those that were read beforehand, by origin."""


class MailboxFollower:
    """Brings one mailbox up to date. To be used once."""

    def __init__(self, sides: Sides, account: Known, report: RoundReport) -> None:
        self._sides = sides
        self._account = account
        self._report = report
        self._store = sides.store
        self._record = sides.record
        self._box: Mailbox = sides.record.mailbox(account.source)
        self._disturbed: Container[str] = _NOTHING
        """Items of the primary whose copies somebody may have changed here."""
        self._writer = MailboxWriter(sides, account, self._box, report)

    def apply(self, last: int, again: Collection[str] = (), sweep: bool = False, look: bool = True) -> None:
        """Apply what has changed since the position that is recorded.

        :param last: the newest transaction of the journal, which is the position afterwards. :param again: items of the
            primary to look at whether they have changed or not.
        :param sweep: look at all of them, and at what is here and unknown there.
        :param look: see first what somebody has changed here.
        :raises Stopped: the work was told to stop. :raises Unavailable: a side does not answer.
        """
        fresh = not self._box.last and not self._box.dirty
        if self._box.dirty:
            self._recover()
        self._writer.load()
        token, disturbed = self._look() if look and not fresh else (self._box.token, _NOTHING)
        since = 0 if sweep or disturbed is None else self._box.last
        looked_at = {*again, *(disturbed or ())}
        self._disturbed = _Everything(again) if disturbed is None else frozenset(disturbed).difference(again)
        self._record.begin(self._account.source)
        self._named(since, looked_at)
        for window in self._windows(STREAMED, since, looked_at, newest_first=True, ahead=not since):
            self._window(window)
        for window in self._windows(LATE, since, looked_at):
            self._window(window)
        if sweep:
            self._sweep()
        self._writer.delete_named()
        with self._record.changing():
            self._record.ended(self._account.source, last, token)
            self._record.succeeded(self._account.source, [WHOLE])

    def _look(self) -> tuple[str, Collection[str] | None]:
        """Return the mailbox's token, and the items of the primary whose copies have changed here since the last one;
        None for all, where that cannot be told.

        They were written by the last round, or by somebody else: whether they are what they should be is to be seen.
        What is here and was never the primary's is noted.
        """
        found = self._sides.patience.ask(lambda: self._store.changes(self._account.destination, self._box.token))
        if found.full:
            return found.token, None
        disturbed = {one.origin for one in self._origins(list(found.deleted)).values()}
        for states in _portions(found.items):
            copies = {one.item_id: one for one in self._origins([state.item_id for state in states]).values()}
            disturbed.update(copy.origin for copy in copies.values())
            for state in states:
                if state.item_id not in copies:
                    self._record.conflict(
                        self._account.source, state.item_id, state.kind, "was added here; it is left as it is"
                    )
        return found.token, disturbed

    def _origins(self, items: Sequence[str]) -> dict[str, Copy]:
        return self._record.origins(self._box.number, items)

    def _recover(self) -> None:
        """Learn from the mail store what a round that was killed had written."""
        written = self._sides.patience.ask(
            lambda: list(self._store.imported(self._account.destination, self._sides.import_id))
        )
        for start in range(0, len(written), WINDOW_ITEMS):
            pairs = dict(written[start:start + WINDOW_ITEMS])
            known = self._record.copies(self._box.number, list(pairs))
            new = []
            for origin, item_id in pairs.items():
                copy = known.get(origin)
                if copy is None or copy.item_id != item_id:
                    here = self._store.item(self._account.destination, item_id)
                    if here is not None:
                        new.append(Copy(origin, item_id, here.kind, own=True))
            self._record.recognise(self._box.number, new)

    # -- folders, mountpoints, tags and filters --------------------------------------------------------------------

    def _named(self, since: int, again: Collection[str]) -> None:
        wanted, gone = [], []
        known = {one.origin: one for one in self._record.named(self._box.number)}
        changed = {one.item_id: one for one in self._sides.source.changed(self._account.source, since, NAMED)}
        looked_at = [*changed.values(), *self._now(again, NAMED, changed)]
        self._writer.disturbed = self._only_here(looked_at)
        for one in looked_at:
            if isinstance(one.state, ItemState):
                if self._writer.holds(one.state):
                    wanted.append(one.state)
            elif one.item_id in known:
                gone.append(known[one.item_id])
        if not looked_at:
            return
        self._other_kinds([state.item_id for state in wanted])
        here = {state.item_id: state for state in self._store.folders(self._account.destination)}
        for copy in known.values():
            if copy.kind in (kinds.TAG, kinds.FILTER_SET) and copy.item_id not in here:
                state = self._store.item(self._account.destination, copy.item_id)
                if state is not None:
                    here[copy.item_id] = state
        missing = [one for one in gone if one.item_id not in here]
        self._record.forget(self._box.number, self._account.source, (one.origin for one in missing))
        planned = plan.named(wanted, gone, here, known.values(), self._writer.is_unchanged)
        todo = {step.origin for step in (*planned.steps, *planned.deletions)}
        self._writer.are_settled(one.item_id for one in looked_at if one.item_id not in todo)
        self._writer.carry_out_named(planned)

    def _other_kinds(self, origins: Sequence[str]) -> None:
        """Remove what is called as something else was: where an account was made again, its ids begin anew."""
        copies = self._record.copies(self._box.number, origins).values()
        self._writer.carry_out([
            step for copy in copies if copy.kind not in NAMED
            for step in plan.item(copy.origin, None, copy, None, self._writer.is_unchanged)
        ], {})

    def _only_here(self, changes: Iterable[Transaction]) -> set[str]:
        """Return which items have not changed at the primary since they were applied: what differs was done here."""
        return {
            one.item_id for one in changes if 0 < one.seq <= self._box.last and one.item_id in self._disturbed
        }

    def _now(
        self, again: Collection[str], of: Collection[str], but: Collection[str]
    ) -> Iterator[Transaction]:
        """Yield the last transactions of items that are to be looked at again."""
        for origin in again:
            if origin in but:
                continue
            last = self._sides.source.state(self._account.source, origin)
            if last is None:
                copy = self._record.copies(self._box.number, [origin]).get(origin)
                if copy is not None and copy.kind in of and not self._sides.source.damages():
                    yield Transaction(0, 0, self._account.source, origin, copy.kind, None)
            elif last.kind in of:
                yield last

    # -- the stream of items ---------------------------------------------------------------------------------------

    def _windows(
        self, of: Collection[str], since: int, again: Collection[str], newest_first: bool = False, ahead: bool = False
    ) -> Iterator[_Window]:
        """Cut what is to be looked at into windows; contents are read in the background where nearly all are needed."""
        yield from (_Window(some, {}) for some in _cut(self._now(again, of, ())))
        changes = self._sides.source.changed(self._account.source, since, of, newest_first)
        if not ahead:
            yield from (_Window(some, {}) for some in _cut(changes))
            return
        known = OriginSet()
        for copies in self._record.all_copies(self._box.number):
            for copy in copies:
                known.add(copy.origin)

        def reading() -> Iterator[_Window]:
            for some in _cut(changes):
                states = [
                    one.state for one in some
                    if isinstance(one.state, ItemState) and one.item_id not in known and self._writer.holds(one.state)
                ]
                contents = read_contents(self._sides.blobs, states)
                yield _Window(some, {content.state.item_id: content for content in contents})

        with Ahead(reading()) as windows:
            yield from windows

    def _window(self, window: _Window) -> None:
        if self._sides.progress.stopping():
            raise Stopped
        self._writer.disturbed = self._only_here(window.changes)
        copies = self._record.copies(self._box.number, [one.item_id for one in window.changes])
        steps: list[plan.ItemStep] = []
        settled: list[str] = []
        for one in window.changes:
            state = one.state if isinstance(one.state, ItemState) else None
            if state is not None and not self._writer.holds(state):
                self._report.not_held[state.kind] += 1
                continue
            copy = copies.get(one.item_id)
            here = None if copy is None else self._store.item(self._account.destination, copy.item_id)
            done = plan.item(one.item_id, state, copy, here, self._writer.is_unchanged)
            if not done:
                settled.append(one.item_id)
            steps += done
        self._writer.are_settled(settled)
        self._writer.carry_out(steps, window.contents)

    def _sweep(self) -> None:
        """Remove the copies of what the primary has no more, where its deletion was purged before it was seen here."""
        if self._sides.source.damages():
            return  # what cannot be read is not gone
        for copies in self._record.all_copies(self._box.number):
            gone = [
                one for one in copies
                if (last := self._sides.source.state(self._account.source, one.origin)) is None or last.state is None
            ]
            named = [one for one in gone if one.kind in NAMED]
            self._writer.delete_later([
                plan.ItemStep(
                    plan.DELETE if one.own else plan.KEEP, one.origin, ItemState(one.item_id, one.kind), one.item_id
                ) for one in named
            ])
            self._writer.carry_out([
                step for one in gone if one.kind not in NAMED
                for step in plan.item(one.origin, None, one, None, self._writer.is_unchanged)
            ], {})


def _cut(changes: Iterable[Transaction]) -> Iterator[Sequence[Transaction]]:
    """Cut changes into what is dealt with at once."""
    some: list[Transaction] = []
    size = 0
    for one in changes:
        some.append(one)
        size += one.state.size if isinstance(one.state, ItemState) else 0
        if len(some) >= WINDOW_ITEMS or size >= WINDOW_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _portions(items: Iterable[ItemState]) -> Iterator[list[ItemState]]:
    some: list[ItemState] = []
    for state in items:
        some.append(state)
        if len(some) >= WINDOW_ITEMS:
            yield some
            some = []
    if some:
        yield some


__all__ = ["MailboxFollower", "Sides", "Stopped"]
