# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Dovecot that is backed up, mended and restored to another one by playbooks alone."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState
from playbook_kit import Task, run_tasks

from tests.servers.dovecot import MASTER_PASSWORD, Dovecot, dovecot, missing
from tests.servers.needed import needed

ANN = "ann@example.com"
PLACES = ("backup_path", "cache_path", "state_path", "mailstore_path")
MESSAGES = 5


class Told(NamedTuple):
    """What the playbooks did."""

    tasks: Mapping[str, Task]
    output: str
    config: Path
    first: list[bytes]
    """What Ann's mailbox holds in the end on the server that lost mail, and on the other one."""
    second: list[bytes]


def mail(number: int) -> bytes:
    return b"Subject: message %d\r\nMessage-ID: <%d@example.com>\r\n\r\nhello\r\n" % (number, number)


def task(name: str, module: str, given: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, f"restante.carbonio.{module}": given, **more}


def config_tasks(root: Path, server: Dovecot) -> list[dict[str, Any]]:
    """Return the tasks that set a node up as docs/imap.md says, tried, done and done again."""
    reached = server.settings(directory="list")
    defaults = type(reached)()
    imap = {name: value for name, value in dataclasses.asdict(reached).items() if value != getattr(defaults, name)}
    given = {"mailstore_adapter": "imap", "imap": imap, **{name: str(root / name) for name in PLACES}}
    return [
        task("set up: check", "backup_config", given, check_mode=True, diff=True),
        task("set up", "backup_config", given, diff=True),
        task("set up again", "backup_config", given, diff=True),
        task("settings", "backup_config_info", {}),
    ]


@contextlib.contextmanager
def opened(root: Path, server: Dovecot) -> Iterator[ImapStore]:
    """Open a mail server as the node of a directory does."""
    with contextlib.closing(ImapStore(str(root / "mailstore_path"), server.settings(directory="list"))) as store:
        yield store


def account_id(store: ImapStore, address: str) -> str:
    return next(entry.entry_id for entry in store.entries(kinds.ACCOUNT) if entry.name == address)


def messages(store: ImapStore, address: str) -> list[bytes]:
    account = account_id(store, address)
    return sorted(
        store.read_blob(account, one.item_id) for one in store.changes(account).items if one.kind == kinds.MESSAGE
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """One node is set up and backed up, loses mail and gets it back; the other one is restored from its backup."""
    needed("Dovecot", missing())
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    tasks: dict[str, Task] = {}
    output = ""

    def done(root: Path, wanted: list[dict[str, Any]]) -> None:
        nonlocal output
        made = run_tasks(wanted, root, config_file=root / "etc" / "restante.json")
        assert made.status == 0, made.output
        tasks.update({f"{root.name.rstrip('0123456789')}: {one.name}": one for one in made.tasks})
        output += made.output + json.dumps([one.result for one in made.tasks])

    with dovecot() as server, dovecot() as other:
        server.add_account(ANN)
        other.add_account(ANN)
        with opened(first, server) as store:
            account = account_id(store, ANN)
            inbox = next(one.item_id for one in store.folders(account) if one.name == "Inbox")
            state = ItemState("", kinds.MESSAGE, inbox, flags="f", date=1_700_000_000_000)
            written = store.write_items(account, [NewItem("", state, mail(number)) for number in range(MESSAGES)])
        done(first, [
            *config_tasks(first, server),
            task("scan", "smartscan", {}), task("scan again", "smartscan", {}),
        ])
        with opened(first, server) as store:
            store.delete_items(account, [written[0].item_id, written[1].item_id])
        backed_up = str(first / "backup_path")
        done(first, [
            task("scan what is gone", "smartscan", {}),
            task("bring one back", "item_restore", {"account": ANN, "item_id": written[0].item_id}),
            task("bring the rest back: check", "undelete", {
                "account": ANN, "start_date": "first", "end_date": "last",
            }, check_mode=True, diff=True),
            task("bring the rest back", "undelete", {"account": ANN, "start_date": "first", "end_date": "last"}),
            task("scan what is back", "smartscan", {}),
        ])
        wanted = {"source_path": backed_up, "skip_system_accounts": False}
        done(second, [
            *config_tasks(second, other),
            task("restore: check", "external_restore", wanted, check_mode=True, diff=True),
            task("restore", "external_restore", wanted, diff=True),
            task("restore again", "external_restore", wanted, diff=True),
            task("verify", "restore_verify_info", {"source_path": backed_up, "fail_on_difference": True}),
            task("scan", "smartscan", {}),
        ])
        held = []
        for root, one in ((first, server), (second, other)):
            with opened(root, one) as store:
                held.append(messages(store, ANN))
        return Told(tasks, output, first / "etc" / "restante.json", *held)


@pytest.mark.parametrize("node", ["first", "second"])
def test_a_node_is_set_up_once(told: Told, node: str) -> None:
    steps = [told.tasks[f"{node}: {step}"] for step in ("set up: check", "set up", "set up again")]
    assert [step.changed for step in steps] == [True, True, False]
    assert told.tasks[f"{node}: settings"].result["settings"]["mailstore_adapter"] == "imap"


def test_the_password_of_the_master_user_is_in_the_settings_alone(told: Told) -> None:
    assert MASTER_PASSWORD not in told.output
    assert MASTER_PASSWORD in told.config.read_text(encoding="utf-8")
    assert told.config.stat().st_mode & 0o077 == 0


def test_a_second_scan_finds_nothing_new(told: Told) -> None:
    assert [told.tasks[f"first: {scan}"].changed for scan in ("scan", "scan again")] == [True, False]


def test_what_was_deleted_is_brought_back(told: Told) -> None:
    assert told.tasks["first: bring one back"].changed
    check, run = (told.tasks[f"first: bring the rest back{step}"] for step in (": check", ""))
    assert (check.changed, run.changed) == (True, True)
    assert set(told.first) == {mail(number) for number in range(MESSAGES)}


def test_the_other_server_has_everything_once(told: Told) -> None:
    steps = [told.tasks[f"second: restore{step}"] for step in (": check", "", " again")]
    assert [step.changed for step in steps] == [True, True, False]
    assert not steps[1].result["unrestored"]
    assert told.tasks["second: verify"].result["verification"]["passed"]
    assert told.second == told.first
