# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The restore of an account that is killed at any moment and run again: everything is there once, and nothing twice.

RESTANTE_KILLS sets how many restores are killed (12 by default).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import account_directory
from copy_kit import COPY, Server
from restore_kit import INBOX, mail

COLLECTIONS = Path(__file__).resolve().parents[3] / "build" / "collections"
KILLS = int(os.environ.get("RESTANTE_KILLS", "12"))
ANNA = "anna@example.com"

RESTORE = """
import os, signal, sys
from pathlib import Path
from ansible_collections.restante.carbonio.plugins.module_utils.restore import mailbox
sys.path.insert(0, sys.argv[1])
from copy_kit import Server

path, strategy, die_after = sys.argv[2], sys.argv[3], int(sys.argv[4])
mailbox.WINDOW_ITEMS, mailbox.BATCH_ITEMS = 5, 2
lines = 0

def count(frame, event, argument):
    global lines
    if "/module_utils/" not in frame.f_code.co_filename:
        return None
    if event == "line":
        lines += 1
        if lines == die_after:
            os.kill(os.getpid(), signal.SIGKILL)
    return count

server = Server(Path(path))
sys.settrace(count)
planned = server.plan_new("a-anna", undelete=True) if strategy == "new" else server.plan("a-anna")
report = server.restore(planned)
sys.settrace(None)
print(lines, len(report.unrestored))
"""


def restore(server: Server, strategy: str, die_after: int = 0) -> int:
    """Restore in a process of its own that is killed at a line of the engine; return the lines, 0 for a killed one."""
    done = subprocess.run(
        [sys.executable, "-c", RESTORE, str(Path(__file__).parent), str(server.path), strategy, str(die_after)],
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)}, capture_output=True, text=True, check=False, timeout=300,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    if done.returncode:
        return 0
    lines, unrestored = done.stdout.split()
    assert unrestored == "0"
    return int(lines)


@pytest.mark.parametrize("strategy", ["new", "own"])
def test_a_restore_killed_again_and_again_ends_as_if_it_never_was(
    server: Server, tmp_path: Path, strategy: str
) -> None:
    """R-129: the same items, none of them twice; the source and the quota as they were."""
    with server.changed() as store:
        messages = [mail(store, "a-anna", INBOX, number) for number in range(100, 115)]
    with server.changed() as store:
        store.delete_items("a-anna", messages[::3])
    if strategy == "own":
        server.delete("a-anna")
    pristine, others = tmp_path / "pristine", server.picture()
    for part in ("store", "backup"):
        shutil.copytree(server.path / part, pristine / part)
    lines = restore(server, strategy)
    address = COPY if strategy == "new" else ANNA
    content, entry = server.content(address), server.entry(address)
    chance = random.Random(KILLS)
    deaths = rounds = 0
    while deaths < KILLS // 2:
        rounds += 1
        again = Server(tmp_path / f"killed{rounds}")
        for part in ("store", "backup"):
            shutil.copytree(pristine / part, again.path / part)
        for _unused in range(chance.randrange(1, 5)):
            # A later run has less to do: what is beyond its end is a restore that was not killed.
            deaths += not restore(again, strategy, chance.randrange(1, lines))
        assert restore(again, strategy)
        assert again.content(address) == content
        after = again.entry(address)
        assert after._replace(entry_id="") == entry._replace(entry_id="")
        assert {name: held for name, held in again.picture().items() if name != address} == {
            name: held for name, held in others.items() if name != address
        }
        directory = Path(again.backup_path) / account_directory(after.entry_id)
        assert {path.name.partition("_")[0] for path in directory.iterdir()} == {"map", "id", "restored"}
        planned = again.plan_new("a-anna", undelete=True) if strategy == "new" else again.plan("a-anna")
        assert not again.restore(planned).changed
        assert rounds < 10 * KILLS, "too few restores were killed"
    assert sum(1 for one in server.states(address).values() if one.kind == kinds.MESSAGE) > 20
