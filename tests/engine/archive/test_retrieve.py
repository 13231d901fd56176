# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The retrieval of metadata from an archive into a restore directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive import port
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.port import Archive
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.files import Files
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    InvalidInput,
    NotABackup,
    NotFound,
    Refused,
    Unavailable,
)
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import Silent
from ansible_collections.restante.carbonio.plugins.module_utils.restore import assembly
from ansible_collections.restante.carbonio.plugins.module_utils.restore import retrieve as retrieve_module
from ansible_collections.restante.carbonio.plugins.module_utils.restore.retrieve import find_servers, retrieve
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader
from archive_kit import ACCOUNT, Backup, Interposed

WRITER = "ansible_collections.restante.carbonio.plugins.module_utils.backup.writer"


@pytest.fixture
def local(tmp_path: Path, backup: Backup) -> Archive:
    """An archive with five commits, of which the fourth is a full one."""
    (tmp_path / "archive").mkdir()
    archive = DirectoryArchive(str(tmp_path / "archive"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{WRITER}.CHECKPOINT_EVERY", 3)
        backup.grow(commits=5)
    Uploader(backup.repository, archive).sync()
    return archive


def states(path: Path) -> dict[str, str]:
    """Return the digest of each item that a backup holds."""
    repository = Repository.open(str(path))
    found = {each.item_id: each.state.digest for each in repository.states(ACCOUNT) if each.state is not None}
    repository.close()
    return found


def assert_same_states(path: Path, backup: Backup) -> None:
    assert states(path) == states(backup.path) != {}


def test_the_metadata_is_there_and_the_mail_is_not(archive: Archive, backup: Backup, tmp_path: Path) -> None:
    """R-181."""
    backup.grow(commits=5)
    Uploader(backup.repository, archive).sync()
    report = retrieve(archive, str(tmp_path / "restore"))
    assert_same_states(tmp_path / "restore", backup)
    metadata = {pack.name for pack in backup.repository.packs() if pack.kind == packs.METADATA}
    assert {path.name for path in (tmp_path / "restore" / "packs").rglob("*") if path.is_file()} == metadata
    assert (report.newest, report.commits, report.packs) == (5, 5, len(metadata))
    assert report.at == backup.repository.commit(5).at
    assert report.server == "server-1" and report.changed and not report.damages


def test_only_the_owner_can_read_what_was_retrieved(local: Archive, tmp_path: Path) -> None:
    retrieve(local, str(tmp_path / "restore"))
    for path in (tmp_path / "restore").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE((tmp_path / "restore").stat().st_mode) == 0o700


def test_commits_before_the_newest_full_one_are_not_needed(local: Archive, backup: Backup, tmp_path: Path) -> None:
    report = retrieve(local, str(tmp_path / "restore"))
    assert sorted(path.name for path in (tmp_path / "restore" / "commits").iterdir()) == [
        commits.name(seq).rpartition("/")[2] for seq in (4, 5)
    ]
    assert report.commits == 2
    assert_same_states(tmp_path / "restore", backup)


def test_the_second_time_nothing_is_fetched(local: Archive, tmp_path: Path) -> None:
    retrieve(local, str(tmp_path / "restore"))
    watched = Interposed(local)
    again = retrieve(watched, str(tmp_path / "restore"))
    assert not again.changed and again.newest == 5
    assert watched.requests("get") == ["format.json", commits.name(5)]
    assert watched.requests("get_range") == []


def test_a_disk_that_takes_no_pack_is_no_damage_of_the_archive(
    local: Archive, backup: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends there, and goes on when there is room: no commit is written whose metadata is not there."""
    def refuse(*_arguments: object) -> None:
        raise Refused("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(Files, "publish", refuse)
        patch.setattr(Files, "write_new", lambda files, name, data: None)
        with pytest.raises(Refused, match="disk is full"):
            retrieve(local, str(tmp_path / "restore"))
    assert not retrieve(local, str(tmp_path / "restore")).damages
    assert_same_states(tmp_path / "restore", backup)


def test_what_is_new_is_fetched_the_second_time(local: Archive, backup: Backup, tmp_path: Path) -> None:
    retrieve(local, str(tmp_path / "restore"))
    backup.grow(commits=2)
    Uploader(backup.repository, local).sync()
    again = retrieve(local, str(tmp_path / "restore"))
    assert (again.commits, again.packs, again.newest) == (2, 2, 7)
    assert_same_states(tmp_path / "restore", backup)


@pytest.mark.parametrize("commits_later", range(2, 6))
def test_a_full_commit_that_leaves_a_gap_before_it_is_followed_the_second_time(
    backup: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commits_later: int
) -> None:
    """The catalogue of the first time neither misses the commits in between nor hides those behind them."""
    (tmp_path / "archive").mkdir()
    archive = DirectoryArchive(str(tmp_path / "archive"))
    backup.grow()
    Uploader(backup.repository, archive).sync()
    retrieve(archive, str(tmp_path / "restore"))
    assert_same_states(tmp_path / "restore", backup)
    backup.grow(commits=commits_later - 1)
    monkeypatch.setattr(f"{WRITER}.CHECKPOINT_EVERY", 1)
    backup.grow()
    Uploader(backup.repository, archive).sync()
    retrieve(archive, str(tmp_path / "restore"))
    assert_same_states(tmp_path / "restore", backup)
    with contextlib.closing(Repository.open(str(tmp_path / "restore"))) as retrieved:
        assert retrieved.damages() == []


def test_the_newest_commit_is_found_without_a_listing_of_all(
    local: Archive, backup: Backup, tmp_path: Path
) -> None:
    backup.grow(commits=40, messages=1)
    Uploader(backup.repository, local).sync()
    watched = Interposed(local)
    assert retrieve(watched, str(tmp_path / "restore")).newest == 45
    assert len(watched.requests("size")) <= 14
    assert watched.requests("list") == ["commits/"], "one request, for what comes after the newest"


def test_a_large_pack_comes_in_pieces(
    archive: Archive, backup: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "PIECE", 100)
    backup.grow(messages=20)
    Uploader(backup.repository, archive).sync()
    watched = Interposed(archive)
    retrieve(watched, str(tmp_path / "restore"))
    assert len(watched.requests("get_range")) > 10
    assert_same_states(tmp_path / "restore", backup)


class Dying(Interposed):
    """Ends the process, so to speak, at the n-th read."""

    reads = 0

    def _count(self) -> None:
        self.reads -= 1
        if self.reads < 0:
            raise KeyboardInterrupt

    def get(self, name: str, most: int | None = None) -> bytes:
        self._count()
        return super().get(name, most)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self._count()
        return super().get_range(name, offset, length)


@pytest.mark.parametrize("reads", range(8))
def test_a_retrieval_killed_at_any_read_can_be_run_again(
    local: Archive, backup: Backup, tmp_path: Path, reads: int
) -> None:
    dying = Dying(local)
    dying.reads = reads
    with pytest.raises(KeyboardInterrupt):
        retrieve(dying, str(tmp_path / "restore"))
    assert not list((tmp_path / "restore").glob("commits/*")), "commits come last"
    retrieve(local, str(tmp_path / "restore"))
    assert_same_states(tmp_path / "restore", backup)
    assert not list((tmp_path / "restore").rglob("*.part"))


def test_a_prefix_without_a_backup_is_told_as_such(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(NotABackup, match="no backup"):
        retrieve(archive, str(tmp_path / "restore"))
    assert not (tmp_path / "restore").exists()


def test_a_backup_that_was_never_scanned_is_told_as_such(archive: Archive, backup: Backup, tmp_path: Path) -> None:
    Uploader(backup.repository, archive).sync()
    with pytest.raises(NotABackup, match="no commit"):
        retrieve(archive, str(tmp_path / "restore"))


def test_a_backup_of_a_newer_version_is_refused(local: Archive, tmp_path: Path) -> None:
    local.put("format.json", local.get("format.json").replace(b'"format":1', b'"format":2'))
    with pytest.raises(NotABackup, match="newer version"):
        retrieve(local, str(tmp_path / "restore"))


def test_a_directory_with_another_backup_is_refused_and_left_alone(
    local: Archive, tmp_path: Path
) -> None:
    other = Backup(tmp_path / "restore", "server-2")
    other.grow()
    before = other.files()
    with pytest.raises(InvalidInput, match="another backup"):
        retrieve(local, str(tmp_path / "restore"))
    assert other.files() == before


def test_a_directory_whose_backup_went_another_way_is_refused(
    local: Archive, backup: Backup, tmp_path: Path
) -> None:
    shutil.copytree(backup.path, tmp_path / "restore")
    backup.grow()
    Uploader(backup.repository, local).sync()
    apart = Repository.open(str(tmp_path / "restore"))
    with apart.writer() as writer:
        writer.commit({ACCOUNT: "elsewhere"})
    with pytest.raises(InvalidInput, match="went apart"):
        retrieve(local, str(tmp_path / "restore"))


def test_a_directory_that_is_newer_than_the_archive_is_refused(
    local: Archive, backup: Backup, tmp_path: Path
) -> None:
    shutil.copytree(backup.path, tmp_path / "restore")
    with Repository.open(str(tmp_path / "restore")).writer() as writer:
        writer.commit({ACCOUNT: "newer"})
    with pytest.raises(InvalidInput, match="only 5"):
        retrieve(local, str(tmp_path / "restore"))


def damaged(archive: Archive, name: str, how: str) -> None:
    content = archive.get(name)
    archive.delete(name)
    if how != "missing":
        archive.put(name, content[:-20] if how == "truncated" else content[:-20] + bytes(20))


@pytest.mark.parametrize("how", ["missing", "truncated", "altered"])
def test_a_damaged_pack_is_named_and_the_rest_is_retrieved(
    local: Archive, backup: Backup, tmp_path: Path, how: str
) -> None:
    bad = backup.repository.commit(2).packs[-1]
    damaged(local, packs.file_name(bad.name), how)
    report = retrieve(local, str(tmp_path / "restore"))
    assert [damage.file for damage in report.damages] == [packs.file_name(bad.name)]
    assert len(states(tmp_path / "restore")) == 16
    assert not (tmp_path / "restore" / packs.file_name(bad.name)).exists()
    repaired = retrieve(Mended(local, backup), str(tmp_path / "restore"))
    assert repaired.packs == 1 and not repaired.damages
    (tmp_path / "restore" / "catalog.sqlite").unlink()
    assert_same_states(tmp_path / "restore", backup)


class Mended(Interposed):
    """An archive whose packs were put back."""

    def __init__(self, archive: Archive, backup: Backup) -> None:
        super().__init__(archive)
        self.path = backup.path

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return (self.path / name).read_bytes()[offset:offset + length]


@pytest.mark.parametrize("how", ["missing", "truncated", "altered", "far too large"])
@pytest.mark.parametrize("number", [4, 5])
def test_a_damaged_commit_is_named_and_the_others_are_retrieved(
    local: Archive, tmp_path: Path, number: int, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "far too large":
        monkeypatch.setattr(port, "LARGEST", 1 << 20)
        local.put(commits.name(number), bytes(1 << 21))
    else:
        damaged(local, commits.name(number), how)
    report = retrieve(local, str(tmp_path / "restore"))
    found = len(states(tmp_path / "restore"))
    if number == 5 and how == "missing":
        assert (found, report.newest) == (16, 4)
    else:
        assert [damage.file for damage in report.damages] == [commits.name(number)]
        assert found == 16


def test_a_gap_in_the_row_of_commits_does_not_hide_the_newest(local: Archive, tmp_path: Path) -> None:
    local.delete(commits.name(2))
    local.delete(commits.name(3))
    report = retrieve(local, str(tmp_path / "restore"))
    assert report.newest == 5
    assert not report.damages, "the fourth is a full one"


class Patient(Interposed):
    """An archive that is asked a few times, and not for ever."""

    MOST = 2000

    def size(self, name: str) -> int | None:
        assert len(self.log) < self.MOST, "it never ends"
        return super().size(name)

    def get(self, name: str, most: int | None = None) -> bytes:
        assert len(self.log) < self.MOST, "it never ends"
        return super().get(name, most)


@pytest.mark.parametrize("numbers", [
    [10**20 - 1], [10**20 - 1, 10**20 - 2, 10**19, 2**40, 7], [5 + 2**power for power in range(1, 60)],
], ids=["one", "some", "where a search looks"])
def test_what_lies_far_behind_the_last_commit_is_told_and_hides_nothing(
    local: Archive, backup: Backup, tmp_path: Path, numbers: list[int]
) -> None:
    """Whoever can write to a bucket can put a file under any number there, locks or not."""
    for number in numbers:
        local.put(commits.name(number), b"junk")
    patient = Patient(local)
    patient.MOST = 2000 + 150 * len(numbers)
    report = retrieve(patient, str(tmp_path / "restore"))
    assert report.newest == 5
    assert sorted(damage.file for damage in report.damages) == sorted(map(commits.name, numbers))
    assert_same_states(tmp_path / "restore", backup)


def test_a_commit_that_names_itself_as_its_full_one_and_is_none_ends_no_retrieval(
    local: Archive, backup: Backup, tmp_path: Path
) -> None:
    newest = backup.repository.commit(5)
    local.put(commits.name(5), commits.encode(newest._replace(checkpoint=5, full=False)))
    assert retrieve(Patient(local), str(tmp_path / "restore")).newest == 5
    assert_same_states(tmp_path / "restore", backup)


def test_of_commits_that_are_larger_than_others_one_is_read_at_a_time(
    backup: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their sizes are not known before: ten of the largest at once would take the memory of the node."""
    class Weighed(Interposed):
        lock = threading.Lock()
        now = peak = 0

        def get(self, name: str, most: int | None = None) -> bytes:
            data = super().get(name, most)
            with self.lock:
                self.now += 1
                self.peak = max(self.peak, self.now)
            time.sleep(0.02)
            with self.lock:
                self.now -= 1
            return data

    monkeypatch.setattr(retrieve_module, "_COMMIT", 100, raising=False)
    (tmp_path / "archive").mkdir()
    archive = Weighed(DirectoryArchive(str(tmp_path / "archive")))
    backup.grow(commits=8)
    Uploader(backup.repository, archive.archive).sync()
    assert not retrieve(archive, str(tmp_path / "restore")).damages
    assert archive.peak == 1
    assert_same_states(tmp_path / "restore", backup)


@pytest.mark.parametrize("how", ["truncated", "altered"])
def test_packs_that_are_wrong_keep_no_file_open(
    backup: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A thousand of them would end the retrieval of all that is right."""
    class Counting(Silent):
        open = 0

        def advance(self, items: int = 0, bytes_: int = 0) -> None:
            self.open = max(self.open, len(os.listdir("/proc/self/fd")))

    monkeypatch.setattr(assembly, "PIECE", 100)
    (tmp_path / "archive").mkdir()
    archive = DirectoryArchive(str(tmp_path / "archive"))
    backup.grow(commits=30)
    Uploader(backup.repository, archive).sync()
    for pack in backup.repository.packs():
        damaged(archive, packs.file_name(pack.name), how)
    before, seen = len(os.listdir("/proc/self/fd")), Counting()
    assert len(retrieve(archive, str(tmp_path / "restore"), threads=1, progress=seen).damages) >= 30
    assert before <= seen.open < before + 15


def test_bytes_altered_on_the_way_are_fetched_again(local: Archive, backup: Backup, tmp_path: Path) -> None:
    class Noisy(Interposed):
        def get_range(self, name: str, offset: int, length: int) -> bytes:
            content = super().get_range(name, offset, length)
            return content[:-1] + b"!" if self.requests("get_range").count(name) == 1 else content

    assert not retrieve(Noisy(local), str(tmp_path / "restore")).damages
    assert_same_states(tmp_path / "restore", backup)


def test_an_archive_that_goes_away_is_told_and_nothing_is_promised(local: Archive, tmp_path: Path) -> None:
    class Leaving(Interposed):
        def get_range(self, name: str, offset: int, length: int) -> bytes:
            raise Unavailable("gone")

    with pytest.raises(Unavailable, match="gone"):
        retrieve(Leaving(local), str(tmp_path / "restore"))
    assert not list((tmp_path / "restore").glob("commits/*"))


def test_a_full_disk_is_told_as_such(local: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_unused: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(assembly.os, "pwrite", full)
    with pytest.raises(Refused, match="disk is full"):
        retrieve(local, str(tmp_path / "restore"))


def test_a_stopped_retrieval_promises_nothing_and_goes_on_later(
    local: Archive, backup: Backup, tmp_path: Path
) -> None:
    class Impatient(Silent):
        def stopping(self) -> bool:
            return True

    retrieve(local, str(tmp_path / "restore"), progress=Impatient())
    assert not list((tmp_path / "restore").glob("commits/*"))
    retrieve(local, str(tmp_path / "restore"))
    assert_same_states(tmp_path / "restore", backup)


def test_servers_under_one_prefix_are_found(
    make_archive: Callable[[str], Archive], backup: Backup, tmp_path: Path
) -> None:
    other = Backup(tmp_path / "other", "server-2")
    for each, folder in ((backup, "server-1"), (other, "server-2")):
        Uploader(each.repository, make_archive(f"backups/{folder}")).sync()
    make_archive("backups").put("holiday/photo.jpg", b"x")
    assert find_servers(make_archive("backups")) == {"server-1": "server-1", "server-2": "server-2"}
    with pytest.raises(NotFound):
        find_servers(DirectoryArchive(str(tmp_path / "nowhere")))


def test_a_folder_whose_format_file_is_far_too_large_hides_no_server(
    local: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.move(tmp_path / "archive", tmp_path / "backups" / "server-1")
    archive = DirectoryArchive(str(tmp_path / "backups"))
    monkeypatch.setattr(port, "LARGEST", 1 << 20)
    archive.put("another/format.json", bytes(1 << 21))
    assert find_servers(archive) == {"server-1": "server-1"}
