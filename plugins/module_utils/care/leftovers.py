# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of packs that are no part of the backup any more: removed when no reader can be at work with them.

A reader knows the backup as of the commit that it began with. So the file of a pack stays until the commit that took
it out has been there for a grace time, longer than any reader runs: in the Backup Path, and for itself in the archive,
where the commit may have come much later. What no commit ever named, left by a crash, is removed too; in the archive
when it has been there for the grace time: another writer, as a copied server is one, may be about to name it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, Optional

from ..archive.port import Archive
from ..archive.probe import remove_probes
from ..backup import commits
from ..backup.commits import Commit
from ..backup.files import Files
from ..backup.repository import Repository
from ..model.errors import Damaged, Locked, NotFound, Refused
from ..operations.progress import Progress

THREADS: Final = 16
_AT_ONCE: Final = 500
"""Files that are removed from an archive before other writers have their turn: a second or two."""
_PATIENCE: Final = 60.0
"""Seconds to wait for others that write a little and often, as the Realtime Scanner."""
_PACK = re.compile(r"packs/([0-9a-f]{2})/(\1[0-9a-f]{62})")
_NAMED: Final = 20
"""How many files that could not be removed are named; all are counted."""

Since = Callable[[Commit], Optional[int]]
"""Tells since when a commit can be read at a place, UTC milliseconds; None where it is not there."""


class Removed(NamedTuple):
    """What became of the files that are not needed."""

    files: int = 0
    bytes: int = 0
    waiting: int = 0
    """Files whose grace time has not passed."""
    kept: int = 0
    """Files that could not be removed, and are tried again the next time."""
    locked: int = 0
    """Those of them that the store keeps under lock."""
    locked_bytes: int = 0
    reasons: tuple[str, ...] = ()
    """Why, of the first of them."""


class _File(NamedTuple):
    name: str
    pack: str
    size: int


_Listed = Iterable[tuple[str, int, int]]
"""Files with their sizes, and since when they are there: 0 where that does not matter."""


def remove_here(repository: Repository, grace: int, now: int, archived: int | None = None) -> Removed:
    """Remove files from a Backup Path.

    :param grace: milliseconds. :param now: UTC milliseconds.
    :param archived: the newest commit in the archive: what the archive does not have yet is kept; None for no archive.
    :raises Busy: another process writes to it.
    """
    def since(commit: Commit) -> int | None:
        return commit.at if archived is None or commit.seq <= archived else None

    with repository.writer(_PATIENCE):
        found, waiting = _not_needed(repository, _listed(repository.files), since, now - grace)
        for file in found:
            repository.files.remove(file.name)
        for folder in sorted({os.path.dirname(file.name) for file in found}):
            repository.files.sync_directory(folder)
    return Removed(len(found), sum(file.size for file in found), waiting)


def never_named(repository: Repository, needed: Collection[str]) -> list[tuple[str, int]]:
    """Return the files of packs in a Backup Path that no commit has ever named, name and size.

    Only under the writer's lock is it certain that no writer is about to name one of them.

    :param needed: names of packs that are part of the backup, whatever its catalogue says.
    """
    found, _waiting = _not_needed(repository, _listed(repository.files), lambda _commit: None, 0)
    return [(file.name, file.size) for file in found if file.pack not in needed]


def _listed(files: Files) -> _Listed:
    """Yield the files of packs. Under the writer's lock nobody is about to name one of them."""
    for folder in files.names("packs"):
        for name in files.names(f"packs/{folder}"):
            yield f"packs/{folder}/{name}", files.size(f"packs/{folder}/{name}") or 0, 0


def remove_there(repository: Repository, archive: Archive, grace: int, now: int, progress: Progress) -> Removed:
    """Remove files from an archive. What the store keeps under lock is reported, and tried again the next time.

    :param repository: a backup of which the archive has all commits, and no others.
    :raises Refused: it has others: an older copy must never tidy up a newer archive.
    :raises Busy: another process writes to the Backup Path.
    :raises NotFound, Unavailable: the archive cannot be read or written; what was removed stays removed.
    """
    _compare(repository, archive)
    done = Removed()
    remove_probes(archive)

    def since(commit: Commit) -> int | None:
        return archive.stored_at(commits.name(commit.seq))

    listed = ((file.name, file.size, file.at) for file in archive.list("packs/"))
    found, waiting = _not_needed(repository, listed, since, now - grace)
    progress.phase("leftovers", len(found), sum(file.size for file in found))
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(found), _AT_ONCE):
            if progress.stopping():
                break
            # While this has the lock, nobody makes a pack that is wanted anew, which would have the same name.
            with repository.writer(_PATIENCE):
                needed = {pack.name for pack in repository.packs()}
                some = [file for file in found[start: start + _AT_ONCE] if file.pack not in needed]
                failures = list(pool.map(lambda file: _erase(archive, file), some))
            done = _sum(done, zip(some, failures))
            progress.advance(len(some), sum(file.size for file in some))
    return done._replace(waiting=waiting)


def _compare(repository: Repository, archive: Archive) -> None:
    head = repository.head()
    name = commits.name(head.seq if head else 1)
    alike = head is not None and hashlib.sha256(archive.get(name)).hexdigest() == head.hash
    if head is None or not alike or archive.size(commits.name(head.seq + 1)) is not None:
        raise Refused(f"{archive.describe()} does not hold the same commits as {repository.path}; it is left as it is.")


def _erase(archive: Archive, file: _File) -> Refused | None:
    """Remove a file; return why that was not possible."""
    try:
        archive.erase(file.name)
    except Refused as error:
        return error
    return None


def _sum(done: Removed, tried: Iterable[tuple[_File, Refused | None]]) -> Removed:
    for file, failure in tried:
        if failure is None:
            done = done._replace(files=done.files + 1, bytes=done.bytes + file.size)
            continue
        done = done._replace(kept=done.kept + 1, reasons=(*done.reasons, str(failure))[:_NAMED])
        if isinstance(failure, Locked):
            done = done._replace(locked=done.locked + 1, locked_bytes=done.locked_bytes + file.size)
    return done


def _not_needed(
    repository: Repository, listed: _Listed, since: Since, until: int
) -> tuple[list[_File], int]:
    """Return the files that can go, and how many others wait for their time."""
    needed = {pack.name for pack in repository.packs()}
    young = _young(repository, since, until) - needed
    found, waiting = [], 0
    for name, size, at in listed:
        match = _PACK.fullmatch(name)
        if match is None or match[2] in needed:
            continue
        if match[2] in young or at > until:
            waiting += 1
        else:
            found.append(_File(name, match[2], size))
    return found, waiting


def _young(repository: Repository, since: Since, until: int) -> set[str]:
    """Return the packs that were removed by commits which are younger than a moment, or not there."""
    head = repository.head()
    removed: set[str] = set()
    seq = head.seq if head else 0
    while seq:
        try:
            commit = repository.commit(repository.commit(seq).checkpoint)  # one that removes something is a full one
        except (NotFound, Damaged):  # it was lost, and a later one makes up for it
            seq -= 1
            continue
        there = since(commit)
        if there is not None and there <= until:
            break
        removed.update(commit.removed)
        seq = commit.seq - 1
    return removed
