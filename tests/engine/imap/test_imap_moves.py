# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a server cannot move a message it is copied and removed: whoever is killed in between, it is there once."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.connection import Connection
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.mirror import Mirror
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.session import Session
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.sync import Synchroniser
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState

from tests.engine.imap.killed_kit import account, after, child, connect, die, mail, messages, others
from tests.servers.dovecot import MAILDIR, MDBOX, Dovecot, dovecot, missing
from tests.servers.needed import needed

MOVING: dict[str, Callable[[], None]] = {
    "after the intent": lambda: after(Mirror, "intend"),
    "after the copy": lambda: after(Session, "copy"),
    "when it was taken in": lambda: after(Synchroniser, "take_in"),
    "when it was put in place": lambda: after(Mirror, "replace"),
    "before the old one is removed": lambda: setattr(Session, "expunge", die),
    "after the old one was removed": lambda: after(Session, "expunge"),
    "after it was settled": lambda: after(Mirror, "settle"),
}


@pytest.fixture(params=[MDBOX, MAILDIR])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dovecot]:
    """A Dovecot that does not say that it can move (RFC 6851)."""
    needed("Dovecot", missing())
    real = Connection.supports
    monkeypatch.setattr(Connection, "supports", lambda self, what: what != "MOVE" and real(self, what))
    with dovecot(request.param, in_memory=True) as server:
        yield server


def begun(server: Dovecot, path: Path, address: str) -> tuple[str, list[str]]:
    """Have a folder and three messages in the Inbox; return their ids."""
    server.add_account(address)
    with contextlib.closing(connect(server, path)) as store:
        folder, = store.write_items(account(store, address), others()[:1], "import")
        written = store.write_items(account(store, address), messages()[1:4], "import")
        return folder.item_id, [one.item_id for one in written]


def moved(store: ImapStore, address: str, item: str, folder: str) -> None:
    """Move a message, and flag it."""
    state = store.item(account(store, address), item)
    assert state is not None
    store.update_item(account(store, address), state._replace(folder=folder, flags="f"))


def there(store: ImapStore, address: str) -> dict[str, ItemState]:
    """Return the messages of an account."""
    return {item.item_id: item for item in store.changes(account(store, address)).items if item.kind == kinds.MESSAGE}


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("server", [MDBOX], indirect=True)
def test_a_message_that_is_copied_and_removed_is_there_once_after_a_kill_in_between(
    server: Dovecot, tmp_path: Path
) -> None:
    for number, (name, prepare) in enumerate(MOVING.items()):
        address = f"of-step-{number}@example.com"
        folder, items = begun(server, tmp_path, address)

        def work(prepare: Callable[[], None] = prepare, address: str = address, to: str = folder,
                 item: str = items[0]) -> None:
            store = connect(server, tmp_path)
            store.item(account(store, address), item)
            prepare()
            moved(store, address, item, to)

        assert os.WTERMSIG(os.waitpid(child(work), 0)[1]) == signal.SIGKILL, name
        with contextlib.closing(connect(server, tmp_path)) as store:
            anna = account(store, address)
            assert set(dict(store.imported(anna, "import")).values()) == {folder, *items}, name
            assert there(store, address).keys() == set(items), name
            moved(store, address, items[0], folder)
            found = there(store, address)
            assert found.keys() == set(items), name
            assert (found[items[0]].folder, found[items[0]].flags) == (folder, "f"), name
            assert {found[item].folder for item in items[1:]} == {"2"}, name
            assert store.read_blob(anna, items[0]) == mail(1), name
        told = server.doveadm("-f", "tab", "fetch", "-u", address, "mailbox", "all").splitlines()[1:]
        assert sorted(told) == ["INBOX", "INBOX", "new folder"], name


def test_a_message_is_moved_where_the_server_does_not_tell_its_new_number(
    server: Dovecot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Any = Session.copy
    monkeypatch.setattr(Session, "copy", lambda *arguments: real(*arguments) and [])
    folder, items = begun(server, tmp_path, "anna@example.com")
    with contextlib.closing(connect(server, tmp_path)) as store:
        for item in items:
            moved(store, "anna@example.com", item, folder)
        for item in items[:2]:
            moved(store, "anna@example.com", item, "2")
        found = there(store, "anna@example.com")
        assert {item: state.folder for item, state in found.items()} == {
            items[0]: "2", items[1]: "2", items[2]: folder
        }
