# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user sees of a mailbox: a mail program of Python's imaplib and smtplib, which the engine does not use."""

from __future__ import annotations

import imaplib
import re
import smtplib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

SENDER = "sender@elsewhere.example"


class MailServer(Protocol):
    """Where mail is read and delivered."""

    host: str
    imap_port: int
    lmtp_port: int


class Seen(NamedTuple):
    """A message as a mail program shows it."""

    content: bytes
    flags: tuple[str, ...]
    """Sorted, without \\Recent, which says something of the connection."""
    date: str
    """INTERNALDATE as the server writes it."""


Mailbox = Mapping[str, Sequence[Seen]]
"""Messages, sorted, by the folder's name as it is written in IMAP: a restore begins with the newest ones."""


@contextmanager
def logged_in(server: MailServer, address: str, password: str) -> Iterator[imaplib.IMAP4]:
    """Log in with a user's own password. :raises imaplib.IMAP4.error: the server says no."""
    with imaplib.IMAP4(server.host, server.imap_port) as connection:
        connection.authenticate("PLAIN", lambda _: f"\0{address}\0{password}".encode())
        yield connection


def look(server: MailServer, address: str, password: str) -> Mailbox:
    """Return all that a user has."""
    with logged_in(server, address, password) as connection:
        return {folder: _messages(connection, folder) for folder in folders(connection)}


def folders(connection: imaplib.IMAP4, command: str = "LIST") -> list[str]:
    """Return the names of the user's own folders. :param command: LSUB for those that are subscribed to."""
    lines = _ok(getattr(connection, command.lower())('""', "*"))
    found = [_listed(line) for line in lines if line]
    return sorted(name for attributes, name in found if "\\noselect" not in attributes.lower())


def quoted(folder: str) -> str:
    """Return the name of a folder as an argument."""
    return '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'


def deliver(server: MailServer, address: str, *messages: bytes) -> None:
    """Let mail arrive as from the Internet. The server puts lines of its own before it."""
    with smtplib.LMTP(server.host, server.lmtp_port) as client:
        for message in messages:
            if client.sendmail(SENDER, [address], message):
                raise RuntimeError(f"{address} was refused")


def contents(connection: imaplib.IMAP4, folder: str) -> list[bytes]:
    """Return what the messages of a folder hold."""
    return [seen.content for seen in _messages(connection, folder)]


def _messages(connection: imaplib.IMAP4, folder: str) -> list[Seen]:
    [count] = _ok(connection.select(quoted(folder), readonly=True))
    if not int(count):
        return []
    seen: list[Seen] = []
    told = b""
    for part in _ok(connection.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")):
        if isinstance(part, tuple):
            told, content = part[0], part[1]
            continue
        flags, date = (_found(pattern, told + part) for pattern in (rb"FLAGS \(([^)]*)\)", rb'INTERNALDATE "([^"]*)"'))
        seen.append(Seen(content, tuple(sorted({*flags.split()} - {"\\Recent"})), date))
    return sorted(seen)


def _listed(line: bytes | tuple[bytes, bytes]) -> tuple[str, str]:
    """Return the attributes and the name of what LIST has answered; an odd name comes as a literal."""
    text, literal = line if isinstance(line, tuple) else (line, b"")
    found = re.match(r'\((.*?)\) (?:"(?:\\.|[^"])*"|NIL) (.*)', text.decode(), re.DOTALL)
    assert found, line
    attributes, name = found.groups()
    if literal:
        return attributes, literal.decode()
    return attributes, re.sub(r"\\(.)", r"\1", name[1:-1]) if name.startswith('"') else name


def _found(pattern: bytes, text: bytes) -> str:
    found = re.search(pattern, text)
    assert found, text
    return found[1].decode()


def _ok(answer: tuple[str, list[Any]]) -> list[Any]:
    status, data = answer
    if status != "OK":
        raise RuntimeError(f"{status}: {data}")
    return data
