# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pack that arrives in pieces, in any order and by several threads, and appears whole or not at all."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from typing import Final

from ..archive.fetch import Piece
from ..backup import packs
from ..backup.commits import PackInfo
from ..backup.files import Files
from ..model.errors import AlreadyExists, Damaged

PIECE: Final = 8 * 1024 * 1024
"""Bytes asked for at once: large packs come over several connections."""


class Assembly:
    """One pack on its way into a directory. Its errors on the disk are OSErrors."""

    def __init__(self, files: Files, pack: PackInfo) -> None:
        self._files = files
        self._pack = pack
        self._name = packs.file_name(pack.name)
        self._unfinished = self._name + ".part"
        self._lock = threading.Lock()
        self._descriptor = -1
        self._missing = self._unsettled = pack.size

    def pieces(self) -> Sequence[Piece]:
        """Return what has to be fetched."""
        return [
            Piece(self._name, offset, size, size)
            for offset in range(0, self._pack.size, PIECE)
            for size in [min(PIECE, self._pack.size - offset)]
        ]

    def add(self, piece: Piece, data: bytes) -> None:
        """Take in a piece. The last one verifies the pack and puts it in its place, durably.

        :raises Damaged: the piece is too short, or the pack is not what its name says.
        """
        if len(data) != piece.length:
            raise Damaged(f"{self._name} is cut short: it ends at {piece.offset + len(data)} of {self._pack.size}.")
        with self._lock:
            if self._descriptor < 0:
                self._files.make_directory(os.path.dirname(self._name))
                path = self._files.path(self._unfinished)
                self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        view = memoryview(data)
        while view:
            view = view[os.pwrite(self._descriptor, view, piece.offset + piece.length - len(view)):]
        with self._lock:
            self._missing -= piece.length
            complete = not self._missing
        if complete:
            self._finish()

    def settle(self, piece: Piece) -> None:
        """Note that nothing more will be done with a piece, be it taken in or not; with the last one all is closed."""
        self._unsettled -= piece.length
        if not self._unsettled:
            self.close()

    def close(self) -> None:
        """Give up what is unfinished."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _finish(self) -> None:
        digest = hashlib.sha256()
        offset = 0
        while content := os.pread(self._descriptor, 1 << 20, offset):
            digest.update(content)
            offset += len(content)
        if digest.hexdigest() != self._pack.name:
            raise Damaged(f"{self._name} is altered: its bytes do not match its name.")
        self._files.sync(self._descriptor)
        try:
            self._files.publish(self._unfinished, self._name)
        except AlreadyExists:  # one that was cut short by a power failure
            self._files.remove(self._name)
            self._files.publish(self._unfinished, self._name)
