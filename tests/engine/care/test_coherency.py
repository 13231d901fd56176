# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is done to a file, here or in the archive: it is found, and put right as far as that can be."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive import port
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.port import Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, frames, packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.files import Files
from ansible_collections.restante.carbonio.plugins.module_utils.backup.keys import Lock
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import (
    CATALOGUE_FILE,
    Repository,
)
from ansible_collections.restante.carbonio.plugins.module_utils.care import sides
from ansible_collections.restante.carbonio.plugins.module_utils.care.coherency import NAMES, NOTHING, Asked, Check
from ansible_collections.restante.carbonio.plugins.module_utils.care.findings import METADATA, Findings
from ansible_collections.restante.carbonio.plugins.module_utils.care.ledger import ARCHIVE, HERE, Ledger
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, Refused, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ACCOUNT_ITEM
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import Silent
from ansible_collections.restante.carbonio.plugins.module_utils.restore.retrieve import retrieve
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader

from tests.engine.backup.conftest import ANNA, BOB, fill, message, opened, without_catalogue
from tests.engine.care.care_kit import run
from tests.engine.care.coherency_kit import (
    DEEP,
    HARMS,
    archive_of,
    check,
    contents,
    copy,
    files_of,
    fix,
    harm,
    histories,
)
from tests.servers.moto_server import moto_server

KINDS = ("commits", packs.METADATA, packs.BLOBS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Backup Path of three commits and some twenty packs, and its archive."""
    root = tmp_path_factory.mktemp("made")
    fill(root / "backup")
    Uploader(opened(root / "backup"), archive_of(root / "archive")).sync()
    return root


@pytest.fixture
def backup(made: Path, tmp_path: Path) -> Path:
    copy(made / "archive", tmp_path / "archive")
    return copy(made / "backup", tmp_path / "backup")


@pytest.fixture
def archive(backup: Path) -> DirectoryArchive:
    return DirectoryArchive(str(backup.parent / "archive"))


def said(path: Path) -> tuple[Any, dict[str, Any]]:
    repository = opened(path)
    try:
        return histories(repository), contents(repository)
    finally:
        repository.close()


def everything(root: Path) -> dict[str, bytes]:
    """Return all files but the catalogue's."""
    return {
        str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*")
        if file.is_file() and not file.name.startswith(CATALOGUE_FILE)
    }


def assert_healthy(path: Path, archive: Archive | None) -> None:
    """It can be read, purged, written to and uploaded, a second fix changes nothing, a new catalogue says the same."""
    if archive is not None:
        Uploader(opened(path), archive).sync()
    assert check(path, archive).faults == []
    assert not fix(path, archive, folder="again").changed
    before = said(path)
    assert said(without_catalogue(path)) == before
    run(path)  # a purge
    with opened(path).writer() as writer:
        message(writer, ANNA, 77, at=10**9)
        writer.commit()
    repository = opened(path)
    assert repository.damages() == [] and repository.state(ANNA, "77") is not None
    repository.close()


# -- nothing is wrong ----------------------------------------------------------------------------------------------


def test_an_intact_backup_is_found_coherent_and_fix_touches_nothing(backup: Path, archive: Archive) -> None:
    """R-249, R-250."""
    before = everything(backup.parent)
    found = check(backup, archive)
    assert found.is_coherent and found.lost_contents == 0 and found.unneeded == []
    assert found.counts["checked_parts"] == found.counts["parts"] > 10
    assert not fix(backup, archive).changed
    assert everything(backup.parent) == before


def test_an_empty_backup_and_one_without_archive_are_coherent(backup: Path, tmp_path: Path) -> None:
    assert check(backup, None).is_coherent
    Repository.create(str(tmp_path / "empty"), "server-id").close()
    assert check(tmp_path / "empty", None).is_coherent
    assert check(tmp_path / "empty", archive_of(tmp_path / "nothing")).is_coherent


def test_an_archive_that_lags_behind_is_no_damage(backup: Path, archive: Archive) -> None:
    with opened(backup).writer() as writer:
        message(writer, BOB, 50)
        writer.commit()
    found = check(backup, archive)
    assert found.is_coherent and found.counts["commits_to_upload"] == 1
    assert not fix(backup, archive).changed


def test_a_directory_that_metadata_was_retrieved_into_lacks_nothing(tmp_path: Path, archive: Archive) -> None:
    retrieve(archive, str(tmp_path / "restore"))
    found = check(tmp_path / "restore")
    assert found.is_coherent and found.lost_contents == 0
    assert not fix(tmp_path / "restore").changed


# -- one side ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", HARMS)
def test_what_is_harmed_on_one_side_is_found_there_and_had_from_the_other(
    backup: Path, archive: Archive, how: str, kind: str
) -> None:
    """R-250."""
    chance = random.Random(f"{how} {kind}")
    before = said(backup)
    for side, root in ((HERE, backup), (ARCHIVE, backup.parent / "archive")):
        one, other = (root / path.relative_to(backup) for path in chance.sample(files_of(backup, kind), 2))
        sound = everything(root)
        harm(one, how, chance, other)
        if chance.random() < 0.5:
            without_catalogue(backup)
        found = check(backup, archive)
        harmed = {str(one.relative_to(root))} | ({str(other.relative_to(root))} if how == "swap" else set())
        told = {fault.file for fault in found.faults if fault.side == side and not fault.file.startswith("journal")}
        # Of two commits that do not fit, nobody can tell from here which one was altered; and it may name packs that
        # never were.
        assert told and (told == harmed or kind == "commits"), (found.faults, harmed)
        done = fix(backup, archive, folder=side)
        assert done.left == [] and done.commits == 0
        after = everything(root)
        assert {name: after[name] for name in sound if "quarantine" not in name} == {
            name: data for name, data in sound.items() if "quarantine" not in name
        }
        assert said(backup) == before
        assert not fix(backup, archive, folder="again").changed
    assert_healthy(backup, archive)


@pytest.mark.parametrize("kind", [packs.METADATA, packs.BLOBS])
def test_all_of_a_side_can_be_lost(backup: Path, archive: Archive, kind: str) -> None:
    before = said(backup)
    for file in files_of(backup, kind):
        file.unlink()
    fix(backup, archive)
    assert said(backup) == before or kind == packs.BLOBS
    for file in [file for name in KINDS for file in files_of(backup, name)]:
        (backup.parent / "archive" / file.relative_to(backup)).unlink(missing_ok=kind == packs.METADATA)
        break
    fix(backup, archive, folder="second")
    assert_healthy(backup, archive)


def test_commits_that_only_the_archive_has_are_fetched_with_their_packs(backup: Path, archive: Archive) -> None:
    older = copy(backup, backup.parent / "older")
    with opened(backup).writer() as writer:
        for number in (50, 51):
            message(writer, BOB, number)
            writer.commit({BOB: f"b{number}"})
    Uploader(opened(backup), archive).sync()
    found = check(older, archive)
    assert {fault.side for fault in found.faults} == {HERE} and len(found.faults) >= 2
    assert fix(older, archive).fetched_files >= 4
    assert said(older) == said(backup)


def commit_files(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (path / "commits").iterdir()}


def test_what_another_writer_has_put_into_the_archive_stays(backup: Path, archive: Archive) -> None:
    """Two copies of one backup that went apart: neither overwrites the other."""
    other = copy(backup, backup.parent / "other")
    for path, number in ((backup, 50), (other, 60)):
        with opened(path).writer() as writer:
            message(writer, BOB, number)
            writer.commit()
    Uploader(opened(other), archive).sync()
    before = everything(backup.parent / "archive")
    done = fix(backup, archive)
    assert [fault.kind for fault in done.left] == ["commit"] and "another writer" in done.left[0].consequence
    assert everything(backup.parent / "archive") == before


def test_nothing_is_fetched_from_another_writer_that_is_ahead(backup: Path, archive: Archive) -> None:
    """A copied server has written on, and more of it: its commits must not come to stand behind ours."""
    other = copy(backup, backup.parent / "other")
    for path, numbers in ((backup, [50]), (other, [60, 61, 62])):
        for number in numbers:
            with opened(path).writer() as writer:
                message(writer, BOB, number)
                writer.commit()
    Uploader(opened(other), archive).sync()
    there, here = everything(backup.parent / "archive"), commit_files(backup)
    done = fix(backup, archive)
    assert [fault.kind for fault in done.left] == ["commit"] and "another writer" in done.left[0].reason
    assert everything(backup.parent / "archive") == there
    assert commit_files(backup) == here


@pytest.mark.parametrize("numbers", [[10**20 - 1], [10**20 - 1, 10**19, 5]])
def test_what_lies_far_behind_the_last_commit_of_the_archive_is_told_and_changes_nothing_else(
    backup: Path, archive: Archive, numbers: list[int]
) -> None:
    """Also while the archive lags behind: what was not sent yet is not missed there."""
    with opened(backup).writer() as writer:
        message(writer, BOB, 50)
        writer.commit()
    for number in numbers:
        archive.put(commits.name(number), b"junk")
    found = check(backup, archive)
    assert [(fault.side, fault.file) for fault in found.faults] == [
        (ARCHIVE, commits.name(number)) for number in sorted(numbers)
    ]
    assert found.counts["commits_to_upload"] == 1 and found.counts["archived_commits"] == 3
    before, there = everything(backup), everything(backup.parent / "archive")
    assert len(fix(backup, archive).left) == len(numbers)
    assert (everything(backup), everything(backup.parent / "archive")) == (before, there)


def test_a_pack_that_is_larger_than_what_is_read_blindly_is_checked_and_had_from_the_archive(
    backup: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large content has a pack alone, and is no fault of the archive each time."""
    with opened(backup).writer() as writer:
        writer.put_blob(os.urandom(200_000))
        writer.commit()
    Uploader(opened(backup), archive).sync()
    monkeypatch.setattr(port, "LARGEST", 100_000)
    monkeypatch.setattr(sides, "LARGEST", 100_000, raising=False)
    assert check(backup, archive).faults == []
    large = max(files_of(backup, packs.BLOBS), key=lambda file: file.stat().st_size)
    large.unlink()
    assert fix(backup, archive).fetched_files == 1 and large.stat().st_size > 200_000


def test_what_a_listing_lacks_and_is_there_is_no_damage(
    backup: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store's listings may lag behind what it has."""
    listed = archive.list
    monkeypatch.setattr(archive, "list", lambda prefix, after="": list(listed(prefix, after))[:-1])
    assert check(backup, archive).faults == []


def test_the_format_file_of_the_archive_is_put_back_unless_it_is_of_another_backup(
    backup: Path, archive: Archive
) -> None:
    path = backup.parent / "archive" / "format.json"
    sound = path.read_bytes()
    for broken in (b"", sound[:-9]):
        path.write_bytes(broken)
        assert [fault.kind for fault in check(backup, archive).faults] == ["format"]
        assert fix(backup, archive, folder=str(len(broken))).sent_files == 1 and path.read_bytes() == sound
    foreign = json.dumps({**json.loads(sound), "repository": "another"}).encode()
    path.write_bytes(foreign)
    done = fix(backup, archive)
    assert done.left and path.read_bytes() == foreign


# -- both sides, or the only one -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", HARMS)
def test_what_is_lost_on_both_sides_costs_no_more_than_itself(
    backup: Path, archive: Archive, how: str, kind: str
) -> None:
    """R-250, R-252."""
    before, texts = said(backup)
    one, other = random.Random(f"{how} {kind} both").sample(files_of(backup, kind), 2)
    repository = opened(backup)
    in_one = sum(place.pack == one.name for place in repository.locate(texts).values())
    repository.close()
    for root in (backup, backup.parent / "archive"):
        harm(root / one.relative_to(backup), how, random.Random(1), root / other.relative_to(backup))
    without_catalogue(backup)
    assert not check(backup, archive).is_coherent
    done = fix(backup, archive)
    assert done.left == [] and done.changed
    after, left = said(backup)
    assert isinstance(texts, dict) and isinstance(left, dict) and isinstance(before, dict) and isinstance(after, dict)
    assert left.items() <= texts.items()
    if kind == packs.BLOBS:
        assert after == before and len(left) >= len(texts) - {"flip": 1, "swap": 0}.get(how, in_one)
        assert check(backup, archive).lost_contents == len(texts) - len(left)
    elif kind == "commits":
        assert (after, left) == (before, texts), "the packs are there, and journals tell which belong to it"
    else:
        assert all(after[item][-len(past):] == past or past for item, past in before.items() if item in after)
    assert_healthy(backup, archive)


def test_the_catalogue_still_knows_what_packs_of_metadata_said_that_are_lost(backup: Path) -> None:
    before = said(backup)
    for file in files_of(backup, packs.METADATA):
        file.write_bytes(file.read_bytes()[:60])
    done = fix(backup)
    assert done.commits == 1 and done.left == []
    assert said(without_catalogue(backup)) == before
    assert_healthy(backup, None)


def test_contents_are_saved_from_either_side_where_both_are_altered(backup: Path, archive: Archive) -> None:
    before = said(backup)
    repository = opened(backup)
    pack = next(pack for pack in repository.packs() if pack.kind == packs.BLOBS)
    places = [place for place in repository.locate(before[1]).values() if place.pack == pack.name]
    repository.close()
    assert len(places) > 2
    for root, place in ((backup, places[0]), (backup.parent / "archive", places[1])):
        path = root / packs.file_name(pack.name)
        data = bytearray(path.read_bytes())
        data[place.offset + frames.HEADER_SIZE + 20] ^= 1
        path.write_bytes(data)
    done = fix(backup, archive)
    assert done.saved_contents == len(places) and done.removed_packs == 1
    assert said(backup) == before and check(backup, archive).lost_contents == 0
    assert_healthy(backup, archive)


def test_a_frame_that_is_wrong_in_a_pack_that_is_right_is_no_matter_for_the_archive(
    backup: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written wrongly in the first place: each copy says so, and none is fetched for ever."""
    with opened(backup).writer() as writer:
        real = frames.encode

        def wrong(kind: int, data: bytes, digest: bytes | None = None, lock: Lock | None = None) -> bytes:
            return real(kind, data + b"!" if b"Message 50" in data else data, digest, lock)

        monkeypatch.setattr(frames, "encode", wrong)
        message(writer, BOB, 50)
        writer.commit()
        monkeypatch.undo()
    Uploader(opened(backup), archive).sync()
    found = check(backup, archive)
    assert [fault.named_rightly for fault in found.faults] == [True] and found.lost_contents == 1
    assert (found.lost[0].scope, found.lost[0].item) == (BOB, "50")
    done = fix(backup, archive)
    assert done.fetched_files == 0 and done.removed_packs == 1
    assert_healthy(backup, archive)


def test_what_the_archive_lacks_is_sent_where_its_newest_commit_is_lost_on_both_sides(
    backup: Path, archive: DirectoryArchive
) -> None:
    """R-250: what the earlier commits name is looked for all the same."""
    [pack] = [pack for pack in opened(backup).commit(2).packs if pack.kind == packs.METADATA]
    there = backup.parent / "archive"
    (there / packs.file_name(pack.name)).unlink()
    for root in (backup, there):
        files_of(root, "commits")[-1].write_bytes(b"")
    found = check(backup, archive).faults
    lacking = [fault.file for fault in found if (fault.side, fault.kind) == (ARCHIVE, METADATA)]
    assert lacking == [packs.file_name(pack.name)]
    assert fix(backup, archive).left == []
    Uploader(opened(backup), archive).sync()
    assert not fix(backup, archive, folder="again").changed
    assert_healthy(backup, archive)


def make_of_one_commit(backup: Path, archive: Archive) -> None:
    """Make a backup of one message, and bring it into an archive."""
    Repository.create(str(backup), "server-id").close()
    with opened(backup).writer() as writer:
        message(writer, ANNA, 10)
        writer.commit()
    Uploader(opened(backup), archive).sync()


def test_the_only_commit_of_the_archive_may_be_given_up(tmp_path: Path) -> None:
    """R-250: nobody can tell which of two versions of the newest commit is the right one, be it the first of all."""
    backup, archive = tmp_path / "backup", archive_of(tmp_path / "archive")
    make_of_one_commit(backup, archive)
    before = said(backup)
    harm(files_of(tmp_path / "archive", "commits")[0], "flip", random.Random(1))
    assert fix(backup, archive).left == []
    Uploader(opened(backup), archive).sync()
    assert said(backup) == before
    assert_healthy(backup, archive)


def test_the_commit_that_stands_for_a_given_up_one_is_had_from_the_archive(tmp_path: Path) -> None:
    """R-250: however the other was altered there, and with it the contents that only the archive has whole by then."""
    backup, there = tmp_path / "backup", tmp_path / "archive"
    archive = archive_of(there)
    make_of_one_commit(backup, archive)
    before = said(backup)
    altered = files_of(there, "commits")[-1]
    altered.write_bytes(altered.read_bytes().replace(b'"at":1', b'"at":2'))
    fix(backup, archive)
    Uploader(opened(backup), archive).sync()
    files_of(backup, "commits")[-1].write_bytes(b"")
    for pack in files_of(backup, packs.BLOBS):
        harm(pack, "flip", random.Random(1))
    fix(backup, archive, folder="again")
    assert said(backup) == before


def test_the_commit_that_makes_up_for_a_lost_one_under_the_same_number_stays(
    backup: Path, archive: DirectoryArchive
) -> None:
    """R-250: where the newest is gone here and empty in the archive, and the one before it is altered here."""
    *_others, second, newest = files_of(backup, "commits")
    second.write_bytes(second.read_bytes()[:-9])
    newest.unlink()
    files_of(backup.parent / "archive", "commits")[-1].write_bytes(b"")
    without_catalogue(backup)
    fix(backup, archive)
    assert newest.exists()
    Uploader(opened(backup), archive).sync()
    assert not fix(backup, archive, folder="again").changed
    assert_healthy(backup, archive)


def test_the_newest_commit_is_lost_and_the_journals_go_on_in_what_it_named(backup: Path) -> None:
    before = said(backup)
    newest = files_of(backup, "commits")[-1]
    newest.write_bytes(b"")
    assert fix(without_catalogue(backup)).left == []
    assert said(backup) == before
    repository = opened(backup)
    assert repository.tokens() == {}, "what it promised is not known"
    with repository.writer() as writer:
        message(writer, BOB, 50)
        writer.commit()
    numbers = [
        one.seq for scope in (ANNA, BOB, "server")
        for item in [*(found.item_id for found in repository.states(scope, deleted=True)), ACCOUNT_ITEM]
        for one in repository.history(scope, item)
    ]
    assert len(set(numbers)) == len(numbers) == repository.counts()["transactions"], "each number is used once"
    repository.close()
    assert_healthy(backup, None)


# -- what is left to itself ------------------------------------------------------------------------------------------


def test_without_fix_nothing_is_changed(backup: Path, archive: Archive) -> None:
    """R-250."""
    for kind in KINDS:
        harm(files_of(backup, kind)[-1], "flip", random.Random(3))
    before = everything(backup.parent)
    assert not check(backup, archive).is_coherent
    assert everything(backup.parent) == before


def test_what_is_altered_is_kept_in_quarantine(backup: Path, archive: Archive) -> None:
    """R-250."""
    here, there = files_of(backup, packs.BLOBS)[:2]
    there = backup.parent / "archive" / there.relative_to(backup)
    for file in (here, there):
        file.write_bytes(b"altered")
    fix(backup, archive)
    for root, file in ((backup, here), (backup.parent / "archive", there)):
        assert (root / "quarantine" / "now" / file.relative_to(root)).read_bytes() == b"altered"
        assert file.read_bytes() != b"altered"


def test_a_file_that_cannot_be_moved_is_an_error(backup: Path, archive: Archive) -> None:
    """R-251."""

    class Stubborn(Files):
        def link(self, name: str, target: str) -> None:
            raise Refused(f"{name} cannot be moved.")

    file = files_of(backup, packs.BLOBS)[0]
    file.write_bytes(b"altered")
    with pytest.raises(Refused, match="cannot be moved"):
        fix(backup, archive, Stubborn(str(backup)))
    assert file.read_bytes() == b"altered"


def test_files_that_no_commit_names_are_moved_out(backup: Path) -> None:
    """R-250."""
    name = "ab" + "c" * 62
    (backup / "packs" / "ab").mkdir(exist_ok=True)
    (backup / "packs" / "ab" / name).write_bytes(b"of a crash")
    found = check(backup)
    assert found.is_coherent and found.unneeded == [(f"packs/ab/{name}", 10)]
    assert fix(backup).changed
    assert (backup / "quarantine" / "now" / "packs" / "ab" / name).read_bytes() == b"of a crash"
    assert check(backup).unneeded == []


def test_an_archive_that_does_not_answer_gives_nothing_up(backup: Path, archive: Archive) -> None:
    class Away(DirectoryArchive):
        def get(self, name: str, most: int | None = None) -> bytes:
            raise Unavailable("The archive does not answer.")

    file = files_of(backup, packs.BLOBS)[0]
    file.write_bytes(b"altered")
    head = opened(backup).newest()
    with pytest.raises(Unavailable):
        fix(backup, Away(str(backup.parent / "archive")))
    assert opened(backup).newest() == head and file.read_bytes() == b"altered"
    assert fix(backup, archive).fetched_files == 1


@pytest.mark.parametrize("seed", range(12))
def test_a_catalogue_that_is_altered_is_found_or_says_the_truth(backup: Path, seed: int) -> None:
    before = said(backup)
    chance = random.Random(seed)
    database = sqlite3.connect(backup / CATALOGUE_FILE)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    data = bytearray((backup / CATALOGUE_FILE).read_bytes())
    for _unused in range(30):
        data[chance.randrange(100, len(data))] ^= 1 << chance.randrange(8)
    (backup / CATALOGUE_FILE).write_bytes(data)
    try:
        found = check(backup)
    except (Damaged, Refused):
        without_catalogue(backup)
    else:
        assert [fault.kind for fault in found.faults] in (["catalogue"], [])
        assert fix(backup).rebuilt_catalogue == bool(found.faults)
    assert said(backup) == before


@pytest.mark.parametrize("state", ["{", "[]", "\0", '{"kind":"account"}'])
def test_a_catalogue_in_which_an_account_cannot_be_read_is_made_anew(backup: Path, state: str) -> None:
    before = said(backup)
    with contextlib.closing(sqlite3.connect(backup / CATALOGUE_FILE)) as database:
        database.execute("UPDATE transactions SET state = ? WHERE item = 'account'", (state,))
        database.commit()
    assert [fault.kind for fault in check(backup).faults] == ["catalogue"]
    assert fix(backup).rebuilt_catalogue
    assert said(backup) == before


# -- time and order ----------------------------------------------------------------------------------------------------


def test_a_check_with_little_time_gets_round_everything_in_time(backup: Path, archive: Archive) -> None:
    ledger = Ledger("repository-id", str(backup))
    seen: set[str] = set()
    rounds = 0
    while not (found := _round(backup, archive, ledger)).oldest:
        assert found.counts["checked_parts"] < found.counts["parts"]
        now = {key for key in ledger.to_json()["whole"] if key not in seen}
        assert now, "each goes on where the one before has ended"
        seen |= now
        rounds += 1
    assert rounds > 2 and len(ledger.to_json()["whole"]) == found.counts["parts"]


def _round(backup: Path, archive: Archive, ledger: Ledger) -> Findings:
    ticks = iter(range(10**6))
    repository = opened(backup)
    try:
        asked = DEEP._replace(seconds=3)
        return Check(repository, archive, ledger, asked, clock=lambda: float(next(ticks))).run()
    finally:
        repository.close()


def test_what_is_damaged_comes_first_the_next_time(backup: Path) -> None:
    ledger = Ledger("repository-id", str(backup))
    check(backup, ledger=ledger)
    harmed = files_of(backup, packs.BLOBS)[3]
    harm(harmed, "cut", random.Random(1))
    assert not check(backup, ledger=ledger).is_coherent
    ticks = iter(range(10**6))
    repository = opened(backup)
    found = Check(
        repository, None, ledger, Asked(seconds=0.5), clock=lambda: float(next(ticks))
    ).run()
    assert [fault.file for fault in found.faults] == [str(harmed.relative_to(backup))]
    assert not found.oldest


@pytest.mark.parametrize("record", [
    None, [], {}, {"version": 1}, {"version": 99}, "x", {"version": 1, "repository": "repository-id", "path": "/x"},
    {"version": 1, "repository": "other", "path": "p", "whole": {}, "last": {}},
    {"version": 1, "repository": "r", "path": "p", "whole": {"a": "b"}, "last": {}},
])
def test_a_record_that_cannot_be_understood_means_to_begin_anew(record: object) -> None:
    ledger = Ledger("r", "p")
    ledger.read(record)
    assert ledger.to_json() == Ledger("r", "p").to_json()


def test_a_check_that_is_told_to_stop_stops_and_keeps_what_it_has(backup: Path, archive: Archive) -> None:
    class Stopping(Silent):
        def __init__(self, after: int) -> None:
            self.left = after

        def stopping(self) -> bool:
            self.left -= 1
            return self.left < 0

    ledger = Ledger("repository-id", str(backup))
    for after in (0, 9, 12):
        repository = opened(backup)
        found = Check(repository, archive, ledger, DEEP, Stopping(after)).run()
        assert found.stopped and found.is_coherent
        repository.close()
    assert 0 < len(ledger.to_json()["whole"]) < found.counts["parts"]


def test_a_pack_that_cannot_be_read_for_now_is_not_given_up(backup: Path) -> None:
    class Exhausted(Files):
        def read(self, name: str) -> bytes:
            if name.endswith(victim.name):
                raise Refused("Too many open files.") from OSError(errno.EMFILE, "Too many open files")
            return super().read(name)

    victim, head = files_of(backup, packs.BLOBS)[0], opened(backup).newest()
    with pytest.raises(Refused, match="Too many"):
        fix(backup, None, Exhausted(str(backup)))
    assert opened(backup).newest() == head and victim.exists() and check(backup).is_coherent


def test_a_check_of_one_account_forgets_nothing_of_the_others(backup: Path, archive: Archive) -> None:
    ledger = Ledger("repository-id", str(backup))
    check(backup, archive, ledger=ledger)
    before = ledger.to_json()["whole"].keys()
    check(backup, archive, Asked((BOB,)), ledger)
    check(backup, archive, Asked(), ledger)
    assert ledger.to_json()["whole"].keys() == before


def test_accounts_can_be_looked_at_alone(backup: Path) -> None:
    """R-249."""
    of_bob = {
        place.pack for place in opened(backup).locate(contents(opened(backup), [BOB])).values()
    } - {place.pack for place in opened(backup).locate(contents(opened(backup), [ANNA])).values()}
    (backup / packs.file_name(of_bob.pop())).write_bytes(b"")
    assert check(backup, asked=Asked((ANNA,))).is_coherent
    found = check(backup, asked=Asked((BOB,)))
    assert len(found.faults) == 1 and {one.scope for one in found.lost} == {BOB}
    assert found.lost_states == len(found.lost) >= 1


@pytest.mark.parametrize("depth", [NOTHING, NAMES])
def test_the_archive_is_looked_at_as_far_as_asked(backup: Path, archive: Archive, depth: str) -> None:
    files = [backup.parent / "archive" / one.relative_to(backup) for one in files_of(backup, packs.BLOBS)[:2]]
    files[0].unlink()
    harm(files[1], "flip", random.Random(1))
    found = check(backup, archive, Asked(archive=depth))
    assert [fault.file.rpartition("/")[2] for fault in found.faults] == ([files[0].name] if depth == NAMES else [])


# -- a bucket ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3Archive]:
    with moto_server() as endpoint:
        client = boto3.client(
            "s3", endpoint_url=endpoint.url, aws_access_key_id=endpoint.access_key,
            aws_secret_access_key=endpoint.secret_key, region_name="us-east-1",
        )
        client.create_bucket(Bucket="coherency")
        yield S3Archive(S3Settings(
            "coherency", endpoint=endpoint.url, access_key=endpoint.access_key, secret_key=endpoint.secret_key,
            prefix="mail/server-id", attempts=2,
        ))


def test_a_bucket_is_checked_and_put_right_like_a_directory(backup: Path, bucket: S3Archive) -> None:
    Uploader(opened(backup), bucket).sync()
    before = said(backup)
    assert check(backup, bucket).is_coherent
    blobs, metadata = (files_of(backup, kind) for kind in (packs.BLOBS, packs.METADATA))
    harmed = (blobs[0], blobs[1], metadata[0], files_of(backup, "commits")[1])
    names = [str(file.relative_to(backup)) for file in harmed]
    bucket.put(names[0], b"altered")
    bucket.delete(names[1])
    bucket.put(names[2], metadata[0].read_bytes()[:-1] + b"x")
    bucket.put(names[3], b"{}")
    blobs[2].unlink()
    found = check(backup, bucket)
    assert {fault.file for fault in found.faults if fault.side == ARCHIVE} == set(names)
    done = fix(backup, bucket)
    assert (done.sent_files, done.fetched_files, done.left) == (4, 1, [])
    assert bucket.get(f"quarantine/now/{names[0]}") == b"altered"
    assert check(backup, bucket).is_coherent and said(backup) == before
