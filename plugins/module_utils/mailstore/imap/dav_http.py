# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP with one DAV server for one account: every request ends, whatever is answered, and failures are sentences.

On the standard library's http.client, which lets the whole of an answer be bounded, its headers with it. A library that
is easier to use waits anew for each byte of a server that sends one a minute, unpacks what comes packed, and takes
passwords from ~/.netrc, proxies from the environment and authorities of its own in place of the system's.
"""

from __future__ import annotations

import html
import http
import http.client
import io
import re
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from email.message import Message
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ...model.errors import InvalidInput, NotFound, Refused, RestanteError, Unavailable
from . import dav_xml, tls
from .dav_paths import Origin
from .settings import ImapSettings

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of an answer; a listing of 100 000 resources has half of that."""
_LARGEST_REFUSAL: Final = 64 * 1024
_LARGEST_HEAD: Final = 1024 * 1024
_PIECE: Final = 64 * 1024
_PATIENCE: Final = 10
"""An answer that goes on for so many times the time-out will never end."""
_LONGEST_WAIT: Final = 10.0
"""Seconds that a server that is busy can make us wait before the next attempt."""
_ATTEMPTS: Final = 3
_REDIRECTS: Final = 5
_WORDS: Final = 200

_READING: Final = frozenset(("GET", "HEAD", "PROPFIND", "REPORT"))
_REPEATABLE: Final = _READING | {"PUT", "DELETE"}
"""Twice is as once, where there is no condition, which would be one on what the first time did."""
_MOVED: Final = frozenset((301, 302, 307, 308))
_BROKEN: Final = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError, http.client.IncompleteRead)
_TWICE: Final = ("no-uid-conflict", "unique-scheduling-object-resource")
"""Conditions of RFC 4791 section 5.3.2.1 (and RFC 6352), for a collection, and RFC 6638 section 3.2.4.1, for a home."""
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    path: str
    """Where it came from: not what was asked for where that was a redirect."""
    headers: Message
    content: bytes


class Failed(Unavailable):
    """The server has failed at what it was asked, or ended the connection at it: all else it may well give."""


class _Endless(Exception):
    """An answer is larger, or takes longer, than any that is one."""


class _Bounded(io.RawIOBase):
    """The bytes of one answer, as long as they are not too many and do not take too long."""

    def __init__(self, sock: socket.socket, raw: Any) -> None:
        self._sock = sock
        self._raw = raw
        self._silence = sock.gettimeout() or 1.0
        self._deadline = time.monotonic() + _PATIENCE * self._silence
        self._left = LARGEST + _LARGEST_HEAD

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read on. :raises _Endless: it has been going on for too long."""
        time_left = self._deadline - time.monotonic()
        if time_left <= 0 or self._left < 0:
            raise _Endless
        self._sock.settimeout(min(time_left, self._silence))
        count: int = self._raw.readinto(buffer)
        self._left -= count
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer within bounds, from its first byte on."""

    def __init__(self, sock: socket.socket, *arguments: Any, **keywords: Any) -> None:
        super().__init__(sock, *arguments, **keywords)
        self.fp = io.BufferedReader(_Bounded(sock, self.fp.detach()), _PIECE)


class DavServer:
    """One server, with the credentials for one account. Several threads may use it."""

    def __init__(self, settings: ImapSettings, origin: Origin, account: str, user: str, authorization: str) -> None:
        """Connect to nothing yet.

        :param account: for messages, as is the user. :param authorization: the header with the credentials.
        :raises InvalidInput: ca_file cannot be used.
        """
        self.origin = origin
        self._account = account
        self._user = user
        self._timeout = settings.timeout
        self._idle: deque[http.client.HTTPConnection] = deque()
        self._context: ssl.SSLContext | None = None
        self._headers = {
            "Authorization": authorization,
            "User-Agent": "restante.carbonio",
            # Packing costs more than it saves beside the server, and makes some alter the ETag (Apache's "-gzip").
            "Accept-Encoding": "identity",
        }
        if origin.scheme == "https":
            try:
                self._context = tls.context(settings.ca_file)
            except OSError as error:
                raise InvalidInput(
                    f"The certificates in {settings.ca_file} cannot be read ({error.strerror or error}). Correct "
                    "ca_file of imap."
                ) from error

    def close(self) -> None:
        """Release the connections."""
        while self._idle:
            self._idle.pop().close()

    def ask(
        self, doing: str, method: str, path: str, content: bytes = b"", headers: Mapping[str, str] = _NO_HEADERS
    ) -> Answer:
        """Make a request and return the answer, also one that refuses it; refusal() says what that means.

        A redirect of what reads is followed where it is about the slash at the end; where it leads to, say, a page for
        logging in, what is there is no content of the account. A server that is busy is asked again a little later, and
        so is one that breaks the connection at a request that can be made twice.

        :param doing: what is tried, as a verb: "read". :param path: as normal() writes it.
        :raises Unavailable: no answer, or none that can be read.
        :raises Refused: its certificate is not trusted, or it sends us elsewhere or round in a ring.
        """
        attempts = hops = 0
        asked = path
        while True:
            attempts += 1
            answer = self._exchange(doing, method, path, content, {**self._headers, **headers})
            if answer.status in _MOVED and method in _READING:
                hops += 1
                path = self._moved(answer, doing, asked, hops)
            elif answer.status in (429, 503) and attempts < _ATTEMPTS:
                wait = answer.headers.get("Retry-After", "1" if answer.status == 429 else "").strip()
                if not re.fullmatch("[0-9]{1,9}", wait):
                    return answer
                time.sleep(min(float(wait), _LONGEST_WAIT))
            else:
                return answer

    def _moved(self, answer: Answer, doing: str, asked: str, hops: int) -> str:
        """Return the path that a redirect leads to. :raises Refused: it is not to be followed."""
        what = self._what(doing, asked)
        if hops > _REDIRECTS:
            raise Refused(f"{what}: it redirects round and round. Check the URL of the account's home.")
        location = answer.headers.get("Location", "")
        try:
            path = self.origin.path(location, answer.path)
            if path.rstrip("/") != asked.rstrip("/"):
                raise ValueError("it is another path")
        except ValueError as error:
            raise Refused(
                f"{what}: it redirects to {_one_line(location)!r}, which is not followed: {error}. If that is the home "
                "of the account, correct carddav_url or caldav_url of imap; else see how the server lets one log in."
            ) from error
        return path

    def _exchange(self, doing: str, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Make one request, twice where that does no harm and the connection broke."""
        again = method in _REPEATABLE and not any(name.startswith("If-") for name in headers)
        what = self._what(doing, path)
        while True:
            connection = self._connection()
            try:
                answer, lasting = self._talk(connection, method, path, content, headers)
            except _BROKEN as error:
                connection.close()
                if not again:
                    raise Failed(f"{what}: the connection broke ({_named(error)}). Try again.") from error
                again = False
            except ssl.SSLCertVerificationError as error:
                connection.close()
                raise Refused(
                    f"{what}: its certificate is not trusted ({error.verify_message}). Give ca_file, or correct the "
                    "URL."
                ) from error
            except OSError as error:
                connection.close()
                raise Unavailable(
                    f"{what}: no answer ({_named(error)}). Check the URL, the network and the server."
                ) from error
            except (_Endless, http.client.HTTPException, ValueError, OverflowError, MemoryError) as error:
                connection.close()
                reason = "it is too large, or does not end" if isinstance(error, _Endless) else _named(error)
                raise self.unreadable(doing, path, reason) from error
            else:
                if lasting:
                    self._idle.append(connection)
                else:
                    connection.close()
                return answer

    def _connection(self) -> http.client.HTTPConnection:
        """Return a connection that nobody uses: an idle one that the server has not closed meanwhile, or a new one."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was quicker
                break
            waiting = select.poll()
            waiting.register(connection.sock, select.POLLIN)
            if not waiting.poll(0):
                connection.sock.settimeout(self._timeout)
                return connection
            connection.close()
        host, port = self.origin.host, self.origin.port
        if self._context is None:
            connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
        else:
            connection = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
        connection.response_class = _Response
        return connection

    def _talk(
        self, connection: http.client.HTTPConnection, method: str, path: str, content: bytes, headers: Mapping[str, str]
    ) -> tuple[Answer, bool]:
        """Return the answer to a request, and whether the connection can be used for the next one."""
        sent = True
        try:
            connection.request(method, path, content or None, headers)
        except (BrokenPipeError, ConnectionResetError):
            if connection.sock is None:
                raise
            sent = False  # it may have refused what it did not want to read to the end, and have said so
        with connection.getresponse() as response:
            packed = response.headers.get("Content-Encoding", "identity").strip().lower()
            if packed not in ("", "identity"):
                raise ValueError(f"it is packed as {_one_line(packed)}, for which nobody asked")
            fine = 200 <= response.status < 300
            received = bytearray()
            while piece := response.read(_PIECE):
                received += piece
                if len(received) > (LARGEST if fine else _LARGEST_REFUSAL):
                    if fine:
                        raise _Endless
                    break
            whole = not piece
            if whole and response.length:  # what http.client, given a size to read, does not say
                raise http.client.IncompleteRead(bytes(received[-1:]), response.length)
            answer = Answer(response.status, path, response.headers, bytes(received))
            return answer, sent and whole and not response.will_close

    # -- what went wrong -----------------------------------------------------------------------------------------------

    def unreadable(self, doing: str, path: str, reason: object) -> Failed:
        """Return what it means that an answer cannot be understood."""
        return Failed(
            f"{self._what(doing, path)}: the answer cannot be used: {_one_line(str(reason))}. Try again; check the URL "
            "and the server's log."
        )

    def refusal(self, answer: Answer, doing: str) -> RestanteError:
        """Return what the status of an answer means, with the server's own words."""
        status = answer.status
        what = self._what(doing, answer.path)
        said = f"{status} {_phrase(status)}".strip()
        condition = dav_xml.condition(answer.content)
        words = " ".join(filter(None, (condition, _words(answer.content))))
        if words:
            said += f": {_one_line(words)}"
        if status in (404, 410):
            return NotFound(f"{what}: it is not there ({status}).")
        if status == 401:
            digest = "basic" not in ", ".join(answer.headers.get_all("WWW-Authenticate", ["Basic"])).lower()
            advice = "Let the server take Basic authentication" if digest else (
                "Check the credentials: those of the master user, or what imap has for DAV"
            )
            return Refused(f"{what}: it does not let {self._user} in ({said}). {advice}.")
        if status in (408, 429) or status >= 500 and status not in (501, 505, 507):
            kind = Unavailable if status in (408, 429, 503) else Failed
            return kind(f"{what}: it answers {said}. Try later; look for the reason in the server's log.")
        if 200 <= status < 300:
            return self.unreadable(doing, answer.path, f"no server of CardDAV or CalDAV gives this one, {said}")
        if condition in _TWICE:
            return Refused(
                f"{what}: the server takes a UID once, and something else of the account has this one ({said}). Remove "
                "that, or leave this out."
            )
        advice = {
            403: "" if condition not in ("", "need-privileges") else f"Check the rights of {self._user}",
            412: "It was changed, removed or created meanwhile; read it again",
            413: "Raise the largest size that the server takes",
            507: "Raise the account's quota, or make room on the server",
        }.get(status) or "Look for the reason in the server's log"
        return Refused(f"{what}: it answers {said}. {advice}.")

    def _what(self, doing: str, path: str) -> str:
        return f"Cannot {doing} {path} of {self._account} at {self.origin}"


def _named(error: BaseException) -> str:
    """Return what an error is called, and says, on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return _one_line(text) or type(error).__name__


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


def _words(content: bytes) -> str:
    """Return the text of a page that tells of an error."""
    text = re.sub(r"(?is)<(script|style|title)\b.*?</\1\s*>", " ", content[:4096].decode("utf-8", "replace"))
    return html.unescape(re.sub(r"<[^>]*>?", " ", text))


def _one_line(text: str) -> str:
    """Return a stranger's text on one line, without what is not printable, shortened."""
    plain = " ".join("".join(one if one.isprintable() else " " for one in text[:4096]).split())
    return plain if len(plain) <= _WORDS else plain[:_WORDS - 3] + "..."
