# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller tells of operations, on two nodes at once, and that the modules' results stay their own."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.operations.operation import Operations
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.operations import end
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings
from playbook_kit import ANSIBLE, TIMEOUT, environment

NODES = ("one", "two")
OF_A_RUN = ("operation_id", "report", "stats", "invocation")
"""What differs between two runs of a module on two nodes."""


class Nodes:
    """Two nodes with some mail, and playbooks that are run on both."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in NODES:
            settings = Settings(
                **{place: str(root / name / place) for place in ("backup_path", "state_path", "mailstore_path")},
                cache_path=str(root / "cache"),
            )
            settings_file.save(self.config_file(name), settings)
            with contextlib.closing(EmbeddedStore.create(settings.mailstore_path)) as store:
                store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
                store.create_entry(Entry("a", kinds.ACCOUNT, "ann@example.com"))

    def config_file(self, name: str) -> str:
        """Return the settings file of a node."""
        return str(self.root / name / "restante.json")

    def operations(self, name: str) -> Operations:
        """Return the operations of a node."""
        return Operations(str(self.root / name / "state_path"))

    @contextlib.contextmanager
    def playing(
        self, tasks: Sequence[Mapping[str, Any]], variables: Mapping[str, Mapping[str, Any]] | None = None,
        hosts: Sequence[str] = NODES,
    ) -> Iterator[tuple[subprocess.Popen[str], queue.Queue[str]]]:
        """Run tasks on nodes; give the process and the lines that it prints, an empty one at their end."""
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory, playbook = self.root / "inventory.json", self.root / "tasks.yml"
        inventory.write_text(json.dumps({"all": {"hosts": {
            name: {
                **local, "config_file": self.config_file(name), "restante_progress_seconds": 0.3,
                **(variables or {}).get(name, {}),
            }
            for name in hosts
        }}}), encoding="utf-8")
        defaults = {"group/restante.carbonio.all": {"config_file": "{{ config_file }}"}}
        play = {"hosts": "all", "gather_facts": False, "module_defaults": defaults, "tasks": list(tasks)}
        playbook.write_text(json.dumps([play]), encoding="utf-8")
        process = subprocess.Popen(
            [str(ANSIBLE), "-i", str(inventory), str(playbook)], env=environment(self.root), cwd=self.root, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )
        lines: queue.Queue[str] = queue.Queue()

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                lines.put(line.rstrip("\n"))
            lines.put("")

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield process, lines
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            reader.join()

    def play(
        self, tasks: Sequence[Mapping[str, Any]], variables: Mapping[str, Mapping[str, Any]] | None = None,
        hosts: Sequence[str] = NODES,
    ) -> tuple[list[str], list[dict[str, Any]]]:
        """Run tasks on nodes to their end; return the lines that were printed, and what became of the tasks."""
        record = self.root / "results.jsonl"
        record.unlink(missing_ok=True)
        printed: list[str] = []
        with self.playing(tasks, variables, hosts) as (process, lines):
            process.wait(TIMEOUT)
            while not lines.empty() or not printed:
                printed.append(lines.get(timeout=TIMEOUT))
        return printed, [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    return Nodes(tmp_path)


def await_line(lines: queue.Queue[str], *wanted: str) -> None:
    """Read lines until each of these has come."""
    missing, seen = set(wanted), []
    while missing:
        seen.append(lines.get(timeout=TIMEOUT))
        missing = {text for text in missing if text not in seen[-1]}
        assert not (missing and seen[-2:] == ["", ""]), "\n".join(seen)


def test_both_nodes_tell_how_far_they_are_while_they_work(nodes: Nodes) -> None:
    """R-269: held up in their queues, both say so; let go, each tells its phases to the end."""
    with contextlib.ExitStack() as held_up:
        for name in NODES:
            held_up.enter_context(nodes.operations(name).start("Purge"))
        with nodes.playing([{"restante.carbonio.smartscan": {}}]) as (process, lines):
            await_line(lines, *(f"[{name}] SmartScan: waits for the operations before it" for name in NODES))
            held_up.close()
            await_line(lines, *(f"[{name}] SmartScan: mailboxes: done, " for name in NODES))
            assert process.wait(TIMEOUT) == 0
    assert {nodes.operations(name).list()[-1].state for name in NODES} == {"successful"}


def test_results_are_those_of_the_module_whether_progress_is_told_or_not(nodes: Nodes) -> None:
    tasks = [
        {"name": "foretold", "restante.carbonio.smartscan": {}, "check_mode": True, "diff": True},
        {"name": "scanned", "restante.carbonio.smartscan": {}, "diff": True},
        {"name": "scanned again", "restante.carbonio.smartscan": {}, "diff": True},
        {"name": "refused", "restante.carbonio.external_restore": {"source_path": "/none"}, "ignore_errors": True},
        {"name": "in the background", "restante.carbonio.smartscan": {"deep": True}, "async": 600, "poll": 1},
        {"name": "nothing runs", "restante.carbonio.operation": {"all": True}},
    ]
    printed, results = nodes.play(tasks, {"two": {"restante_progress_seconds": 0}})
    one, two = (results[index::2] for index in (0, 1))
    assert len(one) == len(two) == len(tasks)
    for told, silent in zip(one, two):
        assert told["task"] == silent["task"] and told["outcome"] == silent["outcome"]
        assert set(told["result"]) == set(silent["result"]), told["task"]
        for name in set(told["result"]) - {*OF_A_RUN, "ansible_job_id", "results_file", "diff", "exception"}:
            assert told["result"][name] == silent["result"][name], (told["task"], name)
        assert bool(told["result"].get("diff")) == bool(silent["result"].get("diff"))
    assert [result["result"]["changed"] for result in one] == [True, True, False, False, False, False]
    assert any(line.startswith("[one] SmartScan: mailboxes: done, ") for line in printed)
    assert not any(line.startswith("[two]") for line in printed)


def test_a_module_that_waits_for_an_operation_tells_of_it(nodes: Nodes) -> None:
    with nodes.operations("one").start("Purge") as running:
        running.phase("repacking", 10)
        task = {"restante.carbonio.operation": {"operation_id": running.id, "state": "finished"}}
        with nodes.playing([task], hosts=["one"]) as (process, lines):
            await_line(lines, "[one] Purge: repacking")
            running.advance(4)
            running.phase("removing files")
            await_line(lines, "[one] Purge: repacking: done, 4 items", "[one] Purge: removing files")
            assert process.poll() is None
            running.finish("successful")
            assert process.wait(TIMEOUT) == 0


def test_an_operation_goes_on_when_the_controller_is_gone(nodes: Nodes) -> None:
    """R-271: as with Ctrl+C in the command line."""
    operations = nodes.operations("one")
    with operations.start("Purge"):
        with nodes.playing([{"restante.carbonio.smartscan": {}}], hosts=["one"]) as (process, lines):
            await_line(lines, "[one] SmartScan: waits for the operations before it")
            os.killpg(process.pid, signal.SIGKILL)
    node = Node.load(nodes.config_file("one"))
    left = operations.list()[-1]
    assert end(node, left.id, timeout=TIMEOUT)["operations"][0]["state"] == "successful"


def test_an_operation_that_is_removed_fails_its_task_and_so_does_a_heartbeat_that_is_none(nodes: Nodes) -> None:
    """R-266."""
    operations = nodes.operations("one")
    task = {"restante.carbonio.smartscan": {}}
    with operations.start("Purge"), nodes.playing(
        [task], {"two": {"restante_progress_seconds": "often"}}
    ) as (process, lines):
        await_line(lines, "restante_progress_seconds is 'often'", "[one] SmartScan: waits for the operations before it")
        operations.request_stop(operations.list()[-1].id)
        await_line(lines, "was removed from the queue before it began")
        assert process.wait(TIMEOUT) == 2
