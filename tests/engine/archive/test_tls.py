# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who a store is, is checked before it is told anything."""

from __future__ import annotations

import dataclasses
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotFound, Refused
from servers.mail_server import MailServer


class Store(BaseHTTPRequestHandler):
    """A store that has no file at all."""

    asked: list[str]

    def answer(self) -> None:
        """Answer that there is no such file."""
        self.asked.append(self.path)
        body = b"<Error><Code>NoSuchKey</Code></Error>"
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tuple[S3Settings, list[str], str]]:
    """Settings of a store with a certificate of its own, what it was asked, and the authority to trust."""
    authority = MailServer().offer_tls(tmp_path)
    asked: list[str] = []
    server = HTTPServer(("127.0.0.1", 0), type("Here", (Store,), {"asked": asked, "do_GET": Store.answer}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    settings = S3Settings(
        "mail", endpoint=f"https://127.0.0.1:{server.server_port}", access_key="key", secret_key="secret", attempts=1,
    )
    try:
        yield settings, asked, authority
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_store_whose_certificate_nobody_vouches_for_is_asked_nothing(
    store: tuple[S3Settings, list[str], str]
) -> None:
    settings, asked, _authority = store
    with pytest.raises(Refused, match="its certificate is not trusted.*Give ca_file"):
        S3Archive(settings).get("format.json")
    assert asked == []


def test_an_authority_of_ones_own_can_be_given(store: tuple[S3Settings, list[str], str]) -> None:
    settings, asked, authority = store
    with pytest.raises(NotFound):
        S3Archive(dataclasses.replace(settings, ca_file=authority)).get("format.json")
    assert asked == ["/mail/format.json"]
