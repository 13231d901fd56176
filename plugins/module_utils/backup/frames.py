# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Frames: the smallest stored thing, a header of 100 bytes and the bytes it describes (docs/format.md)."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from ..model.errors import Damaged
from . import compression

BLOB: Final = 1
SEGMENT: Final = 2
INDEX: Final = 3

MAGIC: Final = b"RSTF"
VERSION: Final = 1
NO_COMPRESSION: Final = 0
ZSTD: Final = 1

_FIELDS = struct.Struct(">4sBBBB16s24s32sQQ")
_CRC = struct.Struct(">I")
HEADER_SIZE: Final = _FIELDS.size + _CRC.size
_NO_KEY = bytes(16)
_NO_NONCE = bytes(24)


class Header(NamedTuple):
    """What a frame says of itself."""

    kind: int
    compression: int
    digest: bytes
    """SHA-256 of the plain bytes."""
    size: int
    """Plain bytes."""
    stored: int
    """Bytes behind the header."""

    @property
    def length(self) -> int:
        """Bytes of the whole frame."""
        return HEADER_SIZE + self.stored


def encode(kind: int, data: bytes, digest: bytes | None = None) -> bytes:
    """Return a frame of some bytes, compressed where that makes them smaller.

    :param digest: the SHA-256 of data, where the caller knows it already.
    """
    packed = compression.compress(data)
    method = ZSTD if len(packed) < len(data) else NO_COMPRESSION
    body = packed if method == ZSTD else data
    fields = _FIELDS.pack(
        MAGIC, VERSION, kind, method, 0, _NO_KEY, _NO_NONCE, digest or hashlib.sha256(data).digest(),
        len(data), len(body),
    )
    return b"".join((fields, _CRC.pack(zlib.crc32(fields)), body))


def header(frame: Any) -> Header:
    """Read the header at the start of some bytes.

    :raises Damaged: there is none, it is altered, or of a version that is not known here.
    """
    if len(frame) < HEADER_SIZE:
        raise Damaged("The frame is cut short in its header.")
    fields = bytes(frame[: _FIELDS.size])
    magic, version, kind, method, cipher, _key, _nonce, digest, size, stored = _FIELDS.unpack(fields)
    if magic != MAGIC or zlib.crc32(fields) != _CRC.unpack(frame[_FIELDS.size: HEADER_SIZE])[0]:
        raise Damaged("The frame's header is altered.")
    if version != VERSION or cipher != 0 or method not in (NO_COMPRESSION, ZSTD):
        raise Damaged("The frame was written by a newer version of restante.carbonio; upgrade it to read this backup.")
    return Header(kind, method, digest, size, stored)


def decode(frame: Any, expected: bytes | None = None) -> bytes:
    """Return the plain bytes of a frame, verified against its digest.

    :param frame: the bytes of the whole frame; more may follow.
    :param expected: the digest that it must have.
    :raises Damaged: it is cut short, altered, or another frame than expected.
    """
    head = header(frame)
    if expected is not None and head.digest != expected:
        raise Damaged(f"A frame with the digest {head.digest.hex()} lies where {expected.hex()} should be.")
    body = memoryview(frame)[HEADER_SIZE: head.length]
    if len(body) != head.stored:
        raise Damaged(f"The frame {head.digest.hex()} is cut short.")
    data = compression.decompress(body, head.size) if head.compression == ZSTD else bytes(body)
    if hashlib.sha256(data).digest() != head.digest:
        raise Damaged(f"The content of the frame {head.digest.hex()} is altered.")
    return data


def scan(data: Any) -> Iterator[tuple[int, Header]]:
    """Find frames without an index: yield (offset, header) of each that has a sound header and is complete."""
    view = memoryview(data)
    whole = bytes(view) if not isinstance(data, bytes) else data
    offset = whole.find(MAGIC)
    while offset >= 0:
        step = 1
        try:
            head = header(view[offset: offset + HEADER_SIZE])
            if offset + head.length <= len(view):
                yield offset, head
                step = head.length
        except Damaged:
            pass
        offset = whole.find(MAGIC, offset + step)
