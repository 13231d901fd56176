# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is noted on mailboxes (METADATA) is kept with the folders; what a server does not take is said to be lost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.annotations import (
    ATTRIBUTE,
    OURS,
    meant,
    noted,
)
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.session import Session
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem, Written
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState

from tests.servers import cyrus, dovecot
from tests.servers.needed import needed

ANNA = "anna@example.com"
COMMENT, KOLAB = "/private/comment", "/shared/vendor/kolab/folder-type"
TEXT = 'of "Änna"\r\nand {5}\\'
ALL = {"color": 3, "url": "https://example.com/ü", ATTRIBUTE: {COMMENT: TEXT, KOLAB: "mail.default"}}


@contextlib.contextmanager
def started(name: str) -> Iterator[Any]:
    """A server with an account: one that takes every annotation, "cyrus" as it comes, or "silent", which takes none."""
    needed(name, cyrus.missing() if "cyrus" in name else dovecot.missing())
    with {
        "dovecot": lambda: dovecot.dovecot(in_memory=True),
        "silent": lambda: dovecot.dovecot(more="protocol imap {\n  imap_metadata = no\n}\n", in_memory=True),
        "open cyrus": lambda: cyrus.cyrus("annotation_allow_undefined: yes", in_memory=True),
        "cyrus": lambda: cyrus.cyrus(in_memory=True),
    }[name]() as server:
        server.add_account(ANNA)
        yield server


@pytest.fixture(scope="module", params=["dovecot", "open cyrus"])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    with started(request.param) as server:
        yield server


class Mailbox:
    """An account, as the engine sees it and as another client does."""

    def __init__(self, server: Any, path: Path) -> None:
        self.store = ImapStore(str(path), server.settings(carddav_url="", caldav_url=""))
        self.account = next(entry.entry_id for entry in self.store.entries(kinds.ACCOUNT))
        self.other = Session(server.settings(), ANNA)

    def close(self) -> None:
        """End both."""
        self.store.close()
        self.other.close()

    def add(self, name: str, flags: str = "", **attrs: Any) -> Written:
        """Write a folder."""
        written, = self.store.write_items(
            self.account, [NewItem("", ItemState("", kinds.FOLDER, "1", name, flags, attrs=attrs))]
        )
        assert not written.error
        return written

    def folder(self, item: str) -> ItemState:
        """Return a folder as it is now."""
        return next(folder for folder in self.store.folders(self.account) if folder.item_id == item)


@pytest.fixture
def mailbox(server: Any, tmp_path: Path) -> Iterator[Mailbox]:
    with contextlib.closing(Mailbox(server, tmp_path / "mirror")) as mailbox:
        yield mailbox


def test_a_folder_keeps_what_imap_has_no_place_for(server: Any, mailbox: Mailbox, tmp_path: Path) -> None:
    written = mailbox.add("all", "#*b", **ALL)
    assert written.lost == ()
    folder = mailbox.folder(written.item_id)
    assert (folder.flags, {name: folder.attrs[name] for name in ALL}) == ("#*b", ALL)
    assert mailbox.other.annotations_of([b"all"], [COMMENT]) == [{COMMENT: TEXT}]
    with contextlib.closing(Mailbox(server, tmp_path / "another mirror")) as anew:
        assert anew.folder(written.item_id) == folder


def test_it_is_changed_and_taken_away(mailbox: Mailbox) -> None:
    item = mailbox.add("changed", "b", **ALL).item_id
    before = mailbox.folder(item)
    attrs = {**before.attrs, "color": "#ff0000", ATTRIBUTE: {COMMENT: "new"}}
    del attrs["url"]
    mailbox.store.update_item(mailbox.account, before._replace(flags="#*", name="renamed", attrs=attrs))
    folder = mailbox.folder(item)
    assert (folder.name, folder.flags, dict(folder.attrs)) == ("renamed", "#*", attrs)
    mailbox.store.update_item(mailbox.account, folder._replace(attrs={}, flags=""))
    assert mailbox.other.annotations_of([b"renamed"], [COMMENT, KOLAB, OURS]) == [{}]


def test_what_another_client_notes_is_a_change_of_the_folder(mailbox: Mailbox) -> None:
    token = mailbox.store.changes(mailbox.account).token
    for value in ("first", "second", None):
        mailbox.other.annotate(b"INBOX", COMMENT, value)
        changes = mailbox.store.changes(mailbox.account, token)
        inbox, = changes.items
        assert (inbox.item_id, changes.full) == ("2", False)
        assert inbox.attrs.get(ATTRIBUTE, {}) == ({COMMENT: value} if value else {})
        token = changes.token


def test_what_nobody_has_noted_before_is_seen_by_a_full_look_and_then_followed(mailbox: Mailbox) -> None:
    item = mailbox.add("followed").item_id
    mailbox.other.annotate(b"followed", KOLAB, "mail")
    list(mailbox.store.changes(mailbox.account).items)
    assert mailbox.folder(item).attrs[ATTRIBUTE] == {KOLAB: "mail"}
    mailbox.other.annotate(b"followed", KOLAB, "mail.junkemail")
    assert mailbox.folder(item).attrs[ATTRIBUTE] == {KOLAB: "mail.junkemail"}


@pytest.mark.parametrize("text", [
    "", "no JSON", "[" * 100_000, "[]", '{"color": [1], "url": 5, "flags": {"b": 1}, "grants": [1], "view": "x"}',
    '{"color": true, "url": "", "flags": "*\\u0000", "imap_metadata": 7}',
])
def test_what_is_noted_wrongly_means_nothing(mailbox: Mailbox, text: str) -> None:
    assert meant({OURS: text}) == ("", {})
    mailbox.other.annotate(b"INBOX", OURS, text[:1000])
    inbox = mailbox.folder("2")
    assert not set(inbox.attrs) & {"color", "url", "view", ATTRIBUTE} and inbox.flags in ("", "*")
    mailbox.other.annotate(b"INBOX", OURS, None)


def test_what_a_backup_has_wrongly_is_not_noted() -> None:
    assert noted("*", {ATTRIBUTE: [1], "color": [1], "url": {}}) == {}
    assert noted("", {ATTRIBUTE: {
        "/private/comment) x": "a", "no/entry": "a", "/private/specialuse": "\\Sent", COMMENT: 5, OURS: "{}",
        "/shared/vendor/cmu/cyrus-imapd/expire": "1", "/private/a": "\0", "/shared/vendor/x": "\udcff",
        "/Shared/COMMENT": "good",
    }}) == {"/shared/comment": "good"}


@pytest.mark.parametrize("name, lost", [
    ("silent", {"flag b", "attribute color", "attribute url", f"annotation {COMMENT}", f"annotation {KOLAB}"}),
    ("cyrus", {"flag b", "attribute color", "attribute url", f"annotation {KOLAB}"}),
])
def test_what_a_server_does_not_take_is_lost(tmp_path: Path, name: str, lost: set[str]) -> None:
    with started(name) as server, contextlib.closing(Mailbox(server, tmp_path / "mirror")) as mailbox:
        written = mailbox.add("folder", "*b", **ALL)
        assert set(written.lost) == lost
        kept = {ATTRIBUTE: {COMMENT: TEXT}} if name == "cyrus" else {}
        folder = mailbox.folder(written.item_id)
        wanted = mailbox.store.held(mailbox.account, folder._replace(flags="*b", attrs={**folder.attrs, **ALL}))
        assert (folder.flags, {key: value for key, value in folder.attrs.items() if key != "grants"}) == ("*", kept)
        assert wanted == folder
