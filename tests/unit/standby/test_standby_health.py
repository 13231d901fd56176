# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a standby that could not take over, and of a primary that seems to be dead."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.standby_health import (
    Limits,
    problems,
    warnings,
)

LIMITS = Limits(180, 900, 60)
WELL: dict[str, Any] = {
    "state": "following", "running": True, "error": "", "contact_seconds": 1.0, "sign_of_life_seconds": 30.0,
    "gives_signs_of_life": True, "clock_ahead_seconds": 0.4, "lag_seconds": 2.0, "lag_commits": 1, "failure_count": 0,
    "failures": [], "damages": [],
}


@pytest.mark.parametrize(("status", "problem", "warning"), [
    ({}, "", ""),
    ({"sign_of_life_seconds": 181.0}, "", "The primary last gave a sign of life 181 s ago."),
    ({"sign_of_life_seconds": 901.0}, "The primary last gave a sign of life 901 s ago.", ""),
    ({"contact_seconds": 200.0}, "", "The archive was last read 200 s ago."),
    ({"contact_seconds": -1.0}, "The archive was never read.", ""),
    # It may be idle: nothing fails for that.
    ({"sign_of_life_seconds": 9e5, "gives_signs_of_life": False}, "", "its archive, last made a commit 900000 s ago."),
    ({"sign_of_life_seconds": -1.0, "gives_signs_of_life": False}, "", "its archive, never made a commit."),
    ({"clock_ahead_seconds": 3600.0}, "", "clock is 3600.0 s ahead"),
    ({"lag_seconds": 61.0}, "The standby is 1 commits, and 61.0 s, behind.", ""),
    ({"running": False, "state": "stopped", "error": "Why."}, "The standby does not follow: it is stopped. Why.", ""),
    ({"error": "It is away."}, "The standby cannot follow now: It is away.", ""),
    ({"failure_count": 2, "failures": [{"reason": "No."}]}, "2 items could not be applied: No.", ""),
    ({"damages": ["commits/1: gone"]}, "The primary's backup is damaged: commits/1: gone", ""),
    ({"state": "promoted", "running": False}, "", "This node was promoted, and follows nobody."),
    ({"state": "none"}, "This node is no standby.", ""),
])
def test_each_is_a_sentence(status: dict[str, Any], problem: str, warning: str) -> None:
    for say, wanted in ((problems, problem), (warnings, warning)):
        found = say({**WELL, **status}, LIMITS)
        assert [wanted in one for one in found] == [True] * bool(wanted), found


def test_without_limits_only_what_keeps_it_from_following_counts() -> None:
    silent = {**WELL, "sign_of_life_seconds": 1e6, "contact_seconds": 1e6, "lag_seconds": 1e6}
    assert not problems(silent, Limits(0, 0, 0)) and not warnings(silent, Limits(0, 0, 0))
