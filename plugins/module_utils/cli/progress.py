# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What --progress prints: a line for each phase, and a sign of life every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from ..operations.records import QUEUED, Record

HEARTBEAT: Final = 5.0
"""Seconds between two lines of one phase."""


class Narrator:
    """Turns the changing record of an operation into lines."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._phases_told = 0
        self._present = ""
        self._told_at = 0.0

    def lines(self, record: Record) -> Iterator[str]:
        """Yield what is new since the last call."""
        for phase in record.phases[self._phases_told:]:
            seconds = (phase["finished"] - phase["started"]) / 1000
            yield f"{phase['name']}: done, {phase['items']} items in {seconds:.1f} s"
            self._present = ""
        self._phases_told = len(record.phases)
        present = record.phase if record.state != QUEUED else "waits for the operations before it"
        if not record.finished and present and (
            present != self._present or self._clock() - self._told_at >= HEARTBEAT
        ):
            self._present, self._told_at = present, self._clock()
            yield present + _how_far(record)


def _how_far(record: Record) -> str:
    if not (record.items_done or record.bytes_done):
        return ""
    total = f" of {record.items_total}" if record.items_total else ""
    return (
        f": {record.items_done}{total} items, {record.bytes_done / 1e6:.1f} MB, "
        f"{record.items_per_second:.0f} items/s, {record.bytes_per_second / 1e6:.1f} MB/s"
    )
