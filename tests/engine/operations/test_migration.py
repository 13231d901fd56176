# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup moves to another volume, with all that it holds."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput, NotFound, Refused
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.operations.operation import Operation
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, migration, retrieval
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.operations import Stopped
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume, Settings


class Machine:
    """A node whose backup is archived in a directory, with an import behind it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config_file = str(root / "restante.json")
        for place in ("old", "new"):
            (root / place).mkdir()
        places = ("backup_path", "cache_path", "state_path", "mailstore_path")
        settings_file.save(self.config_file, Settings(
            **{place: str(root / place) for place in places}, backup_volume=BackupVolume("local", str(root / "old")),
        ))
        with contextlib.closing(EmbeddedStore.create(str(root / "mailstore_path"))) as store:
            self.server_id = store.server_id()
            store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
            store.create_entry(Entry("a", kinds.ACCOUNT, "ann@example.com"))
            state = ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000)
            store.write_items("a", [NewItem("", state, b"Subject: x\n\nhello")])
        backups.smart_scan(self.node)
        (root / "backup_path" / "map_x").write_text("map\n")
        (root / "backup_path" / "accounts" / "a").mkdir(parents=True)
        for name in ("id_mapper.log", "map_x", "restored"):
            (root / "backup_path" / "accounts" / "a" / name).write_text("record\n")

    @property
    def node(self) -> Node:
        """The node as its settings say now."""
        return Node.load(self.config_file)

    def volume(self) -> str:
        """Return the directory that the backup is archived in."""
        return self.node.settings.backup_volume.path

    def held(self, place: str) -> set[str]:
        """Return the files of an archive."""
        root = self.root / place / self.server_id
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    def module(self, check_mode: bool = False, **given: Any) -> dict[str, Any]:
        """Call the module backup_volume to migrate."""
        arguments = {
            "config_file": self.config_file, "type": "local", "path": str(self.root / "new"), "volume_prefix": "",
            "bucket_configuration_id": None, "migrate": True, "threads": 2, "notifications": [],
        }
        return migration.answer(Call({**arguments, **given}, check_mode))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_everything_is_copied_and_the_former_volume_is_left(machine: Machine) -> None:
    """R-288, R-289."""
    before = machine.held("old")
    foretold = machine.module(check_mode=True)
    assert foretold["changed"] and machine.held("new") == set() and machine.volume() == str(machine.root / "old")
    done = machine.module()
    assert done["changed"] and done["upload"]["commits"] > 0 and machine.volume() == str(machine.root / "new")
    assert machine.held("old") == before
    assert machine.held("new") == before | {
        "map_x", "accounts/a/id_mapper.log", "accounts/a/map_x", "accounts/a/restored",
    }
    note = machine.node.notifications().list()[-1]
    assert str(machine.root / "new") in note.text and f"What is in {machine.root / 'old'} was left" in note.text
    for check_mode in (True, False):
        assert not machine.module(check_mode)["changed"]


def test_a_node_is_recovered_from_the_new_volume(machine: Machine, tmp_path: Path) -> None:
    """R-288."""
    machine.module()
    shutil.rmtree(machine.root / "old")
    (tmp_path / "b").mkdir()
    other = Machine(tmp_path / "b")
    archive = retrieval.find_archive(other.node, retrieval.in_directory(str(machine.root / "new")), machine.server_id)
    retrieval.retrieve_metadata(other.node, archive, str(tmp_path / "restore"))
    with contextlib.closing(other.node.repository(str(tmp_path / "restore"))) as repository:
        assert [found.state.name for found in repository.entries(kinds.ACCOUNT) if isinstance(found.state, Entry)] == [
            "ann@example.com"
        ]


def test_the_former_volume_need_not_answer(machine: Machine) -> None:
    """R-293: the way out when a volume is dead."""
    shutil.rmtree(machine.root / "old")
    machine.module()
    assert machine.volume() == str(machine.root / "new")
    machine.module(type="default", path=None)
    assert machine.node.settings.backup_volume == BackupVolume()


def test_a_migration_that_is_stopped_changes_nothing_and_goes_on_when_it_is_run_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(operation: Operation) -> bool:
        operation._stopping = True
        return True

    with monkeypatch.context() as patched:
        patched.setattr(Operation, "stopping", stopping)
        with pytest.raises(Stopped):
            machine.module()
    assert machine.volume() == str(machine.root / "old")
    machine.module()
    assert machine.volume() == str(machine.root / "new")


def test_what_was_set_meanwhile_is_kept(machine: Machine) -> None:
    node = machine.node
    settings_file.save(machine.config_file, dataclasses.replace(node.settings, administrator="admin@example.com"))
    migration.migrate(node, "local", str(machine.root / "new"))
    assert machine.node.settings.administrator == "admin@example.com"


@pytest.mark.parametrize(("given", "error", "sentence"), [
    ({"path": "new"}, InvalidInput, "absolute path"),
    ({"path": "/none"}, NotFound, "/none"),
    ({"path": "BACKUP"}, InvalidInput, "is in the Backup Path"),
    ({"path": "BACKUP/packs"}, InvalidInput, "is in the Backup Path"),
    ({"type": "s3", "path": None, "bucket_configuration_id": "x"}, NotFound, "x"),
    ({"threads": 0}, InvalidInput, "threads is 0"),
])
def test_a_volume_that_cannot_be_used_is_named(
    machine: Machine, given: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    if "BACKUP" in (given.get("path") or ""):
        given = {"path": given["path"].replace("BACKUP", machine.node.settings.backup_path)}
    for check_mode in (True, False):
        with pytest.raises(error, match=sentence):
            machine.module(check_mode, **given)
    assert machine.volume() == str(machine.root / "old") and len(machine.node.operations.list()) == 1


def test_the_archive_of_another_backup_is_refused(machine: Machine, tmp_path: Path) -> None:
    shutil.copytree(machine.root / "old", tmp_path / "copy")
    for file in (tmp_path / "copy").rglob("format.json"):
        text = json.loads(file.read_text())
        key = next(key for key, value in text.items() if value == machine.server_id)
        file.write_text(json.dumps({**text, key: "another"}))
    with pytest.raises(Refused, match="belongs to server another"):
        machine.module(path=str(tmp_path / "copy"))


def test_the_command_does_the_same(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config-file", machine.config_file, "--json", "--sync", "backup", "migrateBackupVolume"]
    assert main([*words, "Local", str(machine.root / "new"), "threads", "3"]) == 0
    assert json.loads(capsys.readouterr().out)["upload"]["commits"] > 0
    assert main([*words, "Default", "start"]) == 0
    assert machine.node.settings.backup_volume == BackupVolume()
