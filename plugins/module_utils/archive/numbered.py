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
    present, absent = 0, 0
    step = 1
    if hint >= 1 and exists(hint):
        present = hint
        while not absent:
            if exists(present + step):
                present += step
                step *= 2
            else:
                absent = present + step
    elif hint > 1:
        absent = hint
        while absent - step > 0:
            if exists(absent - step):
                present = absent - step
                break
            absent -= step
            step *= 2
    else:
        return 0
    while absent - present > 1:
        middle = (present + absent) // 2
        if exists(middle):
            present = middle
        else:
            absent = middle
    return present
