# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Embedded stores of version 1, which had no sessions."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.index import database
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Refused


def made_old(box: Any) -> str:
    """Make a store, which is closed, one of version 1; return the token that its mailbox had then."""
    box.store.close()
    with closing(sqlite3.connect(box.path / "store.sqlite")) as old:
        old.executescript("""
            CREATE TABLE older (number INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL UNIQUE,
                                next_id INTEGER NOT NULL, change INTEGER NOT NULL);
            INSERT INTO older SELECT number, account, next_id, change FROM mailboxes;
            DROP TABLE mailboxes;
            ALTER TABLE older RENAME TO mailboxes;
            DROP TABLE sessions;
            PRAGMA user_version = 1;
            VACUUM;  -- a full disk has no free pages
        """)
        incarnation, = old.execute("SELECT value FROM meta WHERE key = 'incarnation'").fetchone()
        number, change = old.execute("SELECT number, change FROM mailboxes").fetchone()
    return f"{incarnation}:{number}:{change}"


def version(box: Any) -> int:
    with closing(sqlite3.connect(box.path / "store.sqlite")) as store:
        return int(store.execute("PRAGMA user_version").fetchone()[0])


def test_a_store_of_version_1_is_upgraded_and_an_old_token_gives_all_once(box: Any) -> None:
    box.mail(b"1")
    box.mail(b"2")
    old = made_old(box)
    box.store = EmbeddedStore.open(str(box.path))
    assert version(box) == 2
    assert box.contents() == [b"1", b"2"]
    changes = box.store.changes(box.account, old)
    assert changes.full
    box.reopen()
    assert dict(box.store.tokens()) == {box.account: changes.token}
    new = box.mail(b"3")
    changes = box.store.changes(box.account, changes.token)
    assert (changes.full, [item.item_id for item in changes.items]) == (False, new)


def test_two_that_open_a_store_of_version_1_at_once_upgrade_it_once(
    box: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_old(box)
    both = threading.Barrier(2)
    upgrade = database._upgrade

    def together(connection: database.Database) -> None:
        both.wait(30)
        upgrade(connection)

    monkeypatch.setattr(database, "_upgrade", together)
    tokens: list[dict[str, str]] = []

    def work() -> None:
        with closing(EmbeddedStore.open(str(box.path))) as store:
            tokens.append(dict(store.tokens()))

    threads = [threading.Thread(target=work) for _unused in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 2 and tokens[0] == tokens[1]


@pytest.mark.parametrize("why", ["readonly", "full"])
def test_a_store_of_version_1_that_cannot_be_written_to_is_read(
    box: Any, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    box.mail(b"1")
    old = made_old(box)
    connect = sqlite3.connect

    def hindered(file: str, **options: Any) -> Any:
        if why == "readonly":
            return connect(file.replace("mode=rw", "mode=ro"), **options)
        connection = connect(file, **options)
        connection.execute("PRAGMA max_page_count = 1")  # as many as there are
        return connection

    monkeypatch.setattr(sqlite3, "connect", hindered)
    with closing(EmbeddedStore.open(str(box.path))) as store:
        changes = store.changes(box.account, old)
        assert changes.full and len(list(changes.items)) == 12
        assert dict(store.tokens()) == {box.account: changes.token}
        changes = store.changes(box.account, changes.token)
        assert not changes.full and list(changes.items) == []
        with pytest.raises(Refused, match="cannot be written"):
            store.delete_items(box.account, ["256"])
    monkeypatch.undo()
    assert version(box) == 1
    box.store = EmbeddedStore.open(str(box.path))
    assert version(box) == 2 and box.contents() == [b"1"]
