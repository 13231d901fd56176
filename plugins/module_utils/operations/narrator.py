# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people see of an operation that runs: a line for each phase, and a sign of life every few seconds.

The command line's --progress and the action plugin on the controller tell the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from .records import QUEUED, Record

HEARTBEAT: Final = 5.0
"""Seconds between two lines of one phase."""

WAITING: Final = "waits for the operations before it"


class Narrator:
    """Turns the changing record of an operation into lines."""

    def __init__(self, heartbeat: float = HEARTBEAT, clock: Callable[[], float] = time.monotonic) -> None:
        """
        :param heartbeat: seconds between two lines of one phase.
        :param clock: tells the seconds.
        """
        self._heartbeat = heartbeat
        self._clock = clock
        self._phases_told = 0
        self._present = ""
        self._told_at = 0.0

    def lines(self, record: Record) -> Iterator[str]:
        """Yield what is new since the last call."""
        for phase in record.phases[self._phases_told:]:
            seconds = (phase["finished"] - phase["started"]) / 1000
            yield f"{phase['name']}: done, {phase['items']} items, {_megabytes(phase['bytes'])} MB in {seconds:.1f} s"
            self._present = ""
        self._phases_told = len(record.phases)
        present = record.phase if record.state != QUEUED else WAITING
        if not record.finished and present and (
            present != self._present or self._clock() - self._told_at >= self._heartbeat
        ):
            self._present, self._told_at = present, self._clock()
            yield present + _how_far(record)


def _how_far(record: Record) -> str:
    if not (record.items_done or record.bytes_done):
        return ""
    items = f" of {record.items_total}" if record.items_total else ""
    megabytes = f" of {_megabytes(record.bytes_total)}" if record.bytes_total else ""
    left = record.seconds_left()
    return (
        f": {record.items_done}{items} items, {_megabytes(record.bytes_done)}{megabytes} MB, "
        f"{record.items_per_second:.0f} items/s, {_megabytes(record.bytes_per_second)} MB/s"
        + (f", {_duration(left)} left" if left is not None else "")
    )


def _megabytes(count: float) -> str:
    return f"{count / 1e6:.1f}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
