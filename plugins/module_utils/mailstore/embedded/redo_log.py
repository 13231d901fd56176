# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The redo log: each transaction is on disk as one line before the database has it.

It lets what happened since a copy of the store was made be done again on that copy (replay.py), at the price of
writing every blob twice; imports of whole servers switch it off (R-163).
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from ...model import foreign
from ...model.durable import make_directories, sync_directory
from ...model.errors import Damaged, Refused
from .files import write_all

FILE: Final = "redo.log"
ROTATE_BYTES: Final = 64 * 1024 * 1024
KEPT: Final = 8
"""Full logs that are kept beside the present one: redo.log.1 is the newest."""


class Record(NamedTuple):
    """One transaction."""

    number: int
    """Its number in the store (FeedEntry.seq)."""
    operation: str
    fields: dict[str, Any]
    """What the operation was called with; bytes as Base64."""


class RedoLog:
    """The log of one store, a directory. It is written inside the store's write transactions: one writer at a time."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._path = os.path.join(directory, FILE)

    def append(self, record: Record) -> None:
        """Add a transaction, durable when this returns. :raises Refused: it cannot be written."""
        text = json.dumps(record, default=_as_text, separators=(",", ":")).encode("ascii")
        try:
            new = self._rotate()
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                end = os.lseek(descriptor, 0, os.SEEK_END)
                # A writer that was killed may have left half a line; it stays one of its own.
                torn = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
                write_all(descriptor, b"%s%08x %s\n" % (b"\n" if torn else b"", zlib.crc32(text), text))
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            if new:
                sync_directory(self._directory)
        except OSError as error:
            raise Refused(
                f"The redo log {self._path} cannot be written ({error.strerror}); make room or switch it off."
            ) from error

    def records(self, after: int) -> Iterator[Record]:
        """Yield the transactions after a number, in order and without a gap.

        A transaction whose writer was killed before the database had it is superseded by the next of its number.
        :raises Damaged: the log goes on after a transaction that it does not hold.
        """
        held: Record | None = None
        for record in self._lines():
            if record.number <= after:
                continue
            if held and record.number != held.number:
                yield held
            expected = held.number if held else after + 1
            if record.number not in (expected, expected + (held is not None)):
                raise Damaged(
                    f"The redo log {self._path} holds transaction {record.number}, but not {expected}: it is damaged, "
                    "was rotated away or was switched off meanwhile. Use a newer copy of the store."
                )
            held = record
        if held:
            yield held

    def _lines(self) -> Iterator[Record]:
        for path in [f"{self._path}.{number}" for number in range(KEPT, 0, -1)] + [self._path]:
            if not os.path.exists(path):
                continue
            with open(path, "rb") as file:
                for line in file:
                    checksum, _space, text = line.rstrip(b"\n").partition(b" ")
                    if checksum == b"%08x" % zlib.crc32(text):
                        yield _record(text, path)

    def _rotate(self) -> bool:
        """Begin a new log where there is none, or where it is full; True if so."""
        make_directories(self._directory)
        if not os.path.exists(self._path):
            return True
        if os.path.getsize(self._path) < ROTATE_BYTES:
            return False
        for number in range(KEPT - 1, 0, -1):
            if os.path.exists(f"{self._path}.{number}"):
                os.replace(f"{self._path}.{number}", f"{self._path}.{number + 1}")
        os.replace(self._path, f"{self._path}.1")
        return True


def _record(text: bytes, path: str) -> Record:
    try:
        number, operation, fields = foreign.parse(text)
        if not (foreign.fits(number, int) and foreign.fits(operation, str) and isinstance(fields, dict)):
            raise ValueError("a value is not of its type")
    except (ValueError, TypeError) as error:
        raise Damaged(f"A transaction in {path} cannot be read ({error}). Use a newer copy of the store.") from error
    return Record(number, operation, fields)


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} has no place in a redo log")
