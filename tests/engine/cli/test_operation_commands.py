# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Operations of both queues, as the command line lists, follows and stops them."""

from __future__ import annotations

import contextlib
import json
import platform
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import RestanteError
from ansible_collections.restante.carbonio.plugins.module_utils.operations.operation import Operations
from ansible_collections.restante.carbonio.plugins.module_utils.operations.records import (
    BACKUP_QUEUE,
    QUEUED,
    UNFINISHED,
    VOLUME_QUEUE,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings

UNKNOWN = "7e3a4d6c-0000-4000-8000-000000000000"


class Machine:
    """A node, its command line in this process, and operations that work until they are told to stop."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.state_path = str(root / "state")
        self._config_file = str(root / "restante.json")
        self.operations = Operations(self.state_path)
        self._capsys = capsys
        settings_file.save(self._config_file, Settings(state_path=self.state_path, time_zone="UTC"))

    def run(self, *words: str) -> tuple[int, str, str]:
        """Type a command; return exit status, output and messages."""
        status = main(["--config-file", self._config_file, *words])
        told = self._capsys.readouterr()
        return status, told.out, told.err

    def answer(self, *words: str) -> Any:
        """Return what a command answers that succeeds."""
        status, output, messages = self.run("--json", *words)
        assert status == 0, messages
        return json.loads(output)

    @contextlib.contextmanager
    def working(self, type_: str, queue_name: str = BACKUP_QUEUE, items: int = 0) -> Iterator[str]:
        """Run an operation that counts its items, then works until it is told to stop; give its id."""
        ids: queue.Queue[str] = queue.Queue()

        def work() -> None:
            operations = Operations(self.state_path, ids.put)
            with contextlib.suppress(RestanteError), operations.start(type_, {}, "ann", queue_name) as operation:
                operation.phase("counting", items)
                operation.advance(items, items * 1_000_000)
                while not items and not operation.stopping():
                    threading.Event().wait(0.01)

        idle = all(record.state not in UNFINISHED or record.queue != queue_name for record in self.operations.list())
        thread = threading.Thread(target=work)
        thread.start()
        try:
            operation_id = ids.get(timeout=30)
            while idle and self.operations.get(operation_id).state == QUEUED:  # its turn has come; let it begin
                thread.join(0.01)
            yield operation_id
        finally:
            self.operations.stop_all()
            thread.join()


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path, capsys)


def test_running_and_queued_operations_are_listed_with_the_documented_columns(machine: Machine) -> None:
    """R-265, R-276."""
    with machine.working("SmartScan") as first, machine.working("External Restore") as second:
        listed = machine.answer("backup", "getAllOperations")
        assert [(one["id"], one["type"]) for one in listed] == [(first, "SmartScan"), (second, "External Restore")]
        assert {one["node"] for one in listed} == {platform.node()}
        assert all(one["initiator"] == "ann" and one["submitted"].count("/") == 2 for one in listed)
        assert listed[1]["state"] == "queued" and listed[1]["started"] == ""
        verbose = machine.answer("backup", "getAllOperations", "verbose", "true")
        assert [one["parameters"] for one in verbose] == [{}, {}]


def test_each_queue_has_commands_of_its_own(machine: Machine) -> None:
    """R-263."""
    with machine.working("SmartScan") as backup, machine.working("Deduplicate", VOLUME_QUEUE) as volume:
        assert [one["id"] for one in machine.answer("powerstore", "getAllOperations")] == [volume]
        assert [one["id"] for one in machine.answer("backup", "getAllOperations")] == [backup]
        assert {one["id"] for one in machine.answer("core", "getAllOperations")} == {backup, volume}
        assert machine.answer("powerstore", "doStopAllOperations") == "stop requested of 1 operations"
        assert machine.run("powerstore", "monitor", volume, "--sync")[0] == 2
        assert [one["id"] for one in machine.answer("core", "getAllOperations")] == [backup]


def test_the_logs_tell_what_has_ended_and_what_ended_before_its_time(machine: Machine) -> None:
    """R-279."""
    with machine.working("SmartScan", items=1) as whole:
        assert machine.run("backup", "monitor", whole, "--sync")[0] == 0
    with machine.working("External Restore") as stopped:
        machine.answer("backup", "doStopOperation", stopped)
        assert machine.run("backup", "monitor", stopped, "--sync")[0] == 2
    assert [one["state"] for one in machine.answer("core", "getOperationLog")] == ["successful", "stopped"]
    assert [one["id"] for one in machine.answer("core", "getUnfinishedOperationLog")] == [stopped]


def test_an_operation_can_be_followed_to_its_end(machine: Machine) -> None:
    """R-269, R-271: what was left with Ctrl+C is looked at again."""
    with machine.working("SmartScan", items=7) as followed:
        status, output, messages = machine.run("backup", "monitor", followed, "--progress", "--json")
    assert status == 0 and json.loads(output)["state"] == "successful"
    assert "counting: done, 7 items, 7.0 MB in" in messages


def test_an_operation_of_another_host_is_looked_at_there(machine: Machine) -> None:
    with machine.working("SmartScan") as operation_id:
        for host in ("localhost", platform.node()):
            assert machine.answer("backup", "monitor", operation_id, "operation_host", host)["id"] == operation_id
        status, output, messages = machine.run("backup", "monitor", operation_id, "operation_host", "mail9")
        assert (status, output) == (1, "") and "type this command on mail9" in messages


@pytest.mark.parametrize("words", [["monitor"], ["doStopOperation"], ["monitor", "--progress"]])
def test_an_operation_that_is_not_known_is_named(machine: Machine, words: list[str]) -> None:
    status, output, messages = machine.run("backup", words[0], UNKNOWN, *words[1:])
    assert (status, output) == (1, "") and f"no operation {UNKNOWN}" in messages


def test_no_id_is_no_operation(machine: Machine) -> None:
    """R-269: as where a script's variable is empty; it must not show, or wait for, whatever came first."""
    with machine.working("SmartScan", items=1):
        pass
    for words in (["monitor", ""], ["monitor", "", "--sync"], ["doStopOperation", ""]):
        status, output, messages = machine.run("backup", *words)
        assert (status, output) == (1, "") and "operation_uuid is empty" in messages


def test_stopping_what_has_ended_is_no_error(machine: Machine) -> None:
    """R-266."""
    with machine.working("SmartScan", items=1) as ended:
        machine.run("backup", "monitor", ended, "--sync")
    assert machine.answer("backup", "doStopOperation", ended) == "the operation has ended already"
    assert machine.answer("backup", "doStopAllOperations") == "stop requested of 0 operations"
