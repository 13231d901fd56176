# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries of a directory in LDAP get other names, aliases, members and signatures, and no others than these."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.ldap_directory import LdapDirectory
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import ImapSettings
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import AlreadyExists, NotFound, Refused
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry

from tests.servers import openldap
from tests.servers.needed import needed

SIGNATURES = tuple({"id": f"s{n}", "name": f"name {n}", "type": "text/plain", "content": f"{n}"} for n in range(4))
ANNA = Entry(
    "a-1", kinds.ACCOUNT, "anna@example.com", {"displayName": ("Anna",)}, ("one@example.com", "two@example.com"), (),
    SIGNATURES[:3],
)


@pytest.fixture(params=[True, False], ids=["Carbonio's names", "standard names"])
def slapd(request: pytest.FixtureRequest) -> Iterator[openldap.OpenLdap]:
    needed("OpenLDAP", openldap.missing())
    with openldap.openldap(carbonio=request.param) as server:
        yield server


@pytest.fixture
def directory(slapd: openldap.OpenLdap) -> Iterator[LdapDirectory]:
    with contextlib.closing(LdapDirectory(ImapSettings(host="127.0.0.1", **slapd.settings()))) as opened:
        for domain in ("example.com", "sub.example.com"):
            with contextlib.suppress(AlreadyExists):
                opened.create(Entry("", kinds.DOMAIN, domain))
        yield opened


def content(slapd: openldap.OpenLdap) -> dict[str, Any]:
    """Return all that is in a directory, as the server has it."""
    connection = slapd.connect()
    found = dict(connection.search_s(slapd.base, 2))
    connection.unbind_s()
    return found


def created(directory: LdapDirectory, entry: Entry) -> Entry:
    """Make an entry, as far as this directory can hold it."""
    return directory.create(entry if directory.keeps_entry_ids else entry._replace(signatures=()))


def test_an_account_gets_another_address_and_keeps_all_else(slapd: openldap.OpenLdap, directory: LdapDirectory) -> None:
    anna = created(directory, ANNA)
    for name, aliases in (
        ("new@example.com", anna.aliases), ("new@example.com", ("one@example.com", "three@example.com")),
        ("new@sub.example.com", ("anna@example.com",)), ("one, \"+@example.com", ()), (anna.name, anna.aliases),
    ):
        wanted = anna._replace(name=name, aliases=aliases)
        assert directory.reshape(wanted) and not directory.reshape(wanted)
        found = directory.find(kinds.ACCOUNT, anna.entry_id)
        assert found is not None
        assert found._replace(aliases=tuple(sorted(found.aliases))) == wanted
        assert directory.find(kinds.ACCOUNT, name) == found
        assert [entry.name for entry in directory.entries(kinds.ACCOUNT)] == [name]
    place = "uid=anna,ou=people,dc=example,dc=com"
    assert place in content(slapd), "its DN follows from its name"


@pytest.mark.parametrize("slapd", [True], indirect=True, ids=["Carbonio's names"])
def test_signatures_that_are_not_named_go(slapd: openldap.OpenLdap, directory: LdapDirectory) -> None:
    anna = created(directory, ANNA)
    for signatures in (SIGNATURES[1:], SIGNATURES[2:3], (), SIGNATURES[:2], (*SIGNATURES[2:], SIGNATURES[1])):
        assert directory.reshape(anna._replace(signatures=signatures))
        found = directory.find(kinds.ACCOUNT, anna.entry_id)
        assert found is not None and found.attrs == anna.attrs
        assert {one["id"]: one for one in found.signatures} == {one["id"]: one for one in signatures}
    assert sum(b"zimbraSignature" in attrs["objectClass"] for attrs in content(slapd).values()) == 2


@pytest.mark.parametrize("slapd", [True], indirect=True, ids=["Carbonio's names"])
def test_lists_and_classes_of_service_get_other_names(directory: LdapDirectory) -> None:
    members = ("a@example.com", "b@example.com")
    group = directory.create(
        Entry("l-1", kinds.DISTRIBUTION_LIST, "all@example.com", {}, ("every@example.com",), members)
    )
    wanted = group._replace(name="some@sub.example.com", aliases=(), members=("b@example.com", "c@example.com"))
    assert directory.reshape(wanted) and directory.find(kinds.DISTRIBUTION_LIST, "l-1") == wanted
    cos = directory.create(Entry("c-1", kinds.COS, "gold", {"zimbraMailQuota": ("1",)}))
    directory.create(Entry("c-2", kinds.COS, "silver"))
    with pytest.raises(AlreadyExists):
        directory.reshape(cos._replace(name="silver"))
    assert directory.reshape(cos._replace(name="platinum"))
    assert directory.find(kinds.COS, "c-1") == cos._replace(name="platinum")


def test_a_domain_gets_another_name_and_its_accounts_and_lists_after_it(
    slapd: openldap.OpenLdap, directory: LdapDirectory
) -> None:
    anna = created(directory, ANNA._replace(name="anna@sub.example.com", aliases=("one@sub.example.com",)))
    domain = directory.find(kinds.DOMAIN, "sub.example.com")
    assert domain is not None
    wanted = domain._replace(name="other.example.com")
    assert directory.reshape(wanted) and not directory.reshape(wanted)
    assert directory.find(kinds.DOMAIN, domain.entry_id) == wanted == directory.find(kinds.DOMAIN, wanted.name)
    assert directory.find(kinds.DOMAIN, domain.name) is None
    assert directory.find(kinds.ACCOUNT, anna.entry_id) == anna
    renamed = anna._replace(name="anna@other.example.com", aliases=("one@other.example.com",))
    assert directory.reshape(renamed) and directory.find(kinds.ACCOUNT, anna.entry_id) == renamed
    assert "uid=anna,ou=people,dc=other,dc=example,dc=com" in content(slapd)
    directory.create(Entry("b-1", kinds.ACCOUNT, "bruno@other.example.com"))
    for account in directory.entries(kinds.ACCOUNT):
        directory.delete(kinds.ACCOUNT, account.entry_id)
    directory.delete(kinds.DOMAIN, domain.entry_id)
    assert directory.find(kinds.DOMAIN, wanted.name) is None


@pytest.mark.parametrize("slapd", [True], indirect=True, ids=["Carbonio's names"])
def test_a_domain_that_was_moved_by_a_process_that_was_killed_then_is_renamed(
    slapd: openldap.OpenLdap, directory: LdapDirectory
) -> None:
    domain = directory.find(kinds.DOMAIN, "sub.example.com")
    assert domain is not None
    connection = slapd.connect()
    connection.rename_s("dc=sub,dc=example,dc=com", "dc=other", None, 1)
    connection.unbind_s()
    wanted = domain._replace(name="other.example.com")
    assert directory.reshape(wanted) and directory.find(kinds.DOMAIN, domain.entry_id) == wanted


def test_a_domain_that_cannot_be_renamed_is_told_with_what_to_do(
    slapd: openldap.OpenLdap, directory: LdapDirectory
) -> None:
    top, sub = (directory.find(kinds.DOMAIN, name) for name in ("example.com", "sub.example.com"))
    directory.create(Entry("", kinds.DOMAIN, "deep.sub.example.com"))
    taken = directory.create(Entry("", kinds.DOMAIN, "taken.example.com"))
    assert top is not None and sub is not None
    before = content(slapd)
    for wanted, why in (
        (top._replace(name="new.example"), "it is ldap_base" if slapd.base else "lie under it"),
        (sub._replace(name="new.example.com"), "lie under it"),
        (taken._replace(name="below.taken.example.com"), "under itself"),
    ):
        with pytest.raises(Refused, match=f"{why}.* Create the domain with its new name"):
            directory.reshape(wanted)
    with pytest.raises(AlreadyExists):
        directory.reshape(sub._replace(name="taken.example.com"))
    assert content(slapd) == before


def test_what_is_refused_leaves_everything_as_it_was(slapd: openldap.OpenLdap, directory: LdapDirectory) -> None:
    anna = created(directory, ANNA)
    directory.create(Entry("b-1", kinds.ACCOUNT, "bruno@example.com", {}, ("b@example.com",)))
    connection = slapd.connect()  # what a person of that name, who is no account, is called
    connection.add_s("uid=taken,ou=people,dc=example,dc=com", [
        ("objectClass", [b"account"]), ("uid", [b"taken"]),
    ])
    connection.unbind_s()
    before = content(slapd)
    for wanted, error in (
        (anna._replace(name="b@example.com"), AlreadyExists),
        (anna._replace(aliases=("bruno@example.com",)), AlreadyExists),
        (anna._replace(name="taken@example.com", signatures=anna.signatures[:1]), AlreadyExists),
        (anna._replace(name="anna@unknown.example"), NotFound), (anna._replace(entry_id="nobody"), NotFound),
    ):
        with pytest.raises(error):
            directory.reshape(wanted)
        assert content(slapd) == before


@pytest.mark.parametrize("slapd", [True], indirect=True, ids=["Carbonio's names"])
def test_what_lies_elsewhere_stays_there(slapd: openldap.OpenLdap, directory: LdapDirectory) -> None:
    anna = created(directory, ANNA._replace(signatures=()))
    connection = slapd.connect()
    connection.rename_s("uid=anna,ou=people,dc=example,dc=com", "uid=4711", "dc=sub,dc=example,dc=com", 1)
    connection.unbind_s()
    wanted = anna._replace(name="new@example.com", aliases=("anna@example.com",))
    assert directory.reshape(wanted) and directory.find(kinds.ACCOUNT, anna.entry_id) == wanted
    assert "uid=4711,dc=sub,dc=example,dc=com" in content(slapd)


@pytest.mark.parametrize("slapd", [True], indirect=True, ids=["Carbonio's names"])
def test_the_entries_that_carbonio_has_for_aliases_go_with_them(
    slapd: openldap.OpenLdap, directory: LdapDirectory
) -> None:
    anna = created(directory, ANNA)
    connection = slapd.connect()
    for alias in ("one", "two"):
        connection.add_s(f"uid={alias},ou=people,dc=example,dc=com", [
            ("objectClass", [b"zimbraAlias"]), ("uid", [alias.encode()]), ("zimbraId", [f"of-{alias}".encode()]),
            ("zimbraAliasTargetId", [anna.entry_id.encode()]),
        ])
    connection.unbind_s()
    assert directory.reshape(anna._replace(aliases=("two@example.com",)))
    there = content(slapd)
    assert "uid=two,ou=people,dc=example,dc=com" in there and "uid=one,ou=people,dc=example,dc=com" not in there
