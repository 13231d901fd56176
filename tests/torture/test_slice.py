# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A short part of `make torture`, chosen by a seed: so many disturbances of each job; and the tools themselves."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, COLLECTIONS
from tests.torture import layer, power
from tests.torture.layer import CREATE, LINK, SYNC, UNLINK, WRITE

COUNT = 25
"""Disturbances of each group of jobs."""
MACHINES, STEPS = 6, 25


@pytest.fixture(scope="module", autouse=True)
def library() -> None:
    """Skip where the file layer that fails cannot be had, and say why."""
    try:
        layer.built()
    except layer.Unavailable as error:
        pytest.skip(str(error))


def torture(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.torture", *options], cwd=CHECKOUT, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )


@pytest.mark.parametrize("jobs", [
    ("first scan", "scan", "retrieve"), ("external restore", "migrate"), ("restore on new account", "restore account"),
    ("item restore", "undelete"), ("merge", "purge"),
], ids=", ".join)
def test_disturbed_work_loses_nothing_and_ends_as_undisturbed(jobs: tuple[str, ...]) -> None:
    options = [option for job in jobs for option in ("--job", job)]
    done = torture("--seed", "1", "--count", str(COUNT), *options)
    assert done.returncode == 0, done.stdout
    assert f"{COUNT} disturbances, 0 findings" in done.stdout


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
