# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server of address books and calendars that lies, fails, or never ends: errors of ours, soon, in little memory."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap import dav_http, dav_xml
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.dav import DavAccount, Resource
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import PROXY, check
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    Refused,
    RestanteError,
    Unavailable,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.imap.dav_kit import (
    Answering,
    Request,
    Scripted,
    answer,
    gone,
    listed,
    multistatus,
    scripted,
    settings,
)
from tests.servers import daemon

ADDRESS = "anna@example.com"
HOME = f"/{ADDRESS}/"
BOOK = f"{HOME}book/"
CARD = f"{BOOK}1.vcf"

Serve = Callable[..., "tuple[DavAccount, Scripted]"]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A function that starts a server, and returns the account on it, and the server."""
    closing: list[Callable[[], None]] = []

    def start(answering: Answering | bytes, address: str = ADDRESS, **changes: Any) -> tuple[DavAccount, Scripted]:
        server = Scripted(answering if callable(answering) else lambda _request: answering)
        closing.append(server.close)
        account = DavAccount(settings(server.url, **changes), address)
        closing.append(account.close)
        return account, server

    yield start
    for close in reversed(closing):
        close()


def refused(act: Callable[[], object], error: type[RestanteError], match: str) -> str:
    """Return the text of the error that this ends in: one line, not too long, that names the account."""
    with pytest.raises(error, match=match) as caught:
        act()
    text = str(caught.value)
    assert text.isprintable() and len(text) < 1000 and ADDRESS in text and "password-of" not in text
    return text


# -- where answers lead ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("href", [
    "http://example.com/anna@example.com/book/2.vcf", "//example.com/anna@example.com/book/2.vcf", "/2.vcf", HOME,
    f"{BOOK}../2.vcf", f"{BOOK}%2e%2e/2.vcf", f"{BOOK}%2E%2E%2F2.vcf/../../x", f"{HOME}bookshelf/2.vcf", "", "2.vcf",
    f"{BOOK}2.vcf?x", f"{BOOK}2.vcf#x", "http://[", "http://127.0.0.1:99999/", f"http://anna:x@127.0.0.1{BOOK}2.vcf",
])
def test_what_lies_elsewhere_is_not_taken_for_a_part_of_a_collection(serve: Serve, href: str) -> None:
    account, _server = serve(multistatus(listed(CARD) + listed(href)))
    refused(lambda: account.resources(BOOK), Unavailable, "it tells of")
    refused(lambda: account.changed(BOOK, ""), Unavailable, "it tells of")


def test_hrefs_are_written_in_one_way_however_the_server_writes_them(serve: Serve) -> None:
    hrefs = ["{url}/anna%40example.com/book/1%2b1.vcf", "/anna@example.com//book/2%2F2.vcf", "%2Fbook"]
    urls: list[str] = []
    account, server = serve(lambda _request: multistatus("".join(
        listed(href.format(url=urls[0])) for href in (*hrefs[:2], BOOK, BOOK[:-1], f"{BOOK}ä b.vcf", f"{BOOK}sub/")
    )))
    urls.append(server.url)
    assert [one.href for one in account.resources(BOOK)] == [
        f"{BOOK}%C3%A4%20b.vcf", f"{BOOK}1%2B1.vcf", f"{BOOK}2%2F2.vcf",
    ]


def test_a_redirect_is_followed_for_its_slash_alone(serve: Serve) -> None:
    def moved(request: Request) -> bytes:
        if request.path.endswith("/"):
            return answer(301, Location=request.path.rstrip("/"))
        return multistatus(listed(CARD))

    account, server = serve(moved)
    assert [one.href for one in account.resources(BOOK)] == [CARD]
    assert [request.path for request in server.requests] == [BOOK, BOOK[:-1]]


def test_a_redirect_to_another_place_is_not_followed_and_no_password_goes_there(serve: Serve) -> None:
    _other, elsewhere = serve(answer(200))
    for location in (f"{elsewhere.url}{CARD}", "/login", f"{CARD}?again", "//example.com/", "ftp://x/", "http://["):
        account, _server = serve(answer(302, Location=location))
        [error] = account.read([CARD])
        assert isinstance(error, Refused) and "which is not followed" in str(error)
        refused(account.collections, Refused, "which is not followed")
    assert elsewhere.requests == []


def test_a_redirect_round_and_round_ends(serve: Serve) -> None:
    account, server = serve(lambda request: answer(
        307, Location=request.path.rstrip("/") if request.path.endswith("/") else f"{request.path}/"
    ))
    refused(account.collections, Refused, "round and round")
    assert len(server.requests) < 10


def test_what_writes_is_not_redirected(serve: Serve) -> None:
    account, server = serve(answer(307, Location=f"{CARD}/"))
    refused(lambda: account.put_new(CARD, b"x", kinds.CONTACT), Refused, "307 Temporary Redirect")
    assert len(server.requests) == 1


# -- answers that are none ---------------------------------------------------------------------------------------------

BOMB = b"".join(
    [b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">']
    + [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">'.encode() for n in range(1, 12)] + [b"]><x>&a11;</x>"]
)
D = b'<D:multistatus xmlns:D="DAV:">'
UNREADABLE = {
    "nothing": b"", "no XML": b"hello", "half": D + listed(CARD).encode(), "bomb": BOMB,
    "entity": D + b"&lt;&x;</D:multistatus>", "doctype": b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'>" + D,
    "UTF-16": '<?xml version="1.0" encoding="utf-16"?><x/>'.encode("utf-16"), "other root": b"<x/>",
    "codec": b'<?xml version="1.0" encoding="zip"?>' + b"\xff", "zeros": bytes(100_000),
    "no status": D + f"<D:response><D:href>{CARD}</D:href></D:response></D:multistatus>".encode(),
    "odd status": D + gone(CARD).replace("404", "four").encode() + b"</D:multistatus>",
    "deep": b"<a>" * 1_000_000, "deep tree": b"<a>" * 50_000 + b"</a>" * 50_000,
    "long tag": D + b"<" + b"a" * 1_000_000 + b"/></D:multistatus>",
    "many attributes": D + b"<a" + b"".join(b' a%d=""' % n for n in range(100_000)) + b"/></D:multistatus>",
    "long namespace": D + b'<a xmlns="%s">' % (b"u" * 7_000) + b"".join(b"<b%d/>" % n for n in range(100_000)),
    "long namespace of attributes": D + b'<a xmlns:x="%s">' % (b"u" * 7_000) + (
        b"<b " + b" ".join(b'x:a%d=""' % n for n in range(900)) + b"/>"
    ) * 1000,
    "many elements": D + b"<a/>" * 2_000_000 + b"</D:multistatus>",
    "text": D + b"x" * 1_000_000 + b"</D:multistatus>",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_understood_is_an_error_soon(serve: Serve, content: bytes) -> None:
    account, _server = serve(answer(207, content))
    start = time.monotonic()
    refused(account.collections, Unavailable, "the answer cannot be used")
    refused(lambda: account.changed(BOOK, ""), Unavailable, "the answer cannot be used")
    assert time.monotonic() - start < 60


@given(st.lists(st.sampled_from([
    b"<D:multistatus xmlns:D='DAV:'>", b"<D:response>", b"<D:href>", b"<D:propstat>", b"<D:prop>", b"<D:status>",
    b"</D:multistatus>", b"</D:response>", b"</D:href>", b"</D:propstat>", b"</D:prop>", b"</D:status>", b"<D:error>",
    b"HTTP/1.1 200 OK", b"HTTP/1.1 404", b"<D:getetag/>", b"/x", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?x ?>",
]) | st.binary(max_size=9), max_size=30).map(b"".join))
def test_no_document_raises_but_what_says_that_it_is_wrong(content: bytes) -> None:
    dav_xml.condition(content)
    try:
        dav_xml.multistatus(content)
    except ValueError:
        pass


PIECE = b"x" * 65536
CHUNK = b"10000\r\n" + PIECE + b"\r\n"
HEAD = b"HTTP/1.1 207 Fine\r\n"
ENDLESS = {
    "chunks": ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], [CHUNK]),
    "until closed": ([HEAD + b"\r\n"], [PIECE]),
    "announced": ([HEAD + b"Content-Length: 99999999999999999999\r\n\r\n"], [PIECE]),
    "headers": ([HEAD], [b"X: y\r\n" * 1000]),
    "one header": ([HEAD + b"X: "], [PIECE]),
    "status": ([b"HTTP/1.1 200 "], [PIECE]),
    "goes on": ([], [b"HTTP/1.1 100 Continue\r\n\r\n" * 1000]),
    "trailers": ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"], [b"X: y\r\n" * 1000]),
    "chunk of less than nothing": ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n"], [PIECE]),
    "refusal": ([b"HTTP/1.1 403 No\r\n\r\n"], [PIECE]),
}


@pytest.mark.parametrize("endless", ENDLESS.values(), ids=ENDLESS)
def test_an_answer_without_end_ends(serve: Serve, endless: tuple[list[bytes], list[bytes]]) -> None:
    account, server = serve(lambda _request: itertools.chain(endless[0], itertools.cycle(endless[1])), timeout=5)
    refused(account.collections, RestanteError, "cannot be used|403 Forbidden")
    assert server.sent < 2 * dav_http.LARGEST


@pytest.mark.parametrize("start", [b"", HEAD, HEAD + b"Content-Length: 9999\r\n\r\n"], ids=["status", "header", "rest"])
def test_an_answer_that_comes_byte_by_byte_for_ever_ends(
    serve: Serve, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dav_http, "_PATIENCE", 2)

    def trickle(_request: Request) -> Iterator[bytes]:
        yield start
        for _number in range(200):
            time.sleep(0.05)
            yield b"H"

    account, _server = serve(trickle, timeout=1)
    begin = time.monotonic()
    refused(account.collections, Unavailable, "does not end|timed out")
    assert 1.5 < time.monotonic() - begin < 9


def test_silence_is_no_answer_and_is_not_asked_again(serve: Serve) -> None:
    def silent(_request: Request) -> Iterator[bytes]:
        time.sleep(3)
        yield b""

    account, server = serve(silent, timeout=1)
    refused(account.collections, Unavailable, "timed out")
    assert len(server.requests) == 1


def test_what_comes_packed_is_not_unpacked(serve: Serve) -> None:
    account, server = serve(answer(200, gzip.compress(bytes(1_000_000)), Content_Encoding="gzip"))
    [error] = account.read([CARD])
    assert isinstance(error, Unavailable) and "packed as gzip" in str(error)
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


def test_an_answer_cut_short_is_none(serve: Serve) -> None:
    short = answer(200, b"BEGIN:VCARD").replace(b"Content-Length: 11", b"Content-Length: 12")

    def cut(_request: Request) -> Iterator[bytes]:
        yield short
        raise OSError

    account, server = serve(cut)
    [error] = account.read([CARD])
    assert isinstance(error, Unavailable) and "the connection broke" in str(error)
    assert len(server.requests) == 2


# -- answers that refuse -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("status", "error", "match"), [
    (400, Refused, "400 Bad Request"), (401, Refused, "does not let .* in"), (403, Refused, "Check the rights"),
    (404, NotFound, "not there"), (405, Refused, "405 Method"), (409, Refused, "409 Conflict"),
    (410, NotFound, "not there"), (412, Refused, "412"), (413, Refused, "largest size"), (415, Refused, "415"),
    (423, Refused, "423 Locked"), (500, Unavailable, "500"), (501, Refused, "501"), (502, Unavailable, "502"),
    (503, Unavailable, "503"), (507, Refused, "quota"), (599, Unavailable, "599"), (299, Unavailable, "no server of"),
    (200, Unavailable, "no server of"), (304, Refused, "304"), (303, Refused, "303"), (999, Unavailable, "999"),
])
def test_every_status_is_an_error_of_ours_with_the_words_of_the_server(
    serve: Serve, status: int, error: type[RestanteError], match: str
) -> None:
    page = b"<html><head><title>T</title><style>p {}</style></head>\n<p>Because &amp;\x1b[2J so</p>" + b"!" * 9999
    account, _server = serve(answer(status, b"" if status in (304,) else page))
    text = refused(lambda: account.resources(BOOK), error, match)
    assert "<" not in text and "{" not in text
    if error is Refused and status != 304:
        assert "Because & [2J so" in text


@pytest.mark.parametrize("condition", ["no-uid-conflict", "unique-scheduling-object-resource"])
def test_a_uid_that_is_taken_is_said_to_be(serve: Serve, condition: str) -> None:
    error = f'<D:error xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><C:{condition}/></D:error>'
    account, _server = serve(answer(403, error.encode()))
    refused(lambda: account.put_new(CARD, b"x", kinds.CONTACT), Refused, f"takes a UID once.*{condition}")


def test_a_server_that_wants_digests_is_said_to(serve: Serve) -> None:
    account, _server = serve(answer(401, WWW_Authenticate='Digest realm="x", nonce="y"'))
    refused(account.collections, Refused, "take Basic authentication")


def test_a_server_that_is_busy_is_asked_again_a_few_times(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(dav_http.time, "sleep", waits.append)
    answers = [answer(429, Retry_After="2"), answer(503, Retry_After="999999"), multistatus(listed(CARD))]
    account, _server = serve(lambda _request: answers.pop(0))
    assert len(account.resources(BOOK)) == 1
    assert waits == [2, 10]
    account, server = serve(answer(429))
    refused(lambda: account.resources(BOOK), Unavailable, "429 Too Many Requests")
    assert len(server.requests) == 3
    account, server = serve(answer(503, Retry_After="Fri, 31 Dec 9999 23:59:59 GMT"))
    refused(lambda: account.resources(BOOK), Unavailable, "503")
    assert len(server.requests) == 1


# -- connections -------------------------------------------------------------------------------------------------------

def test_a_connection_that_breaks_is_made_again_once_where_that_does_no_harm(serve: Serve) -> None:
    for act, requests in (
        (lambda account: account.resources(BOOK), 2), (lambda account: account.put(CARD, b"x", kinds.CONTACT), 2),
        (lambda account: account.delete(CARD), 2), (lambda account: account.put_new(CARD, b"x", kinds.CONTACT), 1),
        (lambda account: account.put(CARD, b"x", kinds.CONTACT, '"1"'), 1),
        (lambda account: account.delete(CARD, '"1"'), 1),
        (lambda account: account.create_collection("Book", kinds.CONTACT), 1),
    ):
        account, server = serve(b"")
        refused(lambda: act(account), Unavailable, "the connection broke")  # noqa: B023 (it is called at once)
        assert len(server.requests) == requests
    answers = [b"", multistatus(listed(CARD))]
    account, server = serve(lambda _request: answers.pop(0))
    assert len(account.resources(BOOK)) == 1


def test_a_connection_is_used_again_unless_the_server_has_closed_it(serve: Serve) -> None:
    account, server = serve(answer(201, ETag='"1"'))
    for _number in range(3):
        account.put_new(CARD, b"x", kinds.CONTACT)
    assert server.connections == 1

    def closing(_request: Request) -> Iterator[bytes]:
        yield answer(201, ETag='"1"')
        raise OSError

    account, server = serve(closing)
    for _number in range(3):
        account.put_new(CARD, b"x", kinds.CONTACT)
        time.sleep(0.1)
    assert server.connections == 3


@pytest.mark.parametrize("connections", [1, 3, 4, 100])
def test_as_many_contents_are_asked_for_at_once_as_may_be(serve: Serve, connections: int) -> None:
    at_once: list[int] = [0]
    most: list[int] = [0]
    lock = threading.Lock()

    def slow(_request: Request) -> bytes:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.02)
        with lock:
            at_once[0] -= 1
        return answer(200, _request.path.encode())

    account, server = serve(slow, connections=connections)
    hrefs = [f"{BOOK}{number}" for number in range(40)]
    found = account.read(hrefs)
    next(found)
    time.sleep(0.3)
    assert len(server.requests) <= 9  # no more is in memory than is wanted soon
    assert [one[2].decode() for one in found if not isinstance(one, Exception)] == hrefs[1:]
    assert most[0] == server.connections == min(connections, 4)


def test_a_refusal_of_what_the_server_did_not_read_is_heard(serve: Serve) -> None:
    def hasty(_request: Request) -> Iterator[bytes]:
        yield answer(413, b"Too much", Connection="close")
        time.sleep(0.5)
        raise OSError

    account, _server = serve(hasty)
    with pytest.raises((Refused, Unavailable), match="413|the connection broke"):
        account.put_new(f"{BOOK}X-Unread.vcf", bytes(50_000_000), kinds.CONTACT)


def test_where_nobody_listens_is_no_answer(serve: Serve) -> None:
    account, server = serve(b"")
    server.close()
    refused(account.collections, Unavailable, "connection broke|no answer")
    unknown = DavAccount(settings("https://nobody.invalid"), ADDRESS)
    refused(unknown.collections, Unavailable, "no answer")


def test_a_certificate_is_checked(tmp_path: Path) -> None:
    certificate = daemon.certify(tmp_path)
    with scripted(lambda _request: multistatus(listed(CARD)), certificate) as server:
        trusting = DavAccount(settings(server.url, ca_file=str(certificate.authority)), ADDRESS)
        assert len(trusting.resources(BOOK)) == 1
        doubting = DavAccount(settings(server.url), ADDRESS)
        refused(lambda: doubting.resources(BOOK), Refused, "certificate is not trusted.*Give ca_file")
        mistaken = settings(server.url.replace("127.0.0.1", "127.0.0.2"), ca_file=str(certificate.authority))
        refused(lambda: DavAccount(mistaken, ADDRESS).resources(BOOK), RestanteError, "not trusted|no answer|broke")
        for ca_file in (str(tmp_path / "none"), str(certificate.key)):
            with pytest.raises(InvalidInput, match="Correct ca_file"):
                DavAccount(settings(server.url, ca_file=ca_file), ADDRESS)


# -- listings and changes ----------------------------------------------------------------------------------------------

def test_what_a_listing_leaves_out_is_not_taken_for_gone(serve: Serve) -> None:
    account, _server = serve(multistatus(listed(CARD) + gone(f"{BOOK}2.vcf", 500)))
    refused(lambda: account.resources(BOOK), Unavailable, "it has failed at /anna@example.com/book/2.vcf")
    account, _server = serve(multistatus(listed(CARD) + gone(BOOK, 507)))
    refused(lambda: account.resources(BOOK), Unavailable, "more than the server lists at once")
    account, _server = serve(multistatus(listed(CARD) + gone(f"{BOOK}2.vcf") + gone(f"{BOOK}3.vcf", 403)))
    assert account.resources(BOOK) == [Resource(CARD, '"1"', ""), Resource(f"{BOOK}3.vcf", "", "")]
    failed = "<D:response><D:href>{}</D:href><D:propstat><D:prop><D:resourcetype/></D:prop><D:status>{}</D:status>"
    account, _server = serve(multistatus(
        failed.format(BOOK, "HTTP/1.1 500 Oh") + "</D:propstat></D:response>"
    ))
    refused(account.collections, Unavailable, "it has failed at")


def test_a_report_in_parts_is_read_to_its_end(serve: Serve) -> None:
    parts = [
        listed(f"{BOOK}1.vcf") + listed(f"{BOOK}2.vcf") + gone(BOOK, 507) + "<D:sync-token>one</D:sync-token>",
        gone(f"{BOOK}1.vcf") + listed(f"{BOOK}3.vcf", '"3"') + "<D:sync-token>two</D:sync-token>",
    ]
    account, server = serve(lambda _request: multistatus(parts.pop(0)))
    assert account.changed(BOOK, "before") == (
        [Resource(f"{BOOK}2.vcf", '"1"', ""), Resource(f"{BOOK}3.vcf", '"3"', "")], [f"{BOOK}1.vcf"], "two"
    )
    assert [b"before" in one.content or b"one" in one.content for one in server.requests] == [True, True]


def test_a_report_that_gets_nowhere_is_given_up(serve: Serve) -> None:
    account, _server = serve(multistatus(gone(BOOK, 507) + "<D:sync-token>same</D:sync-token>"))
    assert account.changed(BOOK, "before") is None
    tokens = itertools.count()
    account, server = serve(
        lambda _request: multistatus(gone(BOOK, 507) + f"<D:sync-token>{next(tokens)}</D:sync-token>")
    )
    assert account.changed(BOOK, "before") is None
    assert len(server.requests) <= 100
    account, _server = serve(multistatus(listed(CARD)))
    assert account.changed(BOOK, "before") is None


@pytest.mark.parametrize("status", [400, 403, 405, 409, 412, 415, 501, 507])
def test_a_server_that_cannot_tell_what_changed_says_so_in_many_ways(serve: Serve, status: int) -> None:
    account, _server = serve(answer(status))
    assert account.changed(BOOK, "before") is None


def test_a_content_that_was_written_anew_is_asked_for_its_etag(serve: Serve) -> None:
    account, server = serve(
        lambda request: answer(201) if request.method == "PUT" else multistatus(listed(request.path, '"new"'))
    )
    assert account.put_new(CARD, b"x", kinds.CONTACT) == '"new"'
    assert account.put(CARD, b"x", kinds.TASK) == '"new"'
    assert [request.headers.get("Content-Type", "").partition(";")[0] for request in server.requests] == [
        "text/vcard", "application/xml", "text/calendar", "application/xml",
    ]


def test_an_etag_that_no_header_can_hold_does_no_harm(serve: Serve) -> None:
    account, server = serve(lambda request: multistatus(listed(CARD, "&#10;x&#10;Evil: yes&#10;&#9731;")))
    [found] = account.resources(BOOK)
    refused(lambda: account.put(CARD, b"x", kinds.CONTACT, found.etag), Unavailable, "cannot be used")
    assert len(server.requests) == 1


def test_what_is_not_there_matches_nothing_and_is_deleted(serve: Serve) -> None:
    account, _server = serve(lambda request: answer(412 if request.method == "DELETE" else 404))
    account.delete(CARD, '"1"')
    account, _server = serve(lambda request: answer(412) if request.method == "DELETE" else multistatus(listed(CARD)))
    refused(lambda: account.delete(CARD, '"2"'), Refused, "412")


def test_a_collection_of_which_something_stays_is_not_deleted(serve: Serve) -> None:
    account, _server = serve(lambda request: multistatus(
        gone(CARD, 403) if request.method == "DELETE" else listed(BOOK)
    ))
    refused(lambda: account.delete_collection(BOOK), Refused, "kept a part")


def test_what_is_taken_is_not_overwritten(serve: Serve) -> None:
    account, server = serve(answer(412))
    refused(lambda: account.put_new(CARD, b"x", kinds.CONTACT), AlreadyExists, "there is one already")
    assert server.requests[0].headers["If-None-Match"] == "*"


def test_a_property_that_is_not_taken_is_refused(serve: Serve) -> None:
    account, _server = serve(multistatus(
        f"<D:response><D:href>{BOOK}</D:href><D:propstat><D:prop><D:displayname/></D:prop>"
        "<D:status>HTTP/1.1 403 Forbidden</D:status></D:propstat></D:response>"
    ))
    refused(lambda: account.rename_collection(BOOK, "Name"), Refused, r"set the displayname of .*\(403\)")


def test_a_collection_that_became_something_else_is_refused(serve: Serve) -> None:
    account, _server = serve(
        lambda request: answer(201) if request.method == "MKCOL" else multistatus(listed(f"{HOME}book/"))
    )
    refused(lambda: account.create_collection("Book", kinds.CONTACT), Refused, "made no address book")


# -- getting in --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("changes", "user", "password"), [
    ({}, "anna@example.com*master", "password-of-the-master"),
    ({"separator": "%", "login_name": "local_part"}, "anna%master", "password-of-the-master"),
    ({"impersonation": PROXY}, "master", "password-of-the-master"),
    ({"dav_user_template": "dav-{user}", "dav_password": "a:ä"}, "dav-anna@example.com", "a:ä"),
])
def test_the_login_is_what_the_settings_say(serve: Serve, changes: dict[str, str], user: str, password: str) -> None:
    account, server = serve(multistatus(""), **changes)
    account.collections()
    scheme, credentials = server.requests[0].headers["Authorization"].split()
    assert (scheme, base64.b64decode(credentials).decode()) == ("Basic", f"{user}:{password}")
    assert server.requests[0].path == f"/{'anna' if 'login_name' in changes else ADDRESS}/"


def test_a_token_names_the_account_and_is_signed(serve: Serve) -> None:
    key = base64.b64encode(bytes(range(32))).decode()
    account, server = serve(multistatus(""), dav_token_key=key)
    account.collections()
    scheme, token = server.requests[0].headers["Authorization"].split()
    head, claims, signature = (base64.urlsafe_b64decode(part + "===") for part in token.split("."))
    assert (scheme, json.loads(head), json.loads(claims)) == (
        "Bearer", {"typ": "JWT", "alg": "HS256"}, {"sub": ADDRESS}
    )
    assert len(signature) == 32


@pytest.mark.parametrize("changes", [
    {"dav_password": "x"}, {"dav_user_template": "x"}, {"dav_token_key": "short"}, {"dav_token_key": "ä" * 100},
])
def test_settings_that_let_nobody_in_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="dav_"):
        check(settings("https://example.com", **changes))


@pytest.mark.parametrize("url", [
    "https:///{user}/", "https://example.com:99999/{user}/", "https://example.com/{user}/?x=1", "https://[/{user}",
    "https://anna:x@example.com/{user}/", "https://example.com/../{user}", f"https://{'a' * 99}.com/{{user}}/",
])
def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="carddav_url of imap is .*which cannot be used"):
        DavAccount(settings("https://example.com", carddav_url=url), ADDRESS)


def test_an_address_does_not_lead_out_of_its_home(serve: Serve) -> None:
    account, server = serve(multistatus(""), address="../../x?y#z/ä b@example.com")
    account.collections()
    assert server.requests[0].path == "/..%2F..%2Fx%3Fy%23z%2F%C3%A4%20b@example.com/"
    with pytest.raises(InvalidInput, match="cannot be used"):
        DavAccount(settings("https://example.com", login_name="local_part"), "..@example.com")


def test_homes_are_one_or_apart() -> None:
    for carddav, caldav in (("https://a/{user}/", "https://b/{user}/"), ("https://a/{user}/", "https://a/{user}/cal")):
        with pytest.raises(InvalidInput, match="the same, or apart"):
            DavAccount(settings("", carddav_url=carddav, caldav_url=caldav), ADDRESS)
    DavAccount(settings("", carddav_url="https://a/con/{user}", caldav_url="https://b/cal/{user}"), ADDRESS).close()
    neither = DavAccount(settings("", carddav_url="", caldav_url=""), ADDRESS)
    assert neither.collections() == []
    with pytest.raises(InvalidInput, match="it would need caldav_url"):
        neither.create_collection("Calendar", kinds.APPOINTMENT)
