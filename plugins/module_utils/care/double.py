# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Contents that were compressed twice: a mail server gave what it had compressed for itself (R-253)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

from ..backup.audit import Reference
from ..backup.writer import Writer
from ..model.errors import Damaged, NotFound
from ..model.state import ItemState

MAGIC: Final = b"\x1f\x8b\x08"
"""What a gzip stream begins with; no message does, nor anything else but a document."""

LIMIT: Final = 512 * 1024 * 1024
"""Bytes that a content may have; what unpacks to more stays as it is."""


def unpack(writer: Writer, found: Iterable[Reference]) -> int:
    """Give items whose present content is compressed twice a state with the plain one; return how many.

    Their past stays as it is: a state says what the mail server gave at that time.
    """
    count = 0
    for one in found:
        last = writer.repository.state(one.scope, one.item)
        if last is None or not isinstance(last.state, ItemState) or last.state.digest != one.digest:
            continue
        try:
            data = plain(writer.repository.read_blob(one.digest))
        except (Damaged, NotFound):
            continue
        if data is not None:
            state = last.state._replace(digest=writer.put_blob(data), size=len(data))
            writer.append(one.scope, one.item, one.kind, state)
            count += 1
    writer.commit()
    return count


def plain(data: bytes) -> bytes | None:
    """Return what a content is when it is unpacked as often as it was packed; None where it cannot be."""
    while data.startswith(MAGIC):
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            data = stream.decompress(data, LIMIT)
        except zlib.error:
            return None
        if not stream.eof:
            return None
    return data
