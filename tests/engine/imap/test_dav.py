# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Address books and calendars on real servers: Radicale and Cyrus."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.exchange.readers import Found, read
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.dav import (
    Collection,
    DavAccount,
    Resource,
    kind_of,
)
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import ImapSettings
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    Refused,
)

from tests.engine.imap import dav_kit
from tests.servers import cyrus as cyrus_server
from tests.servers import radicale as radicale_server
from tests.servers.needed import needed

CHECKOUT = Path(__file__).resolve().parents[3]
CORPUS = CHECKOUT.parent / "shared" / "corpus"
SERVERS: dict[str, tuple[Callable[[], str], Callable[[], AbstractContextManager[ImapSettings]]]] = {
    "radicale": (radicale_server.missing, dav_kit.radicale), "cyrus": (cyrus_server.missing, dav_kit.cyrus),
}
NUMBERS = itertools.count(1)
"""Names are used once: within a second Cyrus cannot delete two collections that had one name."""


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[ImapSettings]:
    """A real server with one account."""
    missing, running = SERVERS[request.param]
    needed(request.param, missing())
    with running() as settings:
        yield settings


@pytest.fixture
def account(server: ImapSettings) -> Iterator[DavAccount]:
    """The account."""
    account = DavAccount(server, dav_kit.ADDRESS)
    yield account
    account.close()


@pytest.fixture
def book(account: DavAccount) -> Iterator[Collection]:
    """An empty address book."""
    made = account.create_collection(f"Book {next(NUMBERS)}", kinds.CONTACT)
    yield made
    account.delete_collection(made.href)


@pytest.fixture
def calendar(account: DavAccount) -> Iterator[Collection]:
    """An empty calendar."""
    made = account.create_collection(f"Calendar {next(NUMBERS)}", kinds.APPOINTMENT)
    yield made
    account.delete_collection(made.href)


def card(uid: str = "", name: str = "Anna", more: str = "") -> bytes:
    """Return a vCard, of another person each time."""
    uid = uid or f"person-{next(NUMBERS)}"
    lines = f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{name}\r\nN:{name};;;;\r\n{more}END:VCARD\r\n"
    return lines.encode()


def event(component: str = "VEVENT") -> bytes:
    """Return an appointment or a task, another one each time."""
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n"
        f"BEGIN:{component}\r\nUID:event-{next(NUMBERS)}\r\nDTSTAMP:20260101T120000Z\r\nDTSTART:20260102T120000Z\r\n"
        f"DURATION:PT1H\r\nSUMMARY:Whatever\r\nEND:{component}\r\nEND:VCALENDAR\r\n"
    ).encode()


def content(account: DavAccount, href: str) -> bytes:
    """Return what the server holds there."""
    [found] = account.read([href])
    if isinstance(found, Exception):
        raise found
    return found[2]


# -- collections -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("view", [kinds.CONTACT, kinds.APPOINTMENT, kinds.TASK])
def test_a_collection_that_was_created_is_listed_as_it_was_wanted(account: DavAccount, view: str) -> None:
    color = "" if view == kinds.CONTACT else "#12ab9f"
    number = next(NUMBERS)
    made = account.create_collection(f"{number} Ärger & <Weite> 🗓", view, "#12AB9F")
    assert (made.name, made.view, made.color) == (f"{number} Ärger & <Weite> 🗓", view, color)
    assert made.href.endswith(f"/{number}-arger-weite/")
    assert made in account.collections()
    account.delete_collection(made.href)
    assert made.href not in [one.href for one in account.collections()]


def test_collections_of_one_name_are_two(account: DavAccount) -> None:
    made = [account.create_collection("Twin", kinds.CONTACT) for _unused in range(2)]
    assert len({one.href for one in made}) == 2
    assert {one.name for one in made} == {"Twin"}
    for one in made:
        account.delete_collection(one.href)


def test_a_collection_is_named_and_colored_anew_in_its_place(account: DavAccount, calendar: Collection) -> None:
    account.rename_collection(calendar.href, "Another\x00", "#00ff00")
    [found] = [one for one in account.collections() if one.href == calendar.href]
    assert (found.name, found.color) == ("Another\ufffd", "#00ff00")
    account.rename_collection(calendar.href, "Third")
    [found] = [one for one in account.collections() if one.href == calendar.href]
    assert (found.name, found.color) == ("Third", "#00ff00")


def test_what_is_deleted_already_is_deleted(account: DavAccount, book: Collection) -> None:
    account.delete(f"{book.href}nobody.vcf")
    account.delete(f"{book.href}nobody.vcf", '"etag"')
    account.delete_collection(f"{book.href.rstrip('/')}-another/")


def test_nothing_out_of_the_home_and_no_home_is_touched(account: DavAccount, book: Collection) -> None:
    home = f"{book.href.rstrip('/').rpartition('/')[0]}/"
    for href in (home, "/", "/elsewhere/x", f"{home}../x", f"{home}%2e%2e/x", "", "x"):
        with pytest.raises(InvalidInput):
            account.delete(href)
        with pytest.raises(InvalidInput):
            account.delete_collection(href)
    assert book.href in [one.href for one in account.collections()]


def test_what_is_no_collection_cannot_be_listed(account: DavAccount, book: Collection) -> None:
    absent = f"{book.href.rstrip('/')}-another/"
    with pytest.raises(NotFound, match=dav_kit.ADDRESS.replace("+", r"\+")):
        account.resources(absent)
    with pytest.raises(NotFound):
        account.changed(absent, "")


def test_the_tag_of_a_collection_changes_with_what_is_in_it(account: DavAccount, book: Collection) -> None:
    def tag() -> str:
        return next(one.tag for one in account.collections() if one.href == book.href)

    tags = [tag()]
    assert tag() == tags[0] != ""
    href = f"{book.href}one.vcf"
    uid = f"person-{next(NUMBERS)}"
    account.put_new(href, card(uid), kinds.CONTACT)
    tags.append(tag())
    account.put(href, card(uid, "Berta"), kinds.CONTACT)
    tags.append(tag())
    account.put_new(f"{book.href}two.vcf", card(), kinds.CONTACT)
    tags.append(tag())
    account.delete(href)
    tags.append(tag())
    assert len(set(tags)) == len(tags)


# -- resources ---------------------------------------------------------------------------------------------------------

def test_a_resource_is_created_once(account: DavAccount, book: Collection) -> None:
    href = f"{book.href}one%20and%20%C3%A4%2Btwo.vcf"
    etag = account.put_new(href, card(name="Anna"), kinds.CONTACT)
    assert etag
    with pytest.raises(AlreadyExists, match="there is one already"):
        account.put_new(href, card(name="Berta"), kinds.CONTACT)
    assert [(one.href, one.etag) for one in account.resources(book.href)] == [(href, etag)]
    assert b"FN:Anna" in content(account, href)


def test_a_resource_is_replaced_unless_it_is_another_by_now(account: DavAccount, book: Collection) -> None:
    href = f"{book.href}one.vcf"
    uid = f"person-{next(NUMBERS)}"
    first = account.put(href, card(uid, "Anna"), kinds.CONTACT)
    second = account.put(href, card(uid, "Berta"), kinds.CONTACT, first)
    assert second != first
    with pytest.raises(Refused, match="changed, removed or created meanwhile"):
        account.put(href, card(uid, "Carla"), kinds.CONTACT, first)
    with pytest.raises(Refused, match="changed, removed or created meanwhile"):
        account.delete(href, first)
    assert b"FN:Berta" in content(account, href)
    account.delete(href, second)
    assert account.resources(book.href) == []


def test_a_resource_is_moved_to_where_there_is_none(account: DavAccount, calendar: Collection) -> None:
    other = account.create_collection(f"Calendar {next(NUMBERS)}", kinds.APPOINTMENT)
    first, second = f"{calendar.href}one%20and%20two.ics", f"{other.href}%C3%A4.ics"
    one, two = event(), event()
    account.put_new(first, one, kinds.APPOINTMENT)
    account.move(first, second)
    assert ([one.href for one in account.resources(other.href)], account.resources(calendar.href)) == ([second], [])
    uid = one.split(b"UID:")[1].split(b"\r\n")[0]
    assert uid in content(account, second)
    with pytest.raises(NotFound):
        account.move(first, f"{other.href}absent.ics")
    account.put_new(first, two, kinds.APPOINTMENT)
    with pytest.raises(Refused):
        account.move(first, second)
    assert uid in content(account, second)
    with pytest.raises(InvalidInput):
        account.move(first, "/elsewhere/x")
    account.delete_collection(other.href)


def test_an_uid_that_is_there_already_is_refused_in_a_sentence(account: DavAccount, calendar: Collection) -> None:
    twin = event()
    account.put_new(f"{calendar.href}one.ics", twin, kinds.APPOINTMENT)
    with pytest.raises(Refused, match="takes a UID once"):
        account.put_new(f"{calendar.href}two.ics", twin, kinds.APPOINTMENT)


def test_what_is_no_calendar_is_refused_with_the_words_of_the_server(account: DavAccount, calendar: Collection) -> None:
    with pytest.raises(Refused, match="it answers 4") as caught:
        account.put_new(f"{calendar.href}one.ics", b"BEGIN:NOTHING\r\n", kinds.APPOINTMENT)
    assert "\n" not in str(caught.value) and "<" not in str(caught.value)


def test_contents_come_in_order_and_what_is_gone_is_an_error_in_its_place(
    account: DavAccount, book: Collection
) -> None:
    hrefs = [f"{book.href}{number}.vcf" for number in range(30)]
    for number, href in enumerate(hrefs):
        if number != 17:
            account.put_new(href, card(name=f"Number {number}"), kinds.CONTACT)
    etags = {one.href: one.etag for one in account.resources(book.href)}
    found = list(account.read(hrefs))
    assert isinstance(found[17], NotFound)
    for number, one in enumerate(found):
        if number != 17:
            assert not isinstance(one, Exception)
            assert one[0] == hrefs[number] and one[1] == etags[hrefs[number]]
            assert f"FN:Number {number}\r\n".encode() in one[2]
    early = account.read(hrefs)
    next(early)
    del early
    assert list(account.read([])) == []
    [elsewhere] = account.read(["/elsewhere"])
    assert isinstance(elsewhere, InvalidInput)


def test_the_kind_is_told_by_the_listing_or_by_the_content(
    account: DavAccount, book: Collection, calendar: Collection
) -> None:
    for version in ("KIND:group", "X-ADDRESSBOOKSERVER-KIND:group"):
        account.put_new(f"{book.href}{next(NUMBERS)}.vcf", card(more=f"{version}\r\n"), kinds.CONTACT_GROUP)
    account.put_new(f"{book.href}person.vcf", card(), kinds.CONTACT)
    account.put_new(f"{calendar.href}a.ics", event(), kinds.APPOINTMENT)
    account.put_new(f"{calendar.href}t.ics", event("VTODO"), kinds.TASK)
    found = Counter(kind_of(content(account, one.href)) for one in account.resources(book.href))
    assert found == {kinds.CONTACT: 1, kinds.CONTACT_GROUP: 2}
    for one, kind in zip(account.resources(calendar.href), (kinds.APPOINTMENT, kinds.TASK)):
        assert one.kind in (kind, "")
        assert kind_of(content(account, one.href)) == kind


def test_changes_since_a_token_are_those_and_no_others(account: DavAccount, book: Collection) -> None:
    def changed(token: str) -> tuple[list[Resource], list[str], str]:
        told = account.changed(book.href, token)
        assert told is not None
        return told

    hrefs = [f"{book.href}{number}.vcf" for number in range(4)]
    uids = [f"person-{next(NUMBERS)}" for _href in hrefs]
    for href, uid in zip(hrefs[:3], uids):
        account.put_new(href, card(uid), kinds.CONTACT)
    present, absent, token = changed("")
    assert present == account.resources(book.href)
    assert absent == []
    assert changed(token) == ([], [], token)
    account.put(hrefs[0], card(uids[0], "Berta"), kinds.CONTACT)
    account.delete(hrefs[1])
    account.put_new(hrefs[3], card(uids[3]), kinds.CONTACT)
    present, absent, later = changed(token)
    assert present == [one for one in account.resources(book.href) if one.href in (hrefs[0], hrefs[3])]
    assert absent == [hrefs[1]]
    assert later != token
    assert account.changed(book.href, "http://example.com/a/token/of/another") is None


# -- getting in --------------------------------------------------------------------------------------------------------

def test_who_is_not_let_in_is_told_so_without_the_secret(server: ImapSettings) -> None:
    changes = {"dav_user_template": "{user}", "dav_password": "a-wrong-secret", "dav_token_key": ""}
    account = DavAccount(dataclasses.replace(server, **changes), dav_kit.ADDRESS)
    with pytest.raises(Refused, match=r"does not let anna\+dav@example.com in \(401 Unauthorized") as caught:
        account.collections()
    assert "a-wrong-secret" not in str(caught.value)
    account.close()


# -- real vCards and calendars -----------------------------------------------------------------------------------------

@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the corpus of real mail is not at {CORPUS}")
@pytest.mark.parametrize("folder", ["vcf", "ics"])
def test_real_contents_are_there_as_the_server_gives_them_or_refused(
    account: DavAccount, book: Collection, calendar: Collection, folder: str
) -> None:
    into = book if folder == "vcf" else calendar
    items = [one for one in read(str(CORPUS / folder)) if isinstance(one, Found)]
    put: dict[str, bytes] = {}
    etags: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for number, item in enumerate(items):
        href = f"{into.href}{number}.{folder}"
        assert kind_of(item.content) == item.kind, item.source
        try:
            etags[href] = account.put_new(href, item.content, item.kind)
            put[href] = item.content
        except Refused as error:
            counts["refused"] += 1
            assert "\n" not in str(error) and len(str(error)) < 1000
    assert {one.href: one.etag for one in account.resources(into.href)} == etags
    for given in account.read(sorted(put)):
        assert not isinstance(given, Exception)
        href, etag, data = given
        assert etag == etags[href]
        same = "as put" if data == put[href] else "lines as put" if lines(data) == lines(put[href]) else "written anew"
        counts[same] += 1
    assert sum(counts.values()) == len(items)
    assert counts["refused"] < len(items) * 9 / 10, counts
    print(folder, len(items), dict(counts))


def lines(data: bytes) -> Counter[bytes]:
    """Return the lines of a content, unfolded, in whatever order."""
    unfolded = data.replace(b"\r\n", b"\n").replace(b"\n ", b"").replace(b"\n\t", b"")
    return Counter(line.rstrip() for line in unfolded.split(b"\n") if line.strip())
