# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The writer of a Backup Path: there is one at a time.

Blobs go into an open pack, transactions into open journals, both below open/. A commit closes them: packs first, then
the commit that names them. What a crash leaves in open/ is dropped by the next writer: scans are idempotent, and the
change token in the last commit has not moved.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from types import TracebackType
from typing import Final

from ..model import moment
from ..model.errors import AlreadyExists, Busy
from ..model.state import State
from . import commits, frames, journals, packs
from .commits import Commit, Head, PackInfo
from .files import full_or_refused
from .repository import Repository

CHECKPOINT_EVERY: Final = 1000
_LOCK: Final = "open/lock"
_PACK: Final = "open/blobs.pack"


class Writer:
    """Adds blobs and transactions to a backup, and commits them. A context manager."""

    def __init__(self, repository: Repository) -> None:
        """Take the lock and clear what a crash left. :raises Busy: another writer has the lock."""
        self.repository = repository
        self._files = repository.files
        self._files.make_directory("open")
        self._lock = self._files.create(_LOCK)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise Busy(
                f"Another process is writing to {repository.path}; wait until it has finished, then run this again."
            ) from error
        self._pack = -1
        self._pack_hash = hashlib.sha256()
        self._pack_size = 0
        self._entries: list[packs.IndexEntry] = []
        self._sealed: list[tuple[PackInfo, list[packs.IndexEntry]]] = []
        self._new_blobs: set[bytes] = set()
        self._lines: dict[str, list[bytes]] = {}
        self._journals: dict[str, int] = {}
        self._firsts: dict[str, int] = {}
        self._pending = 0
        try:
            repository.refresh()
            self._clear_open()
            head = repository.head()
            self._seq = head.last if head else 0
            self._heads = repository.catalogue.heads()
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up the lock. What was not committed is not part of the backup."""
        if self._pack >= 0:
            os.close(self._pack)
            self._pack = -1
        for descriptor in self._journals.values():
            os.close(descriptor)
        self._journals = {}
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # -- adding ----------------------------------------------------------------------------------------------------

    def has_blob(self, digest: str) -> bool:
        """Return whether a blob is in the backup or was added by this writer."""
        return bytes.fromhex(digest) in self._new_blobs or self.repository.has_blob(digest)

    def put_blob(self, data: bytes) -> str:
        """Add a blob, once, and return its digest."""
        raw = hashlib.sha256(data).digest()
        digest = raw.hex()
        if raw in self._new_blobs or self.repository.has_blob(digest):
            return digest
        frame = frames.encode(frames.BLOB, data, raw)
        if self._entries and self._pack_size + len(frame) > self.repository.pack_size:
            self._seal_pack()
        if self._pack < 0:
            self._open_pack()
        self._entries.append(packs.IndexEntry(frames.BLOB, raw, self._pack_size, len(frame), len(data)))
        self._write_pack(frame)
        self._new_blobs.add(raw)
        self._pending += len(frame)
        return digest

    def append(self, scope: str, item_id: str, kind: str, state: State | None, at: int | None = None) -> int:
        """Add a transaction and return its sequence number.

        :param state: None for a deletion. :param at: UTC milliseconds; now by default.
        """
        self._seq += 1
        text = journals.line(self._seq, moment.now() if at is None else at, item_id, kind, state)
        lines = self._lines.setdefault(scope, [])
        if not lines:
            self._firsts[scope] = self._seq
        lines.append(text)
        self._pending += len(text)
        return self._seq

    def pending(self) -> int:
        """Return how many bytes are not committed yet."""
        return self._pending

    # -- committing ------------------------------------------------------------------------------------------------

    def commit(self, tokens: Mapping[str, str] | None = None) -> Commit | None:
        """Make all that was added part of the backup, durably.

        :param tokens: change tokens by journal, up to which the mail server has now been read.
        :return: the commit; None where there was nothing new.
        """
        known = self.repository.catalogue.tokens()
        changed = {scope: token for scope, token in (tokens or {}).items() if known.get(scope) != token}
        if not self._lines and not self._new_blobs and not changed:
            return None
        if self._entries:
            self._seal_pack()
        infos = [info for info, _entries in self._sealed]
        heads: dict[str, Head] = {}
        if self._lines or self._sealed:
            metadata, heads = self._write_metadata()
            infos.append(metadata)
        commit = self._write_commit(infos, heads, changed)
        self._heads.update(heads)
        self._sealed, self._new_blobs, self._lines, self._firsts = [], set(), {}, {}
        self._pending = 0
        self.repository.refresh()
        return commit

    def _write_metadata(self) -> tuple[PackInfo, dict[str, Head]]:
        content = [packs.MAGIC]
        size = len(packs.MAGIC)
        entries = []
        heads = {}

        def add(kind: int, data: bytes) -> str:
            nonlocal size
            raw = hashlib.sha256(data).digest()
            frame = frames.encode(kind, data, raw)
            entries.append(packs.IndexEntry(kind, raw, size, len(frame), len(data)))
            content.append(frame)
            size += len(frame)
            return raw.hex()

        for info, index in self._sealed:
            add(frames.INDEX, packs.encode_index(info.name, index))
        for scope, lines in self._lines.items():
            before = self._heads.get(scope, Head("", 0, 0))
            last = journals.read_line(lines[-1]).seq
            segment = journals.Segment(scope, before.number + 1, before.segment, self._firsts[scope], last)
            heads[scope] = Head(add(frames.SEGMENT, journals.seal(segment, lines)), segment.number, last)
        content.append(packs.tail(packs.encode_index("", entries), size))
        data = b"".join(content)
        name = hashlib.sha256(data).hexdigest()
        with contextlib.suppress(AlreadyExists):
            self._files.write_new(packs.file_name(name), data)
        return PackInfo(name, packs.METADATA, len(data)), heads

    def _write_commit(self, infos: list[PackInfo], heads: dict[str, Head], tokens: dict[str, str]) -> Commit:
        before = self.repository.head()
        seq = before.seq + 1 if before else 1
        full = before is None or seq - before.checkpoint >= CHECKPOINT_EVERY
        commit = Commit(
            seq=seq, at=moment.now(), hash="", previous=before.hash if before else "", nonce=secrets.token_hex(16),
            repository=self.repository.repository_id, server=self.repository.server_id,
            packs=tuple([*self.repository.packs(), *infos] if full else infos),
            heads={**self._heads, **heads} if full else heads,
            tokens={**self.repository.catalogue.tokens(), **tokens} if full else tokens,
            last=self._seq, checkpoint=seq if full or before is None else before.checkpoint, removed=(), full=full,
        )
        data = commits.encode(commit)
        try:
            self._files.write_new(commits.name(seq), data)
        except AlreadyExists as error:
            raise Busy(
                f"Another writer has made commit {seq} in {self.repository.path}; two hosts must not share a Backup "
                "Path. Stop one of them and run this again."
            ) from error
        return commit._replace(hash=hashlib.sha256(data).hexdigest())

    # -- the open pack ---------------------------------------------------------------------------------------------

    def _open_pack(self) -> None:
        self._pack = self._files.create(_PACK)
        self._pack_hash = hashlib.sha256()
        self._pack_size = 0
        self._write_pack(packs.MAGIC)

    def _write_pack(self, data: bytes) -> None:
        try:
            self._files.append(self._pack, data)
        except OSError as error:
            raise full_or_refused(self._files.path(_PACK), error) from error
        self._pack_hash.update(data)
        self._pack_size += len(data)

    def _seal_pack(self) -> None:
        self._write_pack(packs.tail(packs.encode_index("", self._entries), self._pack_size))
        self._files.sync(self._pack)
        os.close(self._pack)
        self._pack = -1
        info = PackInfo(self._pack_hash.hexdigest(), packs.BLOBS, self._pack_size)
        try:
            self._files.publish(_PACK, packs.file_name(info.name))
        except AlreadyExists:
            self._files.remove(_PACK)
        self._sealed.append((info, self._entries))
        self._entries = []

    def _clear_open(self) -> None:
        for name in self._files.names("open"):
            if name != os.path.basename(_LOCK):
                path = self._files.path(f"open/{name}")
                if os.path.isdir(path):
                    shutil.rmtree(path)
                else:
                    self._files.remove(f"open/{name}")
