# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What bounds a restore to a mail server and a scan of it: a bare client of IMAP that knows nothing of a backup."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import main
from .loops import divided

AT_ONCE = 1000
"""Messages to a MULTIAPPEND: what was found best."""
_COUNT = re.compile(rb"\* (\d+) EXISTS")
_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")


class Connection:
    """A connection over TLS, logged in as an account with the master user's password."""

    def __init__(self, server: Mapping[str, Any], address: str) -> None:
        context = ssl.create_default_context(cafile=server["ca_file"])
        plain = socket.create_connection((server["host"], server["port"]))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain, server_hostname=server["host"])
        self._answers = self._socket.makefile("rb")
        self._answers.readline()
        who = f"{address}*{server['master_user']}"
        said = base64.b64encode(f"\0{who}\0{server['master_password']}".encode()).decode()
        self.ask(f"AUTHENTICATE PLAIN {said}")

    def ask(self, command: str) -> bytes:
        """Give a command; return all that the server says to it, without what is in literals."""
        self.send([f"a {command}\r\n".encode()])
        return b"".join(self.answer())

    def send(self, parts: Iterable[bytes]) -> None:
        """Send without waiting for anything."""
        self._socket.sendall(b"".join(parts))

    def answer(self) -> Iterator[bytes]:
        """Yield the lines of the answer to a command. Literals are read, and gone."""
        while True:
            line = self._answers.readline()
            if line.startswith(b"a "):
                if not line.startswith(b"a OK"):
                    raise SystemExit(f"the mail server says {line!r}")
                return
            yield line
            literal = _LITERAL.search(line)
            if literal:
                self._answers.read(int(literal[1]))

    def append(self, contents: Iterable[bytes]) -> None:
        """Put messages into the INBOX, as read, all at once."""
        parts = [b"a APPEND INBOX"]
        for content in contents:
            parts += [b" (\\Seen) {%d+}\r\n" % len(content), content]
        self.send([*parts, b"\r\n"])
        list(self.answer())

    def close(self) -> None:
        """Log out."""
        self.ask("LOGOUT")
        self._socket.close()


def append(server: str, tree: str, connections: str) -> Mapping[str, Any]:
    """Put the messages of a tree of folders into the INBOX of the account of each folder's name, as read.

    That by MULTIAPPEND (RFC 3502), with literals that nobody waits for (RFC 7888).

    :param server: a file with how it is reached, as JSON. :param connections: processes, of one connection each.
    """
    def work(folders: Sequence[Path]) -> None:
        for folder in folders:
            connection = Connection(settings_of(server), folder.name)
            files = sorted(folder / name for name in os.listdir(folder))
            for start in range(0, len(files), AT_ONCE):
                connection.append(file.read_bytes() for file in files[start:start + AT_ONCE])
            connection.close()

    divided(sorted(Path(tree).iterdir()), int(connections), work)
    return {}


def fetch(server: str, connections: str) -> Mapping[str, Any]:
    """Fetch all that is in the INBOX of every account, and hold nothing of it."""
    def work(addresses: Sequence[str]) -> None:
        for address in addresses:
            connection = Connection(settings_of(server), address)
            connection.ask("EXAMINE INBOX")
            connection.ask("UID FETCH 1:* (UID FLAGS INTERNALDATE X-GUID BODY.PEEK[])")
            connection.close()

    divided(accounts_of(server), int(connections), work)
    return {}


def look(server: str, connections: str) -> Mapping[str, Any]:
    """Ask for every account how its mailboxes stand (RFC 5819)."""
    def work(addresses: Sequence[str]) -> None:
        for address in addresses:
            connection = Connection(settings_of(server), address)
            connection.ask('LIST "" * RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ))')
            connection.close()

    divided(accounts_of(server), int(connections), work)
    return {}


def count(server: str) -> Mapping[str, Any]:
    """Count the messages in the INBOX of all accounts."""
    found = 0
    for address in accounts_of(server):
        connection = Connection(settings_of(server), address)
        found += int(_COUNT.findall(connection.ask("EXAMINE INBOX"))[0])
        connection.close()
    return {"messages": found}


def settings_of(server: str) -> Mapping[str, Any]:
    """Return how a mail server is reached. :param server: a file that says it."""
    settings: Mapping[str, Any] = json.loads(Path(server).read_bytes())
    return settings


def accounts_of(server: str) -> Sequence[str]:
    """Return the addresses of all accounts of a mail server."""
    return Path(settings_of(server)["accounts_file"]).read_text(encoding="utf-8").split()


if __name__ == "__main__":
    main(append, fetch, look, count)
