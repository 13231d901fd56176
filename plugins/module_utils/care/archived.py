# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an archive has what the commits in it name: names and sizes, by listings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from ..archive.numbered import last_number
from ..archive.port import Archive, StoredFile
from ..backup import commits, keyring, keys, packs
from ..backup.audit import Audit
from ..backup.commits import Commit, PackInfo
from ..backup.repository import Repository
from ..model.errors import Damaged, NotABackup, NotFound
from . import keyrings
from .findings import COMMIT, CONTENTS, DOUBT, FORMAT, KEYRING, METADATA, Fault
from .ledger import ARCHIVE, HERE
from .sides import is_of_another_writer


class Archived:
    """The archive's copy of a backup. Memory grows by some hundred bytes for each pack."""

    def __init__(self, repository: Repository, audit: Audit, archive: Archive) -> None:
        """List what is there. :raises NotFound, Refused, Unavailable: the archive cannot be listed."""
        self._files = repository.files
        self._archive = archive
        self._is_encrypted = repository.keys is not None
        self._newest_here = repository.newest()
        head = repository.head()
        self._base = head.checkpoint if head else 1
        self.overlaid: list[str] = []
        """Files over which somebody has written, or put a deletion; their first version is read all the same."""
        self._commits = {
            number: stored.size
            for stored in self._listed(f"{commits.DIRECTORY}/", commits.name(self._base - 1))
            for number in [commits.number(stored.name.rpartition("/")[2])] if number
        }
        # Anybody who can write there can put a file under any number. Behind ours a commit follows another.
        last = max((number for number in self._commits if number <= self._newest_here), default=self._newest_here)
        while last + 1 in self._commits:
            last += 1
        self._apart = sorted(number for number in self._commits if number > last)
        """What follows no commit."""
        for number in self._apart:
            del self._commits[number]
        self.newest = max(self._commits) if self._commits else last_number(self._is_there, self._base)
        """The number of the newest commit there; 0 for none."""
        self._two_versions = False
        """Of the newest commit, which no other follows that would tell the right one."""
        # Where the other side is ahead, its newest commit says nothing: that is not here.
        self._common = min(self.newest, head.seq if head else 0)
        self._is_foreign = self._has_another_writer(repository)
        there = () if self._is_foreign else commits.until(partial(_readable, repository), self.newest)
        named = {pack.name for commit in there for pack in commit.packs}
        self.packs: list[PackInfo] = [pack for pack in audit.packs() if pack.name in named]
        """Those that must be there."""
        self._sizes: dict[str, int] = {}
        wanted = {packs.file_name(name) for name in named}
        for stored in self._listed("packs/") if named else ():
            if stored.name in wanted:
                self._sizes[stored.name] = stored.size

    def _listed(self, prefix: str, after: str = "") -> Iterator[StoredFile]:
        for stored in self._archive.list(prefix, after):
            if self._archive.is_overlaid(stored.name):
                self.overlaid.append(stored.name)
            yield stored

    def _is_there(self, seq: int) -> bool:
        return self._archive.size(commits.name(seq)) is not None

    def _has_another_writer(self, repository: Repository) -> bool:
        """Return whether the newest commit that both sides should have is two."""
        head = repository.head()
        with contextlib.suppress(NotFound, Damaged, NotABackup):
            name = commits.name(self._common)
            ours = repository.commit(self._common)
            theirs = commits.parse(self._archive.get(name), name, repository.keys)
            self._two_versions = (
                self._common == self.newest == theirs.seq and ours.hash != theirs.hash and ours == head
            )
            return is_of_another_writer(ours, theirs)
        return False

    def commits(self) -> list[int]:
        """Return the numbers of the commits that both sides should have, from the newest full one on."""
        return [] if self._is_foreign else [
            seq for seq in range(self._base, self.newest + 1)
            if self._files.size(commits.name(seq)) is not None or seq in self._commits
        ]

    def faults(self) -> Iterator[Fault]:
        """Yield what is missing there or has another size; and commits that are there alone."""
        if self.newest:
            yield from self._format()
            yield from self._keyring()
        if self._is_foreign:
            reason = "It is not the one that is here: another writer uses this prefix."
            yield Fault(ARCHIVE, COMMIT, commits.name(self._common), reason)
            return
        if self._two_versions:
            reason = "It is not as in the archive, and no commit follows that would tell which one was altered."
            yield Fault(HERE, DOUBT, commits.name(self.newest), reason)
        for seq in self._apart:
            reason = "It follows no commit: those before it are missing, or somebody has put it there."
            yield Fault(ARCHIVE, COMMIT, commits.name(seq), reason)
        for seq in self.commits():
            name, here, there = commits.name(seq), self._files.size(commits.name(seq)), self._commits.get(seq)
            if there is None:  # a listing may lag behind
                there = self._archive.size(name)
            if here is None:
                yield Fault(HERE, COMMIT, name, "It is missing here; the archive has it.")
            elif there is None:
                yield Fault(ARCHIVE, COMMIT, name, "It is missing.")
            elif here != there:
                yield Fault(ARCHIVE, COMMIT, name, f"It has {there} bytes, here it has {here}.")
        for pack in self.packs:
            name = packs.file_name(pack.name)
            kind = METADATA if pack.kind == packs.METADATA else CONTENTS
            size = self._sizes.get(name)
            if size is None:
                size = self._archive.size(name)
            if size is None:
                yield Fault(ARCHIVE, kind, name, "It is missing.")
            elif size != pack.size:
                yield Fault(ARCHIVE, kind, name, f"It has {size} of {pack.size} bytes.")

    def _keyring(self) -> Iterator[Fault]:
        there = keyrings.numbers(self._archive) if self._is_encrypted else []
        here = keyring.newest(self._files)  # after the listing: an upload may be at work
        if not here or self._is_foreign:
            return
        name = keys.name(here)
        if there and there[-1] > here:
            reason = "It is newer than the one that is here: another writer, or somebody who has no keys, put it there."
            yield Fault(ARCHIVE, KEYRING, keys.name(there[-1]), reason)
        if here not in there:
            if self.newest >= self._newest_here:
                yield Fault(ARCHIVE, KEYRING, name, "It is missing.")
            return
        try:
            if self._archive.get(name) != self._files.read(name):
                yield Fault(ARCHIVE, KEYRING, name, "It is not the one that is here.")
        except NotFound:  # a newer one has taken its place meanwhile
            return
        except Damaged as error:
            yield Fault(ARCHIVE, KEYRING, name, str(error))

    def _format(self) -> Iterator[Fault]:
        name = commits.FORMAT_FILE
        try:
            if self._archive.get(name) != self._files.read(name):
                yield Fault(ARCHIVE, FORMAT, name, "It is altered, or of another backup.")
        except NotFound:
            yield Fault(ARCHIVE, FORMAT, name, "It is missing.")
        except Damaged as error:
            yield Fault(ARCHIVE, FORMAT, name, str(error))


def _readable(repository: Repository, seq: int) -> Commit | None:
    """Return a commit that is here; None where it is lost, which the check tells by itself."""
    try:
        return repository.commit(seq)
    except (NotFound, Damaged):
        return None
