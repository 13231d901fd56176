# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a drill: its moments, its verdict, and why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.drill.record import MOMENTS, Targets
from drill_records import ANN, BOB, broken, findings, told


def test_what_is_whole_and_in_time_has_passed() -> None:
    made = told()
    assert made["passed"] and made["reasons"] == []
    assert made["rpo_seconds"] == 60.0 and made["rto_seconds"] == 90.0
    assert [one["name"] for one in made["timeline"]] == list(MOMENTS)
    assert [one["seconds"] for one in made["timeline"]] == [0.0, 0.5, 2.0, 5.0, 9.0, 15.0, 90.0, 120.0]
    assert json.loads(json.dumps(made)) == made


def test_each_account_says_when_its_mail_was_back() -> None:
    by_address = {one["address"]: one for one in told()["accounts"]}
    assert by_address[ANN]["newest_mail_seconds"] == 9.0 and by_address[ANN]["complete_seconds"] == 90.0
    assert by_address[BOB]["newest_mail_seconds"] == 15.0, "without a message, it is usable when all is there"
    assert all(one["whole"] for one in by_address.values())


def _unexpected(found: Any) -> None:
    found.proof.foreign.update(message=2)


def _unrestored(found: Any) -> None:
    found.restored.add_unrestored(ANN, "7", "message", "read error", "The pack is gone.")


def _damaged(found: Any) -> None:
    found.damages.append({"file": "packs/ab", "reason": "Altered.", "consequence": ""})


def _not_verified(found: Any) -> None:
    found.proof, found.moments = None, {"metadata": found.moments["metadata"]}


@pytest.mark.parametrize(("spoil", "reason"), [
    (_unexpected, "The backup knows nothing of 2 items"), (_unrestored, "1 item could not be restored"),
    (_damaged, "The backup is damaged in 1 place"), (_not_verified, "has not come to its end"),
])
def test_each_finding_fails_the_drill(spoil: Any, reason: str) -> None:
    found = findings()
    spoil(found)
    made = told(found, targets=Targets())
    assert not made["passed"] and len(made["reasons"]) == 1 and reason in made["reasons"][0]


def test_folders_that_a_mailbox_has_of_itself_are_not_unexpected() -> None:
    found = findings()
    assert found.proof is not None
    found.proof.foreign.update(folder=12)
    assert told(found)["passed"]


@pytest.mark.parametrize(("targets", "reasons"), [
    (Targets(59.0, 600.0), ["the RPO is 1 min 00 s, the target 59 s"]),
    (Targets(60.0, 89.9), ["the RTO is 1 min 30 s, the target 89.9 s"]),
    (Targets(60.0, 90.0), []), (Targets(None, None), []),
])
def test_a_target_is_kept_to_or_fails_the_drill(targets: Targets, reasons: list[str]) -> None:
    made = told(targets=targets)
    assert len(made["reasons"]) == len(reasons)
    for told_, wanted in zip(made["reasons"], reasons):
        assert wanted in told_


def test_what_cannot_go_on_has_failed_with_its_sentence() -> None:
    made = told(error="The bucket does not answer.", found=type(findings())())
    assert made["reasons"][0] == "The drill could not go on: The bucket does not answer."
    assert "RTO target of 10 min" in made["reasons"][1] and made["rto_seconds"] is None
    assert made["items"] == {} and made["accounts"] == []


def test_one_account_that_is_not_whole_is_told_from_the_others() -> None:
    whole = {one["address"]: one["whole"] for one in told(broken())["accounts"]}
    assert sorted(whole.values()) == [False, True] and whole[BOB]
