# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pack that is being filled, below open/."""

from __future__ import annotations

import hashlib
import os
from typing import Final, NamedTuple

from ..model.errors import AlreadyExists
from . import frames, packs
from .commits import PackInfo
from .files import Files, writing

BUFFER: Final = 256 * 1024
"""Bytes that are gathered for one write."""


class SealedPack(NamedTuple):
    """A finished pack that no commit names yet."""

    info: PackInfo
    entries: list[packs.IndexEntry]


class OpenPack:
    """Takes frames and becomes a pack. After an error it must not be gone on with: half a frame may be in it."""

    def __init__(self, files: Files, kind: str) -> None:
        """
        :param kind: packs.BLOBS or packs.METADATA.
        """
        self._files = files
        self._kind = kind
        self._name = f"open/{kind}.pack"
        self._descriptor = -1
        self._hash = hashlib.sha256()
        self._entries: list[packs.IndexEntry] = []
        self._buffer: list[bytes] = []
        self._buffered = 0
        self.size = 0
        """Bytes so far; 0 for a pack without frames."""

    def add(self, kind: int, data: bytes, digest: bytes) -> int:
        """Put in a frame of some bytes and return its length. :raises Refused: the disk does not take it."""
        if not self._entries:
            with writing(self._files.path(self._name)):
                self._descriptor = self._files.create(self._name)
            self._append(packs.MAGIC)
        frame = frames.encode(kind, data, digest)
        self._entries.append(packs.IndexEntry(kind, digest, self.size, len(frame), len(data)))
        self._append(frame)
        return len(frame)

    def seal(self) -> SealedPack:
        """Finish the pack and give it its name, durably; the next frame begins another one.

        :raises Refused: the disk does not take it.
        """
        self._append(packs.tail(packs.encode_index(packs.ITSELF, self._entries), self.size))
        self._write()
        with writing(self._files.path(self._name)):
            self._files.sync(self._descriptor)
        sealed = SealedPack(PackInfo(self._hash.hexdigest(), self._kind, self.size), self._entries)
        self._publish(sealed.info)
        self.close()
        self._hash = hashlib.sha256()
        self._entries = []
        self.size = 0
        return sealed

    def close(self) -> None:
        """Close the file, leaving it as it is."""
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

    def _append(self, data: bytes) -> None:
        self._buffer.append(data)
        self._buffered += len(data)
        self.size += len(data)
        if self._buffered >= BUFFER:
            self._write()

    def _write(self) -> None:
        data = b"".join(self._buffer)
        self._buffer = []
        self._buffered = 0
        with writing(self._files.path(self._name)):
            self._files.append(self._descriptor, data)
        self._hash.update(data)
