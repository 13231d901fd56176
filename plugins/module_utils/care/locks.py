# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The locks of an archive, renewed while a backup needs what they hold (docs/object-stores.md).

Each file is locked when it is written, for the retention of the archive. What the backup still needs when half of that
is over is locked anew, for the whole retention. What it needs no more is not: its lock ends, and a purge removes it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from ..archive.port import Archive, StoredFile
from ..backup import commits, keys, packs
from ..backup.repository import Repository
from ..model import moment
from ..model.errors import Refused
from ..operations.progress import SILENT, Progress

THREADS: Final = 16
_AT_ONCE: Final = 500
NAMED_OVERLAID: Final = 20
"""How many files are named that somebody has written over; all are counted."""


class Renewal(NamedTuple):
    """What a look at the locks of an archive came to. Each file looked at costs one request, each one renewed another.

    To that comes one for each thousand versions of files that the archive lists.
    """

    files: int = 0
    """That the backup needs and the archive has."""
    bytes: int = 0
    renewed: int = 0
    """Locked anew, or to be."""
    ends: int = 0
    """When the first of all these locks ends, UTC milliseconds; 0 where there is none."""
    refused: int = 0
    """That could not be locked."""
    overlaid: int = 0
    """Over which somebody has written, or put a deletion."""
    reasons: tuple[str, ...] = ()
    overlaid_names: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "files": self.files, "bytes": self.bytes, "renewed": self.renewed, "refused": self.refused,
            "overlaid": self.overlaid, "first_lock_ends": moment.iso(self.ends) if self.ends else "",
        }

    def warnings(self) -> list[str]:
        """Return what somebody should look at."""
        told = []
        if self.refused:
            told.append(f"{self.refused} files of the archive could not be locked. {self.reasons[0]}")
        return told + overlaid_warning(self.overlaid, self.overlaid_names)


def overlaid_warning(number: int, names: Sequence[str]) -> list[str]:
    """Return what it means that somebody has written over locked files; nothing where nobody has."""
    if not number:
        return []
    return [
        f"{number} files of the archive have been deleted or written over by somebody who holds keys of the bucket. "
        "Nothing is lost: their first version is locked, and is the one that is read. Change the keys, and find out "
        f"who it was. {', '.join(names)}{' ...' if number > len(names) else ''}"
    ]


class _Looked(NamedTuple):
    name: str
    size: int
    until: int
    """0 where it is not locked."""
    renewed: bool
    overlaid: bool
    refusal: str


def renew(
    repository: Repository, archive: Archive, now: int, progress: Progress = SILENT, dry_run: bool = False
) -> Renewal:
    """Lock anew what the backup needs and what is not locked for half of the retention any more.

    May be killed and run again. A file that cannot be locked does not stop the others.

    :param archive: one that locks files. :param now: UTC milliseconds. :param dry_run: look only.
    :raises NotFound, Unavailable: the archive cannot be read. :raises Refused: it cannot be listed.
    """
    done = Renewal()
    needed = _needed(repository)
    progress.phase("locks", len(needed))

    def look(file: tuple[str, int]) -> _Looked | None:
        name, size = file
        until = archive.locked_until(name)
        if until is None:  # removed a moment ago
            return None
        overlaid, due, refusal = archive.is_overlaid(name), until < now + archive.retention // 2, ""
        if due and not dry_run:
            try:
                archive.lock_until(name, now + archive.retention)
                until = now + archive.retention
            except Refused as error:
                refusal = str(error)
        return _Looked(name, size, until, due and not refusal, overlaid, refusal)

    with ThreadPoolExecutor(THREADS) as pool:
        there = ((file.name, file.size) for file in _there(repository, archive) if file.name in needed)
        while not progress.stopping():
            some = list(itertools.islice(there, _AT_ONCE))
            if not some:
                break
            for looked in pool.map(look, some):
                done = done if looked is None else _sum(done, looked)
            progress.advance(len(some), sum(size for _name, size in some))
    return done


def _needed(repository: Repository) -> set[str]:
    """Return the names of all files without which the backup as of its newest commit could not be read."""
    head = repository.head()
    numbers = range(head.checkpoint, head.seq + 1) if head else ()
    keyrings = [keys.name(repository.keys.ring.number)] if repository.keys is not None else []
    named = map(packs.file_name, (pack.name for pack in repository.packs()))
    return {commits.FORMAT_FILE, *keyrings, *map(commits.name, numbers), *named}


def _there(repository: Repository, archive: Archive) -> Iterator[StoredFile]:
    head = repository.head()
    yield from archive.list(commits.FORMAT_FILE)
    yield from archive.list(f"{keys.DIRECTORY}/")
    yield from archive.list(f"{commits.DIRECTORY}/", after=commits.name(head.checkpoint - 1 if head else 0))
    yield from archive.list("packs/")


def _sum(done: Renewal, looked: _Looked) -> Renewal:
    return done._replace(
        files=done.files + 1,
        bytes=done.bytes + looked.size,
        renewed=done.renewed + looked.renewed,
        ends=min(filter(None, (done.ends, looked.until)), default=0),
        refused=done.refused + bool(looked.refusal),
        overlaid=done.overlaid + looked.overlaid,
        reasons=(*done.reasons, *([looked.refusal] if looked.refusal else ()))[:NAMED_OVERLAID],
        overlaid_names=(*done.overlaid_names, *([looked.name] if looked.overlaid else ()))[:NAMED_OVERLAID],
    )
