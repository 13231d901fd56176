# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The S3 procedure typed by hand, each command a process, and what becomes of operations when they are left."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli import main as main_module
from ansible_collections.restante.carbonio.plugins.module_utils.cli import wrapper
from ansible_collections.restante.carbonio.plugins.module_utils.cli.grammar import Command
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.operations.operation import Removed
from ansible_collections.restante.carbonio.plugins.module_utils.operations.records import FAILED, INTERRUPTED, RUNNING
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.operations import operation
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.recovery import prove
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume, Settings

from tests.servers.endpoint import Endpoint
from tests.servers.moto_server import moto_server

BUCKET = f"backup-of-a-{uuid.uuid4().hex[:8]}"
"""moto's servers of one process share what they hold."""
PATIENCE = 120.0
COMMAND = (sys.executable, "-m", "ansible_collections.restante.carbonio.plugins.module_utils.cli.main")


class Machine:
    """A mail node, and the command line on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config_file = str(root / "etc" / "restante.json")
        places = {name: str(root / name) for name in ("backup_path", "cache_path", "state_path", "mailstore_path")}
        settings_file.save(self.config_file, Settings(**places))
        EmbeddedStore.create(places["mailstore_path"]).close()

    @property
    def node(self) -> Node:
        """The node as its settings say now."""
        return Node.load(self.config_file)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command."""
        # A background job is born deaf to Ctrl+C, and the tests may be run as one.
        return subprocess.Popen(
            ["env", "--default-signal=INT", *COMMAND, "--config-file", self.config_file, *words], text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )

    def run(self, *words: str, typed: str = "") -> tuple[int, str, str]:
        """Run a command to its end; return exit status, output and messages."""
        process = self.start(*words)
        output, messages = process.communicate(typed, timeout=PATIENCE)
        assert "Traceback" not in output + messages
        return process.returncode, output, messages

    def ok(self, *words: str, typed: str = "") -> str:
        """Run a command that has to succeed; return its output."""
        status, output, messages = self.run(*words, typed=typed)
        assert status == 0, messages
        return output


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with moto_server() as server:
        keys = {"aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key}
        boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", **keys).create_bucket(Bucket=BUCKET)
        yield server


def create_bucket(machine: Machine, endpoint: Endpoint, label: str) -> str:
    """Type doCreateBucket; return the Bucket ID that it prints."""
    words = ["core", "doCreateBucket", "CustomS3", BUCKET, endpoint.access_key, "-", endpoint.url, label]
    made = json.loads(machine.ok("--json", *words, "region", "us-east-1", typed=endpoint.secret_key + "\n"))
    return str(made["Bucket ID"])


@pytest.fixture(scope="module")
def node_a(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A node with some mail that has been backed up to the bucket by the command line."""
    machine = Machine(tmp_path_factory.mktemp("a"))
    with contextlib.closing(machine.node.store()) as store:
        sample.fill(store, messages=40)
    bucket_id = create_bucket(machine, endpoint, "of a")
    assert machine.ok("backup", "setBackupVolume", "CustomS3", bucket_id) == "ok\n"
    machine.ok("backup", "doSmartScan", "start", "--sync")
    return machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A fresh node."""
    return Machine(tmp_path)


def await_state(machine: Machine, operation_id: str, *states: str) -> str:
    """Wait until an operation is in one of these states; return it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        state = machine.node.operations.get(operation_id).state
        if state in states:
            return state
        time.sleep(0.05)
    raise AssertionError(f"the operation is not {states}")


def test_the_procedure_recovers_a_node(node_a: Machine, endpoint: Endpoint, machine: Machine) -> None:
    """R-110, R-175, R-176, R-178, R-179, R-181, R-183: the mission's steps 3 and 4, then its two restore steps, word
    for word."""
    bucket_id = create_bucket(machine, endpoint, "of a")
    assert machine.ok("core", "testS3Connection", bucket_id) == "connection ok\n"
    assert bucket_id in machine.ok("core", "listBuckets", "all")
    machine.ok("backup", "doSmartScan", "start", "--progress")
    restore = str(machine.root / "restore") + "/"
    machine.ok(
        "backup", "retrieveMetadataFromArchive", "S3", restore, "bucket_configuration_id", bucket_id, "--progress"
    )
    status, output, messages = machine.run(
        "backup", "doExternalRestore", restore, "blobs_archive", bucket_id, "skip_system_accounts", "false",
        "--progress", "--json",
    )
    assert status == 0, messages
    result = json.loads(output)
    assert result["state"] == "successful" and result["unrestored"] == {}
    assert "phase 2: items" in messages
    assert prove(machine.node, restore).passed


def test_the_secret_is_on_no_command_line_and_in_no_output(machine: Machine, endpoint: Endpoint) -> None:
    create_bucket(machine, endpoint, "x")
    assert endpoint.secret_key not in machine.ok("--json", "core", "listBuckets", "all")
    assert endpoint.secret_key in machine.ok("--json", "core", "listBuckets", "all", "show_secrets", "true")


def test_a_bucket_that_is_not_there_is_refused(machine: Machine, endpoint: Endpoint) -> None:
    """R-308."""
    status, output, messages = machine.run(
        "core", "doCreateBucket", "CustomS3", "missing", "key", "secret", endpoint.url, "label"
    )
    assert (status, output) == (1, "")
    assert "There is no bucket missing" in messages


def test_an_operation_goes_on_when_nobody_waits(node_a: Machine, machine: Machine) -> None:
    printed = json.loads(machine.ok("--json", "backup", "doSmartScan", "start"))
    await_state(machine, printed["operationId"], "successful")


@pytest.fixture
def held_up(machine: Machine) -> Iterator[Callable[[], None]]:
    """An operation of another process that all others of this node have to wait for; calling it lets go."""
    with contextlib.ExitStack() as holding:
        holding.enter_context(machine.node.operations.start("held up"))
        yield holding.close


def test_ctrl_c_leaves_the_operation_to_itself(machine: Machine, held_up: Callable[[], None]) -> None:
    """R-271."""
    process = machine.start("backup", "doSmartScan", "start", "--progress")
    assert process.stderr is not None
    assert "waits for the operations before it" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _unused, messages = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and "The operation goes on" in messages
    held_up()
    await_state(machine, machine.node.operations.list()[-1].id, "successful")


@pytest.mark.parametrize("stop", [["doStopOperation"], ["doStopAllOperations"]])
def test_a_queued_operation_that_is_removed_exits_with_3(
    machine: Machine, held_up: Callable[[], None], stop: list[str]
) -> None:
    """R-266, R-267, R-270."""
    process = machine.start("--sync", "backup", "doSmartScan", "start")
    deadline = time.monotonic() + PATIENCE
    while len(machine.node.operations.list()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    operation_id = machine.node.operations.list()[-1].id
    listed = json.loads(machine.ok("--json", "backup", "getAllOperations"))
    assert [one["state"] for one in listed] == ["running", "queued"]
    machine.ok("backup", *stop, *([operation_id] if stop == ["doStopOperation"] else []))
    _unused, messages = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3
    assert "removed from the queue" in messages


def worker_of(operation_state_path: Path, operation_id: str) -> int:
    """Return the process that holds an operation's lock."""
    lock = os.stat(operation_state_path / "operations" / f"{operation_id}.lock").st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if "FLOCK" in fields and fields[-3].endswith(f":{lock}"):
            return int(fields[4])
    raise AssertionError("nobody holds the lock")


def test_an_operation_that_is_killed_exits_with_4(machine: Machine, held_up: Callable[[], None]) -> None:
    """R-270."""
    process = machine.start("backup", "doSmartScan", "start", "--progress")
    assert process.stderr is not None
    process.stderr.readline()
    operation_id = machine.node.operations.list()[-1].id
    os.kill(worker_of(Path(machine.node.settings.state_path), operation_id), signal.SIGKILL)
    _unused, messages = process.communicate(timeout=PATIENCE)
    assert process.returncode == 4 and "was interrupted" in messages
    assert machine.node.operations.get(operation_id).state == INTERRUPTED


def test_what_is_killed_before_it_has_an_operation_exits_with_4(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """R-270: as by the kernel, for want of memory, while the plan is made."""
    def be_killed(node: Node) -> dict[str, str]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    doomed = Command("test", ("work",), "is killed", be_killed, works_long=True)
    monkeypatch.setattr(main_module, "COMMANDS", (doomed,))
    for option in ("--sync", "--json"):
        assert main_module.main(["--config-file", machine.config_file, option, "test", "work"]) == 4
        told = capsys.readouterr()
        assert told.out == "" and "test work was interrupted" in told.err


def test_an_operation_before_the_one_that_was_asked_for_can_be_removed_too(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """R-270: as the scan before a restore."""
    def be_removed(node: Node) -> dict[str, str]:
        raise Removed("The operation was removed from the queue.")

    removed = Command("test", ("work",), "is removed", be_removed, works_long=True)
    monkeypatch.setattr(main_module, "COMMANDS", (removed,))
    assert main_module.main(["--config-file", machine.config_file, "test", "work"]) == 3
    assert "was removed from the queue" in capsys.readouterr().err


def test_a_fault_of_ours_is_a_sentence_too(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stumble(node: Node) -> None:
        raise KeyError("x")

    monkeypatch.setattr(main_module, "COMMANDS", (Command("test", ("work",), "stumbles", stumble),))
    assert main_module.main(["--config-file", machine.config_file, "test", "work"]) == 1
    assert "a fault in restante.carbonio, not in your input: KeyError('x')" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_what_is_printed_fits_every_terminal(machine: Machine, encoding: str) -> None:
    """Also a name in bytes that are no text, and one that would drive the terminal."""
    with contextlib.closing(machine.node.store()) as store:
        store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("ann", kinds.ACCOUNT, "émile😀@example.com", {"displayName": ("\x1b]2;\x9b",)}))
    machine.ok("backup", "doSmartScan", "start", "--sync")

    def printed(*words: str) -> bytes:
        done = subprocess.run(
            [*COMMAND, "--config-file", machine.config_file, *words], check=False, timeout=PATIENCE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": encoding},
        )
        assert b"Traceback" not in done.stdout and not {"\x1b", "\x9b"} & set(done.stdout.decode(encoding))
        return done.stdout

    assert json.loads(printed("--json", "backup", "getAvailableAccounts"))[0]["name"] == "émile😀@example.com"
    assert b"@example.com" in printed("backup", "getAvailableAccounts")
    assert b"knows no account" in printed("backup", "getAccountInfo", "\x1b]2;é😀")


def test_an_operation_that_is_stopped_exits_with_2(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-270."""
    def work_until_stopped(node: Node) -> dict[str, str]:
        with operation(node, "work", {}) as running:
            node.operations.request_stop(running.id)
            while not running.stopping():
                time.sleep(0.01)
        return {}

    endless = Command("test", ("work",), "works until it is told to stop", work_until_stopped, works_long=True)
    monkeypatch.setattr(main_module, "COMMANDS", (endless,))
    assert main_module.main(["--config-file", machine.config_file, "--sync", "test", "work"]) == 2


def test_bad_input_is_told_before_any_operation_begins(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for words, sentence in (
        (["doExternalRestore", str(tmp_path / "empty")], "holds no backup"),
        (["doExternalRestore", machine.node.settings.backup_path], "holds no backup"),
        (["retrieveMetadataFromArchive", "S3", "/x"], "either by its bucket_configuration_id"),
        (["retrieveMetadataFromArchive", "Local", str(tmp_path / "none"), "/x"], "There is no directory"),
    ):
        status, output, messages = machine.run("backup", *words)
        assert status == 1 and output == "" and sentence in messages
    assert machine.node.operations.list() == []


def test_an_operation_that_fails_exits_with_1_and_its_reason(machine: Machine) -> None:
    """R-270."""
    volume = BackupVolume("local", str(machine.root / "gone"))
    settings_file.save(machine.config_file, dataclasses.replace(machine.node.settings, backup_volume=volume))
    status, output, messages = machine.run("backup", "doSmartScan", "start", "--sync")
    assert status == 1 and "There is no directory" in messages and output == ""
    assert machine.node.operations.list()[-1].state == FAILED


def test_settings_that_are_missing_are_told(machine: Machine) -> None:
    """R-303."""
    os.unlink(machine.config_file)
    status, _unused, messages = machine.run("backup", "getBackupInfo")
    assert status == 1 and "does not exist" in messages


def test_notifications_can_be_read(node_a: Machine) -> None:
    """R-278."""
    listed = json.loads(node_a.ok("--json", "core", "getNotification"))
    assert "SmartScan: ended" in [note["subject"] for note in listed]
    shown = json.loads(node_a.ok("--json", "core", "getNotification", "id", listed[0]["id"]))
    assert "New accounts" in shown[0]["text"]


def test_the_program_in_one_file_needs_no_installation(machine: Machine) -> None:
    program = machine.root / "restante"
    program.write_bytes(wrapper.build(machine.config_file, sys.executable))
    program.chmod(0o755)
    done = subprocess.run(
        [program, "--json", "powerstore", "getAllVolumes"], stdout=subprocess.PIPE, env={"PATH": os.environ["PATH"]},
        cwd="/", check=True, timeout=PATIENCE,
    )
    assert [volume["name"] for volume in json.loads(done.stdout)] == ["message1"]
    assert wrapper.build(machine.config_file, sys.executable) == program.read_bytes(), "the same engine, the same bytes"


def test_running_is_what_the_queue_says(machine: Machine, held_up: Callable[[], None]) -> None:
    shown = json.loads(machine.ok("--json", "backup", "monitor", machine.node.operations.list()[0].id))
    assert shown["state"] == RUNNING


def test_what_the_caller_has_closed_is_no_fault(machine: Machine) -> None:
    """As `restante ... >&-` from a wrapper: what is opened next must not take its place."""
    command = " ".join([*COMMAND, "--config-file", machine.config_file, "backup", "getBackupInfo"])
    done = subprocess.run(
        ["sh", "-c", f"exec {command} <&- >&- 2>&-"], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == 0
