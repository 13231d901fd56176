# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following mail servers that speak IMAP: Dovecot, which has NOTIFY, and Cyrus, which has IDLE only."""

from __future__ import annotations

import contextlib
import resource
import smtplib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imapclient
import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import PROXY, ImapSettings
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.sieve import Scripts
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.watching import Pace
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import RestanteError, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import SERVER
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import following
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import IMAP, Settings

from tests.servers import cyrus as cyrus_server
from tests.servers import dovecot as dovecot_server
from tests.servers.needed import needed

ANNA, BERT = "anna@example.com", "bert@example.com"
MESSAGE = b"From: bert@example.com\r\nSubject: one\r\n\r\nhello\r\n"
HEARING = Pace(ask=0.2, watched=3600, others=3600, directory=3600)
"""Nothing is found but by hearing of it, or by asking how the folders stand."""
PATIENCE = 30.0


@contextlib.contextmanager
def running(name: str) -> Iterator[Any]:
    module: Any = {"dovecot": dovecot_server, "cyrus": cyrus_server}[name]
    needed(name.title(), module.missing())
    with getattr(module, name)() as server:
        server.add_account(ANNA)
        server.add_account(BERT)
        yield server


@pytest.fixture(params=["dovecot", "cyrus"])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    with running(request.param) as server:
        yield server


@pytest.fixture
def dovecot() -> Iterator[Any]:
    with running("dovecot") as server:
        yield server


def of(server: Any, **changes: Any) -> ImapSettings:
    """Return how to get to a server, to its mail and filters only."""
    settings: ImapSettings = server.settings(**{"carddav_url": "", "caldav_url": "", **changes})
    return settings


class Followed:
    """A mail server that is followed."""

    def __init__(self, server: Any, path: Path, pace: Pace = HEARING, **changes: Any) -> None:
        self.store = ImapStore(str(path / "mirror"), of(server, **changes))
        self.store.pace = pace
        self.follower: Any = self.store.follow()
        self.ids = {entry.entry_id: entry.name for entry in self.store.entries(kinds.ACCOUNT)}

    def news(self) -> set[str]:
        """Return the addresses of the accounts that are told of now."""
        scopes = self.follower.news().scopes
        self.ids.update((entry.entry_id, entry.name) for entry in self.store.entries(kinds.ACCOUNT))
        return {self.ids.get(scope, scope) for scope in scopes}

    def until(self, *wanted: str) -> set[str]:
        """Return what is told until all that is wanted was."""
        told: set[str] = set()
        end = time.monotonic() + PATIENCE
        while not told >= set(wanted):
            assert time.monotonic() < end, f"{wanted} was not told, but {told}"
            time.sleep(0.02)
            told |= self.news()
        return told

    def is_quiet(self, seconds: float = 1.0) -> bool:
        """Return whether nothing is told for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.news():
                return False
            time.sleep(0.05)
        return True


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Callable[..., Followed]]:
    made: list[Followed] = []

    def make(*arguments: Any, **named: Any) -> Followed:
        made.append(Followed(arguments[0], tmp_path, *arguments[1:], **named))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


@contextlib.contextmanager
def as_account(server: Any, address: str = ANNA) -> Iterator[Any]:
    """Be a user's mail program."""
    settings = of(server)
    context = ssl.create_default_context(cafile=settings.ca_file)
    with imapclient.IMAPClient(settings.host, settings.port, ssl_context=context) as client:
        if settings.impersonation == PROXY:
            client.plain_login(settings.master_user, settings.master_password, address)
        else:
            client.plain_login(f"{address}*{settings.master_user}", settings.master_password)
        yield client


def deliver(server: Any, address: str = ANNA, subject: bytes = b"one") -> None:
    """Let mail arrive."""
    with smtplib.LMTP(server.host, server.lmtp_port) as client:
        assert client.sendmail(BERT, [address], MESSAGE.replace(b"one", subject)) == {}


def test_all_that_happens_to_mail_is_told_and_once(server: Any, followed: Callable[..., Followed]) -> None:
    """R-221."""
    deliver(server)
    one = followed(server)
    assert one.is_quiet(), "what was before is no news"
    with as_account(server) as client:
        def in_folder(name: str) -> None:
            client.select_folder(name)

        deliver(server)
        assert one.until(ANNA) == {ANNA}
        for what, work in {
            "appended elsewhere": lambda: client.append("Sent", MESSAGE),
            "flagged elsewhere": lambda: (in_folder("Sent"), client.add_flags(1, [b"\\Flagged"])),
            "flagged in the INBOX": lambda: (in_folder("INBOX"), client.add_flags(1, [b"\\Seen"])),
            "expunged in the INBOX": lambda: (client.delete_messages(1), client.expunge()),
            "expunged elsewhere": lambda: (in_folder("Sent"), client.delete_messages(1), client.expunge()),
            "made a folder": lambda: client.create_folder("New"),
            "renamed it": lambda: client.rename_folder("New", "Newer"),
            "subscribed to it": lambda: client.subscribe_folder("Newer"),
            "deleted it": lambda: client.delete_folder("Newer"),
        }.items():
            assert one.is_quiet(0.4), f"twice told, before {what}"
            work()
            assert one.until(ANNA) == {ANNA}, what
    deliver(server, BERT)
    assert one.until(BERT) <= {ANNA, BERT}


def test_filters_and_accounts_are_found_by_looking(server: Any, followed: Callable[..., Followed]) -> None:
    one = followed(server, HEARING._replace(watched=0.5, others=0.5, directory=0.3))
    assert one.is_quiet()
    with contextlib.closing(Scripts(of(server), BERT)) as scripts:
        scripts.put("mine", b"keep;\r\n")
    assert one.until(BERT) == {BERT}
    server.add_account("carl@example.com")
    assert one.until("carl@example.com") == {"carl@example.com"}
    deliver(server, "carl@example.com")
    one.until("carl@example.com")
    server.remove_account("carl@example.com")
    assert "carl@example.com" in one.until("carl@example.com")
    server.add_account("dora@example.org")
    assert one.until("dora@example.org", SERVER)


def test_what_this_store_writes_is_told_at_once(dovecot: Any, followed: Callable[..., Followed]) -> None:
    one = followed(dovecot)
    account = next(number for number, name in one.ids.items() if name == ANNA)
    deliver(dovecot)
    list(one.store.changes(account).items)
    assert one.news() == {ANNA}
    assert one.is_quiet()


def test_more_accounts_than_connections(server: Any, followed: Callable[..., Followed]) -> None:
    addresses = [ANNA, BERT] + [f"user{number}@example.com" for number in range(3)]
    for address in addresses[2:]:
        server.add_account(address)
    one = followed(server, HEARING._replace(others=2, watched=2, each=0.1, hold=0.2), connections=2)
    while not one.is_quiet(3.0):  # accounts that the mirror never knew are told of once
        pass
    for address in (*addresses, *addresses[:2]):
        deliver(server, address)
        assert one.until(address) == {address}
        assert len(one.follower._watches) <= 2
    deliver(server, addresses[0])
    one.until(addresses[0])
    for _unused in range(20):
        one.news()
        time.sleep(0.02)
    # A connection follows what happens.
    assert addresses[0] in {one.ids[account] for account in one.follower._watches}


def test_a_server_that_is_killed_costs_nothing(server: Any, followed: Callable[..., Followed]) -> None:
    one = followed(server)
    deliver(server)
    one.until(ANNA)
    server.kill()
    for _unused in range(10):
        assert not one.news()  # it may come back
        time.sleep(0.05)
    server.start()
    with as_account(server, BERT) as client:
        client.append("Sent", MESSAGE)  # nobody watches
    assert one.until(BERT) == {BERT}
    assert one.is_quiet()
    deliver(server)
    assert one.until(ANNA) == {ANNA}


def test_a_server_that_stays_away_is_told(dovecot: Any, followed: Callable[..., Followed], tmp_path: Path) -> None:
    one = followed(dovecot, HEARING._replace(patience=0.5))
    dovecot.kill()
    with pytest.raises(Unavailable, match="mail server"):
        while True:
            one.news()
            time.sleep(0.05)
    with pytest.raises(Unavailable, match="mail server"):
        one.store.follow()
    dovecot.start()
    one.follower = one.store.follow()
    deliver(dovecot)
    assert one.until(ANNA) == {ANNA}


def test_accounts_that_are_refused_do_not_stop_the_others(dovecot: Any, followed: Callable[..., Followed]) -> None:
    accounts = Path(dovecot.accounts_file)
    accounts.write_text("".join(f"nobody{number}@example.com\n" for number in range(3)) + accounts.read_text())
    one = followed(dovecot)
    deliver(dovecot, BERT)
    assert BERT in one.until(BERT)


def test_a_connection_is_kept_and_renewed(server: Any, followed: Callable[..., Followed]) -> None:
    one = followed(server, HEARING._replace(keep=0.1, ask=0.1))
    assert one.is_quiet(1.5)
    deliver(server)
    assert one.until(ANNA) == {ANNA}
    assert one.is_quiet(0.5)


def test_many_quiet_accounts_cost_little(dovecot: Any, followed: Callable[..., Followed]) -> None:
    """Measured, not judged."""
    for number in range(48):
        dovecot.add_account(f"user{number}@example.com")
    began = time.monotonic()
    one = followed(dovecot, Pace(), connections=50)
    opened = time.monotonic() - began
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    for _unused in range(40):
        one.follower.news()
        time.sleep(0.025)
    after, took = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - began
    cost = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"50 accounts: {opened:.2f} s to open; 40 looks {cost * 1000:.1f} ms of a processor in {took:.1f} s")
    deliver(dovecot, "user47@example.com")
    assert one.until("user47@example.com") == {"user47@example.com"}


def test_the_realtime_scanner_records_mail_that_arrives(dovecot: Any, tmp_path: Path) -> None:
    """R-221."""
    places = {name: str(tmp_path / name) for name in ("backup_path", "cache_path", "state_path", "mailstore_path")}
    config_file = str(tmp_path / "etc" / "restante.json")
    settings_file.save(config_file, Settings(**places, mailstore_adapter=IMAP, imap=of(dovecot)))
    node = Node.load(config_file)
    ended = threading.Event()
    thread = threading.Thread(target=following.run, args=(node,), kwargs={"ended": ended}, daemon=True)
    thread.start()

    def until(true: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end, following.read_status(node)
            time.sleep(0.05)

    def recorded() -> int:
        with contextlib.suppress(RestanteError), contextlib.closing(node.repository()) as repository:
            return sum(
                getattr(last.state, "kind", "") == kinds.MESSAGE
                for account in repository.tokens() for last in repository.states(account)
            )
        return 0

    try:
        until(lambda: following.read_status(node).state == following.FOLLOWING)
        for number in range(5):
            began = time.monotonic()
            deliver(dovecot, (ANNA, BERT)[number % 2], b"number %d" % number)
            until(lambda expected=number + 1: recorded() == expected)
            print(f"in the backup after {time.monotonic() - began:.2f} s")
        assert not following.read_status(node).error
    finally:
        ended.set()
        thread.join(PATIENCE)
