# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests need of their mail servers: that they answer, let the master user in, and keep and forget in time."""

from __future__ import annotations

import base64
import contextlib
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imapclient
import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import (
    PROXY,
    SEPARATED,
    ImapSettings,
)
from imapclient.exceptions import IMAPClientError
from sievelib import managesieve

from tests.servers import cyrus as cyrus_server
from tests.servers import dovecot as dovecot_server
from tests.servers import radicale as radicale_server
from tests.servers.needed import needed

ANNA, BERT = "anna@example.com", "bert@example.com"
MESSAGE = b"From: bert@example.com\r\nSubject: one\r\n\r\nhello\r\n"
SCRIPT = 'require ["fileinto"];\r\nif header :contains "subject" "bill" { fileinto "Trash"; }\r\n'
EXTENSIONS = {
    "CONDSTORE", "QRESYNC", "MULTIAPPEND", "LITERAL+", "UIDPLUS", "MOVE", "ACL", "QUOTA", "METADATA", "SPECIAL-USE",
    "LIST-EXTENDED", "LIST-STATUS", "NAMESPACE", "IDLE", "BINARY", "COMPRESS=DEFLATE",
}
ODD_ADDRESSES = (
    "o'n \"quoted\" b@example.com", "a/b@example.com", "../../x@example.com", "ä ö@exämple.com", "tab\tx@example.com",
    "Upper@Example.com", "colon:x@example.com", "back\\slash@example.com", "star*x@example.com",
)


@pytest.fixture(scope="module")
def dovecot() -> Iterator[dovecot_server.Dovecot]:
    needed("Dovecot", dovecot_server.missing())
    with dovecot_server.dovecot() as server:
        server.add_account(ANNA, "password of Anna: 1%")
        yield server


@pytest.fixture(scope="module")
def cyrus() -> Iterator[cyrus_server.Cyrus]:
    needed("Cyrus", cyrus_server.missing())
    with cyrus_server.cyrus() as server:
        server.add_account(ANNA, "password of Anna: 1%")
        yield server


@pytest.fixture(params=["dovecot", "cyrus"])
def server(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def radicale() -> Iterator[radicale_server.Radicale]:
    needed("Radicale", radicale_server.missing())
    with radicale_server.radicale() as server:
        server.add_account(ANNA)
        yield server


@contextlib.contextmanager
def as_account(settings: ImapSettings, address: str = ANNA) -> Iterator[imapclient.IMAPClient]:
    """Log in as the master user for an account, with the certificate verified."""
    context = ssl.create_default_context(cafile=settings.ca_file)
    with imapclient.IMAPClient(settings.host, settings.port, ssl_context=context, timeout=20) as client:
        if settings.impersonation == PROXY:
            client.plain_login(settings.master_user, settings.master_password, address)
        else:
            client.plain_login(f"{address}{settings.separator}{settings.master_user}", settings.master_password)
        yield client


def subjects(settings: ImapSettings, address: str = ANNA) -> list[bytes]:
    """Return the subjects of all mail in an account's INBOX."""
    with as_account(settings, address) as client:
        client.select_folder("INBOX", readonly=True)
        found = client.fetch(client.search(), ["ENVELOPE"])
        return [found[uid][b"ENVELOPE"].subject for uid in sorted(found)]


def mail(settings: ImapSettings, subject: str, address: str = ANNA) -> None:
    """Put a message into an account's INBOX."""
    with as_account(settings, address) as client:
        client.append("INBOX", MESSAGE.replace(b"one", subject.encode()))


def propfind(url: str, user: str, password: str) -> int:
    """Ask for a home of CardDAV or CalDAV; return the HTTP status."""
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    request = urllib.request.Request(
        url.format(user=user), method="PROPFIND", headers={"Authorization": f"Basic {credentials}", "Depth": "1"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


# -- what both mail servers do -----------------------------------------------------------------------------------------

def test_the_master_user_gets_in_for_an_account_and_finds_its_folders(server: Any) -> None:
    with as_account(server.settings()) as client:
        uses = {name: set(flags) for flags, _separator, name in client.list_folders()}
        assert set(uses) >= {"INBOX", *dovecot_server.SPECIAL_FOLDERS}
        for name, use in dovecot_server.SPECIAL_FOLDERS.items():
            assert use.encode() in uses[name]
        assert client.select_folder("INBOX")[b"EXISTS"] == 0


def test_the_account_gets_in_by_itself_and_nobody_by_another_password(server: Any) -> None:
    settings = server.settings()
    context = ssl.create_default_context(cafile=settings.ca_file)
    with imapclient.IMAPClient(settings.host, settings.port, ssl_context=context) as client:
        with pytest.raises(IMAPClientError):
            client.login(ANNA, "another")
        client.login(ANNA, "password of Anna: 1%")


def test_who_knows_no_authority_of_the_test_trusts_no_certificate(server: Any) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        imapclient.IMAPClient(server.host, server.imaps_port)


def test_the_extensions_that_the_engine_wants_are_there(server: Any) -> None:
    with as_account(server.settings()) as client:
        capabilities = {capability.decode() for capability in client.capabilities()}
    own = {"NOTIFY"} if isinstance(server, dovecot_server.Dovecot) else {"OBJECTID", "LIST-METADATA"}
    assert capabilities >= EXTENSIONS | own


def test_managesieve_takes_a_script(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", server.ca_file)
    client = managesieve.Client(server.host, server.sieve_port)
    assert client.connect(server.master_user, server.master_password, ANNA, starttls=True, authmech="PLAIN")
    assert client.putscript("ours", SCRIPT)
    assert client.setactive("ours")
    assert client.listscripts() == ("ours", [])
    assert client.getscript("ours").split() == SCRIPT.split()
    client.logout()


def test_mail_that_is_delivered_by_lmtp_arrives(server: Any) -> None:
    before = subjects(server.settings())
    with smtplib.LMTP(server.host, server.lmtp_port) as client:
        assert client.sendmail("bert@example.com", [ANNA], MESSAGE.replace(b"one", b"by LMTP")) == {}
    assert subjects(server.settings()) == [*before, b"by LMTP"]


def test_what_is_put_back_is_what_it_was(server: Any) -> None:
    settings = server.settings()
    server.add_account(BERT)
    mail(settings, "kept", BERT)
    accounts = Path(server.accounts_file).read_text(encoding="utf-8")
    assert accounts == f"{ANNA}\n{BERT}\n"
    server.snapshot()
    mail(settings, "lost", BERT)
    server.add_account("late@example.com")
    server.remove_account(ANNA)
    assert subjects(settings, BERT) == [b"kept", b"lost"]
    server.put_back()
    assert subjects(settings, BERT) == [b"kept"]
    assert Path(server.accounts_file).read_text(encoding="utf-8") == accounts
    with as_account(settings, ANNA) as client:
        assert client.folder_exists("Drafts")
    with pytest.raises(IMAPClientError), as_account(settings, "late@example.com") as client:
        client.select_folder("INBOX")
    server.remove_account(BERT)
    with pytest.raises(IMAPClientError), as_account(settings, BERT) as client:
        client.select_folder("INBOX")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_what_was_acknowledged_outlives_the_server(server: Any, how: str) -> None:
    settings = server.settings()
    mail(settings, how)
    getattr(server, how)()
    with pytest.raises(ConnectionRefusedError), as_account(settings):
        pass
    server.start()
    assert subjects(settings)[-1] == how.encode()


def test_what_it_logs_can_be_read(server: Any) -> None:
    mail(server.settings(), "logged")
    assert ANNA in server.log()


# -- Dovecot -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("form", "address"), [
    *((PROXY, address) for address in ODD_ADDRESSES),
    *((SEPARATED, address) for address in ODD_ADDRESSES if "*" not in address),  # which divides it
])
def test_an_address_may_be_odd(dovecot: dovecot_server.Dovecot, form: str, address: str) -> None:
    settings = dovecot.settings(impersonation=form)
    dovecot.add_account(address)
    mail(settings, "odd", address)
    assert dovecot.mail(address).is_dir()
    assert subjects(settings, address) == [b"odd"]
    dovecot.remove_account(address)
    assert not dovecot.mail(address).exists()


@pytest.mark.parametrize("address", ["", "two\nlines@example.com", "nul\0@example.com", "per%cent@example.com"])
def test_an_address_that_cannot_be_is_refused(dovecot: dovecot_server.Dovecot, address: str) -> None:
    with pytest.raises(ValueError, match="cannot be an account's address"):
        dovecot.add_account(address)


def test_several_dovecots_run_at_once(dovecot: dovecot_server.Dovecot) -> None:
    with dovecot_server.dovecot("maildir", ".", fsync=False) as other:
        other.add_account(ANNA)
        mail(other.settings(), "of the other")
        with as_account(other.settings()) as client:
            client.create_folder("a.b")
            assert (b"\\HasNoChildren",) in [
                flags for flags, separator, name in client.list_folders() if (separator, name) == (b".", "a.b")
            ]
        assert (other.mail(ANNA) / ".a.b" / "cur").is_dir()
        assert subjects(other.settings()) == [b"of the other"]
    assert b"of the other" not in subjects(dovecot.settings())


def test_an_account_may_be_full() -> None:
    needed("Dovecot", dovecot_server.missing())
    with dovecot_server.dovecot(quota=10_000) as server:
        server.add_account(ANNA)
        mail(server.settings(), "small")
        with pytest.raises(IMAPClientError, match="OVERQUOTA"), as_account(server.settings()) as client:
            client.append("INBOX", MESSAGE + b"x" * 10_000)
        assert subjects(server.settings()) == [b"small"]


def test_a_folder_can_be_shared(dovecot: dovecot_server.Dovecot) -> None:
    dovecot.add_account("carla@example.com")
    with as_account(dovecot.settings()) as client:
        client.create_folder("for carla")
        client.setacl("for carla", "carla@example.com", "lrs")
    with as_account(dovecot.settings(), "carla@example.com") as client:
        shared = f"shared/{ANNA}/for carla"
        assert client.folder_exists(shared)
        assert client.select_folder(shared)[b"EXISTS"] == 0
    dovecot.remove_account("carla@example.com")


def test_doveadm_knows_the_server(dovecot: dovecot_server.Dovecot) -> None:
    assert "Drafts" in dovecot.doveadm("mailbox", "list", "-u", ANNA).splitlines()
    with pytest.raises(RuntimeError, match="doesn't exist"):
        dovecot.doveadm("mailbox", "list", "-u", "nobody@example.com")


# -- DAV ---------------------------------------------------------------------------------------------------------------

def test_radicale_answers_each_account_and_no_other(radicale: radicale_server.Radicale) -> None:
    home = radicale.settings()["carddav_url"]
    assert propfind(home, ANNA, radicale.password) == 207
    assert propfind(home, ANNA, "another") == 401
    assert propfind(home, BERT, radicale.password) == 401
    assert propfind(home.format(user=ANNA), BERT, radicale.password) == 401
    radicale.add_account(BERT)
    assert propfind(home, BERT, radicale.password) == 207
    assert propfind(home.format(user=ANNA), BERT, radicale.password) == 403
    radicale.remove_account(BERT)
    assert propfind(home, BERT, radicale.password) == 401
    assert ImapSettings(**radicale.settings()).caldav_url.startswith(radicale.url)


@pytest.mark.parametrize("home", ["carddav_url", "caldav_url"])
def test_cyrus_answers_an_account_for_dav(cyrus: cyrus_server.Cyrus, home: str) -> None:
    url = getattr(cyrus.settings(), home)
    assert propfind(url, ANNA, "password of Anna: 1%") == 207
    assert propfind(url, ANNA, "another") == 401


@pytest.mark.parametrize("missing", [dovecot_server.missing, cyrus_server.missing, radicale_server.missing])
def test_what_is_there_is_not_missing(missing: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    needed("A server", missing())
    monkeypatch.setattr("subprocess.run", lambda *_arguments, **_keywords: pytest.fail("it is installed again"))
    assert missing() == ""
