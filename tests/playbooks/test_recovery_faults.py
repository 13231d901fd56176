# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A recovery that fails, or is killed: everything is put back, and running it again completes it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.recovery import OPERATION, prove
from playbook_kit import PLAYBOOKS, command, environment, run
from recovery_kit import NodeA, recovery_variables

from tests.servers.faulty_proxy import ERROR_500, FaultyProxy, faulty_proxy

RECOVERY = PLAYBOOKS / "s3_recovery.yml"
BEFORE = ("--skip-tags", "external_restore,final_smartscan")
RESTORE = ("--tags", "external_restore")
PATIENCE = 300.0


@pytest.fixture
def proxy(node_a: NodeA) -> Iterator[FaultyProxy]:
    with faulty_proxy(node_a.endpoint.url) as proxy:
        yield proxy


def node_of(root: Path) -> Node:
    return Node.load(str(root / "etc" / "restante.json"))


def is_tuned(root: Path) -> bool:
    """Return whether the node is set for a restore in any way."""
    node = node_of(root)
    with contextlib.closing(node.store()) as store:
        compressed = any(volume.compressed for volume in store.volumes())
        return compressed or not store.redo_log() or not node.settings.realtime_scanner


def test_a_restore_that_fails_leaves_the_node_as_it_was_and_can_be_run_again(
    node_a: NodeA, proxy: FaultyProxy, tmp_path: Path
) -> None:
    variables = {
        **recovery_variables(node_a, tmp_path), "s3_recovery_bucket_url": proxy.url, "s3_recovery_backup_volume": False,
    }
    assert run(RECOVERY, variables, tmp_path, *BEFORE).status == 0

    proxy.decide = lambda method, path: ERROR_500 if "/packs/" in path else ""
    failed = run(RECOVERY, variables, tmp_path, *RESTORE, "-e", "s3_recovery_fail_on_unrestored=true")
    assert failed.status != 0
    assert failed.named("Tune the mail server for the restore")[0].changed
    assert "Traceback" not in failed.output
    assert not is_tuned(tmp_path)

    proxy.decide = lambda method, path: ""
    done = run(RECOVERY, variables, tmp_path, *RESTORE)
    assert done.status == 0, done.output
    assert prove(node_of(tmp_path), str(tmp_path / "restore")).passed


def processes_below(pid: int) -> list[int]:
    """Return the ids of a process and of all that it has begun, directly or not."""
    parents = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def items_done(root: Path) -> int:
    """Return how far the present restore is."""
    running = [record for record in node_of(root).operations.list() if record.type == OPERATION]
    return running[-1].items_done if running and "items" in running[-1].phase else 0


def test_a_recovery_that_is_killed_is_completed_by_running_it_again(node_a: NodeA, tmp_path: Path) -> None:
    variables = {**recovery_variables(node_a, tmp_path), "s3_recovery_backup_volume": False}
    assert run(RECOVERY, variables, tmp_path, *BEFORE).status == 0

    playbook = subprocess.Popen(
        command(RECOVERY, variables, tmp_path, RESTORE), env=environment(tmp_path), cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + PATIENCE
    while not items_done(tmp_path) and playbook.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in processes_below(playbook.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert playbook.wait() == -signal.SIGKILL, "it was over before it could be killed"
    assert is_tuned(tmp_path)

    done = run(RECOVERY, variables, tmp_path, *RESTORE)
    assert done.status == 0, done.output
    assert not is_tuned(tmp_path), "the note of how things were is lost"
    proven = prove(node_of(tmp_path), str(tmp_path / "restore"))
    assert proven.passed, proven.differences[:5]
    assert sum(proven.foreign.values()) == 0, "something is there twice"
    assert run(RECOVERY, variables, tmp_path, *RESTORE).changed() == []
