# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Address books and calendars of which the server does not give a part: that part is told, and costs no other."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.exchange.exporter import export_account
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.dav import Collection, DavAccount
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.watching import Pace
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import Changes, NewItem, Written
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Refused, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState
from servers import faulty_proxy, radicale
from servers.needed import needed

from tests.engine.imap.scripted_imap import ANNA, Mail, scripted_imap


def card(name: str) -> bytes:
    """Return a vCard as Radicale writes it."""
    return f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{name}\r\nFN:{name}\r\nN:{name};;;;\r\nEND:VCARD\r\n".encode()


class Anna(NamedTuple):
    """An account, what stands between it and its address books, and who gets there without that."""

    store: ImapStore
    account: str
    proxy: faulty_proxy.FaultyProxy
    other: DavAccount

    def book(self, name: str, *cards: str) -> Collection:
        """Have an address book, made by another client."""
        made = self.other.create_collection(name, kinds.CONTACT)
        for one in cards:
            self.other.put_new(f"{made.href}{one}.vcf", card(one), kinds.CONTACT)
        return made

    def present(self) -> tuple[list[str], Changes]:
        """Return the contacts and folders there are now, and all that is told."""
        changes = self.store.changes(self.account)
        items = list(changes.items)
        people = [one.item_id for one in items if one.kind == kinds.CONTACT]
        names = [
            str(content) if isinstance(content, Exception) else content.split(b"FN:")[1].split(b"\r\n")[0].decode()
            for content in self.store.read_blobs(self.account, people)
        ]
        return sorted(names), changes._replace(items=items)

    def write(self, folder: str, *names: str) -> list[Written]:
        """Write contacts as a restore does."""
        state = ItemState("", kinds.CONTACT, folder)
        return self.store.write_items(self.account, [NewItem(one, state, card(one)) for one in names], "import")


@pytest.fixture(scope="module")
def server() -> Iterator[radicale.Radicale]:
    needed("Radicale", radicale.missing())
    with radicale.radicale() as server:
        yield server


@pytest.fixture
def anna(server: radicale.Radicale, tmp_path: Path) -> Iterator[Anna]:
    server.add_account(ANNA)
    with scripted_imap(tmp_path) as mail, faulty_proxy.faulty_proxy(server.url) as proxy:
        mail.boxes[b"INBOX"].add(Mail(b"", b"01-Jan-2020 10:00:00 +0000", b"Subject: one\r\n\r\nx\r\n"))
        settings = dataclasses.replace(mail.settings, **server.settings(), timeout=5)
        urls = dict.fromkeys(("carddav_url", "caldav_url"), f"{proxy.url}/{{user}}/")
        store = ImapStore(str(tmp_path / "mirror"), dataclasses.replace(settings, **urls))
        other = DavAccount(settings, ANNA)
        [account] = store.entries(kinds.ACCOUNT)
        yield Anna(store, account.entry_id, proxy, other)
        store.close()
        other.close()
    server.remove_account(ANNA)


# -- what is not given ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("fault", [faulty_proxy.ERROR_500, faulty_proxy.DENIED, faulty_proxy.MISSING])
def test_a_collection_that_is_not_given_costs_no_other(anna: Anna, fault: str) -> None:
    anna.book("First", "one", "two")
    anna.book("Second", "three")
    assert (anna.present()[0], anna.present()[1].unseen) == (["one", "three", "two"], ())
    anna.book("Third", "four")
    anna.other.put_new(f"/{ANNA}/first/five.vcf", card("five"), kinds.CONTACT)
    anna.proxy.decide = lambda method, path: fault if "/first/" in path and method != "GET" else ""
    names, changes = anna.present()
    assert names == ["four", "one", "three", "two"]
    assert len(changes.unseen) == 1 and "/first/" in changes.unseen[0]
    assert kinds.MESSAGE in [one.kind for one in changes.items]
    assert len(export_account(anna.store, anna.account, str(anna.proxy.target), dry_run=True).problems) == 1
    [(_account, token)] = anna.store.tokens()
    assert token != changes.token
    anna.proxy.decide = lambda method, path: ""
    names, changes = anna.present()
    assert (names, changes.unseen) == (["five", "four", "one", "three", "two"], ())


@pytest.mark.parametrize(
    "fault", [faulty_proxy.ERROR_500, faulty_proxy.DROP, faulty_proxy.TRUNCATE, faulty_proxy.MISSING]
)
def test_a_resource_that_is_not_given_costs_no_other(anna: Anna, fault: str) -> None:
    anna.book("First", "one", "two", "three")
    anna.proxy.decide = lambda method, path: fault if path.endswith("/two.vcf") else ""
    names, changes = anna.present()
    assert names == ["one", "three"]
    assert len(changes.unseen) == 1 and "/two.vcf" in changes.unseen[0]
    anna.proxy.decide = lambda method, path: ""
    assert anna.present()[0] == ["one", "three", "two"]


@pytest.mark.parametrize(
    "fault", [faulty_proxy.DROP, faulty_proxy.TRUNCATE, faulty_proxy.SLOW_DOWN, faulty_proxy.DENIED]
)
def test_mail_is_seen_while_the_address_books_are_away(anna: Anna, fault: str) -> None:
    anna.book("First", "one")
    assert anna.present()[0] == ["one"]
    anna.proxy.decide = lambda method, path: fault if method == "PROPFIND" else ""
    _names, changes = anna.present()
    assert [one.kind for one in changes.items].count(kinds.MESSAGE) == 1
    assert [one.kind for one in changes.items].count(kinds.CONTACT) == 1
    assert len(changes.unseen) == 1


def test_who_follows_is_told_of_address_books_that_are_away(anna: Anna) -> None:
    anna.store.pace = Pace(others=0.1, watched=0.1, each=0.01)
    follower = anna.store.follow()
    assert follower.news().scopes == set()
    anna.proxy.decide = lambda method, path: faulty_proxy.DENIED
    time.sleep(0.2)
    assert follower.news().scopes == {anna.account}


@pytest.mark.parametrize("fault", [faulty_proxy.MISSING, faulty_proxy.ERROR_500])
def test_a_report_of_changes_that_fails_is_a_reason_to_list(anna: Anna, fault: str) -> None:
    anna.book("First", "one", "two")
    assert anna.present()[0] == ["one", "two"]
    token = anna.store.changes(anna.account).token
    anna.proxy.decide = lambda method, path: fault if method == "REPORT" else ""
    anna.other.delete(f"/{ANNA}/first/one.vcf")
    anna.other.put_new(f"/{ANNA}/first/three.vcf", card("three"), kinds.CONTACT)
    changes = anna.store.changes(anna.account, token)
    assert (len(list(changes.items)), len(changes.deleted), changes.unseen) == (1, 1, ())


def test_a_home_that_is_not_made_yet_does_not_hide_the_other(anna: Anna) -> None:
    anna.book("First", "one")
    settings = dataclasses.replace(anna.store._settings, caldav_url=f"{anna.proxy.url}/calendars/{{user}}/")
    anna.proxy.decide = lambda method, path: faulty_proxy.MISSING if "/calendars/" in path else ""
    store = ImapStore(f"{anna.store._mirror.path}-other", settings)
    kinds_of = [one.kind for one in store.changes(anna.account).items]
    assert kinds_of.count(kinds.CONTACT) == 1
    store.close()


# -- what is not taken ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("fault", [faulty_proxy.ERROR_500, faulty_proxy.DROP])
def test_a_resource_at_which_the_server_fails_costs_no_other(anna: Anna, fault: str) -> None:
    anna.book("First")
    [folder] = [one.item_id for one in anna.store.folders(anna.account) if one.name == "First"]
    puts: list[str] = []

    def decide(method: str, path: str) -> str:
        if method == "PUT" and path not in puts:
            puts.append(path)
        return fault if method == "PUT" and [path] == puts[1:2] else ""

    anna.proxy.decide = decide
    first, second, third = anna.write(folder, "one", "two", "three")
    assert (first.error, third.error) == ("", "")
    assert "500" in second.error or "broke" in second.error
    anna.proxy.decide = lambda method, path: ""
    assert [(one.existed, one.error) for one in anna.write(folder, "one", "two", "three")] == [
        (True, ""), (False, ""), (True, ""),
    ]
    assert anna.present()[0] == ["one", "three", "two"]


def test_a_change_at_which_the_server_fails_is_refused(anna: Anna) -> None:
    anna.book("First", "one")
    [person] = [one for one in anna.store.changes(anna.account).items if one.kind == kinds.CONTACT]
    anna.proxy.decide = lambda method, path: faulty_proxy.ERROR_500 if method == "PUT" else ""
    with pytest.raises(Refused, match="500"):
        anna.store.update_item(anna.account, person, card("one"))
    anna.proxy.decide = lambda method, path: faulty_proxy.ERROR_500
    with pytest.raises(Unavailable):
        anna.store.update_item(anna.account, person, card("one"))


def test_a_server_that_fails_at_everything_ends_a_restore(anna: Anna) -> None:
    anna.book("First")
    [folder] = [one.item_id for one in anna.store.folders(anna.account) if one.name == "First"]
    anna.proxy.decide = lambda method, path: faulty_proxy.ERROR_500
    with pytest.raises(Unavailable):
        anna.write(folder, "one", "two")


@pytest.mark.parametrize("fault", [faulty_proxy.LOSE, faulty_proxy.DROP])
@pytest.mark.parametrize("method", ["PUT", "GET", "PROPFIND", "REPORT", "MKCOL"])
@pytest.mark.parametrize("name", ["Work", " Work\0 "])
def test_a_connection_that_breaks_makes_nothing_twice(anna: Anna, method: str, fault: str, name: str) -> None:
    anna.store.folders(anna.account)
    new = NewItem("7", ItemState("", kinds.FOLDER, "1", name, attrs={"view": kinds.CONTACT}))
    anna.proxy.first(1 if method in ("PUT", "GET") else 2, fault, method)  # what fails twice is unrestored
    for _unused in range(3):
        try:
            [made] = anna.store.write_items(anna.account, [new], "import")
            people = anna.write(made.item_id, "one", "two")
            break
        except Unavailable:
            continue
    assert [one.error for one in (made, *people)] == ["", "", ""]
    assert anna.present()[0] == ["one", "two"]
    assert len(anna.other.collections()) == 1
