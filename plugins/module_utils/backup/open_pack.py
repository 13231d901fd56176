# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pack that is being filled, below open/."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import Future
from typing import Final, NamedTuple

from ..model.errors import AlreadyExists
from . import packs
from .commits import PackInfo
from .encoder import Encoder, Plain
from .files import Files, writing
from .keys import Keys, Lock

BUFFER: Final = 256 * 1024
"""Bytes that are gathered for one write."""

_ENCODING: Final = 8 * 1024 * 1024
"""Plain bytes that may be on their way to becoming frames."""


class SealedPack(NamedTuple):
    """A finished pack that no commit names yet."""

    info: PackInfo
    entries: list[packs.IndexEntry]


class OpenPack:
    """Takes frames and becomes a pack. After an error it must not be gone on with: half a frame may be in it."""

    def __init__(self, files: Files, kind: str, keys: Keys | None = None) -> None:
        """
        :param kind: packs.BLOBS or packs.METADATA. :param keys: those of the backup; None for one without encryption.
        """
        self._files = files
        self._keys = keys
        self._kind = kind
        self._name = f"open/{kind}.pack"
        self._descriptor = -1
        self._hash = hashlib.sha256()
        self._hashed: Future[object] | None = None
        self._entries: list[packs.IndexEntry] = []
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._size = 0
        self._encoder = Encoder()

    def __bool__(self) -> bool:
        """Return whether there are frames."""
        return self._descriptor >= 0

    def add(self, kind: int, data: bytes, digest: bytes, lock: Lock | None = None) -> None:
        """Put in a frame of some bytes. :raises Refused: the disk does not take it, or those before it.

        :param digest: the SHA-256 of data. :param lock: what it is encrypted with; None for nothing.
        """
        if self._descriptor < 0:
            with writing(self._files.path(self._name)):
                self._descriptor = self._files.create(self._name)
            self._append(packs.MAGIC)
        self._encoder.put(Plain(kind, digest, data, lock))
        self._take(_ENCODING)

    def has_room(self, size: int, limit: int) -> bool:
        """Return whether so many bytes more keep the pack within a limit."""
        if self._size + self._encoder.weight + size > limit:
            self._take(0)  # it may have become less by being compressed
        return self._size + size <= limit

    def seal(self) -> SealedPack:
        """Finish the pack and give it its name, durably; the next frame begins another one.

        :raises Refused: the disk does not take it.
        """
        self._take(0)
        self._append(packs.tail(packs.encode_index(packs.ITSELF, self._entries), self._size, self._keys))
        self._write()
        with writing(self._files.path(self._name)):
            self._files.sync(self._descriptor)
        if self._hashed is not None:
            self._hashed.result()
        sealed = SealedPack(PackInfo(self._hash.hexdigest(), self._kind, self._size), self._entries)
        self._publish(sealed.info)
        self._close_file()
        self._hash = hashlib.sha256()
        self._entries = []
        self._size = 0
        return sealed

    def close(self) -> None:
        """Close the file, leaving it as it is."""
        self._encoder.close()
        self._close_file()

    def _close_file(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _publish(self, info: PackInfo) -> None:
        name = packs.file_name(info.name)
        try:
            self._files.publish(self._name, name)
        except AlreadyExists:
            # The same pack was made before a crash. Should it have been altered since, it is as good as not there.
            if hashlib.sha256(self._files.read(name)).hexdigest() == info.name:
                self._files.remove(self._name)
            else:
                self._files.remove(name)
                self._files.publish(self._name, name)

    def _take(self, leave: int) -> None:
        """Append the frames that are made by now, and wait for more until so many plain bytes are left."""
        for plain, frame in self._encoder.take(leave):
            self._entries.append(packs.IndexEntry(plain.kind, plain.name, self._size, len(frame), len(plain.data)))
            self._append(frame)

    def _append(self, data: bytes) -> None:
        self._buffer.append(data)
        self._buffered += len(data)
        self._size += len(data)
        if self._buffered >= BUFFER:
            self._write()

    def _write(self) -> None:
        data = b"".join(self._buffer)
        self._buffer = []
        self._buffered = 0
        with writing(self._files.path(self._name)):
            self._files.append(self._descriptor, data)
        self._hashed = self._encoder.run(self._hash.update, data)
