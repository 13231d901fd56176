# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Object stores that no backup should be entrusted to: one overwrites what it should not, one lets nobody in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"


class _Overwriting(BaseHTTPRequestHandler):
    """Keeps files, and ignores every condition."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes]

    def do_PUT(self) -> None:
        self.files[self.path] = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(200)

    def do_DELETE(self) -> None:
        self.files.pop(self.path, None)
        self._answer(204)

    def do_GET(self) -> None:
        if "?" in self.path:
            self._answer(501, _ERROR.format(code="NotImplemented").encode())
            return
        content = self.files.get(self.path, b"" if self.path.count("/") == 1 else None)
        if content is None:
            self._answer(404, _ERROR.format(code="NoSuchKey").encode())
            return
        wanted = self.headers.get("Range", "")
        if wanted:
            first, last = map(int, wanted.partition("=")[2].split("-"))
            self._answer(206, content[first:last + 1], f"bytes {first}-{last}/{len(content)}")
        else:
            self._answer(200, content)

    do_HEAD = do_GET

    def _answer(self, status: int, content: bytes = b"", content_range: str = "") -> None:
        self.send_response_only(status)
        if content_range:
            self.send_header("Content-Range", content_range)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Refusing(_Overwriting):
    """Knows no access key."""

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(403, _ERROR.format(code="InvalidAccessKeyId").encode())

    do_GET = do_HEAD = do_PUT = do_DELETE = _refuse


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def overwriting_store() -> AbstractContextManager[str]:
    """Serve a store that ignores If-None-Match; the with statement gives its URL."""
    return _serving(type("Handler", (_Overwriting,), {"files": {}}))


def refusing_store() -> AbstractContextManager[str]:
    """Serve a store that refuses all credentials; the with statement gives its URL."""
    return _serving(_Refusing)
