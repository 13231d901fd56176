# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a standby could take over, and whether its primary seems to live: what its status says, as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..ledger.standby import PROMOTED

_SKEW: Final = 5.0
"""Seconds by which clocks may differ without a word."""


class Limits(NamedTuple):
    """What is too much, in seconds; 0 where nothing is."""

    warn_silence: float
    """For which the primary has given no sign of life, or the archive was not read."""
    most_silence: float
    """The same, of what is a problem."""
    most_lag: float
    """For which the standby is behind."""


def problems(status: Mapping[str, Any], limits: Limits) -> list[str]:
    """Return why a standby could not take over now, or its primary seems to be dead. :param status: of the standby."""
    if status["state"] == "none":
        return ["This node is no standby."]
    if status["state"] == PROMOTED:
        return []
    found = []
    if not status["running"]:
        found.append(f"The standby does not follow: it is {status['state']}. {status['error']}".rstrip())
    elif status["error"]:
        found.append(f"The standby cannot follow now: {status['error']}")
    found += _silences(status, limits.most_silence, idle=False)
    if 0 < limits.most_lag < status["lag_seconds"]:
        found.append(f"The standby is {status['lag_commits']} commits, and {status['lag_seconds']} s, behind.")
    if status["failure_count"]:
        found.append(f"{status['failure_count']} items could not be applied: {status['failures'][0]['reason']}")
    return [*found, *(f"The primary's backup is damaged: {one}" for one in status["damages"])]


def warnings(status: Mapping[str, Any], limits: Limits) -> list[str]:
    """Return what else is to be known. :param status: of the standby."""
    if status["state"] == "none":
        return []
    if status["state"] == PROMOTED:
        return ["This node was promoted, and follows nobody."]
    serious = _silences(status, limits.most_silence, idle=False)
    found = [one for one in _silences(status, limits.warn_silence, idle=True) if one not in serious]
    if status["clock_ahead_seconds"] > _SKEW:
        found.append(
            f"The primary's clock is {status['clock_ahead_seconds']} s ahead of this node's, or its last sign of life "
            "is forged: it counts from when it was seen here. Set the clocks."
        )
    return found


def _silences(status: Mapping[str, Any], limit: float, idle: bool) -> list[str]:
    """Return what has been silent for longer than a limit.

    :param idle: also a primary that leaves no signs of life but its commits, which it makes none of when it is idle.
    """
    silences = [("The archive was last read", status["contact_seconds"])]
    lived = status["sign_of_life_seconds"]
    if status["gives_signs_of_life"]:
        silences.append(("The primary last gave a sign of life", lived))
    elif idle:
        silences.append(("The primary, which leaves no signs of life in its archive, last made a commit", lived))
    return [
        f"{what} {seconds:.0f} s ago." if seconds >= 0 else f"{what.replace('last', 'never')}."
        for what, seconds in silences if limit and not 0 <= seconds <= limit
    ]
