# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of an import: what a crash cuts short is dropped, what is damaged is said, nothing climbs out."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Busy, Damaged, NotFound
from ansible_collections.restante.carbonio.plugins.module_utils.restore import idmap
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import (
    ImportMap,
    ItemLog,
    Row,
    import_id_of,
    read_map,
)

ROWS = [Row("account", "anna\n@x", "a-1", "b-1"), Row("domain", "x", "a-2", "b-2")]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idmap, "_LOCK_SECONDS", 0.0)


def test_a_map_keeps_its_import_id_and_what_became_of_entries(tmp_path: Path) -> None:
    """R-136, R-260."""
    first = ImportMap(str(tmp_path / "backup"), "server-1")
    first.record(ROWS)
    first.record(ROWS)
    first.close()
    again = ImportMap(str(tmp_path / "backup"), "server-1")
    assert again.import_id == first.import_id == import_id_of(str(tmp_path / "backup"), "server-1")
    assert again.ids() == {"a-1": "b-1", "a-2": "b-2"}
    again.close()
    path = tmp_path / "backup" / "map_server-1"
    assert read_map(str(path)) == ROWS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_map_of_each_source_server(tmp_path: Path) -> None:
    """C-20."""
    one, two = ImportMap(str(tmp_path), "one"), ImportMap(str(tmp_path), "two")
    assert one.import_id != two.import_id
    one.close()
    two.close()


def test_removing_the_map_starts_from_scratch(tmp_path: Path) -> None:
    """R-137."""
    first = ImportMap(str(tmp_path), "s")
    first.close()
    (tmp_path / "map_s").unlink()
    assert import_id_of(str(tmp_path), "s") is None
    second = ImportMap(str(tmp_path), "s")
    assert second.import_id != first.import_id
    second.close()


def test_two_restores_from_one_server_do_not_run_at_once(tmp_path: Path) -> None:
    first = ImportMap(str(tmp_path), "s")
    with pytest.raises(Busy, match="map_s"):
        ImportMap(str(tmp_path), "s")
    first.close()
    ImportMap(str(tmp_path), "s").close()


def test_a_map_may_be_cut_short_anywhere(tmp_path: Path) -> None:
    first = ImportMap(str(tmp_path), "s")
    first.record(ROWS)
    first.close()
    path = tmp_path / "map_s"
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        again = ImportMap(str(tmp_path), "s")
        assert (again.import_id == first.import_id) is (size > whole.index(b"\n"))
        assert set(again.ids().items()) <= {("a-1", "b-1"), ("a-2", "b-2")}
        again.record(ROWS)
        again.close()
        assert read_map(str(path)) == ROWS


@pytest.mark.parametrize("content", [b"{}\n", b"[]\n", b"rubbish\n", b'{"format":2,"import":"x"}\n'])
def test_what_is_no_map_is_not_taken_for_one(tmp_path: Path, content: bytes) -> None:
    """Not starting from scratch by accident: that would restore everything a second time."""
    (tmp_path / "map_s").write_bytes(content)
    with pytest.raises(Damaged, match="map_s"):
        ImportMap(str(tmp_path), "s")
    with pytest.raises(Damaged, match="map_s"):
        read_map(str(tmp_path / "map_s"))
    with pytest.raises(NotFound, match="map_t"):
        read_map(str(tmp_path / "map_t"))


@pytest.mark.parametrize("content", [b"", b"\xff\x00\n", b"root:x:0:0::/root:/bin/sh\n", b"[1]\n", b'{"format": 1}\n'])
def test_a_file_that_is_no_map_is_said_to_be_none_and_not_to_be_removed(tmp_path: Path, content: bytes) -> None:
    """R-317: the file is named by a person, and may be any."""
    (tmp_path / "passwd").write_bytes(content)
    with pytest.raises(Damaged, match="passwd is no map of an External Restore; name a file") as raised:
        read_map(str(tmp_path / "passwd"))
    assert "remove" not in str(raised.value)


@pytest.mark.parametrize("name", ["..", ".", "../../x", "/etc/x", "a/b", "", "\u00fc\n"])
def test_an_id_does_not_climb_out_of_the_backup_path(tmp_path: Path, name: str) -> None:
    backup = tmp_path / "in" / "backup"
    ImportMap(str(backup), name).close()
    log = ItemLog(str(backup), name, "import", "a")
    log.add([("1", "2")])
    log.close()
    assert sorted(os.listdir(tmp_path)) == ["in"]
    assert sorted(os.listdir(tmp_path / "in")) == ["backup"]
    files = [path.relative_to(backup) for path in backup.rglob("*") if path.is_file()]
    assert len(files) == 2


def lines(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def log_of(path: Path, import_id: str) -> ItemLog:
    return ItemLog(str(path), "b-1", import_id, "a-1")


def test_the_item_log_lists_what_each_item_became(tmp_path: Path) -> None:
    """R-136."""
    for import_id, pair in (("i", ("257", "300")), ("i", ("258", "301")), ("j", ("257", "302")), ("i", ("259", "303"))):
        log = log_of(tmp_path, import_id)
        log.origins()
        log.add([pair])
        log.close()
    path = tmp_path / "accounts" / "b-1" / "id_mapper.log"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700
    assert lines(path) == [
        {"import": "i", "account": "a-1"}, ["257", "300"], ["258", "301"],
        {"import": "j", "account": "a-1"}, ["257", "302"],
        {"import": "i", "account": "a-1"}, ["259", "303"],
    ]
    of_i, of_j = log_of(tmp_path, "i").origins(), log_of(tmp_path, "j").origins()
    assert [origin in of_i for origin in ("257", "258", "259")] == [True, True, True]
    assert [origin in of_j for origin in ("257", "258", "259")] == [True, False, False]


def test_the_item_log_may_be_cut_short_or_damaged_anywhere(tmp_path: Path) -> None:
    log = log_of(tmp_path, "i")
    log.add([("257", "300"), ("258", "301")])
    log.close()
    path = tmp_path / "accounts" / "b-1" / "id_mapper.log"
    whole = path.read_bytes()
    for size in range(len(whole)):
        for rest in (b"", b"x" * 3 + b"\n"):
            path.write_bytes(whole[:size] + rest)
            log = log_of(tmp_path, "i")
            missing = [pair for pair in (("257", "300"), ("258", "301")) if pair[0] not in log.origins()]
            log = log_of(tmp_path, "i")
            log.origins()
            log.add(missing)
            log.close()
            origins = log_of(tmp_path, "i").origins()
            assert "257" in origins
            assert "258" in origins


def test_an_import_that_wrote_nothing_leaves_no_item_log(tmp_path: Path) -> None:
    """R-136: neither exists without an External Restore into the account."""
    log = log_of(tmp_path, "i")
    log.origins()
    log.add([])
    log.close()
    assert not (tmp_path / "accounts").exists()
