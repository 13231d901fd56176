# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is compared with what the vendor's command tells before it is set, and set only where it differs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotFound, RestanteError
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume
from scripted import BUCKET, ENDED, ID, SERVER, Modules, Script


@pytest.mark.parametrize("check_mode", [False, True])
def test_only_accounts_that_are_not_yet_on_hold_are_told(module: Modules, check_mode: bool) -> None:
    script: Script = {"backup legalHold get": "holds", "backup legalHold set": "ok"}
    result, commands = module("legal_hold", script, check_mode, accounts=["all"])
    assert result["changed"] and result["diff"]["after"] == {"ben@example.com": True}
    assert commands[1:] == ([] if check_mode else ["backup legalHold set ben@example.com"])


def test_holds_that_are_as_wanted_are_left_alone(module: Modules) -> None:
    result, commands = module("legal_hold", {"backup legalHold get": "holds in fields"}, accounts=["ann@example.com"])
    assert not result["changed"] and len(commands) == 1


@pytest.mark.parametrize(("given", "answer", "command"), [
    ({"value": ["false"]}, "attribute of its own", ""),
    ({"value": ["TRUE"]}, "attribute of its own", "set"),
    ({"state": "absent"}, "attribute of its own", "unset"),
])
def test_an_attribute_is_compared_before_it_is_set(
    module: Modules, given: dict[str, Any], answer: str, command: str
) -> None:
    name = "ZxBackup_RealTimeScanner"
    script: Script = {"config get server": answer, "config set server": "ok", "config unset server": "ok"}
    result, commands = module("config", script, level="server", attribute=name, **given)
    assert result["changed"] is bool(command)
    value = f" {given['value'][0]}" if "value" in given else ""
    assert commands[1:] == ([f"config {command} server {SERVER} {name}{value}"] if command else [])


def test_an_inherited_value_is_none_of_its_own(module: Modules) -> None:
    given = {"level": "account", "name": "ann", "attribute": "backupEnabled"}
    result, _commands = module("config", {"config get account": "attribute inherited"}, state="absent", **given)
    assert not result["changed"]
    script: Script = {"config get account": "attribute inherited", "config set account": "ok"}
    result, commands = module("config", script, value=["TRUE"], **given)
    assert result["changed"] and commands[-1] == "config set account ann backupEnabled TRUE"


def test_an_attribute_that_is_not_there_has_no_value_and_an_entry_that_is_not_there_none_at_all(
    module: Modules
) -> None:
    given = {"level": "account", "name": "ann", "attribute": "backupEnabled", "value": ["FALSE"]}
    script: Script = {"config get account": "no such attribute", "config set account": "ok"}
    result, _commands = module("config", script, **given)
    assert result["changed"]
    with pytest.raises(NotFound, match="nobody@example.com"):
        module("config", {"config get account": "no such account"}, **given)


@pytest.mark.parametrize(("state", "changed"), [("stopped", False), ("started", True)])
def test_the_realtime_scanner_is_an_attribute(module: Modules, state: str, changed: bool) -> None:
    script: Script = {"config get server": "attribute of its own", "config set server": "ok"}
    result, commands = module("realtime_scanner", script, state=state)
    assert result["changed"] is changed
    assert len(commands) == 1 + changed


def test_volumes_are_compared_before_they_are_changed(module: Modules) -> None:
    script: Script = {"powerstore getAllVolumes": "volumes", "powerstore doUpdateVolume": "ok"}
    result, commands = module("volume", script, name="message1", compressed=False, current=True)
    assert not result["changed"] and len(commands) == 1
    result, commands = module("volume", script, name="message1", compressed=True)
    assert result["changed"]
    assert commands[-1] == "powerstore doUpdateVolume FileBlob message1 volume_compressed true"


def test_a_volume_is_made_and_made_current(module: Modules) -> None:
    script: Script = {
        "powerstore getAllVolumes": "volumes", "powerstore doCreateVolume": "ok", "powerstore doUpdateVolume": "ok",
    }
    _result, commands = module("volume", script, name="new", path="/srv/new", current=True)
    assert commands[1:] == [
        "powerstore doCreateVolume FileBlob new primary /srv/new",
        "powerstore doUpdateVolume FileBlob new current_volume true",
    ]


def test_a_node_is_tuned_and_put_back_as_it_was(module: Modules) -> None:
    script: Script = {
        "config get server": "attribute inherited", "config set server": "ok", "powerstore getAllVolumes": "volumes",
        "powerstore doUpdateVolume": "ok",
    }
    result, commands = module("restore_tuning", script, state="tuned")
    assert result["changed"] and "redo log" in result["warnings"][0]
    assert commands[2:] == [
        f"config set server {SERVER} ZxBackup_RealTimeScanner FALSE",
        "powerstore doUpdateVolume FileBlob message1 volume_compressed true",
    ]
    script = {**script, "config get server": "attribute of its own"}
    result, commands = module("restore_tuning", script, state="original")
    assert commands[2:] == [f"config set server {SERVER} ZxBackup_RealTimeScanner TRUE"]
    assert not result["warnings"]


# -- buckets -----------------------------------------------------------------------------------------------------------

GIVEN = {
    "bucket_name": "backup", "provider": "S3", "region": "eu-west-1", "access_key": "AKIABACKUP", "secret": "s3cret",
}


def test_a_bucket_is_made_its_secret_told_on_standard_input_and_tested(module: Modules) -> None:
    script: Script = {
        "core listBuckets all": "no buckets", "core doCreateBucket": "bucket created",
        "core testS3Connection": "connection ok",
    }
    result, commands = module("bucket", script, **GIVEN)
    assert result["bucket_configuration_id"] == BUCKET and result["changed"]
    assert commands[1:] == [
        "core doCreateBucket S3 backup AKIABACKUP s3cret backup eu-west-1", f"core testS3Connection {BUCKET}",
    ]
    assert "s3cret" not in json.dumps(result)


def test_a_bucket_that_is_as_wanted_and_works_is_left_alone(module: Modules) -> None:
    script: Script = {"core listBuckets all": "buckets", "core testS3Connection": "connection ok"}
    result, commands = module("bucket", script, **GIVEN)
    assert not result["changed"] and result["bucket_configuration_id"] == BUCKET and not result["steps"]
    assert commands[1:] == [f"core testS3Connection {BUCKET}"]


def test_a_secret_that_does_not_work_any_more_is_told_anew(module: Modules) -> None:
    script: Script = {
        "core listBuckets all": "buckets", "core testS3Connection": ["something else", "connection ok"],
        "core doUpdateBucket": "ok",
    }
    result, commands = module("bucket", script, **GIVEN)
    assert result["changed"] and commands[2] == f"core doUpdateBucket S3 {BUCKET} secret s3cret"
    assert "s3cret" not in json.dumps(result)


@pytest.mark.parametrize("check_mode", [False, True])
def test_another_access_key_is_told_with_its_secret(module: Modules, check_mode: bool) -> None:
    script: Script = {
        "core listBuckets all": "buckets", "core testS3Connection": "connection ok", "core doUpdateBucket": "ok",
    }
    result, commands = module("bucket", script, check_mode, **{**GIVEN, "access_key": "AKIANEW"})
    line = f"core doUpdateBucket S3 {BUCKET} access_key AKIANEW secret"
    assert result["steps"] == [f"carbonio {line} '********'"]
    assert commands[1:] == ([] if check_mode else [f"{line} s3cret", f"core testS3Connection {BUCKET}"])


def test_a_bucket_is_forgotten_once(module: Modules) -> None:
    script: Script = {"core listBuckets all": "buckets", "core doDeleteBucket": "ok"}
    result, commands = module("bucket", script, state="absent", label="hsm")
    assert result["changed"] and commands[-1] == "core doDeleteBucket S3 58fa4ca2-31dd-4209-aa23-48b33b116090"
    result, commands = module("bucket", script, state="absent", label="another")
    assert not result["changed"] and len(commands) == 1


@pytest.mark.parametrize(("given", "words"), [
    ({"provider": "Ceph", "url": "https://x.org", "region": "r"}, "doCreateBucket Ceph has nothing for region"),
    ({"provider": "Yandex"}, "no bucket of Yandex"),
    ({"provider": "EMC"}, "url is empty"),
    ({"bucket_configuration_id": "b0"}, "no bucket configuration b0"),
    ({"bucket_name": "backup", "prefix": "other"}, "cannot change it"),
])
def test_a_bucket_that_cannot_be_as_wanted_is_refused(module: Modules, given: dict[str, Any], words: str) -> None:
    script: Script = {"core listBuckets all": "buckets"}
    with pytest.raises(RestanteError, match=words):
        module("bucket", script, **{"bucket_name": "new", "access_key": "K", "secret": "S", **given})


def test_a_bucket_is_tried(module: Modules) -> None:
    script: Script = {"core listBuckets all": "buckets", "core testS3Connection": "connection ok"}
    result, _commands = module("bucket_info", script, test="backup")
    assert result["connection"] == "connection ok" and [one["name"] for one in result["buckets"]] == ["hsm", "backup"]


# -- the backup volume -------------------------------------------------------------------------------------------------


def test_the_bucket_that_this_server_uses_is_its_backup_volume(module: Modules) -> None:
    script: Script = {"core listBuckets all": "buckets"}
    result, commands = module("backup_volume", script, type="s3", bucket_configuration_id="backup")
    assert not result["changed"] and len(commands) == 1


def test_a_backup_volume_is_set_once(module: Modules, node: Node) -> None:
    script: Script = {"core listBuckets all": "no buckets", "backup setBackupVolume": "ok"}
    result, commands = module("backup_volume", script, type="local", path="/srv/archive")
    assert result["changed"] and commands[-1] == "backup setBackupVolume Local /srv/archive"
    assert settings_file.load(node.config_file).backup_volume == BackupVolume("local", path="/srv/archive")
    result, commands = module("backup_volume", script, type="local", path="/srv/archive")
    assert not result["changed"] and len(commands) == 1
    result, commands = module("backup_volume", script, type="default")
    assert commands[-1] == "backup setBackupVolume Default start"


def test_a_migration_is_an_operation(module: Modules) -> None:
    script: Script = {**ENDED, "core listBuckets all": "no buckets", "backup migrateBackupVolume": "started"}
    result, commands = module("backup_volume", script, type="local", path="/srv/archive", migrate=True, threads=4)
    assert "backup migrateBackupVolume Local /srv/archive threads 4" in commands
    assert result["vendor_operation_ids"] == [ID]
