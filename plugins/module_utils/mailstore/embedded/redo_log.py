# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The redo log: each change is on disk as one line before the store makes it.

It lets what happened since a copy of the store was made be done again on that copy (replay), at the price of writing
every blob twice; imports of whole servers switch it off (R-163).
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Iterator
from typing import Any, Final

from ...model.errors import Refused

FILE: Final = "redo.log"
ROTATE_BYTES: Final = 64 * 1024 * 1024
KEEP: Final = 8


class RedoLog:
    """The log of one store, a directory."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._path = os.path.join(directory, FILE)

    def write(self, operation: str, **fields: Any) -> None:
        """Append an operation, durable when this returns. Bytes among the fields are kept as Base64."""
        text = json.dumps({"operation": operation, **fields}, default=_as_text, separators=(",", ":")).encode("ascii")
        line = b"%08x %s\n" % (zlib.crc32(text), text)
        try:
            self._rotate()
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                view = memoryview(line)
                while view:
                    view = view[os.write(descriptor, view):]
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Refused(f"The redo log {self._path} cannot be written ({error.strerror}); make room.") from error

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield all operations, oldest first; a torn last line is left out."""
        for path in [f"{self._path}.{n}" for n in range(KEEP, 0, -1)] + [self._path]:
            if not os.path.exists(path):
                continue
            with open(path, "rb") as file:
                for line in file:
                    checksum, _space, text = line.rstrip(b"\n").partition(b" ")
                    if checksum == b"%08x" % zlib.crc32(text):
                        yield json.loads(text)

    def _rotate(self) -> None:
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        if not os.path.exists(self._path) or os.path.getsize(self._path) < ROTATE_BYTES:
            return
        for number in range(KEEP - 1, 0, -1):
            if os.path.exists(f"{self._path}.{number}"):
                os.replace(f"{self._path}.{number}", f"{self._path}.{number + 1}")
        os.replace(self._path, f"{self._path}.1")


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} has no place in a redo log")
