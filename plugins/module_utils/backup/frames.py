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

from ..model.errors import Damaged, Refused
from . import compression, sealing
from .keys import KEY_ID_SIZE, Keys, Lock

BLOB: Final = 1
SEGMENT: Final = 2
INDEX: Final = 3
COMMIT: Final = 4

MAGIC: Final = b"RSTF"
VERSION: Final = 1
NO_COMPRESSION: Final = 0
ZSTD: Final = 1
NO_CIPHER: Final = 0
AES_256_GCM: Final = 1

LARGEST_CONTENT: Final = 1 << 31
"""Plain bytes of the largest content that is kept: it has to fit into memory, here and wherever it is restored."""
LARGEST_METADATA: Final = 64 * 1024 * 1024
"""Plain bytes of the largest segment or index. They are written in pieces of some 8 MiB; a bomb is larger."""

_FIELDS = struct.Struct(">4sBBBB16s24s32sQQ")
_CRC = struct.Struct(">I")
HEADER_SIZE: Final = _FIELDS.size + _CRC.size
_NO_KEY = bytes(KEY_ID_SIZE)
_NO_NONCE = bytes(24)
_LARGEST_SEALED: Final = 2**31 - 1 - sealing.TAG_SIZE
"""Bytes that can be encrypted in one piece."""


class Header(NamedTuple):
    """What a frame says of itself."""

    kind: int
    compression: int
    digest: bytes
    """SHA-256 of the plain bytes; where they are encrypted, what Keys.name makes of it."""
    size: int
    """Plain bytes."""
    stored: int
    """Bytes behind the header."""
    key: bytes = _NO_KEY
    """The id of the key that they are encrypted with; zeros for none."""
    nonce: bytes = _NO_NONCE

    @property
    def length(self) -> int:
        """Bytes of the whole frame."""
        return HEADER_SIZE + self.stored


def encode(kind: int, data: bytes, digest: bytes | None = None, lock: Lock | None = None) -> bytes:
    """Return a frame of some bytes, compressed where that makes them smaller, and encrypted where there is a lock.

    :param digest: the SHA-256 of data, where the caller knows it already.
    :raises Refused: it is larger than what is read again.
    """
    if len(data) > _largest(kind):
        raise Refused(f"{len(data)} bytes are more than a backup can hold in one piece ({_largest(kind)}).")
    packed = compression.compress(data)
    method = ZSTD if len(packed) < len(data) else NO_COMPRESSION
    body = packed if method == ZSTD else data
    if lock is not None:
        return _sealed(kind, method, len(data), body, lock)
    fields = _FIELDS.pack(
        MAGIC, VERSION, kind, method, NO_CIPHER, _NO_KEY, _NO_NONCE, digest or hashlib.sha256(data).digest(),
        len(data), len(body),
    )
    return b"".join((fields, _CRC.pack(zlib.crc32(fields)), body))


def _sealed(kind: int, method: int, size: int, body: bytes, lock: Lock) -> bytes:
    if len(body) > _LARGEST_SEALED:
        raise Refused(
            f"A content of {size} bytes is too large to be encrypted: at most {_LARGEST_SEALED} bytes, compressed."
        )
    nonce = sealing.new_nonce()
    fields = _FIELDS.pack(
        MAGIC, VERSION, kind, method, AES_256_GCM, lock.key.id, nonce + bytes(len(_NO_NONCE) - len(nonce)), lock.name,
        size, len(body) + sealing.TAG_SIZE,
    )
    return b"".join((fields, _CRC.pack(zlib.crc32(fields)), sealing.seal(lock.key.secret, nonce, body, fields)))


def _largest(kind: int) -> int:
    return LARGEST_CONTENT if kind == BLOB else LARGEST_METADATA


def header(frame: Any) -> Header:
    """Read the header at the start of some bytes.

    :raises Damaged: there is none, it is altered, or of a version that is not known here.
    """
    if len(frame) < HEADER_SIZE:
        raise Damaged("The frame is cut short in its header.")
    fields = bytes(frame[: _FIELDS.size])
    magic, version, kind, method, cipher, key, nonce, digest, size, stored = _FIELDS.unpack(fields)
    if magic != MAGIC or zlib.crc32(fields) != _CRC.unpack(frame[_FIELDS.size: HEADER_SIZE])[0]:
        raise Damaged("The frame's header is altered.")
    if version != VERSION or cipher not in (NO_CIPHER, AES_256_GCM) or method not in (NO_COMPRESSION, ZSTD):
        raise Damaged("The frame was written by a newer version of restante.carbonio; upgrade it to read this backup.")
    return Header(kind, method, digest, size, stored, key, nonce) if cipher else Header(
        kind, method, digest, size, stored
    )


class Content(NamedTuple):
    """What a frame holds."""

    digest: bytes
    """SHA-256 of data."""
    data: bytes


def decode(frame: Any, expected: bytes | None = None, keys: Keys | None = None) -> bytes:
    """Return the plain bytes of a frame; parameters and errors are those of content()."""
    return content(frame, expected, keys).data


def content(frame: Any, expected: bytes | None = None, keys: Keys | None = None) -> Content:
    """Return the plain bytes of a frame, verified against its digest.

    :param frame: the bytes of the whole frame; more may follow.
    :param expected: the SHA-256 that they must have; without it, an encrypted blob cannot be read.
    :param keys: those of the backup; None for one that is not encrypted.
    :raises Damaged: it is cut short, altered, or another frame than expected.
    :raises Forgotten: the key that it is encrypted with was destroyed.
    """
    head = header(frame)
    named = keys.name if keys is not None else bytes
    if expected is not None and head.digest != named(expected):
        raise Damaged(f"A frame with the digest {head.digest.hex()} lies where {named(expected).hex()} should be.")
    if head.size > _largest(head.kind):
        raise Damaged(f"The frame {head.digest.hex()} says that it holds {head.size} bytes; none holds so much.")
    body = memoryview(frame)[HEADER_SIZE: head.length]
    if len(body) != head.stored:
        raise Damaged(f"The frame {head.digest.hex()} is cut short.")
    if keys is not None:
        body = memoryview(_unsealed(frame, head, body, expected, keys))
    elif head.key != _NO_KEY:
        raise Damaged(f"The frame {head.digest.hex()} is encrypted, in a backup that is not.")
    data = compression.decompress(body, head.size) if head.compression == ZSTD else bytes(body)
    digest = hashlib.sha256(data).digest()
    if digest != expected and named(digest) != head.digest:
        raise Damaged(f"The content of the frame {head.digest.hex()} is altered.")
    return Content(digest, data)


def _unsealed(frame: Any, head: Header, body: memoryview, expected: bytes | None, keys: Keys) -> bytes:
    if head.key == _NO_KEY:
        raise Damaged(f"The frame {head.digest.hex()} is not encrypted, in a backup that is; it was put there.")
    if head.kind != BLOB:
        secret = keys.secret(head.key)
    elif expected is not None:
        secret = keys.secret_of_content(expected)
    else:
        raise Damaged(f"The blob {head.digest.hex()} is encrypted, and cannot be read without its digest.")
    return sealing.unseal(secret, head.nonce[: sealing.NONCE_SIZE], body, bytes(frame[: _FIELDS.size]))


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
