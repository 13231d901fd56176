# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A scan that is killed at any moment and run again: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COLLECTIONS = Path(__file__).resolve().parents[3] / "build" / "collections"

SCAN = """
import os, signal, sys
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.scan.recorder import Cadence
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan

path, die_after = sys.argv[1], int(sys.argv[2])
lines = 0

def count(frame, event, argument):
    global lines
    if event == "line" and "/module_utils/" in frame.f_code.co_filename:
        lines += 1
        if lines == die_after:
            os.kill(os.getpid(), signal.SIGKILL)
    return count

store, repository = EmbeddedStore.open(path + "/store"), Repository.open(path + "/backup")
sys.settrace(count)
with repository.writer() as writer:
    smart_scan(store, writer, cadence=Cadence(pending=30_000))
sys.settrace(None)
print(lines)
"""


def scan_and_die(node: Any, die_after: int) -> subprocess.CompletedProcess[str]:
    """Scan in a process of its own that kills itself before the given line of the engine."""
    return subprocess.run(
        [sys.executable, "-c", SCAN, str(node.path), str(die_after)],
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)}, capture_output=True, text=True, check=False,
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_scan_killed_again_and_again_ends_as_if_it_never_was(node: Any, seed: int) -> None:
    """R-227."""
    chance = random.Random(seed)
    accounts = [node.account(name) for name in ("anna", "bruno")]
    for account in accounts:
        node.mail(account, *(f"{account} {number % 25} ".encode() * 200 for number in range(30)))
    deaths = 0
    for _unused in range(12):
        died = scan_and_die(node, chance.randrange(1, 12_000))
        assert died.returncode in (0, -signal.SIGKILL), died.stderr
        deaths += died.returncode != 0
        account = chance.choice(accounts)
        messages = [state for state in node.store.changes(account).items if int(state.item_id) >= 256]
        gone, flagged = chance.sample(messages, 2)
        node.store.delete_items(account, [gone.item_id])
        node.store.update_item(account, flagged._replace(flags=chance.choice("fru")))
        node.mail(account, f"new {chance.random()}".encode())
    assert deaths, "no scan was killed; the lines to die after are too many"
    node.repository.refresh()
    node.scan()
    assert node.repository.damages() == []
    for account in accounts:
        assert node.recorded(account) == node.live(account)
        for item in {last.item_id for last in node.repository.states(account, deleted=True)}:
            states = [last.state and last.state.to_json() for last in node.repository.history(account, item)]
            assert all(one != other for one, other in zip(states, states[1:])), f"{item} is recorded twice"
        for last in node.repository.states(account):
            if last.state.digest:
                assert len(node.repository.read_blob(last.state.digest)) == last.state.size
    assert not node.scan().changed
