# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scans of a part of the server, and what a backup has of the server's configuration, by the commands."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, care, migration, realtime
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume, Settings

ANN, BOB = "ann@example.com", "bob@example.com"
INBOX = "2"


class Machine:
    """A node with two mailboxes, archived in a directory, and its command line in this process."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.archive = root / "archive"
        self.archive.mkdir()
        self._config_file = str(root / "etc" / "restante.json")
        places = {name: str(root / name) for name in ("backup_path", "cache_path", "state_path", "mailstore_path")}
        volume = BackupVolume("local", path=str(self.archive))
        settings_file.save(self._config_file, Settings(**places, backup_volume=volume, time_zone="UTC"))
        with contextlib.closing(EmbeddedStore.create(places["mailstore_path"])) as store:
            store.create_entry(Entry("d", kinds.DOMAIN, "example.com", {"zimbraGalMode": ("both",)}))
            for account, name in (("a-1", ANN), ("b-1", BOB)):
                store.create_entry(Entry(account, kinds.ACCOUNT, name))
                state = ItemState("", kinds.MESSAGE, INBOX, date=1_700_000_000_000)
                store.write_items(account, [NewItem("", state, f"Subject: to {name}".encode())])

    @property
    def node(self) -> Node:
        """The node as its settings say now."""
        return Node.load(self._config_file)

    def run(self, *words: str) -> tuple[int, str, str]:
        """Type a command of backup and wait for it; return exit status, output and messages."""
        status = main(["--config-file", self._config_file, "--json", "--sync", "backup", *words])
        told = self._capsys.readouterr()
        return status, told.out, told.err

    def answer(self, *words: str) -> Any:
        """Return what a command answers that succeeds."""
        status, output, messages = self.run(*words)
        assert status == 0, messages
        return json.loads(output)

    def recorded(self) -> dict[str, int]:
        """Return how many messages the backup has of each account."""
        with contextlib.closing(self.node.repository()) as backup:
            return {
                account: len(list(backup.states(account, kinds=[kinds.MESSAGE]))) for account in ("a-1", "b-1")
            }


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path, capsys)


def test_one_account_is_scanned_and_its_mail_says_which(machine: Machine) -> None:
    """R-219."""
    answer = machine.answer("doAccountScan", ANN, "deep", "true", "notifications", "x@example.com")
    assert (answer["state"], answer["new_accounts"]) == ("successful", 1)
    assert machine.recorded() == {"a-1": 1, "b-1": 0}
    [told] = machine.node.notifications().list()
    assert f"account: {ANN} a-1" in told.text
    assert machine.run("doAccountScan", "nobody@example.com")[0] == 1


def test_metadata_is_in_the_archive_after_each_scan(machine: Machine) -> None:
    """R-220: whether remote_metadata_upload asks for it or not."""
    machine.answer("doAccountScan", ANN, "remote_metadata_upload", "true")
    first = sorted(path.name for path in archived(machine))
    machine.answer("doSmartScan", "start", "create_fake_blob", "true")
    assert first and len(archived(machine)) > len(first)


def archived(machine: Machine) -> list[Path]:
    """Return the commits in the archive."""
    return list(machine.archive.rglob("commits/*.json"))


def test_the_directory_alone_can_be_recorded(machine: Machine) -> None:
    """R-229: doBackupCluster looks into no mailbox, and does not pass for a scan that does."""
    machine.answer("doBackupCluster", "start", "remote_metadata_upload", "true")
    with contextlib.closing(machine.node.repository()) as backup:
        names = {one.state.name for kind in kinds.ENTRY_KINDS for one in backup.entries(kind) if one.state}
    assert {"example.com", ANN, BOB} <= names
    assert machine.recorded() == {"a-1": 0, "b-1": 0}
    assert realtime.status(machine.node)["gap"]
    machine.answer("doSmartScan", "start")
    assert machine.recorded() == {"a-1": 1, "b-1": 1}


def test_saved_configuration_is_shown_by_date_type_id_and_key(machine: Machine) -> None:
    """R-261."""
    machine.answer("doSmartScan", "start")
    summary = machine.answer("getServerConfig", "standard")
    assert summary["domain"] == 1 and summary["config date"]
    with contextlib.closing(machine.node.store()) as store:
        store.update_entry(Entry("d", kinds.DOMAIN, "example.com", {"zimbraGalMode": ("ldap",)}))
    machine.answer("doBackupCluster", "start")
    query = ["getServerConfig", "standard", "query"]
    assert machine.answer(*query, "domain") == {"config date": changed(machine), "domain": {"example.com": "d"}}
    shown = machine.answer(*query, "/domain/Example.com/zimbraGalMode")
    assert shown["domain example.com"] == {"zimbraGalMode": ["ldap"]}
    before = machine.answer(*query, "domain/d/zimbraGalMode", "date", summary["config date"])
    assert before["domain example.com"] == {"zimbraGalMode": ["both"]}
    states = machine.answer(*query, "domain/d/zimbraGalMode", "date", "all")["states"]
    assert [one["attributes"]["zimbraGalMode"] for one in states] == [["both"], ["ldap"]]
    assert machine.answer(*query, "domain/d/nothing")["domain example.com"] == {}


def changed(machine: Machine) -> str:
    """Return when the configuration changed last."""
    return str(machine.answer("getServerConfig", "standard")["config date"])


def test_showing_saved_configuration_restores_nothing(machine: Machine) -> None:
    """R-261, R-022."""
    machine.answer("doSmartScan", "start")
    with contextlib.closing(machine.node.store()) as store:
        store.update_entry(Entry("d", kinds.DOMAIN, "example.com", {"zimbraGalMode": ("ldap",)}))
        machine.answer("getServerConfig", "standard", "query", "domain/example.com")
        assert store.find_entry(kinds.DOMAIN, "d").attrs["zimbraGalMode"] == ("ldap",)


@pytest.mark.parametrize(("words", "sentence"), [
    (["query", "galaxy"], "no configuration of type 'galaxy'; it has domain, cos, distribution_list"),
    (["query", "domain/a/b/c"], "is no query"),
    (["query", "domain/example.net"], "has no domain 'example.net'"),
    (["query", "domain/example.net", "date", "all"], "has no domain 'example.net'"),
    (["date", "all"], "All states can be shown of one entry"),
    (["date", "1/1/1999 00:00:00"], "1999"),
    (["date", "yesterday"], "yesterday"),
    (["backup_path", "/nowhere"], "/nowhere"),
])
def test_what_cannot_be_shown_is_said(machine: Machine, words: list[str], sentence: str) -> None:
    machine.answer("doSmartScan", "start")
    status, output, messages = machine.run("getServerConfig", "standard", *words)
    assert (status, output) == (1, "") and sentence in messages


def test_a_command_for_another_host_is_not_carried_out_here(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """R-297: --host is accepted where it is this node."""
    assert main(["--host", "localhost", "--config-file", str(machine.node.config_file), "backup", "getBackupInfo"]) == 0
    assert main(["--host", "all_servers", "backup", "doSmartScan", "start"]) == 1
    assert "type this command on all_servers, or use a playbook" in capsys.readouterr().err
    assert not archived(machine)


def test_check_mode_foresees_a_change_but_no_login(machine: Machine) -> None:
    """R-191: as the scan itself, which records no login."""
    machine.answer("doSmartScan", "start")

    def foreseen(attribute: str, value: str) -> list[str]:
        with contextlib.closing(machine.node.store()) as store:
            store.update_entry(Entry("a-1", kinds.ACCOUNT, ANN, {attribute: (value,)}))
        found = backups.preview(machine.node)
        assert found["changed"] is bool(found["changed_entries"])
        entries: list[str] = found["changed_entries"]
        return entries

    assert foreseen("zimbraLastLogonTimestamp", "20260101000000Z") == []
    assert foreseen("displayName", "Ann") == [f"account {ANN}"]


def test_metadata_comes_out_of_a_directory(machine: Machine, tmp_path: Path) -> None:
    """R-185, R-186."""
    machine.answer("doSmartScan", "start")
    retrieve = ["retrieveMetadataFromArchive", "Local", str(machine.archive), str(tmp_path / "restore")]
    with contextlib.closing(machine.node.store()) as store:
        own = store.server_id()
    answer = machine.answer(*retrieve, "threads", "2", "notifications", "x@example.com", "server_id", own)
    assert answer["state"] == "successful"
    found = machine.answer("getAvailableAccounts", "backup_path", str(tmp_path / "restore"))
    assert sorted(one["name"] for one in found) == [ANN, BOB]


@pytest.mark.parametrize("parameter", ["accountIds", "accounts"])
def test_a_coherency_check_takes_accounts_under_their_former_name_too(machine: Machine, parameter: str) -> None:
    """R-249."""
    machine.answer("doSmartScan", "start")
    check = ["doCoherencyCheck", machine.node.settings.backup_path, parameter]
    assert machine.run(*check, "a-1")[0] == 0
    status, _output, messages = machine.run(*check, "a-1,nobody")
    assert status == 1 and "knows no account 'nobody'" in messages


def test_a_backup_is_described(machine: Machine) -> None:
    """R-259."""
    assert not machine.answer("getBackupInfo")["initialised"]
    machine.answer("doSmartScan", "start")
    shown = machine.answer("getBackupInfo")
    assert (shown["initialised"], shown["domains"], shown["accounts"]) == (True, ["example.com"], [ANN, BOB])
    assert shown["counts"]["message"] == 2 and shown["first_moment"] <= shown["last_moment"]
    assert machine.answer("getBackupInfo", "backup_path", shown["backup_path"]) == shown
    assert machine.run("getBackupInfo", "backup_path", "/nowhere")[0] == 1


def test_another_backup_path_counts_at_once_and_the_former_one_stays_readable(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """R-205, R-320, R-161."""
    machine.answer("doSmartScan", "start")
    former = machine.node.settings.backup_path
    machine.answer("setBackupVolume", "Default", "start")
    words = ["config", "set", "server", "localhost", "ZxBackup_DestPath", str(tmp_path / "other")]
    assert main(["--config-file", machine.node.config_file, *words]) == 0
    capsys.readouterr()
    assert not machine.answer("getBackupInfo")["initialised"]
    machine.answer("doSmartScan", "start")
    assert machine.recorded() == {"a-1": 1, "b-1": 1}
    assert machine.answer("getBackupInfo")["backup_path"] == str(tmp_path / "other")
    assert machine.answer("getAvailableAccounts", "backup_path", former)


@pytest.mark.parametrize("volume", ["Local", "Default"])
def test_a_migration_waits_for_a_purge_that_runs(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, volume: str
) -> None:
    """R-241."""
    machine.answer("doSmartScan", "start")
    (tmp_path / "new").mkdir()
    started, go_on = threading.Event(), threading.Event()

    def held_up(*arguments: Any, **given: Any) -> Any:
        started.set()
        assert go_on.wait(30)
        return purge_backup(*arguments, **given)

    purge_backup = care.purge_backup
    monkeypatch.setattr(care, "purge_backup", held_up)
    purge = threading.Thread(target=care.purge, args=(machine.node, "30"))
    purge.start()
    assert started.wait(30)
    target = {"path": str(tmp_path / "new")} if volume == "Local" else {}
    moving = threading.Thread(target=migration.migrate, args=(machine.node, volume.lower()), kwargs=target)
    moving.start()
    try:
        while len(machine.node.operations.list()) < 3:
            threading.Event().wait(0.01)
        assert [one.state for one in machine.node.operations.list()[1:]] == ["running", "queued"]
    finally:
        go_on.set()
        purge.join()
        moving.join()
    purged, moved = machine.node.operations.list()[1:]
    assert (purged.state, moved.state) == ("successful", "successful")
    assert moved.started >= purged.finished
