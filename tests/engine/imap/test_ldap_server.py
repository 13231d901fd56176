# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection to a directory in LDAP: what it is told when the server is not as it should be."""

from __future__ import annotations

import socket
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap import ldap_server
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.ldap_directory import LdapDirectory
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import ImapSettings
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    InvalidInput,
    NotFound,
    Refused,
    Unavailable,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from servers import daemon
from servers.openldap import LIMIT, PASSWORD, OpenLdap
from servers.ports import HOST

DOMAIN = Entry("d-1", kinds.DOMAIN, "example.com")
ANNA = Entry("id-anna", kinds.ACCOUNT, "anna@example.com")
MANY = 3000


@pytest.fixture
def connect() -> Iterator[Callable[..., LdapDirectory]]:
    """Connect to a server, with some settings changed."""
    connected = []

    def connect(server: OpenLdap, **changes: Any) -> LdapDirectory:
        connected.append(LdapDirectory(ImapSettings(**server.settings(**changes))))
        return connected[-1]

    yield connect
    for directory in connected:
        directory.close()


def add_many(server: OpenLdap, count: int) -> list[str]:
    """Add accounts, every tenth one with a signature, the quick way; return their names in order."""
    connection = server.connect()
    connection.add_s("ou=people,dc=example,dc=com", [("objectClass", [b"organizationalUnit"])])
    for number in range(count):
        name = f"user{number * 7919 % count}".encode()
        dn = f"uid={name.decode()},ou=people,dc=example,dc=com"
        connection.add_s(dn, [
            ("objectClass", [b"inetOrgPerson", b"zimbraAccount"]), ("cn", [name]), ("sn", [name]),
            ("mail", [name + b"@example.com"]), ("zimbraId", [b"id-" + name]), ("description", [b"x" * 2000]),
        ])
        if name.endswith(b"0"):
            connection.add_s(f"zimbraSignatureName=work,{dn}", [
                ("objectClass", [b"zimbraSignature"]), ("zimbraSignatureId", [b"s-" + name]),
            ])
    connection.unbind_s()
    return sorted(f"user{number}@example.com" for number in range(count))


def test_thousands_of_accounts_come_in_pages(mortal_slapd: OpenLdap, connect: Callable[..., LdapDirectory]) -> None:
    directory = connect(mortal_slapd)
    directory.create(DOMAIN)
    names = add_many(mortal_slapd, MANY)
    assert MANY > LIMIT > ldap_server.PAGE  # without pages the server would refuse
    tracemalloc.start()
    found = []
    for entry in directory.entries(kinds.ACCOUNT):
        found.append(entry.name)
        local = entry.name.partition("@")[0]
        assert entry.signatures == (({"id": f"s-{local}", "name": "work"},) if local.endswith("0") else ())
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == names
    assert peak < MANY * 2000  # less than their descriptions alone
    with pytest.raises(Refused, match="still has accounts"):
        directory.delete(kinds.DOMAIN, DOMAIN.entry_id)
    reader = connect(mortal_slapd, ldap_bind_dn=mortal_slapd.reader)
    with pytest.raises(Refused, match="size.prtotal"):
        reader.entries(kinds.ACCOUNT)


def test_a_server_that_comes_back_is_asked_again(mortal_slapd: OpenLdap, connect: Callable[..., LdapDirectory]) -> None:
    directory = connect(mortal_slapd)
    directory.create(DOMAIN)
    anna = directory.create(ANNA)
    for _time in range(2):
        mortal_slapd.kill()
        mortal_slapd.start()
        assert directory.find(kinds.ACCOUNT, anna.name) == anna
        mortal_slapd.kill()
        mortal_slapd.start()
        assert list(directory.entries(kinds.ACCOUNT)) == [anna]
    mortal_slapd.kill()
    mortal_slapd.start()
    assert directory.update(anna._replace(attrs={"displayName": ("Anna",)})) is True  # it reads first


def test_a_server_that_is_away_is_unavailable_until_it_is_back(
    mortal_slapd: OpenLdap, connect: Callable[..., LdapDirectory]
) -> None:
    directory = connect(mortal_slapd)
    directory.create(DOMAIN)
    mortal_slapd.kill()
    for call in (
        lambda: directory.find(kinds.DOMAIN, "example.com"), lambda: directory.entries(kinds.DOMAIN),
        lambda: directory.create(ANNA), lambda: directory.update(DOMAIN), lambda: directory.delete(kinds.DOMAIN, "d-1"),
    ):
        with pytest.raises(Unavailable, match=mortal_slapd.url):
            call()
    mortal_slapd.start()
    assert directory.find(kinds.DOMAIN, "example.com") == DOMAIN


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_a_server_that_says_nothing_is_given_up(scheme: str) -> None:
    with socket.socket() as silent:
        silent.bind((HOST, 0))
        silent.listen()
        url = f"{scheme}://{HOST}:{silent.getsockname()[1]}"
        directory = LdapDirectory(ImapSettings(ldap_url=url, timeout=1))
        with pytest.raises(Unavailable, match=url):
            directory.find(kinds.DOMAIN, "example.com")


def test_a_listing_that_breaks_off_is_begun_again_and_is_whole(
    mortal_slapd: OpenLdap, connect: Callable[..., LdapDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = connect(mortal_slapd)
    directory.create(DOMAIN)
    names = add_many(mortal_slapd, 30)
    monkeypatch.setattr(ldap_server, "PAGE", 10)
    asked = []
    ask = ldap_server.LdapServer._ask

    def breaking(server: Any, *arguments: Any) -> Any:
        asked.append(arguments)
        if len(asked) == 3:
            mortal_slapd.kill()
            mortal_slapd.start()
        return ask(server, *arguments)

    monkeypatch.setattr(ldap_server.LdapServer, "_ask", breaking)
    assert [entry.name for entry in directory.entries(kinds.ACCOUNT)] == names
    assert len(asked) > 6


def test_what_could_not_be_taken_back_is_told(
    mortal_slapd: OpenLdap, connect: Callable[..., LdapDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = connect(mortal_slapd)
    directory.create(DOMAIN)
    signatures = tuple({"id": f"s{number}", "name": f"n{number}"} for number in range(3))
    add = ldap_server.LdapServer.add

    def breaking(server: Any, dn: str, attributes: Any) -> None:
        if dn.startswith("zimbraSignatureName=n2"):
            mortal_slapd.kill()
        add(server, dn, attributes)

    monkeypatch.setattr(ldap_server.LdapServer, "add", breaking)
    with pytest.raises(Unavailable, match=r"not be taken back: .*n1,uid=anna.* was added .*uid=anna.* was added"):
        directory.create(ANNA._replace(signatures=signatures))


def test_a_delete_that_breaks_off_says_so_and_can_be_done_again(
    mortal_slapd: OpenLdap, connect: Callable[..., LdapDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = connect(mortal_slapd)
    directory.create(DOMAIN)
    directory.create(ANNA)
    mortal_slapd.connect().add_s("uid=a,ou=people,dc=example,dc=com", [  # as Carbonio has it for an alias
        ("objectClass", [b"zimbraAlias"]), ("zimbraId", [b"x"]), ("zimbraAliasTargetId", [ANNA.entry_id.encode()]),
    ])
    delete = ldap_server.LdapServer.delete

    def breaking(server: Any, dn: str) -> None:
        delete(server, dn)
        mortal_slapd.kill()

    with monkeypatch.context() as patch:
        patch.setattr(ldap_server.LdapServer, "delete", breaking)
        with pytest.raises(Unavailable, match="deleted in part: 1 of 2 .*Delete it again"):
            directory.delete(kinds.ACCOUNT, ANNA.entry_id)
    mortal_slapd.start()
    directory.delete(kinds.ACCOUNT, ANNA.entry_id)
    assert [dn for dn, _attrs in mortal_slapd.connect().search_s("", 2) if dn.startswith("uid=")] == []


def changes_of(directory: LdapDirectory) -> list[Callable[[], object]]:
    """Return what cannot be done where nothing can be written."""
    return [
        lambda: directory.create(ANNA._replace(entry_id="other", name="other@example.com")),
        lambda: directory.create(Entry("d-2", kinds.DOMAIN, "example.org")),
        lambda: directory.update(ANNA._replace(attrs={"displayName": ("x",)})),
        lambda: directory.delete(kinds.ACCOUNT, ANNA.entry_id),
    ]


def test_who_may_only_read_is_told_so(directory: LdapDirectory, slapd: OpenLdap, connect: Callable[..., Any]) -> None:
    anna = directory.create(ANNA)
    reader = connect(slapd, ldap_bind_dn=slapd.reader)
    for change in changes_of(reader):
        with pytest.raises(Refused, match=f"for {slapd.reader} it is read only"):
            change()
    assert list(reader.entries(kinds.ACCOUNT)) == [anna]


def test_a_server_that_only_gives_answers_is_told_of(mortal_slapd: OpenLdap, connect: Callable[..., Any]) -> None:
    directory = connect(mortal_slapd)
    directory.create(DOMAIN)
    anna = directory.create(ANNA)
    mortal_slapd.stop()
    mortal_slapd.start(read_only=True)
    for change in changes_of(directory):
        with pytest.raises(Refused, match="this server is read only"):
            change()
    assert list(directory.entries(kinds.ACCOUNT)) == [anna]


@pytest.mark.parametrize("starttls", [True, False])
def test_a_server_is_trusted_by_the_authority_that_is_given(
    directory: LdapDirectory, slapd: OpenLdap, connect: Callable[..., LdapDirectory], starttls: bool, tmp_path: Path
) -> None:
    encrypted = {"ldap_url": slapd.url if starttls else slapd.tls_url, "ldap_starttls": starttls}
    assert connect(slapd, ca_file=slapd.ca_file, **encrypted).find(kinds.DOMAIN, "example.com") == DOMAIN
    other = str(daemon.certify(tmp_path).authority)
    for untrusted in ({"ca_file": other}, {}):
        with pytest.raises(Refused, match="its certificate is not trusted.*Give ca_file"):
            connect(slapd, **encrypted, **untrusted).find(kinds.DOMAIN, "example.com")


def test_the_environment_cannot_make_a_server_trusted(
    slapd: OpenLdap, connect: Callable[..., LdapDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LDAPTLS_REQCERT", "never")
    with pytest.raises(Refused, match="its certificate is not trusted"):
        connect(slapd, ldap_url=slapd.tls_url).find(kinds.DOMAIN, "example.com")


def test_a_server_of_another_name_is_not_trusted(slapd: OpenLdap, connect: Callable[..., LdapDirectory]) -> None:
    with pytest.raises(Refused, match="its certificate is not trusted.*check the host name"):
        connect(slapd, ldap_url=slapd.unnamed_url, ca_file=slapd.ca_file).find(kinds.DOMAIN, "example.com")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another password": ({"ldap_password": "guess-of-mine"}, "Check ldap_bind_dn and ldap_password"),
    "an unknown user": ({"ldap_bind_dn": "cn=nobody,cn=zimbra"}, "cn=nobody.*Check ldap_bind_dn and ldap_password"),
    "no DN": ({"ldap_bind_dn": "manager"}, "Check ldap_bind_dn"),
    "no password": ({"ldap_password": ""}, "no ldap_password"),
    "a base that is not there": ({"ldap_base": "dc=nowhere"}, "dc=nowhere.*Check ldap_base"),
    "no base": ({"ldap_base": "nowhere"}, "ldap_base"),
    "no URL": ({"ldap_url": "ldap.example.com"}, "ldap_url"),
    "encrypted twice": ({"ldap_url": "ldaps://localhost", "ldap_starttls": True}, "ldap_starttls"),
    "no authority": ({"ldap_starttls": True, "ca_file": "/nowhere/ca.pem"}, "/nowhere/ca.pem"),
}


@pytest.mark.parametrize(("changes", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_setting_is_named_and_no_password_is(
    slapd: OpenLdap, connect: Callable[..., LdapDirectory], changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInput, match=told) as caught:
        connect(slapd, **changes).entries(kinds.ACCOUNT)
    assert PASSWORD not in str(caught.value) and "guess-of-mine" not in str(caught.value)


def test_a_missing_library_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ldap_server, "LDAP_MISSING", "Traceback")
    with pytest.raises(InvalidInput, match="apt install python3-ldap"):
        LdapDirectory(ImapSettings(ldap_url="ldap://localhost"))


def test_what_somebody_else_deletes_meanwhile_is_not_there(
    directory: LdapDirectory, slapd: OpenLdap, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.create(ANNA)
    modify = ldap_server.LdapServer.modify

    def late(server: Any, dn: str, changes: Any) -> None:
        slapd.connect().delete_s(dn)
        modify(server, dn, changes)

    monkeypatch.setattr(ldap_server.LdapServer, "modify", late)
    with pytest.raises(NotFound, match="uid=anna"):
        directory.update(ANNA._replace(attrs={"displayName": ("x",)}))
