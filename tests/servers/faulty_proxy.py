# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy before an HTTP server that does to chosen requests what networks and overloaded servers do."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep  # by this name nobody replaces it who has no time to wait for boto3
from typing import Final
from urllib.parse import urlsplit

ERROR_500, SLOW_DOWN = "500", "503"
"""Answered without asking the server."""
DROP = "drop"
"""The connection breaks before the request reaches the server."""
LOSE = "lose"
"""The server carries the request out, and its answer is lost."""
HANG = "hang"
"""No answer comes until the proxy ends, or release is called."""
TRUNCATE = "truncate"
"""The connection breaks in the middle of the answer's body."""
ALTER = "alter"
"""Some bytes of the answer's body are changed."""
FLIP = "flip"
"""One bit of the answer's body is changed, somewhere."""
SHORT = "short"
"""The answer's body lacks its end, and its stated length says so too."""
DRIP = "drip"
"""The answer's body comes in drops."""
MISSING = "missing"
"""404 for a file, whether it is there or not."""
SKEWED, EXPIRED, DENIED = "RequestTimeTooSkewed", "ExpiredToken", "AccessDenied"
"""403: the clocks differ, the credentials have run out, or do not suffice."""
DATED = "dated"
"""The answer's Date is days ahead."""
UNLISTED = "unlisted"
"""A listing lacks one of its entries."""
GHOST = "ghost"
"""A listing has a pack that is not there any more."""
UNCONDITIONAL = "unconditional"
"""The server never hears of If-None-Match."""
KILL_BEFORE, KILL_AFTER = "kill before", "kill after"
"""Who asks is killed (FaultyProxy.kill): before the server hears of the request, or once it has carried it out."""

DRIPS: Final = 8
"""Parts that a body comes in, with DRIP."""
DAYS_AHEAD: Final = 40
"""With DATED."""

_ANSWERED = {
    ERROR_500: (500, "InternalError"), SLOW_DOWN: (503, "SlowDown"), MISSING: (404, "NoSuchKey"),
    SKEWED: (403, SKEWED), EXPIRED: (403, EXPIRED), DENIED: (403, DENIED),
}
_ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
_LISTED = re.compile(rb"<(Contents|CommonPrefixes|Version)>.*?</\1>", re.DOTALL)
_PACK = re.compile(rb"(packs/../[0-9a-f]{63})([0-9a-f])<")

Decide = Callable[[str, str], str]
"""Says from method and path which fault a request meets, empty for none."""


class FaultyProxy:
    """What a test sees of the proxy."""

    def __init__(self, url: str) -> None:
        self.url = ""
        self.target = urlsplit(url).netloc
        self.decide: Decide = lambda method, path: ""
        self.kill: Callable[[], object] = lambda: None
        """What the faults that kill do."""
        self.drip_seconds = 0.1
        """Between two parts of a body, with DRIP."""
        self.turn: AbstractContextManager[object] = contextlib.nullcontext()
        """Held while the server is asked: a lock where it cannot do several things at once."""
        self.chance = random.Random(0)
        self.seen: list[tuple[str, str]] = []
        """Method and path of every request."""
        self.released = threading.Event()

    def first(self, count: int, fault: str, method: str, part: str = "") -> None:
        """Let the next requests of a method, with a part in their path, meet a fault."""
        left = [count]
        lock = threading.Lock()

        def decide(this_method: str, path: str) -> str:
            with lock:
                if this_method == method and part in path and left[0]:
                    left[0] -= 1
                    return fault
            return ""

        self.decide = decide

    def count(self, method: str) -> int:
        """Return how many requests of a method came."""
        return sum(1 for this_method, _unused in self.seen if this_method == method)

    def changed(self, fault: str, content: bytes) -> bytes:
        """Return what becomes of an answer's body."""
        half = len(content) // 2
        if fault == ALTER:
            return content[:half] + bytes(8) + content[half + 8:]
        if fault == FLIP and content:
            altered = bytearray(content)
            altered[self.chance.randrange(len(content))] ^= 1 << self.chance.randrange(8)
            return bytes(altered)
        if fault == SHORT:
            return content[:self.chance.randrange(max(len(content), 1))]
        entries = list(_LISTED.finditer(content))
        if fault == UNLISTED and entries:
            left_out = self.chance.choice(entries)
            return content[:left_out.start()] + content[left_out.end():]
        ghosts = [entry for entry in entries if _PACK.search(entry[0])]
        if fault == GHOST and ghosts:
            model = self.chance.choice(ghosts)
            ghost = _PACK.sub(lambda found: found[1] + (b"1" if found[2] == b"0" else b"0") + b"<", model[0])
            return content[:model.end()] + ghost + content[model.end():]
        return content


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that was killed, or gave up, breaks its connection."""


@contextmanager
def faulty_proxy(url: str) -> Iterator[FaultyProxy]:
    """Stand before a server for as long as the with statement lasts."""
    proxy = FaultyProxy(url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            proxy.seen.append((self.command, self.path))
            fault = proxy.decide(self.command, self.path)
            if fault == KILL_BEFORE:
                proxy.kill()
            if fault in (DROP, HANG, KILL_BEFORE):
                if fault == HANG:
                    proxy.released.wait()
                self.close_connection = True
                return
            if fault in _ANSWERED:
                status, code = _ANSWERED[fault]
                self._answer(status, [("Content-Type", "application/xml")], _ERROR.format(code=code).encode())
                return
            connection = http.client.HTTPConnection(proxy.target, timeout=60)
            dropped = ("expect", "if-none-match") if fault == UNCONDITIONAL else ("expect",)
            headers = {key: value for key, value in self.headers.items() if key.lower() not in dropped}
            try:
                with proxy.turn:
                    connection.request(self.command, self.path, body, headers)
                    answer = connection.getresponse()
                    content = answer.read()
            except (OSError, http.client.HTTPException):  # the server is away
                self.close_connection = True
                return
            finally:
                connection.close()
            if fault == KILL_AFTER:
                proxy.kill()
            if fault in (LOSE, KILL_AFTER):
                self.close_connection = True
                return
            told = answer.getheaders()
            if fault == DATED:
                ahead = email.utils.formatdate(time.time() + DAYS_AHEAD * 86_400, usegmt=True)
                told = [(key, ahead if key.lower() == "date" else value) for key, value in told]
            self._answer(answer.status, told, proxy.changed(fault, content), fault)

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, fault: str = "") -> None:
            self.send_response_only(status)
            length = str(len(content))
            for key, value in headers:
                if key.lower() == "content-length" and self.command == "HEAD":
                    length = value
                elif key.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(key, value)
            self.send_header("Content-Length", length)
            body = b"" if self.command == "HEAD" else content[:len(content) // 2] if fault == TRUNCATE else content
            size = len(body) // DRIPS + 1 if fault == DRIP else max(len(body), 1)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nobody waits for it any more
                self.end_headers()
                for start in range(0, len(body), size):
                    sleep(proxy.drip_seconds if fault == DRIP else 0)
                    self.wfile.write(body[start:start + size])
            self.close_connection = self.close_connection or fault == TRUNCATE

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _pass_on
        do_PROPFIND = do_PROPPATCH = do_REPORT = do_MKCOL = do_MKCALENDAR = do_MOVE = _pass_on

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
