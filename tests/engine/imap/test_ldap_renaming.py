# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account in LDAP is renamed, and its mailbox with it or not at all; whoever does it may be killed at every step."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.ldap_server import LdapServer
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.renaming import Renamings
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.session import Session
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import AlreadyExists, Refused, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState

from tests.engine.imap.killed_kit import after, child, die
from tests.servers import dovecot as dovecot_server
from tests.servers import openldap
from tests.servers.needed import needed


class Site(NamedTuple):
    """A Dovecot whose accounts are in OpenLDAP."""

    open: Callable[[], ImapStore]
    ldap: openldap.OpenLdap
    stays: bool
    """Whether it finds homes by what stays."""

    def places(self) -> dict[str, str]:
        """Return where each account lies, by its id."""
        connection = self.ldap.connect()
        found = connection.search_s(self.ldap.base, 2, f"(objectClass={self.ldap.person})")
        connection.unbind_s()
        return {attrs["zimbraId"][0].decode(): dn for dn, attrs in found}


HOMES = ("%{ldap:zimbraId}", "")
IDS = ("homes by what stays", "homes by the address")


@pytest.fixture(params=HOMES, ids=IDS, scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    needed("Dovecot", dovecot_server.missing())
    needed("OpenLDAP", openldap.missing())
    home = {"home": request.param} if request.param else {}
    mirror = str(tmp_path_factory.mktemp("renaming") / "mirror")
    with openldap.openldap() as ldap, dovecot_server.dovecot(ldap=ldap, in_memory=True, **home) as server:
        settings = server.settings(**ldap.settings(), carddav_url="", caldav_url="", timeout=20)
        with contextlib.closing(ImapStore(mirror, settings)) as store:
            for domain in ("example.com", "sub.example.com"):
                store.create_entry(Entry(f"d-{domain}", kinds.DOMAIN, domain))
        yield Site(lambda: ImapStore(mirror, settings), ldap, bool(home))


def made(store: ImapStore, name: str) -> Entry:
    """Make an account with a message in it."""
    entry = store.create_entry(Entry(f"a-{name}", kinds.ACCOUNT, f"{name}@example.com", {}, (f"{name}.x@example.com",)))
    content = f"Subject: {name}\r\n\r\n".encode()
    written, = store.write_items(entry.entry_id, [NewItem("1", ItemState("", kinds.MESSAGE, "2"), content)])
    assert not written.error
    return entry


def subjects(store: ImapStore, account: str) -> list[bytes]:
    """Return what is in a mailbox."""
    return [
        store.read_blob(account, one.item_id).strip() for one in store.changes(account).items
        if one.kind == kinds.MESSAGE
    ]


def session(store: ImapStore, account: str) -> Session:
    """Return the connection to an account's mail."""
    return store._open(account).session


STEPS: dict[str, Callable[[], None]] = {
    "after the note": lambda: after(Renamings, "_note"),
    "when a share was taken away": lambda: after(Session, "set_rights"),
    "when the entry lies elsewhere": lambda: after(LdapServer, "rename"),
    "when the entry is changed": lambda: after(LdapServer, "modify"),
    "after the look": lambda: after(ImapStore, "_asked_anew", 3),
    "before the note is removed": lambda: setattr(Renamings, "forget", die),
    "after the note was removed": lambda: after(Renamings, "forget"),
    "after the note of taking it back": lambda: after(Renamings, "_note", 2),
    "when the entry lies where it did": lambda: after(LdapServer, "rename", 2),
    "when the entry is what it was": lambda: after(LdapServer, "modify", 2),
    "when the share is there again": lambda: after(Session, "set_rights", 2),
}


def test_a_renaming_that_is_killed_at_any_step_is_gone_on_with(site: Site) -> None:
    for number, (step, prepare) in enumerate(STEPS.items()):
        with contextlib.closing(site.open()) as store:
            entry = made(store, f"one{number}")
            wanted = entry._replace(name=f"two{number}@sub.example.com", aliases=(entry.name,))
            session(store, entry.entry_id).set_rights(b"INBOX", wanted.name, "lr")

        def work(prepare: Callable[[], None] = prepare, wanted: Entry = wanted) -> None:
            prepare()
            site.open().reshape_entry(wanted)

        def again() -> None:
            after(LdapServer, "modify")
            list(site.open().entries(kinds.ACCOUNT))

        os.waitpid(child(work), 0)
        os.waitpid(child(again), 0)  # who goes on may be killed as well
        with contextlib.closing(site.open()) as store:
            if number % 2:  # whether the mailbox is asked for first, or the directory
                assert subjects(store, entry.entry_id) == [b"Subject: one%d" % number], step
            found = store.find_entry(kinds.ACCOUNT, entry.entry_id)
            assert found is not None
            is_new = found == wanted
            assert is_new or found == entry, step
            assert is_new == site.stays or step == "after the note was removed", step
            assert site.places()[entry.entry_id] == (
                f"uid=two{number},ou=people,dc=sub,dc=example,dc=com" if is_new
                else f"uid=one{number},ou=people,dc=example,dc=com"
            ), step
            assert subjects(store, entry.entry_id) == [b"Subject: one%d" % number], step
            assert not store._mirror.database.execute("SELECT * FROM renamings").fetchall()
            may, = session(store, entry.entry_id).rights_of([b"INBOX"])
            assert "a" in may[wanted.name] if is_new else may[wanted.name] == "lr", step  # the owner, or a share
            if site.stays:
                assert store.reshape_entry(wanted) == (not is_new)
            else:
                with pytest.raises(Refused, match="finds mailboxes by the address"):
                    store.reshape_entry(wanted)
            assert subjects(store, entry.entry_id) == [b"Subject: one%d" % number], step


def killed(site: Site, entry: Entry, wanted: Entry) -> None:
    """Rename an account, as far as to the look at its mailbox."""
    def work() -> None:
        after(LdapServer, "modify")
        site.open().reshape_entry(wanted)

    os.waitpid(child(work), 0)
    with contextlib.closing(site.open()) as store:
        assert store._directory.find(kinds.ACCOUNT, entry.entry_id) == wanted


def test_an_account_that_is_gone_meanwhile_is_forgotten(site: Site) -> None:
    with contextlib.closing(site.open()) as store:
        entry = made(store, "gone")
    killed(site, entry, entry._replace(name="going@example.com"))
    with contextlib.closing(site.open()) as store:
        store._directory.delete(kinds.ACCOUNT, entry.entry_id)
        assert store.find_entry(kinds.ACCOUNT, entry.entry_id) is None
        assert not store._mirror.database.execute("SELECT * FROM renamings").fetchall()


@pytest.mark.parametrize("site", HOMES[1:], indirect=True, ids=IDS[1:])
def test_what_cannot_be_brought_to_an_end_is_told_and_keeps_nobody_else_from_anything(site: Site) -> None:
    with contextlib.closing(site.open()) as store:
        entry, other = made(store, "stuck"), made(store, "other")
    killed(site, entry, entry._replace(name="sticking@example.com"))
    with contextlib.closing(site.open()) as store:
        store._directory.create(Entry("a-thief", kinds.ACCOUNT, entry.name))  # by another program
        assert subjects(store, other.entry_id) == [b"Subject: other"]
        with pytest.raises(Refused, match=r"was cut off, and cannot be brought to an end: The address stuck@"):
            subjects(store, entry.entry_id)
        store._directory.delete(kinds.ACCOUNT, "a-thief")
        assert subjects(store, entry.entry_id) == [b"Subject: stuck"]
        assert store.find_entry(kinds.ACCOUNT, entry.entry_id) == entry


def test_what_is_refused_or_cannot_be_looked_at_is_taken_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(site.open()) as store:
        entry, other = made(store, "here"), made(store, "there")
        with pytest.raises(AlreadyExists):
            store.reshape_entry(entry._replace(name=other.name))
        looks: list[str] = []

        def away(account: str, ask: Any) -> Any:
            looks.append(account)
            if len(looks) > 2:
                raise Unavailable("It is away.")
            return "what it was" if len(looks) == 1 else []

        monkeypatch.setattr(store._renamings, "_ask", away)
        with pytest.raises(Unavailable):
            store.reshape_entry(entry._replace(name="away@example.com"))
        monkeypatch.undo()
        assert store.find_entry(kinds.ACCOUNT, entry.entry_id) == entry
        assert subjects(store, entry.entry_id) == [b"Subject: here"]
