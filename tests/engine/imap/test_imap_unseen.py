# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A killed Dovecot shows messages only when it is given others (mdbox): what was sent once more is there once."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.answers import NewMessage
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.session import Session
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState

from tests.engine.imap.killed_kit import ANNA, account, after, child, connect, mail, messages
from tests.servers.dovecot import MDBOX, Dovecot, dovecot, missing
from tests.servers.needed import needed

pytestmark = pytest.mark.usefixtures("hurried")

TAIL = 16
"""Bytes by which Dovecot says in the log of its map that what stands before is in the mailboxes too."""


@pytest.fixture
def server() -> Iterator[Dovecot]:
    needed("Dovecot", missing())
    with dovecot(MDBOX, in_memory=True) as server:
        server.add_account(ANNA)
        yield server


def killed_within(server: Dovecot, path: Path, work: Callable[[ImapStore], object]) -> None:
    """Let a process write, and die when it has; leave the server as one that was killed before it had told mailboxes.

    The bytes and the map of what was written are there, and the mailboxes as they were before.
    """
    def write() -> None:
        after(Session, "append")
        work(connect(server, path))

    server.stop()
    mail, before = server.mail(ANNA), path / "before"
    subprocess.run(["cp", "-a", mail, before], check=True)
    server.start()
    os.waitpid(child(write), 0)
    server.kill()
    for index in (mail / "mailboxes", *mail.glob("dovecot.list.index*")):
        shutil.rmtree(index) if index.is_dir() else index.unlink()
    for index in (before / "mailboxes", *before.glob("dovecot.list.index*")):
        subprocess.run(["cp", "-a", index, mail / index.name], check=True)
    log = mail / "storage" / "dovecot.map.index.log"
    os.truncate(log, log.stat().st_size - TAIL)
    server.start()


def shown(server: Dovecot) -> int:
    """Return how many messages Dovecot itself tells of."""
    return len(server.doveadm("-f", "tab", "fetch", "-u", ANNA, "uid", "all").splitlines()[1:])


def there(store: ImapStore, server: Dovecot) -> list[ItemState]:
    """Return the messages of the account, which has as many as the server shows."""
    found = [item for item in store.changes(account(store)).items if item.kind == kinds.MESSAGE]
    assert len(found) == shown(server)
    return found


@pytest.mark.parametrize("noticed", [False, True], ids=["with what is sent again", "before it is looked"])
def test_what_a_server_shows_late_is_there_once_and_with_its_flags(
    server: Dovecot, tmp_path: Path, noticed: bool
) -> None:
    with contextlib.closing(connect(server, tmp_path)) as store:
        store.write_items(account(store), messages()[:2], "import")
    killed_within(server, tmp_path, lambda store: store.write_items(account(store), messages()[2:7], "import"))
    assert shown(server) == 2
    if noticed:  # somebody else's mail makes Dovecot look; it has the same content, and is not what was sent
        with contextlib.closing(Session(server.settings(), ANNA)) as other:
            other.append(b"INBOX", [NewMessage(mail(3), (), 1_400_000_000_000)])
            with contextlib.suppress(Unavailable):
                other.uids(b"INBOX")
        assert shown(server) == 2 + 5 + 1
    with contextlib.closing(connect(server, tmp_path)) as store:
        assert not [one.error for one in store.write_items(account(store), messages()[2:7], "import") if one.error]
        assert "rebuilding indexes" in server.log()
        found = {item.item_id: item for item in there(store, server)}
        copies = dict(store.imported(account(store), "import"))
        assert [(found[copies[new.origin]].flags, found[copies[new.origin]].date) for new in messages()[2:7]] == [
            (new.state.flags, new.state.date) for new in messages()[2:7]
        ]
        assert len(found) == 7 + noticed
        # Nothing waits any more: who puts a copy there now keeps it.
        store.write_items(account(store), [messages()[3]], "another import")
        store.write_items(account(store), [messages()[8]], "import")
        assert len(there(store, server)) == 7 + noticed + 2


def test_a_replacement_that_a_server_shows_late_is_there_once(server: Dovecot, tmp_path: Path) -> None:
    with contextlib.closing(connect(server, tmp_path)) as store:
        written = store.write_items(account(store), messages()[:2], "import")

    def update(store: ImapStore) -> None:
        state = store.item(account(store), written[0].item_id)
        assert state is not None
        store.update_item(account(store), state._replace(flags="f", date=1_600_000_000_000), mail(77))

    killed_within(server, tmp_path, update)
    with contextlib.closing(connect(server, tmp_path)) as store:
        update(store)
        assert "rebuilding indexes" in server.log()
        found = {item.item_id: item for item in there(store, server)}
        assert found.keys() == {one.item_id for one in written}
        first = found[written[0].item_id]
        assert (first.flags, first.date) == ("f", 1_600_000_000_000)
        assert store.read_blob(account(store), first.item_id) == mail(77)


def test_what_was_sent_and_is_shown_when_nobody_sends_it_again_is_taken_for_that(
    server: Dovecot, tmp_path: Path
) -> None:
    with contextlib.closing(connect(server, tmp_path)) as store:
        store.folders(account(store))
    killed_within(server, tmp_path, lambda store: store.write_items(account(store), messages()[2:5], "import"))
    with contextlib.closing(connect(server, tmp_path)) as store:
        assert not dict(store.imported(account(store), "import"))
        new = NewItem("other", ItemState("", kinds.MESSAGE, "2", date=1_500_000_000_000), mail(90))
        assert not store.write_items(account(store), [new], "import")[0].error
        assert len(there(store, server)) == 4
        assert len(dict(store.imported(account(store), "import"))) == 4
        again = store.write_items(account(store), messages()[2:5], "import")
        assert all(one.existed for one in again) and len(there(store, server)) == 4
