# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sign of life in the archive: a mail server that nobody uses makes no commits, and neither does a dead one.

One small file that is written over and over, while there are no commits that say the same. It is no part of the backup:
nothing is restored from it, and whoever can write to the archive can write it too.
"""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from ..archive.port import Archive
from ..model import foreign
from ..model.errors import Damaged, NotFound

FILE: Final = "alive.json"
EVERY: Final = 60.0
"""Seconds between two signs: the smallest bill of an object store is for one request a minute."""
_LARGEST: Final = 4096


class Sign(NamedTuple):
    """What a mail node has said of itself."""

    repository: str
    """The id of its backup."""
    commit: int
    """The newest commit in the archive then."""
    at: int
    """When, by the node's own clock; UTC milliseconds."""


def give(archive: Archive, sign: Sign) -> None:
    """Put a sign of life in the place of the one before. Errors as those of Archive.put."""
    archive.put_note(FILE, json.dumps(sign._asdict(), sort_keys=True).encode("ascii") + b"\n")


def read(archive: Archive) -> Sign | None:
    """Return the last sign of life; None where there never was one.

    :raises Damaged: what is there is none. :raises RestanteError: the archive cannot be read.
    """
    try:
        said = foreign.parse(archive.get_note(FILE, _LARGEST))
        return foreign.record(Sign, {field: said[field] for field in Sign._fields})
    except NotFound:
        return None
    except foreign.UNREADABLE as error:
        raise Damaged(
            f"{FILE} in {archive.describe()} is no sign of life ({error}); the primary writes another one."
        ) from error
