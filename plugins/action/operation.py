# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tells on the controller how far the operation is that a module runs on a node.

Every module whose work is an operation runs through it (meta/runtime.yml): the module is started as a job of the node,
with the id that its operation is to have; then the record of that operation is read now and then, and what is new in it
is told, a line for each change of phase and for each heartbeat. The module operation, which waits for an operation, is
treated alike. The result is the module's own.

The variable restante_progress_seconds is the heartbeat; 0 leaves all this out, and so do check mode, C(async) and
C(no_log).
"""

from __future__ import annotations

import posixpath
import time
import uuid
from typing import Any, Final

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.restante.carbonio.plugins.module_utils.operations.narrator import Narrator
from ansible_collections.restante.carbonio.plugins.module_utils.operations.records import (
    INTERRUPTED,
    UNFINISHED,
    Record,
    from_json,
)

VARIABLE: Final = "restante_progress_seconds"
HEARTBEAT: Final = 10.0
"""Seconds between two looks at the record, and two lines of one phase."""

_FIRST_PAUSE: Final = 0.5
_LIMIT: Final = 365 * 86400
"""Seconds after which the node ends the job."""
_PATIENCE: Final = 10
"""How many looks in a row may fail, or see no more than that the operation was killed."""
_OF_THE_JOB: Final = (
    "ansible_job_id", "started", "finished", "results_file", "stdout", "stdout_lines", "stderr", "stderr_lines",
)
"""What a result has from having been a job; no module has any of it."""

display = Display()


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no annotations
    """Runs a module, and tells how far its operation is."""

    _supports_check_mode = True
    _supports_async = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Return the result of the module."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        heartbeat = _heartbeat(self._templar.template(task_vars.get(VARIABLE, HEARTBEAT)))
        operation_id = self._task.args.get("operation_id") or self._new_id()
        if not (heartbeat and operation_id) or self._task.async_val or self._task.check_mode or self._task.no_log:
            return self._unfollowed(task_vars)
        return self._followed(operation_id, heartbeat, task_vars)

    def _unfollowed(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)
        return result

    def _new_id(self) -> str:
        """Return an id for the operation, none for a module that waits for one which has its own."""
        waits = self._task.action.rpartition(".")[2] == "operation"
        return "" if waits else str(uuid.uuid4())

    def _followed(self, operation_id: str, heartbeat: float, task_vars: dict[str, Any]) -> dict[str, Any]:
        job = self._start({**self._task.args, "operation_id": operation_id}, task_vars)
        if "ansible_job_id" not in job:
            # As where the user of the node has no home that a job could be written down in.
            self._tell(
                "Progress is not told, the node cannot run the module as a job; ansible_async_dir says where jobs are "
                f"written down. {job.get('msg', '')}", task_vars,
            )
            return self._unfollowed(task_vars)
        narrator = Narrator(heartbeat)
        pause, failures = _FIRST_PAUSE, 0
        while True:
            time.sleep(pause)
            pause = min(2 * pause, heartbeat)
            try:
                record = self._record(operation_id, task_vars)
                if record is not None:
                    for line in narrator.lines(record):
                        self._tell(f"{record.type}: {line}", task_vars)
                # While the operation runs there is no result: one look is enough.
                result = self._result(job, task_vars) if record is None or record.state not in UNFINISHED else None
            except AnsibleConnectionFailure as error:
                failures += 1
                if failures > _PATIENCE:
                    raise
                self._tell(f"The node does not answer; the operation {operation_id} goes on there. {error}", task_vars)
                self._connection.reset()
                continue
            if result is not None:
                return result
            failures = failures + 1 if record is not None and record.state == INTERRUPTED else 0
            if failures > _PATIENCE:
                raise AnsibleActionFail(
                    f"The operation {operation_id} was interrupted: its process was killed, or the node went down. Run "
                    "it again to go on where it was."
                )

    def _start(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        self._task.async_val = _LIMIT
        try:
            job: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=True)
        finally:
            self._task.async_val = 0
        return job

    def _record(self, operation_id: str, task_vars: dict[str, Any]) -> Record | None:
        """Return the operation as it is now; None where there is none yet."""
        arguments = {"operation_id": operation_id}
        if "config_file" in self._task.args:
            arguments["config_file"] = self._task.args["config_file"]
        shown = self._execute_module("restante.carbonio.operation_info", arguments, task_vars=task_vars)
        return from_json(shown["operations"][0]) if shown.get("operations") else None

    def _result(self, job: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any] | None:
        """Return the result of the module; None where it has not ended."""
        def asked(mode: str) -> dict[str, Any]:
            # Where the node has written it down. What async_dir means there depends on the HOME of who asks.
            directory = posixpath.dirname(job["results_file"])
            arguments = {"jid": job["ansible_job_id"], "mode": mode, "_async_dir": directory}
            answer: dict[str, Any] = self._execute_module(
                "ansible.legacy.async_status", arguments, task_vars=task_vars
            )
            return answer

        result = asked("status")
        if not result.get("finished") and not result.get("failed"):
            return None
        asked("cleanup")
        return {key: value for key, value in result.items() if key not in _OF_THE_JOB}

    def _tell(self, line: str, task_vars: dict[str, Any]) -> None:
        display.display(f"[{task_vars.get('inventory_hostname', '')}] {line}")


def _heartbeat(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError) as error:
        raise AnsibleActionFail(f"{VARIABLE} is {value!r}; give seconds, or 0 for no progress.") from error
    return max(seconds, 0.0)
