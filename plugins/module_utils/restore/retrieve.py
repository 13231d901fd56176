# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Metadata retrieval: what a restore must know is fetched from an archive into a directory (R-181).

Fetched are format.json, the newest full commit with those after it, and the metadata packs that they name. Mail stays
where it is; blobs.py reads it from there when it is needed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Final, NamedTuple

from ..archive.fetch import Piece, fetch
from ..archive.numbered import last_number
from ..archive.port import Archive
from ..backup import commits, keyring, packs
from ..backup.catalogue import Damage
from ..backup.commits import Commit, PackInfo
from ..backup.files import Files, full_or_refused, writing
from ..backup.keyring import Keyring
from ..backup.keys import Keys, Ring
from ..backup.repository import CATALOGUE_FILE
from ..care.keyrings import fetch_keyring
from ..model.durable import make_directories
from ..model.errors import (
    AlreadyExists,
    Damaged,
    InvalidInput,
    NotABackup,
    NotFound,
    Refused,
    RestanteError,
    Unavailable,
)
from ..operations.progress import SILENT, Progress
from ..scan import witness
from ..scan.witness import Seen
from .assembly import Assembly

THREADS: Final = 10
BYTES_IN_FLIGHT: Final = 96 * 1024 * 1024
_COMMIT: Final = 4 * 1024 * 1024
"""Bytes of a commit that is read beside others; one that has more, or cannot be read, is read once more and alone. Its
size is not known before."""


class RetrieveReport(NamedTuple):
    """What a retrieval came to."""

    repository: str
    server: str
    newest: int
    """Number of the newest commit that can be read."""
    at: int
    """When that was made, UTC milliseconds: what changed later is not in the archive."""
    commits: int
    """Fetched now, as the two below."""
    packs: int
    bytes: int
    damages: Sequence[Damage]
    """What could not be fetched. The rest is there and usable."""

    @property
    def changed(self) -> bool:
        """Whether anything was fetched."""
        return self.commits + self.packs > 0


def find_servers(archive: Archive) -> Mapping[str, str]:
    """Return the server ids of the backups directly under an archive's prefix, by folder.

    :param archive: one whose prefix is the part that servers share.
    """
    found = {}
    for folder in archive.folders():
        try:
            found[folder] = commits.parse_format(archive.get(f"{folder}/{commits.FORMAT_FILE}"), folder).server
        except (NotFound, NotABackup, Damaged):  # something else, which is none of our business
            continue
    return found


def retrieve(
    archive: Archive, destination: str, threads: int = THREADS, progress: Progress = SILENT,
    masters: Sequence[bytes] = (), seen: Seen | None = None,
) -> RetrieveReport:
    """Fetch the metadata of a backup into a directory, or what is new of it. May be killed and run again.

    :param archive: where the backup is; its prefix includes the server id.
    :param destination: a directory, made where it is missing: an empty one, or one retrieved into before.
    :param threads: requests in flight. :param masters: master keys of which one opens it, if it is encrypted.
    :param seen: what the archive was seen to hold; None where nobody has written that down.
    :raises NotABackup: there is none under the prefix. :raises InvalidInput: the destination holds another backup.
    :raises Damaged: it is encrypted, and its keyring is lost. :raises Refused: it does not hold what was seen.
    :raises NotFound, Refused, Unavailable: the archive cannot be read, or the destination cannot be written.
    """
    try:
        return _Retrieval(archive, destination, threads, progress, masters, seen).run()
    except OSError as error:
        raise full_or_refused(destination, error) from error


class _Retrieval:
    def __init__(
        self, archive: Archive, destination: str, threads: int, progress: Progress, masters: Sequence[bytes],
        seen: Seen | None,
    ) -> None:
        self._archive = archive
        self._files = Files(os.path.abspath(destination))
        self._threads = threads
        self._progress = progress
        self._masters = masters
        self._seen = seen
        self._keys: Keys | None = None
        self._repository = ""
        self._damages: list[Damage] = []

    def run(self) -> RetrieveReport:
        info = self._claim()
        self._progress.phase("commits")
        here = self._newest_here()
        newest = self._newest_there(here)
        if self._seen is not None:
            self._compare(info, self._seen, newest)
        chain = self._chain(here, newest)
        if not chain:
            raise NotABackup(
                f"The backup in {self._archive.describe()} has no commit that can be read: its first scan was not "
                "uploaded, or all commits are damaged."
            )
        if self._seen is not None and chain[-1][0].seq < self._seen.seq:
            raise Refused(
                f"The newest commit that can be read in {self._archive.describe()} is {chain[-1][0].seq}, and commit "
                f"{self._seen.seq} was there: what came after it was altered or removed. Look for the right files "
                "(versions of the bucket's objects, another copy), or name no witness to go on with what is left."
            )
        count, size = self._fetch_packs(chain)
        # The commits come last: what they name is there, so a retrieval that is cut short promises nothing.
        new = 0 if self._progress.stopping() else self._write_commits(chain, here)
        last = chain[-1][0]
        return RetrieveReport(info.repository, info.server, last.seq, last.at, new, count, size, self._damages)

    # -- which backup ----------------------------------------------------------------------------------------------

    def _claim(self) -> commits.FormatInfo:
        where = self._archive.describe()
        try:
            data = self._archive.get(commits.FORMAT_FILE)
        except NotFound as error:
            self._archive.size(commits.FORMAT_FILE)  # says so where the bucket itself is missing
            raise NotABackup(
                f"There is no backup in {where}. Check the prefix and the server id, or whether it was ever uploaded."
            ) from error
        info = commits.parse_format(data, where)
        self._repository = info.repository
        keyring.check(info, self._masters, where)
        with writing(self._files.root):
            make_directories(self._files.root)
        try:
            self._files.write_new(commits.FORMAT_FILE, data)
        except AlreadyExists:
            if self._files.read(commits.FORMAT_FILE) != data:
                raise InvalidInput(
                    f"{self._files.root} holds another backup than {where}. Choose an empty directory."
                ) from None
        if self._masters:
            own = Keyring(self._files, info, self._masters)
            self._damages += fetch_keyring(self._archive, self._files, own)
            self._keys = Keys(own.load(), functools.partial(self._fetch_keys, own))
        return info

    def _fetch_keys(self, own: Keyring) -> Ring:
        """Fetch the newest keyring and return it."""
        fetch_keyring(self._archive, self._files, own)
        return own.load()

    def _compare(self, info: commits.FormatInfo, seen: Seen, newest: int) -> None:
        if seen.repository != info.repository:
            raise InvalidInput(
                f"The witness is of backup {seen.repository}, {self._archive.describe()} holds {info.repository}. Name "
                "the one of this server."
            )
        witness.check(seen, self._archive, newest)

    # -- which commits ---------------------------------------------------------------------------------------------

    def _newest_here(self) -> int:
        numbers = map(commits.number, self._files.names(commits.DIRECTORY))
        return max((number for number in numbers if number), default=0)

    def _newest_there(self, hint: int) -> int:
        newest = last_number(self._is_there, max(hint, 1))
        # One request makes sure that it did not stop at a gap that a damage has left in the row.
        later = self._next_there(newest)
        return last_number(lambda seq: self._next_there(seq - 1) > 0, later) if later else newest

    def _next_there(self, after: int) -> int:
        """Return the lowest number of a commit that is there, of those above another; 0 for none."""
        for stored in self._archive.list(f"{commits.DIRECTORY}/", after=commits.name(after)):
            number = commits.number(stored.name.rpartition("/")[2]) or 0
            if number > after and stored.name == commits.name(number):
                return number
        return 0

    def _last_there(self, before: int) -> int:
        """Return the highest number of a commit that is there, of those below another; 0 for none.

        By listings and in few steps: anybody who can write there can put a file far behind the last commit.
        """
        return last_number(lambda seq: seq < before and 0 < self._next_there(seq - 1) < before, before - 1)

    def _is_there(self, seq: int) -> bool:
        return self._archive.size(commits.name(seq)) is not None

    def _chain(self, here: int, newest: int) -> list[tuple[Commit, bytes]]:
        """Return the commits from the newest full one on, in order, without those that cannot be read."""
        if here > newest:
            raise InvalidInput(
                f"{self._files.root} holds commit {here}, {self._archive.describe()} only {newest}. It was not "
                "retrieved from there; choose an empty directory."
            )
        found = self._read_commits(range(max(newest, 1), newest + 1), here)
        first = newest
        while first > 1 and not any(commit.full for commit, _unused in found.values()):
            # Once, usually: the newest commit tells where the full one is. Where that is damaged, back to another.
            # Between two of those that are there may be nothing: only one that can be read says which are missed.
            if first in found:
                numbers = range(min(found[first][0].checkpoint, first - 1), first)
            else:
                last = self._last_there(first)
                numbers = range(last, last + 1)
            found.update(self._read_commits(filter(None, numbers), here))
            first = numbers[0]
        if here in found and self._files.read(commits.name(here)) != found[here][1]:
            raise InvalidInput(
                f"Commit {here} in {self._files.root} is not the one in {self._archive.describe()}: they are two "
                "backups that went apart. Choose an empty directory."
            )
        return [found[seq] for seq in sorted(found)]

    def _read_commits(self, numbers: Iterable[int], here: int) -> dict[int, tuple[Commit, bytes]]:
        """Return commits by number. What the destination has is taken from there, but for its newest."""
        found = {}
        wanted = []
        for seq in numbers:
            local = self._local_commit(seq) if seq < here else None
            if local is not None:
                found[seq] = local
            else:
                wanted.append(Piece(commits.name(seq), 0, 0, _COMMIT))

        def read(name: str, _offset: int, _length: int) -> bytes:
            return self._archive.get(name, _COMMIT)

        def use(piece: Piece, data: bytes) -> tuple[Commit, bytes]:
            return self._commit(data, piece.name), data

        for piece, result in fetch(read, wanted, use, self._threads, BYTES_IN_FLIGHT):
            try:
                if isinstance(result, Damaged):
                    result = self._read_alone(piece.name)
                if isinstance(result, RestanteError):
                    raise result
                found[result[0].seq] = result
            except RestanteError as error:
                self._damaged(piece.name, error, "What only this commit names cannot be restored.")
        return found

    def _read_alone(self, name: str) -> tuple[Commit, bytes]:
        """Return a commit of any size: several of the largest at once would take too much memory. Errors as get."""
        try:
            data = self._archive.get(name)
            return self._commit(data, name), data
        except Damaged:
            for later in self._archive.later_versions(name):
                with contextlib.suppress(Damaged):
                    return self._commit(later, name), later
            raise

    def _local_commit(self, seq: int) -> tuple[Commit, bytes] | None:
        name = commits.name(seq)
        try:
            data = self._files.read(name)
            return self._commit(data, name), data
        except NotFound:
            return None
        except Damaged:
            self._files.remove(name)
            return None

    def _commit(self, data: bytes, name: str) -> Commit:
        """Return the commit in a file. :raises Damaged: it is none, or another than its name says."""
        commit = commits.parse(data, name, self._keys)
        if commits.name(commit.seq) != name or commit.repository != self._repository:
            raise Damaged(f"{name} is commit {commit.seq} of backup {commit.repository}.")
        return commit

    def _write_commits(self, chain: Sequence[tuple[Commit, bytes]], here: int) -> int:
        """Write the commits that are not at the destination; return how many.

        :param here: its newest commit before, 0 for none.
        """
        if here and chain[0][0].seq > here + 1:
            # Those in between are not needed, and are not fetched. A catalogue that stands before them would look for
            # them, or take the last that it knows for the newest: it is made anew from the full commit behind them.
            self._files.remove(CATALOGUE_FILE)
        written = 0
        for commit, data in chain:
            if self._files.size(commits.name(commit.seq)) is None:
                self._files.write_new(commits.name(commit.seq), data)
                written += 1
        return written

    # -- packs -----------------------------------------------------------------------------------------------------

    def _fetch_packs(self, chain: Iterable[tuple[Commit, bytes]]) -> tuple[int, int]:
        """Fetch the metadata packs that are not at the destination; return how many, and their bytes."""
        wanted: dict[str, PackInfo] = {}
        for commit, _unused in chain:
            wanted.update((pack.name, pack) for pack in commit.packs if pack.kind == packs.METADATA)
            for name in commit.removed:
                wanted.pop(name, None)
        missing = [pack for pack in wanted.values() if not self._is_here(pack)]
        self._progress.phase("metadata", items=len(missing), bytes_=sum(pack.size for pack in missing))
        failed = self._assemble(missing)
        altered = [pack for pack in missing if isinstance(failed.get(pack.name), Damaged)]
        for pack in altered:
            del failed[pack.name]
        failed.update(self._assemble(altered))  # it may have happened on the way
        for pack in altered:
            if isinstance(failed.get(pack.name), Damaged) and self._fetch_later(pack):
                del failed[pack.name]
        for name, error in failed.items():
            self._damaged(packs.file_name(name), error, "The changes recorded in it cannot be restored.")
        fetched = [pack.size for pack in missing if self._is_here(pack)]
        return len(fetched), sum(fetched)

    def _fetch_later(self, pack: PackInfo) -> bool:
        """Fetch a pack from what was written over it; return whether that is right."""
        name = packs.file_name(pack.name)
        for data in self._archive.later_versions(name, most=pack.size):
            if hashlib.sha256(data).hexdigest() == pack.name:
                self._files.write_new(name, data)
                return True
        return False

    def _is_here(self, pack: PackInfo) -> bool:
        return self._files.size(packs.file_name(pack.name)) == pack.size

    def _assemble(self, wanted: Sequence[PackInfo]) -> dict[str, RestanteError]:
        """Fetch packs; return the errors of those that could not be had."""
        under_way = {packs.file_name(pack.name): (pack, Assembly(self._files, pack)) for pack in wanted}
        pieces = (piece for _unused, assembly in under_way.values() for piece in assembly.pieces())
        failed = {}
        here: list[RestanteError] = []

        def use(piece: Piece, data: bytes) -> None:
            try:
                under_way[piece.name][1].add(piece, data)
            except Refused as error:
                here.append(error)
                raise

        try:
            with closing(fetch(self._archive.get_range, pieces, use, self._threads, BYTES_IN_FLIGHT)) as results:
                for piece, error in results:
                    under_way[piece.name][1].settle(piece)
                    # What the disk here does not take is no damage of the archive.
                    if isinstance(error, Unavailable) or (error is not None and error in here):
                        raise error
                    if error is not None:
                        failed[under_way[piece.name][0].name] = error
                    self._progress.advance(int(piece.offset == 0), piece.length)
                    if self._progress.stopping():
                        break
        finally:
            for _unused, assembly in under_way.values():
                assembly.close()
        return failed

    def _damaged(self, name: str, error: RestanteError, consequence: str) -> None:
        if isinstance(error, Unavailable):
            raise error
        self._damages.append(Damage(name, str(error), consequence))
