# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packs that only a lost commit named: found again among the files of packs, by the chains of journals.

Every segment names the one before it by its digest. So a segment that is missed and lies in a pack which no commit
names was in a lost commit; what else lies there like the remains of a crash, nobody misses.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..backup import frames, journals, packs
from ..backup.commits import Head, PackInfo
from ..backup.journals import Segment
from ..backup.repository import Repository
from ..backup.salvage import Salvage
from ..model.errors import Damaged, NotFound, Refused


class Adopted(NamedTuple):
    """What can be named again."""

    packs: list[PackInfo]
    heads: dict[str, Head]
    """The newest segments of journals that went on in a lost commit, and not in a later one."""


class Hole(NamedTuple):
    """The transactions of commits that are lost."""

    after: int
    """The last one before them."""
    before: int
    """The first one behind them."""


class Unnamed:
    """What lies in files of packs that no commit names and that are whole."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._segments: dict[str, tuple[Segment, PackInfo]] = {}
        self._described: dict[str, list[str]] = {}
        """By pack of metadata, the packs of blobs whose index it has."""
        self._here: dict[str, int] = {}
        """Their sizes."""
        self._blobs: dict[str, set[bytes]] = {}
        """By pack of blobs, what is in it, by the names that it has there."""
        named = {pack.name for pack in repository.packs()}
        for folder in repository.files.names("packs"):
            for name in set(repository.files.names(f"packs/{folder}")) - named:
                self._read(f"packs/{folder}/{name}", name)

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return bool(self._here)

    def _read(self, file: str, name: str) -> None:
        try:
            data = self._repository.files.read(file)
        except (NotFound, Refused):
            return
        if hashlib.sha256(data).hexdigest() != name:
            return
        self._here[name] = len(data)
        for offset, header in packs.frames_of(data):
            if header.kind == frames.BLOB:
                self._blobs.setdefault(name, set()).add(header.digest)
                continue
            if header.kind == frames.INDEX and name in self._blobs:
                continue  # its own
            try:
                frame = memoryview(data)[offset: offset + header.length]
                digest, content = frames.content(frame, keys=self._repository.keys)
                if header.kind == frames.SEGMENT:
                    info = PackInfo(name, packs.METADATA, len(data))
                    self._segments[digest.hex()] = journals.read(content)[0], info
                elif header.kind == frames.INDEX:
                    self._described.setdefault(name, []).append(packs.decode_index(content)[0])
            except Damaged:
                continue

    def adopted(self, missed: Collection[str], heads: Mapping[str, Head], holes: Sequence[Hole]) -> Adopted:
        """Return what belongs to the backup.

        :param missed: digests of segments. :param heads: of all journals, as far as they are known.
        :param holes: the transactions of the lost commits.
        """
        later = dict(heads)
        taken = [*self._before(missed), *self._after(later, holes)]
        found = {info.name: info for _segment, info in (self._segments[digest] for digest in taken)}
        for name in list(found):
            for described in self._described.get(name, ()):
                if described in self._here:
                    found[described] = PackInfo(described, packs.BLOBS, self._here[described])
        return Adopted(list(found.values()), {scope: head for scope, head in later.items() if head != heads.get(scope)})

    def holding(self, names: Collection[bytes]) -> list[PackInfo]:
        """Return the packs of blobs that hold any of some contents, given by the names that they have in packs."""
        wanted = set(names)
        return [
            PackInfo(name, packs.BLOBS, self._here[name]) for name, held in self._blobs.items()
            if not held.isdisjoint(wanted)
        ]

    def _before(self, missed: Collection[str]) -> Iterator[str]:
        wanted = list(missed)
        while wanted:
            digest = wanted.pop()
            if digest in self._segments:
                yield digest
                previous = self._segments[digest][0].previous
                if previous and not self._repository.catalogue.has_segment(previous):
                    wanted.append(previous)

    def _after(self, heads: dict[str, Head], holes: Sequence[Hole]) -> list[str]:
        """Follow journals through the holes, as long as one segment, and one alone, goes on behind the last."""
        in_holes = {
            digest: segment for digest, (segment, _info) in self._segments.items()
            if any(hole.after < segment.first and segment.last < hole.before for hole in holes)
        }
        claims = Counter((segment.scope, segment.previous) for segment in in_holes.values())
        taken: list[str] = []
        found = True
        while found:
            found = False
            for digest, segment in in_holes.items():
                last = heads[segment.scope].segment if segment.scope in heads else ""
                if segment.previous == last and digest != last and claims[segment.scope, last] == 1:
                    heads[segment.scope] = Head(digest, segment.number, segment.last)
                    taken.append(digest)
                    found = True
        return taken


def holes(repository: Repository, salvage: Salvage) -> list[Hole]:
    """Return where commits are lost, back to a full one that can be read."""
    found: list[Hole] = []
    lost = False
    for seq in range(repository.newest(), -1, -1):
        try:
            commit = repository.commit(seq) if seq else None
        except (NotFound, Damaged, Refused):
            lost = True
            continue
        if lost:
            last = commit.last if commit else 0
            found.append(Hole(last, salvage.first_after(last)))
        lost = False
        if commit is not None and commit.full:
            break
    return found
