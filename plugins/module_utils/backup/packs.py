# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packs: immutable files of many frames, with an index at the end (docs/format.md)."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from ..model.errors import Damaged
from . import frames
from .keys import Keys

BLOBS: Final = "blobs"
METADATA: Final = "metadata"

MAGIC: Final = b"RSTPACK1"
END_MAGIC: Final = b"RSTPEND1"
ITSELF: Final = "00" * 32
"""The name in a pack's own index, written before the pack's name is known."""

_ENTRY = struct.Struct(">B32sQQQ")
_FOOTER = struct.Struct(">QQI8s")
FOOTER_SIZE: Final = _FOOTER.size


class IndexEntry(NamedTuple):
    """Where one frame lies in its pack."""

    kind: int
    digest: bytes
    """As in the frame's header."""
    offset: int
    length: int
    """Bytes of the whole frame."""
    size: int
    """Plain bytes."""


def file_name(pack: str) -> str:
    """Return the relative file name of a pack, from its SHA-256 in hexadecimal."""
    return f"packs/{pack[:2]}/{pack}"


def encode_index(pack: str, entries: Iterable[IndexEntry]) -> bytes:
    """Return the content of an index frame.

    :param pack: the name of the pack it describes, for a copy in a metadata pack; ITSELF at a pack's own end.
    """
    return bytes.fromhex(pack) + b"".join(_ENTRY.pack(*entry) for entry in entries)


def decode_index(content: bytes) -> tuple[str, Iterator[IndexEntry]]:
    """Return the pack that an index describes, or ITSELF, and its entries.

    :raises Damaged: the length is not that of an index.
    """
    if len(content) < 32 or (len(content) - 32) % _ENTRY.size:
        raise Damaged("A pack's index has a length that no index has.")
    return content[:32].hex(), map(IndexEntry._make, _ENTRY.iter_unpack(memoryview(content)[32:]))


def tail(index: bytes, offset: int, keys: Keys | None = None) -> bytes:
    """Return what ends a pack: the index frame and the footer that points to it.

    :param index: what encode_index gave. :param offset: where the index frame will begin.
    :param keys: those of the backup; None for one that is not encrypted.
    """
    lock = keys.of_repository(hashlib.sha256(index).digest()) if keys is not None else None
    frame = frames.encode(frames.INDEX, index, lock=lock)
    place = struct.pack(">QQ", offset, len(frame))
    return frame + _FOOTER.pack(offset, len(frame), zlib.crc32(place), END_MAGIC)


def footer(data: bytes) -> tuple[int, int]:
    """Return (offset, length) of the index frame from the last FOOTER_SIZE bytes of a pack.

    :raises Damaged: the pack is cut short or altered.
    """
    if len(data) != FOOTER_SIZE:
        raise Damaged("The pack is cut short.")
    offset, length, crc, magic = _FOOTER.unpack(data)
    if magic != END_MAGIC or crc != zlib.crc32(data[:16]):
        raise Damaged("The end of the pack is cut off or altered.")
    return offset, length


def frames_of(data: bytes) -> Iterator[tuple[int, frames.Header]]:
    """Yield (offset, header) of the frames of a pack: one behind the other, and by searching from where that fails."""
    offset = len(MAGIC)
    end = len(data) - FOOTER_SIZE
    view = memoryview(data)
    while offset < end:
        try:
            head = frames.header(view[offset: offset + frames.HEADER_SIZE])
        except Damaged:
            break
        if offset + head.length > end:
            break
        yield offset, head
        offset += head.length
    if offset < end:
        for found, head in frames.scan(view[offset:]):
            yield offset + found, head
