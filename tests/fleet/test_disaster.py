# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes that are lost, one or all, and one that loses its power while it is recovered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from tests.fleet.fleet_kit import MAIL, MAIL1, MAIL2, SPARE, Fleet


@pytest.fixture(scope="module")
def held(fleet: Fleet) -> Mapping[str, Counter[Any]]:
    """What the nodes had when they were backed up last."""
    assert fleet.documented("backup_setup", 1).status == 0
    return {name: fleet.items(name) for name in MAIL}


def test_one_lost_node_of_several_is_recovered_onto_a_spare(fleet: Fleet, held: Mapping[str, Counter[Any]]) -> None:
    """By the name that it had; the others are not touched."""
    fleet.nodes[MAIL1].lose()
    done = fleet.documented("s3_recovery", 0)
    assert done.status == 0, done.output
    assert fleet.items(SPARE) == held[MAIL1]
    assert fleet.items(MAIL2) == held[MAIL2]
    assert f"{SPARE}: done" in done.summary() and "Next: Direct the mail to this node." in done.summary()


def test_all_are_recovered_although_one_loses_its_power_meanwhile(
    fleet: Fleet, held: Mapping[str, Counter[Any]]
) -> None:
    for name in MAIL:
        fleet.nodes[name].lose()
        fleet.nodes[name].boot()
    given = {"s3_recovery_serial": 1, "s3_recovery_volume_prefix": "{{ inventory_hostname }}"}
    running = fleet.begin("s3_recovery", **given)
    fleet.await_restore(MAIL1, running)
    fleet.nodes[MAIL1].kill()
    broken = running.result()
    assert broken.status == 2, broken.output
    assert f"{MAIL1}: FAILED" in broken.summary() and "stopped answering" in broken.summary()
    assert f"{MAIL2}: done" in broken.summary()
    assert fleet.items(MAIL2) == held[MAIL2], "one node's failure has stopped another's data"

    fleet.nodes[MAIL1].boot()
    assert fleet.items(MAIL1) != held[MAIL1], "it was over before the power went"
    done = fleet.play("s3_recovery", "--limit", MAIL1, **given)
    assert done.status == 0, done.output
    assert fleet.items(MAIL1) == held[MAIL1], "something is missing, or there twice"
    assert fleet.items(MAIL2) == held[MAIL2]


def test_no_further_node_is_begun_where_too_many_have_failed(fleet: Fleet, held: Mapping[str, Counter[Any]]) -> None:
    fleet.nodes[MAIL1].kill()
    try:
        stopped = fleet.play(
            "s3_recovery", s3_recovery_serial=1, s3_recovery_max_fail_percentage=40,
            s3_recovery_volume_prefix="{{ inventory_hostname }}",
        )
    finally:
        fleet.nodes[MAIL1].boot()
    assert stopped.status == 2
    assert f"{MAIL1}: FAILED" in stopped.summary() and "does not answer" in stopped.summary()
    assert f"Not begun: 1 of 2 nodes have failed ({MAIL1})" in stopped.summary()
    assert stopped.changed() == []
