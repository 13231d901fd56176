# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attributes that are shown, set, unset, and dumped to be compared."""

from __future__ import annotations

import contextlib
import json
import platform
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import attributes, backups, recovery
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings

ANN = "ann@example.com"


class Machine:
    """A node, and its command line in this process."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.config_file = str(root / "restante.json")
        places = ("backup_path", "cache_path", "state_path", "mailstore_path")
        settings_file.save(self.config_file, Settings(**{place: str(root / place) for place in places}))
        EmbeddedStore.create(str(root / "mailstore_path")).close()

    @property
    def node(self) -> Node:
        """The node."""
        return Node.load(self.config_file)

    def run(self, *words: str) -> tuple[int, str, str]:
        """Type a command of config; return exit status, output and messages."""
        status = main(["--config-file", self.config_file, "--json", "config", *words])
        told = self._capsys.readouterr()
        return status, told.out, told.err

    def answer(self, *words: str) -> Any:
        """Return what a command answers that succeeds."""
        status, output, messages = self.run(*words)
        assert status == 0, messages
        return json.loads(output)

    def get(self, *words: str) -> dict[str, Any]:
        """Return what config get answers of an attribute."""
        (answer,) = self.answer("get", *words).values()
        (value,) = answer["values"]
        return dict(value)


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Machine:
    """A node with an account of a class of service."""
    machine = Machine(tmp_path / "a", capsys)
    with contextlib.closing(machine.node.store()) as store:
        store.create_entry(Entry("d", kinds.DOMAIN, "example.com", {"description": ("ours",)}))
        store.create_entry(Entry("c", kinds.COS, "gold", {
            "zimbraMailQuota": ("1000",), "cn": ("gold",), "backupEnabled": ("FALSE",),
        }))
        store.create_entry(Entry("a", kinds.ACCOUNT, ANN, {
            "zimbraCOSId": ("c",), "displayName": ("Ann",), "backupEnabled": ("TRUE",),
            "userPassword": ("{SSHA512}hash",), "zimbraPrefMailForwardingAddress": ("x@example.net", "y@example.net"),
        }))
    return machine


def test_an_attribute_is_shown_set_and_unset(machine: Machine) -> None:
    """R-305: get shows attribute, value, isInherited and modules; set prints ok; unset shows what is inherited."""
    assert machine.get("account", ANN, "backupEnabled") == {
        "attribute": "backupEnabled", "value": "TRUE", "isInherited": False, "modules": ["ZxBackup"],
    }
    assert machine.answer("unset", "account", ANN, "backupEnabled") == "ok"
    assert machine.get("account", "a", "backupEnabled")["value"] == "FALSE"
    assert machine.get("account", ANN, "backupEnabled")["isInherited"]
    assert machine.answer("set", "cos", "gold", "backupEnabled", "TRUE") == "ok"
    assert machine.get("account", ANN, "backupEnabled")["value"] == "TRUE"
    assert machine.answer("set", "domain", "example.com", "description", "theirs") == "ok"
    assert machine.get("domain", "example.com", "description")["value"] == "theirs"


def test_the_attributes_of_the_node_are_its_settings(machine: Machine) -> None:
    """R-305, R-264: they count at once."""
    for server in (platform.node(), "localhost"):
        assert machine.get("server", server, "ZxBackup_RealTimeScanner")["value"] == "TRUE"
    assert machine.answer("set", "server", "localhost", "ZxBackup_RealTimeScanner", "false") == "ok"
    assert machine.answer("set", "server", "localhost", "ZxBackup_DataRetentionDays", "90") == "ok"
    assert (machine.node.settings.realtime_scanner, machine.node.settings.data_retention_days) == (False, 90)
    assert not machine.get("server", "localhost", "ZxBackup_DataRetentionDays")["isInherited"]
    assert machine.answer("unset", "server", "localhost", "ZxBackup_DataRetentionDays") == "ok"
    assert machine.node.settings.data_retention_days == 30
    assert machine.get("server", "localhost", "ZxBackup_DataRetentionDays")["isInherited"]
    assert machine.answer("dump", "global")["ZxBackup_DestPath"] == "/opt/zextras/backup/zextras"
    assert machine.answer("get", "global", "ZxBackup_DestPath")
    assert machine.answer("info", "ZxBackup_DataRetentionDays")["default"] == "30"


def test_a_dump_has_everything_with_or_without_what_is_inherited(machine: Machine) -> None:
    """R-306."""
    whole = machine.answer("dump", "account", ANN)
    assert whole["zimbraMailQuota"] == "1000" and "cn" not in whole
    assert whole["zimbraPrefMailForwardingAddress"] == ["x@example.net", "y@example.net"]
    own = machine.answer("dump", "account", ANN, "show-inherited", "false")
    assert "zimbraMailQuota" not in own and own["displayName"] == "Ann"
    assert machine.answer("dump", "cos", "gold")["cn"] == "gold"
    assert set(machine.answer("dump", "server", "localhost", "show-inherited", "false")) == {"ZxBackup_DestPath"}


def test_dumps_before_and_after_a_restore_can_be_compared(machine: Machine, tmp_path: Path) -> None:
    """R-012: of the source in its backup, and of the destination; a password that changed is seen, but not told."""
    backups.smart_scan(machine.node)
    backup = machine.node.settings.backup_path
    other = Machine(tmp_path / "b", machine._capsys)
    recovery.restore(other.node, backup, ExternalOptions())
    before = other.answer("dump", "account", ANN, "backup_path", backup)
    assert before == machine.answer("dump", "account", ANN)
    after = other.answer("dump", "account", ANN)
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} == set()
    with contextlib.closing(other.node.store()) as store:
        store.update_entry(Entry("a", kinds.ACCOUNT, ANN, {"userPassword": ("{SSHA512}another",)}))
    changed = other.answer("dump", "account", ANN)
    assert {name for name in before if before[name] != changed[name]} == {"userPassword"}
    assert "SSHA512" not in json.dumps([before, changed])


@pytest.mark.parametrize("attribute", ["zimbraPreAuthKey", "zimbraSSLPrivateKey", "zimbraAuthLdapSearchBindPassword"])
def test_the_keys_of_a_domain_are_shown_to_nobody(machine: Machine, attribute: str) -> None:
    with contextlib.closing(machine.node.store()) as store:
        store.update_entry(Entry("d", kinds.DOMAIN, "example.com", {attribute: ("the very key",)}))
    assert machine.answer("dump", "domain", "example.com")[attribute].startswith("(secret ")
    assert "the very key" not in json.dumps(machine.answer("get", "domain", "example.com", attribute))


def test_what_was_deleted_is_dumped_as_the_backup_last_knew_it(machine: Machine) -> None:
    """R-012: by id, address or alias in any case; of two that had a name, the one that is there."""
    backup = ("backup_path", machine.node.settings.backup_path)
    with contextlib.closing(machine.node.store()) as store:
        store.create_entry(Entry("old", kinds.ACCOUNT, "old@example.com", {"cn": ("1",)}, aliases=("o@example.com",)))
        store.create_entry(Entry("silver1", kinds.COS, "silver", {"cn": ("1",)}))
        backups.smart_scan(machine.node)
        store.delete_entry(kinds.ACCOUNT, "old")
        store.delete_entry(kinds.COS, "silver1")
        backups.smart_scan(machine.node)
        for name in ("old", "OLD@example.com", "o@EXAMPLE.com"):
            assert machine.answer("dump", "account", name, "show_inherited", "false", *backup) == {"cn": "1"}
        assert machine.answer("dump", "cos", "Silver", *backup)["cn"] == "1"
        store.create_entry(Entry("new", kinds.ACCOUNT, "old@example.com", {"cn": ("2",)}))
        store.create_entry(Entry("silver2", kinds.COS, "silver", {"cn": ("2",)}))
    backups.smart_scan(machine.node)
    assert machine.answer("dump", "account", "old@example.com", *backup)["cn"] == "2"
    assert machine.answer("dump", "account", "old", *backup)["cn"] == "1"
    assert machine.answer("dump", "cos", "silver", *backup)["cn"] == "2"
    assert machine.answer("dump", "cos", "silver1", *backup)["cn"] == "1"


@pytest.mark.parametrize(("words", "sentence"), [
    (["get", "account", "none@example.com", "displayName"], "has no account 'none@example.com'"),
    (["get", "account", ANN, "nothing"], "has no value of nothing"),
    (["set", "server", "localhost", "ZxBackup_DataRetentionDays", "soon"], "give a whole number"),
    (["set", "server", "localhost", "ZxBackup_DataRetentionDays", "-1"], "data_retention_days"),
    (["set", "server", "localhost", "ZxBackup_RealTimeScanner", "perhaps"], "give TRUE or FALSE"),
    (["set", "server", "localhost", "ZxBackup_DestPath", "here"], "give an absolute path"),
    (["set", "server", "localhost", "ZxWhatever", "1"], "no attribute ZxWhatever of the node"),
    (["get", "server", "mail9", "ZxBackup_DestPath"], "do this on mail9"),
    (["set", "server", "localhost", "ZxBackup_DataRetentionDays", "1_0"], "give a whole number"),
    (["set", "account", ANN, "userPassword", "x"], "is a secret"),
    (["set", "account", ANN, "backupEnabled", "no"], "give TRUE or FALSE"),
    (["set", "account", ANN, "cn=x,dc", "y"], "cannot be an attribute's name"),
    (["set", "account", ANN, "\udcff", "y"], "cannot be an attribute's name"),
    (["dump", "account", ANN, "backup_path", "/none"], "holds no backup"),
    (["get", "class", "x", "y"], "config get is followed by one of account"),
    (["info", "x"], "no attribute x of the node"),
])
def test_what_cannot_be_is_named(machine: Machine, words: list[str], sentence: str) -> None:
    before = machine.node.settings
    status, output, messages = machine.run(*words)
    assert (status, output) == (1, "") and sentence in messages
    assert machine.node.settings == before


def test_the_module_sets_what_it_foretells_and_only_once(machine: Machine) -> None:
    def module(check_mode: bool = False, **given: Any) -> dict[str, Any]:
        arguments = {
            "config_file": machine.config_file, "level": "cos", "name": "gold", "attribute": "zimbraMailQuota",
            "value": None, "state": "present",
        }
        return attributes.answer(Call({**arguments, **given}, check_mode))

    for given, after in (
        ({"value": ["5"]}, {"zimbraMailQuota": "5"}), ({"state": "absent"}, {}), ({"value": ["1", "2"]}, {
            "zimbraMailQuota": ["1", "2"],
        }),
    ):
        foretold, done = module(True, **given), module(**given)
        assert foretold == done and done["changed"] and done["values"] == after
        assert not module(True, **given)["changed"] and not module(**given)["changed"]
    server = {"level": "server", "name": None, "attribute": "carbonioNotificationRecipients", "value": ["a@x", "b@x"]}
    assert module(**server)["changed"] and machine.node.settings.administrator == "a@x,b@x"
    assert not module(**server)["changed"]
    for wrong in ({}, {"value": ["1"], "state": "absent"}):
        with pytest.raises(InvalidInput, match="needs a value"):
            module(**wrong)
