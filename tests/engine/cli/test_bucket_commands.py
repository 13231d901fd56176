# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bucket configurations and backup volumes by the commands, against an S3 server."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings

from tests.servers.endpoint import Endpoint
from tests.servers.moto_server import moto_server

INBOX = "2"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with moto_server() as server:
        yield server


class Machine:
    """A node with an empty mailbox, a bucket, and its command line in this process."""

    def __init__(self, root: Path, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.endpoint = endpoint
        self._capsys = capsys
        self._config_file = str(root / "etc" / "restante.json")
        places = {name: str(root / name) for name in ("backup_path", "cache_path", "state_path", "mailstore_path")}
        settings_file.save(self._config_file, Settings(**places))
        with contextlib.closing(EmbeddedStore.create(places["mailstore_path"])) as store:
            store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
            store.create_entry(Entry("a", kinds.ACCOUNT, "ann@example.com"))
        keys = {"aws_access_key_id": endpoint.access_key, "aws_secret_access_key": endpoint.secret_key}
        self.s3 = boto3.client("s3", endpoint_url=endpoint.url, region_name="us-east-1", **keys)
        self.bucket = self.new_bucket()

    @property
    def node(self) -> Node:
        """The node as its settings say now."""
        return Node.load(self._config_file)

    def new_bucket(self) -> str:
        """Make a bucket at the provider; return its name."""
        name = f"mail-{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=name)
        return name

    def run(self, *words: str) -> tuple[int, str, str]:
        """Type a command and wait for it; return exit status, output and messages."""
        status = main(["--config-file", self._config_file, "--json", "--sync", *words])
        told = self._capsys.readouterr()
        return status, told.out, told.err

    def answer(self, *words: str) -> Any:
        """Return what a command answers that succeeds."""
        status, output, messages = self.run(*words)
        assert status == 0, messages
        return json.loads(output)

    def configured(self, provider: str = "S3", label: str = "backup") -> str:
        """Configure the bucket; return its id."""
        access = [self.bucket, self.endpoint.access_key, self.endpoint.secret_key]
        rest = [label, "us-east-1", "url", self.endpoint.url] if provider == "S3" else [self.endpoint.url, label]
        return str(self.answer("core", "doCreateBucket", provider, *access, *rest)["Bucket ID"])

    def mail(self, content: bytes) -> None:
        """Let a message arrive, and back it up."""
        with contextlib.closing(self.node.store()) as store:
            store.write_items("a", [NewItem("", ItemState("", kinds.MESSAGE, INBOX, date=1), content)])
        self.answer("backup", "doSmartScan", "start")

    def classes(self) -> dict[str, str]:
        """Return the storage class of each file in the bucket."""
        found = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {one["Key"]: one["StorageClass"] for one in found if not one["Key"].endswith("/alive.json")}


@pytest.fixture
def machine(tmp_path: Path, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path, endpoint, capsys)


def test_a_bucket_is_listed_with_its_use_and_without_its_secret(machine: Machine) -> None:
    """R-310."""
    used, unused = machine.configured(), machine.configured("CustomS3", "other")
    machine.answer("backup", "setBackupVolume", "S3", used)
    listed = {one["uuid"]: one for one in machine.answer("core", "listBuckets", "all")}
    assert listed[used]["usage in external backup"] == "this node"
    assert listed[unused]["usage in external backup"] == "unused"
    assert machine.endpoint.secret_key not in json.dumps(listed)
    [shown] = machine.answer("core", "listBuckets", "customs3", "show_secrets", "true")
    assert (shown["uuid"], shown["secret"]) == (unused, machine.endpoint.secret_key)


def test_a_configuration_is_updated_when_the_new_data_work(machine: Machine) -> None:
    bucket_id, other = machine.configured(), machine.new_bucket()
    update = ["core", "doUpdateBucket", "S3", bucket_id]
    assert machine.answer(*update, "bucket_name", other) == "ok"
    assert machine.node.bucket(bucket_id).bucket == other
    assert machine.node.bucket(bucket_id).secret_key == machine.endpoint.secret_key
    assert machine.answer(*update) == "ok"
    for words, sentence in (
        ([*update, "bucket_name", "no-such-bucket"], "There is no bucket no-such-bucket"),
        (["core", "doUpdateBucket", "MinIO", bucket_id, "bucket_name", other], "one of S3, not of MinIO"),
        (["core", "doUpdateBucket", "S3", "nothing"], "no bucket configuration"),
    ):
        status, output, messages = machine.run(*words)
        assert (status, output) == (1, "") and sentence in messages
    assert machine.node.bucket(bucket_id).bucket == other


def test_a_configuration_is_forgotten_unless_it_is_in_use(machine: Machine) -> None:
    bucket_id = machine.configured()
    machine.answer("backup", "setBackupVolume", "S3", bucket_id)
    delete = ["core", "doDeleteBucket", "S3", bucket_id]
    status, _output, messages = machine.run(*delete)
    assert status == 1 and "is this node's backup volume" in messages
    machine.answer("backup", "setBackupVolume", "Default", "start")
    assert machine.answer(*delete) == "ok"
    assert machine.answer("core", "listBuckets", "all") == []
    assert machine.run(*delete)[0] == 1


def test_the_volume_is_chosen_and_only_the_chosen_one_is_written_to(machine: Machine) -> None:
    """R-286, R-287, R-283: content and metadata go to the volume, and stay in the Backup Path."""
    bucket_id, local = machine.configured(), machine.root / "local"
    local.mkdir()
    machine.answer("backup", "setBackupVolume", "S3", bucket_id)
    machine.mail(b"first")
    in_bucket = machine.classes()
    assert any("/packs/" in name for name in in_bucket) and any("/commits/" in name for name in in_bucket)
    machine.answer("backup", "setBackupVolume", "Local", str(local))
    machine.mail(b"second")
    in_directory = set(local.rglob("*.json"))
    assert in_directory and machine.classes() == in_bucket
    machine.answer("backup", "setBackupVolume", "Default", "start")
    machine.mail(b"third")
    assert set(local.rglob("*.json")) == in_directory and machine.classes() == in_bucket
    with contextlib.closing(machine.node.repository()) as backup:
        assert sum(1 for _unused in backup.states("a", kinds=[kinds.MESSAGE])) == 3


def test_the_storage_class_is_that_of_new_files_from_a_size_on(machine: Machine) -> None:
    """R-292."""
    bucket_id = machine.configured()
    machine.answer("backup", "setBackupVolume", "S3", bucket_id, "volume_prefix", "a", "use_infrequent_access", "true")
    assert machine.node.bucket(bucket_id).storage_class_from == 65536
    machine.mail(b"small")
    assert set(machine.classes().values()) == {"STANDARD"}
    update = ["backup", "updateBackupVolume", "S3"]
    machine.answer(*update, "infrequent-access-threshold", "1 KB")
    machine.mail(os.urandom(10_000))
    before = machine.classes()
    assert sorted(before.values()).count("STANDARD_IA") == 1
    machine.answer(*update, "use-intelligent-tiering", "true", "infrequent-access-threshold", "0")
    machine.mail(b"another")
    after = machine.classes()
    assert {after[name] for name in set(after) - set(before)} == {"INTELLIGENT_TIERING"}
    found = machine.s3.list_objects_v2(Bucket=machine.bucket)["Contents"]
    assert [one["StorageClass"] for one in found if one["Key"].endswith("/alive.json")] == ["STANDARD"]
    assert {name: after[name] for name in before} == before and "INTELLIGENT_TIERING" not in before.values()
    machine.answer(*update, "use-intelligent-tiering", "false")
    assert machine.node.bucket(bucket_id).storage_class == ""


@pytest.mark.parametrize(("words", "sentence"), [
    (["use_infrequent_access", "true", "use_intelligent_tiering", "true"], "A file has one storage class"),
    (["use_intelligent_tiering", "true"], "goes to no bucket"),
])
def test_a_storage_class_that_cannot_be_is_refused(machine: Machine, words: list[str], sentence: str) -> None:
    status, _output, messages = machine.run("backup", "updateBackupVolume", "S3", *words)
    assert status == 1 and sentence in messages


def test_a_connection_is_tested_whatever_type_is_given(machine: Machine) -> None:
    """R-309."""
    assert machine.answer("core", "testS3Connection", machine.configured(), "storeType", "S3") == "connection ok"


def test_metadata_comes_out_of_a_bucket_that_has_no_configuration(machine: Machine) -> None:
    """R-187, R-186."""
    machine.answer("backup", "setBackupVolume", "S3", machine.configured(), "volume_prefix", "a")
    machine.mail(b"first")
    with contextlib.closing(machine.node.store()) as store:
        own = store.server_id()
    access = ["access_key", machine.endpoint.access_key, "secret", machine.endpoint.secret_key]
    place = ["bucket_name", machine.bucket, "url", machine.endpoint.url, "region", "us-east-1", "volume_prefix", "a"]
    more = ["prefix", "", "threads", "3", "notifications", "x@example.com", "server_id", own]
    restore = str(machine.root / "restore")
    machine.answer("backup", "retrieveMetadataFromArchive", "S3", restore, *place, *access, *more)
    [found] = machine.answer("backup", "getAvailableAccounts", "backup_path", restore)
    assert found["name"] == "ann@example.com"
