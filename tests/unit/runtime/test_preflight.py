# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node lacks is named, all of it, and nothing is touched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import preflight
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call

NOTHING: dict[str, Any] = {
    "service_user": "", "service_group": "", "libraries": [], "directories": [], "sources": [], "mounts": [],
    "space": [],
}


def missing(**asked: Any) -> list[str]:
    found: list[str] = preflight.answer(Call({**NOTHING, **asked}))["missing"]
    return found


def test_a_node_that_lacks_nothing_passes(tmp_path: Path) -> None:
    assert missing(
        directories=[str(tmp_path / "a" / "b")], sources=[str(tmp_path)], mounts=["/"],
        space=[{"path": str(tmp_path / "a"), "bytes": 1}],
    ) == []
    assert list(tmp_path.iterdir()) == []


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = missing(
        service_user="nobody-of-this-name", service_group="none-of-this-name", libraries=["no_such_library"],
        directories=[str(tmp_path / "file" / "below")], sources=[str(tmp_path / "absent")], mounts=[str(tmp_path)],
        space=[{"path": str(tmp_path), "bytes": 1 << 60}],
    )
    for sentence in (
        "There is no user nobody-of-this-name", "There is no group none-of-this-name", "lacks no_such_library",
        f"{tmp_path / 'file'} is no directory", f"{tmp_path / 'absent'} does not exist", f"mounted at {tmp_path}",
        "has ", "Make room",
    ):
        assert any(sentence in one for one in found), sentence
    assert len(found) == 7


def test_directories_of_one_file_system_need_room_together(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    most = disk.f_bavail * disk.f_frsize * 2 // 3
    one, other = ({"path": str(tmp_path / name), "bytes": most} for name in ("one", "other"))
    assert missing(space=[one]) == [] and missing(space=[other]) == []
    [found] = missing(space=[one, other])
    assert str(tmp_path / "one") in found and str(tmp_path / "other") in found


def test_what_has_come_already_needs_no_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "come").write_bytes(os.urandom(1 << 20))
    real = os.statvfs(tmp_path)

    class Full:
        f_bavail, f_frsize = 1 << 10, 1

    assert real.f_frsize
    monkeypatch.setattr(os, "statvfs", lambda path: Full)
    assert missing(space=[{"path": str(tmp_path), "bytes": 1 << 20}]) == []
    assert len(missing(space=[{"path": str(tmp_path), "bytes": 1 << 22}])) == 1


@pytest.mark.parametrize(("mode", "uid", "groups", "right", "may"), [
    (0o700, 1, (), 7, False), (0o700, 5, (), 7, True), (0o750, 1, (6,), 5, True), (0o750, 1, (6,), 2, False),
    (0o707, 1, (6,), 1, False), (0o701, 1, (), 1, True), (0o000, 0, (), 7, True),
])
def test_a_mode_says_who_may(mode: int, uid: int, groups: tuple[int, ...], right: int, may: bool) -> None:
    found = os.stat_result((mode, 0, 0, 1, 5, 6, 0, 0, 0, 0))
    assert preflight.User("one", uid, frozenset(groups)).may(found, right) is may
