# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Realtime Scanner against a dictionary: whatever happens, and whoever else writes, it ends up with what is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.scan.realtime import COMMIT, Situation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_realtime import Scripted, nothing, seconds_of
from test_scan_model import assert_each_state_is_another_than_the_one_before, change, recorded, snapshot

CHANGES = ["mail", "mail", "folder", "flag", "move", "delete", "rename", "account", "drop"]
STEPS = st.lists(
    st.sampled_from([*CHANGES, *CHANGES, "nothing", "check", "scan", "overrun"]), min_size=3, max_size=15,
)
RUNS = st.lists(st.tuples(STEPS, st.booleans()), min_size=1, max_size=4)
"""Runs of the scanner, each with whether it is killed at its end."""


class Killed(Exception):
    """The process is no more."""


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(runs=RUNS, data=st.data())
def test_what_it_says_is_complete_is_and_nothing_is_there_twice(
    make_node: Callable[[], Any], runs: list[tuple[list[str], bool]], data: st.DataObject
) -> None:
    """R-221, R-224, R-227."""
    node = make_node()

    def do(step: str, scripted: Scripted, number: int) -> None:
        if step == "scan":
            node.scan()
        elif step == "overrun":
            for _unused in range(2):
                change(node, "mail", data, number)
            node.store._database.execute("DELETE FROM feed WHERE seq < ?", (node.store.last_transaction(),))
        elif step == "check":
            situation = scripted.situation
            if not situation.pending and not situation.gap_since and scripted.quiet:
                assert recorded(node, None) == snapshot(node)
        elif step != "nothing":
            change(node, step, data, number)
        scripted.quiet = step in ("check", "nothing", "scan")

    def kill() -> None:
        raise Killed

    number = 0
    for steps, killed in [*runs, (["mail"], False)]:
        scripted = Scripted(node, situation=Situation(gap_since=-1, gap_reason="it did not run"))
        actions: list[Callable[[], object]] = []
        for step in steps:
            number += 1
            actions.append(lambda step=step, scripted=scripted, number=number: do(step, scripted, number))
        try:
            scripted.run(nothing, *actions, *([kill] if killed else seconds_of(COMMIT)))
        except Killed:
            continue
        assert not scripted.situation.gap_since and not scripted.situation.pending
        assert recorded(node, None) == snapshot(node)
    assert_each_state_is_another_than_the_one_before(node)
