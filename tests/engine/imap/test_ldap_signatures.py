# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures in LDAP lie where Carbonio has them, and come back as they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.ldap_directory import LdapDirectory
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import AlreadyExists
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from servers.openldap import OpenLdap

ANNA = Entry("id-anna", kinds.ACCOUNT, "anna@example.com")
PERSON = "uid=anna,ou=people,dc=example,dc=com"


def signature(signature_id: str, name: str, content: str = "x", type_: str = "text/plain") -> dict[str, str]:
    """Return a signature."""
    return {"id": signature_id, "name": name, "type": type_, "content": content}


def with_signatures(directory: LdapDirectory, *signatures: Mapping[str, str]) -> Entry:
    """Create Anna with signatures."""
    return directory.create(ANNA._replace(signatures=signatures))


def update(directory: LdapDirectory, *signatures: Mapping[str, str]) -> Any:
    """Update Anna's signatures, which changes something once; return what they are now."""
    assert directory.update(ANNA._replace(signatures=signatures)) is True
    assert directory.update(ANNA._replace(signatures=signatures)) is False
    found = directory.find(kinds.ACCOUNT, ANNA.entry_id)
    assert found is not None
    return found.signatures


def entries(slapd: OpenLdap) -> dict[str, Any]:
    """Return Anna's entry and those under it."""
    connection = slapd.connect()
    found = dict(connection.search_s(PERSON, 2))
    connection.unbind_s()
    return found


def test_the_first_signature_is_on_the_account_and_further_ones_under_it(
    directory: LdapDirectory, slapd: OpenLdap
) -> None:
    signatures = (signature("s2", "work"), signature("s1", "home", "<b>", "text/html"), signature("s3", "more"))
    anna = with_signatures(directory, *signatures)
    assert anna == ANNA._replace(signatures=signatures)
    assert list(directory.entries(kinds.ACCOUNT)) == [anna]
    found = entries(slapd)
    assert set(found) == {PERSON, f"zimbraSignatureName=home,{PERSON}", f"zimbraSignatureName=more,{PERSON}"}
    assert found[PERSON]["zimbraSignatureId"] == [b"s2"]
    assert found[PERSON]["zimbraPrefMailSignature"] == [b"x"]
    assert found[f"zimbraSignatureName=home,{PERSON}"]["zimbraPrefMailSignatureHTML"] == [b"<b>"]


def test_signatures_go_to_their_own_account(directory: LdapDirectory) -> None:
    made = [
        directory.create(Entry(f"id-{name}", kinds.ACCOUNT, f"{name}@example.com", signatures=(
            signature(f"{name}-1", "work"), signature(f"{name}-2", "home"),
        )))
        for name in ("anna", "bruno", "a,b=c+d", "jürgen.☃")
    ]
    assert list(directory.entries(kinds.ACCOUNT)) == sorted(made, key=lambda entry: entry.name)


def test_signatures_of_one_name_or_of_none_are_all_kept(directory: LdapDirectory) -> None:
    signatures = [signature("s1", "work"), *(signature(f"s{number}", name) for number, name in enumerate(
        ("work", "work", "Work", "", "", "a,b=c+d", "two\nlines"), 2
    ))]
    anna = with_signatures(directory, *signatures)
    kept = [{key: text for key, text in one.items() if text} for one in signatures]
    assert sorted(one["id"] for one in anna.signatures) == sorted(one["id"] for one in kept)
    assert all(one in anna.signatures for one in kept)
    assert directory.update(ANNA._replace(signatures=tuple(signatures))) is False
    changed = update(directory, *({**one, "content": "y"} for one in signatures))
    assert [{**one, "content": "x"} for one in changed] == list(anna.signatures)


def test_a_signature_is_replaced_by_one_of_its_id(directory: LdapDirectory) -> None:
    with_signatures(directory, signature("s1", "work"), signature("s2", "home"), signature("s3", "more"))
    assert update(directory, signature("s1", "office", "<b>", "text/html"), signature("s2", "flat", "y")) == (
        signature("s1", "office", "<b>", "text/html"), signature("s2", "flat", "y"), signature("s3", "more"),
    )


@pytest.mark.parametrize("name", ["more", "", "Home", "a,b"])
def test_a_signature_is_renamed_and_renamed_again(directory: LdapDirectory, name: str) -> None:
    made = with_signatures(directory, signature("s1", "work"), signature("s2", "home"), signature("s3", "more"))
    renamed = {key: text for key, text in signature("s2", name).items() if text}
    assert renamed in update(directory, signature("s2", name))
    assert update(directory, signature("s2", "home")) == made.signatures


def test_a_signature_that_comes_later_takes_the_free_place_on_the_account(
    directory: LdapDirectory, slapd: OpenLdap
) -> None:
    with_signatures(directory)
    assert update(directory, signature("s1", "work")) == (signature("s1", "work"),)
    assert set(entries(slapd)) == {PERSON}
    assert update(directory, signature("s2", "home")) == (signature("s1", "work"), signature("s2", "home"))


def test_a_text_that_is_no_signature_stays_an_attribute(directory: LdapDirectory) -> None:
    old = {"zimbraPrefMailSignature": ("of old",)}
    directory.create(ANNA._replace(attrs=old))
    assert update(directory, signature("s1", "work")) == (signature("s1", "work"),)
    found = directory.find(kinds.ACCOUNT, ANNA.entry_id)
    assert found is not None and found.attrs == old


def test_attributes_do_not_write_over_a_signature(directory: LdapDirectory) -> None:
    with_signatures(directory, signature("s1", "work"))
    assert directory.update(ANNA._replace(attrs={"zimbraPrefMailSignature": ("other",)})) is False


def test_a_signature_without_an_id_gets_the_same_one_each_time(directory: LdapDirectory) -> None:
    with_signatures(directory, {"name": "work", "content": "x"}, {"name": "home", "content": "x"})
    assert directory.update(ANNA._replace(signatures=({"name": "home", "content": "x"},))) is False


def test_a_refused_signature_takes_the_new_account_back(directory: LdapDirectory, slapd: OpenLdap) -> None:
    directory.create(Entry("id-other", kinds.ACCOUNT, "other@example.com"))
    with pytest.raises(AlreadyExists, match="zimbraSignatureId=S2"):
        with_signatures(directory, signature("s1", ""), signature("s2", ""), signature("S2", ""))
    assert [entry.name for entry in directory.entries(kinds.ACCOUNT)] == ["other@example.com"]


def test_a_refused_signature_takes_back_those_before_it(directory: LdapDirectory, slapd: OpenLdap) -> None:
    with_signatures(directory, signature("s1", "work"), signature("s2", "home"), signature("s3", "more"))
    before = entries(slapd)
    with pytest.raises(AlreadyExists, match="zimbraSignatureId=S9"):
        directory.update(ANNA._replace(signatures=(
            signature("s2", ""), signature("s3", "flat", "y"), signature("s9", ""), signature("S9", ""),
        )))
    assert entries(slapd) == before
