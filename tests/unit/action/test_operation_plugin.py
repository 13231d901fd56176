# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the action plugin does when the node does not answer, when the work is killed, and when it cannot begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.restante.carbonio.plugins.action import operation as plugin

JOBS = "/home/user/.ansible_async"
JOB = {"ansible_job_id": "j1", "started": 1, "finished": 0, "results_file": f"{JOBS}/j1", "changed": True}
RESULT = {**JOB, "finished": 1, "stats": "all well", "stdout": ""}


class Node:
    """A node that answers one look after the other, as it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, looks: Iterator[Any], results: Iterator[Any]) -> None:
        """:param looks: states of the operation, None for none yet, or errors. :param results: of the job."""
        self.asked: list[str] = []
        self.arguments: Mapping[str, Any] = {}
        self.told: list[str] = []
        self.resets = 0
        self.job: Mapping[str, Any] = JOB
        self.plain: Mapping[str, Any] = {}
        self._looks, self._results = looks, results
        monkeypatch.setattr(plugin.time, "sleep", lambda seconds: None)
        monkeypatch.setattr(plugin.display, "display", self.told.append)

    def reset(self) -> None:
        """Connect anew."""
        self.resets += 1

    def execute(
        self, module_name: str = "", module_args: Mapping[str, Any] | None = None, **options: Any
    ) -> Mapping[str, Any]:
        """Be the node."""
        self.asked.append(module_name)
        arguments = module_args or {}
        if options.get("wrap_async"):
            self.arguments = arguments
            return dict(self.job)
        if not module_name:
            return dict(self.plain)
        if module_name == "restante.carbonio.operation_info":
            look = next(self._looks)
            if isinstance(look, Exception):
                raise look
            record = {"id": arguments["operation_id"], "type": "SmartScan", "number": 1, "state": look}
            shown = {"operations": [{**record, "phase": "mailboxes"}]}
            return shown if look else {"failed": True, "msg": "This node has no operation"}
        assert arguments["_async_dir"] == JOBS, "a job is looked for where the node has written it down"
        return dict(next(self._results)) if arguments["mode"] == "status" else {}

    def run(self) -> Mapping[str, Any]:
        """Run a smartscan through the plugin."""
        action = plugin.ActionModule.__new__(plugin.ActionModule)
        action._task = SimpleNamespace(args={}, action="restante.carbonio.smartscan", async_val=0)
        action._connection = self
        action._templar = SimpleNamespace(template=lambda value: value)
        action._execute_module = self.execute
        result: Mapping[str, Any] = action._followed("id", 1.0, {"inventory_hostname": "mail1"})
        return result


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Node]:
    return lambda looks, results=(): Node(monkeypatch, iter(looks), iter(results))


def test_a_result_is_the_modules_own(node: Callable[..., Node]) -> None:
    """While the operation runs one look is enough; the job is asked for its result, and removed, when it has ended."""
    there = node([None, "running", "running", "successful"], [JOB, RESULT])
    assert there.run() == {"changed": True, "stats": "all well"}
    assert there.arguments["operation_id"] == "id"
    assert there.told == ["[mail1] SmartScan: mailboxes"]
    assert there.asked.count("ansible.legacy.async_status") == 3


def test_a_node_that_does_not_answer_is_asked_again(node: Callable[..., Node]) -> None:
    gone = AnsibleConnectionFailure("no route")
    there = node([gone, gone, "running", "successful"], [RESULT])
    assert there.run()["changed"]
    assert there.resets == 2
    assert "The node does not answer; the operation id goes on there." in there.told[0]


def test_a_node_that_never_answers_again_is_unreachable(node: Callable[..., Node]) -> None:
    gone = AnsibleConnectionFailure("no route")
    with pytest.raises(AnsibleConnectionFailure):
        node([gone] * 50).run()


def test_work_that_was_killed_with_its_job_fails_the_task(node: Callable[..., Node]) -> None:
    """As when the node went down: nobody is left who could write a result."""
    with pytest.raises(AnsibleActionFail, match="The operation id was interrupted"):
        node(["running", *["interrupted"] * 50], [JOB] * 50).run()


def test_the_result_of_work_that_was_killed_without_its_job_is_what_the_job_says(node: Callable[..., Node]) -> None:
    killed = {**RESULT, "changed": False, "failed": True, "msg": "MODULE FAILURE"}
    assert node(["interrupted"], [killed]).run()["msg"] == "MODULE FAILURE"


def test_work_that_cannot_be_a_job_is_done_without_progress(node: Callable[..., Node]) -> None:
    """As where the service user has no home; telling progress never stops a restore."""
    there = node([], [])
    there.job = {"failed": True, "changed": True, "msg": "could not create directory"}
    there.plain = {"changed": True, "stats": "all well"}
    assert there.run() == {"changed": True, "stats": "all well"}
    assert "could not create directory" in there.told[0]
    assert "ansible_async_dir" in there.told[0]
