# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every adapter of the mail server port has to do: the directory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import AlreadyExists, NotFound, Refused
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry

MAIL = b"From: a@example.com\r\nSubject: one\r\n\r\nHello\r\n"

ANNA = Entry(
    "8f0c-anna", kinds.ACCOUNT, "anna@example.com",
    {"userPassword": ("{SSHA512}abc==",), "displayName": ("Änna \u2603",), "zimbraPrefLocale": ("it", "de")},
    aliases=("a.rossi@example.com",),
    signatures=({"id": "s1", "name": "work", "type": "text/plain", "content": "--\nAnna"},),
)

ENTRIES = [
    Entry("d-2", kinds.DOMAIN, "example.org", {"zimbraDomainDefaultCOSId": ("c-1",)}),
    Entry("c-1", kinds.COS, "default", {"zimbraMailQuota": ("1000",)}),
    Entry("l-1", kinds.DISTRIBUTION_LIST, "all@example.com", {"description": ("x",)}, ("everybody@example.com",),
          ("anna@example.com", "outside@example.net")),
    ANNA,
]

HOSTILE_ACCOUNTS = [
    pytest.param("two\nlines", marks=pytest.mark.needs("a line break in an address")),
    pytest.param("%s'; DROP TABLE entries; --", marks=pytest.mark.needs("a percent sign in an address")),
    "o'neil", "..", *(
        pytest.param(name, marks=pytest.mark.needs("more than ASCII letters in an address"))
        for name in ('the "boss"', "a/b", "jürgen.☃", "'; DROP TABLE entries; --", "a@b")
    ),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.kind)
def test_an_entry_of_each_kind_comes_back_as_it_was_created(server: Any, entry: Entry) -> None:
    created = server.store.create_entry(entry)
    expected = entry if server.store.capabilities().keeps_entry_ids else entry._replace(entry_id=created.entry_id)
    assert created == expected
    assert server.store.find_entry(entry.kind, entry.name) == expected
    assert server.store.find_entry(entry.kind, entry.name.upper()) == expected
    assert server.store.find_entry(entry.kind, created.entry_id) == expected
    assert expected in list(server.store.entries(entry.kind))


@pytest.mark.parametrize("name", HOSTILE_ACCOUNTS)
def test_account_names_are_data(server: Any, name: str) -> None:
    entry = Entry(f"id {name}", kinds.ACCOUNT, f"{name}@example.com")
    account = server.store.create_entry(entry).entry_id
    assert server.store.find_entry(kinds.ACCOUNT, entry.name).name == entry.name
    assert server.store.read_blob(account, server.add(account, kinds.MESSAGE, blob=MAIL)) == MAIL
    assert account in dict(server.store.tokens())


@pytest.mark.needs("more than ASCII letters in an address")
def test_entries_come_by_name(server: Any) -> None:
    for name in ("zoe", "Änna", "bruno"):
        server.account(name)
    names = [entry.name for entry in server.store.entries(kinds.ACCOUNT)]
    assert names == ["bruno@example.com", "zoe@example.com", "Änna@example.com"]


def test_what_is_not_there_is_not_found(server: Any) -> None:
    server.store.create_entry(ANNA)
    for name in ("nobody@example.com", "", "a.rossi@example.com"):  # an alias is no name
        assert server.store.find_entry(kinds.ACCOUNT, name) is None
    assert server.store.find_entry(kinds.DOMAIN, ANNA.name) is None
    with pytest.raises(NotFound):
        server.store.update_entry(ANNA._replace(entry_id="nobody"))
    with pytest.raises(NotFound):
        server.store.delete_entry(kinds.ACCOUNT, "nobody")


TAKEN = {
    "the name": Entry("other", kinds.ACCOUNT, "ANNA@example.com"),
    "the name, by an alias": Entry("other", kinds.ACCOUNT, "other@example.com", aliases=("anna@example.com",)),
    "an alias, by a name": Entry("other", kinds.ACCOUNT, "a.rossi@example.com"),
    "an alias, by an alias": Entry("other", kinds.ACCOUNT, "other@example.com", aliases=("A.Rossi@example.com",)),
    "the name, by a list": Entry("other", kinds.DISTRIBUTION_LIST, "anna@example.com"),
    "the id": ANNA._replace(name="other@example.com", aliases=()),
}
"""The last one needs an adapter that keeps ids; all of them do so far."""


@pytest.mark.parametrize("entry", TAKEN.values(), ids=TAKEN)
def test_what_is_taken_is_refused_and_leaves_nothing_behind(server: Any, entry: Entry) -> None:
    server.store.create_entry(ANNA)
    with pytest.raises(AlreadyExists, match="@example.com"):
        server.store.create_entry(entry)
    assert [found.name for found in server.store.entries(kinds.ACCOUNT)] == [ANNA.name]
    assert list(server.store.entries(kinds.DISTRIBUTION_LIST)) == []
    assert len(dict(server.store.tokens())) == 1


def test_an_account_needs_its_domain(server: Any) -> None:
    with pytest.raises(NotFound, match=r"nowhere\.example"):
        server.store.create_entry(ANNA._replace(name="anna@nowhere.example"))


def test_an_update_adds_and_replaces_but_removes_only_what_has_no_values(server: Any) -> None:
    account = server.store.create_entry(ANNA).entry_id
    changes = Entry(
        account, kinds.ACCOUNT, ANNA.name, {"displayName": ("Anna",), "zimbraPrefLocale": (), "mobile": ("1", "2")},
        aliases=("anna.rossi@example.com",),
        signatures=({"id": "s1", "name": "work", "type": "text/html", "content": "<b>"}, {"id": "s2", "name": "home"}),
    )
    assert server.store.update_entry(changes) is True
    assert server.store.update_entry(changes) is False
    now = server.store.find_entry(kinds.ACCOUNT, account)
    assert now.attrs == {"userPassword": ("{SSHA512}abc==",), "displayName": ("Anna",), "mobile": ("1", "2")}
    assert set(now.aliases) == {"a.rossi@example.com", "anna.rossi@example.com"}
    assert sorted(signature["id"] for signature in now.signatures) == ["s1", "s2"]
    assert next(s for s in now.signatures if s["id"] == "s1")["content"] == "<b>"


def test_members_are_added_to_those_of_a_list(server: Any) -> None:
    everybody = server.store.create_entry(ENTRIES[2])
    assert server.store.update_entry(everybody._replace(members=("new@example.com", "ANNA@example.com")))
    assert set(server.store.find_entry(kinds.DISTRIBUTION_LIST, everybody.entry_id).members) == {
        "anna@example.com", "outside@example.net", "new@example.com"
    }


def test_an_alias_that_is_taken_changes_nothing(server: Any) -> None:
    server.store.create_entry(ANNA)
    account = server.account("bruno")
    bruno = Entry(account, kinds.ACCOUNT, "bruno@example.com", {"mobile": ("1",)}, ("anna@example.com",))
    with pytest.raises(AlreadyExists, match="anna@example.com"):
        server.store.update_entry(bruno)
    assert server.store.find_entry(kinds.ACCOUNT, bruno.entry_id).attrs == {}


def test_a_deleted_account_takes_its_mailbox_and_frees_its_addresses(server: Any) -> None:
    account = server.store.create_entry(ANNA).entry_id
    server.add(account, kinds.MESSAGE, blob=MAIL)
    server.store.delete_entry(kinds.ACCOUNT, account)
    assert (list(server.store.entries(kinds.ACCOUNT)), list(server.store.tokens())) == ([], [])
    with pytest.raises(NotFound):
        server.store.folders(account)
    again = server.store.create_entry(ANNA).entry_id
    assert server.all(again) == {}


def test_a_domain_is_deleted_when_nothing_is_in_it(server: Any) -> None:
    account = server.store.create_entry(ANNA).entry_id
    domain = server.store.find_entry(kinds.DOMAIN, "example.com").entry_id
    with pytest.raises(Refused, match=r"example\.com"):
        server.store.delete_entry(kinds.DOMAIN, domain)
    server.store.delete_entry(kinds.ACCOUNT, account)
    server.store.delete_entry(kinds.DOMAIN, domain)
    assert server.store.find_entry(kinds.DOMAIN, "example.com") is None


def test_a_name_that_is_no_text_is_refused(server: Any) -> None:
    with pytest.raises(Exception, match="Unicode") as caught:
        server.store.create_entry(ANNA._replace(name="\udcff@example.com"))
    assert caught.type.__name__ == "InvalidInput"


def test_reshaping_takes_away_what_is_not_named(server: Any) -> None:
    """Names, aliases, members and signatures are then exactly these; or the adapter says that it cannot do that."""
    store = server.store
    anna = store.create_entry(ANNA)
    assert not store.reshape_entry(anna)
    wanted = anna._replace(name="anna.new@example.com", aliases=("two@example.com",), signatures=())
    try:
        assert store.reshape_entry(wanted)
    except Refused as error:
        assert "do that by hand" in str(error)
        return
    assert not store.reshape_entry(wanted)
    assert store.find_entry(kinds.ACCOUNT, anna.entry_id) == wanted
    for taken in ("a.rossi@example.com", ANNA.name):  # free now
        store.delete_entry(kinds.ACCOUNT, store.create_entry(Entry("other", kinds.ACCOUNT, taken)).entry_id)
    server.account("bruno")
    with pytest.raises(AlreadyExists, match="bruno@example.com"):
        store.reshape_entry(wanted._replace(aliases=("bruno@example.com",)))
    assert store.find_entry(kinds.ACCOUNT, anna.entry_id) == wanted
