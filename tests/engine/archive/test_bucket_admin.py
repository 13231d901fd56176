# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bucket brought into its desired state, on two servers."""

from __future__ import annotations

import dataclasses
import uuid

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.bucket_admin import (
    BucketAdmin,
    BucketState,
    Encryption,
    LifecycleRule,
    ObjectLock,
    plan,
)
from ansible_collections.restante.carbonio.plugins.module_utils.archive.probe import probe_connection
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Refused, Unavailable
from servers.faulty_proxy import SLOW_DOWN, faulty_proxy
from servers.ports import free_port

RULES = (LifecycleRule("versions", "", 0, 30, 7), LifecycleRule("whole", "old/", 90))


@pytest.fixture(params=["moto_bucket", "ceph_bucket"])
def settings(request: pytest.FixtureRequest) -> S3Settings:
    """Settings of a bucket that is not there yet."""
    there: S3Settings = request.getfixturevalue(request.param)
    return dataclasses.replace(there, bucket=f"new-{uuid.uuid4().hex[:12]}")


def brought_to(settings: S3Settings, desired: BucketState) -> BucketState:
    """Apply a desired state and return what the bucket is like then."""
    admin = BucketAdmin(settings)
    assert admin.apply(plan(desired, admin.present())) == {}
    present = admin.present()
    assert present is not None
    assert plan(desired, present) == [], "the second time there is nothing to do"
    return present.state


def test_a_missing_bucket_is_told_and_created(settings: S3Settings) -> None:
    admin = BucketAdmin(settings)
    assert admin.present() is None
    brought_to(settings, BucketState())
    probe_connection(S3Archive(settings))


def test_creating_it_twice_does_no_harm(settings: S3Settings) -> None:
    admin = BucketAdmin(settings)
    steps = plan(BucketState(), None)
    assert admin.apply(steps) == admin.apply(steps) == {}


def test_versioning_is_switched_on_and_off(settings: S3Settings) -> None:
    assert brought_to(settings, BucketState(versioning=True)).versioning
    assert not brought_to(settings, BucketState(versioning=False)).versioning


def test_lifecycle_rules_are_set_replaced_and_removed(settings: S3Settings) -> None:
    assert brought_to(settings, BucketState(lifecycle=RULES)).lifecycle == RULES
    assert brought_to(settings, BucketState(lifecycle=RULES[:1])).lifecycle == RULES[:1]
    assert not brought_to(settings, BucketState(lifecycle=())).lifecycle


def test_object_lock_is_set_at_creation(settings: S3Settings) -> None:
    lock = ObjectLock("GOVERNANCE", 1)
    state = brought_to(settings, BucketState(object_lock=lock))
    assert state.object_lock == lock
    assert state.versioning
    probe_connection(S3Archive(settings))


def test_encryption_is_set_or_reported(settings: S3Settings) -> None:
    """radosgw 16 without a key server refuses it; what cannot be had is told, and the rest is done."""
    admin = BucketAdmin(settings)
    failed = admin.apply(plan(BucketState(versioning=True, encryption=Encryption("AES256")), None))
    present = admin.present()
    assert present is not None and present.state.versioning
    if failed:
        assert list(failed) == ["encryption"] and settings.bucket in failed["encryption"]
        assert not present.state.encryption
    else:
        assert present.state.encryption == Encryption("AES256")


def test_blocking_public_access_never_blocks_the_backup(settings: S3Settings) -> None:
    """radosgw 16 refuses every file once public ACLs are blocked: it is then switched off again, and told."""
    admin = BucketAdmin(settings)
    failed = admin.apply(plan(BucketState(public_access_blocked=True), None))
    present = admin.present()
    assert present is not None
    assert present.state.public_access_blocked is not bool(failed)
    probe_connection(S3Archive(settings))
    assert [file.name for file in S3Archive(settings).list("")] == []


def test_what_the_server_takes_and_does_not_keep_is_reported(settings: S3Settings) -> None:
    admin = BucketAdmin(settings)
    admin.apply(plan(BucketState(), None))
    admin._client.meta.events.register("before-call.s3.PutBucketVersioning", _suspend)
    failed = admin.apply(plan(BucketState(versioning=True), admin.present()))
    assert "did not keep it" in failed["versioning"]


def _suspend(params: dict[str, bytes], **_unused: object) -> None:
    params["body"] = params["body"].replace(b"Enabled", b"Suspended")


def test_an_endpoint_that_is_down_is_told_and_not_taken_for_a_missing_bucket(settings: S3Settings) -> None:
    down = dataclasses.replace(settings, endpoint=f"http://127.0.0.1:{free_port()}", attempts=1)
    with pytest.raises(Unavailable):
        BucketAdmin(down).present()
    with pytest.raises(Unavailable):
        BucketAdmin(down).apply(plan(BucketState(), None))


def test_a_store_that_is_overloaded_is_not_taken_for_one_that_lacks_a_setting(
    moto_bucket: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _unused: None)
    with faulty_proxy(moto_bucket.endpoint) as proxy:
        admin = BucketAdmin(dataclasses.replace(moto_bucket, endpoint=proxy.url))
        proxy.first(100, SLOW_DOWN, "GET", "versioning")
        with pytest.raises(Unavailable, match="503"):
            admin.present()
        proxy.first(100, SLOW_DOWN, "PUT", "versioning")
        with pytest.raises(Unavailable, match="503"):
            admin.apply(plan(BucketState(versioning=True), admin.present()))


def test_wrong_credentials_are_told(ceph_bucket: S3Settings) -> None:
    with pytest.raises(Refused):
        BucketAdmin(dataclasses.replace(ceph_bucket, secret_key="wrong")).present()
    with pytest.raises(Refused):
        BucketAdmin(dataclasses.replace(ceph_bucket, secret_key="wrong", bucket="fresh-one")).apply(
            plan(BucketState(), None)
        )
