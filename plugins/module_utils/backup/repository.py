# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup repository: one Backup Path or restore directory, read through its catalogue (docs/format.md)."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from ..model import kinds, moment
from ..model.errors import AlreadyExists, Damaged, NotABackup, NotFound, RestanteError
from ..model.state import ACCOUNT_ITEM, SERVER, Entry, ItemState, Transaction
from . import commits, frames, packs
from .catalogue import Catalogue, Damage, Location
from .commits import Commit, FormatInfo, PackInfo
from .files import Files

if TYPE_CHECKING:
    from .writer import Writer

MIB: Final = 1024 * 1024
PACK_SIZE: Final = 24 * MIB
CATALOGUE_FILE: Final = "catalog.sqlite"


class Repository:
    """A backup, opened for reading. Used by one thread; a worker of its own opens its own."""

    def __init__(self, files: Files, info: FormatInfo, pack_size: int = PACK_SIZE) -> None:
        self.files = files
        self.path = files.root
        self.repository_id = info.repository
        self.server_id = info.server
        self.pack_size = pack_size
        writable = os.access(self.path, os.W_OK)
        self.catalogue = Catalogue(files.path(CATALOGUE_FILE) if writable else "")
        self._head: Commit | None = None
        self.refresh()

    @staticmethod
    def create(path: str, server_id: str, pack_size: int = PACK_SIZE) -> Repository:
        """Make an empty backup in a directory.

        :param server_id: UUID of the mail server it is of. :param pack_size: bytes at which a pack is closed.
        :raises AlreadyExists: the directory holds a backup.
        """
        os.makedirs(path, mode=0o700, exist_ok=True)
        files = Files(path)
        info = FormatInfo(str(uuid.uuid4()), server_id, moment.now())
        try:
            files.write_new(commits.FORMAT_FILE, commits.encode_format(info))
        except AlreadyExists as error:
            raise AlreadyExists(f"{path} holds a backup already; open it, or choose another directory.") from error
        return Repository(files, info, pack_size)

    @staticmethod
    def open(path: str, pack_size: int = PACK_SIZE) -> Repository:
        """Open a backup for reading; its catalogue is brought up to date.

        :raises NotABackup: there is none, or one of a newer format.
        """
        files = Files(path)
        try:
            data = files.read(commits.FORMAT_FILE)
        except NotFound as error:
            raise NotABackup(
                f"{path} holds no backup: there is no {commits.FORMAT_FILE} in it. Name a Backup Path, a copy of one, "
                "or a directory that the metadata was retrieved into."
            ) from error
        return Repository(files, commits.parse_format(data, path), pack_size)

    def close(self) -> None:
        """Close the catalogue."""
        self.catalogue.close()

    def writer(self) -> Writer:
        """Return the writer. :raises Busy: another one is at work on this Backup Path."""
        from .writer import Writer  # the writer imports this module

        return Writer(self)

    # -- commits ---------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Take in the commits made since this was opened or refreshed."""
        with self.catalogue.changing():
            done = int(self.catalogue.meta("commit", "0"))
            expected = self.catalogue.meta("hash")
            for seq in self._numbers(done):
                commit = self._take_in(seq, done, expected)
                if commit is not None:
                    done, expected = commit.seq, commit.hash
            self.catalogue.set_meta("commit", str(done))
            self.catalogue.set_meta("hash", expected)
        if done and (self._head is None or self._head.seq != done):
            self._head = self.commit(done)

    def head(self) -> Commit | None:
        """Return the newest commit that can be read; None for an empty backup."""
        return self._head

    def commit(self, seq: int) -> Commit:
        """Return a commit by its number. :raises NotFound, Damaged: there is none that can be read."""
        name = commits.name(seq)
        return commits.parse(self.files.read(name), self.files.path(name))

    def packs(self) -> Iterator[PackInfo]:
        """Yield all packs."""
        return (PackInfo(*row) for row in self.catalogue.packs())

    def damages(self) -> list[Damage]:
        """Return what in this backup could not be read when the catalogue was made."""
        return self.catalogue.damages()

    def _numbers(self, after: int) -> list[int]:
        if after and self.files.size(commits.name(after + 1)) is None:
            newer = [n for n in map(commits.number, self.files.names(commits.DIRECTORY)) if n and n > after]
            return sorted(newer)
        return sorted(n for n in map(commits.number, self.files.names(commits.DIRECTORY)) if n and n > after)

    def _take_in(self, seq: int, previous: int, expected: str) -> Commit | None:
        name = commits.name(seq)
        try:
            commit = commits.parse(self.files.read(name), name)
        except (Damaged, NotFound, NotABackup) as error:
            self.catalogue.add_damage(Damage(name, str(error), "What only this commit names cannot be restored."))
            return None
        if commit.repository != self.repository_id or commit.seq != seq:
            self.catalogue.add_damage(Damage(name, "It belongs to another backup.", "It was left out."))
            return None
        if commit.previous != expected and not commit.full:
            reason = f"The commit before it (after {previous}) is missing or was altered: the chain does not hold."
            self.catalogue.add_damage(Damage(name, reason, "Commits in between may be missing."))
        for pack in commit.packs:
            if self.catalogue.add_pack(*pack) and pack.kind == packs.METADATA:
                self._take_in_pack(pack)
        for removed in commit.removed:
            self.catalogue.remove_pack(removed)
        self.catalogue.set_heads(commit)
        for scope, head in commit.heads.items():
            if not self.catalogue.has_segment(head.segment):
                reason = f"The newest segment of journal {scope} as of commit {seq} cannot be read."
                self.catalogue.add_damage(Damage(name, reason, "Changes recorded in it are unknown."))
        return commit

    def _take_in_pack(self, pack: PackInfo) -> None:
        name = packs.file_name(pack.name)
        try:
            data = self.files.read(name)
        except RestanteError as error:
            self.catalogue.add_damage(Damage(name, str(error), "The changes recorded in it are unknown."))
            return
        if len(data) != pack.size:
            reason = f"It has {len(data)} bytes, {pack.size} were committed."
            self.catalogue.add_damage(Damage(name, reason, "What is whole in it was taken in."))
        view = memoryview(data)
        # Segments before indexes or after, any order: an index only needs its pack to be known, and it is.
        for offset, head in _frames_of(data):
            try:
                content = frames.decode(view[offset: offset + head.length])
                if head.kind == frames.SEGMENT:
                    self.catalogue.add_segment(content, head.digest.hex())
                elif head.kind == frames.INDEX and content[:32] != bytes(32):
                    self.catalogue.add_index(content)
            except Damaged as error:
                self.catalogue.add_damage(
                    Damage(name, f"At {offset}: {error}", "The changes recorded there are unknown.")
                )

    # -- journals --------------------------------------------------------------------------------------------------

    def token(self, scope: str) -> str:
        """Return the mail server's change token up to which a journal is complete; empty for none."""
        return self.catalogue.tokens().get(scope, "")

    def tokens(self) -> dict[str, str]:
        """Return all change tokens by journal."""
        return self.catalogue.tokens()

    def scopes(self) -> list[str]:
        """Return the ids of all accounts that the backup knows, deleted ones too."""
        return [scope for scope in self.catalogue.scopes() if scope != SERVER]

    def span(self) -> tuple[int, int] | None:
        """Return the first and last recorded moment; None for an empty backup."""
        return self.catalogue.span()

    def counts(self) -> Mapping[str, int]:
        """Return counts: present items by kind, transactions, blobs, blob_bytes, packs, pack_bytes."""
        return self.catalogue.counts()

    # -- states ----------------------------------------------------------------------------------------------------

    def entry(self, scope: str, item_id: str, at: int | None = None) -> Entry | None:
        """Return a directory entry as it was; None where it did not exist."""
        found = self.catalogue.last(scope, item_id, at)
        return found.state if found is not None and isinstance(found.state, Entry) else None

    def entries(self, kind: str, at: int | None = None, deleted: bool = False) -> Iterator[Transaction]:
        """Yield the entries of a kind; with deleted also those that were gone by then, with their last state."""
        if kind == kinds.ACCOUNT:
            for scope in self.scopes():
                found = self.catalogue.last(scope, ACCOUNT_ITEM, at)
                if found is not None:
                    yield from self._shown(found, at, deleted)
            return
        for found in self.catalogue.states(SERVER, at, newest_first=False, deleted=deleted):
            if found.kind == kind:
                yield from self._shown(found, at, deleted)

    def state(self, scope: str, item_id: str, at: int | None = None) -> Transaction | None:
        """Return the transaction of an item that holds at a moment (maybe its deletion); None if it was unknown."""
        return self.catalogue.last(scope, item_id, at)

    def history(self, scope: str, item_id: str) -> Iterator[Transaction]:
        """Yield all transactions of an item, oldest first."""
        return self.catalogue.history(scope, item_id)

    def states(
        self,
        scope: str,
        at: int | None = None,
        kinds: Collection[str] | None = None,
        newest_first: bool = False,
        deleted: bool = False,
    ) -> Iterator[Transaction]:
        """Yield the items of an account as they were, streaming.

        :param at: UTC milliseconds; None for the latest. :param kinds: only these.
        :param newest_first: by date, newest first; otherwise in no particular order.
        :param deleted: also items that were gone by then: their last state, with seq and at of the deletion.
        """
        for found in self.catalogue.states(scope, at, newest_first, deleted):
            if found.item_id != ACCOUNT_ITEM and (kinds is None or found.kind in kinds):
                yield from self._shown(found, at, deleted)

    def deleted_between(self, scope: str, start: int, end: int) -> Iterator[Transaction]:
        """Yield the deletions of an account in an interval, UTC milliseconds, both ends included."""
        return self.catalogue.deleted_between(scope, start, end)

    def _shown(self, found: Transaction, at: int | None, deleted: bool) -> Iterator[Transaction]:
        if found.state is not None:
            yield found
        elif deleted:
            before = self.catalogue.last_state(found.scope, found.item_id, at)
            if before is not None:
                yield found._replace(state=before.state)

    # -- blobs -----------------------------------------------------------------------------------------------------

    def has_blob(self, digest: str) -> bool:
        """Return whether a committed pack holds a blob."""
        return bool(self.catalogue.locate((digest,)))

    def locate(self, digests: Iterable[str]) -> dict[str, Location]:
        """Return where blobs lie; those that no commit reaches are absent."""
        return self.catalogue.locate(digests)

    def read_blob(self, digest: str) -> bytes:
        """Return a blob from the packs in this directory, verified.

        :raises NotFound: no commit reaches it, or its pack is not here. :raises Damaged: it is altered.
        """
        location = self.catalogue.locate((digest,)).get(digest)
        if location is None:
            raise NotFound(f"The backup in {self.path} holds no blob {digest}.")
        frame = self.files.read_range(packs.file_name(location.pack), location.offset, location.length)
        try:
            return frames.decode(frame, bytes.fromhex(digest))
        except Damaged as error:
            raise Damaged(f"{self.files.path(packs.file_name(location.pack))} at {location.offset}: {error}") from error


def _frames_of(data: bytes) -> Iterator[tuple[int, frames.Header]]:
    """Yield the frames of a pack one behind the other, and by searching where that does not work."""
    offset = len(packs.MAGIC)
    end = len(data) - packs.FOOTER_SIZE
    while offset < end:
        try:
            head = frames.header(memoryview(data)[offset: offset + frames.HEADER_SIZE])
        except Damaged:
            break
        if offset + head.length > len(data):
            break
        yield offset, head
        offset += head.length
    if offset < end:
        for found, head in frames.scan(data[offset:]):
            yield offset + found, head


def item_state(transaction: Transaction) -> ItemState:
    """Return the item state of a transaction that is known to have one."""
    if not isinstance(transaction.state, ItemState):
        raise TypeError(f"transaction {transaction.seq} has no item state")
    return transaction.state
