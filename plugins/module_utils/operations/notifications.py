# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Notifications: what people are told about operations; stored for later reading, and sent by mail (R-277).

Neither a mail server that is down nor a full disk stops a backup or a restore for want of its notification: what went
wrong is kept in the notification itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import smtplib
import ssl
import threading
import time
import uuid
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid
from typing import Any, Final, NamedTuple

from ..model import foreign, moment
from ..model.durable import make_directories
from ..model.errors import NotFound, Refused

INFORMATION: Final = "Information"
WARNING: Final = "Warning"
ERROR: Final = "Error"
CRITICAL: Final = "Critical"

LEVELS: Final = (INFORMATION, WARNING, ERROR, CRITICAL)
"""The types of notification, from the least to the most urgent."""

PLAIN: Final = "none"
STARTTLS: Final = "starttls"
TLS: Final = "tls"

SECURITIES: Final = (PLAIN, STARTTLS, TLS)
"""How the connection to the mail server can be protected."""

_MOST_SAID: Final = 1 << 20
"""Bytes that a mail server may say while it takes a notification."""


class MailSettings(NamedTuple):
    """How notifications are sent by mail."""

    host: str
    sender: str
    recipients: Sequence[str] = ()
    """Who is always told; may be empty (R-281)."""
    port: int = 25
    security: str = PLAIN
    """PLAIN, STARTTLS (required, not tried) or TLS from the first byte."""
    ca_file: str = ""
    """The authorities to trust, a PEM file; empty for the system's."""
    username: str = ""
    """Empty for no authentication."""
    password: str = ""
    level: str = INFORMATION
    """The least urgent type that is sent."""
    timeout: float = 30.0
    """Seconds to wait for the server."""

    def __repr__(self) -> str:
        return f"MailSettings({self.host}:{self.port}, {self.security}, from {self.sender})"


class Notification(NamedTuple):
    """One notification."""

    id: str
    node: str
    at: int
    """UTC milliseconds."""
    type: str
    """One of LEVELS."""
    subject: str
    text: str
    sent_to: tuple[str, ...] = ()
    """Who was sent it by mail."""
    error: str = ""
    """Why somebody was not sent it, or why it could not be stored; empty when all is well."""

    def to_json(self) -> dict[str, Any]:
        """Return the notification as a JSON object."""
        return self._asdict()


class Notifications:
    """The notifications of one node."""

    def __init__(self, state_path: str, mail: MailSettings | None = None) -> None:
        """
        :param state_path: the node's directory for its own state; notifications/ is made in it for the first one.
        :param mail: how to send them; None to store them only.
        """
        self._path = os.path.join(state_path, "notifications")
        self._mail = mail
        self.failures: list[str] = []
        """What did not reach everybody, as sentences: for whoever is there to read them."""

    def notify(self, type_: str, subject: str, text: str, recipients: Sequence[str] = ()) -> Notification:
        """Send a notification by mail and store it. Never raises: what failed is in the error of what it returns.

        :param type_: one of LEVELS.
        :param recipients: who is told besides those of the settings: the addresses of "notifications" (R-023).
        """
        note = Notification(str(uuid.uuid4()), platform.node(), moment.now(), type_, subject, text)
        if self._mail is not None and LEVELS.index(type_) >= LEVELS.index(self._mail.level):
            everybody = tuple(dict.fromkeys(address for address in (*self._mail.recipients, *recipients) if address))
            if everybody:
                note = _send(self._mail, note, everybody)
        try:
            self._store(note)
        except OSError as error:
            reason = f"It cannot be stored in {self._path}: {error.strerror or error}"
            note = note._replace(error=f"{note.error}; {reason}" if note.error else reason)
        if note.error:
            self.failures.append(f"Not everybody has been told {subject!r}. {note.error}")
        return note

    def list(self) -> Sequence[Notification]:
        """Return all notifications, the oldest first (R-278). :raises Refused: their directory cannot be read."""
        try:
            names = sorted(os.listdir(self._path))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Refused(f"{self._path} cannot be read ({error.strerror}); check its owner and mode.") from error
        return [note for note in map(self._load, names) if note is not None]

    def get(self, notification_id: str) -> Notification:
        """Return one notification (R-278).

        :raises NotFound: there is no such notification.
        """
        for note in self.list():
            if note.id == notification_id:
                return note
        raise NotFound(f"This node has no notification {notification_id}; getNotification without an id lists them.")

    def _store(self, note: Notification) -> None:
        # The name sorts by time, also within a millisecond, and is never used twice.
        target = os.path.join(self._path, f"{note.at:015d}-{time.monotonic_ns():020d}-{note.id}.json")
        make_directories(self._path)
        descriptor = os.open(target + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(note.to_json(), file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(target + ".new", target)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(target + ".new")
            raise

    def _load(self, name: str) -> Notification | None:
        if not name.endswith(".json"):
            return None
        try:
            with open(os.path.join(self._path, name), encoding="utf-8") as file:
                return foreign.record(Notification, foreign.parse(file.read()))
        except (OSError, ValueError):  # not one of ours, or damaged: the others are served
            return None


def _send(mail: MailSettings, note: Notification, recipients: tuple[str, ...]) -> Notification:
    """Return the notification with what became of its mail, after a bounded time however slow the server is."""
    told: list[Notification] = []
    # A server that sends a byte now and then is never too slow for the timeout of a socket.
    thread = threading.Thread(target=lambda: told.append(_sent(mail, note, recipients)), daemon=True)
    thread.start()
    thread.join(2 * mail.timeout)
    where = f"{mail.host}:{mail.port}"
    return told[0] if told else note._replace(error=f"{where} has not taken the mail in {2 * mail.timeout:g} s")


def _sent(mail: MailSettings, note: Notification, recipients: tuple[str, ...]) -> Notification:
    reached: list[str] = []
    failed: list[str] = []
    try:
        with _connect(mail) as server:
            if mail.username:
                server.login(mail.username, mail.password)
            for address in recipients:  # a mail for each: one address that is wrong costs the others nothing
                try:
                    server.send_message(_message(mail, note, address))
                    reached.append(address)
                except smtplib.SMTPRecipientsRefused as error:
                    failed += [
                        f"{address} ({code} {answer.decode('utf-8', 'replace')})"
                        for code, answer in error.recipients.values()
                    ]
                except smtplib.SMTPServerDisconnected:
                    raise
                except Exception as error:  # as below
                    failed.append(f"{address} ({error})")
    except Exception as error:  # whatever smtplib, ssl and the address parser can raise: it is only a notification
        return note._replace(
            sent_to=tuple(reached), error=f"{mail.host}:{mail.port} did not take the mail: {error}",
        )
    refused = f"{mail.host}:{mail.port} refused: {', '.join(failed)}" if failed else ""
    return note._replace(sent_to=tuple(reached), error=refused)


def _message(mail: MailSettings, note: Notification, recipient: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = " ".join(note.subject.split())
    message["From"] = _mailbox(mail.sender)
    message["To"] = _mailbox(recipient)
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = make_msgid(domain=note.node or None)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
    # Names of files may be bytes that are no text.
    message.set_content(note.text.encode("utf-8", "backslashreplace").decode())
    return message


def _mailbox(address: str) -> str:
    """Return an address with its domain as mail servers without SMTPUTF8 take it."""
    local, at, domain = address.rpartition("@")
    try:
        return local + at + domain.encode("idna").decode("ascii")
    except UnicodeError:  # it is no domain: the server is to say so
        return address


class _Answers:
    """What a mail server says, as far as it goes: smtplib keeps all lines of an answer, however many there are."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = _MOST_SAID

    def readline(self, size: int) -> bytes:
        line: bytes = self._file.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("its answers do not come to an end")
        return line

    def close(self) -> None:
        self._file.close()


class _Client(smtplib.SMTP):
    """A client that does not listen for ever."""

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Answers(self.sock.makefile("rb"))
        return super().getreply()


class _TlsClient(_Client, smtplib.SMTP_SSL):
    """One that speaks TLS from the beginning."""


def _connect(mail: MailSettings) -> smtplib.SMTP:
    if mail.security == TLS:
        return _TlsClient(mail.host, mail.port, timeout=mail.timeout, context=_context(mail))
    server = _Client(mail.host, mail.port, timeout=mail.timeout)
    if mail.security == STARTTLS:
        try:
            server.starttls(context=_context(mail))
        except BaseException:
            server.close()
            raise
    return server


def _context(mail: MailSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=mail.ca_file or None)
