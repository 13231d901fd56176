# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to an IMAP server, logged in as one account: how it is asked, and what becomes of its failures."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ...model.errors import InvalidInput, Refused, Unavailable
from . import library, tls
from .settings import SEPARATED, STARTTLS, TLS, ImapSettings, login_name
from .syntax import astring, inbox, joined, octets, said_by

_LONGEST_LINE: Final = 64 * 1024 * 1024
"""The UIDs of a mailbox are one line."""
_LARGEST: Final = 1 << 30
"""No mail server takes a message that is larger."""
_LONGEST_ANSWER: Final = _LARGEST + (1 << 28)
"""What comes for one command: the largest message, or what a server says of millions of them."""
_LATER: Final = re.compile(r"\[(?:UNAVAILABLE|INUSE|LIMIT)\b", re.IGNORECASE)
"""Says that it is not about who wants to log in (RFC 5530, RFC 9051)."""
_TELLS: Final = re.compile(rb"\* (?:OK|NO|BAD|BYE|PREAUTH) ", re.IGNORECASE)
_ENDS: Final = (EOFError, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)
_REOPENED: Final = 2000
"""How often a connection is opened again, for a mailbox with that many messages that cannot be read."""


class Ended(Unavailable):
    """The server has ended the connection, maybe at what it was asked for."""


class Connection:
    """A connection. A server that says no raises Refused; one that does not answer, or ends the connection,
    Unavailable, and then the session is of no more use."""

    def __init__(self, settings: ImapSettings, address: str) -> None:
        """Log in as an account. :raises InvalidInput: the library is not there, or the master user is not let in."""
        if library.MISSING:
            raise InvalidInput("The Python library IMAPClient is missing on this node; install python3-imapclient.")
        self.address = address
        self.server = f"The mail server {settings.host}:{settings.port}"
        self._settings = settings
        self._reopened = 0
        self._connect()

    def _connect(self) -> None:
        settings, address = self._settings, self.address
        self._left = _LONGEST_ANSWER
        """Bytes that may still come for the command that was given."""
        with self._asking(f"opening {address}"):
            context = tls.context(settings.ca_file)
            self._client: Any = library.imapclient.IMAPClient(
                settings.host, settings.port, ssl=settings.security == TLS, ssl_context=context,
                timeout=settings.timeout,
            )
            self._client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client._imap.readline, self._client._imap.read = self._readline, self._read
            self._client.folder_encode = False
            self._client.normalise_times = False
        try:
            with self._asking(f"opening {address}"):
                if settings.security == STARTTLS:
                    self._client.starttls(context)
            self._log_in(settings)
            with self._asking(f"opening {address}"):
                self._capabilities = frozenset(
                    word.decode("latin-1").upper() for word in self._client.capabilities()
                )
                if self.supports("QRESYNC"):
                    self._client.enable("QRESYNC")
                elif self.supports("CONDSTORE") and self.supports("ENABLE"):
                    self._client.enable("CONDSTORE")
            self._identity = ""
            self._own, self.delimiter, self._foreign = self._namespaces()
            self.prefix = self._own[0]
        except BaseException:
            self.close()
            raise

    def reopen(self) -> None:
        """Log in once more, after the server has ended the connection. :raises Unavailable: it does that ever again."""
        self.close()
        self._reopened += 1
        if self._reopened > _REOPENED:
            raise Unavailable(f"{self.server} ends the connection for {self.address} ever again; look into its log.")
        self._connect()

    def _readline(self) -> bytes:
        """Read a line of an answer. The library's own way to read has an end that is too early, or none."""
        line: bytes = self._client._imap.file.readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise ValueError("a line without an end")
        self._take(len(line))
        # What a server tells people has no literals, though it may end like one.
        return line[:-2] + b" \r\n" if line.endswith(b"}\r\n") and _TELLS.match(line) else line

    def _read(self, size: int) -> bytes:
        """Read a literal; as much memory is taken as has come."""
        if size > _LARGEST:
            raise ValueError(f"something of {size} bytes")
        self._take(size)
        parts = []
        while size and (part := self._client._imap.file.read(min(size, 1 << 20))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ValueError("an answer without an end")

    def supports(self, capability: str) -> bool:
        """Return whether the server says that it has an extension."""
        return capability in self._capabilities

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(Exception):
            self._client.shutdown()

    @property
    def socket(self) -> Any:
        """What the connection goes over, for who waits for what the server says by itself (watch.py)."""
        return self._client.socket()

    # -- how the server is asked -----------------------------------------------------------------------------------

    def _of_each(self, verb: str, response: str, arguments: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Give a command once for each of several arguments, all at once; return mailbox and rest of each response.

        What is refused has none.
        """
        imap = self._client._imap
        imap.untagged_responses.clear()
        tags = [imap._new_tag() for _unused in arguments]
        imap.send(b"".join(b"%s %s %s\r\n" % (tag, verb.encode(), one) for tag, one in zip(tags, arguments)))
        for tag in tags:
            imap._command_complete(verb, tag)
        found = map(astring, joined(imap.untagged_responses.pop(response, [])))
        return [(inbox(name), rest) for name, rest in found]

    def _untagged(
        self, verb: str, arguments: Sequence[bytes], other: str = "", response: str = ""
    ) -> tuple[list[bytes], list[bytes]]:
        """Give a command; return its untagged responses of its own name (or `response`), and of another one.

        Literals within a response become quoted strings of its line.
        """
        imap = self._client._imap
        imap.untagged_responses.clear()
        self._command(verb, arguments)
        found = imap.untagged_responses.pop(response or verb, []), imap.untagged_responses.pop(other, [])
        return joined(found[0]), joined(found[1])

    def _command(self, verb: str, arguments: Sequence[bytes]) -> bytes:
        """Give a command; return what the server says at its end. :raises Refused: it says no."""
        with self._asking(verb):
            imap = self._client._imap
            tag = imap._new_tag()
            line = b" ".join([tag, verb.encode(), *arguments])
            imap.send(line + b"\r\n")
            kind, data = imap._command_complete(verb, tag)
        said: bytes = data[0] if data and isinstance(data[0], bytes) else b""
        if kind != "OK":
            raise Refused(f"{self.server} refused {verb} for {self.address}: {said_by(said)}")
        return said

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Turn failures into sentences."""
        self._left = _LONGEST_ANSWER
        try:
            yield
        except library.IMAPClientAbortError as error:
            raise Ended(
                f"{self.server} ended the connection for {self.address} ({what}): {said_by(error)} It is tried again."
            ) from error
        except library.IMAPClientError as error:
            if isinstance(error.__context__, library.IMAPClientAbortError):  # the library takes it for a wrong password
                raise Unavailable(
                    f"{self.server} ended the connection for {self.address} ({what}): {said_by(error)} It is tried "
                    "again."
                ) from error
            raise Refused(f"{self.server} refused {what} for {self.address}: {said_by(error)}") from error
        except ssl.SSLCertVerificationError as error:
            raise InvalidInput(
                f"{self.server} cannot prove who it is ({error.verify_message}); set ca_file to the authority that "
                "signed its certificate."
            ) from error
        except FileNotFoundError as error:  # of the ca_file
            raise InvalidInput(f"The ca_file of the imap settings is not there ({error.strerror}).") from error
        except (OSError, EOFError) as error:
            raise (Ended if isinstance(error, _ENDS) else Unavailable)(
                f"{self.server} does not answer ({what} of {self.address}: {error}); check that it runs."
            ) from error
        except (ValueError, IndexError, KeyError, TypeError, MemoryError) as error:
            raise Unavailable(
                f"{self.server} answers in words that are none of IMAP ({what} of {self.address}: {error})."
            ) from error

    # -- who is who ------------------------------------------------------------------------------------------------

    def _log_in(self, settings: ImapSettings) -> None:
        """Log in as the account with the master user's password, by SASL PLAIN (RFC 4616): any name fits into it."""
        name = login_name(settings, self.address)
        who, authorised = settings.master_user, name
        if settings.impersonation == SEPARATED and settings.separator not in name:
            who, authorised = f"{name}{settings.separator}{settings.master_user}", ""
        try:
            with self._asking(f"opening {self.address}"):
                self._client.plain_login(who, settings.master_password, authorised)
        except Refused as error:
            if _LATER.search(str(error)):
                raise Unavailable(f"{self.server} does not let anybody in as {name} now: {error}") from error
            raise Refused(
                f"{self.server} does not let the master user {settings.master_user} in as {name}: {error} Check that "
                "the account is there, and master_user, master_password and impersonation of the imap settings."
            ) from error

    def _namespaces(self) -> tuple[tuple[bytes, ...], str, tuple[bytes, ...]]:
        """Return the prefixes of the account's own namespaces, their delimiter, and the prefixes of all others.

        The first is that of the INBOX: new folders go there.
        """
        if self.supports("NAMESPACE"):
            with self._asking("asking for namespaces"):
                found = self._client.namespace()
            personal, *others = (
                [(octets(prefix), octets(delimiter or b"").decode("latin-1")) for prefix, delimiter in kind or ()]
                for kind in (found.personal, found.other, found.shared)
            )
            if personal:
                personal.sort(key=lambda one: bool(one[0]) and not one[0].upper().startswith(b"INBOX"))
                delimiter = personal[0][1]
                own = tuple(prefix for prefix, other in personal if other == delimiter)
                foreign = tuple(prefix for kind in (personal, *others) for prefix, _unused in kind if prefix not in own)
                return own, delimiter, foreign
        lines, _unused = self._untagged("LIST", [b'""', b'""'])
        found_delimiter = re.search(rb'\) "\\?(.)"', lines[0]) if lines else None
        return (b"",), found_delimiter[1].decode("latin-1") if found_delimiter else "", ()

    def _is_foreign(self, name: bytes) -> bool:
        own = self._reach(self._own, name)
        return name != b"INBOX" and (own < 0 or self._reach(self._foreign, name) > own)

    def _reach(self, prefixes: Sequence[bytes], name: bytes) -> int:
        """Return the length of the longest of some prefixes that a mailbox has, or is; -1 where there is none."""
        delimiter = self.delimiter.encode("latin-1")
        return max((
            len(prefix) for prefix in prefixes if name.startswith(prefix) or prefix and name == prefix.rstrip(delimiter)
        ), default=-1)

    def _is_cyrus(self) -> bool:
        return self.supports("X-CREATEDMODSEQ")

    def _is_dovecot(self) -> bool:
        """Dovecot has identities without saying so (in STATUS and FETCH alike); it is asked for one to know."""
        if not self._identity:
            try:
                self._command("STATUS", [b"INBOX", b"(X-GUID)"])
                self._identity = "dovecot"
            except Refused:
                self._identity = "other"
        return self._identity == "dovecot"
