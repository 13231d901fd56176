# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory of a standby is brought up to what the primary's was: the only place of a standby that writes entries.

That an entry is to be made is recorded before it is made, and what it became afterwards: so a kill in between leaves no
entry of which nobody knows that the standby has made it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ..ledger.standby import Known
from ..model import kinds
from ..model.errors import AlreadyExists, RestanteError, Unavailable
from ..model.state import Entry
from ..operations.report import RestoreReport
from ..restore.apply import DirectoryApplier
from ..restore.attributes import empty
from . import plan
from .mailbox import Sides
from .meaning import Meanings, place_of
from .report import RoundReport

_Answer = TypeVar("_Answer")


class DirectoryWriter:
    """Writes entries, counts, and records what became of what."""

    def __init__(self, sides: Sides, report: RoundReport) -> None:
        self._store = sides.store
        self._record = sides.record
        self._patience = sides.patience
        self._report = report
        self._meanings = Meanings(sides.record, sides.store.capabilities().keeps_entry_ids)
        self._held = sides.store.capabilities().entry_kinds
        self.readdressed = False
        """Whether something has got another address: a mail server may know by it whom a folder is shared with."""

    def remove(self, steps: Iterable[plan.EntryStep]) -> None:
        """Remove what is gone at the primary, where the standby has made it; what an account had, in any case."""
        for step in steps:
            if step.known is None:
                continue
            known, (scope, item) = step.known, place_of(step.entry)
            if step.action == plan.DELETE and known.destination:
                try:
                    if self._find(known) is not None:
                        self._ask(functools.partial(self._store.delete_entry, known.kind, known.destination))
                except Unavailable:
                    raise
                except RestanteError as error:
                    self._failed(step.entry, str(error))
                    continue
            if step.action == plan.KEEP and known.kind == kinds.ACCOUNT:
                self._empty(known)
            if step.action == plan.KEEP:
                self._record.conflict(
                    scope, item, known.kind, f"{known.name} was deleted at the primary; it was here before, and is kept"
                )
            self._record.forget_entry(known.source)
            self._report.count(step.action, known.kind)

    def _empty(self, known: Known) -> None:
        """Remove from a mailbox that was here before what the standby has written to it."""
        box = self._record.mailbox(known.source)
        for copies in self._record.all_copies(box.number):
            own = [one.item_id for one in copies if one.own and one.kind != kinds.FOLDER]
            if own and known.destination:
                self._ask(functools.partial(self._store.delete_items, known.destination, own))
            self._record.forget(box.number, known.source, [one.origin for one in copies])

    def write(self, steps: Sequence[plan.EntryStep]) -> None:
        """Make what is not here, and make all of it what it is at the primary."""
        wanted = [step.entry for step in steps]
        self._release(wanted)
        for entry in wanted:
            self._present(entry)
        for entry in wanted:
            known = self._record.entry(entry.entry_id)
            if known is not None and known.destination:
                self._settle(entry, known)

    # -- addresses that change hands -------------------------------------------------------------------------------

    def _release(self, wanted: Sequence[Entry]) -> None:
        for kind in (kinds.DISTRIBUTION_LIST, kinds.ACCOUNT):
            here: dict[str, Entry] = {}
            becoming: list[Entry] = []
            for entry in wanted:
                if entry.kind != kind:
                    continue
                known = self._record.entry(entry.entry_id)
                present = self._find(known) if known is not None else None
                becoming.append(entry._replace(entry_id=present.entry_id if present else entry.entry_id))
                if present is not None:
                    here[present.entry_id] = present
            for released in plan.to_release(becoming, here):
                self._tried(released, self._store.reshape_entry)

    # -- making ----------------------------------------------------------------------------------------------------

    def _find(self, known: Known) -> Entry | None:
        return self._ask(lambda: self._store.find_entry(known.kind, known.destination or known.name))

    def _present(self, entry: Entry) -> None:
        """See to it that an entry is here, and that its id is known."""
        known = self._record.entry(entry.entry_id)
        here = self._find(known) if known is not None else None
        if known is not None and here is not None:
            if known.destination != here.entry_id:
                self._record.keep_entry(known._replace(destination=here.entry_id))
            return
        if known is not None and known.destination:
            scope, item = place_of(entry)
            self._record.conflict(scope, item, entry.kind, f"{entry.name} was deleted here; it is made again")
            if entry.kind == kinds.ACCOUNT:
                self._record.empty(entry.entry_id)
        if known is None:
            here = self._ask(lambda: self._store.find_entry(entry.kind, entry.name))
            if here is not None:
                self._record.keep_entry(Known(entry.entry_id, entry.kind, here.name, here.entry_id, False, None))
                self._report.count(plan.ADOPT, entry.kind)
                return
        if entry.kind not in self._held:
            if entry.kind == kinds.ACCOUNT:
                self._failed(entry, f"{entry.name} is not here, and this mail server's accounts are made elsewhere.")
            else:
                self._report.not_held[entry.kind] += 1
            return
        self._record.keep_entry(Known(entry.entry_id, entry.kind, entry.name, "", True, None))
        made = self._tried(entry, self._create)
        if made is not None:
            self._record.keep_entry(Known(entry.entry_id, entry.kind, entry.name, made.entry_id, True, None))
            self._report.count(plan.CREATE, entry.kind)

    def _create(self, entry: Entry) -> Entry:
        new = empty(self._meanings.entry(entry).entry)
        try:
            return self._store.create_entry(new)
        except AlreadyExists:
            there = self._store.find_entry(entry.kind, entry.name)  # an attempt whose answer was lost has made it
            return there or self._store.create_entry(new._replace(entry_id=""))

    # -- what it is ------------------------------------------------------------------------------------------------

    def _settle(self, entry: Entry, known: Known) -> None:
        meant = self._meanings.entry(entry)
        scope, item = place_of(entry)
        problems = RestoreReport()
        changed = False
        if entry.kind in self._held:
            writer = DirectoryApplier(self._store, problems, self._patience)
            wanted = meant.entry._replace(entry_id=known.destination)
            given = plan.attributes(wanted, known.applied)._replace(
                aliases=wanted.aliases, members=wanted.members, signatures=wanted.signatures
            )
            changed = writer.attributes(given)
            here = self._ask(lambda: self._store.find_entry(entry.kind, known.destination))
            if here is not None:
                shaped = plan.shaped(wanted, known.applied, here)
                if shaped is not here:
                    reshaped = bool(self._tried(shaped, self._store.reshape_entry, problems))
                    self.readdressed = self.readdressed or (reshaped and shaped.name != here.name)
                    changed = reshaped or changed
        with self._record.changing():
            self._record.keep_entry(known._replace(name=entry.name, applied=meant.entry))
            self._record.refer(scope, item, meant.references)
            if problems.unrestored:
                self._failed(entry, " ".join(one.reason for one in problems.unrestored))
            else:
                self._record.succeeded(scope, [item])
        if changed and known.applied is not None:
            self._report.count(plan.UPDATE, entry.kind)

    def differs(self, known: Known, here: Entry) -> bool:
        """Return whether an entry here is another than what was written last."""
        if known.applied is None:
            return False
        wanted = known.applied._replace(entry_id=here.entry_id)
        return plan.shaped(wanted, known.applied, here) is not here or any(
            tuple(here.attrs.get(name, ())) != tuple(values) for name, values in wanted.attrs.items()
        )

    # -- asking ----------------------------------------------------------------------------------------------------

    def _ask(self, call: Callable[[], _Answer]) -> _Answer:
        return self._patience.ask(call)

    def _tried(
        self, entry: Entry, call: Callable[[Entry], _Answer], problems: RestoreReport | None = None
    ) -> _Answer | None:
        """Return what a call returns; None where the mail server refused, which is told."""
        try:
            return self._ask(lambda: call(entry))
        except Unavailable:
            raise
        except RestanteError as error:
            if problems is None:
                self._failed(entry, str(error))
            else:
                problems.add_unrestored("", entry.name, entry.kind, "", str(error))
            return None

    def _failed(self, entry: Entry, reason: str) -> None:
        self._record.failed(*place_of(entry), entry.kind, reason)
        self._report.failed[entry.kind] += 1
