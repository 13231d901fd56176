# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One connection on which an IMAP server tells, by itself, that something has happened in an account.

With NOTIFY (RFC 5465) it tells of all mailboxes. With IDLE (RFC 2177) it tells of the INBOX, and how the others stand
is asked for every some seconds, as everything is where it can do neither. Nobody needs to know here what has happened,
only that something has: so what the server says is not parsed.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from typing import Final

from ...model.errors import NotFound, Unavailable
from .session import Session
from .settings import ImapSettings

NOTIFY: Final = "NOTIFY"
IDLE: Final = "IDLE"
ASKING: Final = "asking"

_WANTED: Final = b"NOTIFY SET (personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))"
_SILENT: Final = (b"* OK", b"* NO", b"* BAD", b"+")
"""What lines begin with that tell of no mailbox, such as "still here"."""
_CHUNK: Final = 65536
_MOST: Final = 16
"""Chunks that are read at once, so that a server that never ends cannot keep anybody from the others."""


class Watch:
    """Watches one account. A server that ends the connection, or does not answer, raises Unavailable; close it then."""

    def __init__(
        self, settings: ImapSettings, address: str, ask_every: float, keep_every: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Log in, and have the server tell what happens from now on.

        :param ask_every: seconds between two looks at what the server does not tell of.
        :param keep_every: seconds after which a connection that is silent is used once, so that nobody cuts it.
        """
        self._clock = clock
        self._server = f"The mail server {settings.host}:{settings.port}"
        self._address = address
        self._timeout = settings.timeout
        self._tag = 0
        self._open = b""
        """The tag of a command whose end has not come."""
        self._line = b""
        """What has come of a line that has no end yet."""
        self._told = False
        self._session = Session(settings, address)
        try:
            self.socket: socket.socket = self._session.socket
            self.way = self._begin()
        except BaseException:
            self.close()
            raise
        self._every = keep_every if self.way == NOTIFY else ask_every
        self._due = clock() + self._every

    def _begin(self) -> str:
        if self._session.supports("NOTIFY"):
            self._send(_WANTED)
            if self._wait().split(b" ")[1:2] == [b"OK"]:
                return NOTIFY
        way = IDLE if self._session.supports("IDLE") else ASKING
        if way == IDLE:
            try:
                self._session.select(b"INBOX")
            except NotFound:
                way = ASKING
        self._standing = self._session.mailboxes()
        if way == IDLE and not self._idle():
            way = ASKING
        return way

    def close(self) -> None:
        """End the connection."""
        self._session.close()

    @property
    def pending(self) -> bool:
        """Whether something has come that the operating system knows nothing of."""
        return isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0

    @property
    def is_due(self) -> bool:
        """Whether tend() has something to do."""
        return self._clock() >= self._due

    def heard(self) -> bool:
        """Return whether the server has told of anything since this was called before; at once."""
        for line in self._lines():
            self._take(line)
        told, self._told = self._told, False
        return told

    def tend(self) -> None:
        """Ask for what the server does not tell of, and keep the connection."""
        self._due = self._clock() + self._every
        if self.way == NOTIFY:
            # The answer is read with whatever else comes, so that nobody waits for it; until the next time it has to.
            if self._open:
                raise self._silent()
            self._send(b"NOOP")
            return
        if self.way == IDLE:
            self._transmit(b"DONE\r\n")
            self._wait()
        before, self._standing = self._standing, self._session.mailboxes()
        self._told = self._told or self._standing != before
        if self.way == IDLE and not self._idle():
            self.way = ASKING

    # -- on the wire -----------------------------------------------------------------------------------------------

    def _idle(self) -> bool:
        """Begin to idle; return whether the server does."""
        self._send(b"IDLE")
        return self._wait().startswith(b"+")

    def _send(self, command: bytes) -> None:
        self._tag += 1
        self._open = b"W%d" % self._tag
        self._transmit(self._open + b" " + command + b"\r\n")

    def _transmit(self, words: bytes) -> None:
        try:
            self.socket.sendall(words)
        except OSError as error:
            raise self._ended(error) from error

    def _wait(self) -> bytes:
        """Wait for the answer to a command, and take what comes before and after it; return the answer."""
        end = self._clock() + self._timeout
        answer = b""
        while not answer:
            if self._clock() > end:
                raise self._silent()
            for line in self._lines(wait=True):
                if line.startswith((b"+", self._open + b" ")):
                    answer = line
                self._take(line)
        return answer

    def _take(self, line: bytes) -> None:
        """Note what a line tells. :raises Unavailable: that the server tells nothing any more."""
        upper = line[:80].upper()
        if upper.startswith(b"* BYE") or b"[NOTIFICATIONOVERFLOW]" in upper:
            raise Unavailable(f"{self._server} no longer tells what happens to {self._address}; it is asked again.")
        if self._open and line.startswith(self._open + b" "):
            self._open = b""
        elif not upper.startswith(_SILENT):
            self._told = True

    def _lines(self, wait: bool = False) -> list[bytes]:
        """Return the lines that have come. :param wait: for some, as long as a server may take to answer."""
        parts = [self._line]
        try:
            if wait:
                parts.append(self._received())
            self.socket.settimeout(0)
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
                for _unused in range(_MOST):
                    parts.append(self._received())
        except OSError as error:
            raise self._ended(error) from error
        finally:
            with contextlib.suppress(OSError):
                self.socket.settimeout(self._timeout)
        *lines, self._line = b"".join(parts).split(b"\n")
        if len(self._line) > _MOST * _CHUNK:
            raise Unavailable(f"{self._server} answers in words that are none of IMAP ({self._address}).")
        return lines

    def _received(self) -> bytes:
        found = self.socket.recv(_CHUNK)
        if not found:
            raise ConnectionResetError("it ended the connection")
        return found

    def _ended(self, error: OSError) -> Unavailable:
        return Unavailable(f"{self._server} does not tell any more what happens to {self._address} ({error}).")

    def _silent(self) -> Unavailable:
        return Unavailable(f"{self._server} does not answer ({self._address}); check that it runs.")
