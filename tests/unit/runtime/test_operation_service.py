# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module operation does: it stops, it waits, and it foretells what it would do."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    Busy,
    InvalidInput,
    NotFound,
    RestanteError,
)
from ansible_collections.restante.carbonio.plugins.module_utils.operations.operation import Operations
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import operations
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings

FIRST, SECOND = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    config_file = str(tmp_path / "restante.json")
    settings_file.save(config_file, Settings(state_path=str(tmp_path / "state")))
    return Node.load(config_file)


@contextlib.contextmanager
def working(node: Node, operation_id: str, deaf: bool = False) -> Iterator[threading.Event]:
    """Run an operation with an id until it is told to stop; a deaf one until the event is set."""
    known, let_go = threading.Event(), threading.Event()

    def work() -> None:
        started = Operations(node.settings.state_path, lambda unused: known.set(), operation_id)
        with contextlib.suppress(RestanteError), started.start("SmartScan") as operation:
            while not let_go.is_set() and (deaf or not operation.stopping()):
                threading.Event().wait(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    assert known.wait(30)
    if len(node.operations.list()) == 1:  # nobody is before it: it runs in a moment
        while node.operations.get(operation_id).state == "queued":
            threading.Event().wait(0.01)
    try:
        yield let_go
    finally:
        let_go.set()
        thread.join()


def module(node: Node, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    """Call the module operation."""
    arguments = {"config_file": node.config_file, "operation_id": None, "all": False, "state": "stopped", "timeout": 30}
    return operations.answer(Call({**arguments, **given}, check_mode))


def test_all_are_stopped_and_only_once(node: Node) -> None:
    """R-266, R-267."""
    with working(node, FIRST), working(node, SECOND):
        foretold = module(node, check_mode=True, all=True)
        assert foretold["changed"]
        assert [record["state"] for record in foretold["operations"]] == ["running", "queued"]
        done = module(node, all=True)
        assert done["diff"] == foretold["diff"] == {
            "before": {FIRST: "running", SECOND: "queued"}, "after": {FIRST: "stopped", SECOND: "removed"},
        }
        assert [record["state"] for record in done["operations"]] == ["stopped", "removed"]
    again = module(node, all=True)
    assert (again["changed"], again["operations"]) == (False, [])


def test_one_is_stopped_and_the_other_has_its_turn(node: Node) -> None:
    """R-266."""
    with working(node, FIRST), working(node, SECOND) as let_go:
        assert module(node, operation_id=FIRST)["operations"][0]["state"] == "stopped"
        assert not module(node, operation_id=FIRST)["changed"]
        let_go.set()
        waited = module(node, operation_id=SECOND, state="finished")
        assert (waited["changed"], waited["operations"][0]["state"]) == (False, "successful")


def test_one_that_has_been_asked_is_not_asked_again(node: Node) -> None:
    with working(node, FIRST, deaf=True):
        assert module(node, operation_id=FIRST, timeout=0)["changed"]
        assert not module(node, check_mode=True, operation_id=FIRST)["changed"]
        assert not module(node, operation_id=FIRST, timeout=0)["changed"]
        with pytest.raises(Busy, match=f"{FIRST}.*has not ended within 0.01 s"):
            module(node, operation_id=FIRST, timeout=0.01)


def test_check_mode_stops_nothing(node: Node) -> None:
    with working(node, FIRST):
        module(node, check_mode=True, all=True)
        assert not node.operations.stop_requested(FIRST)
        module(node, all=True)


@pytest.mark.parametrize("given", [{}, {"operation_id": ""}, {"operation_id": FIRST, "all": True}])
def test_it_has_to_be_said_which_are_meant(node: Node, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="operation_id, or all=true"):
        module(node, **given)


def test_an_unknown_one_is_named(node: Node) -> None:
    with pytest.raises(NotFound, match=FIRST):
        module(node, operation_id=FIRST)


def test_an_id_is_used_once(node: Node) -> None:
    with working(node, FIRST) as let_go:
        let_go.set()
    with pytest.raises(AlreadyExists, match=FIRST), Operations(node.settings.state_path, next_id=FIRST).start("Purge"):
        pytest.fail("It began.")
    assert [record.type for record in node.operations.list()] == ["SmartScan"]


@pytest.mark.parametrize("text", ["x", "../../etc/passwd", "7c1e"])
def test_an_id_is_a_uuid(node: Node, text: str) -> None:
    operations_of_node = Operations(node.settings.state_path, next_id=text)
    with pytest.raises(InvalidInput, match="give a UUID"), operations_of_node.start("SmartScan"):
        pytest.fail("It began.")


def test_the_id_that_was_chosen_is_that_of_the_first_operation_alone(node: Node) -> None:
    started = Operations(node.settings.state_path, next_id=FIRST)
    with started.start("SmartScan"):
        pass
    with started.start("Purge"):
        pass
    assert [record.id == FIRST for record in node.operations.list()] == [True, False]
