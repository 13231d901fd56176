# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Sieve scripts of one account, by ManageSieve (RFC 5804).

Scripts go and come byte for byte, which the libraries for this protocol do not do: they make text of them.
"""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Final, NamedTuple

from ...model.errors import InvalidInput, NotFound, Refused, Unavailable
from . import tls
from .settings import SEPARATED, STARTTLS, TLS, ImapSettings, login_name

_MOST: Final = 16 * 1024 * 1024
"""Bytes of one answer. No server takes a script that is nearly as long."""
_LITERAL: Final = re.compile(rb"\{(\d+)\+?\}\r?\n$")
_STRING: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)


class Script(NamedTuple):
    """A script of an account."""

    name: str
    active: bool
    """Whether it is the one that is carried out."""


class Scripts:
    """A connection. Refused where the server says no, with its words; Unavailable where it does not answer."""

    def __init__(self, settings: ImapSettings, address: str) -> None:
        """Log in as an account."""
        self._server = f"The ManageSieve server {settings.sieve_host or settings.host}:{settings.sieve_port}"
        self._address = address
        self._settings = settings
        self._exclusive = False
        """Whether the server lets an account have one connection at a time, and others wait for its end (Cyrus)."""
        self._resting = False
        self._connect()

    def _connect(self) -> None:
        settings = self._settings
        with self._asking():
            self._socket: socket.socket = socket.create_connection(
                (settings.sieve_host or settings.host, settings.sieve_port), settings.timeout
            )
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._greet(settings)
            self._log_in(settings)
        except BaseException:
            self.close()
            raise

    def rest(self) -> None:
        """Let others have their turn; the next command opens the connection again where it has to be ended for that."""
        if self._exclusive and not self._resting:
            self.close()
            self._resting = True

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # what reads from it keeps it open else
        self._socket.close()

    def scripts(self) -> list[Script]:
        """Return the scripts that there are."""
        return [
            Script(_text(strings[0]), line.rstrip().upper().endswith(b"ACTIVE"))
            for line, strings in self._command(b"LISTSCRIPTS") if strings
        ]

    def get(self, name: str) -> bytes:
        """Return a script. :raises NotFound: there is none of this name."""
        try:
            answer = self._command(b"GETSCRIPT " + _quoted(name))
        except Refused as error:
            raise NotFound(str(error)) from error
        return answer[0][1][0] if answer and answer[0][1] else b""

    def put(self, name: str, content: bytes) -> None:
        """Store a script under a name, which it may have already. :raises Refused: the server cannot read it."""
        self._command(b"PUTSCRIPT " + _quoted(name) + b" {%d+}\r\n" % len(content) + content)

    def activate(self, name: str) -> None:
        """Let a script be the one that is carried out; none where the name is empty."""
        self._command(b"SETACTIVE " + _quoted(name))

    def delete(self, name: str) -> None:
        """Delete a script, also the active one."""
        if any(script == Script(name, True) for script in self.scripts()):
            self.activate("")
        self._command(b"DELETESCRIPT " + _quoted(name))

    # -- how the server is asked -----------------------------------------------------------------------------------

    def _greet(self, settings: ImapSettings) -> None:
        with self._asking():
            context = tls.context(settings.ca_file)
            host = settings.sieve_host or settings.host
            if settings.sieve_security == TLS:
                self._socket = context.wrap_socket(self._socket, server_hostname=host)
            self._file = self._socket.makefile("rb")
            self._exclusive = any(b'"Cyrus ' in line for line, _strings in self._answer())
        if settings.sieve_security == STARTTLS:
            self._command(b"STARTTLS")
            with self._asking():
                self._socket = context.wrap_socket(self._socket, server_hostname=host)
                self._file = self._socket.makefile("rb")
                self._answer()

    def _log_in(self, settings: ImapSettings) -> None:
        name = login_name(settings, self._address)
        who, authorised = settings.master_user, name
        if settings.impersonation == SEPARATED and settings.separator not in name:
            who, authorised = f"{name}{settings.separator}{settings.master_user}", ""
        response = base64.b64encode(f"{authorised}\0{who}\0{settings.master_password}".encode())
        try:
            self._command(b'AUTHENTICATE "PLAIN" "' + response + b'"')
        except Refused as error:
            raise Refused(
                f"{self._server} does not let the master user {settings.master_user} in as {name}. Check that the "
                "account is there, and the imap settings; or set sieve_port to 0 to leave filters out."
            ) from error

    def _command(self, line: bytes) -> list[tuple[bytes, list[bytes]]]:
        """Give a command; return the lines of its answer, and the strings in each."""
        if self._resting:
            self._resting = False
            self._connect()
        with self._asking():
            self._socket.sendall(line + b"\r\n")
            return self._answer()

    def _answer(self) -> list[tuple[bytes, list[bytes]]]:
        lines: list[tuple[bytes, list[bytes]]] = []
        left = _MOST
        while True:
            strings: list[bytes] = []
            rest = b""
            while True:
                part = self._file.readline(left + 1)
                left -= len(part)
                if left < 0:
                    raise ValueError("an answer without an end")
                if not part.endswith(b"\n"):
                    raise EOFError("the connection was ended")
                literal = _LITERAL.search(part)
                rest += part[:literal.start()] if literal else part
                strings += [re.sub(rb"\\(.)", rb"\1", one, flags=re.DOTALL) for one in _STRING.findall(part)]
                if literal is None:
                    break
                size = int(literal[1])
                left -= size
                if left < 0:
                    raise ValueError("an answer that is too long")
                strings.append(self._file.read(size))
                if len(strings[-1]) != size:
                    raise EOFError("the connection was ended")
            word = rest.split(b" ", 1)[0].strip().upper()
            if word == b"OK":
                return lines
            if word in (b"NO", b"BYE"):
                said = " ".join(_text(strings[-1]).split())[:500] if strings else "it gives no reason"
                raise Refused(f"{self._server} refused it for {self._address}: {said}")
            lines.append((rest, strings))

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise InvalidInput(
                f"{self._server} cannot prove who it is ({error.verify_message}); set ca_file to the authority that "
                "signed its certificate."
            ) from error
        except (OSError, EOFError) as error:
            raise Unavailable(
                f"{self._server} does not answer ({error}); check that it runs, or set sieve_port to 0 where there is "
                "none."
            ) from error
        except ValueError as error:
            raise Unavailable(f"{self._server} answers in words that are none of ManageSieve ({error}).") from error


def _quoted(text: str) -> bytes:
    """Return a string as the protocol writes it. :raises InvalidInput: no script can be called so."""
    if "\0" in text or "\r" in text or "\n" in text:
        raise InvalidInput(f"No script can be called {text!r}; rename it.")
    return b'"' + text.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _text(word: bytes) -> str:
    return word.decode("utf-8", "replace")
