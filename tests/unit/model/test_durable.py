# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import durable


def test_each_directory_that_is_made_is_synced_where_its_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(durable.os, "fsync", lambda number: synced.append(os.readlink(f"/proc/self/fd/{number}")))
    durable.make_directories(str(tmp_path / "one" / "two"))
    assert synced == [str(tmp_path), str(tmp_path / "one")]
    assert stat.S_IMODE((tmp_path / "one" / "two").stat().st_mode) == 0o700
    durable.make_directories(str(tmp_path / "one" / "two"))
    assert len(synced) == 2


def test_a_file_in_the_place_of_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a file", encoding="utf-8")
    with pytest.raises(OSError, match="one"):
        durable.make_directories(str(tmp_path / "one"))


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_all_directories_that_are_made_have_the_mode_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    umask = os.umask(0)
    try:
        durable.make_directories(str(tmp_path / "one" / "two" / "three"), mode)
    finally:
        os.umask(umask)
    made = [tmp_path / "one", tmp_path / "one" / "two", tmp_path / "one" / "two" / "three"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [mode] * 3
