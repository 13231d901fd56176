# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One writer at a time, and no half of anything when the disk is full."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.files import Files
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.backup.writer import CHECKPOINT_EVERY
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import AlreadyExists, Busy, Refused
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState

from tests.engine.backup.conftest import (
    ANNA,
    BOB,
    PACK,
    content,
    items,
    message,
    opened,
    pack_path,
    without_catalogue,
)
from tests.engine.backup.fragile import FullDisk


def test_a_directory_becomes_a_backup_only_once(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "backup")
    created = Repository.create(path, "server-id")
    assert (created.server_id, created.head(), created.scopes()) == ("server-id", None, [])
    with pytest.raises(AlreadyExists, match="holds a backup already"):
        Repository.create(path, "server-id")


def test_a_place_that_can_hold_no_backup_is_refused(tmp_path: Path) -> None:
    """R-204."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused):
        Repository.create(str(tmp_path / "file" / "backup"), "server-id")


def test_a_second_writer_is_told_to_wait_and_may_write_later(backup: Path) -> None:
    """R-208."""
    first, second = opened(backup), opened(backup)
    with first.writer() as writer:
        with pytest.raises(Busy, match="wait until it has finished"):
            second.writer()
        message(writer, ANNA, 50)
        writer.commit()
    with second.writer() as writer:
        message(writer, ANNA, 51)
        writer.commit()
    assert {"50", "51"} <= set(items(second, ANNA))
    assert [second.commit(seq).previous for seq in (4, 5)] == [second.commit(seq).hash for seq in (3, 4)]


def test_two_hosts_that_share_a_backup_path_collide_instead_of_overwriting(backup: Path) -> None:
    with opened(backup).writer() as writer:
        message(writer, ANNA, 50)
        theirs = b"the commit of another host"
        (backup / commits.name(4)).write_bytes(theirs)
        with pytest.raises(Busy, match="two hosts must not share"):
            writer.commit()
        with pytest.raises(Refused, match="begin again"):
            writer.put_blob(b"more")
    assert (backup / commits.name(4)).read_bytes() == theirs


def test_nothing_new_makes_no_commit(backup: Path) -> None:
    with opened(backup).writer() as writer:
        assert writer.pending() == 0
        assert writer.commit() is None
        assert writer.commit({ANNA: "a2", BOB: "b1"}) is None
        writer.put_blob(content(10))
        assert (writer.pending(), writer.commit()) == (0, None)


def test_a_token_alone_makes_a_commit_without_packs(backup: Path) -> None:
    repository = opened(backup)
    with repository.writer() as writer:
        commit = writer.commit({ANNA: "a3"})
    assert commit is not None and commit.packs == () and commit.tokens == {ANNA: "a3"}
    assert repository.token(ANNA) == opened(without_catalogue(backup)).token(ANNA) == "a3"


def test_a_content_is_stored_once(backup: Path) -> None:
    """R-197."""
    repository = opened(backup)
    before = repository.counts()
    with repository.writer() as writer:
        digests = {writer.put_blob(data) for data in (content(10), content(99), content(99), content(35))}
        assert all(writer.has_blob(digest) for digest in digests) and not writer.has_blob("00" * 32)
        writer.commit()
    assert len(digests) == 3
    assert repository.counts()["blobs"] == before["blobs"] + 1


def test_what_was_not_committed_is_not_there_and_its_files_go(backup: Path) -> None:
    with opened(backup).writer() as writer:
        message(writer, ANNA, 50)
        writer.append(BOB, "30", kinds.MESSAGE, None)
    assert (backup / "open" / "blobs.pack").exists()
    repository = opened(backup)
    assert "50" not in items(repository, ANNA) and "30" in items(repository, BOB)
    with repository.writer():
        assert [file.name for file in (backup / "open").iterdir()] == ["lock"]


def test_packs_end_near_their_size_and_a_large_content_has_one_alone(backup: Path) -> None:
    large = os.urandom(3 * PACK)
    repository = opened(backup)
    with repository.writer() as writer:
        first = [writer.put_blob(os.urandom(500)) for _unused in range(20)]
        alone = writer.put_blob(large)
        last = writer.put_blob(b"small")
        commit = writer.commit()
    assert commit is not None
    sizes = [pack.size for pack in commit.packs if pack.kind == packs.BLOBS]
    assert len(sizes) == 6 and max(sizes[:4] + sizes[5:]) < PACK + 1000 < sizes[4]
    places = repository.locate([*first, alone, last])
    assert [place.pack for place in places.values()].count(places[alone].pack) == 1
    assert repository.read_blob(alone) == large


def test_journals_are_sealed_before_they_fill_the_memory(backup: Path) -> None:
    repository = opened(backup)
    with repository.writer() as writer:
        for number in range(200):
            state = ItemState("10", kinds.MESSAGE, "2", flags="u" * number, attrs={"subject": os.urandom(20).hex()})
            writer.append(ANNA, "10", kinds.MESSAGE, state)
        commit = writer.commit()
    assert commit is not None and commit.heads[ANNA].number > 5
    assert len([pack for pack in commit.packs if pack.kind == packs.METADATA]) == 3
    for again in (repository, opened(without_catalogue(backup))):
        assert items(again, ANNA)["10"] == "u" * 199
        assert len(list(again.history(ANNA, "10"))) == 202
        assert again.damages() == []


def test_every_so_often_a_commit_is_full_and_needs_none_before_it(
    backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansible_collections.restante.carbonio.plugins.module_utils.backup.writer.CHECKPOINT_EVERY", 5)
    assert CHECKPOINT_EVERY == 1000
    repository = opened(backup)
    with repository.writer() as writer:
        for number in range(50, 60):
            message(writer, ANNA, number)
            writer.commit({ANNA: str(number)})
    full = [seq for seq in range(1, 14) if repository.commit(seq).full]
    assert full == [1, 6, 11]
    assert [repository.commit(seq).checkpoint for seq in (5, 6, 7, 13)] == [1, 6, 6, 11]
    before = {scope: list(repository.states(scope)) for scope in repository.scopes()}, repository.tokens()
    for seq in range(1, 11):
        (backup / commits.name(seq)).unlink()
    again = opened(without_catalogue(backup))
    assert ({scope: list(again.states(scope)) for scope in again.scopes()}, again.tokens()) == before
    assert again.damages() == [] and again.read_blob(again.state(BOB, "30").state.digest) == content(30)


def test_a_pack_that_a_crash_left_and_something_altered_is_replaced(backup: Path) -> None:
    with opened(backup).writer() as writer:
        digest = writer.put_blob(content(50))
        commit = writer.commit()
    assert commit is not None
    [pack] = [pack for pack in commit.packs if pack.kind == packs.BLOBS]
    (backup / commits.name(4)).unlink()  # the crash was before the commit
    pack_path(backup, pack.name).write_bytes(b"altered")
    repository = opened(without_catalogue(backup))
    assert not repository.has_blob(digest)
    with repository.writer() as writer:
        assert writer.put_blob(content(50)) == digest
        writer.commit()
    assert repository.read_blob(digest) == content(50)


def test_a_full_disk_is_said_and_costs_nothing(backup: Path) -> None:
    """R-209."""
    for room in range(0, 6000, 150):
        repository = opened(backup, FullDisk(str(backup), room))
        head = repository.head()
        try:
            with repository.writer() as writer:
                for number in range(50, 55):
                    message(writer, ANNA, number)
                writer.commit()
        except Refused as error:
            assert "the disk is full" in str(error)
        else:
            break
        finally:
            repository.close()
        again = opened(backup)
        assert again.head() == head and again.damages() == []
        again.close()
    else:
        pytest.fail("the disk never had enough room")
    assert {str(number) for number in range(50, 55)} <= set(items(opened(backup), ANNA))


def test_a_writer_that_failed_does_nothing_more(backup: Path) -> None:
    with opened(backup, FullDisk(str(backup), 100)).writer() as writer:
        with pytest.raises(Refused, match="the disk is full"):
            message(writer, ANNA, 50)
            writer.commit()
        for act in (lambda: writer.put_blob(b"x"), lambda: writer.commit({ANNA: "a9"})):
            with pytest.raises(Refused, match="begin again"):
                act()


def test_only_the_owner_can_read_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "backup"
    with Repository.create(str(path), "server-id").writer() as writer:
        message(writer, ANNA, 1)
        writer.commit()
    modes = {stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode)
             for folder, _folders, files in os.walk(path) for name in files}
    folders = {stat.S_IMODE(os.stat(folder).st_mode) for folder, _folders, _files in os.walk(path)}
    assert (modes, folders) == ({0o600}, {0o700})


def test_a_file_is_published_under_a_free_name_only(tmp_path: Path) -> None:
    files = Files(str(tmp_path))
    files.write_new("a/b/c", b"first")
    with pytest.raises(AlreadyExists):
        files.write_new("a/b/c", b"second")
    assert files.read("a/b/c") == b"first"
    assert files.names("a/b") == ["c"]
