# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The writer of a Backup Path: there is one at a time.

Blobs go into an open pack; transactions are gathered by journal, sealed into segments and put into another open pack.
A commit closes both: packs first, then the commit that names them. What a crash leaves in open/ was promised to nobody
and is dropped by the next writer: the change tokens of the last commit have not moved, so the next scan finds it again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Collection, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final

from ..model import moment
from ..model.errors import AlreadyExists, Busy, InvalidInput, Refused
from ..model.state import SERVER, State
from . import commits, frames, journals, packs
from .commits import Commit, Head, PackInfo
from .files import writing
from .open_pack import OpenPack

if TYPE_CHECKING:
    from .repository import Repository

CHECKPOINT_EVERY: Final = 1000
"""Every how many commits one is full."""

JOURNAL_BYTES: Final = 8 * 1024 * 1024
"""How much of journals is held in memory, by a writer and by a reader, before it is sealed into segments."""

_LOCK: Final = "open/lock"
_COMMIT: Final = "open/commit.json"
_NO_HEAD: Final = Head("", 0, 0)


class Writer:
    """Adds blobs and transactions to a backup, and commits them. A context manager, used by one thread."""

    def __init__(self, repository: Repository) -> None:
        """Take the lock and clear what a crash left.

        :raises Busy: another writer has the lock. :raises Refused: the Backup Path cannot be written to.
        """
        self.repository = repository
        self._files = repository.files
        self._failed = False
        self._keys = repository.keys
        self._blobs = OpenPack(self._files, packs.BLOBS, self._keys)
        self._metadata = OpenPack(self._files, packs.METADATA, self._keys)
        self._sealed: list[PackInfo] = []
        self._new_blobs: set[bytes] = set()
        self._absent: set[bytes] = set()
        self._lines: dict[str, list[tuple[int, bytes]]] = {}
        self._line_bytes = 0
        self._new_heads: dict[str, Head] = {}
        self._pending = 0
        self._lock = self._take_lock()
        try:
            for name in self._files.names("open"):
                if f"open/{name}" != _LOCK:
                    self._files.remove(f"open/{name}")
            repository.reload_keys()  # another writer may have added some, or forgotten some, or changed the master key
            repository.refresh()
            head = repository.head()
            self._seq = head.last if head else 0
            self._heads = repository.catalogue.heads()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up the lock. What was not committed is not part of the backup."""
        self._failed = True
        self._blobs.close()
        self._metadata.close()
        if self._lock >= 0:
            if self._keys is not None:
                self._keys.drop_pending()  # the next writer may be another process, and give such accounts other keys
            os.close(self._lock)
            self._lock = -1

    # -- adding ----------------------------------------------------------------------------------------------------

    def has_blob(self, digest: str) -> bool:
        """Return whether a blob is in the backup or was added by this writer."""
        return bytes.fromhex(digest) in self._new_blobs or self.repository.has_blob(digest)

    def missing(self, digests: Collection[str]) -> set[str]:
        """Return those blobs that are not in the backup and were not added by this writer."""
        there = self.repository.locate(digests)
        missing = {digest for digest in digests if digest not in there and bytes.fromhex(digest) not in self._new_blobs}
        self._absent = {bytes.fromhex(digest) for digest in missing}
        return missing

    def put_blob(self, data: bytes, again: bool = False) -> str:
        """Add a blob, once, and return its digest.

        :param again: add it even if a committed pack has it: that pack is lost or damaged, and this copy replaces it.
        :raises Refused: the disk does not take it.
        """
        raw = hashlib.sha256(data).digest()
        digest = raw.hex()
        if raw in self._new_blobs or not (again or raw in self._absent or not self.repository.has_blob(digest)):
            return digest
        with self._whole():
            if self._blobs and not self._blobs.has_room(len(data), self.repository.pack_size):
                self._seal_blobs()
            self._blobs.add(frames.BLOB, data, raw, self._keys.of_content(raw) if self._keys is not None else None)
        self._pending += frames.HEADER_SIZE + len(data)
        self._new_blobs.add(raw)
        return digest

    def append(self, scope: str, item_id: str, kind: str, state: State | None, at: int | None = None) -> int:
        """Add a transaction and return its sequence number.

        :param state: None for a deletion. :param at: UTC milliseconds; now by default.
        :raises Refused: the disk does not take it.
        """
        self._seq += 1
        line = journals.line(self._seq, moment.now() if at is None else at, item_id, kind, state)
        self._add_line(scope, self._seq, line)
        return self._seq

    def _add_line(self, scope: str, seq: int, line: bytes) -> None:
        self._lines.setdefault(scope, []).append((seq, line))
        self._line_bytes += len(line)
        self._pending += len(line)
        if self._line_bytes >= min(JOURNAL_BYTES, self.repository.pack_size):
            with self._whole():
                self._seal_journals()

    def pending(self) -> int:
        """Return how many plain bytes, of blobs and of transactions, are not committed yet."""
        return self._pending

    # -- writing again what the backup has; commit() with removed takes the place of what was there ------------------

    def rewrite_journal(self, scope: str, after: Head | None) -> None:
        """Let a journal go on anew after one of its segments, or from its beginning; keep() gives it what follows."""
        self._heads.pop(scope, None)
        if after is not None:
            self._heads[scope] = after

    def keep(self, scope: str, seq: int, line: bytes) -> None:
        """Add a transaction of a journal that is written anew, in order and under the number that it has.

        :raises Refused: the disk does not take it.
        """
        self._add_line(scope, seq, line)

    def keep_frame(self, kind: int, content: bytes) -> None:
        """Add a segment as it is, or the index of a pack that stays, from a pack of metadata that will be removed.

        :raises Refused: the disk does not take it.
        """
        with self._whole():
            self._add_metadata(kind, content, journals.scope_of(content) if kind == frames.SEGMENT else SERVER)
        self._pending += len(content)

    def adopt(self, found: Collection[PackInfo], heads: Mapping[str, Head], last: int = 0) -> None:
        """Name packs again that are there, and that only a lost commit named.

        :param heads: the newest segments of journals that go on in them. :param last: a transaction that there is.
        """
        self._sealed.extend(found)
        self._heads.update(heads)
        self._seq = max([self._seq, last, *(head.last for head in heads.values())])

    # -- keys ------------------------------------------------------------------------------------------------------

    def forget(self, addresses: Mapping[str, str], at: int) -> None:
        """Destroy the keys of accounts, and take their journals out of the backup. Whatever was recorded of them, here
        and in the archive, nobody can read any more; what they have in common with others, those keep.

        The keys go first: a crash leaves journals that nobody can read, which the same call then takes out.

        :param addresses: by account id; by them they can be recognised later on. :param at: UTC milliseconds.
        :raises InvalidInput: the backup is not encrypted. :raises Refused: the disk does not take it.
        """
        if self._keys is None:
            raise InvalidInput(f"{self.repository.path} is not encrypted, so no account in it has a key of its own.")
        ring = self._keys.ring
        aliases = {scope: self._keys.alias(name) for scope, name in addresses.items() if scope in ring.accounts}
        if aliases:
            self.repository.keep_keys(ring.without_accounts(aliases, at))
        for scope in addresses:
            self._heads.pop(scope, None)
        self.commit(dict.fromkeys(addresses, ""), full=True)
        self.repository.remake_catalogue()

    def wrap_keys(self, master: bytes) -> None:
        """Put the keyring under another master key. Errors as Repository.wrap_keys()."""
        self.repository.wrap_keys(master)

    # -- committing ------------------------------------------------------------------------------------------------

    def commit(
        self, tokens: Mapping[str, str] | None = None, removed: Collection[str] = (), full: bool = False
    ) -> Commit | None:
        """Make all that was added part of the backup, durably.

        :param tokens: change tokens by journal, up to which the mail server has now been read.
        :param removed: packs that are no part of the backup from then on. The commit is a full one, and their files
            stay for the readers that are at work.
        :param full: make a full commit, also where nothing is new: nothing hangs on those before it.
        :return: the commit; None where there was nothing new.
        :raises Refused: the disk does not take it. :raises Busy: another host writes to this Backup Path.
        """
        changed = {scope: token for scope, token in (tokens or {}).items() if self.repository.token(scope) != token}
        if not self._pending and not changed and not removed and not full:
            return None
        with self._whole():
            if self._blobs:
                self._seal_blobs()
            self._seal_journals()
            if self._metadata:
                self._sealed.append(self._metadata.seal().info)
            if self._keys is not None:
                self.repository.keep_keys(self._keys.pending())
            commit = self._publish(changed, removed, full)
        self._heads.update(self._new_heads)
        self._sealed, self._new_blobs, self._absent, self._new_heads = [], set(), set(), {}
        self._pending = 0
        self.repository.catch_up()
        return commit

    def _publish(self, tokens: dict[str, str], removed: Collection[str], full: bool) -> Commit:
        """Write the commit."""
        before = self.repository.head()
        new = {pack.name: pack for pack in self._sealed}
        gone = sorted(set(removed) - set(new))  # what was written again as it was is the same pack
        with self.repository.catalogue.as_of_now():  # another process may make it anew meanwhile
            newest = self.repository.newest()
            seq = newest + 1
            # After a commit that cannot be read, a full one begins anew: nothing hangs on the one that is lost.
            full = (
                full or before is None or before.seq != newest or seq - before.checkpoint >= CHECKPOINT_EVERY
                or bool(removed)
            )
            stays = {pack.name: pack for pack in self.repository.packs() if pack.name not in removed} if full else {}
            tokens = {**self.repository.tokens(), **tokens} if full else tokens
        commit = Commit(
            seq=seq, at=moment.now(), hash="", previous=before.hash if before else "", nonce=secrets.token_hex(16),
            repository=self.repository.repository_id, server=self.repository.server_id,
            packs=tuple({**stays, **new}.values()),
            heads={**self._heads, **self._new_heads} if full else self._new_heads,
            tokens=tokens,
            last=self._seq, checkpoint=seq if full or before is None else before.checkpoint, removed=tuple(gone),
            full=full, keyring=self._keys.ring.number if self._keys is not None else 0,
        )
        data = commits.encode(commit, self._keys)
        with writing(self._files.path(_COMMIT)):
            descriptor = self._files.create(_COMMIT)
            try:
                self._files.append(descriptor, data)
                self._files.sync(descriptor)
            finally:
                os.close(descriptor)
        try:
            self._files.publish(_COMMIT, commits.name(seq))
        except AlreadyExists as error:
            raise Busy(
                f"Another writer has made commit {seq} in {self.repository.path}; two hosts must not share a Backup "
                "Path. Stop one of them and run this again."
            ) from error
        return commit._replace(hash=hashlib.sha256(data).hexdigest())

    # -- sealing ---------------------------------------------------------------------------------------------------

    def _seal_blobs(self) -> None:
        """Close the pack of blobs and put a copy of its index among the metadata."""
        sealed = self._blobs.seal()
        self._sealed.append(sealed.info)
        self._add_metadata(frames.INDEX, packs.encode_index(sealed.info.name, sealed.entries), SERVER)

    def _seal_journals(self) -> None:
        """Make a segment of what each journal has gathered."""
        for scope, lines in self._lines.items():
            before = self._new_heads.get(scope) or self._heads.get(scope, _NO_HEAD)
            segment = journals.Segment(scope, before.number + 1, before.segment, lines[0][0], lines[-1][0])
            digest = self._add_metadata(frames.SEGMENT, journals.seal(segment, [line for _seq, line in lines]), scope)
            self._new_heads[scope] = Head(digest, segment.number, segment.last)
        self._lines = {}
        self._line_bytes = 0

    def _add_metadata(self, kind: int, content: bytes, scope: str) -> str:
        """Put a frame into the pack of metadata and return the digest of its content.

        :param scope: the journal that it is of; SERVER for what is of none.
        """
        digest = hashlib.sha256(content).digest()
        lock = None
        if self._keys is not None:
            own = scope == SERVER
            lock = self._keys.of_repository(digest) if own else self._keys.of_account(scope, digest)
        self._metadata.add(kind, content, digest, lock)
        if not self._metadata.has_room(1, self.repository.pack_size):
            self._sealed.append(self._metadata.seal().info)
        return digest.hex()

    # -- being the only one, and whole -----------------------------------------------------------------------------

    def _take_lock(self) -> int:
        with writing(self._files.path(_LOCK)):
            lock = self._files.create(_LOCK)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise Busy(
                f"Another process is writing to {self.repository.path}; wait until it has finished, then run this "
                "again."
            ) from error
        return lock

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """Let nothing follow a write that failed: it may have left half of what it wrote."""
        if self._failed:
            raise Refused(
                f"A write to {self.repository.path} failed before, or its writer was closed; begin again. What was "
                "not committed is recorded anew."
            )
        self._failed = True
        yield
        self._failed = False
