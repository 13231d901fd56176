# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The restore of accounts on a node: as operations, through modules and commands, with what people are told."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    InvalidInput,
    NotABackup,
    NotFound,
    Refused,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import accounts, backups
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings

from tests.servers.mail_server import MailServer, mail_server

ANN, BEN, COPY = "ann@example.com", "ben@example.com", "copy@example.com"
PLACES = ("backup_path", "cache_path", "state_path", "mailstore_path")


class Restores:
    """A node with two accounts and their backup."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root
        self.config_file = str(root / "etc" / "restante.json")
        places = {place: str(root / place) for place in PLACES}
        settings_file.save(self.config_file, Settings(**places, **settings))
        with contextlib.closing(EmbeddedStore.create(places["mailstore_path"])) as store:
            store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
            for name in ("ann", "ben"):
                store.create_entry(Entry(name, kinds.ACCOUNT, f"{name}@example.com"))
                self.mail(store, name)

    @staticmethod
    def mail(store: Any, account: str) -> str:
        state = ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000)
        return str(store.write_items(account, [NewItem("", state, b"Subject: x\n\nhello " + account.encode())])[0][1])

    @property
    def node(self) -> Node:
        return Node.load(self.config_file)

    def scan(self) -> None:
        backups.smart_scan(self.node)

    @contextlib.contextmanager
    def store(self) -> Iterator[Any]:
        with contextlib.closing(self.node.store()) as store:
            yield store

    def new(self, check_mode: bool = False, **given: Any) -> dict[str, Any]:
        """As the module new_account_restore does."""
        defaults = {
            "source_account": ANN, "destination_account": COPY, "date": "last", "undelete": False,
            "undelete_start_date": "first", "restore_datasource": True, "hide_in_gal": False,
        }
        return accounts.answer_new_account(self._call(check_mode, {**defaults, **given}))

    def own(self, check_mode: bool = False, **given: Any) -> dict[str, Any]:
        """As the module account_restore does."""
        defaults = {"account": BEN, "domain": "", "date": "last", "restore_datasource": True}
        return accounts.answer_account(self._call(check_mode, {**defaults, **given}))

    def _call(self, check_mode: bool, given: dict[str, Any]) -> Call:
        common = {
            "config_file": self.config_file, "apply_hsm": False, "fail_on_unrestored": False, "notifications": [],
        }
        return Call({**common, **given}, check_mode)

    def command(self, *words: str) -> int:
        return main(["--config-file", self.config_file, "--sync", "--json", "backup", *words])

    def messages(self, address: str) -> int:
        with self.store() as store:
            account = store.find_entry(kinds.ACCOUNT, address)
            return sum(state.kind == kinds.MESSAGE for state in store.changes(account.entry_id).items)

    def files(self) -> dict[str, int]:
        """All files of the node but for what SQLite keeps beside its tables, with their sizes."""
        return {
            str(path): path.stat().st_size for path in self.root.rglob("*")
            if path.is_file() and not path.name.endswith(("-wal", "-shm", "catalog.sqlite"))
        }


@pytest.fixture
def restores(tmp_path: Path) -> Restores:
    made = Restores(tmp_path)
    made.scan()
    return made


def test_the_backup_is_brought_up_to_date_before_a_restore(restores: Restores) -> None:
    """R-015, R-071: what the backup does not know yet, it learns; also that an account is deleted, or new."""
    with restores.store() as store:
        restores.mail(store, "ann")
        store.delete_entry(kinds.ACCOUNT, "ben")
        store.create_entry(Entry("cleo", kinds.ACCOUNT, "cleo@example.com"))
        restores.mail(store, "cleo")
    restores.new()
    assert restores.messages(COPY) == 2
    restores.new(source_account="cleo@example.com", destination_account="cleo.copy@example.com")
    assert restores.messages("cleo.copy@example.com") == 1
    assert restores.own()["account"] == {"id": "ben", "name": BEN}
    assert restores.messages(BEN) == 1


def test_check_mode_touches_nothing(restores: Restores) -> None:
    with restores.store() as store:
        store.delete_entry(kinds.ACCOUNT, "ben")
    before = restores.files()
    found = [restores.new(check_mode=True), restores.own(check_mode=True)]
    assert restores.files() == before
    assert [one["changed"] for one in found] == [True, True]
    assert all("restore 1 x message" in one["plan"] for one in found)
    assert found[1]["plan"][0] == f"create account {BEN} (ben)"


def test_a_restore_is_an_operation_and_a_finished_one_is_none(restores: Restores) -> None:
    result = restores.new()
    record = restores.node.operations.get(result["operation_id"])
    assert (record.type, record.state) == ("Restore on New Account", "successful")
    assert [phase["name"] for phase in record.phases] == ["account", "items"]
    assert (record.parameters["source"], record.parameters["destination"]) == ("ann", COPY)
    count = len(restores.node.operations.list())
    again = restores.new()
    assert not again["changed"] and again["diff"] == {"prepared": ""}
    assert len(restores.node.operations.list()) == count


def test_a_mailbox_that_cannot_be_restored_to_the_end_is_a_failure(
    restores: Restores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-044, R-270: neither a script nor a playbook may think that the mail is back."""
    def full(*_arguments: Any) -> None:
        raise Refused("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(EmbeddedStore, "write_items", full)
        with pytest.raises(Refused, match="could not be restored to the end: The disk is full"):
            restores.new()
    assert restores.node.operations.list()[-1].state == "failed"
    assert restores.new()["changed"] and restores.messages(COPY) == 1


def test_who_starts_a_restore_is_given_its_id_and_not_that_of_the_scan_before_it(
    restores: Restores, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = str(uuid.uuid4())
    assert restores.new(operation_id=wanted)["operation_id"] == wanted
    capsys.readouterr()
    arguments = ["--config-file", restores.config_file, "--json", "backup", "doRestoreOnNewAccount"]
    assert main([*arguments, BEN, "ben.copy@example.com", "last"]) == 0
    operation_id = json.loads(capsys.readouterr().out)["operationId"]
    assert restores.node.operations.get(operation_id).type == "Restore on New Account"
    assert main([*arguments[:3], "--sync", "backup", "monitor", operation_id]) == 0
    assert restores.messages("ben.copy@example.com") == 1
    assert [one.type for one in restores.node.operations.list()].count("SmartScan") == 3


def test_initiator_administrator_and_named_addresses_are_told(tmp_path: Path) -> None:
    """R-006, R-007, R-023, R-054, R-075."""
    with mail_server() as server:
        assert isinstance(server, MailServer)
        restores = Restores(
            tmp_path, smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none",
            smtp_sender="restante@example.com", administrator="admin@example.com",
        )
        restores.scan()
        server.mails.clear()
        restores.new(initiator="dan@example.com", notifications=["cleo@example.com", "eve@example.com"])
        ours = [mail for mail in server.mails if "Restore on New Account" in mail.message["Subject"]]
        assert [(mail.message["Subject"].partition(": ")[2], *mail.recipients) for mail in ours] == [
            (subject, f"{name}@example.com")
            for subject in ("Operation Started", "Operation Ended") for name in ("admin", "dan", "cleo", "eve")
        ]


def test_the_command_takes_the_words_of_the_documentation(
    restores: Restores, capsys: pytest.CaptureFixture[str]
) -> None:
    """R-016, R-044, R-057, R-062: also those that are not in the help any more, and the date in the node's time."""
    with restores.store() as store:
        item = restores.mail(store, "ann")
    restores.scan()
    with restores.store() as store:
        store.delete_items("ann", [item])
    restores.scan()
    date = moment.vendor(moment.now() + 3_600_000)
    capsys.readouterr()
    assert restores.command("doRestoreOnNewAccount", ANN, COPY, date) == 1  # in the future
    assert restores.command("doRestoreOnNewAccount", ANN, COPY) == 1
    capsys.readouterr()
    assert restores.command(
        "dorestoreonnewaccount", ANN, COPY, "last", "apply_hsm", "TRUE", "restore_chat_buddies", "true", "undelete",
        "true", "undelete_start_time", "first", "notifications", "a@example.com,b@example.com",
    ) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["report"]["restored"]["message"] == 2
    assert any("no policy by which items are moved" in sentence for sentence in result["report"]["warnings"])


def test_an_account_is_restored_by_a_command_of_our_own(
    restores: Restores, capsys: pytest.CaptureFixture[str]
) -> None:
    """R-002, R-003, R-073, R-076."""
    with restores.store() as store:
        store.create_entry(Entry("d2", kinds.DOMAIN, "example.org"))
        store.delete_entry(kinds.ACCOUNT, "ben")
    restores.scan()
    capsys.readouterr()
    words = ["doRestoreAccount", BEN, "domain", "example.org", "restore_datasource", "false", "apply_hsm", "true"]
    assert restores.command(*words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["account"] == {"id": "ben", "name": "ben@example.org"}
    assert any("no policy by which items are moved" in sentence for sentence in answer["report"]["warnings"])
    assert restores.messages("ben@example.org") == 1
    assert restores.command("doRestoreAccount", ANN) == 1
    assert "is not deleted, and is left alone" in capsys.readouterr().err


def test_what_cannot_be_restored_fails_the_task_where_that_is_wanted(restores: Restores) -> None:
    """R-020."""
    for pack in (restores.root / "backup_path" / "packs").rglob("*"):
        if pack.is_file():
            pack.unlink()
    with restores.store() as store:
        store.delete_entry(kinds.ACCOUNT, "ben")
    with pytest.raises(Refused, match="not everything could be restored(.|\n)*account: ben@example.com"):
        restores.own(account="ben", fail_on_unrestored=True)
    assert restores.own(account="ben")["report"]["unrestored"] == {"message": 1}


def test_bad_input_starts_no_operation(restores: Restores, tmp_path: Path) -> None:
    """R-063, R-011."""
    count = len(restores.node.operations.list())
    for given in ({"source_account": "nobody"}, {"destination_account": "x@nowhere.example"}):
        with pytest.raises(NotFound):
            restores.new(**given)
    for given in ({"date": "yesterday"}, {"undelete_start_date": "2026-01-01"}, {"date": "2001-01-01"}):
        with pytest.raises(InvalidInput):
            restores.new(**given)
    assert len(restores.node.operations.list()) == count
    (tmp_path / "other").mkdir()
    with pytest.raises(NotABackup, match="holds no backup yet; let a SmartScan fill it"):
        Restores(tmp_path / "other").new()
