# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An archive in a bucket with Object Lock, and somebody who has stolen its keys."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.bucket_admin import (
    BucketAdmin,
    BucketState,
    ObjectLock,
    plan,
)
from ansible_collections.restante.carbonio.plugins.module_utils.archive.locked import LockedArchive, bucket_archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.probe import probe
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_client import connect
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care.coherency import EVERYTHING, Asked, Check
from ansible_collections.restante.carbonio.plugins.module_utils.care.ledger import Ledger
from ansible_collections.restante.carbonio.plugins.module_utils.care.leftovers import remove_there
from ansible_collections.restante.carbonio.plugins.module_utils.care.locks import Renewal, renew
from ansible_collections.restante.carbonio.plugins.module_utils.care.purge import merge
from ansible_collections.restante.carbonio.plugins.module_utils.model import moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Locked, Refused, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import SILENT
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import ArchiveBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.retrieve import find_servers, retrieve
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader
from archive_kit import Backup, Interposed

DAY = 24 * 3600
PACK = "packs/ab/" + "ab" * 32


def locked(settings: S3Settings, seconds: int = 30 * DAY, mode: str = "COMPLIANCE") -> S3Settings:
    """Return the settings of a new bucket that locks."""
    found = dataclasses.replace(
        settings, bucket=f"lock-{uuid.uuid4().hex[:12]}", prefix="v/server-1", lock_mode=mode, lock_seconds=seconds
    )
    assert BucketAdmin(found).apply(plan(BucketState(object_lock=ObjectLock()), None)) == {}
    return found


@pytest.fixture
def settings(ceph_bucket: S3Settings) -> S3Settings:
    return locked(ceph_bucket)


@pytest.fixture
def archive(settings: S3Settings) -> LockedArchive:
    return LockedArchive(settings)


class Thief:
    """Somebody with the keys of the bucket, who uses them past the archive."""

    def __init__(self, settings: S3Settings) -> None:
        self.client: Any = connect(settings)
        self._where = {"Bucket": settings.bucket}
        self._prefix = f"{settings.prefix}/"

    def overwrite(self, name: str, data: bytes) -> None:
        """Write over a file."""
        self.client.put_object(**self._where, Key=self._prefix + name, Body=data, ChecksumAlgorithm="SHA256")

    def delete(self, name: str) -> None:
        """Delete a file."""
        self.client.delete_object(**self._where, Key=self._prefix + name)

    def versions(self, prefix: str = "") -> list[tuple[str, str]]:
        """Return names and ids of all versions."""
        found = self.client.list_object_versions(**self._where, Prefix=self._prefix + prefix)
        entries = [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]
        return [(entry["Key"][len(self._prefix):], entry["VersionId"]) for entry in entries]

    def destroy(self) -> int:
        """Delete every version of everything, with all force; return how many are gone."""
        gone = 0
        for name, version in self.versions():
            with contextlib.suppress(self.client.exceptions.ClientError):
                self.client.delete_object(
                    **self._where, Key=self._prefix + name, VersionId=version, BypassGovernanceRetention=True
                )
                gone += 1
        return gone


@pytest.fixture
def thief(settings: S3Settings) -> Thief:
    return Thief(settings)


def restored(settings: S3Settings, destination: Path) -> dict[str, bytes]:
    """Return all mail that another node gets back, by digest."""
    archive = bucket_archive(settings)
    report = retrieve(archive, str(destination))
    assert report.damages == []
    with contextlib.closing(Repository.open(str(destination))) as repository:
        wanted = [
            found.state.digest for found in repository.states("account-1") if getattr(found.state, "digest", "")
        ]
        return {
            digest: blob for digest, blob in ArchiveBlobs(repository, archive).read(wanted) if isinstance(blob, bytes)
        }


# -- what is written is locked ---------------------------------------------------------------------------------------


def test_a_note_is_locked_for_a_moment_and_the_last_one_counts(archive: LockedArchive) -> None:
    for text in (b"first", b"2nd"):
        archive.put_note("alive.json", text)
        assert archive.get_note("alive.json", 100) == text
    until = archive.locked_until("alive.json")
    assert until is not None and moment.now() < until < moment.now() + 61_000


def test_every_file_that_is_written_is_locked(archive: LockedArchive, thief: Thief, tmp_path: Path) -> None:
    (tmp_path / "pack").write_bytes(b"a pack")
    archive.put_file(PACK, str(tmp_path / "pack"), hashlib.sha256(b"a pack").hexdigest())
    archive.put("packs/cd", b"another")
    assert archive.put_new("commits/1.json", b"a commit")
    for name in (PACK, "packs/cd", "commits/1.json"):
        until = archive.locked_until(name)
        assert until is not None and abs(until - moment.now() - 30 * DAY * 1000) < 60_000
        with pytest.raises(Locked, match=f"{name} is locked in .* until "):
            archive.erase(name)
    assert archive.locked_until("packs/none") is None
    assert thief.destroy() == 0
    assert len(thief.versions()) == 3


def test_one_of_many_writers_of_one_name_wins(archive: LockedArchive) -> None:
    """Where the store ignores If-None-Match, as this one does in versioned buckets, the first version tells."""
    with ThreadPoolExecutor(8) as pool:
        contents = [b"writer %d" % number for number in range(8)]
        won = list(pool.map(lambda content: archive.put_new("commits/1.json", content), contents))
    assert won.count(True) == 1
    assert archive.get("commits/1.json") == contents[won.index(True)]
    assert archive.put_new("commits/1.json", contents[won.index(True)]), "a retry that meets its own success"
    assert not archive.put_new("commits/1.json", b"later")


# -- somebody with the keys ------------------------------------------------------------------------------------------


def test_what_is_deleted_and_written_over_is_restored_all_the_same(
    settings: S3Settings, backup: Backup, thief: Thief, tmp_path: Path
) -> None:
    backup.grow(3)
    Uploader(backup.repository, bucket_archive(settings)).sync()
    for number, name in enumerate(backup.files()):
        if number % 3 != 0:
            thief.overwrite(name, b"pay to have your mail back")
        if number % 3 != 1:
            thief.delete(name)
    assert restored(settings, tmp_path / "restore") == backup.contents
    above = bucket_archive(dataclasses.replace(settings, prefix="v"))
    assert find_servers(above) == {"server-1": "server-1"}


def test_the_newest_commits_cannot_be_rolled_back(
    settings: S3Settings, backup: Backup, thief: Thief, tmp_path: Path
) -> None:
    backup.grow(4)
    Uploader(backup.repository, bucket_archive(settings)).sync()
    for name in ("commits/00000000000000000003.json", "commits/00000000000000000004.json"):
        thief.delete(name)
    assert retrieve(bucket_archive(settings), str(tmp_path / "restore")).newest == 4


def test_the_backup_goes_on_over_deletions(
    settings: S3Settings, backup: Backup, thief: Thief, tmp_path: Path
) -> None:
    backup.grow(2)
    Uploader(backup.repository, bucket_archive(settings)).sync()
    for name in backup.files():
        thief.delete(name)
    backup.grow(1)
    report = Uploader(backup.repository, bucket_archive(settings)).sync()
    assert (report.commits, report.newest) == (1, 3)
    assert restored(settings, tmp_path / "restore") == backup.contents


def test_a_check_and_a_renewal_tell_what_was_deleted_and_written_over(
    settings: S3Settings, archive: LockedArchive, backup: Backup, thief: Thief, tmp_path: Path
) -> None:
    backup.grow(2)
    Uploader(backup.repository, archive).sync()
    commit, pack = backup.files()[0], next(name for name in backup.files() if name.startswith("packs/"))
    archive.put(pack, archive.get(pack))  # sent twice, as after a broken connection
    fresh = bucket_archive(settings)
    assert renew(backup.repository, fresh, moment.now()).warnings() == []
    thief.overwrite(commit, b"forged")
    thief.delete(pack)
    done = renew(backup.repository, bucket_archive(settings), moment.now())
    assert (done.overlaid, set(done.overlaid_names)) == (2, {commit, pack})
    assert "Change the keys" in done.warnings()[0]
    ledger = Ledger(backup.repository.repository_id, str(backup.path))
    found = Check(backup.repository, bucket_archive(settings), ledger, Asked(archive=EVERYTHING)).run()
    assert found.faults == []
    assert found.warnings == done.warnings()


def test_a_file_that_was_wrong_from_the_start_is_read_as_it_was_sent_again(
    settings: S3Settings, backup: Backup, thief: Thief, tmp_path: Path
) -> None:
    """As when the store had damaged it: its first version cannot be removed."""
    backup.grow(2)
    for name in backup.files():
        if name.startswith("packs/"):
            thief.overwrite(name, b"damaged" + (backup.path / name).read_bytes()[7:])
    Uploader(backup.repository, bucket_archive(settings)).sync()
    assert restored(settings, tmp_path / "restore") == backup.contents


# -- for as long as it is needed -------------------------------------------------------------------------------------


def test_locks_are_renewed_when_half_of_their_time_is_over(
    archive: LockedArchive, backup: Backup, settings: S3Settings
) -> None:
    backup.grow(3)
    Uploader(backup.repository, archive).sync()
    now, names = moment.now(), backup.files()
    soon = renew(backup.repository, archive, now + 14 * DAY * 1000, dry_run=True)
    assert (soon.files, soon.renewed) == (len(names), 0)
    later = now + 16 * DAY * 1000
    assert renew(backup.repository, archive, later, dry_run=True).renewed == len(names)
    assert archive.locked_until(names[0]) != later + 30 * DAY * 1000, "a dry run changes nothing"
    done = renew(backup.repository, archive, later)
    assert (done.renewed, done.refused) == (len(names), 0)
    fresh = bucket_archive(settings)
    for name in names:
        assert abs((fresh.locked_until(name) or 0) - later - 30 * DAY * 1000) < 1000
    assert renew(backup.repository, archive, later) == done._replace(renewed=0, ends=done.ends // 1000 * 1000)


def test_what_was_written_before_there_were_locks_is_locked_by_a_renewal(
    archive: LockedArchive, backup: Backup, settings: S3Settings, thief: Thief
) -> None:
    backup.grow(1)
    Uploader(backup.repository, S3Archive(dataclasses.replace(settings, lock_mode=""))).sync()
    assert archive.locked_until("format.json") == 0
    assert renew(backup.repository, archive, moment.now()).renewed == len(backup.files())
    assert thief.destroy() == 0


@pytest.mark.parametrize(("first", "then"), [("GOVERNANCE", "COMPLIANCE"), ("COMPLIANCE", "GOVERNANCE")])
def test_locks_of_another_mode_are_renewed_as_they_are(
    ceph_bucket: S3Settings, backup: Backup, first: str, then: str
) -> None:
    settings = locked(ceph_bucket, mode=first)
    backup.grow(1)
    Uploader(backup.repository, bucket_archive(settings)).sync()
    other = bucket_archive(dataclasses.replace(settings, lock_mode=then))
    done = renew(backup.repository, other, moment.now() + 20 * DAY * 1000)
    assert (done.renewed, done.refused) == (len(backup.files()), 0)


def test_a_lock_that_cannot_be_renewed_is_told_and_the_others_are(archive: LockedArchive, backup: Backup) -> None:
    backup.grow(1)
    Uploader(backup.repository, archive).sync()
    renew(backup.repository, archive, moment.now() + 90 * DAY * 1000)
    name = backup.files()[0]
    archive.lock_until(name, moment.now() + 900 * DAY * 1000)
    later: Any = Interposed(archive)
    later.retention = archive.retention
    later.locked_until = lambda _name: 0
    later.lock_until = archive.lock_until
    done = renew(backup.repository, later, moment.now() + 100 * DAY * 1000)
    assert (done.renewed, done.refused) == (len(backup.files()) - 1, 1)
    assert f"1 files of the archive could not be locked. Cannot lock {name}" in done.warnings()[0]


def test_only_what_the_backup_needs_is_renewed_and_the_rest_goes_when_its_lock_has_ended(
    ceph_bucket: S3Settings, backup: Backup, tmp_path: Path
) -> None:
    settings = locked(ceph_bucket, seconds=3)
    archive = bucket_archive(settings)
    backup.grow(4)
    Uploader(backup.repository, archive).sync()
    before = {pack.name for pack in backup.repository.packs()}
    with backup.repository.writer() as writer:
        merge(writer, merge_from=2)
    backup.repository.refresh()
    gone = before - {pack.name for pack in backup.repository.packs()}
    old = {f"packs/{name[:2]}/{name}" for name in gone}
    assert old
    Uploader(backup.repository, archive).sync()

    def tidy() -> Any:
        return remove_there(backup.repository, archive, -DAY * 1000, moment.now(), SILENT)

    held = tidy()
    sizes = sum((backup.path / name).stat().st_size for name in old)
    assert (held.files, held.kept, held.locked, held.locked_bytes) == (0, len(old), len(old), sizes)
    assert old <= {file.name for file in archive.list("packs/")}, "they are there, and no deletion hides them"
    patient = LockedArchive(dataclasses.replace(settings, lock_seconds=60))
    renewed = renew(backup.repository, patient, moment.now())
    assert isinstance(renewed, Renewal) and renewed.renewed > 0
    time.sleep(3)
    done = tidy()
    assert (done.files, done.kept) == (len(old), 0)
    assert old.isdisjoint(name for name, _version in Thief(settings).versions()), "no version is left, and no marker"
    assert restored(settings, tmp_path / "restore") == backup.contents


# -- what holds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_a_store_that_enforces_locks_is_taken_and_keys_that_may_bypass_them_are_told(
    ceph_bucket: S3Settings, mode: str
) -> None:
    told = probe(bucket_archive(locked(ceph_bucket, mode=mode)))
    assert bool(told) is (mode == "GOVERNANCE")
    assert all("s3:BypassGovernanceRetention" in one for one in told)


def test_the_files_of_a_probe_go_with_the_next_one_when_their_lock_has_ended(
    settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "ansible_collections.restante.carbonio.plugins.module_utils.archive.probe"
    monkeypatch.setattr(f"{module}._LOCK_SECONDS", 2)
    archive = LockedArchive(settings)
    probe(archive)
    left = {file.name for file in archive.list("probe/")}
    ends = max(archive.locked_until(name) or 0 for name in left)
    time.sleep(max(0, ends / 1000 - time.time()) + 1)
    probe(archive)
    assert left and left.isdisjoint(file.name for file in archive.list("probe/"))


def test_the_first_file_of_a_bucket_is_listed_and_not_erased_either(moto_bucket: S3Settings) -> None:
    """Some stores leave out the first of all entries where a listing begins after an empty name."""
    archive = LockedArchive(locked(moto_bucket))
    archive.put_new(PACK, b"pack")
    assert [file.name for file in archive.list("")] == [PACK]
    with pytest.raises(Locked):
        archive.erase(PACK)
    assert archive.get(PACK) == b"pack"


@pytest.mark.parametrize("server", ["moto_bucket"])
def test_a_store_that_lets_locks_be_shortened_is_refused(request: pytest.FixtureRequest, server: str) -> None:
    with pytest.raises(Refused, match="does not enforce Object Lock: a lock could be made shorter"):
        probe(bucket_archive(locked(request.getfixturevalue(server))))


def test_a_store_that_lets_locked_files_be_removed_is_refused(
    settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes the headers and forgets them."""
    monkeypatch.setattr(LockedArchive, "_kept", lambda _self, _note: {})
    with pytest.raises(Refused, match="does not enforce Object Lock: a locked file could be removed"):
        probe(bucket_archive(settings))


def test_a_bucket_without_object_lock_is_refused(ceph_bucket: S3Settings) -> None:
    with pytest.raises(Refused):
        probe(bucket_archive(dataclasses.replace(ceph_bucket, lock_mode="COMPLIANCE", lock_seconds=DAY)))


_ENTRY: dict[str, Any] = {
    "Key": "v/server-1/" + PACK, "VersionId": "1", "Size": 1, "ETag": "e", "LastModified": datetime.now(timezone.utc),
}


@pytest.mark.parametrize("page", [
    {"IsTruncated": True, "NextKeyMarker": "k", "NextVersionIdMarker": "v"},
    {"IsTruncated": True},
    *({"Versions": [{name: value for name, value in _ENTRY.items() if name != lacking}]} for lacking in _ENTRY),
    {"DeleteMarkers": [{"Key": "v/server-1/" + PACK}]},
], ids=["without end", "goes on nowhere", *_ENTRY, "delete marker"])
def test_a_listing_of_versions_that_makes_no_sense_is_told_in_a_sentence(
    archive: LockedArchive, page: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive._client, "list_object_versions", lambda **_where: page)
    for attempt in (lambda: list(archive.list("packs/")), lambda: archive.erase(PACK), lambda: archive.get(PACK)):
        with pytest.raises(Unavailable, match="cannot be read"):
            attempt()


def test_a_process_that_runs_for_long_sees_what_another_one_has_removed(ceph_bucket: S3Settings) -> None:
    """Else an upload would not send a pack again, and its commit would name one that is not there."""
    settings = locked(ceph_bucket, mode="GOVERNANCE")
    archive = LockedArchive(settings)
    archive.put(PACK, b"whole")
    assert archive.size(PACK) == 5
    Thief(settings).destroy()
    assert archive.size(PACK) is None
    archive.put(PACK, b"again")
    assert archive.get(PACK) == b"again"


def test_a_listing_that_tells_of_a_file_twice_hides_no_first_version(archive: LockedArchive, thief: Thief) -> None:
    other = "packs/ac/" + "ac" * 32
    for name in (PACK, other):
        archive.put(name, b"the first one")
    time.sleep(1.1)  # times of versions are in seconds
    thief.overwrite(PACK, b"forged")
    page = archive._client.list_object_versions(Bucket=archive._settings.bucket, Prefix="v/server-1/packs/")
    forged, first, last = page["Versions"]
    assert (forged["Key"], forged["IsLatest"]) == (first["Key"], True)
    pages = iter([[first], [last, forged]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "_version_pages", lambda *_where: ({"Versions": page} for page in pages))
        assert [file.name for file in archive.list("packs/")] == [PACK, other]
    assert archive.get(PACK) == b"the first one" and archive.is_overlaid(PACK)


def test_listings_of_many_versions_are_read_to_their_end(
    archive: LockedArchive, thief: Thief, settings: S3Settings
) -> None:
    """The first version of a name may be on the last page."""
    list_: Callable[..., Any] = archive._client.list_object_versions
    archive._client.list_object_versions = lambda **where: list_(**where, MaxKeys=3)
    for number in range(4):
        archive.put(f"packs/{number}", b"%d" % number)
        for again in range(4):
            thief.overwrite(f"packs/{number}", b"forged %d" % again)
        thief.delete(f"packs/{number}")
    listed = list(archive.list("packs/"))
    assert [(file.name, file.size) for file in listed] == [(f"packs/{number}", 1) for number in range(4)]
    assert [file.name for file in archive.list("packs/", after="packs/1")] == ["packs/2", "packs/3"]
    fresh = LockedArchive(settings)
    fresh._client.list_object_versions = archive._client.list_object_versions
    assert [fresh.get(file.name) for file in listed] == [b"0", b"1", b"2", b"3"]
    assert fresh.is_overlaid("packs/2")
