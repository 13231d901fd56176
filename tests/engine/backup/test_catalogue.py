# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue is derived: whatever happens to it, it says what the files say."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.commits import Commit
from ansible_collections.restante.carbonio.plugins.module_utils.backup.files import Files
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import CATALOGUE_FILE, Repository
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged

from tests.conftest import COLLECTIONS
from tests.engine.backup.conftest import ANNA, BOB, fill, items, message, opened, pack_path, without_catalogue
from tests.engine.backup.fragile import Interrupted, UnsyncedFiles


def everything(repository: Repository) -> list[object]:
    """Return all that a repository tells."""
    return [
        repository.head(), repository.tokens(), repository.scopes(), repository.span(), repository.counts(),
        sorted(repository.packs()), repository.damages(),
        *[list(repository.states(scope, deleted=True)) for scope in repository.scopes()],
    ]


def test_a_deleted_catalogue_is_made_anew(backup: Path) -> None:
    before = everything(opened(backup))
    assert everything(opened(without_catalogue(backup))) == before


def test_a_catalogue_that_answers_for_another_content_is_told_as_altered(
    backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an index of SQLite does whose pages are altered."""
    catalogue = opened(backup).catalogue
    monkeypatch.setattr(catalogue, "rows", lambda *_query: iter([(bytes(32), "ab" * 32, 0, 100, 100)]))
    with pytest.raises(Damaged, match=f"{CATALOGUE_FILE} is altered.*Delete it"):
        catalogue.locate(["cd" * 32])


@pytest.mark.parametrize("rubbish", [b"", b"no database at all" * 1000])
def test_rubbish_in_the_place_of_the_catalogue_is_replaced(backup: Path, rubbish: bytes) -> None:
    before = everything(opened(backup))
    (without_catalogue(backup) / CATALOGUE_FILE).write_bytes(rubbish)
    assert everything(opened(backup)) == before


def test_a_log_that_stayed_when_its_catalogue_was_deleted_does_no_harm(backup: Path) -> None:
    opened(backup).close()
    killed = opened(backup)
    with killed.writer() as writer:
        message(writer, ANNA, 50)
        writer.commit()
    before = everything(killed)
    log = backup / f"{CATALOGUE_FILE}-wal"
    left = log.read_bytes()
    killed.close()
    (without_catalogue(backup) / log.name).write_bytes(left)
    assert left and everything(opened(backup)) == before


def test_a_catalogue_of_another_version_is_made_anew(backup: Path) -> None:
    before = everything(opened(backup))
    database = sqlite3.connect(backup / CATALOGUE_FILE)
    database.execute("PRAGMA user_version = 1")
    database.execute("DROP TABLE segments")
    database.close()
    assert everything(opened(backup)) == before


def test_a_catalogue_of_another_backup_is_made_anew(backup: Path, tmp_path: Path) -> None:
    other = Repository.create(str(tmp_path / "other"), "server-id")
    with other.writer() as writer:
        message(writer, "someone", 1)
        writer.commit()
    other.close()
    before = everything(opened(backup))
    shutil.copy(tmp_path / "other" / CATALOGUE_FILE, without_catalogue(backup) / CATALOGUE_FILE)
    assert everything(opened(backup)) == before


def test_a_catalogue_that_is_newer_than_its_backup_is_made_anew(backup: Path, tmp_path: Path) -> None:
    shutil.copytree(backup, tmp_path / "older")
    before = everything(opened(tmp_path / "older"))
    repository = opened(backup)
    with repository.writer() as writer:
        message(writer, ANNA, 99)
        writer.commit()
    repository.close()
    shutil.copy(backup / CATALOGUE_FILE, without_catalogue(tmp_path / "older") / CATALOGUE_FILE)
    assert everything(opened(tmp_path / "older")) == before


def test_the_catalogue_is_for_its_owner_alone(backup: Path) -> None:
    opened(without_catalogue(backup))
    assert {file.stat().st_mode & 0o777 for file in backup.glob(CATALOGUE_FILE + "*")} == {0o600}


def test_a_backup_that_may_not_be_written_to_is_read_and_left_as_it_is(
    backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(opened(backup))
    monkeypatch.setattr(Files, "writable", lambda self, name: False)  # root may write to anything
    names = sorted(file.name for file in without_catalogue(backup).iterdir())
    assert everything(Repository.open(str(backup))) == before
    assert sorted(file.name for file in backup.iterdir()) == names


def test_a_reader_sees_the_commit_that_it_was_opened_at_until_it_is_refreshed(backup: Path) -> None:
    reader, repository = opened(backup), opened(backup)
    with repository.writer() as writer:
        message(writer, ANNA, 10, "uf", at=100)
        message(writer, ANNA, 70, at=100)
        writer.append(ANNA, "12", "message", None, 100)
        writer.commit()
    assert items(reader, ANNA)["10"] == "f"
    assert "70" not in items(reader, ANNA) and "12" in items(reader, ANNA)
    assert [found.item_id for found in reader.deleted_between(ANNA, 0, 10**6)] == ["11"]
    assert len(list(reader.history(ANNA, "10"))) == 2
    assert reader.state(ANNA, "70") is None
    assert reader.counts()["message"] == len(items(reader, ANNA)) + len(items(reader, BOB))
    reader.refresh()
    assert items(reader, ANNA)["10"] == "uf" and "70" in items(reader, ANNA) and "12" not in items(reader, ANNA)


def commit_of(repository: Repository, number: int) -> None:
    with repository.writer() as writer:
        message(writer, ANNA, number)
        writer.commit()


def test_whoever_has_a_catalogue_open_goes_on_with_the_one_that_took_its_place(backup: Path) -> None:
    early = opened(backup)
    list(early.states(ANNA))
    commit_of(opened(without_catalogue(backup)), 70)
    early.refresh()
    assert everything(early) == everything(opened(backup))
    commit_of(early, 71)
    assert "71" in {row[0] for row in sqlite3.connect(backup / CATALOGUE_FILE).execute("SELECT item FROM transactions")}


def test_a_catalogue_that_is_deleted_while_it_is_open_is_made_anew(backup: Path) -> None:
    early = opened(backup)
    before = everything(early)
    without_catalogue(backup)
    early.refresh()
    assert everything(early) == before and (backup / CATALOGUE_FILE).exists()


def test_a_catalogue_in_memory_follows_what_others_write(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Files, "writable", lambda self, name: False)
        reader = opened(without_catalogue(backup))
    commit_of(opened(backup), 70)
    reader.refresh()
    assert everything(reader) == everything(opened(backup))


class Interleaved(UnsyncedFiles):
    """Files that do something else before one of the reads."""

    def __init__(self, root: str, before: int, act: Callable[[], None]) -> None:
        super().__init__(root)
        self._before = before
        self._act = act

    def read(self, name: str) -> bytes:
        self._before -= 1
        if self._before == 0:
            self._act()
        return super().read(name)


@pytest.mark.parametrize("ends_at", [0, 1, 2, 3, 4, 6], ids=lambda ends_at: f"which is killed at read {ends_at}")
@pytest.mark.parametrize("damaged", [False, True], ids=["sound", "a damage is put right meanwhile"])
def test_a_process_that_another_overtakes_while_it_takes_in_commits_loses_nothing(
    backup: Path, damaged: bool, ends_at: int
) -> None:
    [pack] = [pack for pack in opened(backup).commit(2).packs if pack.kind == packs.METADATA]
    path = pack_path(backup, pack.name)
    sound = path.read_bytes()
    before = everything(opened(without_catalogue(backup)))

    def overtake() -> None:
        path.write_bytes(sound)
        with contextlib.suppress(Interrupted):
            opened(backup, Interleaved(str(backup), ends_at + 1 if ends_at else 0, end)).close()

    for number in range(1, 12):
        without_catalogue(backup)
        if damaged:
            path.write_bytes(sound[:-1])
        opened(backup, Interleaved(str(backup), number, overtake)).close()
        path.write_bytes(sound)
        repository = opened(backup)
        assert everything(repository) == before, number
        repository.close()


def test_what_is_asked_as_of_one_moment_is_not_changed_by_other_processes(backup: Path) -> None:
    one, other = opened(backup), opened(backup)
    with one.catalogue.as_of_now():
        before = one.newest(), list(one.packs())
        commit_of(other, 70)
        assert (one.newest(), list(one.packs())) == before
    assert (one.newest(), list(one.packs())) == (other.newest(), list(other.packs())) != before


@pytest.mark.parametrize("full", [False, True], ids=["", "a full commit"])
def test_a_writer_goes_on_while_another_process_makes_the_catalogue_anew(backup: Path, full: bool) -> None:
    [pack] = [pack for pack in opened(backup).commit(2).packs if pack.kind == packs.METADATA]
    path = pack_path(backup, pack.name)
    sound = path.read_bytes()
    commits_made: list[Commit | None] = []

    def commit() -> None:
        message(writer, ANNA, 60 + number)
        commits_made.append(writer.commit({ANNA: f"a{number}"}, full=full))

    def overtake() -> None:
        thread.start()
        name = backup / commits.name(before.newest() + 1)
        while thread.is_alive() and not name.exists():
            time.sleep(0.01)

    for number in range(1, 10):
        path.write_bytes(sound[:-1])
        before = opened(without_catalogue(backup))
        known = len(list(before.packs()))
        with opened(backup).writer() as writer:
            path.write_bytes(sound)
            thread = threading.Thread(target=commit)
            opened(backup, Interleaved(str(backup), number, overtake)).close()
            thread.join()
        assert len(commits_made) == number, number
        made = commits_made[-1]
        assert made is not None and len(made.packs) == (known if made.full else 0) + 2, number
        assert opened(backup).damages() == []


def end() -> None:
    raise Interrupted


READ = """
import sys
sys.path.insert(0, sys.argv[2])
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
repository = Repository.open(sys.argv[1])
print(repository.head().seq, repository.counts()["transactions"], repository.damages())
"""


def test_several_processes_take_in_commits_at_once(tmp_path: Path) -> None:
    path = tmp_path / "backup"
    fill(path)
    repository = opened(path)
    with repository.writer() as writer:
        for commit in range(20):
            for number in range(40):
                writer.append(BOB, str(number), "message", None, commit)
            writer.commit()
    repository.close()
    without_catalogue(path)
    command = [sys.executable, "-c", READ, str(path), str(COLLECTIONS)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _unused in range(4)]
    with opened(path).writer() as writer:  # meanwhile
        for _commit in range(20):
            message(writer, ANNA, 10)
            writer.commit()
    said = [reader.communicate(timeout=60)[0] for reader in readers]
    assert all(reader.returncode == 0 for reader in readers)
    for line in said:
        seq, transactions, damages = line.split(maxsplit=2)
        assert int(transactions) == 839 + max(0, int(seq) - 23) and damages.strip() == "[]"
    assert everything(opened(path))[:6] == everything(opened(without_catalogue(path)))[:6]
