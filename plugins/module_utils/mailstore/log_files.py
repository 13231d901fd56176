# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of a log and of its rotated files, oldest first, in memory that does not grow with them."""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Final, NamedTuple

from ..model.errors import Damaged, InvalidInput, NotFound, Refused, RestanteError

LONGEST: Final = 64 * 1024
"""Bytes of a line that are looked at; Carbonio writes none that long."""
_BUFFER: Final = 1024 * 1024
_GZIP: Final = b"\x1f\x8b"
_UNSUSPICIOUS: Final = 16 * 1024 * 1024
_EXPANSION: Final = 250
"""Times that a log may grow when it is uncompressed, once it is no longer small. Logs shrink to a tenth or so."""
_NAME: Final = re.compile(r"[.-](?:(?P<date>\d{4}-?\d\d-?\d\d)(?:[.-](?P<part>\d{1,9}))?|(?P<number>\d{1,9}))(?:\.gz)?")


class RawLine(NamedTuple):
    """A line of a file."""

    data: bytes
    """At most LONGEST bytes, the line's end included where it has one."""
    number: int
    """1 for the first."""
    offset: int
    """Bytes of the file, uncompressed, before it."""
    whole: bool
    """False where it is longer, or has no end yet."""


class LogFile:
    """One file, open."""

    def __init__(self, path: str) -> None:
        """:raises NotFound, Refused, InvalidInput: it cannot be opened."""
        self.path = path
        try:
            # A pipe in the place of a log must not be waited for.
            self._file: IO[bytes] = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
        except FileNotFoundError as error:
            raise NotFound(f"{path} is not there; name a mailbox.log of this node.") from error
        except IsADirectoryError as error:
            raise InvalidInput(f"{path} is no file; name a mailbox.log.") from error
        except OSError as error:
            raise Refused(
                f"{path} cannot be read ({error.strerror}). Reading it needs administrative access: run this as root, "
                "or as the user that the mail server runs as."
            ) from error
        self._status = os.fstat(self._file.fileno())
        if not stat.S_ISREG(self._status.st_mode):
            self.close()
            raise InvalidInput(f"{path} is no file; name a mailbox.log.")

    def is_same(self, path: str) -> bool:
        """Tell whether a name leads to this file, as it does once the log has been rotated."""
        try:
            return os.path.samestat(os.stat(path), self._status)
        except OSError:
            return False

    def lines(self) -> Iterator[RawLine]:
        """Yield the lines that were there when it was opened.

        :raises Damaged: it ends in the middle, or cannot be read on. :raises InvalidInput: it is a decompression bomb.
        """
        try:
            compressed = self._file.read(2) == _GZIP
            self._file.seek(0)
            if compressed:
                with gzip.GzipFile(fileobj=self._file) as unpacked:
                    yield from self._lines(io.BufferedReader(unpacked, _BUFFER), None)
            else:
                yield from self._lines(self._file, self._status.st_size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Damaged(f"{self.path} is cut short or damaged ({error}); what comes before was read.") from error
        except OSError as error:
            raise Damaged(f"{self.path} cannot be read to its end ({error.strerror}). Check the disk.") from error

    def _lines(self, file: IO[bytes] | io.BufferedReader, size: int | None) -> Iterator[RawLine]:
        offset, number = 0, 0
        watched = _UNSUSPICIOUS
        while size is None or offset < size:
            data = file.readline(LONGEST)
            if not data:
                break
            number += 1
            yield RawLine(data, number, offset, data.endswith(b"\n"))
            offset += len(data)
            while data and not data.endswith(b"\n") and (size is None or offset < size):
                data = file.readline(LONGEST)
                offset += len(data)
                if size is None and offset > watched:
                    watched = self._watched(offset)
            if size is None and offset > watched:
                watched = self._watched(offset)

    def _watched(self, offset: int) -> int:
        """Return when to look again whether it is a bomb."""
        if offset > self._file.tell() * _EXPANSION:
            raise InvalidInput(
                f"{self.path} expands more than {_EXPANSION} fold: it is no log. What comes before was read."
            )
        return offset + _UNSUSPICIOUS // 4

    def close(self) -> None:
        """Close it."""
        self._file.close()


class Skipped(NamedTuple):
    """A file that could not be read, or not to its end."""

    path: str
    error: RestanteError


class LogFiles:
    """A log with its rotated files.

    The log itself is opened first: when it is rotated meanwhile, it is still the one that is read, and once.
    """

    def __init__(self, path: str, rotated: bool = True) -> None:
        """:raises NotFound: there is no such log. :raises Refused, InvalidInput: it cannot be opened."""
        self._open = ExitStack()
        self._path = os.path.abspath(path)
        self._live: LogFile | None = None
        missing: NotFound | None = None
        try:
            self._live = LogFile(self._path)
            self._open.callback(self._live.close)
        except NotFound as error:
            missing = error
        self.older = self._rotated() if rotated else []
        """Paths of the rotated files, oldest first."""
        if missing is not None and not self.older:
            raise missing

    def _rotated(self) -> list[str]:
        directory, base = os.path.split(self._path)
        try:
            names = os.listdir(directory)
        except OSError:
            return []
        found = {}
        for name in names:
            ending = _NAME.fullmatch(name[len(base):]) if name.startswith(base) else None
            if ending is not None:
                plain = name[:-3] if name.endswith(".gz") else name
                # While it is being compressed, there are both, and only the plain one is whole.
                if plain not in found or name == plain:
                    found[plain] = name
        oldest_first = sorted(found, key=lambda plain: _order(plain[len(base):]))
        return [os.path.join(directory, found[plain]) for plain in oldest_first]

    def files(self) -> Iterator[LogFile | Skipped]:
        """Yield the files that can be opened, oldest first, each open until the next; and those that cannot."""
        for path in self.older:
            if self._live is not None and self._live.is_same(path):
                continue
            try:
                file = self._opened(path)
            except RestanteError as error:
                yield Skipped(path, error)
                continue
            try:
                yield file
            finally:
                file.close()
        if self._live is not None:
            yield self._live

    @staticmethod
    def _opened(path: str) -> LogFile:
        try:
            return LogFile(path)
        except NotFound:
            if path.endswith(".gz"):
                raise
            return LogFile(f"{path}.gz")  # compressed since the directory was listed

    def close(self) -> None:
        """Close the log."""
        self._open.close()


def day(path: str) -> str:
    """Return the day that a rotated file is of, yyyy-MM-dd, where its name says so as the mail server does."""
    found = re.search(r"\.(\d{4}-\d\d-\d\d)(?:\.gz)?$", path)
    return found[1] if found else ""


def _order(ending: str) -> tuple[str, int, str]:
    """Return what rotated files are sorted by: dates upwards, their parts too; numbers downwards, 1 is the newest."""
    found = _NAME.fullmatch(ending)
    if found is None:
        return "", 0, ending
    if found["date"]:
        return found["date"].replace("-", ""), int(found["part"] or 0), ending
    return "", -int(found["number"]), ending
