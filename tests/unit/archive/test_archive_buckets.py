# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bucket configurations, kept in a file."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.buckets import (
    BucketRecord,
    BucketRegistry,
    checked,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
)

SECRET = "wJalrXUtnFEMI-very-secret"
MINIO = BucketRecord(
    "mail", label="a", provider="minio", endpoint="https://s3.example", access_key="AK", secret_key=SECRET
)


@pytest.fixture
def registry(tmp_path: Path) -> BucketRegistry:
    return BucketRegistry(str(tmp_path / "buckets.json"))


def test_what_was_added_is_there_for_the_next_process(registry: BucketRegistry, tmp_path: Path) -> None:
    """R-308."""
    added = registry.add(MINIO)
    again = BucketRegistry(str(tmp_path / "buckets.json"))
    assert again.get(added.id) == added == again.find("a")
    assert again.get(added.id.upper()) == added
    assert added.provider == "MinIO"
    assert [record.label for record in again.records()] == ["a"]


def test_only_the_owner_can_read_the_file(registry: BucketRegistry, tmp_path: Path) -> None:
    registry.add(MINIO)
    registry.update(registry.records()[0].id, notes="changed")
    assert stat.S_IMODE((tmp_path / "buckets.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["buckets.json"]


def test_the_secret_shows_nowhere_but_in_the_file(registry: BucketRegistry) -> None:
    added = registry.add(MINIO)
    assert SECRET not in repr(added) + repr(added.settings()) + repr(added.public()) + added.settings().where()
    assert added.settings().secret_key == SECRET


def test_an_update_says_whether_it_made_a_difference(registry: BucketRegistry) -> None:
    added = registry.add(MINIO)
    assert registry.update(added.id, notes="new")[1]
    assert not registry.update(added.id, notes="new")[1]
    assert registry.get(added.id).notes == "new"


def test_a_removed_one_is_gone(registry: BucketRegistry) -> None:
    added = registry.add(MINIO)
    registry.remove(added.id)
    with pytest.raises(NotFound, match=added.id):
        registry.get(added.id)
    with pytest.raises(NotFound):
        registry.remove(added.id)


def test_a_label_is_given_once(registry: BucketRegistry) -> None:
    registry.add(MINIO)
    other = registry.add(BucketRecord("mail", label="b"))
    with pytest.raises(AlreadyExists, match="'a'"):
        registry.add(MINIO)
    with pytest.raises(AlreadyExists, match="'a'"):
        registry.update(other.id, label="a")


@pytest.mark.parametrize("record, word", [
    (BucketRecord(""), "name of the bucket"),
    (BucketRecord("b", provider="Fridge"), "Fridge"),
    (BucketRecord("b", provider="Ceph"), "URL"),
    (BucketRecord("b", provider="Alibaba"), "region"),
    (BucketRecord("b", access_key="AK"), "secret"),
])
def test_an_unusable_configuration_is_refused_with_the_reason(
    registry: BucketRegistry, record: BucketRecord, word: str
) -> None:
    with pytest.raises(InvalidInput, match=word):
        registry.add(record)
    assert registry.records() == []


def test_prefixes_are_joined_whatever_their_slashes() -> None:
    record = BucketRecord("b", prefix="/backups/")
    assert record.settings("", "volume/", "server-1").prefix == "backups/volume/server-1"
    assert BucketRecord("b").settings("server-1").prefix == "server-1"
    assert BucketRecord("b").settings().prefix == ""


def test_the_endpoint_follows_from_the_provider_where_it_can() -> None:
    assert BucketRecord("b", provider="Alibaba", region="eu-central-1").settings().endpoint == (
        "https://oss-eu-central-1.aliyuncs.com"
    )
    assert BucketRecord("b").settings().endpoint == ""


@pytest.mark.parametrize("content", ["", "[]", "{\"buckets\": [{}]}", "{\"buckets\": 3}", "\x00\xff"])
def test_a_file_that_is_none_is_named_and_left_alone(registry: BucketRegistry, tmp_path: Path, content: str) -> None:
    (tmp_path / "buckets.json").write_text(content, encoding="latin-1")
    with pytest.raises(InvalidInput, match="buckets.json"):
        registry.add(MINIO)
    assert (tmp_path / "buckets.json").read_text(encoding="latin-1") == content


def test_a_field_of_a_newer_version_does_no_harm(registry: BucketRegistry, tmp_path: Path) -> None:
    added = registry.add(MINIO)
    content = json.loads((tmp_path / "buckets.json").read_text(encoding="utf-8"))
    content["buckets"][0]["colour"] = "blue"
    (tmp_path / "buckets.json").write_text(json.dumps(content), encoding="utf-8")
    assert registry.get(added.id) == added


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    def add(number: int) -> None:
        BucketRegistry(str(tmp_path / "buckets.json")).add(BucketRecord("b", label=str(number)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    assert len(BucketRegistry(str(tmp_path / "buckets.json")).records()) == 40


@pytest.mark.parametrize(("url", "clear"), [
    ("", False), ("https://s3.example.com", False), ("http://s3.example.com:9000", True),
    ("http://127.0.0.1:9000", False),
])
def test_it_is_known_when_a_bucket_is_spoken_to_without_tls(url: str, clear: bool) -> None:
    assert BucketRecord("b", endpoint=url).settings().is_in_the_clear is clear


@pytest.mark.parametrize(("mode", "days", "reason"), [
    ("forever", 30, "unknown"), ("COMPLIANCE", 0, "number of days"), ("", 30, "number of days"),
    ("GOVERNANCE", -1, "number of days"),
])
def test_a_lock_takes_a_mode_and_a_time(mode: str, days: int, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        checked(BucketRecord("b", object_lock_mode=mode, object_lock_days=days))
    right = checked(BucketRecord("b", object_lock_mode="compliance", object_lock_days=7))
    assert right.object_lock_mode == "COMPLIANCE"
