# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scans, restores and looks by the vendor's command, against what it was recorded to answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    Damaged,
    InvalidInput,
    NotFound,
    Refused,
    RestanteError,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.carbonio import work
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.operations import Stopped
from scripted import BUCKET, ENDED, ID, REPORTED, Modules, Script

READING = ("get", "list", "monitor", "dump")

LONG: dict[str, tuple[dict[str, Any], str]] = {
    "smartscan": ({"deep": True}, "backup doSmartScan start deep true remote_metadata_upload true"),
    "purge": ({"purge_days": "30"}, "backup doPurge purgeDays 30"),
    "backup_export": ({"destination": "/srv/x"}, "backup doExport /srv/x"),
    "share_fix": ({"import_idmap_file": "/b/map_1"}, "backup doFixShares /b/map_1"),
    "coherency_check": ({"fix": True}, "backup doCoherencyCheck /opt/zextras/backup/zextras fixBackup true"),
    "metadata_retrieve": (
        {"destination": "/r", "bucket_configuration_id": "backup", "source_type": "s3"},
        f"backup retrieveMetadataFromArchive S3 /r bucket_configuration_id {BUCKET}",
    ),
    "item_restore": (
        {"account": "ann@x.org", "item_id": "4784", "date": "2026-03-28T09:00:00Z", "fail_on_unrestored": False},
        "backup doItemRestore ann@x.org 4784 date 28/03/2026 09:00:00",
    ),
    "undelete": (
        {"account": "ann@x.org", "start_date": "first", "end_date": "last"}, "backup doUndelete ann@x.org first last",
    ),
    "new_account_restore": (
        {"source_account": "a@x.org", "destination_account": "b@x.org"},
        "backup doRestoreOnNewAccount a@x.org b@x.org last",
    ),
    "external_restore": (
        {"source_path": "/r", "blobs_archive": "backup", "domains": ["x.org", "y.org"]},
        f"backup doExternalRestore /r domains x.org,y.org blobs_archive {BUCKET}",
    ),
    "blob_restore": ({"volume": "hsm"}, "backup doRestoreBlobs 5 dryrun false"),
    "deduplicate": ({"volume": "hsm"}, "powerstore doDeduplicate hsm"),
}
ASKED: Script = {**REPORTED, "core listBuckets all": "buckets", "powerstore getAllVolumes": "volumes"}


@pytest.mark.parametrize("name", LONG)
def test_check_mode_shows_the_command_and_only_reads(module: Modules, name: str) -> None:
    given, line = LONG[name]
    result, commands = module(name, ASKED, True, **given)
    assert result["changed"]
    assert [one.replace("'", "") for one in result["plan"]] == [f"carbonio {line}"]
    assert result["diff"]["prepared"].endswith("\n")
    assert [one for one in commands if not one.split()[1].startswith(READING)] == []


@pytest.mark.parametrize("name", LONG)
def test_the_command_is_given_and_its_operation_followed_to_its_end(module: Modules, node: Node, name: str) -> None:
    given, line = LONG[name]
    result, commands = module(name, {**ASKED, line: "started"}, **given)
    assert commands.count(line) == 1 and "core getOperationLog" in commands
    [record] = node.operations.list()
    assert (record.id, record.state) == (result["operation_id"], "successful")
    assert result["vendor_operation_ids"] == [ID]
    assert record.result[work.FOLLOWED] == {record.parameters["commands"][0]: ID}


# -- how it ends -------------------------------------------------------------------------------------------------------

RESTORE = {"source_path": "/r"}
STARTED: Script = {**REPORTED, "backup doExternalRestore /r": "started"}


def test_the_report_tells_what_was_restored(module: Modules) -> None:
    result, _commands = module("external_restore", STARTED, **RESTORE)
    assert result["changed"] and result["restored"] == {"item": 15233} and result["already_there"] == {"item": 125}
    assert [one["item_id"] for one in result["unrestored_items"]] == ["1255", "1369", "49"]
    assert result["stats"].startswith("- stats -") and not result["warnings"]


def test_a_restore_that_finds_everything_there_changes_nothing(module: Modules) -> None:
    repeated = {**STARTED, "core getNotification id 43": "notification of a repeated restore"}
    result, _commands = module("external_restore", repeated, **RESTORE)
    assert not result["changed"] and not result["restored"] and result["diff"]["prepared"] == ""


def test_unrestored_items_fail_the_task_where_that_is_wanted(module: Modules) -> None:
    with pytest.raises(Refused, match="account1@example.com"):
        module("external_restore", STARTED, fail_on_unrestored=True, **RESTORE)


def test_without_a_report_it_is_said_that_nothing_is_known(module: Modules) -> None:
    untold = {**STARTED, "core getNotification": "notifications before"}
    result, _commands = module("external_restore", untold, **RESTORE)
    assert result["changed"] and "No notification" in result["warnings"][0] and result["stats"] == ""


@pytest.mark.parametrize(("log", "error", "state", "words"), [
    ("log failed", Refused, "failed", "Unable to read the source path /srv/old"),
    ("log interrupted", Refused, "failed", "has ended as interrupted"),
    ("log stopped", Stopped, "stopped", "was stopped"),
])
def test_a_bad_end_of_the_operation_is_one_of_the_task(
    module: Modules, node: Node, log: str, error: type[RestanteError], state: str, words: str
) -> None:
    with pytest.raises(error, match=words):
        module("external_restore", {**STARTED, "core getOperationLog": log}, **RESTORE)
    assert [record.state for record in node.operations.list()] == [state]


@pytest.mark.parametrize(("answer", "error"), [
    ("no such account", NotFound), ("truncated", Damaged), ("not licensed", Refused),
    ("started without an id", Damaged),
])
def test_a_command_that_is_refused_begins_nothing(
    module: Modules, node: Node, answer: str, error: type[RestanteError]
) -> None:
    with pytest.raises(error):
        module("external_restore", {**STARTED, "backup doExternalRestore /r": answer}, **RESTORE)
    assert [record.state for record in node.operations.list()] == ["failed"]


class Killed(BaseException):
    """The end of a process, as far as a test can have it."""


def test_what_a_killed_process_has_left_running_is_followed_and_not_begun_again(
    module: Modules, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*given: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(work, "follow", killed)
        module("external_restore", STARTED, **RESTORE)
    assert [record.state for record in node.operations.list()] == ["interrupted"]
    still: Script = {**REPORTED, "backup getAllOperations": ["it runs", "nothing runs"]}
    result, commands = module("external_restore", still, **RESTORE)
    assert "backup doExternalRestore /r" not in commands
    assert result["vendor_operation_ids"] == [ID] and result["changed"]


def test_what_a_killed_process_has_left_and_has_ended_since_is_begun_again(
    module: Modules, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*given: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(work, "follow", killed)
        module("external_restore", STARTED, **RESTORE)
    _result, commands = module("external_restore", STARTED, **RESTORE)
    assert "backup doExternalRestore /r" in commands


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "given", "words"), [
    ("item_restore", {"account": "a", "item_id": "1", "notifications": ["x@y.z"]}, "nothing for notifications"),
    ("new_account_restore", {"source_account": "a", "destination_account": "b", "hide_in_gal": True}, "hide_in_gal"),
    ("external_restore", {"source_path": "/r", "volume_prefix": "p"}, "volume_prefix"),
    ("smartscan", {"accounts": ["a"], "read_error_threshold": 3}, "doAccountScan has nothing for read_error_threshold"),
    ("metadata_retrieve", {"source_type": "backup_path", "destination": "/r", "source": "/s"}, "rsync"),
    ("metadata_retrieve", {"destination": "/r", "bucket_name": "b", "server_id": "x"}, "server_id"),
    ("coherency_check", {"archive": "contents"}, "archive"),
    ("purge", {"trust_clock": True}, "trust_clock"),
    ("item_info", {"account": "a", "item": "1", "dump_path": "/x"}, "dump_path"),
    ("item_search_info", {"account": "a", "in_content": True}, "in_content"),
    ("item_search_info", {"account": "a", "type": "tag"}, "items of the type tag"),
    ("config", {"level": "cos", "name": "c", "attribute": "a", "value": ["1", "2"]}, "one value"),
    ("config", {"level": "account", "name": "c", "attribute": "userPassword", "value": ["x"]}, "is a secret"),
    ("config_info", {"level": "cos", "name": "c", "backup_path": "/b"}, "not those of a backup"),
    ("bucket", {"bucket_name": "b", "storage_class": "GLACIER"}, "storage_class"),
])
def test_what_the_vendor_has_nothing_for_is_refused_before_anything_is_asked(
    module: Modules, name: str, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        module(name, {}, **given)


# -- scans and looking -------------------------------------------------------------------------------------------------


def test_accounts_are_scanned_one_by_one(module: Modules) -> None:
    script = {**ENDED, "backup doAccountScan": "started"}
    _result, commands = module("smartscan", script, accounts=["a@x.org", "b@x.org"])
    assert [one for one in commands if "doAccountScan" in one] == [
        f"backup doAccountScan {name} remote_metadata_upload true" for name in ("a@x.org", "b@x.org")
    ]


@pytest.mark.parametrize(("second", "changed"), [("unchanged", False), ("changed", True)])
def test_of_several_scans_one_that_has_changed_something_is_enough(
    module: Modules, second: str, changed: bool
) -> None:
    script: Script = {
        "backup doAccountScan": "started", f"backup monitor {ID}": [f"monitor of {second}", "monitor of unchanged"],
    }
    result, _commands = module("smartscan", script, accounts=["a@x.org", "b@x.org"])
    assert result["changed"] is changed


@pytest.mark.parametrize(("answer", "scans"), [("ok", True), ("no such account", True), ("not licensed", True)])
def test_a_backup_that_is_not_known_to_be_there_is_initialised(module: Modules, answer: str, scans: bool) -> None:
    script = {**ENDED, "backup getBackupInfo": answer, "backup doSmartScan": "started"}
    result, _commands = module("smartscan", script, state="initialised")
    assert result["changed"] is scans


def test_items_are_found_and_cut_at_the_limit(module: Modules) -> None:
    result, commands = module(
        "item_search_info", {"backup doItemSearch": "available accounts"}, account="ann@x.org", limit=1,
        search_string="Invoice 7", after="2026-03-27",
    )
    assert len(result["items"]) == 1 and result["truncated"]
    assert commands == ["backup doItemSearch ann@x.org search_string Invoice 7 after 27/03/2026 00:00:00"]


@pytest.mark.parametrize(("name", "command", "answer", "given", "expected"), [
    ("item_info", "backup getItem ann 2057 date all", "item",
     {"account": "ann", "item": "2057", "date": "all"}, ("item", "itemStates")),
    ("available_accounts_info", "backup getAvailableAccounts hide_deleted true", "available accounts",
     {"hide_deleted": True}, ("accounts", "old@example.com")),
    ("account_info", "backup getAccountInfo ann", "available accounts", {"account": "ann"}, ("account", "4a217bb3")),
    ("backup_info", "backup getBackupInfo backup_path /b", "ok", {"backup_path": "/b"}, ("backup", "ok")),
    ("map_info", "backup getMap /b/map_1", "available accounts", {"file_path": "/b/map_1"}, ("map", "ann@")),
    ("legal_hold_info", "backup legalHold get all", "holds", {}, ("accounts", "ben@example.com")),
    ("volume_info", "powerstore getAllVolumes", "volumes", {}, ("volumes", "/srv/hsm")),
    ("config_info", "config dump cos basic", "attributes", {"level": "cos", "name": "basic"},
     ("attributes", "backupEnabled")),
    ("share_check_info", "backup doCheckShares start", "no buckets", {}, ("problems", "[]")),
])
def test_what_is_asked_is_answered_under_the_name_that_the_module_has_for_it(
    module: Modules, name: str, command: str, answer: str, given: dict[str, Any], expected: tuple[str, str]
) -> None:
    result, commands = module(name, {command: answer}, **given)
    assert commands == [command]
    assert expected[1] in json.dumps(result[expected[0]])
