# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One pack, verified: its name, and every blob in it. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from ..backup import frames
from ..backup.catalogue import Location
from ..backup.keys import Keys
from ..model.errors import Damaged
from .double import MAGIC
from .findings import CONTENTS, Fault
from .ledger import Part


class Looked(NamedTuple):
    """What was seen of a part."""

    faults: Sequence[Fault]
    lost: Sequence[str] = ()
    """Digests of blobs that cannot be read."""
    double: Sequence[str] = ()
    """Digests of blobs that are gzip streams."""


def look(
    data: bytes, part: Part, places: Sequence[Location], double: bool = False, keys: Keys | None = None
) -> Looked:
    """Verify a pack: its name, and every frame.

    :param places: of the blobs in it. :param double: look for gzip streams.
    :param keys: those of the backup; None for one that is not encrypted.
    """
    name = part.name.rpartition("/")[2]
    rightly = hashlib.sha256(data).hexdigest() == name
    lost, compressed = [], []
    for place in places:
        try:
            frame = memoryview(data)[place.offset: place.offset + place.length]
            blob = frames.decode(frame, bytes.fromhex(place.digest), keys)
        except Damaged:
            lost.append(place.digest)
            continue
        if double and blob.startswith(MAGIC):
            compressed.append(place.digest)
    if rightly and not lost:
        return Looked((), (), compressed)
    altered = f"It is altered or cut short ({len(data)} of {part.size} bytes)."
    reason = "Its index does not fit it." if rightly else altered
    return Looked([fault_of(part, reason, len(lost), rightly)], lost, compressed)


def fault_of(part: Part, reason: str, lost: int = 0, rightly: bool = False) -> Fault:
    """Return what is wrong with a pack. :param lost: how many blobs. :param rightly: see Fault.named_rightly."""
    consequence = f"{lost} contents in it cannot be read." if lost else ""
    return Fault(part.side, CONTENTS, part.name, reason, consequence, rightly)
