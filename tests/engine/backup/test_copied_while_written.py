# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Backup Path that is copied file by file, as rsync does, while it is written to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.backup.conftest import ANNA, content, fill, items, message, opened


class Life:
    """What goes on in a backup."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: dict[str, dict[str, str]] = {}
        """What the mailbox held, by the token of the commit."""
        self._number = 200
        fill(path)
        self._note()

    def commit(self) -> None:
        """Write one more message."""
        repository = opened(self.path)
        with repository.writer() as writer:
            message(writer, ANNA, self._number)
            writer.commit({ANNA: str(self._number)})
        repository.close()
        self._number += 1
        self._note()

    def _note(self) -> None:
        repository = opened(self.path)
        self.seen[repository.token(ANNA)] = items(repository, ANNA)
        repository.close()


def copied(source: Path, target: Path) -> Iterator[None]:
    """Copy what differs, of the files that are there at the beginning, and stop after each to see what happens."""
    for name in sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file()):
        there, copy = source / name, target / name
        if not there.exists():  # rsync warns of files that have vanished, and goes on
            continue
        before, after = there.stat(), copy.stat() if copy.exists() else None
        if after is None or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(there, copy)
            yield


def assert_tells_a_moment(path: Path, life: Life) -> str:
    """Check that a copy holds what the backup held at one of its commits; return the commit's token."""
    repository = opened(path)
    token = repository.token(ANNA)
    assert repository.damages() == []
    assert items(repository, ANNA) == life.seen[token]
    for item in items(repository, ANNA):
        state = repository.state(ANNA, item)
        assert state is not None and state.state is not None
        assert repository.read_blob(state.state.digest) == content(int(item))  # type: ignore[union-attr]
    repository.close()
    return token


@pytest.mark.parametrize("stopped_after", [0, 1, 3, 7])
def test_a_copy_is_usable_and_an_interrupted_one_is_gone_on_with(tmp_path: Path, stopped_after: int) -> None:
    """R-207."""
    life = Life(tmp_path / "backup")
    copying = copied(life.path, tmp_path / "copy")
    for _file in range(stopped_after):
        next(copying)
        life.commit()
    copying.close()
    for _file in copied(life.path, tmp_path / "copy"):
        life.commit()
    assert_tells_a_moment(tmp_path / "copy", life)
    for _file in copied(life.path, tmp_path / "copy"):
        pass
    assert assert_tells_a_moment(tmp_path / "copy", life) == list(life.seen)[-1]
