# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is damaged is named, and the rest is served."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.commits import PackInfo
from ansible_collections.restante.carbonio.plugins.module_utils.backup.files import reading
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    Damaged,
    NotABackup,
    NotFound,
    Refused,
)

from tests.engine.backup.conftest import ANNA, BOB, content, items, message, opened, pack_path, without_catalogue
from tests.engine.backup.fragile import UnsyncedFiles

Reopen = Callable[[], Repository]


def flip(path: Path, offset: int) -> None:
    """Change one byte of a file."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x40
    path.write_bytes(data)


def packs_of(path: Path, seq: int, kind: str) -> list[PackInfo]:
    name = commits.name(seq)
    return [pack for pack in commits.parse((path / name).read_bytes(), name).packs if pack.kind == kind]


def contents(repository: Repository, scope: str) -> set[str]:
    """Return the messages of an account whose content can be read; check that they are what was written."""
    readable = set()
    for item in items(repository, scope):
        found = repository.state(scope, item)
        try:
            assert repository.read_blob(found.state.digest) == content(int(item))  # type: ignore[union-attr]
        except (Damaged, NotFound):
            continue
        readable.add(item)
    return readable


@pytest.mark.parametrize("damage", ["missing", "cut short", "altered at the end", "altered in the middle", "empty"])
def test_a_damaged_metadata_pack_costs_only_what_it_alone_recorded(backup: Path, reopen: Reopen, damage: str) -> None:
    [pack] = packs_of(backup, 2, packs.METADATA)
    path = pack_path(backup, pack.name)
    if damage == "missing":
        path.unlink()
    elif damage == "cut short":
        path.write_bytes(path.read_bytes()[:150])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        flip(path, 300 if damage == "altered in the middle" else -1)
    repository = reopen()
    assert packs.file_name(pack.name) in {found.file for found in repository.damages()}
    assert contents(repository, ANNA) == {str(number) for number in range(10, 30)} - {"11"}
    if damage == "altered at the end":
        assert contents(repository, BOB) == {str(number) for number in range(30, 40)}
    # The places of Bob's contents are known all the same, from the blob pack's own index.
    assert repository.counts()["blobs"] == 30


@pytest.mark.parametrize("seq", [1, 2, 3])
def test_a_token_promises_nothing_any_more_when_something_was_lost(backup: Path, reopen: Reopen, seq: int) -> None:
    pack_path(backup, packs_of(backup, seq, packs.METADATA)[-1].name).unlink()
    assert reopen().tokens() == {}


def test_a_gap_in_a_journal_names_the_account(backup: Path, reopen: Reopen) -> None:
    first = packs_of(backup, 1, packs.METADATA)
    for pack in first:
        pack_path(backup, pack.name).unlink()
    repository = reopen()
    assert any(ANNA in found.reason and ANNA in found.consequence for found in repository.damages())
    assert items(repository, ANNA) == {"10": "f"}


def test_a_damaged_blob_pack_costs_only_the_contents_in_it(backup: Path, reopen: Reopen) -> None:
    pack = packs_of(backup, 1, packs.BLOBS)[0]
    flip(pack_path(backup, pack.name), 400)
    repository = reopen()
    assert len(contents(repository, ANNA)) == 18
    assert len(items(repository, ANNA)) == 19
    damaged = (set(items(repository, ANNA)) - contents(repository, ANNA)).pop()
    found = repository.state(ANNA, damaged)
    with pytest.raises(Damaged, match=pack.name):
        repository.read_blob(found.state.digest)  # type: ignore[union-attr]


def test_a_missing_blob_pack_is_named_by_what_asks_for_it(backup: Path, reopen: Reopen) -> None:
    pack = packs_of(backup, 2, packs.BLOBS)[0]
    pack_path(backup, pack.name).unlink()
    repository = reopen()
    missing = set(items(repository, BOB)) - contents(repository, BOB)
    assert missing and len(contents(repository, ANNA)) == 19
    found = repository.state(BOB, missing.pop())
    with pytest.raises(NotFound, match=pack.name):
        repository.read_blob(found.state.digest)  # type: ignore[union-attr]


@pytest.mark.parametrize("damage", ["missing", "cut short", "altered", "of another backup", "of another number"])
def test_a_damaged_commit_is_named_and_those_around_it_are_served(
    backup: Path, reopen: Reopen, damage: str
) -> None:
    path = backup / commits.name(2)
    record = json.loads(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "cut short":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "altered":
        path.write_bytes(b"\x00" + path.read_bytes()[1:])
    elif damage == "of another backup":
        path.write_bytes(json.dumps({**record, "repository": "another"}).encode())
    else:
        path.write_bytes(json.dumps({**record, "seq": 7}).encode())
    repository = reopen()
    assert commits.name(2) in {found.file for found in repository.damages()}
    assert repository.tokens() == {}
    assert len(contents(repository, ANNA)) == 19
    assert items(repository, BOB) == {}


def test_a_commit_that_was_changed_is_found_by_the_one_that_follows_it(backup: Path, reopen: Reopen) -> None:
    path = backup / commits.name(2)
    record = json.loads(path.read_bytes())
    path.write_bytes(json.dumps({**record, "nonce": "another"}).encode())
    assert [found.file for found in reopen().damages()] == [commits.name(3)]


def test_a_damage_that_was_put_right_is_forgotten(backup: Path, reopen: Reopen) -> None:
    [pack] = packs_of(backup, 2, packs.METADATA)
    path = pack_path(backup, pack.name)
    sound = path.read_bytes()
    path.write_bytes(sound[:-50])
    repository = reopen()
    assert repository.damages() and repository.token(BOB) == ""
    repository.close()
    path.write_bytes(sound)
    repository = opened(backup)  # with the catalogue that knows of the damage
    assert repository.damages() == []
    assert repository.token(BOB) == "b1"
    assert len(contents(repository, BOB)) == 10


def test_a_file_whose_permissions_were_put_right_is_looked_at_again(backup: Path, reopen: Reopen) -> None:
    files = opened(backup).files
    name = packs.file_name(next(opened(backup).packs()).name)
    before = files.version(name)
    time.sleep(0.05)  # the clock of a file system is a coarse one
    (backup / name).chmod(0o600)
    assert files.version(name) != before


class Failing(UnsyncedFiles):
    """Files of which one cannot be read."""

    def __init__(self, root: Path, name: str, number: int) -> None:
        super().__init__(str(root))
        self._name = name
        self._number = number

    def read(self, name: str) -> bytes:
        self._fail(name)
        return super().read(name)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        self._fail(name)
        return super().read_range(name, offset, length)

    def _fail(self, name: str) -> None:
        with reading(self.path(name)):
            if name == self._name:
                raise OSError(self._number, os.strerror(self._number))


PASSING = [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.ESTALE, errno.ETIMEDOUT]


@pytest.mark.parametrize("number", PASSING, ids=errno.errorcode.get)
def test_a_pack_that_cannot_be_read_for_now_is_not_named_as_damaged(backup: Path, number: int) -> None:
    before = opened(backup).counts()
    [pack] = packs_of(backup, 2, packs.METADATA)
    with pytest.raises(Refused, match=pack.name):
        opened(without_catalogue(backup), Failing(backup, packs.file_name(pack.name), number))
    repository = opened(backup)
    assert repository.damages() == [] and repository.counts() == before and repository.token(BOB) == "b1"


@pytest.mark.parametrize("number", PASSING, ids=errno.errorcode.get)
def test_the_index_of_a_pack_that_cannot_be_read_for_now_is_read_later(backup: Path, number: int) -> None:
    pack_path(backup, packs_of(backup, 2, packs.METADATA)[0].name).unlink()  # with the copy of the index
    pack = packs_of(backup, 2, packs.BLOBS)[0]
    with pytest.raises(Refused, match=pack.name):
        opened(without_catalogue(backup), Failing(backup, packs.file_name(pack.name), number))
    assert opened(backup).counts()["blobs"] == 30


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO], ids=errno.errorcode.get)
def test_a_pack_that_may_not_or_cannot_be_read_at_all_is_named_until_that_is_put_right(
    backup: Path, number: int
) -> None:
    [pack] = packs_of(backup, 2, packs.METADATA)
    name = packs.file_name(pack.name)
    repository = opened(without_catalogue(backup), Failing(backup, name, number))
    assert name in {found.file for found in repository.damages()} and len(items(repository, ANNA)) == 19
    time.sleep(0.05)  # the clock of a file system is a coarse one
    (backup / name).chmod(0o600)
    assert opened(backup).damages() == []


def test_a_newest_commit_that_the_disk_has_lost_is_named_and_the_rest_is_served(backup: Path) -> None:
    repository = opened(without_catalogue(backup), Failing(backup, commits.name(3), errno.EIO))
    assert commits.name(3) in {found.file for found in repository.damages()} and items(repository, ANNA)["10"] == ""


def test_a_newest_commit_that_cannot_be_read_for_now_costs_the_catalogue_nothing(backup: Path) -> None:
    """It may know what is lost by now."""
    before = opened(backup).counts()
    pack_path(backup, packs_of(backup, 2, packs.METADATA)[0].name).unlink()
    with pytest.raises(Refused, match="Too many open files"):
        opened(backup, Failing(backup, commits.name(3), errno.EMFILE))
    assert opened(backup).counts() == before


def test_a_writer_goes_on_after_a_newest_commit_that_cannot_be_read(backup: Path, reopen: Reopen) -> None:
    (backup / commits.name(3)).write_bytes(b"{")
    repository = reopen()
    assert items(repository, ANNA)["10"] == ""
    with repository.writer() as writer:
        message(writer, ANNA, 10, "f", at=600)
        commit = writer.commit({ANNA: "a3"})
    assert commit is not None and (commit.seq, commit.full) == (4, True)
    repository = reopen()
    # Nothing hangs on the lost commit any more.
    assert repository.damages() == []
    assert items(repository, ANNA)["10"] == "f"
    assert repository.tokens() == {ANNA: "a3"}


def altered(path: Path, alter: Callable[[Any], object], seq: int = 3) -> None:
    """Alter the newest commit, which no other follows that would tell."""
    record = json.loads((path / commits.name(seq)).read_bytes())
    alter(record)
    (path / commits.name(seq)).write_bytes(json.dumps(record, sort_keys=True, separators=(",", ":")).encode())


def test_a_newest_segment_under_the_name_of_another_journal_is_found_and_given_back(
    backup: Path, reopen: Reopen
) -> None:
    before = opened(backup)
    scopes, heads = before.scopes(), before.catalogue.heads()
    altered(backup, lambda record: record["heads"].update({"ghost": record["heads"].pop(ANNA)}))
    repository = reopen()
    assert [found.file for found in repository.damages()] == [commits.name(3)]
    assert (repository.scopes(), repository.catalogue.heads()) == (scopes, heads)


@pytest.mark.parametrize("kind", [packs.BLOBS, packs.METADATA])
def test_a_wrong_size_of_a_pack_is_found_and_put_right(backup: Path, reopen: Reopen, kind: str) -> None:
    with contextlib.closing(opened(backup)) as repository, repository.writer() as writer:
        message(writer, ANNA, 99)
        writer.commit()
    before = list(opened(backup).packs())
    altered(backup, lambda record: [
        pack.update({"size": pack["size"] + 1}) for pack in record["packs"] if pack["kind"] == kind
    ], seq=4)
    repository = reopen()
    assert [found.file for found in repository.damages()] == [commits.name(4)]
    assert list(repository.packs()) == before


def test_a_token_of_nobody_makes_nobody(backup: Path, reopen: Reopen) -> None:
    scopes = opened(backup).scopes()
    altered(backup, lambda record: record["tokens"].update({"ghost": "t"}))
    repository = reopen()
    assert repository.scopes() == scopes and "ghost" not in repository.tokens()


def test_what_is_said_to_be_longer_than_its_file_costs_no_memory(backup: Path) -> None:
    name = packs.file_name(packs_of(backup, 2, packs.BLOBS)[0].name)
    files = opened(backup).files
    size = (backup / name).stat().st_size
    assert files.read_range(name, 10, 2**60) == (backup / name).read_bytes()[10:]
    assert files.read_range(name, size, 2**60) == files.read_range(name, size + 10, 1) == b""


def test_all_commits_gone_is_an_empty_backup_and_not_a_crash(backup: Path, reopen: Reopen) -> None:
    shutil.rmtree(backup / commits.DIRECTORY)
    repository = reopen()
    assert (repository.head(), repository.scopes(), repository.span()) == (None, [], None)


@pytest.mark.parametrize(
    "record",
    [
        {"format": 2, "features": [], "repository": "r", "server": "s", "created": 0},
        {"format": 1, "features": ["telepathy"], "repository": "r", "server": "s", "created": 0},
    ],
)
def test_a_newer_format_is_refused_with_what_to_do(backup: Path, record: dict[str, object]) -> None:
    (backup / commits.FORMAT_FILE).write_text(json.dumps(record))
    with pytest.raises(NotABackup, match="upgrade restante.carbonio"):
        Repository.open(str(backup))


def test_a_commit_of_a_newer_format_is_refused_with_what_to_do(backup: Path) -> None:
    path = backup / commits.name(3)
    path.write_bytes(json.dumps({**json.loads(path.read_bytes()), "format": 2, "more": []}).encode())
    with pytest.raises(NotABackup, match="upgrade restante.carbonio"):
        Repository.open(str(without_catalogue(backup)))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '"x"', "\x00" * 50])
def test_what_is_no_backup_is_refused(backup: Path, text: str) -> None:
    (backup / commits.FORMAT_FILE).write_text(text)
    with pytest.raises(NotABackup):
        Repository.open(str(backup))


def test_a_directory_without_a_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotABackup, match="holds no backup"):
        Repository.open(str(tmp_path))
