# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An embedded store on a bad disk: full, altered, lost, not to be written to."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore, files, incoming
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.index import database
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.volumes import PRIMARY, Volume
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    Busy,
    Damaged,
    InvalidInput,
    NotFound,
    Refused,
    Unavailable,
)


def full_after(monkeypatch: pytest.MonkeyPatch, writes: int, error: int = errno.ENOSPC) -> None:
    """Let all writes of files fail after so many."""
    real, left = os.write, [writes]

    def write(descriptor: int, data: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(error, os.strerror(error))
        return real(descriptor, data)

    monkeypatch.setattr(files.os, "write", write)


def test_a_note_that_cannot_be_cleared_harms_no_batch(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch is complete by then; the mail of its note is named by rows and stays."""
    real = os.pwrite

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        if not data.strip():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(incoming.os, "pwrite", pwrite)
        assert not any(written.error for written in box.store.write_items(box.account, box.batch(0, 3), "import"))
    box.reopen()
    assert len(box.contents()) == 3


def test_a_disk_that_fails_for_a_moment_is_no_fault_of_an_item(box: Any) -> None:
    """Whoever writes is to try again, and not to list the item as one that cannot be restored."""
    error = database._sentence("/store", sqlite3.OperationalError("disk I/O error"))
    assert isinstance(error, Unavailable)
    assert isinstance(database._sentence("/store", sqlite3.OperationalError("readonly database")), Refused)


@pytest.mark.parametrize("redo_log", [False, True])
@pytest.mark.parametrize("writes", range(5))
def test_a_full_disk_is_said_and_leaves_nothing_half(
    box: Any, monkeypatch: pytest.MonkeyPatch, writes: int, redo_log: bool
) -> None:
    box.store.set_redo_log(redo_log)
    box.mail(b"before")
    with monkeypatch.context() as patch:
        full_after(patch, writes)
        if writes < 3 + redo_log:
            with pytest.raises(Refused, match="make room"):
                box.store.write_items(box.account, box.batch(0, 3), "import")
        else:
            box.store.write_items(box.account, box.batch(0, 3), "import")
    assert box.contents() == [b"before"] if writes < 3 + redo_log else len(box.contents()) == 4
    assert len(box.files()) == len(box.contents())
    assert not any(written.error for written in box.store.write_items(box.account, box.batch(0, 3), "import"))
    assert box.contents() == [b"before", b"message 0", b"message 1", b"message 2"]
    assert len(box.files()) == 4


def test_a_full_disk_under_the_database_is_said_and_leaves_nothing_half(box: Any) -> None:
    pages = box.store._database.execute("PRAGMA page_count").fetchone()[0]
    box.store._database.execute(f"PRAGMA max_page_count = {pages + 2}")
    done = 0
    with pytest.raises(Refused, match="full; make room"):
        while True:
            box.store.write_items(box.account, box.batch(done, done + 50), "import")
            done += 50
    assert len(box.contents()) == len(box.files()) == done
    box.store._database.execute("PRAGMA max_page_count = 1000000")
    box.store.write_items(box.account, box.batch(done, done + 50), "import")
    assert len(box.contents()) == done + 50


def test_a_sync_that_fails_is_no_success(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_directory: int, _names: list[str]) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(files, "_sync", fail)
        with pytest.raises(Refused, match="Input/output error"):
            box.mail(b"x")
    assert (box.contents(), box.files()) == ([], [])


def test_without_syncfs_each_file_is_made_durable(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(files, "_SYNCFS", None)
    monkeypatch.setattr(files.os, "fsync", lambda number: synced.append(os.readlink(f"/proc/self/fd/{number}")))
    box.mail(b"1", b"2")
    assert {str(path) for path in box.files()} <= set(synced)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "lost": lambda path: path.unlink(),
    "altered": lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "like gzip": lambda path: path.write_bytes(b"\x1f\x8b" + path.read_bytes()),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_blob_names_account_and_item_and_stops_no_other(
    box: Any, damage: Callable[[Path], Any], compressed: bool
) -> None:
    volume, = box.store.volumes()
    box.store.update_volume(volume._replace(compressed=compressed, compression_threshold=0))
    damaged, = box.mail(b"a message " * 100)
    path, = box.files()
    good, = box.mail(b"another")
    damage(path)
    with pytest.raises(Damaged, match=f"Item {damaged} of account {box.account} is damaged.*{path.name}"):
        box.store.read_blob(box.account, damaged)
    assert box.store.read_blob(box.account, good) == b"another"
    box.store.update_item(box.account, box.store.item(box.account, damaged), b"mended")
    assert box.store.read_blob(box.account, damaged) == b"mended"


def test_a_lost_volume_is_damage_and_a_sentence(box: Any) -> None:
    box.mail(b"x")
    item, = box.mail(b"y")
    os.rename(box.path / "volumes", box.path / "away")
    with pytest.raises(Damaged, match=item):
        box.store.read_blob(box.account, item)


def test_a_volume_whose_disk_is_gone_is_not_made_anew(box: Any) -> None:
    os.rename(box.path / "volumes" / "message1", box.path / "away")
    with pytest.raises(Refused, match="message1.*No such file"):
        box.mail(b"x")
    os.rename(box.path / "away", box.path / "volumes" / "message1")
    box.mail(b"x")
    assert box.contents() == [b"x"]


def test_a_volume_that_is_deleted_while_it_is_written_to_takes_nothing_with_it(
    box: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = EmbeddedStore.open(str(box.path))
    real = box.store._writer.add

    def add(*arguments: Any) -> Any:
        if len(other.volumes()) == 1 and other.volumes()[0].name == "message1":
            box.store._database.execute("ROLLBACK")
            other.create_volume(Volume("", "second", PRIMARY, "volumes/second", current=True))
            other.delete_volume("1")
            box.store._database.execute("BEGIN IMMEDIATE")
        return real(*arguments)

    monkeypatch.setattr(box.store._writer, "add", add)
    with pytest.raises(Busy, match="again"):
        box.mail(b"x")
    box.mail(b"x")
    assert box.contents() == [b"x"]
    other.close()


def test_a_store_that_was_removed_can_be_closed(box: Any) -> None:
    box.mail(b"x")
    shutil.rmtree(box.path)
    box.store.close()


def test_a_damaged_database_is_said(box: Any) -> None:
    box.mail(*(b"%d" % number for number in range(300)))
    box.store.close()
    (box.path / "store.sqlite").write_bytes(b"no database at all" * 1000)
    for name in ("store.sqlite-wal", "store.sqlite-shm"):
        (box.path / name).unlink(missing_ok=True)
    with pytest.raises(Damaged, match="damaged"):
        EmbeddedStore.open(str(box.path))


def test_a_database_that_is_damaged_within_is_said(box: Any) -> None:
    box.store.write_items(box.account, box.batch(0, 1000), "import")
    box.store.close()
    size = os.path.getsize(box.path / "store.sqlite")
    with open(box.path / "store.sqlite", "r+b") as file:
        file.seek(size // 4096 // 4 * 4096)
        file.write(os.urandom(size // 2))
    store = EmbeddedStore.open(str(box.path))
    with pytest.raises(Damaged, match="put back a copy"):
        for _unused in range(len(list(store.changes(box.account).items))):
            pass
        list(store.imported(box.account, "import"))
    store.close()


def test_a_newer_store_is_left_alone(box: Any) -> None:
    box.store.close()
    with sqlite3.connect(box.path / "store.sqlite") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(InvalidInput, match="upgrade"):
        EmbeddedStore.open(str(box.path))


def test_what_is_no_store_is_said_and_not_made_one(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(NotFound, match="create it first"):
            EmbeddedStore.open(str(path))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused):
        EmbeddedStore.create(str(tmp_path / "file"))


def test_a_store_is_made_once(box: Any) -> None:
    box.mail(b"x")
    with pytest.raises(AlreadyExists):
        EmbeddedStore.create(str(box.path))
    assert box.contents() == [b"x"]


def test_a_volume_that_cannot_be_made_is_refused(box: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="file/volume"):
        box.store.create_volume(Volume("", "v", PRIMARY, str(tmp_path / "file" / "volume"), current=True))
    assert [(volume.name, volume.current) for volume in box.store.volumes()] == [("message1", True)]


def test_mail_is_private(box: Any) -> None:
    box.mail(b"x")
    for directory, directories, names in os.walk(box.path):
        for name in directories:
            assert os.stat(os.path.join(directory, name)).st_mode & 0o777 == 0o700, name
        for name in names:
            assert os.stat(os.path.join(directory, name)).st_mode & 0o777 == 0o600, name


def test_a_large_mailbox_is_deleted_with_all_its_files(box: Any) -> None:
    box.store.write_items(box.account, box.batch(0, 1200))
    box.store.delete_entry("account", box.account)
    assert box.files() == []
    assert box.store._database.execute("SELECT count(*) FROM garbage").fetchone() == (0,)
