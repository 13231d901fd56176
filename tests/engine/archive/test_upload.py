# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way of a Backup Path into an archive."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.port import Archive
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.model import moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, Refused, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import Until
from ansible_collections.restante.carbonio.plugins.module_utils.restore.retrieve import retrieve
from ansible_collections.restante.carbonio.plugins.module_utils.scan import alive
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader, UploadReport
from ansible_collections.restante.carbonio.plugins.module_utils.scan.witness import Witness
from archive_kit import Backup, Interposed


@pytest.fixture
def local(tmp_path: Path) -> Archive:
    (tmp_path / "archive").mkdir()
    return DirectoryArchive(str(tmp_path / "archive"))


def assert_whole(archive: Archive, backup: Backup) -> None:
    """Everything is in the archive, byte for byte."""
    assert [file.name for file in archive.list("")] == sorted(backup.files())
    for name in backup.files():
        assert archive.get(name) == (backup.path / name).read_bytes()


def assert_consistent(archive: Archive) -> int:
    """Every commit in the archive has its packs and the commits before it; return how many there are."""
    there = {file.name: file.size for file in archive.list("")}
    found = [name for name in there if name.startswith("commits/")]
    assert found == [commits.name(seq) for seq in range(1, len(found) + 1)]
    for name in found:
        for pack in commits.parse(archive.get(name), name).packs:
            assert there.get(packs.file_name(pack.name)) == pack.size, f"{name} is there before its packs"
    return len(found)


def test_the_archive_becomes_a_copy(archive: Archive, backup: Backup) -> None:
    """R-285."""
    backup.grow(commits=3)
    report = Uploader(backup.repository, archive).sync()
    assert_whole(archive, backup)
    assert (report.commits, report.newest, report.changed) == (3, 3, True)
    assert report.packs == len(list(backup.repository.packs()))


def test_only_what_is_new_is_sent(local: Archive, backup: Backup) -> None:
    backup.grow(commits=3)
    watched = Interposed(local)
    uploader = Uploader(backup.repository, watched)
    uploader.sync()
    assert uploader.sync() == UploadReport(0, 0, 0, 3)
    watched.log.clear()
    backup.grow()
    assert uploader.sync().commits == 1
    assert watched.requests("put_new") == [commits.name(4)]
    assert len(watched.log) == 1 + len(backup.repository.commit(4).packs), "one request for each new file"


def test_a_sign_of_life_is_left_as_long_as_there_are_no_commits(local: Archive, backup: Backup) -> None:
    class Unwilling(Interposed):
        def put_note(self, name: str, data: bytes) -> None:
            self.log.append(("put_note", name))
            if len(self.log) > self.most:
                raise Refused("There is no permission.")
            self.archive.put_note(name, data)

        most = 10**6

    now = [1000.0]
    watched = Unwilling(local)
    uploader = Uploader(backup.repository, watched, clock=lambda: now[0], sign_every=60)

    def signs(seconds: float) -> int:
        now[0] += seconds
        watched.log.clear()
        uploader.sync()
        return len(watched.requests("put_note"))

    def sign() -> alive.Sign:
        found = alive.read(local)
        assert found is not None
        return found

    backup.grow()
    assert signs(0) == 1, "the first one at once"
    assert sign().repository == backup.repository.repository_id and sign().commit == 1
    assert [signs(seconds) for seconds in (5, 50, 5, 30, 29, 1)] == [0, 0, 1, 0, 0, 1]
    backup.grow()
    assert [signs(seconds) for seconds in (59, 59, 1)] == [0, 0, 1], "a commit is one"
    assert abs(sign().at - moment.now()) < 60_000 and sign().commit == 2
    watched.most = 0
    backup.grow()
    assert not uploader.sync().warnings
    now[0] += 60
    assert "No sign of life could be left for a standby: There is no permission." in uploader.sync().warnings[0]
    assert not uploader.sync().warnings, "it is told once"
    assert not Uploader(backup.repository, local).sync().changed and sign().commit == 2


@pytest.mark.parametrize("said", [b"", b"[]", b'{"at": 1}', b'{"at": "x", "commit": 1, "repository": ""}', b"{" * 5000])
def test_what_is_no_sign_of_life_is_told(local: Archive, said: bytes) -> None:
    assert alive.read(local) is None
    local.put_note(alive.FILE, said)
    with pytest.raises(Damaged):
        alive.read(local)


def test_the_next_process_goes_on_where_the_archive_ends(local: Archive, backup: Backup) -> None:
    backup.grow(commits=20)
    Uploader(backup.repository, local).sync()
    backup.grow(commits=2)
    watched = Interposed(local)
    assert Uploader(backup.repository, watched).sync().commits == 2
    assert watched.requests("list") == [], "a listing of a large archive takes too long"
    assert len(watched.requests("size")) < 12
    assert_whole(local, backup)


def test_an_empty_backup_claims_its_prefix_and_sends_nothing(local: Archive, backup: Backup) -> None:
    assert not Uploader(backup.repository, local).sync().changed
    assert [file.name for file in local.list("")] == ["format.json"]


def test_a_prefix_of_another_server_is_refused_and_left_alone(
    local: Archive, backup: Backup, tmp_path: Path
) -> None:
    other = Backup(tmp_path / "other", "server-2")
    other.grow()
    Uploader(other.repository, local).sync()
    backup.grow()
    with pytest.raises(Refused, match="server-2"):
        Uploader(backup.repository, local).sync()
    assert_whole(local, other)


def test_two_copies_of_one_backup_are_kept_apart(local: Archive, backup: Backup, tmp_path: Path) -> None:
    backup.grow()
    shutil.copytree(backup.path, tmp_path / "copy")
    copy = Backup.__new__(Backup)
    copy.repository, copy.path, copy.contents = Repository.open(str(tmp_path / "copy")), tmp_path / "copy", {}
    mine, theirs = Uploader(backup.repository, local), Uploader(copy.repository, local)
    mine.sync()
    assert not theirs.sync().changed
    copy.grow()
    theirs.sync()
    backup.grow()
    with pytest.raises(Refused, match="another writer"):
        mine.sync()
    with pytest.raises(Refused, match="another writer"):
        Uploader(backup.repository, local).sync()
    assert local.get(commits.name(2)) == (copy.path / commits.name(2)).read_bytes()


class Forgetful(Interposed):
    """An archive that has come to ignore the condition under which commits are written."""

    def put_new(self, name: str, data: bytes) -> bool:
        self.archive.put(name, data)
        return True


@pytest.mark.parametrize("first_commits", [1, 3])
def test_where_the_store_forgets_to_keep_two_writers_apart_one_of_them_is_told(
    local: Archive, backup: Backup, tmp_path: Path, first_commits: int
) -> None:
    """Both were at work when it began, as a copied server is that nobody knows of."""
    backup.grow()
    store, minutes = Forgetful(local), iter(range(0, 10**6, 3600))
    Uploader(backup.repository, store).sync()
    clone = tmp_path / "clone"
    shutil.copytree(backup.path, clone)
    other = Backup.__new__(Backup)
    other.repository, other.path, other.contents = Repository.open(str(clone), backup.repository.pack_size), clone, {}
    writers = [(one, Uploader(one.repository, store, clock=lambda: float(next(minutes)))) for one in (backup, other)]
    for one, uploader in writers:
        uploader.sync()
        one.grow(first_commits)
    told = []
    for _round in range(3):
        for one, uploader in writers:
            try:
                uploader.sync()
            except Refused as error:
                told.append(str(error))
            one.grow()
    assert told and all("another" in sentence for sentence in told)


def test_commits_that_were_taken_from_the_archive_go_up_again(local: Archive, backup: Backup, tmp_path: Path) -> None:
    """By a lifecycle rule, or by hand, while the node's uploads go on."""
    minutes = iter(range(0, 10**6, 3600))
    uploader = Uploader(backup.repository, local, clock=lambda: float(next(minutes)))
    backup.grow(commits=3)
    uploader.sync()
    for file in list(local.list("commits/")):
        local.delete(file.name)
    backup.grow()
    uploader.sync()
    assert_whole(local, backup)


def test_the_witness_never_goes_back_for_one_archive(local: Archive, backup: Backup, tmp_path: Path) -> None:
    """Of two uploads at the same time, the one that has sent less may be the last to end."""
    backup.grow(commits=3)
    (tmp_path / "another").mkdir()
    own, other = (
        Witness(backup.repository.files, archive)
        for archive in (local, DirectoryArchive(str(tmp_path / "another")))
    )
    for seq in (3, 1):
        own.note("r", "s", seq)
    assert own.last() == 3
    other.note("r", "s", 2)
    assert (own.last(), other.last()) == (0, 2), "it is of the archive that was sent to last"


def test_lost_commits_are_told_until_all_are_there_again(local: Archive, backup: Backup) -> None:
    def uploader() -> Uploader:
        return Uploader(backup.repository, local, witness=Witness(backup.repository.files, local))

    backup.grow(commits=3)
    uploader().sync()
    for file in list(local.list("commits/")):
        local.delete(file.name)
    stopping = iter([False, True])
    first = uploader().sync(Until(lambda: next(stopping)))
    assert (first.newest, first.lost) == (1, 3)
    assert uploader().sync().lost == 2
    assert_whole(local, backup)
    backup.grow()
    assert uploader().sync().lost == 0


def test_an_older_copy_does_not_write_over_a_newer_archive(local: Archive, backup: Backup, tmp_path: Path) -> None:
    backup.grow()
    shutil.copytree(backup.path, tmp_path / "old")
    backup.grow()
    Uploader(backup.repository, local).sync()
    with pytest.raises(Refused, match="older copy"):
        Uploader(Repository.open(str(tmp_path / "old")), local).sync()


class Dying(Interposed):
    """Ends the process, so to speak, at the n-th write: before it is carried out, or after."""

    def __init__(self, archive: Archive, writes: int, after: bool) -> None:
        super().__init__(archive)
        self.left = writes
        self.after = after

    def _die_or(self, write: Callable[[], bool | None]) -> bool | None:
        self.left -= 1
        if self.left < 0 or (self.left == 0 and not self.after):
            raise KeyboardInterrupt
        done = write()
        if self.left == 0:
            raise KeyboardInterrupt
        return done

    def put_file(self, name: str, path: str, sha256: str) -> None:
        self._die_or(lambda: self.archive.put_file(name, path, sha256))

    def put_new(self, name: str, data: bytes) -> bool:
        return bool(self._die_or(lambda: self.archive.put_new(name, data)))


@pytest.mark.parametrize("after", [False, True])
def test_an_upload_killed_at_any_write_leaves_whole_commits_and_goes_on(
    backup: Backup, tmp_path: Path, after: bool
) -> None:
    backup.grow(commits=3, messages=6)
    total = len(backup.files())
    for writes in range(1, total + 1):
        base = tmp_path / f"archive-{writes}"
        base.mkdir()
        archive = DirectoryArchive(str(base))
        with pytest.raises(KeyboardInterrupt):
            Uploader(backup.repository, Dying(archive, writes, after)).sync()
        assert assert_consistent(archive) <= 3
        Uploader(backup.repository, archive).sync()
        assert_whole(archive, backup)


def test_one_uploader_recovers_from_an_archive_that_was_away(local: Archive, backup: Backup) -> None:
    class Away(Interposed):
        down = True

        def put_file(self, name: str, path: str, sha256: str) -> None:
            if self.down and name != first:
                raise Unavailable("gone")
            super().put_file(name, path, sha256)

    backup.grow(commits=2, messages=12)
    first = packs.file_name(next(backup.repository.packs()).name)
    away = Away(local)
    uploader = Uploader(backup.repository, away)
    with pytest.raises(Unavailable):
        uploader.sync()
    assert assert_consistent(local) == 0
    away.down = False
    uploader.sync()
    assert_whole(local, backup)


def test_large_packs_that_are_there_are_not_sent_again(
    local: Archive, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansible_collections.restante.carbonio.plugins.module_utils.scan.upload._WORTH_ASKING", 1)
    backup.grow(messages=12)
    blobs = [pack for pack in backup.repository.packs() if pack.kind == packs.BLOBS]
    for pack in blobs:
        local.put_file(packs.file_name(pack.name), str(backup.path / packs.file_name(pack.name)), pack.name)
    watched = Interposed(local)
    report = Uploader(backup.repository, watched).sync()
    assert report.packs == 1, "the metadata alone"
    assert_whole(local, backup)


@pytest.mark.parametrize("fault", ["missing", "altered"])
def test_a_pack_that_is_no_good_stops_before_its_commit_and_is_named(
    local: Archive, backup: Backup, fault: str
) -> None:
    backup.grow(commits=3)
    pack = backup.repository.commit(2).packs[0].name
    path = backup.path / packs.file_name(pack)
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9] + b"scribbled")
    with pytest.raises(Damaged, match=pack):
        Uploader(backup.repository, local).sync()
    assert assert_consistent(local) == 1


def test_a_commit_never_comes_before_its_packs_while_the_backup_is_written_on(
    archive: Archive, backup: Backup, tmp_path: Path
) -> None:
    backup.grow()
    failures: list[BaseException] = []
    stop = threading.Event()

    def check() -> None:
        try:
            while not stop.is_set():
                assert_consistent(archive)
        except BaseException as error:
            failures.append(error)

    uploader = Uploader(backup.repository, archive)
    following = threading.Thread(target=uploader.follow, args=(stop, 0.01))
    checking = threading.Thread(target=check)
    for thread in (following, checking):
        thread.start()
    for _unused in range(15):
        backup.grow()
    stop.set()
    for thread in (following, checking):
        thread.join()
    assert not failures
    assert_whole(archive, backup)
    assert retrieve(archive, str(tmp_path / "restore")).newest == 16


def test_following_outlives_an_archive_that_does_not_answer(local: Archive, backup: Backup) -> None:
    class Shaky(Interposed):
        failures = 3

        def put_new(self, name: str, data: bytes) -> bool:
            self.failures -= 1
            if self.failures >= 0:
                raise Unavailable("later")
            return super().put_new(name, data)

    backup.grow()
    told: list[UploadReport | Unavailable] = []
    stop = threading.Event()

    def report(news: UploadReport | Unavailable) -> None:
        told.append(news)
        if isinstance(news, UploadReport):
            stop.set()

    Uploader(backup.repository, Shaky(local)).follow(stop, 0.001, report)
    assert [type(news) for news in told] == [Unavailable] * 3 + [UploadReport]
    assert_whole(local, backup)


def test_a_checkpoint_does_not_send_old_packs_again(
    local: Archive, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansible_collections.restante.carbonio.plugins.module_utils.backup.writer.CHECKPOINT_EVERY", 3)
    backup.grow(commits=2)
    Uploader(backup.repository, local).sync()
    there = set(backup.files())
    backup.grow(commits=6)
    watched = Interposed(local)
    Uploader(backup.repository, watched).sync()
    new = [name for name in backup.files() if name not in there and name.startswith("packs/")]
    assert sorted(watched.requests("put_file")) == new
    assert_whole(local, backup)


def test_a_full_disk_is_told_as_such(local: Archive, backup: Backup, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    backup.grow()
    monkeypatch.setattr("ansible_collections.restante.carbonio.plugins.module_utils.archive.files.os.fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        Uploader(backup.repository, local).sync()
    monkeypatch.undo()
    Uploader(backup.repository, local).sync()
    assert_whole(local, backup)
