# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The restore of items on a node: as operations, by commands, with what people are told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotABackup
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.restore.undelete import Interval
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, items
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings

from tests.servers.mail_server import mail_server

ANN = "ann@example.com"
PLACES = ("backup_path", "cache_path", "state_path", "mailstore_path")


class Ann:
    """A node with one account."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.config_file = str(root / "etc" / "restante.json")
        places = {place: str(root / place) for place in PLACES}
        settings_file.save(self.config_file, Settings(**places, **settings))
        with contextlib.closing(EmbeddedStore.create(places["mailstore_path"])) as store:
            store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
            store.create_entry(Entry("ann", kinds.ACCOUNT, ANN, aliases=("alias@example.com",)))

    @property
    def node(self) -> Node:
        return Node.load(self.config_file)

    @contextlib.contextmanager
    def store(self) -> Iterator[Any]:
        with contextlib.closing(self.node.store()) as store:
            yield store

    def mail(self, count: int = 1) -> list[str]:
        new = [
            NewItem("", ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000), b"Subject: %d\n\nhello" % number)
            for number in range(count)
        ]
        with self.store() as store:
            return [written.item_id for written in store.write_items("ann", new)]

    def delete(self, *ids: str) -> None:
        with self.store() as store:
            store.delete_items("ann", list(ids))

    def messages(self) -> list[ItemState]:
        with self.store() as store:
            return [one for one in store.changes("ann").items if one.kind == kinds.MESSAGE]

    def command(self, *words: str) -> int:
        return main(["--config-file", self.config_file, "--json", "--sync", *words])


@pytest.fixture
def ann(tmp_path: Path) -> Ann:
    return Ann(tmp_path, time_zone="UTC")


def test_what_happened_since_the_last_scan_is_scanned_first(ann: Ann) -> None:
    """R-011, R-015: the deletion itself is not recorded yet."""
    [number] = ann.mail()
    backups.smart_scan(ann.node)
    ann.delete(number)
    done = items.undelete(ann.node, ANN, Interval())
    assert done["report"]["restored"]["message"] == 1 and done["changed"]
    assert [record.type for record in ann.node.operations.list()] == ["SmartScan", "SmartScan", "Undelete"]


@pytest.mark.parametrize("account", ["ann", ANN, "ANN@example.com", "alias@example.com"])
def test_commands_restore_by_any_name_of_the_account(
    ann: Ann, account: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """R-002, R-036, R-037, R-041, R-042, R-300."""
    one, two = ann.mail(2)
    backups.smart_scan(ann.node)
    ann.delete(one, two)
    assert ann.command("backup", "doItemRestore", account, one, "date", "last", "restore_folder", "/Back") == 0
    assert '"message": 1' in capsys.readouterr().out
    with ann.store() as store:
        names = {folder.item_id: folder.name for folder in store.folders("ann")}
    assert [names[one.folder] for one in ann.messages()] == ["Back"]
    assert ann.command("backup", "doItemRestore", account, "424242") != 0
    assert "knows no item 424242" in "".join(capsys.readouterr())


def test_people_are_told_the_address_of_the_account(ann: Ann) -> None:
    """R-043: also where it was given by its id."""
    [one] = ann.mail(1)
    backups.smart_scan(ann.node)
    ann.delete(one)
    assert ann.command("backup", "doItemRestore", "ann", one) == 0
    told = [note.text for note in ann.node.notifications().list() if "Item" in note.subject]
    assert told and any(ANN in text for text in told)


def test_a_command_undeletes_an_interval(ann: Ann, capsys: pytest.CaptureFixture[str]) -> None:
    """R-002, R-088, R-090, R-094, R-095."""
    numbers = ann.mail(3)
    backups.smart_scan(ann.node)
    ann.delete(*numbers)
    words = ("backup", "doUndelete", ANN)
    nothing = ("01/01/2001 00:00:00", "02/01/2001 00:00:00")
    assert ann.command(*words, *nothing) == 0 and not ann.messages()
    assert ann.command(
        *words, "first", "last", "target_original_folder", "false", "apply_hsm", "true",
        "notifications", "legal@example.com",
    ) == 0
    assert len(ann.messages()) == 3
    assert "no policy by which items are moved" in "".join(capsys.readouterr())
    assert ann.command(*words, "first") != 0
    assert ann.command(*words, "soon", "last") != 0


def test_people_are_told_of_the_start_and_of_the_end(tmp_path: Path) -> None:
    """R-006, R-007, R-023, R-095, R-097, R-098."""
    with mail_server() as server:
        ann = Ann(
            tmp_path, smtp_host="127.0.0.1", smtp_port=server.port, administrator="admin@example.com",
        )
        [number] = ann.mail()
        backups.smart_scan(ann.node)
        ann.delete(number)
        items.undelete(ann.node, ANN, Interval(), notifications=["legal@example.com"])
    told = [mail for mail in server.mails if "Undelete" in str(mail.message["Subject"])]
    subjects = ("Undelete: Operation Started", "Undelete: Operation Ended")
    assert sorted((to, str(mail.message["Subject"]).partition("] ")[2] or str(mail.message["Subject"]))
                  for mail in told for to in mail.recipients) == sorted(
        (to, subject) for to in ("admin@example.com", "legal@example.com") for subject in subjects
    )
    ended = next(mail for mail in told if "Ended" in str(mail.message["Subject"]))
    assert "Restored Items: 2" in ended.message.get_content()


def test_an_account_that_the_mail_server_does_not_have_is_refused_with_advice(ann: Ann) -> None:
    """R-010: a deleted account is another strategy's."""
    backups.smart_scan(ann.node)
    with ann.store() as store:
        store.delete_entry(kinds.ACCOUNT, "ann")
    assert ann.command("backup", "doItemRestore", ANN, "257") != 0


def test_without_a_backup_there_is_nothing_to_restore(ann: Ann) -> None:
    """R-011."""
    with pytest.raises(NotABackup, match="no backup yet"):
        items.restore_item(ann.node, ANN, "257")
