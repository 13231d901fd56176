# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A directory in LDAP that calls things otherwise than Carbonio does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.ldap_directory import LdapDirectory
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import ImapSettings
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotFound, Refused
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from servers import openldap
from servers.needed import needed

STANDARD = {**openldap.STANDARD_NAMES, "zimbraNotes": "description"}
ANNA = Entry(
    "id-anna", kinds.ACCOUNT, "anna@example.com", {"userPassword": ("{SSHA}x",), "zimbraNotes": ("x", "y")},
    ("a.rossi@example.com",),
)


@pytest.fixture
def company() -> Iterator[LdapDirectory]:
    """The directory of a company, with Debian's schemas."""
    needed("slapd", openldap.missing())
    with openldap.openldap(carbonio=False, international=False) as server:
        directory = LdapDirectory(ImapSettings(**server.settings(ldap_attributes=STANDARD)))
        yield directory
        directory.close()


def found(directory: LdapDirectory, entry_id: str) -> Any:
    """Return an account."""
    return directory.find(kinds.ACCOUNT, entry_id)


def test_accounts_of_other_names_come_back_with_the_ids_of_the_server(company: LdapDirectory) -> None:
    anna = company.create(ANNA)
    assert not company.keeps_entry_ids and len(anna.entry_id) == 36
    assert anna == ANNA._replace(entry_id=anna.entry_id)
    assert list(company.entries(kinds.ACCOUNT)) == [anna]
    assert company.find(kinds.ACCOUNT, "ANNA@example.com") == found(company, anna.entry_id) == anna
    assert company.update(anna._replace(attrs={"zimbraNotes": ("z",)}, aliases=("anna2@example.com",))) is True
    now = found(company, anna.entry_id)
    assert now.attrs == {"userPassword": ("{SSHA}x",), "zimbraNotes": ("z",)}
    assert now.aliases == ("a.rossi@example.com", "anna2@example.com")
    company.delete(kinds.ACCOUNT, anna.entry_id)
    assert list(company.entries(kinds.ACCOUNT)) == []


def test_the_domain_is_what_the_tree_says(company: LdapDirectory) -> None:
    domain, = company.entries(kinds.DOMAIN)
    assert domain.name == "example.com"
    assert company.find(kinds.DOMAIN, "Example.COM") == company.find(kinds.DOMAIN, domain.entry_id) == domain
    sub = company.create(Entry("", kinds.DOMAIN, "sub.example.com"))
    assert [entry.name for entry in company.entries(kinds.DOMAIN)] == ["example.com", "sub.example.com"]
    company.create(ANNA._replace(name="anna@sub.example.com", aliases=()))
    with pytest.raises(NotFound, match=r"example\.org"):
        company.create(ANNA._replace(name="anna@example.org"))
    with pytest.raises(Refused, match="accounts"):
        company.delete(kinds.DOMAIN, sub.entry_id)
    with pytest.raises(Refused, match="lie under it"):
        company.delete(kinds.DOMAIN, domain.entry_id)


def test_what_the_directory_has_nowhere_to_keep_is_refused_by_name(company: LdapDirectory) -> None:
    assert company.entry_kinds == {kinds.ACCOUNT, kinds.DOMAIN}
    for kind in (kinds.COS, kinds.DISTRIBUTION_LIST):
        assert list(company.entries(kind)) == []
        with pytest.raises(Refused, match=f"no {kind}"):
            company.create(Entry("", kind, "x@example.com"))
    for refused in (
        ANNA._replace(signatures=({"id": "s1", "name": "work"},)),
        ANNA._replace(attrs={"zimbraMailDeliveryAddress": ("a@example.com",)}),
    ):
        with pytest.raises(Refused, match="nowhere to keep"):
            company.create(refused)
    assert list(company.entries(kinds.ACCOUNT)) == []


def test_an_address_that_the_schema_has_no_letters_for_is_refused(company: LdapDirectory) -> None:
    with pytest.raises(Refused, match="mail: value #0 invalid"):
        company.create(ANNA._replace(name="jürgen@example.com"))
    assert company.find(kinds.ACCOUNT, "jürgen@example.com") is None


def test_what_lies_under_a_base_is_all_there_is(directory: LdapDirectory, slapd: openldap.OpenLdap) -> None:
    directory.create(Entry("d-2", kinds.DOMAIN, "hosting.example"))
    hosted = LdapDirectory(ImapSettings(**slapd.settings(ldap_base="dc=hosting,dc=example")))
    hosted.create(Entry("d-3", kinds.DOMAIN, "customer.net"))
    hosted.create(Entry("c-1", kinds.COS, "default"))
    anna = hosted.create(ANNA._replace(name="anna@customer.net", attrs={}))
    assert list(hosted.entries(kinds.ACCOUNT)) == list(directory.entries(kinds.ACCOUNT)) == [anna]
    assert [entry.name for entry in hosted.entries(kinds.DOMAIN)] == ["customer.net", "hosting.example"]
    names = [dn for dn, _attrs in slapd.connect().search_s("dc=hosting,dc=example", 2)]
    assert "uid=anna,ou=people,dc=customer,dc=net,dc=hosting,dc=example" in names
    assert "cn=default,cn=cos,cn=zimbra,dc=hosting,dc=example" in names
    hosted.close()
