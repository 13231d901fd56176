# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS to a mail server: an answer in several small pieces comes as fast as one in a single piece."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap import tls
from servers.ports import HOST

from tests.servers import daemon

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="of Linux alone")
PIECES = (b"one ", b"two ", b"three\n")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """A server that answers each line in pieces, as its system lets it; its port and its authority."""
    certificate = daemon.certify(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        with contextlib.suppress(OSError), context.wrap_socket(listener.accept()[0], server_side=True) as client:
            while client.recv(100):
                for piece in PIECES:
                    client.sendall(piece)

    server = threading.Thread(target=serve)
    server.start()
    yield listener.getsockname()[1], str(certificate.authority)
    server.join()
    listener.close()


def test_a_server_does_not_wait_for_what_is_acknowledged(server: tuple[int, str]) -> None:
    port, authority = server
    took = []
    with socket.create_connection((HOST, port)) as plain:
        with tls.context(authority).wrap_socket(plain, server_hostname=HOST) as connection:
            answers = connection.makefile("rb")
            for _unused in range(20):
                began = time.monotonic()
                connection.sendall(b"?\n")
                assert answers.readline() == b"".join(PIECES)
                took.append(time.monotonic() - began)
            answers.close()
    assert sorted(took)[10] < 0.03, "it takes 40 ms where nobody acknowledges before"
