# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one side of a backup has and the other lacks: fetched from the archive, or sent to it (docs/coherency.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection

from ..archive.port import LARGEST, Archive
from ..backup import commits, keyring, keys
from ..backup.commits import Commit
from ..backup.files import Files
from ..backup.repository import Repository
from ..model.errors import Damaged, NotABackup, NotFound, Refused
from ..operations.progress import Progress
from .findings import COMMIT, CONTENTS, FORMAT, KEYRING, METADATA, Fault


class Quarantine:
    """A folder of the Backup Path in which what is altered is kept."""

    def __init__(self, files: Files, folder: str) -> None:
        """:param folder: its relative name; no other run has used it."""
        self.folder = folder
        self.names: list[str] = []
        """What was put there."""
        self._files = files

    def keep(self, name: str) -> None:
        """Give a file here a second name there. :raises Refused: it cannot be done (R-251)."""
        if self._files.size(name) is not None:
            self._files.link(name, f"{self.folder}/{name}")
            self.names.append(f"{self.folder}/{name}")

    def keep_archived(self, archive: Archive, name: str, data: bytes) -> None:
        """Keep what a file of an archive was, in the same folder there."""
        archive.put(f"{self.folder}/{name}", data)
        self.names.append(f"archive: {self.folder}/{name}")


class Sides:
    """A Backup Path and its archive."""

    def __init__(
        self, repository: Repository, archive: Archive, quarantine: Quarantine, progress: Progress
    ) -> None:
        self.fetched: set[str] = set()
        """Files that were fetched."""
        self.sent = 0
        """How many files were sent."""
        self.foreign: list[Fault] = []
        """What stays because another writer, or somebody else, has put it there."""
        self._repository = repository
        self._files = repository.files
        self._archive = archive
        self._quarantine = quarantine
        self._progress = progress

    # -- from the archive ------------------------------------------------------------------------------------------

    def fetch(self, faults: Collection[Fault]) -> bool:
        """Fetch what the archive has of what is missing or altered here; return whether that was anything."""
        wanted = dict.fromkeys(
            name for fault in faults if fault.kind in (COMMIT, METADATA, CONTENTS) and not fault.named_rightly
            for name in self._suspects(fault)
        )
        self._progress.phase("fetch", len(wanted))
        before = len(self.fetched)
        for name in wanted:
            if name not in self.fetched and not self._progress.stopping():
                self._fetch_file(name)
            self._progress.advance(1)
        return len(self.fetched) > before

    def _suspects(self, fault: Fault) -> list[str]:
        """Return the files that may have to be replaced: of two commits that do not fit, it may be either."""
        if fault.kind != COMMIT:
            return [fault.file]
        seq = commits.number(fault.file.rpartition("/")[2]) or 0
        names = [commits.name(seq - 1), commits.name(seq)] if seq > 1 else [fault.file]
        newest = self._repository.newest()
        while seq < newest and self._files.size(commits.name(seq)) is None:
            seq += 1
            names.append(commits.name(seq))
        return names

    def _fetch_file(self, name: str) -> None:
        data, here = self._there(name), self._here(name)
        if data is None or data == here or not self._is_right(name, data, here):
            return
        self._quarantine.keep(name)
        self._files.overwrite(name, data)
        self.fetched.add(name)

    def _is_right(self, name: str, data: bytes, here: bytes | None) -> bool:
        """Return whether these bytes are those that must be under a name here."""
        last = name.rpartition("/")[2]
        seq = commits.number(last)
        if seq is None:
            return hashlib.sha256(data).hexdigest() == last
        commit, own = self._parsed(seq, data), self._parsed(seq, here)
        if commit is None or self._fits(seq, own, self._either) or is_of_another_writer(own, commit):
            return False
        after = self._parsed(seq + 1, self._there(commits.name(seq + 1)))
        named = own is None and after is not None and after.previous == commit.hash
        return named or self._fits(seq, commit, self._either)

    def _fits(self, seq: int, commit: Commit | None, neighbour: Callable[[int], Commit | None]) -> bool:
        """Return whether a commit stands rightly between its neighbours."""
        if commit is None:
            return False
        before, after = map(neighbour, (seq - 1, seq + 1))
        if after is not None:
            return after.previous == commit.hash
        if commit.full and self._ours(seq - 1) is None:
            return True  # it stands for what was given up; an altered copy of that in the archive says nothing
        return before is None or commit.previous == before.hash

    def _ours(self, seq: int) -> Commit | None:
        """Return a commit that is here and can be read."""
        return self._parsed(seq, self._here(commits.name(seq)))

    def _either(self, seq: int) -> Commit | None:
        """Return a commit that is here and can be read, or where it is lost, the one there."""
        return self._ours(seq) or self._parsed(seq, self._there(commits.name(seq)))

    def _parsed(self, seq: int, data: bytes | None) -> Commit | None:
        try:
            commit = commits.parse(data or b"", commits.name(seq), self._repository.keys)
        except (Damaged, NotABackup):
            return None
        return commit if (commit.seq, commit.repository) == (seq, self._repository.repository_id) else None

    def _here(self, name: str) -> bytes | None:
        return content(self._files, name)

    def _there(self, name: str) -> bytes | None:
        """Return a file of the archive; None where there is none that can be read."""
        last = name.rpartition("/")[2]
        try:
            return self._archive.get_checked(name, last, max(self._repository.catalogue.pack_size(last), LARGEST))
        except (NotFound, Damaged):
            return None

    # -- to the archive --------------------------------------------------------------------------------------------

    def send(self, faults: Collection[Fault]) -> None:
        """Send what is missing or altered there."""
        self._progress.phase("send", len(faults))
        for fault in faults:
            if not self._progress.stopping():
                self._send_file(fault)
            self._progress.advance(1)

    def _send_file(self, fault: Fault) -> None:
        here, there = self._here(fault.file), self._there(fault.file)
        seq = commits.number(fault.file.rpartition("/")[2]) if fault.kind == COMMIT else None
        if seq is not None and seq > self._repository.newest():
            self.foreign.append(fault)
        if here is None or here == there or not self._may_replace(fault, here, there):
            return
        if there is not None:
            self._quarantine.keep_archived(self._archive, fault.file, there)
        self._archive.put(fault.file, here)
        self.sent += 1

    def _may_replace(self, fault: Fault, here: bytes, there: bytes | None) -> bool:
        """Return whether a file of the archive is ours, and ours is right. What another writer put there stays."""
        if fault.kind in (METADATA, CONTENTS):
            return hashlib.sha256(here).hexdigest() == fault.file.rpartition("/")[2]
        if fault.kind == KEYRING:
            return fault.file == keys.name(keyring.newest(self._files))
        if fault.kind == FORMAT:
            try:
                other = commits.parse_format(there or b"", self._archive.describe())
                foreign = other.repository != self._repository.repository_id
            except NotABackup:
                foreign = False
        else:
            seq = commits.number(fault.file.rpartition("/")[2]) or 0
            if not self._fits(seq, self._parsed(seq, here), self._ours):
                return False
            theirs = self._parsed(seq, there)
            foreign = is_of_another_writer(self._parsed(seq, here), theirs)
            if theirs is not None and not foreign and self._here(commits.name(seq + 1)) is None:
                return False  # either may be the altered one
        if foreign:
            self.foreign.append(fault._replace(consequence="It is from another writer, and stays as it is."))
        return not foreign


def is_of_another_writer(ours: Commit | None, theirs: Commit | None) -> bool:
    """Return whether the commits of one number are two, and not one of which a copy was altered."""
    if ours is None or theirs is None or ours.nonce == theirs.nonce:
        return False
    if (ours.seq, ours.repository) != (theirs.seq, theirs.repository):
        return False
    return theirs._replace(nonce=ours.nonce, hash=ours.hash) != ours


def content(files: Files, name: str) -> bytes | None:
    """Return a file of a Backup Path; None where there is none that can be read."""
    try:
        return files.read(name)
    except (NotFound, Refused):
        return None
