# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A writer that ends at any of its file operations, by a kill or with the power, leaves a whole backup."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds

from tests.engine.backup.conftest import ANNA, content, fill, items, message, opened, without_catalogue
from tests.engine.backup.fragile import FragileFiles, Interrupted

BEFORE = {str(number): "" for number in range(12, 30)} | {"10": "f"}
FIRST = BEFORE | {str(number): "" for number in range(100, 108)}
SECOND = {item: flags for item, flags in FIRST.items() if item != "100"} | {"101": "u"}


def work(path: Path, files: FragileFiles, acknowledged: list[str]) -> None:
    """Make two commits."""
    repository = opened(path, files)
    writer = None
    try:
        writer = repository.writer()
        for number in range(100, 108):
            message(writer, ANNA, number)
        writer.commit({ANNA: "first"})
        acknowledged.append("first")
        message(writer, ANNA, 101, "u", at=9000)
        writer.append(ANNA, "100", kinds.MESSAGE, None, 9001)
        writer.commit({ANNA: "second"})
        acknowledged.append("second")
    finally:
        if writer:
            writer.close()
        repository.close()


def assert_whole(repository: Repository) -> str:
    """Check that the backup holds exactly what its token says, contents included; return the token."""
    token = repository.token(ANNA)
    assert repository.damages() == []
    assert items(repository, ANNA) == {"a2": BEFORE, "first": FIRST, "second": SECOND}[token]
    for item in items(repository, ANNA):
        state = repository.state(ANNA, item)
        assert state is not None and state.state is not None
        assert repository.read_blob(state.state.digest) == content(int(item))  # type: ignore[union-attr]
    return token


@pytest.mark.parametrize("power_failure", [False, True], ids=["killed", "power failure"])
def test_what_was_committed_stays_and_what_was_not_is_not_there_by_half(tmp_path: Path, power_failure: bool) -> None:
    """R-206."""
    fill(tmp_path / "start")
    counting = FragileFiles(str(tmp_path / "counted"))
    shutil.copytree(tmp_path / "start", tmp_path / "counted")
    work(tmp_path / "counted", counting, [])
    assert counting.operations > 40

    seen = set()
    for end_at in range(1, counting.operations + 1):
        path = tmp_path / "crashed"
        shutil.copytree(tmp_path / "start", path)
        acknowledged: list[str] = []
        with pytest.raises(Interrupted):
            work(path, FragileFiles(str(path), end_at, power_failure), acknowledged)
        # The catalogue that the dead process left must do as well as a new one.
        repository = opened(path if end_at % 2 else without_catalogue(path))
        token = assert_whole(repository)
        seen.add(token)
        order = ["a2", "first", "second"]
        assert order.index(token) >= len(acknowledged), f"operation {end_at} lost an acknowledged commit"
        repository.close()

        again = FragileFiles(str(path))
        work(path, again, [])
        repository = opened(path)
        assert assert_whole(repository) == "second"
        assert sorted(file.name for file in (path / "open").iterdir()) == ["lock"]
        repository.close()
        shutil.rmtree(path)
    assert seen == {"a2", "first", "second"}
