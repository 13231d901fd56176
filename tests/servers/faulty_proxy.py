# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy before an HTTP server that does to chosen requests what networks and overloaded servers do."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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

Decide = Callable[[str, str], str]
"""Says from method and path which fault a request meets, empty for none."""


class FaultyProxy:
    """What a test sees of the proxy."""

    def __init__(self, url: str) -> None:
        self.url = ""
        self.target = urlsplit(url).netloc
        self.decide: Decide = lambda method, path: ""
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
            if fault in (DROP, HANG):
                if fault == HANG:
                    proxy.released.wait()
                self.close_connection = True
                return
            if fault in (ERROR_500, SLOW_DOWN):
                self._answer(int(fault), [], b"")
                return
            connection = http.client.HTTPConnection(proxy.target, timeout=60)
            headers = {key: value for key, value in self.headers.items() if key.lower() != "expect"}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if fault == LOSE:
                self.close_connection = True
                return
            if fault == ALTER:
                content = content[: len(content) // 2] + bytes(8) + content[len(content) // 2 + 8:]
            self._answer(answer.status, answer.getheaders(), content, cut=fault == TRUNCATE)

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, cut: bool = False) -> None:
            self.send_response_only(status)
            length = str(len(content))
            for key, value in headers:
                if key.lower() == "content-length" and self.command == "HEAD":
                    length = value
                elif key.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(key, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[: len(content) // 2] if cut else content)
            self.close_connection = self.close_connection or cut

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _pass_on

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
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
