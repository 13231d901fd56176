# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are not needed go after the grace time: here, and in the archive when it has the commit."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.port import Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care.leftovers import (
    Removed,
    remove_here,
    remove_there,
)
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY
from ansible_collections.restante.carbonio.plugins.module_utils.model import moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import RestanteError
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import SILENT
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import ArchiveBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.retrieve import retrieve
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader

from tests.engine.backup.conftest import ANNA, BOB, message, opened, without_catalogue
from tests.engine.backup.fragile import FragileFiles, Interrupted
from tests.engine.care.care_kit import NOW, run, told
from tests.servers.endpoint import Endpoint
from tests.servers.moto_server import moto_server

GRACE = 7 * DAY


def pack_files(path: Path) -> set[str]:
    return {file.name for file in (path / "packs").rglob("*") if file.is_file()}


def named(path: Path) -> set[str]:
    return {pack.name for pack in opened(path).packs()}


@pytest.fixture
def local(tmp_path: Path) -> Archive:
    (tmp_path / "archive").mkdir()
    return DirectoryArchive(str(tmp_path / "archive"))


def archived(archive: Archive) -> set[str]:
    return {file.name.rpartition("/")[2] for file in archive.list("packs/")}


def test_files_stay_for_the_grace_time_and_go_after_it(past: Path) -> None:
    run(past)
    there, now = pack_files(past), moment.now()
    waits = remove_here(opened(past), GRACE, now)
    assert waits == Removed(waiting=len(there - named(past))) and pack_files(past) == there
    removed = remove_here(opened(past), GRACE, now + GRACE + DAY)
    assert removed.files == len(there - named(past)) and removed.bytes > 0
    assert pack_files(past) == named(past)
    assert remove_here(opened(past), GRACE, now + GRACE + DAY) == Removed()


@pytest.mark.parametrize("lost", [False, True], ids=["", "and the commit that says so is lost"])
def test_a_copy_is_brought_up_to_date_after_what_it_missed_was_purged(past: Path, tmp_path: Path, lost: bool) -> None:
    """R-207: its catalogue does not look for what no commit names any more."""
    (tmp_path / "copy").mkdir()
    Uploader(opened(past), DirectoryArchive(str(tmp_path / "copy"))).sync()
    opened(tmp_path / "copy").close()
    with opened(past).writer() as writer:
        for number in range(200, 204):
            message(writer, ANNA, number, at=99 * DAY)
            writer.commit()
    run(past)
    assert remove_here(opened(past), 0, moment.now() + DAY).files
    if lost:
        purged = opened(past).newest()
        with opened(past).writer() as writer:
            writer.commit(full=True)
        (past / commits.name(purged)).unlink()
    Uploader(opened(past), DirectoryArchive(str(tmp_path / "copy"))).sync()
    assert opened(tmp_path / "copy").damages() == []
    assert told(opened(tmp_path / "copy")) == told(opened(past))


def test_what_a_crash_left_goes_and_what_is_no_pack_stays(past: Path, tmp_path: Path) -> None:
    counting = FragileFiles(str(tmp_path / "counted"))
    run(Path(shutil.copytree(past, tmp_path / "counted")), counting)
    with pytest.raises(Interrupted):
        run(past, FragileFiles(str(past), counting.operations - 3))
    (past / "packs" / "notes").mkdir()
    (past / "packs" / "notes" / "todo").write_text("mine")
    (past / "packs" / "aa").mkdir(exist_ok=True)
    (past / "packs" / "aa" / ("aa" * 32 + ".part")).write_text("of a retrieval")
    assert pack_files(past) - named(past) > {"todo"}
    remove_here(opened(past), GRACE, moment.now())
    assert pack_files(past) - named(past) == {"todo", "aa" * 32 + ".part"}


def test_a_pack_that_came_again_stays(past: Path) -> None:
    run(past)
    with opened(past).writer() as writer:
        message(writer, ANNA, 61, at=NOW)
        writer.commit()
    before = told(opened(past))
    remove_here(opened(past), GRACE, moment.now() + GRACE + DAY)
    assert told(opened(without_catalogue(past))) == before


def test_here_nothing_goes_that_the_archive_does_not_have_yet(past: Path, local: Archive) -> None:
    newest = opened(past).newest()
    run(past)
    later = moment.now() + GRACE + DAY
    assert remove_here(opened(past), GRACE, later, archived=newest).files == 0
    assert remove_here(opened(past), GRACE, later, archived=newest + 1).files > 50


def test_the_archive_keeps_what_its_readers_need_until_the_grace_time_has_passed_there(
    past: Path, local: Archive, tmp_path: Path
) -> None:
    """The commit may have come to the archive much later than it was made."""
    Uploader(opened(past), local).sync()
    before = archived(local)
    run(past)
    Uploader(opened(past), local).sync()
    commit = tmp_path / "archive" / commits.name(opened(past).newest())
    for days, gone in ((3, False), (8, True)):
        for file in (commit, *(tmp_path / "archive" / "packs").glob("*/*")):
            os.utime(file, (0, moment.now() / 1000 - days * 86400))
        removed = remove_there(opened(past), local, GRACE, moment.now(), SILENT)
        assert (removed.files > 50, removed.waiting > 50) == (gone, not gone)
    assert before & archived(local) == before & named(past)
    assert archived(local) == named(past)
    assert_restores(local, past, tmp_path / "restore")


def assert_restores(archive: Archive, past: Path, target: Path) -> None:
    """A fresh retrieval knows what the backup knows, and finds every content."""
    assert not retrieve(archive, str(target)).damages
    restored, repository = opened(target), opened(past)
    for scope in (ANNA, BOB):
        states = list(repository.states(scope, deleted=True))
        assert list(restored.states(scope, deleted=True)) == states
        wanted = [one.state.digest for one in states if isinstance(one.state, ItemState) and one.state.digest]
        read = dict(ArchiveBlobs(restored, archive).read(wanted))
        assert read == {digest: repository.read_blob(digest) for digest in wanted}


def test_packs_that_a_copied_server_is_about_to_name_stay_in_the_archive(
    past: Path, local: Archive, tmp_path: Path
) -> None:
    """Both have the same commits so far; one tidies up while the packs of the other's next commit are on their way."""
    Uploader(opened(past), local).sync()
    clone = Path(shutil.copytree(past, tmp_path / "clone"))
    with opened(clone).writer() as writer:
        message(writer, BOB, 99, at=NOW)
        writer.commit()
    newest = opened(clone).commit(opened(clone).newest())
    for pack in newest.packs:
        name = f"packs/{pack.name[:2]}/{pack.name}"
        local.put_file(name, str(clone / name), pack.name)
    removed = remove_there(opened(past), local, GRACE, moment.now(), SILENT)
    assert removed.files == 0 and removed.waiting >= len(newest.packs)
    Uploader(opened(clone), local).sync()
    assert {pack.name for pack in newest.packs} <= archived(local)
    with pytest.raises(RestanteError, match="does not hold the same commits"):
        remove_there(opened(past), local, GRACE, moment.now() + 2 * GRACE, SILENT)


def test_a_retrieval_from_before_is_brought_up_to_a_purge(past: Path, local: Archive, tmp_path: Path) -> None:
    Uploader(opened(past), local).sync()
    retrieve(local, str(tmp_path / "restore"))
    opened(tmp_path / "restore").close()
    run(past)
    Uploader(opened(past), local).sync()
    assert_restores(local, past, tmp_path / "restore")


def test_one_uploader_sends_a_pack_again_that_was_taken_away_meanwhile(past: Path, local: Archive) -> None:
    uploader = Uploader(opened(past), local)
    uploader.sync()
    run(past)
    uploader.sync()
    remove_there(opened(past), local, -DAY, moment.now(), SILENT)
    remove_here(opened(past), -DAY, moment.now())
    with opened(past).writer() as writer:
        message(writer, ANNA, 61, at=NOW)
        writer.commit()
    uploader.sync()
    assert archived(local) == named(past)


def test_a_new_archive_takes_a_backup_whose_old_packs_are_gone(past: Path, local: Archive, tmp_path: Path) -> None:
    run(past)
    with opened(past).writer() as writer:
        message(writer, ANNA, 99, at=NOW)
        writer.commit()
    remove_here(opened(past), -DAY, moment.now())
    Uploader(opened(past), local).sync()
    assert_restores(local, past, tmp_path / "restore")


@pytest.mark.parametrize("fault", ["ahead", "other", "behind"])
def test_an_archive_with_other_commits_is_left_as_it_is(past: Path, local: Archive, tmp_path: Path, fault: str) -> None:
    """An older copy of a backup must never tidy up the archive of the newer one."""
    shutil.copytree(past, tmp_path / "older")
    if fault != "behind":
        with opened(past).writer() as writer:
            message(writer, ANNA, 99, at=NOW)
            writer.commit()
    Uploader(opened(past), local).sync()
    if fault != "ahead":
        with opened(tmp_path / "older").writer() as writer:
            message(writer, ANNA, 98, at=NOW)
            writer.commit()
    before = archived(local)
    with pytest.raises(RestanteError, match="does not hold the same|it is not there"):
        remove_there(opened(tmp_path / "older"), local, -DAY, moment.now(), SILENT)
    assert archived(local) == before


# -- a bucket with versions and locks ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with moto_server() as server:
        yield server


@pytest.fixture
def bucket(endpoint: Endpoint) -> Callable[[bool], tuple[S3Archive, object, str]]:
    def make(lock: bool) -> tuple[S3Archive, object, str]:
        name = f"versions-{uuid.uuid4().hex[:10]}"
        client = boto3.client(
            "s3", endpoint_url=endpoint.url, region_name="us-east-1",
            aws_access_key_id=endpoint.access_key, aws_secret_access_key=endpoint.secret_key,
        )
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        settings = S3Settings(
            name, prefix="p", region="us-east-1", endpoint=endpoint.url,
            access_key=endpoint.access_key, secret_key=endpoint.secret_key,
        )
        return S3Archive(settings), client, name
    return make


def test_all_versions_of_a_file_go(past: Path, bucket: Callable[[bool], tuple[S3Archive, object, str]]) -> None:
    archive, client, name = bucket(False)
    Uploader(opened(past), archive).sync()
    run(past)
    Uploader(opened(past), archive).sync()
    gone = sorted(archived(archive) - named(past))
    archive.put(f"packs/{gone[0][:2]}/{gone[0]}", b"another version")
    archive.delete(f"packs/{gone[1][:2]}/{gone[1]}")
    archive.put(f"packs/{gone[1][:2]}/{gone[1]}", b"after a delete marker")
    removed = remove_there(opened(past), archive, -DAY, moment.now(), SILENT)
    assert (removed.files, removed.kept) == (len(gone), 0)
    listed = client.list_object_versions(Bucket=name, Prefix="p/packs/")  # type: ignore[attr-defined]
    assert {version["Key"][-64:] for version in listed["Versions"]} == named(past)
    assert "DeleteMarkers" not in listed


def test_what_is_locked_is_told_and_goes_when_the_lock_has_ended(
    past: Path, bucket: Callable[[bool], tuple[S3Archive, object, str]]
) -> None:
    archive, client, name = bucket(True)
    Uploader(opened(past), archive).sync()
    run(past)
    Uploader(opened(past), archive).sync()
    gone = sorted(archived(archive) - named(past))
    until = datetime.now(timezone.utc) + timedelta(days=3)
    first, second = (f"p/packs/{pack[:2]}/{pack}" for pack in gone[:2])
    client.put_object_retention(  # type: ignore[attr-defined]
        Bucket=name, Key=first, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until}
    )
    client.put_object_legal_hold(Bucket=name, Key=second, LegalHold={"Status": "ON"})  # type: ignore[attr-defined]
    removed = remove_there(opened(past), archive, -DAY, moment.now(), SILENT)
    assert (removed.files, removed.kept) == (len(gone) - 2, 2)
    assert any(f"locked in s3://{name}/p" in reason and f"{until:%Y-%m-%d}" in reason for reason in removed.reasons)
    assert any("until its legal hold is lifted" in reason for reason in removed.reasons)
    assert archived(archive) - named(past) == set(gone[:2]), "it is there, and not hidden by a delete marker"
    client.put_object_legal_hold(Bucket=name, Key=second, LegalHold={"Status": "OFF"})  # type: ignore[attr-defined]
    removed = remove_there(opened(past), archive, -DAY, moment.now(), SILENT)
    assert (removed.files, removed.kept) == (1, 1)
    assert Repository.open(str(past)).damages() == []
