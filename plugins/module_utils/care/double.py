# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Contents that were compressed twice: a mail server gave what it had compressed for itself (R-253)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..backup.audit import Reference
from ..backup.writer import Writer
from ..model import foreign
from ..model.errors import Damaged, NotFound
from ..model.state import ItemState

MAGIC: Final = b"\x1f\x8b\x08"
"""What a gzip stream begins with; no message does, nor anything else but a document."""

SPARE: Final = 32 * 1024 * 1024
EXPANSION: Final = 16
"""What unpacks to more than SPARE bytes and this many times its size stays as it is: mail shrinks to a third or so."""
DEEPEST: Final = 8
"""Times that a content is unpacked; there are streams that unpack to themselves."""


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
    most = SPARE + EXPANSION * len(data)
    for _time in range(DEEPEST):
        if not data.startswith(MAGIC):
            return data
        try:
            data = foreign.gunzip(data, most)
        except ValueError:
            return None
    return None
