# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be taken for the present by work that removes for good: a node's clock may be wrong. No I/O.

Too early a present only means that things stay longer. So the earlier of two clocks counts: the node's own and the
archive's. Where the archive has none of its own, the present is not long after what was recorded last: a server that is
in use records something all the time, so a clock that says otherwise has probably leapt. What is recorded after such a
leap bears the leapt clock's time, and is believed only when that clock has gone on for as long.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ..model import moment
from .retention import DAY

ALLOWED: Final = 3_600_000
"""Milliseconds that clocks may differ with nothing being said."""

IDLE: Final = 7 * DAY
"""Milliseconds that may pass with nothing being recorded."""


class Present(NamedTuple):
    """What is taken for the present."""

    at: int
    """UTC milliseconds."""
    warning: str = ""
    """Why that is not what this node's clock says."""


def believed(recorded: Iterable[int]) -> int | None:
    """Return the last time at which the clock is believed to have been right: it came there without a leap, or has gone
    on for long after one. None where nothing was recorded.

    :param recorded: when things were recorded, UTC milliseconds, in the order of their numbers from the newest back.
    """
    newest = oldest = None
    for at in recorded:
        if newest is None or oldest is None or oldest - at > IDLE:  # the clock leapt ahead behind this one
            newest = oldest = at
        elif at <= newest:  # else it was ahead, and has been set back since
            oldest = min(oldest, at)
            if newest - oldest >= IDLE:
                break
    return newest


def present(now: int, archive: int | None, newest: int | None) -> Present:
    """Return what may be taken for the present.

    :param now: what the node's clock says, UTC milliseconds, as the others.
    :param archive: what the archive's says; None where there is no archive, or it does not answer.
    :param newest: see believed(); None where the archive's clock is another than the node's, or nothing is recorded.
    """
    latest = min(at for at in (now, archive, None if newest is None else newest + IDLE) if at is not None)
    if latest == now or (latest == archive and now <= archive + ALLOWED):
        return Present(latest)
    reason = (
        f"it is {moment.iso(latest)} by the archive's clock" if latest == archive
        else f"it went on without a leap of {IDLE // DAY} days or more only until {moment.iso(latest - IDLE)}, and no "
        "archive with a clock of its own tells the time"
    )
    return Present(latest, (
        f"This node's clock says {moment.iso(now)}, but {reason}. {moment.iso(latest)} was taken for the present, so "
        "that a wrong clock takes nothing away that is to stay. Set the clock, or where it is right, purge with "
        "trust_clock."
    ))
