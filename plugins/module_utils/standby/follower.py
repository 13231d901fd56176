# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One round of a standby: what is new of the primary's commits is retrieved and applied.

Each journal has a position of its own, recorded when all before it is applied. A round goes to the newest commit, not
from one to the next: what was made and deleted in between is never made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from typing import Final

from ..archive.port import Archive
from ..backup import commits
from ..backup.ended import began_after, was_switched_off
from ..backup.repository import Repository
from ..ledger.standby import FOLLOWING, STOPPED, WHOLE, Known, Record
from ..mailstore.port import MailStore
from ..model import kinds, moment
from ..model.errors import RestanteError, Unavailable
from ..model.state import ACCOUNT_ITEM, SERVER, Entry
from ..operations.progress import SILENT, Progress
from ..restore.apply import PATIENT, Patience
from ..restore.blobs import ArchiveBlobs, Blobs
from . import plan
from .directory import DirectoryWriter
from .mailbox import MailboxFollower, Sides, Stopped
from .origin import Diverged, Origin
from .report import RoundReport

LOOK_SECONDS: Final = 60.0
"""After which what could not be applied is tried again, and the standby looked at for what somebody changed here."""
_ROUNDS: Final = 8
"""How often what refers to something that has become something else is written again in one round."""
_MOST_COMMITS: Final = 2000
"""Commits that are looked through for whether one of them took something out of the backup."""


class Follower:
    """A standby, open, with where it follows from. Used by one thread."""

    def __init__(
        self, origin: Origin, store: MailStore, record: Record, *, patience: Patience = PATIENT,
        look_seconds: float = LOOK_SECONDS, blobs: Callable[[Repository, Archive], Blobs] = ArchiveBlobs,
    ) -> None:
        """:param blobs: gives what contents are read with."""
        self._origin = origin
        self._store = store
        self.record = record
        self._patience = patience
        self._look_seconds = look_seconds
        self._looked: float | None = None
        self._blobs = blobs
        self._reader: tuple[Repository, Blobs] | None = None
        self.contact = 0
        """When the archive was last read, UTC milliseconds."""

    def round(self, progress: Progress = SILENT) -> RoundReport:
        """Retrieve what is new, and apply it; return what was done.

        :raises Diverged: the archive is not what it was. The standby has stopped, and says so when it is asked.
        :raises RestanteError: one of the sides does not answer. The next round goes on where this one was.
        """
        if self._origin.is_ahead():
            progress.phase("retrieving commits")
            try:
                self._origin.fetch(progress)
                self._origin.check_witness()
                self._check_identity()
            except Diverged as error:
                self.record.set(state=STOPPED, reason=str(error))
                raise
        self.contact = moment.now()
        report = RoundReport()
        if not progress.stopping():
            _Round(self, progress, report).run()
        report.commit = self.record.number("seq")
        return report

    def newest(self) -> tuple[int, int]:
        """Return number and time of the newest commit that is known; zeros for none."""
        head = self._origin.repository().head() if self._origin.retrieved() else None
        return (0, 0) if head is None else (head.seq, head.at)

    def signed(self) -> int:
        """Return when the primary gave its last sign of life, by its own clock, UTC milliseconds; 0 for never."""
        sign = self._origin.sign() if self._origin.retrieved() else None
        return 0 if sign is None else sign.at

    def may_go_on(self) -> bool:
        """Return whether nobody has stopped the standby, or promoted it."""
        return self.record.meta("state") == FOLLOWING

    def damages(self) -> list[str]:
        """Return what of the primary's backup cannot be read, as sentences; what it records is not here."""
        return [f"{one.file}: {one.reason} {one.consequence}" for one in self._origin.damages()]

    def can_reach(self) -> bool:
        """Return whether the archive can be read now."""
        try:
            return self._origin.archive.size(commits.FORMAT_FILE) is not None
        except RestanteError:
            return False

    def reached(self) -> tuple[int, int]:
        """Return the numbers of the commit that is applied, and of the newest that could be retrieved."""
        return self.record.number("seq"), self.newest()[0]

    def is_behind(self) -> bool:
        """Return whether there is something that is not applied, or is to be looked at."""
        return self._looked is None or self.record.number("seq") != self.newest()[0] or self._origin.is_ahead()

    def sides(self, progress: Progress) -> Sides:
        """Return both sides."""
        source = self._origin.repository()
        if self._reader is None or self._reader[0] is not source:
            self._reader = source, self._blobs(source, self._origin.archive)
        return Sides(
            source, self._reader[1], self._store, self.record, self.record.meta("import"), self._patience, progress
        )

    def look_is_due(self) -> bool:
        """Return whether the standby is to be looked at; it is taken for done."""
        now = time.monotonic()
        if self._looked is not None and now - self._looked < self._look_seconds:
            return False
        self._looked = now
        return True

    def look_soon(self) -> None:
        """Have the next round look at the standby."""
        self._looked = None

    def _check_identity(self) -> None:
        """:raises Diverged: what was retrieved is not of the primary whose standby this is."""
        source = self._origin.repository()
        known = self.record.meta("repository")
        if not known:
            self.record.set(repository=source.repository_id, server=source.server_id)
        elif known != source.repository_id:
            raise Diverged(
                f"This is the standby of {self.record.meta('server')} (backup {known}), and "
                f"{self._origin.archive.describe()} holds the backup {source.repository_id} of {source.server_id}."
            )


class _Round:
    def __init__(self, follower: Follower, progress: Progress, report: RoundReport) -> None:
        self._sides = follower.sides(progress)
        self._source = self._sides.source
        self._record = self._sides.record
        self._store = self._sides.store
        self._progress = progress
        self._report = report
        self._follower = follower
        self._looks = follower.look_is_due()
        self._directory = DirectoryWriter(self._sides, report)
        self._damages = self._source.damages()
        self._fresh: set[str] = set()

    def run(self) -> None:
        head = self._source.head()
        if head is None:
            return
        applied = self._record.number("seq")
        damages = "; ".join(sorted(f"{one.file}: {one.reason}" for one in self._damages))
        sweep = bool(applied) and (damages != self._record.meta("damages") or self._lost_sight(applied, head.seq))
        heads, positions = self._source.heads(), self._record.positions()
        again = self._again()
        waiting = set() if self._looks else self._waiting()
        scopes = [
            scope for scope, last in heads.items()
            if (sweep or last != positions.get(scope, 0)) and scope not in waiting
        ]
        if not (scopes or again or set(positions) - set(heads)) and applied == head.seq:
            return
        self._progress.phase(f"applying commit {head.seq}")
        try:
            complete = self._apply(scopes, heads, again, sweep)
            for _unused in range(_ROUNDS):
                outdated = self._by_scope(self._record.outdated())
                if not outdated:
                    break
                complete = self._apply([], heads, outdated, False, look=False) and complete
        except Stopped:
            return
        finally:
            if self._directory.readdressed:
                self._follower.look_soon()
        if complete:
            self._record.set(seq=head.seq, at=head.at, applied=moment.now(), damages=damages)

    def _lost_sight(self, applied: int, newest: int) -> bool:
        """Return whether something may have left the backup since, of which nothing else tells any more."""
        if newest <= applied:
            return False
        if newest - applied > _MOST_COMMITS:
            return True
        for seq in range(applied + 1, newest + 1):
            try:
                # What was purged alone, with nothing before it that was not seen, has told all that it had to tell.
                if self._source.commit(seq).removed and newest > applied + 1:
                    return True
            except RestanteError:
                return True
        return False

    # -- what is to be looked at again -----------------------------------------------------------------------------

    def _again(self) -> dict[str, set[str]]:
        """Return what could not be applied, and what somebody has changed here, by journal."""
        if not self._looks:
            return {}
        again = self._by_scope([(one.scope, one.item) for one in self._record.failures()])
        seen = self._record.tokens()
        known = {one.source: one for one in self._record.entries()}
        tokens = dict(self._store.tokens())
        for source, entry in known.items():
            if entry.kind == kinds.ACCOUNT and entry.destination in tokens:
                if source in seen and tokens[entry.destination] != seen[source]:
                    again.setdefault(source, set())
        for kind in kinds.ENTRY_KINDS:
            here = {entry.entry_id: entry for entry in self._store.entries(kind)}
            for source, entry in known.items():
                if entry.kind != kind or not entry.destination:
                    continue
                present = here.get(entry.destination)
                if present is not None and not self._directory.differs(entry, present):
                    continue
                scope, item = (source, ACCOUNT_ITEM) if kind == kinds.ACCOUNT else (SERVER, source)
                if present is not None:
                    self._record.conflict(
                        scope, item, kind, f"{entry.name} was changed here; it is as at the primary again"
                    )
                again.setdefault(scope, set()).add(item)
        return again

    def _waiting(self) -> set[str]:
        """Return the accounts that cannot be had for now: they are tried again when the standby is looked at."""
        return {one.source for one in self._record.entries() if not one.destination} | {
            one.scope for one in self._record.failures() if one.item == WHOLE
        }

    @staticmethod
    def _by_scope(found: list[tuple[str, str]]) -> dict[str, set[str]]:
        by_scope: dict[str, set[str]] = {}
        for scope, item in found:
            by_scope.setdefault(scope, set()).add(item)
        return by_scope

    # -- applying --------------------------------------------------------------------------------------------------

    def _apply(
        self, scopes: list[str], heads: dict[str, int], again: dict[str, set[str]], sweep: bool, look: bool = True
    ) -> bool:
        """Apply journals; return whether that came to its end."""
        accounts = [scope for scope in scopes if scope != SERVER]
        looked_at = {*scopes, *again}
        planned = plan.directory(self._wanted(scopes, again, sweep), self._gone(looked_at, heads, sweep))
        self._directory.remove(planned.first)
        self._directory.write(planned.then)
        for account in (*accounts, *(scope for scope in again if scope != SERVER and scope not in scopes)):
            if self._progress.stopping():
                return False
            items = again.get(account, set()) - {ACCOUNT_ITEM, WHOLE}
            self._mailbox(account, heads.get(account, 0), items, sweep, look)
        self._directory.remove(planned.last)
        if SERVER in scopes:
            self._record.mailbox(SERVER)
            self._record.ended(SERVER, heads[SERVER], "")
        return True

    def _mailbox(self, account: str, last: int, again: set[str], sweep: bool, look: bool) -> None:
        """Apply one account's journal. Where that cannot be done at all now, that is noted, and it is tried again."""
        known = self._record.entry(account)
        if known is None or not known.destination:
            if known is None and self._source.entry(account, ACCOUNT_ITEM) is None:
                self._record.mailbox(account)
                self._record.ended(account, last, "")  # an account that is gone, and was never here
            return
        if self._is_frozen(account):
            self._record.ended(account, last, self._record.mailbox(account).token)
            return
        if self._source.entry(account, ACCOUNT_ITEM) is None and self._source.state(account, ACCOUNT_ITEM) is not None:
            return  # it is gone at the primary, and could not be removed here, which is told
        try:
            MailboxFollower(self._sides, known, self._report).apply(last, again, sweep, look)
        except (Unavailable, Stopped):
            raise
        except RestanteError as error:
            self._record.failed(account, WHOLE, kinds.ACCOUNT, f"Its mailbox cannot be followed now: {error}")
            self._report.failed[kinds.ACCOUNT] += 1

    def _wanted(self, scopes: list[str], again: dict[str, set[str]], sweep: bool) -> Iterator[Entry]:
        """Yield the entries that are to be made what they are at the primary."""
        wanted: dict[str, Entry] = {}
        for scope in scopes:
            if scope == SERVER:
                since = 0 if sweep else self._record.positions().get(SERVER, 0)
                for one in self._source.changed(SERVER, since, kinds.ENTRY_KINDS):
                    if isinstance(one.state, Entry):
                        wanted[one.item_id] = one.state
            else:
                account = self._source.entry(scope, ACCOUNT_ITEM)
                if account is not None and (sweep or self._is_other(account)):
                    wanted[scope] = account
        for scope, items in again.items():
            for item in items if scope == SERVER else items & {ACCOUNT_ITEM}:
                entry = self._source.entry(scope, item)
                if entry is not None:
                    wanted[scope if scope != SERVER else item] = entry
        yield from wanted.values()

    def _is_other(self, account: Entry) -> bool:
        """Return whether an account's entry may be another than when it was applied: nearly all changes are of mail."""
        known = self._record.entry(account.entry_id)
        if known is None or known.applied is None or not known.destination or account.entry_id in self._fresh:
            return True
        last = self._source.state(account.entry_id, ACCOUNT_ITEM)
        return last is None or last.seq > self._record.mailbox(account.entry_id).last

    def _gone(self, scopes: Collection[str], heads: dict[str, int], sweep: bool) -> Iterator[Known]:
        """Yield the entries that the primary has no more."""
        for known in self._record.entries():
            if known.kind == kinds.ACCOUNT:
                if known.source in heads:
                    if known.source in scopes and self._account_is_gone(known):
                        yield known
                elif not self._damages:  # purged, or forgotten: nothing is known of it any more
                    yield known
            elif SERVER in scopes or sweep:
                last = self._source.state(SERVER, known.source)
                if (last is None and not self._damages) or (last is not None and last.state is None):
                    yield known

    def _account_is_gone(self, known: Known) -> bool:
        last = self._source.state(known.source, ACCOUNT_ITEM)
        if last is None:
            return False
        if last.state is None:
            return not self._is_frozen(known.source)
        # Deleted, and made again with the same id: another mailbox, whose items are not those of the first one.
        position = self._record.mailbox(known.source).last
        if 0 < position < began_after(self._source, known.source):
            self._fresh.add(known.source)
            return True
        return False

    def _is_frozen(self, account: str) -> bool:
        """Return whether the backup of an account was switched off at the primary: it is there, and not followed."""
        last = self._source.state(account, ACCOUNT_ITEM)
        if last is None or last.state is not None or not was_switched_off(self._source, last):
            return False
        self._record.failed(
            account, ACCOUNT_ITEM, kinds.ACCOUNT,
            "Its backup was switched off at the primary; it stays here as it was then.",
        )
        return True


__all__ = ["Diverged", "Follower"]
