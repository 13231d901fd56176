# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations as people write and read them: 90s, 15m, 4h, 2d; and 1 h 05 min."""

from __future__ import annotations

import re
from typing import Final

from ..model.errors import InvalidInput

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_WRITTEN = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s?([smhd]?)", re.ASCII)


def parse(text: str, name: str) -> float | None:
    """Return the seconds of a duration such as 90, 90s, 15m, 4h or 2d; None for an empty one.

    :param name: what it is, for messages. :raises InvalidInput: it is none.
    """
    if not text.strip():
        return None
    found = _WRITTEN.fullmatch(text.strip().lower())
    if found is None or not float(found[1]):
        raise InvalidInput(f"{name} is {text!r}; give a duration above 0 such as 90s, 15m, 4h or 2d.")
    return float(found[1]) * _UNITS[found[2] or "s"]


def short(seconds: float) -> str:
    """Return a duration that somebody has fixed as briefly as it was: 30 s, 90 min, 4 h, 2 d."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and not seconds % (size / 2):
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s" if seconds else "0"


def tell(seconds: float) -> str:
    """Return a duration for people, with two units at most: 0.42 s, 12.3 s, 5 min 02 s, 1 h 05 min, 3 d 04 h."""
    if seconds < 0:
        return f"-{tell(-seconds)}"
    if seconds < 9.95:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    whole = round(seconds / 60)
    if whole < 48 * 60:
        return f"{whole // 60} h {whole % 60:02} min"
    whole = round(seconds / 3600)
    return f"{whole // 24} d {whole % 24:02} h"
