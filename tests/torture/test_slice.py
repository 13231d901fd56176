# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A short part of `make torture`, chosen by a seed: so many disturbances of each group of jobs, and what each job is
held to when nobody disturbs it: the order of its syncs, and the modes of what it writes; and the tools themselves."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits

from tests.conftest import CHECKOUT, COLLECTIONS
from tests.torture import order, power
from tests.torture.every_job import JOBS
from tests.torture.layer import CREATE, LINK, MKDIR, SYNC, UNLINK, WRITE

pytestmark = pytest.mark.usefixtures("file_layer")

COUNT = 12
"""Disturbances of each group of jobs."""
MACHINES, STEPS = 5, 25

GROUPS = (
    ("first scan", "scan", "retrieve", "follow in real time", "copy the Backup Path", "export"),
    ("external restore", "restore from the archive", "prove a restore", "fix shares", "migrate"),
    ("restore on new account", "restore account", "item restore", "folder restore", "undelete",
     "undelete into one folder"),
    ("merge", "purge", "purge with the archive", "mend the backup", "mend the archive", "rebuild the catalogue",
     "legal hold"),
    ("restore blobs", "import files", "export files", "volumes", "settings"),
    ("encrypted first scan", "encrypted scan", "encrypted retrieve", "encrypted external restore", "encrypted purge",
     "forget account", "change master key"),
    ("standby from the beginning", "standby", "promotion"),
)


def torture(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.torture", *options], cwd=CHECKOUT, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )


def test_no_job_is_left_out() -> None:
    assert {job for group in GROUPS for job in group} == set(JOBS)


@pytest.mark.parametrize("jobs", GROUPS, ids=", ".join)
def test_disturbed_work_loses_nothing_and_ends_as_undisturbed(jobs: tuple[str, ...], tmp_path: Path) -> None:
    options = [option for job in jobs for option in ("--job", job)]
    done = torture("--seed", "1", "--count", str(COUNT), "--report", str(tmp_path), *options)
    assert done.returncode == 0, done.stdout
    report = json.loads((tmp_path / "torture-report.json").read_text())
    assert report["findings"] == []
    assert set(report["jobs"]) == set(jobs)
    assert all(job["tried"]["order"] == job["tried"]["modes"] == 1 for job in report["jobs"].values())
    assert sum(sum(job["tried"].values()) for job in report["jobs"].values()) == COUNT + 2 * len(jobs)
    assert "0 findings, seed 1" in (tmp_path / "torture-report.txt").read_text()


@pytest.mark.parametrize(("job", "code"), [
    ("scan", "permission:unreadable:a/store"), ("undelete", "permission:unreadable:a/state/operations"),
    ("restore blobs", "permission:unreadable:a/store/volumes/message1/1"),
    ("external restore", "permission:unreadable:a/backup/commits"),
    ("encrypted scan", "permission:unreadable:a/backup/commits/00000000000000000001.json"),
])
def test_what_may_not_be_used_is_named_and_costs_nothing(job: str, code: str, tmp_path: Path) -> None:
    done = torture("--job", job, "--repeat", code, "--report", str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert "1 disturbances, 0 findings" in done.stdout


def test_whatever_happens_in_whatever_order_the_backup_says_what_was() -> None:
    """A few of the machines that `make torture` runs for long."""
    done = torture("--machine", "--unreduced", "--seed", "1", "--count", str(MACHINES), "--steps", str(STEPS))
    assert done.returncode == 0, done.stdout
    assert f"{MACHINES} machines of {STEPS} steps, 0 findings" in done.stdout


LAYER = """
import os, sys
from pathlib import Path
from tests.torture import layer
layer.begin()
root, outside = Path(sys.argv[1]) / "inside", Path(sys.argv[1]) / "outside"

def work():
    outside.write_bytes(b"not counted")
    (root / "one").write_bytes(b"1234")
    os.rename(root / "one", root / "two")
    descriptor = os.open(root, os.O_RDONLY)
    os.fsync(descriptor)

print(layer.perform(work, root))
for fault in (
    layer.Fault(2, layer.KILL_BEFORE), layer.Fault(2, layer.KILL_TORN), layer.Fault(2, layer.KILL_AFTER),
    layer.Fault(3, layer.KILL_AFTER), layer.Fault(2, layer.FAIL_ON, int(sys.argv[2])),
):
    for name in os.listdir(root):
        os.unlink(root / name)
    outcome = layer.perform(work, root, fault)
    files = {path.name: path.read_bytes() for path in root.iterdir()}
    print(fault, "|", outcome.killed, outcome.broken[-30:].partition("]")[2].partition(":")[0].strip(), files)
"""


def test_the_layer_counts_kills_tears_and_fails(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", LAYER, str(tmp_path), str(errno.ENOSPC)], cwd=CHECKOUT, text=True, check=True,
        env={**os.environ, "PYTHONPATH": f"{COLLECTIONS}:{CHECKOUT}"}, stdout=subprocess.PIPE,
    )
    assert done.stdout.splitlines() == [
        "Outcome(operations=4, killed=False, refused='', broken='')",
        "killed before operation 2 | True  {'one': b''}",
        "killed in the middle of operation 2 | True  {'one': b'12'}",
        "killed after operation 2 | True  {'one': b'1234'}",
        "killed after operation 3 | True  {'two': b'1234'}",
        "ENOSPC from operation 2 | False No space left on device {'one': b''}",
    ]


def possible(steps: list[power.Step], start: Path, scratch: Path) -> set[tuple[tuple[str, bytes], ...]]:
    """Return all disks that 400 power failures leave."""
    seen = set()
    for seed in range(400):
        disk, _way = power.after_failure(steps, start, random.Random(seed))
        target = scratch / str(seed)
        scratch.mkdir(exist_ok=True)
        disk.write(target)
        seen.add(tuple(sorted((path.name, path.read_bytes()) for path in target.iterdir())))
    return seen


def test_a_power_failure_takes_what_was_not_synced_and_nothing_else(tmp_path: Path) -> None:
    start = tmp_path / "start"
    start.mkdir()
    (start / "old").write_bytes(b"old")
    create = power.Step(CREATE, "new", object=1)
    write = power.Step(WRITE, "new", object=1, data=b"x" * 1024)
    whole, half = b"x" * 1024, b"x" * 512
    old = ("old", b"old")
    assert possible([create, write], start, tmp_path / "a") == {
        (old,), (("new", b""), old), (("new", whole), old), (("new", half), old),
    }
    synced = [create, write, power.Step(SYNC, "new", object=1)]
    assert possible(synced, start, tmp_path / "b") == {(old,), (("new", whole), old)}
    named = [*synced, power.Step(SYNC, ".")]
    assert possible(named, start, tmp_path / "c") == {(("new", whole), old)}
    link, unlink = power.Step(LINK, "new", "final", 1), power.Step(UNLINK, "new", object=1)
    published = [*synced, link, power.Step(SYNC, "."), unlink]
    assert possible(published, start, tmp_path / "d") == {
        (("final", whole), ("new", whole), old), (("final", whole), old),
    }


def disks(steps: list[power.Step], start: Path, limit: int = 4096) -> list[tuple[tuple[str, bytes], ...]]:
    """Return all disks that failures() gives."""
    found = power.failures(steps, start, limit, 50, random.Random(1))
    return [tuple((name, disk.content(name)) for name in disk.names()) for disk, _way in found]


def test_every_legal_loss_is_tried_where_there_are_few_and_so_many_where_there_are_more(tmp_path: Path) -> None:
    create = power.Step(CREATE, "new", object=0)
    writes = [power.Step(WRITE, "new", "", 0, 1024 * number, b"x" * 1024) for number in range(3)]
    seen = disks([create, *writes], tmp_path)
    assert len(seen) == 2**4 + 14, "with and without each, and torn where there is a write"
    assert (("new", b"x" * 512),) in seen
    assert (("new", bytes(2048) + b"x" * 1024),) in seen
    synced = [create, *writes, power.Step(SYNC, "new", object=0), power.Step(SYNC, ".")]
    assert disks(synced, tmp_path) == [(("new", b"x" * 3072),)]
    assert len(disks([create, *writes * 4], tmp_path, limit=100)) <= 50


def published(*left_out: int) -> list[power.Step]:
    """Return how a pack and its commit are published, without some of the steps."""
    pack, digest = b"pack", hashlib.sha256(b"pack").hexdigest()
    commit = commits.encode(commits.Commit(
        seq=1, at=1, hash="", previous="", nonce="n", repository="r", server="s",
        packs=(commits.PackInfo(digest, "metadata", len(pack)),), heads={}, tokens={}, last=0, checkpoint=1,
        removed=(), full=True,
    ))
    name = f"backup/packs/{digest[:2]}/{digest}"
    steps = [
        power.Step(CREATE, "backup/open/pack", object=0), power.Step(WRITE, "backup/open/pack", "", 0, 0, pack),
        power.Step(SYNC, "backup/open/pack", object=0),
        power.Step(MKDIR, os.path.dirname(name)), power.Step(SYNC, "backup/packs"),
        power.Step(LINK, "backup/open/pack", name, 0), power.Step(SYNC, os.path.dirname(name)),
        power.Step(CREATE, "backup/commits/1.part", object=1),
        power.Step(WRITE, "backup/commits/1.part", "", 1, 0, commit),
        power.Step(SYNC, "backup/commits/1.part", object=1),
        power.Step(LINK, "backup/commits/1.part", "backup/commits/1.json", 1), power.Step(SYNC, "backup/commits"),
    ]
    return [step for number, step in enumerate(steps) if number not in left_out]


@pytest.mark.parametrize(("left_out", "sentence"), [
    (2, "has its name, and its content is not synced"), (4, "is not on the disk yet"), (6, "is not on the disk yet"),
    (9, "has its name, and its content is not synced"), (11, "when the work is reported as done"),
])
def test_a_sync_that_is_left_out_is_found(tmp_path: Path, left_out: int, sentence: str) -> None:
    for folder in ("open", "packs", "commits"):
        (tmp_path / "backup" / folder).mkdir(parents=True)
    assert order.breaches(published(), tmp_path) == []
    assert sentence in " ".join(order.breaches(published(left_out), tmp_path))
