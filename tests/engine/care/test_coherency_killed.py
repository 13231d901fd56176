# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Putting right may end anywhere: nothing is worse then, and the next run completes it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup import packs
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Refused
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader

from tests.engine.backup.conftest import fill, opened, without_catalogue
from tests.engine.backup.fragile import FragileFiles, FullDisk, Interrupted
from tests.engine.care.coherency_kit import archive_of, check, contents, copy, files_of, fix, harm, histories


class Fragile(FragileFiles):
    """Also a second name of a file goes when the power fails before it is durable."""

    def link(self, name: str, target: str) -> None:
        self._operate()
        if self.size(target) is None:
            self._new_names.add(target)
        super().link(name, target)


@pytest.fixture
def harmed(tmp_path: Path) -> Path:
    """A directory with a backup and its archive: files are altered here, there and on both sides."""
    root = tmp_path / "harmed"
    fill(root / "backup")
    Uploader(opened(root / "backup"), archive_of(root / "archive")).sync()
    chance = random.Random(7)
    blobs, metadata = (files_of(root / "backup", kind) for kind in (packs.BLOBS, packs.METADATA))
    there = root / "archive"
    harm(blobs[0], "flip", chance)
    for side in (root / "backup", there):
        harm(side / blobs[1].relative_to(root / "backup"), "cut", random.Random(2))
        harm(side / metadata[1].relative_to(root / "backup"), "flip", random.Random(3))
    harm(metadata[0], "delete", chance)
    harm(files_of(root / "backup", "commits")[1], "empty", chance)
    (there / blobs[2].relative_to(root / "backup")).unlink()
    without_catalogue(root / "backup")
    return root


def told(path: Path) -> tuple[dict[str, object], dict[str, bytes]]:
    repository = opened(path)
    try:
        return histories(repository), contents(repository)
    finally:
        repository.close()


def archive(root: Path) -> DirectoryArchive:
    return DirectoryArchive(str(root / "archive"))


@pytest.mark.parametrize("power_failure", [False, True], ids=["killed", "power failure"])
def test_a_fix_that_ends_anywhere_leaves_no_less_and_the_next_completes_it(
    harmed: Path, tmp_path: Path, power_failure: bool
) -> None:
    before = told(copy(harmed, tmp_path / "seen") / "backup")
    counted = copy(harmed, tmp_path / "counted")
    counting = Fragile(str(counted / "backup"))
    fix(counted / "backup", archive(counted), counting)
    done = told(counted / "backup")
    assert counting.operations > 40 and before[1].items() < done[1].items()
    for end_at in range(1 + power_failure, counting.operations + 1, 4):
        root = copy(harmed, tmp_path / "crashed")
        with pytest.raises(Interrupted):
            fix(root / "backup", archive(root), Fragile(str(root / "backup"), end_at, power_failure))
        if end_at % 3:
            without_catalogue(root / "backup")
        now = told(root / "backup")
        assert before[1].items() <= now[1].items() and before[0].keys() <= now[0].keys()
        fix(root / "backup", archive(root), folder="again")
        assert told(root / "backup") == done
        assert check(root / "backup", archive(root)).is_coherent
        assert not fix(root / "backup", archive(root), folder="in the end").changed


def test_a_full_disk_ends_a_fix_and_costs_nothing(harmed: Path, tmp_path: Path) -> None:
    before = told(copy(harmed, tmp_path / "seen") / "backup")
    for room in (0, 3000, 9000):
        with pytest.raises(Refused, match="the disk is full"):
            fix(harmed / "backup", archive(harmed), FullDisk(str(harmed / "backup"), room), folder=str(room))
        now = told(harmed / "backup")
        assert before[1].items() <= now[1].items() and before[0].keys() <= now[0].keys()
    fix(harmed / "backup", archive(harmed))
    assert check(harmed / "backup", archive(harmed)).is_coherent
