# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.operations.narrator import HEARTBEAT, Narrator
from ansible_collections.restante.carbonio.plugins.module_utils.operations.records import QUEUED, RUNNING, Record

PHASE = "phase 2: items"


def record(state: str = RUNNING, **fields: object) -> Record:
    """Return the record of an operation."""
    return Record(id="1", type="SmartScan", number=1, state=state, **fields)  # type: ignore[arg-type]


def test_each_phase_is_told_once_with_signs_of_life_between() -> None:
    """R-269."""
    now = [0.0]
    narrator = Narrator(clock=lambda: now[0])
    assert list(narrator.lines(record(QUEUED))) == ["waits for the operations before it"]
    first = record(phase=PHASE)
    assert list(narrator.lines(first)) == [PHASE]
    assert list(narrator.lines(first)) == []
    now[0] = HEARTBEAT
    first.items_done, first.items_total, first.items_per_second = 5, 10, 1.0
    first.bytes_done, first.bytes_total, first.bytes_per_second = 2_000_000, 30_000_000, 500_000.0
    assert list(narrator.lines(first)) == [
        f"{PHASE}: 5 of 10 items, 2.0 of 30.0 MB, 1 items/s, 0.5 MB/s, 56 s left"
    ]
    done = {"name": PHASE, "started": 0, "finished": 7000, "items": 10, "bytes": 3_000_000}
    ended = record(phase=PHASE, phases=[done], finished=7000)
    assert list(narrator.lines(ended)) == [f"{PHASE}: done, 10 items, 3.0 MB in 7.0 s"]


def test_what_is_not_known_is_not_told() -> None:
    assert list(Narrator().lines(record(phase=PHASE, items_done=3, items_per_second=2.0))) == [
        f"{PHASE}: 3 items, 0.0 MB, 2 items/s, 0.0 MB/s"
    ]


def test_the_heartbeat_can_be_slower() -> None:
    now = [0.0]
    narrator = Narrator(60, lambda: now[0])
    told = []
    for second in range(0, 130, 10):
        now[0] = float(second)
        told += list(narrator.lines(record(phase=PHASE)))
    assert told == [PHASE] * 3


@pytest.mark.parametrize(("seconds", "shown"), [(59, "59 s"), (61, "1 min 1 s"), (7260, "2 h 1 min")])
def test_the_time_left_is_readable(seconds: int, shown: str) -> None:
    present = record(phase=PHASE, items_done=1, items_total=seconds + 1, items_per_second=1.0)
    assert next(Narrator().lines(present)).endswith(f", {shown} left")


def test_the_later_of_two_ends_counts_and_a_phase_beyond_its_total_has_no_negative_rest() -> None:
    both = record(items_done=50, items_total=100, items_per_second=50.0)
    both.bytes_done, both.bytes_total, both.bytes_per_second = 1, 101, 1.0
    assert both.seconds_left() == 100
    assert record(items_done=12, items_total=10, items_per_second=1.0).seconds_left() == 0
    assert record().seconds_left() is None
    assert record("successful", items_done=5, items_total=10, items_per_second=1.0).seconds_left() is None
