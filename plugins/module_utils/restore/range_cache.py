# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was fetched of packs, kept on disk until it is too much: one file per range."""

from __future__ import annotations

import os
import threading
import uuid
from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from ..model.durable import make_directories


class _Range(NamedTuple):
    offset: int
    length: int


class RangeCache:
    """Ranges of packs by name, in a directory of its own. Safe for use by several threads and processes.

    Nothing here is trusted or needed: what is lost is fetched again, and who reads verifies. So writes are not synced,
    and a full disk, or a directory that cannot be used, only means that nothing more is kept.

    :param path: the directory, made where it is missing.
    :param limit: bytes; the oldest ranges make room for new ones.
    """

    def __init__(self, path: str, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._size = 0
        self._lock = threading.Lock()
        self._files: OrderedDict[tuple[str, _Range], None] = OrderedDict()
        self._ranges: dict[str, list[_Range]] = {}
        found: list[tuple[float, str, _Range]] = []
        with suppress(OSError):
            make_directories(path)
            found = list(self._left())
        for _modified, pack, kept in sorted(found):
            self._note(pack, kept)

    def _left(self) -> Iterator[tuple[float, str, _Range]]:
        """Yield what others have kept, and when; remove what they had not finished."""
        with os.scandir(self._path) as entries:
            for entry in entries:
                pack, _unused, rest = entry.name.partition(".")
                offset, _unused, length = rest.partition(".")
                with suppress(OSError):
                    if offset.isdigit() and length.isdigit() and entry.stat().st_size == int(length):
                        yield entry.stat().st_mtime, pack, _Range(int(offset), int(length))
                    elif entry.name.endswith(".part"):
                        os.unlink(entry.path)

    def find(self, pack: str, offset: int, length: int) -> bytes | None:
        """Return bytes of a pack, None where they are not kept."""
        with self._lock:
            ranges = self._ranges.get(pack, [])
            # Ranges may overlap, and then a long one may begin earlier: a few steps back are worth it.
            last = bisect_right(ranges, (offset, 1 << 62))
            around = ranges[max(last - 4, 0):last]
        for kept in around:
            if kept.offset <= offset and offset + length <= kept.offset + kept.length:
                with suppress(OSError), open(self._name(pack, kept), "rb") as file:
                    data = os.pread(file.fileno(), length, offset - kept.offset)
                    if len(data) == length:
                        return data
        return None

    def keep(self, pack: str, offset: int, data: bytes) -> None:
        """Keep bytes of a pack."""
        kept = _Range(offset, len(data))
        unfinished = os.path.join(self._path, f"{uuid.uuid4().hex}.part")
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
            os.rename(unfinished, self._name(pack, kept))
        except OSError:
            with suppress(OSError):
                os.unlink(unfinished)
            return
        with self._lock:
            self._note(pack, kept)

    def _note(self, pack: str, kept: _Range) -> None:
        if (pack, kept) not in self._files:
            self._files[pack, kept] = None
            self._size += kept.length
            insort(self._ranges.setdefault(pack, []), kept)
        while self._size > self._limit and len(self._files) > 1:
            (oldest_pack, oldest), _unused = self._files.popitem(last=False)
            self._size -= oldest.length
            self._ranges[oldest_pack].remove(oldest)
            with suppress(OSError):
                os.unlink(self._name(oldest_pack, oldest))

    def _name(self, pack: str, kept: _Range) -> str:
        return os.path.join(self._path, f"{pack}.{kept.offset}.{kept.length}")
