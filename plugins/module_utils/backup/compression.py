# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compression of frames, with the zstandard package; the one place that imports it."""

from __future__ import annotations

import threading
import traceback
from typing import IO, Any, Final

from ..model.errors import Damaged, InvalidInput

try:
    import zstandard
except ImportError:
    HAS_ZSTANDARD = False
    ZSTANDARD_IMPORT_ERROR: str | None = traceback.format_exc()
    ZstdError: type[Exception] = InvalidInput
else:
    HAS_ZSTANDARD = True
    ZSTANDARD_IMPORT_ERROR = None
    ZstdError = zstandard.ZstdError

LEVEL: Final = 1
"""On single messages and on journals, level 3 takes twice the time and makes them no more than 1 % smaller."""

# A compression context is costly to make and must not be shared between threads.
_contexts = threading.local()


def require() -> None:
    """Raise InvalidInput where the zstandard package is missing."""
    if not HAS_ZSTANDARD:
        raise InvalidInput(
            "The Python package zstandard is missing on this node; install it (apt-get install python3-zstandard, "
            "or pip install zstandard)."
        )


def compress(data: bytes) -> bytes:
    """Return data as one zstd frame that states its content size."""
    require()
    context = getattr(_contexts, "compressor", None)
    if context is None:
        context = _contexts.compressor = zstandard.ZstdCompressor(level=LEVEL)
    packed: bytes = context.compress(data)
    return packed


def decompress(data: Any, size: int) -> bytes:
    """Return what compress was given.

    :param size: bytes that must come out; a frame that states another size is refused before it is unpacked.
    :raises Damaged: the data is no such frame, or more comes out of it than there is memory for.
    """
    require()
    context = getattr(_contexts, "decompressor", None)
    if context is None:
        context = _contexts.decompressor = zstandard.ZstdDecompressor()
    try:
        stated = zstandard.frame_content_size(data)
        if stated != size:
            raise Damaged(f"The compressed data says that it unpacks to {stated} bytes, {size} were announced.")
        plain: bytes = context.decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise Damaged(f"The compressed data cannot be unpacked ({error}).") from error
    except MemoryError as error:
        raise Damaged(f"There is no memory for the {size} bytes that the compressed data unpacks to.") from error
    return plain


def reader(stream: IO[bytes]) -> IO[bytes]:
    """Return the plain bytes of a compressed stream of any frames, unpacked as they are read.

    Reading raises ZstdError where the stream is damaged. A stream cut short only ends early.
    """
    require()
    plain: IO[bytes] = zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
    return plain
