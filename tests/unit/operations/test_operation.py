# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotFound, Refused
from ansible_collections.restante.carbonio.plugins.module_utils.operations import operation as ops
from ansible_collections.restante.carbonio.plugins.module_utils.operations import records

COLLECTIONS = Path(__file__).resolve().parents[3] / "build" / "collections"

HOLD = """
import sys
from ansible_collections.restante.carbonio.plugins.module_utils.operations.operation import Operations
with Operations(sys.argv[1]).start("SmartScan") as operation:
    print(operation.id, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another_process(state: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run an operation in a process of its own until its standard input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition that another thread or process brings about."""
    waiting = threading.Event()
    for _unused in range(3000):
        if condition():
            return
        waiting.wait(0.01)
    pytest.fail("It never came about.")


def test_an_operation_is_recorded_from_start_to_end(tmp_path: Path) -> None:
    operations = ops.Operations(str(tmp_path))
    with operations.start("SmartScan", {"deep": True}, initiator="admin@example.com") as operation:
        operation.phase("scanning", items=10, bytes_=1000)
        operation.advance(4, 400)
        running = operations.get(operation.id)
        assert (running.state, running.type, running.initiator) == ("running", "SmartScan", "admin@example.com")
        assert (running.phase, running.items_total, running.bytes_total) == ("scanning", 10, 1000)
        operation.phase("committing")
        operation.record.result = {"items": 4}
    ended = operations.get(operation.id)
    assert (ended.state, ended.error, ended.result) == ("successful", "", {"items": 4})
    assert [(phase["name"], phase["items"], phase["bytes"]) for phase in ended.phases] == [
        ("scanning", 4, 400), ("committing", 0, 0),
    ]
    assert ended.submitted <= ended.started <= ended.finished
    assert ended.parameters == {"deep": True}


def test_a_failed_operation_keeps_the_sentence_of_its_error(tmp_path: Path) -> None:
    operations = ops.Operations(str(tmp_path))
    with pytest.raises(Refused), operations.start("External Restore") as operation:
        raise Refused("The bucket refused the credentials.")
    record = operations.get(operation.id)
    assert (record.state, record.error) == ("failed", "The bucket refused the credentials.")


def test_an_operation_that_is_told_to_stop_ends_as_stopped(tmp_path: Path) -> None:
    """R-266."""
    operations = ops.Operations(str(tmp_path))
    with operations.start("SmartScan") as operation:
        assert operations.request_stop(operation.id)
        until(operation.stopping)
    assert operations.get(operation.id).state == "stopped"
    assert not operations.request_stop(operation.id)


def test_work_that_ended_before_it_heard_of_the_request_is_successful(tmp_path: Path) -> None:
    operations = ops.Operations(str(tmp_path))
    with operations.start("SmartScan") as operation:
        operations.request_stop(operation.id)
    assert operations.get(operation.id).state == "successful"


def test_operations_run_one_at_a_time_in_the_order_of_submission(tmp_path: Path) -> None:
    """R-262."""
    operations = ops.Operations(str(tmp_path))
    order: list[int] = []
    alone = threading.Lock()

    def run(number: int) -> None:
        with operations.start("SmartScan"):
            assert alone.acquire(blocking=False), "two at once"
            order.append(number)
            alone.release()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(5)]
    with operations.start("SmartScan"):
        for count, thread in enumerate(threads, 2):
            thread.start()
            until(lambda count=count: len(operations.list()) == count)  # type: ignore[misc]
        assert [record.state for record in operations.list()] == ["running"] + ["queued"] * 5
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
    assert {record.state for record in operations.list()} == {"successful"}


def test_the_queue_of_volumes_does_not_wait_for_that_of_backups(tmp_path: Path) -> None:
    """R-263."""
    operations = ops.Operations(str(tmp_path))
    with operations.start("SmartScan"), operations.start("doDeduplicate", queue=records.VOLUME_QUEUE) as second:
        assert operations.get(second.id).state == "running"


def test_a_queued_operation_that_is_told_to_stop_is_removed(tmp_path: Path) -> None:
    """R-266, R-267."""
    operations = ops.Operations(str(tmp_path))
    raised: list[BaseException] = []

    def wait_in_vain() -> None:
        try:
            with operations.start("External Restore"):
                pytest.fail("It began.")
        except ops.Removed as error:
            raised.append(error)

    thread = threading.Thread(target=wait_in_vain)
    with operations.start("SmartScan") as first:
        thread.start()
        until(lambda: len(operations.list()) == 2)
        assert operations.stop_all() == 2
        thread.join()
        until(first.stopping)
    assert len(raised) == 1
    assert [record.state for record in operations.list()] == ["stopped", "removed"]


def test_an_operation_whose_process_was_killed_is_interrupted_and_holds_up_nobody(tmp_path: Path) -> None:
    operations = ops.Operations(str(tmp_path))
    with another_process(tmp_path) as (killed, process):
        assert operations.get(killed).state == "running"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert operations.get(killed).state == "interrupted"
    with operations.start("SmartScan"):
        assert [record.state for record in operations.list()] == ["interrupted", "running"]
    assert operations.get(killed).state == "interrupted"


def test_one_waits_for_an_operation_of_another_process(tmp_path: Path) -> None:
    operations = ops.Operations(str(tmp_path))
    began = threading.Event()

    def follow() -> None:
        with operations.start("External Restore"):
            began.set()

    thread = threading.Thread(target=follow)
    with another_process(tmp_path) as (_unused, process):
        thread.start()
        until(lambda: len(operations.list()) == 2)
        assert not began.is_set()
        assert process.stdin is not None
        process.stdin.close()
        thread.join()
    assert [record.state for record in operations.list()] == ["successful", "successful"]


def test_an_unknown_operation_is_named(tmp_path: Path) -> None:
    operations = ops.Operations(str(tmp_path))
    assert operations.list() == []
    for name in ("7c1e", "../7c1e", "", "a\0b"):
        with pytest.raises(NotFound, match="no operation"):
            operations.get(name)


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(Refused, match="state_path"), ops.Operations(str(tmp_path / "state")).start("SmartScan"):
        pytest.fail("It began.")


def test_records_are_private(tmp_path: Path) -> None:
    with ops.Operations(str(tmp_path)).start("SmartScan") as operation:
        operation.phase("scanning")
    directory = tmp_path / "operations"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()} == {0o600}


def test_only_so_many_finished_operations_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "KEPT", 3)
    operations = ops.Operations(str(tmp_path))
    ids = []
    for _unused in range(6):
        with operations.start("SmartScan") as operation:
            ids.append(operation.id)
    # The newest was still running when the oldest were forgotten.
    assert [record.id for record in operations.list()] == ids[-4:]
    assert [record.number for record in operations.list()] == [3, 4, 5, 6]


def test_a_record_cut_short_by_a_power_failure_is_as_good_as_none(tmp_path: Path) -> None:
    operations = ops.Operations(str(tmp_path))
    with operations.start("SmartScan") as operation:
        pass
    (tmp_path / "operations" / f"{operation.id}.json").write_text('{"id": "')
    assert operations.list() == []


def test_the_states_have_the_documented_exit_codes() -> None:
    """R-270."""
    assert [records.EXIT_CODES[state] for state in ("successful", "failed", "stopped", "removed", "interrupted")] == [
        0, 1, 2, 3, 4,
    ]


def test_a_disk_that_has_become_read_only_is_said_once_and_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed is what is told, not that the files of the operation cannot be removed on top of it."""
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    operations = ops.Operations(str(tmp_path))
    with pytest.raises(Refused, match="the pack cannot be written"), operations.start("SmartScan"):
        monkeypatch.setattr(records.os, "unlink", refuse)
        monkeypatch.setattr(records.os, "replace", refuse)
        raise Refused("the pack cannot be written")


def test_an_operation_that_cannot_be_recorded_when_its_turn_comes_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, writes = os.fsync, [0]

    def fsync(descriptor: int) -> None:
        writes[0] += 1
        if writes[0] == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(records.os, "fsync", fsync)
    with pytest.raises(Refused, match="cannot be recorded in"), ops.Operations(str(tmp_path)).start("SmartScan"):
        pytest.fail("It was begun.")
