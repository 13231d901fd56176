# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A recovery that is killed again and again ends in what an undisturbed one ends in."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import import_id_of, read_map
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import recovery, settings
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan

from tools.drill import manifest

CHECKOUT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("RESTANTE_KILLS", "50"))
SEED = int(os.environ.get("RESTANTE_SEED", "7"))
MESSAGES = 600


def lost_node(path: Path) -> tuple[str, str]:
    """Fill a mail store and back it up; return its Backup Path and its server id."""
    with contextlib.closing(EmbeddedStore.create(str(path / "store"))) as store:
        store.set_redo_log(False)
        sample.fill(store, seed=SEED, messages=MESSAGES)
        with contextlib.closing(Repository.create(str(path / "backup"), store.server_id())) as repository:
            with repository.writer() as writer:
                smart_scan(store, writer)
        return str(path / "backup"), store.server_id()


def fresh_node(path: Path) -> str:
    """Make an empty node; return its settings file."""
    path.mkdir()
    config_file = str(path / "restante.json")
    places = {f"{name}_path": str(path / name) for name in ("backup", "cache", "state", "mailstore")}
    settings.save(config_file, settings.Settings(**places))
    EmbeddedStore.create(places["mailstore_path"]).close()
    return config_file


def recovery_process(config_file: str, source: str) -> subprocess.Popen[bytes]:
    """Begin a recovery in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.drill.recover_once", config_file, source, f"{Path(config_file).parent}/restore"],
        cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": str(CHECKOUT / "build" / "collections")},
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )


def recover(config_file: str, source: str) -> float:
    """Run a recovery to its end; return the seconds it took."""
    started = time.monotonic()
    process = recovery_process(config_file, source)
    _output, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    return time.monotonic() - started


def held(config_file: str) -> Counter[manifest.Line]:
    """Return what a node holds."""
    with contextlib.closing(Node.load(config_file).store()) as store:
        return Counter(manifest.lines(store))


def test_killed_at_random_points_it_ends_as_if_undisturbed(tmp_path: Path) -> None:
    """R-129: nothing is lost and nothing is there twice, however often the recovery was killed."""
    source, server_id = lost_node(tmp_path / "a")
    undisturbed = fresh_node(tmp_path / "undisturbed")
    seconds = recover(undisturbed, source)

    chance = random.Random(SEED)
    killed = fresh_node(tmp_path / "killed")
    kills = 0
    for _attempt in range(KILLS * 3):
        started = time.monotonic()
        process = recovery_process(killed, source)
        try:
            # Short lives first: what is done needs no second run, and the later kills should find work left.
            process.communicate(timeout=chance.uniform(0.05, seconds * min(1.0, 0.4 + kills / KILLS)))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.communicate()
            kills += 1
        else:
            seconds = time.monotonic() - started  # all is there: from now on, a run takes less
        if kills == KILLS:
            break
    assert kills == KILLS
    recover(killed, source)

    assert held(killed) == held(undisturbed)
    report = recovery.prove(Node.load(killed), f"{tmp_path}/killed/restore")
    assert report.passed, report.to_json()
    assert set(report.foreign) <= {kinds.FOLDER}, "something is there that is no copy of anything"
    import_id = import_id_of(f"{tmp_path}/killed/backup", server_id)
    assert import_id
    assert len(read_map(f"{tmp_path}/killed/backup/map_{server_id}")) == len(
        read_map(f"{tmp_path}/undisturbed/backup/map_{server_id}")
    )
