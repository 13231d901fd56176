# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The coherency check: everything in a backup is read and verified, here and in the archive (R-249 to R-252).

Commits and metadata come first and are always read wholly: all else is judged by them. Then packs are read, those first
that were not looked at for longest, until all are or the time is up. Nothing is changed; mending.py does that.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from ..archive.fetch import Piece, fetch
from ..archive.port import Archive
from ..backup import commits, packs
from ..backup.audit import SAME, Audit
from ..backup.catalogue import Damage, Location
from ..backup.commits import PackInfo
from ..backup.files import Files
from ..backup.repository import CATALOGUE_FILE, Repository
from ..model import kinds, moment
from ..model.errors import Damaged, NotFound, Refused, RestanteError
from ..model.state import SERVER, Entry
from ..operations.progress import SILENT, Progress
from .archived import Archived
from .contents import Looked, fault_of, look
from .findings import BEHIND, CATALOGUE, COMMIT, CONTENTS, JOURNAL, METADATA, NAMED, Fault, Findings
from .ledger import ARCHIVE, HERE, Ledger, Part
from .leftovers import never_named
from .locks import NAMED_OVERLAID, overlaid_warning

# How much of the archive is looked at.
NOTHING: Final = "none"
NAMES: Final = "names"
EVERYTHING: Final = "contents"
DEPTHS: Final = (NOTHING, NAMES, EVERYTHING)

THREADS: Final = 4
BYTES_IN_FLIGHT: Final = 96 * 1024 * 1024
_COMMITS_AT_ONCE: Final = 1000


class Asked(NamedTuple):
    """What a check is to do."""

    scopes: Sequence[str] = ()
    """Ids of the accounts whose contents are looked at; all where it is empty."""
    archive: str = NAMES
    """One of DEPTHS."""
    seconds: float = 0
    """How long packs are read; 0 until all are."""
    double: bool = False
    """Look for contents that are compressed a second time (R-253)."""


class Stopped(Exception):
    """It was told to stop while it read metadata."""


class _Watched(Files):
    """Files of which every one that is read is told, and that can be stopped."""

    def __init__(self, root: str, progress: Progress) -> None:
        super().__init__(root)
        self._progress = progress

    def read(self, name: str) -> bytes:
        if self._progress.stopping():
            raise Stopped
        data = super().read(name)
        if name.startswith("packs/"):
            self._progress.advance(1, len(data))
        return data


def audit(repository: Repository, progress: Progress = SILENT) -> Audit:
    """Read all commits and metadata of a backup anew. :raises Stopped: it was told to."""
    metadata = [pack for pack in repository.packs() if pack.kind == packs.METADATA]
    progress.phase("metadata", len(metadata), sum(pack.size for pack in metadata))
    files = _Watched(repository.path, progress)
    return Audit(files, repository.info, repository.keys)


def damage_of(damage: Damage, metadata: Collection[str]) -> Fault:
    """Return a damage of commits or metadata as a fault. :param metadata: file names of the packs of metadata."""
    kind = COMMIT if damage.file.startswith(commits.DIRECTORY) else METADATA if damage.file in metadata else (
        CONTENTS if damage.file.startswith("packs/") else JOURNAL
    )
    return Fault(HERE, kind, damage.file, damage.reason, damage.consequence)


class Check:
    """One check of one backup."""

    def __init__(
        self, repository: Repository, archive: Archive | None, ledger: Ledger, asked: Asked,
        progress: Progress = SILENT, save: Callable[[], object] = bool, clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """:param save: writes the ledger down. :param clock: seconds."""
        self._repository = repository
        self._files = repository.files
        self._archive = archive if asked.archive != NOTHING else None
        self._ledger = ledger
        self._asked = asked
        self._progress = progress
        self._save = save
        self._clock = clock
        self._found = Findings(names=addresses(repository))
        self._double: set[str] = set()

    def run(self) -> Findings:
        """Do it.

        :raises NotFound, Refused, Unavailable: the archive cannot be read; what was found whole is in the ledger.
        """
        found = self._found
        self._repository.refresh()
        try:
            with_audit = audit(self._repository, self._progress)
        except Stopped:
            found.stopped = True
            return found
        try:
            self._metadata(with_audit)
            archived = self._archived(with_audit)
            self._packs(with_audit, archived)
            self._references(with_audit)
        finally:
            with_audit.close()
            self._save()
        return found

    # -- metadata --------------------------------------------------------------------------------------------------

    def _metadata(self, read: Audit) -> None:
        repository, found = self._repository, self._found
        named = {packs.file_name(pack.name): pack for pack in read.packs() if pack.kind == packs.METADATA}
        found.faults += [damage_of(damage, named) for damage in read.damages]
        repository.refresh()  # it knows at least what the audit knows
        if not read.damages and read.held_against(repository.catalogue) != SAME:
            found.faults.append(Fault(HERE, CATALOGUE, CATALOGUE_FILE, "It does not say what commits and packs say."))
        head = repository.head()
        found.counts.update(
            commits=head.seq - head.checkpoint + 1 if head else 0, metadata_packs=len(named),
            metadata_bytes=sum(pack.size for pack in named.values()),
            transactions=repository.counts()["transactions"],
            unfinished_files=sum(name != "lock" for name in self._files.names("open")),
        )
        found.unneeded = never_named(repository, {pack.name for pack in read.packs()})
        read.refer(self._asked.scopes or [SERVER, *repository.scopes()])

    # -- the archive -----------------------------------------------------------------------------------------------

    def _archived(self, read: Audit) -> Archived | None:
        if self._archive is None:
            return None
        self._progress.phase("archive")
        there = Archived(self._repository, read, self._archive)
        self._found.faults += there.faults()
        self._found.warnings += overlaid_warning(len(there.overlaid), there.overlaid[:NAMED_OVERLAID])
        head = self._repository.head()
        self._found.counts.update(
            archived_commits=len(there.commits()), archived_packs=len(there.packs),
            **{BEHIND: max(0, (head.seq if head else 0) - there.newest)},
        )
        return there

    # -- packs and old commits -------------------------------------------------------------------------------------

    def _packs(self, read: Audit, archived: Archived | None) -> None:
        """Look at parts, the oldest first, until the time is up."""
        parts = {part.key: part for part in self._parts(read, archived)}
        self._found.counts.update(parts=len(parts), checked_parts=0, checked_bytes=0)
        self._progress.phase("contents", len(parts), sum(part.size for part in parts.values()))
        until = self._clock() + self._asked.seconds
        places: dict[str, list[Location]] = {}

        def begun() -> Iterator[Piece]:
            for number, part in enumerate(self._ledger.by_age(parts.values())):
                if self._progress.stopping():
                    self._found.stopped = True
                if self._found.stopped or (number and self._asked.seconds and self._clock() >= until):
                    return
                if part.side == HERE and part.name.startswith("packs/"):
                    places[part.key] = list(read.blobs_in(part.name.rpartition("/")[2]))
                yield Piece(part.key, 0, part.size, 2 * part.size + 1)

        def bytes_of(key: str, _offset: int, _length: int) -> bytes:
            part = parts[key]
            if part.name.startswith("packs/") and self._archive is not None and part.side == ARCHIVE:
                return self._archive.get_checked(part.name, part.name.rpartition("/")[2], part.size)
            return self._files.read(part.name) if part.name.startswith("packs/") else b""

        def use(piece: Piece, data: bytes) -> Looked:
            part = parts[piece.name]
            if not part.name.startswith("packs/"):
                return self._commits(part)
            return look(data, part, places.pop(piece.name, []), self._asked.double, self._repository.keys)

        for piece, looked in fetch(bytes_of, begun(), use, THREADS, BYTES_IN_FLIGHT):
            part = parts[piece.name]
            if isinstance(looked, RestanteError):
                if part.side == ARCHIVE and not isinstance(looked, (NotFound, Damaged)):
                    raise looked
                gone = [place.digest for place in places.pop(piece.name, [])]
                looked = Looked([fault_of(part, str(looked))], gone)
            self._looked(read, part, looked)
        if not self._asked.scopes:
            self._ledger.keep(parts.values(), HERE)
            if self._asked.archive == EVERYTHING:
                self._ledger.keep(parts.values(), ARCHIVE)
        self._found.oldest = self._ledger.oldest(parts.values())

    def _looked(self, read: Audit, part: Part, looked: Looked) -> None:
        found = self._found
        known = {(fault.side, fault.file) for fault in found.faults}
        found.faults += [fault for fault in looked.faults if (fault.side, fault.file) not in known]
        read.lose(looked.lost)
        self._double.update(looked.double)
        if looked.faults:
            self._ledger.faulty(part)
        else:
            self._ledger.whole(part, moment.now())
        found.counts["checked_parts"] += 1
        found.counts["checked_bytes"] += part.size
        self._progress.advance(1, part.size)
        if not found.counts["checked_parts"] % _COMMITS_AT_ONCE:
            self._save()

    def _parts(self, read: Audit, archived: Archived | None) -> Iterator[Part]:
        needed = read.needed_packs() if self._asked.scopes else None
        contents = [
            pack for pack in read.packs()
            if pack.kind == packs.BLOBS and (needed is None or pack.name in needed)
        ]
        if self._archive is not None or has_contents(self._files, contents):
            yield from (Part(HERE, packs.file_name(pack.name), pack.size) for pack in contents)
        head = self._repository.head()
        for start in range(1, head.checkpoint if head else 0, _COMMITS_AT_ONCE):
            yield Part(HERE, f"{commits.DIRECTORY}/{start}")
        if archived is not None and self._asked.archive == EVERYTHING:
            for pack in archived.packs:
                if needed is None or pack.name in needed or pack.kind == packs.METADATA:
                    yield Part(ARCHIVE, packs.file_name(pack.name), pack.size)
            for start in archived.commits()[::_COMMITS_AT_ONCE]:
                yield Part(ARCHIVE, f"{commits.DIRECTORY}/{start}")

    def _commits(self, part: Part) -> Looked:
        """Look at commits: at old ones here, that the next one names each; in the archive, that all are ours."""
        start = int(part.name.rpartition("/")[2])
        head = self._repository.head()
        newest = head.seq if head else 0
        faults = []
        for seq in range(start, min(start + _COMMITS_AT_ONCE, newest + 1)):
            reason = self._commit_here(seq, newest) if part.side == HERE else self._commit_there(seq)
            if reason:
                faults.append(Fault(part.side, COMMIT, commits.name(seq), reason))
        return Looked(faults)

    def _commit_here(self, seq: int, newest: int) -> str:
        name = commits.name(seq)
        if self._files.size(name) is None:
            return ""  # nothing needs an old one
        try:
            own = self._repository.commit(seq)
            follower = self._repository.commit(seq + 1) if seq < newest else None
        except NotFound:
            return ""
        except (Damaged, Refused) as error:
            return str(error) if commits.name(seq) in str(error) else ""
        return "" if follower is None or follower.previous == own.hash else "The commit that follows it names another."

    def _commit_there(self, seq: int) -> str:
        name = commits.name(seq)
        if self._archive is None or self._files.size(name) is None:
            return ""
        try:
            return "" if self._archive.get(name) == self._files.read(name) else "It is not the one that is here."
        except NotFound:
            return ""  # told by the listing, or not there yet
        except Damaged as error:
            return str(error)

    # -- what that means -------------------------------------------------------------------------------------------

    def _references(self, read: Audit) -> None:
        """Say whose items are concerned."""
        found = self._found
        losses(read, found)
        found.counts["unreferenced_contents"] = read.unreferenced()[0] if not self._asked.scopes else 0
        if self._double:
            found.double = [one for one in read.referring(self._double) if one.kind != kinds.DOCUMENT][:NAMED]


def losses(read: Audit, found: Findings) -> None:
    """Say in findings which items have lost their content (R-252), of the journals that an audit has in account."""
    read.lose_unknown()
    found.lost_contents, found.lost_states, found.lost = read.lost(), 0, []
    for reference in read.losing():
        found.lost_states += 1
        if found.lost_states <= NAMED:
            found.lost.append(reference)


def has_contents(files: Files, contents: Iterable[PackInfo]) -> bool:
    """Return whether any pack of contents is here.

    None is missed in a directory that metadata was retrieved into, as long as it has no archive of its own.
    """
    return any(files.size(packs.file_name(pack.name)) is not None for pack in contents)


def addresses(repository: Repository) -> dict[str, str]:
    """Return the last known addresses of all accounts by id, deleted ones too; none where the catalogue is altered."""
    with contextlib.suppress(Damaged):  # what is wrong with the catalogue is found in its turn
        entries = repository.entries(kinds.ACCOUNT, deleted=True)
        return {found.scope: found.state.name for found in entries if isinstance(found.state, Entry)}
    return {}
