# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is taken for the present by work that removes for good."""

from __future__ import annotations

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.care.clock import (
    ALLOWED,
    IDLE,
    Present,
    believed,
    present,
)
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY

NOW = 1_000 * DAY


def test_the_earlier_of_two_clocks_counts() -> None:
    assert present(NOW, NOW + 5, None) == Present(NOW)
    assert present(NOW + ALLOWED, NOW, None) == Present(NOW), "a little is not worth a word"
    ahead = present(NOW + 40 * DAY, NOW, None)
    assert ahead.at == NOW and "by the archive's clock" in ahead.warning and "trust_clock" in ahead.warning
    assert present(NOW - 40 * DAY, NOW, NOW) == Present(NOW - 40 * DAY), "things only stay longer"


def test_without_another_clock_the_present_is_not_long_after_what_was_recorded_last() -> None:
    assert present(NOW + IDLE, None, NOW) == Present(NOW + IDLE)
    leapt = present(NOW + 30 * DAY, None, NOW)
    assert leapt.at == NOW + IDLE and "without a leap of 7 days or more only until" in leapt.warning
    assert present(NOW, None, None) == Present(NOW), "an empty backup"


def test_a_directory_on_the_nodes_own_disk_is_no_second_clock() -> None:
    leapt = present(NOW + 30 * DAY, NOW + 30 * DAY, NOW)
    assert leapt.at == NOW + IDLE and "no archive with a clock of its own" in leapt.warning


@pytest.mark.parametrize(("recorded", "counts"), [
    ([], None),
    ([NOW], NOW),
    ([NOW, NOW - IDLE, NOW - 400 * DAY], NOW),
    ([NOW, NOW - 1, NOW - 400 * DAY], NOW - 400 * DAY),
    ([NOW, NOW - 400 * DAY, NOW - 800 * DAY], NOW - 800 * DAY),
    ([NOW, NOW + 400 * DAY, NOW - DAY, NOW - 6 * DAY], NOW),
    ([NOW, NOW - 6 * DAY, NOW - 12 * DAY, NOW - 400 * DAY], NOW),
], ids=[
    "nothing", "one thing", "a week since a leap", "less than a week", "two leaps", "ahead and set back", "no leap",
])
def test_what_was_recorded_counts_as_far_as_its_clock_is_believed(recorded: list[int], counts: int | None) -> None:
    assert believed(recorded) == counts
