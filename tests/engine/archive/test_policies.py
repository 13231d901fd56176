# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policies in docs/policies: enough for what each is for, and no more."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.bucket_admin import (
    BucketAdmin,
    BucketState,
    ObjectLock,
    plan,
)
from ansible_collections.restante.carbonio.plugins.module_utils.archive.locked import bucket_archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.probe import probe
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_client import connect
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care.leftovers import remove_there
from ansible_collections.restante.carbonio.plugins.module_utils.care.locks import renew
from ansible_collections.restante.carbonio.plugins.module_utils.care.purge import merge
from ansible_collections.restante.carbonio.plugins.module_utils.model import moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Refused
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import SILENT
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import ArchiveBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.retrieve import retrieve
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader
from archive_kit import Backup
from servers.radosgw import GUEST, GUEST_ACCESS_KEY, GUEST_SECRET_KEY

POLICIES = Path(__file__).resolve().parents[3] / "docs" / "policies"
PREFIX = "backups"
DAY = 24 * 3600


class Bucket:
    """A bucket, its owner, and a guest who may do what a policy says."""

    def __init__(self, settings: S3Settings, lock: bool) -> None:
        self.owner = dataclasses.replace(
            settings, bucket=f"{settings.bucket}-p", prefix=f"{PREFIX}/server-1",
            lock_mode="COMPLIANCE" if lock else "", lock_seconds=DAY if lock else 0,
        )
        BucketAdmin(self.owner).apply(plan(BucketState(object_lock=ObjectLock() if lock else None), None))
        self._client: Any = connect(self.owner)

    def guest(self, policy: str) -> S3Settings:
        """Give the guest the rights of a policy, and only those."""
        text = (POLICIES / f"{policy}.json").read_text(encoding="utf-8")
        for word, meant in (("BUCKET", self.owner.bucket), ("PREFIX", PREFIX), ("WRITER", GUEST), ("READER", GUEST)):
            text = text.replace(word, meant)
        self._client.put_bucket_policy(Bucket=self.owner.bucket, Policy=json.dumps(json.loads(text)))
        return dataclasses.replace(self.owner, access_key=GUEST_ACCESS_KEY, secret_key=GUEST_SECRET_KEY)


def refused(client: Any, call: str, **arguments: Any) -> bool:
    """Return whether a request is denied."""
    with contextlib.suppress(client.exceptions.ClientError):
        getattr(client, call)(**arguments)
        return False
    return True


@pytest.mark.parametrize("lock", [False, True], ids=["writer", "locked-writer"])
def test_a_writer_can_back_up(ceph_bucket: S3Settings, backup: Backup, lock: bool) -> None:
    bucket = Bucket(ceph_bucket, lock)
    guest = bucket.guest("locked-writer" if lock else "writer")
    archive = bucket_archive(guest)
    probe(archive)
    backup.grow(3)
    assert Uploader(backup.repository, archive).sync().newest == 3
    if lock:
        assert renew(backup.repository, archive, moment.now() + DAY * 900).renewed == len(backup.files())
    with backup.repository.writer() as writer:
        merge(writer, merge_from=2)
    backup.repository.refresh()
    Uploader(backup.repository, archive).sync()
    removed = remove_there(backup.repository, archive, -DAY * 1000, moment.now(), SILENT)
    assert (removed.files > 0, removed.locked > 0, removed.kept == removed.locked) == (not lock, lock, True)


def test_a_writer_of_a_locked_archive_cannot_delete_or_configure_anything(
    ceph_bucket: S3Settings, backup: Backup
) -> None:
    bucket = Bucket(ceph_bucket, True)
    backup.grow(1)
    Uploader(backup.repository, bucket_archive(bucket.owner)).sync()
    guest = bucket.guest("locked-writer")
    client: Any = connect(guest)
    key = {"Bucket": guest.bucket, "Key": f"{guest.prefix}/format.json"}
    assert refused(client, "delete_object", **key), "not even a delete marker"
    assert refused(client, "delete_bucket", Bucket=guest.bucket)
    assert refused(client, "put_bucket_policy", Bucket=guest.bucket, Policy="{}")
    assert refused(client, "put_object", Bucket=guest.bucket, Key="elsewhere", Body=b"x")
    assert refused(client, "get_object", Bucket=guest.bucket, Key="elsewhere")


@pytest.mark.parametrize("lock", [False, True], ids=["plain", "locked"])
def test_a_reader_can_restore_and_change_nothing(
    ceph_bucket: S3Settings, backup: Backup, tmp_path: Path, lock: bool
) -> None:
    bucket = Bucket(ceph_bucket, lock)
    backup.grow(3)
    Uploader(backup.repository, bucket_archive(bucket.owner)).sync()
    guest = bucket.guest("reader")
    present = BucketAdmin(guest).present()
    assert present is not None and (present.state.object_lock is not None) is lock, "so it knows how to read it"
    archive = bucket_archive(guest)
    assert retrieve(archive, str(tmp_path / "restore")).newest == 3
    with contextlib.closing(Repository.open(str(tmp_path / "restore"))) as repository:
        blobs = dict(ArchiveBlobs(repository, archive).read(list(backup.contents)))
    assert blobs == backup.contents
    for change in (lambda: archive.put("packs/x", b"x"), lambda: archive.delete("format.json")):
        with pytest.raises(Refused):
            change()
