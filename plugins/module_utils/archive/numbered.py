# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding the last of a numbered row of files without listing them all."""

from __future__ import annotations

from collections.abc import Callable


def last_number(exists: Callable[[int], bool], hint: int = 1) -> int:
    """Return the last number of a row that begins at 1 and has no gap, 0 for an empty row.

    Asks about 2 log2(distance) times, the distance being that from the hint.

    :param exists: whether there is a file of this number.
    :param hint: where the end may be.
    """
    step, hint = 1, max(hint, 1)
    if exists(hint):
        present, absent = hint, hint + 1
        while exists(absent):
            step *= 2
            present, absent = absent, absent + step
    else:
        present, absent = hint - 1, hint
        while present > 0 and not exists(present):
            step *= 2
            present, absent = max(present - step, 0), present
    while absent - present > 1:
        middle = (present + absent) // 2
        if exists(middle):
            present = middle
        else:
            absent = middle
    return present
