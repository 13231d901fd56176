# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users work while their mailboxes are looked at: whatever moment it is, in the end the backup has what they have."""

from __future__ import annotations

import contextlib
import imaplib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.mailboxes import Mailboxes
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.sync import Synchroniser
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.tree import Folder
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import Changes
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotFound, Unavailable
from strategies_kit import scanned

from tests.engine.imap.scripted_imap import DATE, Box, Mail, ScriptedImap, mail
from tests.servers import cyrus, dovecot
from tests.servers.mail_client import contents, logged_in
from tests.servers.needed import needed

ANNA, PASSWORD = "anna@example.com", "a password of Anna's"


@pytest.fixture(params=["dovecot", "cyrus"])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    module = {"dovecot": dovecot, "cyrus": cyrus}[request.param]
    needed(request.param, module.missing())
    with getattr(module, request.param)(in_memory=True) as server:
        server.add_account(ANNA, PASSWORD)
        yield server


@pytest.fixture
def store(server: Any, tmp_path: Path) -> Iterator[ImapStore]:
    store = ImapStore(str(tmp_path / "mirror"), server.settings(carddav_url="", caldav_url=""))
    yield store
    store.close()


def anna(store: ImapStore) -> str:
    """Return the id of the one account."""
    account, = store.entries(kinds.ACCOUNT)
    return account.entry_id


def put(connection: imaplib.IMAP4, *numbers: int, folder: str = "INBOX") -> None:
    """Let messages of these numbers be in a folder."""
    for number in numbers:
        assert connection.append(folder, "", '"01-Feb-2020 04:05:06 +0000"', mail(number))[0] == "OK"


def remove(connection: imaplib.IMAP4, number: int, folder: str = "INBOX") -> None:
    """Remove the message that is the how-manieth in a folder."""
    connection.select(folder)
    connection.store(str(number), "+FLAGS", "(\\Deleted)")
    connection.expunge()
    connection.unselect()


class Following:
    """What somebody has who asks an account for its changes again and again."""

    def __init__(self, store: ImapStore) -> None:
        self._store = store
        self._token = ""
        self.items: dict[str, Any] = {}

    def ask(self) -> None:
        """Ask for what has changed."""
        changes: Changes = self._store.changes(anna(self._store), self._token)
        if changes.full:
            self.items.clear()
        self.items.update((item.item_id, item) for item in changes.items)
        for item in changes.deleted:
            self.items.pop(item, None)
        self._token = changes.token

    def contents(self) -> Counter[bytes]:
        """Return what the messages hold."""
        items = [item for item, state in self.items.items() if state.kind == kinds.MESSAGE]
        read = list(self._store.read_blobs(anna(self._store), items))
        found = [content for content in read if isinstance(content, bytes)]
        assert len(found) == len(read), read
        return Counter(found)


def test_the_newest_message_that_is_deleted_is_gone(server: Any, store: ImapStore) -> None:
    following = Following(store)
    with logged_in(server, ANNA, PASSWORD) as connection:
        put(connection, 1, 2, 3)
        following.ask()
        remove(connection, 3)
        following.ask()
        assert following.contents() == Counter([mail(1), mail(2)])
        put(connection, 4)
        remove(connection, 3)
        following.ask()
    assert following.contents() == Counter([mail(1), mail(2)])


@pytest.mark.parametrize("work", [
    lambda connection: put(connection, 4), lambda connection: remove(connection, 3),
    lambda connection: (put(connection, 4), remove(connection, 4)),
], ids=["arrives", "is deleted", "comes and goes"])
def test_what_happens_as_folders_are_listed_is_not_missed(
    server: Any, store: ImapStore, monkeypatch: pytest.MonkeyPatch, work: Callable[[imaplib.IMAP4], object]
) -> None:
    """The folder that was open before it is listed may be shown as it was then."""
    following = Following(store)
    real = Mailboxes._mailboxes
    with logged_in(server, ANNA, PASSWORD) as connection:
        put(connection, 1, 2, 3)
        following.ask()
        following.contents()  # which leaves the folder open
        waiting = [work]

        def listing(self: Mailboxes) -> Any:
            while waiting:
                waiting.pop()(connection)
            return real(self)

        monkeypatch.setattr(Mailboxes, "_mailboxes", listing)
        for _unused in range(2):
            following.ask()
        there = contents(connection, "INBOX")
    assert following.contents() == Counter(there)


def test_a_look_that_is_cut_off_forgets_nothing_that_is_gone(
    server: Any, store: ImapStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message is moved from the first folder to the second one, which cannot be opened for a moment."""
    following = Following(store)
    real = Synchroniser._look
    failures = [NotFound("gone"), Unavailable("cut off")]
    with logged_in(server, ANNA, PASSWORD) as connection:
        connection.create("first")
        connection.create("second")
        put(connection, *range(4), folder="first")
        following.ask()
        before = set(following.items)

        def look(self: Synchroniser, folder: Folder, *arguments: Any) -> Any:
            if folder.name == "second" and failures:
                raise failures.pop()
            return real(self, folder, *arguments)

        monkeypatch.setattr(Synchroniser, "_look", look)
        for _unused in range(2):
            remove(connection, 1, folder="first")
            connection.select("first")
            connection.xatom("MOVE", "1", "second")
            connection.unselect()
            following.ask()
    assert not failures
    assert following.contents() == Counter([mail(1), mail(3)])
    assert set(following.items) < before


# -- the same by the word ----------------------------------------------------------------------------------------------

@pytest.fixture
def seen(scripted: ScriptedImap, tmp_path: Path) -> Iterator[Following]:
    store = ImapStore(str(tmp_path / "mirror"), scripted.settings)
    yield Following(store)
    store.close()


def test_what_was_away_for_a_moment_is_there(scripted: ScriptedImap, seen: Following) -> None:
    """It was moved as folders were looked at one after the other, so that it was in none of them."""
    box = scripted.boxes[b"INBOX"]
    message = Mail(b"", DATE, mail(1))
    box.add(message)
    seen.ask()
    box.mails.clear()
    seen._store.changes(anna(seen._store), seen._token)  # and nobody takes it down
    box.add(message)
    seen.ask()
    assert seen.contents() == Counter([mail(1)])


def test_a_folder_that_is_listed_and_never_opened_costs_no_other(
    scripted: ScriptedImap, seen: Following, tmp_path: Path
) -> None:
    scripted.boxes[b"shut"] = Box(9)
    scripted.boxes[b"shut"].add(Mail(b"", DATE, mail(1)))
    seen.ask()
    scripted.answers["SELECT"] = lambda _connection, tag, arguments, _literals: (
        tag + b" NO no such mailbox\r\n" if b"shut" in arguments else None
    )
    scripted.boxes[b"shut"].add(Mail(b"", DATE, mail(2)))
    scripted.boxes[b"INBOX"].add(Mail(b"", DATE, mail(3)))
    report = scanned(lambda: ImapStore(str(tmp_path / "mirror"), scripted.settings), tmp_path / "backup")
    assert "'shut' was not looked at" in "".join(one.reason for one in report.failures)
    with contextlib.closing(Repository.open(str(tmp_path / "backup"))) as repository:
        states = [one.state for one in repository.states(anna(seen._store))]
        assert sum(state is not None and state.kind == kinds.MESSAGE and bool(state.digest) for state in states) == 1
    scripted.answers.clear()
    seen.ask()
    assert seen.contents() == Counter([mail(1), mail(2), mail(3)])


def test_two_items_in_one_place_are_read(scripted: ScriptedImap, seen: Following) -> None:
    """As an older version has left them."""
    for number in (1, 2):
        scripted.boxes[b"INBOX"].add(Mail(b"", DATE, mail(number)))
    seen.ask()
    seen._store._mirror.database.execute("UPDATE items SET locator = '0000000001' WHERE kind = 'message'")
    assert seen.contents() == Counter([mail(1), mail(1)])
