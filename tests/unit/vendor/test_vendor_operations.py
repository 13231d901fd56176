# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of a node of the vendor's: those that were begun here, and those that were not."""

from __future__ import annotations

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotFound
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from scripted import ENDED, ID, REPORTED, Modules, Script

RESTORE = {"source_path": "/r"}
STARTED: Script = {**REPORTED, "backup doExternalRestore /r": "started"}
OPERATIONS: Script = {
    "backup getAllOperations": "it runs", "powerstore getAllOperations": "nothing runs",
    "core getOperationLog": "log without it", "backup doStopOperation": "ok",
}


def test_operations_that_nobody_here_has_begun_are_shown_too(module: Modules) -> None:
    result, _commands = module("operation_info", OPERATIONS)
    [shown] = result["operations"]
    assert (shown["id"], shown["type"], shown["queue"], shown["state"]) == (ID, "External Restore", "backup", "running")
    result, _commands = module("operation_info", OPERATIONS, state=["queued"])
    assert result["operations"] == []


def test_the_record_of_ones_own_is_shown_without_asking_carbonio(module: Modules, node: Node) -> None:
    module("external_restore", STARTED, **RESTORE)
    [record] = node.operations.list()
    result, commands = module("operation_info", {}, operation_id=record.id)
    assert result["operations"][0]["state"] == "successful" and commands == []
    result, _commands = module("operation_info", {**ENDED})  # what it followed is not shown beside it
    assert [one["id"] for one in result["operations"]] == [record.id, "11111111-1111-4111-8111-111111111111"]


@pytest.mark.parametrize("check_mode", [False, True])
def test_an_operation_of_the_vendors_is_stopped(module: Modules, check_mode: bool) -> None:
    script = {**OPERATIONS, "backup getAllOperations": ["it runs", "nothing runs"]}
    result, commands = module("operation", script, check_mode, operation_id=ID)
    assert result["changed"] and result["diff"]["after"] == {ID: "stopped"}
    assert (f"backup doStopOperation {ID}" in commands) is not check_mode


def test_all_operations_are_those_of_both(module: Modules) -> None:
    script = {**OPERATIONS, "backup getAllOperations": ["it runs", "nothing runs"]}
    result, commands = module("operation", script, all=True)
    assert result["changed"] and f"backup doStopOperation {ID}" in commands


def test_an_operation_that_nobody_knows_is_not_found(module: Modules) -> None:
    for name in ("operation", "operation_info"):
        with pytest.raises(NotFound, match="carbonio has none either"):
            module(name, {**OPERATIONS, "backup getAllOperations": "nothing runs"}, operation_id="b0")
