# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory of a mail server in LDAP: what comes in comes out again, and what is refused leaves nothing behind."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.ldap_directory import LdapDirectory
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import ImapSettings
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    Refused,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from servers import daemon
from servers.openldap import OpenLdap

ANNA = Entry(
    "8f0c-anna", kinds.ACCOUNT, "anna@example.com",
    {"userPassword": ("{SSHA512}abc==",), "displayName": ("Änna \u2603",), "zimbraPrefLocale": ("it", "de")},
    aliases=("a.rossi@example.com",),
    signatures=({"id": "s1", "name": "work", "type": "text/plain", "content": "--\nAnna"},),
)
LIST = Entry(
    "l-1", kinds.DISTRIBUTION_LIST, "all@example.com", {"description": ("x",)}, ("everybody@example.com",),
    ("anna@example.com", "outside@example.net"),
)
ENTRIES = [
    Entry("d-2", kinds.DOMAIN, "example.org", {"zimbraDomainDefaultCOSId": ("c-1",)}),
    Entry("c-1", kinds.COS, "default", {"zimbraMailQuota": ("1000",)}),
    LIST,
    ANNA,
]
HOSTILE_NAMES = [
    "o'neil", 'the "boss"', "a/b", "..", "two\nlines", "jürgen.☃", "a,b=c+d", "*)(uid=*", "#first", " around ", "a@b",
    "back\\slash", "<;>", "nul\0", "%s", "*",
]


def account(local: str, **fields: Any) -> Entry:
    """Return an account without anything."""
    return Entry(f"id-{local}", kinds.ACCOUNT, f"{local}@example.com")._replace(**fields)


def names(directory: LdapDirectory, kind: str = kinds.ACCOUNT) -> list[str]:
    """Return what is in a directory."""
    return [entry.name for entry in directory.entries(kind)]


def content(slapd: OpenLdap) -> dict[str, Any]:
    """Return all that is in a directory, as the server has it."""
    connection = slapd.connect()
    found = dict(connection.search_s(slapd.base, 2))
    connection.unbind_s()
    return found


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.kind)
def test_an_entry_of_each_kind_comes_back_as_it_was_created(directory: LdapDirectory, entry: Entry) -> None:
    assert directory.create(entry) == entry
    assert directory.find(entry.kind, entry.name) == entry
    assert directory.find(entry.kind, entry.name.upper()) == entry
    assert directory.find(entry.kind, entry.entry_id) == entry
    assert entry in list(directory.entries(entry.kind))


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_are_data(directory: LdapDirectory, name: str) -> None:
    other = directory.create(account("other"))
    entry = account(name, aliases=(f"alias of {name}@example.com",))
    assert directory.create(entry) == entry
    assert directory.find(kinds.ACCOUNT, entry.name) == directory.find(kinds.ACCOUNT, entry.entry_id) == entry
    assert directory.update(entry._replace(attrs={"displayName": (name,)}))
    assert sorted(names(directory)) == sorted([entry.name, other.name])
    directory.delete(kinds.ACCOUNT, entry.entry_id)
    assert list(directory.entries(kinds.ACCOUNT)) == [other]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_of_classes_of_service_are_data(directory: LdapDirectory, name: str) -> None:
    entry = Entry("c-1", kinds.COS, name, {"description": ("x",)})
    assert directory.create(entry) == entry
    assert directory.find(kinds.COS, name) == entry
    assert list(directory.entries(kinds.COS)) == [entry]
    directory.delete(kinds.COS, entry.entry_id)
    assert names(directory, kinds.COS) == []


def test_entries_lie_where_carbonio_has_them(directory: LdapDirectory, slapd: OpenLdap) -> None:
    for entry in ENTRIES:
        directory.create(entry)
    found = content(slapd)
    assert {
        "uid=anna,ou=people,dc=example,dc=com", "uid=all,ou=people,dc=example,dc=com", "dc=example,dc=org",
        "cn=default,cn=cos,cn=zimbra",
    } <= set(found)
    anna, everybody = (found[f"uid={name},ou=people,dc=example,dc=com"] for name in ("anna", "all"))
    assert anna["userPassword"] == [b"{SSHA512}abc=="]
    assert anna["mail"] == [b"anna@example.com", b"a.rossi@example.com"]
    assert anna["zimbraMailAlias"] == [b"a.rossi@example.com"]
    assert anna["zimbraMailDeliveryAddress"] == [b"anna@example.com"]
    assert everybody["zimbraMailAlias"] == everybody["mail"] == [b"all@example.com", b"everybody@example.com"]
    assert everybody["zimbraMailForwardingAddress"] == [b"anna@example.com", b"outside@example.net"]


def test_entries_come_by_name(directory: LdapDirectory) -> None:
    for name in ("zoe", "Änna", "bruno", "Carla"):
        directory.create(account(name))
    assert names(directory) == ["bruno@example.com", "Carla@example.com", "zoe@example.com", "Änna@example.com"]


def test_what_is_not_there_is_not_found(directory: LdapDirectory) -> None:
    directory.create(ANNA)
    for name in ("nobody@example.com", "", "a.rossi@example.com", "*", "8F0C-ANNA"):  # an alias is no name
        assert directory.find(kinds.ACCOUNT, name) is None
    assert directory.find(kinds.DOMAIN, ANNA.name) is None
    for entry_id in ("nobody", "", "*", ANNA.name):
        with pytest.raises(NotFound):
            directory.update(ANNA._replace(entry_id=entry_id))
        with pytest.raises(NotFound):
            directory.delete(kinds.ACCOUNT, entry_id)


TAKEN = {
    "the name": account("other", name="ANNA@example.com"),
    "the name, by an alias": account("other", aliases=("anna@example.com",)),
    "an alias, by a name": account("other", name="a.rossi@example.com"),
    "an alias, by an alias": account("other", aliases=("A.Rossi@example.com",)),
    "the name, by a list": LIST._replace(name="anna@example.com"),
    "the id": account("other", entry_id=ANNA.entry_id),
    "the id, by a list": LIST._replace(entry_id=ANNA.entry_id),
}


@pytest.mark.parametrize("entry", TAKEN.values(), ids=TAKEN)
def test_what_is_taken_is_refused_and_leaves_nothing_behind(
    directory: LdapDirectory, slapd: OpenLdap, entry: Entry
) -> None:
    directory.create(ANNA)
    before = content(slapd)
    with pytest.raises(AlreadyExists, match="@example.com"):
        directory.create(entry)
    assert content(slapd) == before


def test_a_domain_or_class_of_service_is_there_once(directory: LdapDirectory) -> None:
    directory.create(ENTRIES[1])
    for entry in (Entry("x", kinds.DOMAIN, "Example.com"), Entry("x", kinds.COS, "DEFAULT")):
        with pytest.raises(AlreadyExists, match=entry.name):
            directory.create(entry)


def test_a_name_that_something_else_has_taken_in_the_tree_is_refused(directory: LdapDirectory, slapd: OpenLdap) -> None:
    directory.create(account("other"))
    slapd.connect().add_s("uid=anna,ou=people,dc=example,dc=com", [
        ("objectClass", [b"inetOrgPerson"]), ("cn", [b"Anna"]), ("sn", [b"Anna"]),
    ])
    with pytest.raises(AlreadyExists, match="uid=anna"):
        directory.create(ANNA)


def test_an_account_needs_its_domain(directory: LdapDirectory) -> None:
    for name in ("anna@nowhere.example", "anna", "anna@"):
        with pytest.raises(NotFound, match="create it first"):
            directory.create(ANNA._replace(name=name))


def test_an_entry_without_an_id_gets_one(directory: LdapDirectory) -> None:
    made = directory.create(ANNA._replace(entry_id=""))
    assert str(uuid.UUID(made.entry_id)) == made.entry_id
    assert made._replace(entry_id=ANNA.entry_id) == ANNA


@pytest.mark.parametrize("entry", [
    ANNA._replace(name="\udcff@example.com"), ANNA._replace(aliases=("\udcff",)),
    ANNA._replace(attrs={"displayName": ("\udcff",)}), ANNA._replace(attrs={"\udcff": ("x",)}),
])
def test_what_is_no_text_is_refused(directory: LdapDirectory, entry: Entry) -> None:
    with pytest.raises(InvalidInput, match="Unicode"):
        directory.create(entry)


def test_an_update_adds_and_replaces_but_removes_only_what_has_no_values(directory: LdapDirectory) -> None:
    directory.create(ANNA)
    changes = ANNA._replace(
        attrs={"displayname": ("Anna",), "zimbraPrefLocale": (), "mobile": ("1", "2"), "zimbraNotes": ()},
        aliases=("anna.rossi@example.com", "A.ROSSI@example.com", "ANNA@example.com"),
        signatures=({"id": "s1", "name": "work", "type": "text/html", "content": "<b>"}, {"id": "s2", "name": "home"}),
    )
    assert directory.update(changes) is True
    assert directory.update(changes) is False
    now = directory.find(kinds.ACCOUNT, ANNA.entry_id)
    assert now is not None
    assert now.attrs == {"userPassword": ("{SSHA512}abc==",), "displayName": ("Anna",), "mobile": ("1", "2")}
    assert now.aliases == ("a.rossi@example.com", "anna.rossi@example.com")
    assert now.signatures == changes.signatures


def test_members_are_added_to_those_of_a_list(directory: LdapDirectory) -> None:
    directory.create(LIST)
    more = LIST._replace(members=("new@example.com", "ANNA@example.com"), aliases=("us@example.com",))
    assert directory.update(more) is True
    assert directory.update(more) is False
    now = directory.find(kinds.DISTRIBUTION_LIST, LIST.entry_id)
    assert now == LIST._replace(members=(*LIST.members, "new@example.com"), aliases=(*LIST.aliases, "us@example.com"))


def test_an_alias_that_is_taken_changes_nothing(directory: LdapDirectory, slapd: OpenLdap) -> None:
    directory.create(ANNA)
    bruno = directory.create(account("bruno"))
    before = content(slapd)
    with pytest.raises(AlreadyExists, match="anna@example.com"):
        directory.update(bruno._replace(attrs={"mobile": ("1",)}, aliases=("anna@example.com",)))
    assert content(slapd) == before


def test_a_filler_is_no_attribute_and_can_be_replaced(directory: LdapDirectory, slapd: OpenLdap) -> None:
    directory.create(ANNA)
    named = {"cn": ("Anna Rossi",), "sn": ("Rossi",), "zimbraMailDeliveryAddress": ("a@elsewhere.example",)}
    assert directory.update(ANNA._replace(attrs=named)) is True
    now = directory.find(kinds.ACCOUNT, ANNA.entry_id)
    assert now is not None and now.attrs == {**ANNA.attrs, **named}
    assert directory.update(ANNA._replace(attrs=dict.fromkeys(named, ()))) is True
    assert directory.find(kinds.ACCOUNT, ANNA.entry_id) == ANNA
    assert content(slapd)["uid=anna,ou=people,dc=example,dc=com"]["sn"] == [b"anna"]


def test_bytes_that_are_no_text_come_back_as_they_were(
    directory: LdapDirectory, slapd: OpenLdap, tmp_path: Path
) -> None:
    certificate = "".join(daemon.certify(tmp_path).certificate.read_text(encoding="ascii").splitlines()[1:-1])
    attrs = {"jpegPhoto;base64": ("/9j/4AAQ", "/9j/4AAR"), "userCertificate;binary;base64": (certificate,)}
    anna = ANNA._replace(attrs={**ANNA.attrs, **attrs})
    assert directory.create(anna) == anna
    photo = content(slapd)["uid=anna,ou=people,dc=example,dc=com"]["jpegPhoto"]
    assert photo == [b"\xff\xd8\xff\xe0\0\x10", b"\xff\xd8\xff\xe0\0\x11"]
    assert directory.update(anna) is False
    with pytest.raises(InvalidInput, match="jpegPhoto;base64"):
        directory.update(anna._replace(attrs={"jpegPhoto;base64": ("no base64!",)}))


def test_attributes_bring_the_classes_that_they_need(directory: LdapDirectory) -> None:
    room = account("room", attrs={"zimbraCalResType": ("Location",)})
    assert directory.create(room) == room
    anna = directory.create(ANNA)
    assert directory.update(anna._replace(attrs={"amavisBypassSpamChecks": ("TRUE",)})) is True
    now = directory.find(kinds.ACCOUNT, ANNA.entry_id)
    assert now is not None and now.first("amavisBypassSpamChecks") == "TRUE"


REFUSED = {
    "an attribute that the schema does not know": {"zimbraOfTomorrow": ("x",)},
    "a value that is not of its syntax": {"zimbraMailQuota": ("lots",)},
    "more values than one": {"zimbraNotes": ("a", "b")},
    "an attribute of other entries": {"zimbraDomainType": ("local",)},
    "no name of an attribute": {"two words": ("x",)},
    "an attribute without a name": {"": ("x",)},
}


@pytest.mark.parametrize("attrs", REFUSED.values(), ids=REFUSED)
def test_what_the_schema_refuses_leaves_nothing_behind(
    directory: LdapDirectory, slapd: OpenLdap, attrs: dict[str, tuple[str, ...]]
) -> None:
    directory.create(account("other"))
    before = content(slapd)
    with pytest.raises(Refused, match=next(iter(attrs)) or "''"):
        directory.create(ANNA._replace(attrs=attrs))
    assert content(slapd) == before
    directory.create(ANNA)
    before = content(slapd)
    signatures = ({"id": "s9", "name": "new"}, {"id": "s1", "name": "renamed"})
    with pytest.raises(Refused, match=next(iter(attrs)) or "''"):
        directory.update(ANNA._replace(attrs={"displayName": ("x",), **attrs}, signatures=signatures))
    assert content(slapd) == before


def test_what_is_under_a_deleted_account_goes_with_it(directory: LdapDirectory, slapd: OpenLdap) -> None:
    more = ({"id": "s2", "name": "home", "type": "text/plain", "content": "x"},)
    anna = directory.create(ANNA._replace(signatures=ANNA.signatures + more))
    connection = slapd.connect()
    connection.add_s("uid=a.rossi,ou=people,dc=example,dc=com", [  # as Carbonio has it for an alias
        ("objectClass", [b"zimbraAlias"]), ("zimbraId", [b"x"]), ("zimbraAliasTargetId", [ANNA.entry_id.encode()]),
    ])
    directory.delete(kinds.ACCOUNT, ANNA.entry_id)
    assert not [dn for dn in content(slapd) if dn.endswith("ou=people,dc=example,dc=com") and dn.startswith("uid")]
    assert directory.create(anna) == anna
    directory.create(account("new", name="a.rossi2@example.com"))


def test_a_domain_is_deleted_when_nothing_is_in_it(directory: LdapDirectory) -> None:
    directory.create(Entry("d-2", kinds.DOMAIN, "example.org"))
    for entry in (account("anna"), LIST, account("bruno", name="bruno@example.org", aliases=("b@example.com",))):
        directory.create(entry)
        with pytest.raises(Refused, match=r"example\.com"):
            directory.delete(kinds.DOMAIN, "d-1")
        directory.delete(entry.kind, entry.entry_id)
    directory.delete(kinds.DOMAIN, "d-1")
    assert names(directory, kinds.DOMAIN) == ["example.org"]


def test_a_domain_with_something_foreign_in_it_is_not_deleted(directory: LdapDirectory, slapd: OpenLdap) -> None:
    slapd.connect().add_s("cn=Anna,dc=example,dc=com", [("objectClass", [b"inetOrgPerson"]), ("sn", [b"Anna"])])
    before = content(slapd)
    with pytest.raises(Refused, match="cn=Anna"):
        directory.delete(kinds.DOMAIN, "d-1")
    assert content(slapd) == before


def test_domains_lie_under_each_other(directory: LdapDirectory) -> None:
    lower = directory.create(Entry("d-3", kinds.DOMAIN, "sub.mail.example.net", {"zimbraNotes": ("x",)}))
    upper = directory.create(Entry("d-4", kinds.DOMAIN, "mail.example.net", {"zimbraNotes": ("y",)}))
    anna = directory.create(account("anna", name="anna@mail.example.net"))
    assert names(directory, kinds.DOMAIN) == ["example.com", "mail.example.net", "sub.mail.example.net"]
    directory.delete(kinds.ACCOUNT, anna.entry_id)
    directory.delete(kinds.DOMAIN, upper.entry_id)
    assert directory.find(kinds.DOMAIN, upper.name) is None
    assert directory.find(kinds.DOMAIN, lower.name) == lower
    assert directory.create(upper) == upper


@pytest.mark.parametrize("name", ["", "..", "a..b", ".com"])
def test_a_domain_needs_a_name(directory: LdapDirectory, name: str) -> None:
    with pytest.raises(InvalidInput):
        directory.create(Entry("d-9", kinds.DOMAIN, name))


def test_what_is_nobodys_mailbox_is_no_account(directory: LdapDirectory, slapd: OpenLdap) -> None:
    slapd.connect().add_s("uid=system,dc=example,dc=com", [
        ("objectClass", [b"inetOrgPerson", b"zimbraAccount"]), ("cn", [b"x"]), ("sn", [b"x"]), ("zimbraId", [b"x"]),
    ])
    assert names(directory) == []
    assert directory.find(kinds.ACCOUNT, "x") is None


def test_which_of_its_addresses_is_the_name_says_the_dn(directory: LdapDirectory, slapd: OpenLdap) -> None:
    directory.create(account("other"))
    slapd.connect().add_s("uid=anna,ou=people,dc=example,dc=com", [
        ("objectClass", [b"zimbraDistributionList", b"zimbraMailRecipient"]), ("zimbraId", [b"x"]),
        ("mail", [b"a@example.com", b"anna@example.org", b"anna@example.com"]),
        ("zimbraMailAlias", [b"a@example.com", b"anna@example.org", b"anna@example.com"]),
    ])
    entry = Entry("x", kinds.DISTRIBUTION_LIST, "anna@example.com", aliases=("a@example.com", "anna@example.org"))
    assert list(directory.entries(kinds.DISTRIBUTION_LIST)) == [entry]


def test_an_account_without_an_id_is_told_of(directory: LdapDirectory, slapd: OpenLdap) -> None:
    nameless = LdapDirectory(ImapSettings(**slapd.settings(ldap_attributes={"zimbraId": "employeeNumber"})))
    directory.create(ANNA)
    with pytest.raises(InvalidInput, match=r"uid=anna.*employeeNumber.*ldap_attributes"):
        nameless.entries(kinds.ACCOUNT)
    nameless.close()


def test_a_domain_of_other_letters_than_those_of_ascii_lies_under_its_plain_name(directory: LdapDirectory) -> None:
    """RFC 4519, section 2.4: a dc has letters of ASCII alone."""
    directory.create(Entry("d-2", kinds.DOMAIN, "mühle.example"))
    directory.create(Entry("a-2", kinds.ACCOUNT, "günther@mühle.example"))
    assert [entry.name for entry in directory.entries(kinds.DOMAIN)] == ["example.com", "mühle.example"]
    found = directory.find(kinds.ACCOUNT, "GÜNTHER@mühle.example")
    assert found is not None and (found.entry_id, found.name) == ("a-2", "günther@mühle.example")
