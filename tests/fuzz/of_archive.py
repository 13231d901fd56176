# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an object store answers: listings, objects, errors, and the names of objects."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits
from ansible_collections.restante.carbonio.plugins.module_utils.restore.retrieve import find_servers

from . import mutate
from .harness import Call, Target

_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
_LISTING: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
    b"<Prefix>p/</Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>"
    b"<Contents><Key>p/commits/00000000000000000001.json</Key><LastModified>2026-03-28T09:29:49.000Z</LastModified>"
    b'<ETag>"abc"</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>'
    b"<Contents><Key>p/packs/ab/%c3%a4</Key><LastModified>2026-03-28T09:29:49.000Z</LastModified><Size>7</Size></Contents>"
    b"<CommonPrefixes><Prefix>p/server/</Prefix></CommonPrefixes></ListBucketResult>"
)
_ERROR: Final = (
    b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>no</Message><RequestId>1</RequestId></Error>'
)
_ENTITIES: Final = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "'
    + b"x" * 50
    + b'">'
    + b"".join(b'<!ENTITY %c "%b">' % (98 + number, b"&%c;" % (97 + number) * 10) for number in range(9))
    + b"]><ListBucketResult><Name>&j;</Name></ListBucketResult>"
)


def answers() -> list[bytes]:
    """Return whole answers, heads and bodies."""
    body = commits.encode_format(commits.FormatInfo("r", "s", 5))
    return [
        *(_HEAD % len(one) + one for one in (_LISTING, body, b"", _ENTITIES)),
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/100\r\nContent-Length: 10\r\n"
        b"Connection: close\r\n\r\n0123456789",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_ERROR), _ERROR),
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nx-amz-bucket-region: eu\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n"
        b"Connection: close\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nLast-Modified: Sat, 28 Mar 2026 09:29:49 GMT\r\nContent-Length: 12\r\n"
        b'ETag: "a"\r\nConnection: close\r\n\r\n',
        b"HTTP/1.1 200 OK\r\nLast-Modified: Sat, 28 Mar 18446744073709551616 09:29:49 GMT\r\nContent-Length: 0\r\n"
        b"Connection: close\r\n\r\n",
    ]


def _answer(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Change an answer's head or its body; in half of all the length is right."""
    head, _empty, body = data.partition(b"\r\n\r\n")
    if chance.random() < 0.7:
        body = mutate.octets(chance, body, [seed.partition(b"\r\n\r\n")[2] for seed in seeds])[:200_000]
    else:
        head = mutate.lines(chance, head, [head])[:100_000]
    if chance.random() < 0.5:
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
        length = len(body) if chance.random() < 0.8 else chance.choice(mutate.NUMBERS[:-1])
        head = b"\r\n".join((*lines, b"Content-Length: %d" % length))
    return head + b"\r\n\r\n" + body


class _Store:
    """An object store that answers every request with the same bytes, and then hangs up."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.answer = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection = self._socket.accept()[0]
            with contextlib.suppress(OSError), connection:
                connection.settimeout(5)
                received = b""
                while b"\r\n\r\n" not in received:
                    more = connection.recv(65536)
                    if not more:
                        break
                    received += more
                connection.sendall(self.answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):  # or what was not read would cut the answer short
                    pass


def _asked(_scratch: Path) -> Call:
    """Whatever a store answers, each question has an answer or an error of ours."""
    store = _Store()
    archive = S3Archive(
        S3Settings(
            "b",
            "p",
            "r",
            store.url,
            "key",
            "secret",
            attempts=1,
            connect_timeout=5,
            read_timeout=5,
            connections=1,
        )
    )
    questions = (
        lambda: archive.get("format.json"),
        lambda: archive.get_range("packs/ab/x", 3, 5),
        lambda: archive.size("a"),
        lambda: archive.stored_at("a"),
        lambda: list(archive.list("commits/")),
        archive.folders,
        lambda: find_servers(archive),
        lambda: archive.put("a", b"x"),
        lambda: archive.put_new("a", b"x"),
        lambda: archive.delete("a"),
        lambda: archive.erase("a"),
    )

    def read(data: bytes) -> None:
        store.answer = data
        questions[sum(data) % len(questions)]()

    return read


TARGETS: Final = (Target("answer of an object store", answers, _asked, _answer, seconds=30),)
