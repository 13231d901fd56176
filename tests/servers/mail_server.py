# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mail server that keeps what it is sent: aiosmtpd, with STARTTLS and authentication where they are wanted."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, NamedTuple

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Mail(NamedTuple):
    """A mail as it came in."""

    recipients: Sequence[str]
    message: EmailMessage
    encrypted: bool
    user: str
    """Who had logged in; empty for nobody."""


class MailServer:
    """A mail server on a port of 127.0.0.1. It refuses recipients called "nobody"."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.credentials: tuple[str, str] | None = None
        """Name and password; None where nobody can log in."""
        self.port = 0
        self._context: ssl.SSLContext | None = None

    def offer_tls(self, directory: Path) -> str:
        """Offer STARTTLS from now on; return the file of the authority to trust."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
        now = datetime.datetime.now(datetime.timezone.utc)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(names, critical=False).add_extension(x509.BasicConstraints(True, None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (directory / "ca.pem").write_bytes(pem)
        (directory / "server.pem").write_bytes(pem + private)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(directory / "server.pem")
        return str(directory / "ca.pem")

    def protocol(self) -> SMTP:
        """Return what talks with one client."""
        return SMTP(
            self, hostname="test", tls_context=self._context, authenticator=self._authenticate,
            auth_require_tls=self._context is not None, loop=asyncio.get_running_loop(),
        )

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: LoginPassword
    ) -> AuthResult:
        names = (given.login.decode(), given.password.decode())
        return AuthResult(success=names == self.credentials, handled=False, auth_data=names[0])

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Sequence[str]
    ) -> str:
        """Take or refuse a recipient."""
        if address.startswith("nobody@"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep a mail."""
        message: Any = message_from_bytes(bytes(envelope.content or b""), policy=policy.default)
        user = session.auth_data if session.authenticated else ""
        self.mails.append(Mail(tuple(envelope.rcpt_tos), message, session.ssl is not None, str(user)))
        return "250 taken"


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Serve for as long as the with statement lasts."""
    server = MailServer()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(
        loop.create_server(server.protocol, "127.0.0.1", 0), loop  # type: ignore[arg-type]
    ).result()
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
