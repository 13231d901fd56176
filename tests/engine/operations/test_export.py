# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exports of a mail server: what they hold, that they can be imported, and what becomes of those that do not end."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    Damaged,
    InvalidInput,
    NotFound,
    Refused,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.operations.operation import Operation
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, recovery
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import export as service
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.operations import Stopped
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings

EVERYTHING = {
    "domain": ["example.com", "example.org"], "cos": ["default", "gold", "off"],
    "distribution_list": ["all@example.com"],
    "account": ["ann@example.com", "ben@example.com", "cleo@example.org"],
}


def new_node(root: Path) -> Node:
    """Make a node with an empty mail server."""
    places = ("backup_path", "cache_path", "state_path", "mailstore_path")
    settings_file.save(str(root / "restante.json"), Settings(**{place: str(root / place) for place in places}))
    EmbeddedStore.create(str(root / "mailstore_path")).close()
    return Node.load(str(root / "restante.json"))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node with two domains, and an account whose class of service is not backed up."""
    node = new_node(tmp_path / "a")
    with contextlib.closing(node.store()) as store:
        for name in ("example.com", "example.org"):
            store.create_entry(Entry(f"d-{name}", kinds.DOMAIN, name))
        for name, attrs in (("default", {}), ("gold", {}), ("off", {"backupEnabled": ("FALSE",)})):
            store.create_entry(Entry(f"c-{name}", kinds.COS, name, attrs))
        for name, cos in (
            ("ann@example.com", "gold"), ("ben@example.com", ""), ("cleo@example.org", ""), ("dan@example.org", "off"),
        ):
            attrs = {"zimbraCOSId": (f"c-{cos}",)} if cos else {}
            store.create_entry(Entry(f"a-{name}", kinds.ACCOUNT, name, attrs))
            state = ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000)
            store.write_items(f"a-{name}", [NewItem("", state, f"Subject: to {name}\n\nhello".encode())])
        store.create_entry(Entry("l", kinds.DISTRIBUTION_LIST, "all@example.com"))
    return node


def held(path: Path) -> dict[str, list[str]]:
    """Return the names of the entries that an export holds, by kind."""
    with contextlib.closing(Repository.open(str(path))) as repository:
        return {
            kind: sorted(found.state.name for found in repository.entries(kind) if isinstance(found.state, Entry))
            for kind in EVERYTHING
        }


def module(node: Node, destination: Path, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    """Call the module backup_export."""
    arguments = {
        "config_file": node.config_file, "destination": str(destination), "domains": [], "cos": [], "threshold": 0,
        "skip_items": False, "read_error_threshold": 0, "notifications": [],
    }
    return service.answer(Call({**arguments, **given}, check_mode))


def test_an_export_can_be_imported_elsewhere(node: Node, tmp_path: Path) -> None:
    """R-318, R-247: everything but the accounts that are not backed up."""
    done = module(node, tmp_path / "export")
    assert done["changed"] and held(tmp_path / "export") == EVERYTHING
    other = new_node(tmp_path / "b")
    restored = recovery.restore(other, str(tmp_path / "export"), ExternalOptions())
    assert restored["unrestored"] == {} and restored["restored"]["message"] == 3
    assert recovery.prove(other, str(tmp_path / "export")).passed


def test_check_mode_lists_what_is_exported_and_writes_nothing(node: Node, tmp_path: Path) -> None:
    foretold = module(node, tmp_path / "export", check_mode=True)
    assert foretold["changed"]
    assert foretold["plan"] == [f"{kind} {name}" for kind, names in EVERYTHING.items() for name in names]
    assert not (tmp_path / "export").exists()


def test_an_export_that_is_there_is_left_as_it_is(node: Node, tmp_path: Path) -> None:
    module(node, tmp_path / "export")
    for check_mode in (True, False):
        again = module(node, tmp_path / "export", check_mode)
        assert not again["changed"] and again["export"]["accounts"] == EVERYTHING["account"]
    with pytest.raises(AlreadyExists, match="is not empty"):
        service.export(node, str(tmp_path / "export"))
    with pytest.raises(InvalidInput, match="of the server"):
        module(new_node(tmp_path / "b"), tmp_path / "export")


@pytest.mark.parametrize(("domains", "cos", "accounts", "coses"), [
    (["example.org"], [], ["cleo@example.org"], ["default"]),
    (["EXAMPLE.com"], [], ["ann@example.com", "ben@example.com"], ["default", "gold"]),
    ([], ["gold"], ["ann@example.com"], ["gold"]),
    ([], ["default"], ["ben@example.com", "cleo@example.org"], ["default"]),
    (["example.com"], ["default"], ["ben@example.com"], ["default"]),
    (["example.org"], ["gold"], [], ["gold"]),
])
def test_an_export_of_a_part_holds_what_belongs_to_it(
    node: Node, tmp_path: Path, domains: Sequence[str], cos: Sequence[str], accounts: list[str], coses: list[str]
) -> None:
    """R-318."""
    service.export(node, str(tmp_path / "export"), domains=domains, cos=cos)
    found = held(tmp_path / "export")
    assert (found["account"], found["cos"]) == (accounts, coses)
    wanted = {name.lower() for name in domains} or {name.partition("@")[2] for name in accounts}
    assert found["domain"] == sorted(wanted)
    assert found["distribution_list"] == (["all@example.com"] if "example.com" in wanted else [])


def test_items_can_be_left_out(node: Node, tmp_path: Path) -> None:
    """R-318."""
    service.export(node, str(tmp_path / "export"), skip_items=True)
    with contextlib.closing(Repository.open(str(tmp_path / "export"))) as repository:
        assert not repository.counts().get(kinds.MESSAGE)
    assert held(tmp_path / "export") == EVERYTHING


@pytest.mark.parametrize("given", [{"domains": ["none.example"]}, {"cos": ["none"]}])
def test_what_does_not_exist_is_named(node: Node, tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(NotFound, match="Nothing was exported"):
        service.export(node, str(tmp_path / "export"), **given)
    assert node.operations.list() == []


def test_a_directory_with_other_things_or_of_the_backup_itself_is_refused(node: Node, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").write_text("dear")
    with pytest.raises(AlreadyExists, match="is not empty"):
        service.export(node, str(tmp_path / "full"))
    assert os.listdir(tmp_path / "full") == ["letter"]
    with pytest.raises(InvalidInput, match="own Backup Path"):
        service.export(node, node.settings.backup_path + "/export")
    with pytest.raises(Refused, match="Cannot write"):
        service.export(node, str(tmp_path / "full" / "letter" / "x"))


def test_an_export_that_was_killed_while_it_wrote_its_first_file_is_done_again(node: Node, tmp_path: Path) -> None:
    left = tmp_path / "out" / "format.json.0123abcd.part"
    left.parent.mkdir()
    left.write_text("{")
    service.export(node, str(tmp_path / "out"))
    assert not left.exists()


@pytest.mark.parametrize("check_mode", [True, False])
def test_check_mode_refuses_what_the_run_refuses(node: Node, tmp_path: Path, check_mode: bool) -> None:
    """The node's own Backup Path is no export that is there."""
    backups.smart_scan(node)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").write_text("dear")
    for destination, sentence in (
        (tmp_path / "full", "is not empty"), (Path(node.settings.backup_path), "own Backup Path"),
    ):
        with pytest.raises((AlreadyExists, InvalidInput), match=sentence):
            module(node, destination, check_mode)
    with pytest.raises(InvalidInput, match="threshold cannot be -1"):
        module(node, tmp_path / "export", check_mode, threshold=-1)
    for name in ("", " "):
        with pytest.raises(InvalidInput, match="not said where"):
            service.export(node, name)


def test_an_export_that_is_stopped_leaves_nothing_and_begins_anew(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-319."""
    asked: list[bool] = []

    def stopping(operation: Operation) -> bool:
        asked.append(len(asked) >= 2)
        operation._stopping = asked[-1]
        return asked[-1]

    with monkeypatch.context() as patched:
        patched.setattr(Operation, "stopping", stopping)
        with pytest.raises(Stopped):
            service.export(node, str(tmp_path / "export"))
    assert os.listdir(tmp_path / "export") == []
    service.export(node, str(tmp_path / "export"))
    assert held(tmp_path / "export") == EVERYTHING


def test_what_a_killed_export_has_left_is_no_backup_and_is_begun_anew(node: Node, tmp_path: Path) -> None:
    """R-319."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    service.export(node, str(whole))
    shutil.copytree(whole, killed)
    for commit in (killed / "commits").iterdir():  # the commit is what comes last
        commit.unlink()
    with contextlib.closing(Repository.open(str(killed))) as repository:
        assert repository.head() is None
    assert module(node, killed)["changed"]
    assert held(killed) == EVERYTHING


def test_what_cannot_be_read_is_reported(node: Node, tmp_path: Path) -> None:
    """R-318."""
    for blob in (tmp_path / "a" / "mailstore_path" / "volumes" / "message1").rglob("*"):
        if blob.is_file() and b"to ann" in blob.read_bytes():
            blob.unlink()
    report = service.export(node, str(tmp_path / "export"), read_error_threshold=1)
    assert [failure["account"] for failure in report["failures"]] == ["ann@example.com"]
    assert "- unreadable -" in node.notifications().list()[-1].text


def test_too_many_unreadable_items_or_a_full_disk_end_an_export(node: Node, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "a" / "mailstore_path" / "volumes" / "message1")
    with pytest.raises(Damaged, match="2 reads have failed, read_error_threshold allows 1"):
        service.export(node, str(tmp_path / "export"), read_error_threshold=1)
    with pytest.raises(Refused, match="are left on the disk"):
        service.export(node, str(tmp_path / "export"), threshold=10**12)
    assert os.listdir(tmp_path / "export") == []
    assert [record.state for record in node.operations.list()] == ["failed", "failed"]
