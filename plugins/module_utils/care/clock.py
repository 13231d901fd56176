# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be taken for the present by work that removes for good: a node's clock may be wrong. No I/O.

Too early a present only means that things stay longer. So the earlier of two clocks counts: the node's own and the
archive's. Where there is no other clock, the present is not long after the newest commit: a server that is in use has
commits all the time, so a clock that says otherwise has probably leapt.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ..model import moment
from .retention import DAY

ALLOWED: Final = 3_600_000
"""Milliseconds that clocks may differ with nothing being said."""

IDLE: Final = 7 * DAY
"""Milliseconds that may pass without a commit."""


class Present(NamedTuple):
    """What is taken for the present."""

    at: int
    """UTC milliseconds."""
    warning: str = ""
    """Why that is not what this node's clock says."""


def present(now: int, archive: int | None, newest: int | None) -> Present:
    """Return what may be taken for the present.

    :param now: what the node's clock says, UTC milliseconds, as the others.
    :param archive: what the archive's says; None where there is no archive, or it does not answer.
    :param newest: when the newest commit was made; None where there is none.
    """
    latest = archive if archive is not None else now if newest is None else newest + IDLE
    if now <= latest + (ALLOWED if archive is not None else 0):
        return Present(min(now, latest))
    reason = (
        f"it is {moment.iso(latest)} by the archive's clock" if archive is not None
        else f"nothing was recorded for {(now - latest + IDLE) // DAY} days by this node's clock, and no archive tells "
        "the time"
    )
    return Present(latest, (
        f"This node's clock says {moment.iso(now)}, but {reason}. {moment.iso(latest)} was taken for the present, so "
        "that a wrong clock takes nothing away that is to stay. Set the clock, or where it is right, purge with "
        "trust_clock."
    ))
