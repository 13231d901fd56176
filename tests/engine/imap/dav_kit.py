# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers of CardDAV and CalDAV: two real ones, and one that answers whatever a test wants."""

from __future__ import annotations

import base64
import contextlib
import shutil
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import ImapSettings
from servers.ports import HOST

from tests.servers import cyrus as cyrus_server
from tests.servers import daemon
from tests.servers import radicale as radicale_server

ADDRESS = "anna+dav@example.com"
TOKEN_KEY = base64.b64encode(b"a key that Cyrus believes, 32 long").decode()


def settings(url: str, **changes: Any) -> ImapSettings:
    """Return how the engine gets to a DAV server with address books and calendars in one home."""
    return ImapSettings(**{
        "host": "unused", "master_user": "master", "master_password": "password-of-the-master", "accounts_file": "/-",
        "timeout": 20, "carddav_url": f"{url}/{{user}}/", "caldav_url": f"{url}/{{user}}/", **changes,
    })


# -- real servers ------------------------------------------------------------------------------------------------------

@contextmanager
def radicale() -> Iterator[ImapSettings]:
    """Run Radicale, which knows ADDRESS."""
    with radicale_server.radicale() as server:
        server.add_account(ADDRESS)
        yield settings(server.url, **server.settings())


@contextmanager
def cyrus() -> Iterator[ImapSettings]:
    """Run Cyrus, which knows ADDRESS, and believes tokens: nobody gets into another's home there by a password."""
    keys = Path(tempfile.mkdtemp(prefix="keys-"))
    try:
        keys.chmod(0o755)  # for the server's user
        (keys / "engine.pem").write_text(f"-----BEGIN HMAC KEY-----\n{TOKEN_KEY}\n-----END HMAC KEY-----\n")
        with cyrus_server.cyrus(f"http_jwt_key_dir: {keys}\n") as server:
            server.add_account(ADDRESS)
            yield server.settings(dav_token_key=TOKEN_KEY, timeout=20)
    finally:
        shutil.rmtree(keys)


# -- a server that answers whatever a test wants -----------------------------------------------------------------------

class Request(NamedTuple):
    """What was asked."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes


Answering = Callable[[Request], "bytes | Iterator[bytes]"]


class Scripted:
    """A server that sends what a function makes of each request, byte for byte; None hangs up."""

    def __init__(self, answering: Answering, certificate: daemon.Certificate | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.sent = 0
        """Bytes that the client has taken."""
        self._answering = answering
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate.certificate, certificate.key)
        self._listener = socket.create_server((HOST, 0))
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://{HOST}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _peer = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(connection.close)
            if self._context:
                connection = stack.enter_context(self._context.wrap_socket(connection, server_side=True))
            stream = stack.enter_context(connection.makefile("rb"))
            while line := stream.readline().decode("latin-1"):
                method, path, _version = line.split()
                headers = {}
                for header in iter(lambda: stream.readline().decode("latin-1").strip(), ""):
                    key, _colon, value = header.partition(":")
                    headers[key.title()] = value.strip()
                request = Request(method, path, headers, b"")
                if "X-Unread" not in path:
                    request = request._replace(content=stream.read(int(headers.get("Content-Length", 0))))
                self.requests.append(request)
                answer = self._answering(request)
                if not answer:
                    return
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    connection.sendall(piece)
                    self.sent += len(piece)


@contextmanager
def scripted(answering: Answering, certificate: daemon.Certificate | None = None) -> Iterator[Scripted]:
    """Serve for as long as the with statement lasts."""
    server = Scripted(answering, certificate)
    try:
        yield server
    finally:
        server.close()


def answer(status: int, content: bytes = b"", **headers: str) -> bytes:
    """Return the bytes of an answer."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
    lines += [f"{key.replace('_', '-')}: {value}" for key, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def multistatus(inner: str) -> bytes:
    """Return an answer about several resources; D is the namespace of WebDAV in it."""
    xml = f'<?xml version="1.0" encoding="utf-8"?><D:multistatus xmlns:D="DAV:">{inner}</D:multistatus>'
    return answer(207, xml.encode(), Content_Type="application/xml; charset=utf-8")


def listed(href: str, etag: str = '"1"') -> str:
    """Return what a listing says of a resource."""
    return (
        f"<D:response><D:href>{href}</D:href><D:propstat><D:prop><D:getetag>{etag}</D:getetag></D:prop>"
        "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
    )


def gone(href: str, status: int = 404) -> str:
    """Return what a report says of a resource that is not there."""
    return f"<D:response><D:href>{href}</D:href><D:status>HTTP/1.1 {status} x</D:status></D:response>"
