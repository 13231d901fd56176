# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import socketserver
import ssl
import stat
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotFound
from ansible_collections.restante.carbonio.plugins.module_utils.operations import notifications as notes
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class MailServer(socketserver.ThreadingTCPServer):
    """An SMTP server (RFC 5321) that keeps what it takes, and refuses recipients called "nobody"."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.context: ssl.SSLContext | None = None
        self.credentials = ""
        self.mails: list[tuple[list[str], bytes, bool]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Session(socketserver.BaseRequestHandler):
    server: MailServer

    def handle(self) -> None:
        stream = self.request.makefile("rwb")
        encrypted = False
        recipients: list[str] = []

        def answer(text: str) -> None:
            stream.write(text.encode() + b"\r\n")
            stream.flush()

        answer("220 test")
        while line := stream.readline():
            command = line.decode().strip()
            verb = command.upper()
            if verb.startswith("EHLO"):
                offers = ["test", "AUTH PLAIN"] + (["STARTTLS"] if self.server.context and not encrypted else [])
                for offer in offers[:-1]:
                    answer(f"250-{offer}")
                answer(f"250 {offers[-1]}")
            elif verb == "STARTTLS" and self.server.context:
                answer("220 go ahead")
                try:
                    stream = self.server.context.wrap_socket(self.request, server_side=True).makefile("rwb")
                except OSError:
                    return
                encrypted = True
            elif verb.startswith("AUTH PLAIN "):
                given = base64.b64decode(command[11:]).decode().replace("\0", ":")
                answer("235 welcome" if given == self.server.credentials else "535 bad credentials")
            elif verb.startswith("RCPT TO:<NOBODY"):
                answer("550 no such user")
            elif verb.startswith("RCPT TO:"):
                recipients.append(command[9:-1])
                answer("250 fine")
            elif verb == "DATA":
                answer("354 go on")
                lines = []
                while (data := stream.readline()) != b".\r\n":
                    lines.append(data)
                self.server.mails.append((recipients, b"".join(lines), encrypted))
                answer("250 taken")
            elif verb == "QUIT":
                answer("221 bye")
                return
            else:
                answer("250 fine")


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def authority(tmp_path: Path, server: MailServer) -> str:
    """Give the server a certificate, and return the file of the authority to trust."""
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
    (tmp_path / "ca.pem").write_bytes(pem)
    (tmp_path / "server.pem").write_bytes(pem + private)
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context.load_cert_chain(tmp_path / "server.pem")
    return str(tmp_path / "ca.pem")


def settings(server: MailServer) -> notes.MailSettings:
    return notes.MailSettings("127.0.0.1", "restante@example.com", ("admin@example.com",), port=server.port, timeout=10)


def test_a_notification_is_stored_and_sent(tmp_path: Path, server: MailServer) -> None:
    """R-277, R-278."""
    there = notes.Notifications(str(tmp_path), settings(server))
    note = there.notify(notes.INFORMATION, "Operation Ended", "Größe: 3\n", ["me@example.com", "admin@example.com"])
    assert (note.sent_to, note.error) == (("admin@example.com", "me@example.com"), "")
    assert there.get(note.id) == note
    assert there.list() == [note]
    recipients, data, _unused = server.mails[0]
    assert recipients == ["admin@example.com", "me@example.com"]
    mail = message_from_bytes(data, policy=policy.default)
    assert (mail["Subject"], mail["From"]) == ("Operation Ended", "restante@example.com")
    assert mail.get_content().replace("\r\n", "\n") == "Größe: 3\n"


def test_nobody_to_be_told_is_no_error(tmp_path: Path, server: MailServer) -> None:
    """R-281."""
    there = notes.Notifications(str(tmp_path), settings(server)._replace(recipients=("",)))
    note = there.notify(notes.WARNING, "A", "B")
    assert (note.sent_to, note.error, server.mails) == ((), "", [])
    assert there.list() == [note]


def test_what_is_less_urgent_than_the_level_is_only_stored(tmp_path: Path, server: MailServer) -> None:
    there = notes.Notifications(str(tmp_path), settings(server)._replace(level=notes.ERROR))
    there.notify(notes.WARNING, "less", "")
    there.notify(notes.CRITICAL, "more", "")
    assert [note.subject for note in there.list()] == ["less", "more"]
    assert len(server.mails) == 1


def test_a_mail_server_that_is_down_is_reported_and_raises_nothing(tmp_path: Path, server: MailServer) -> None:
    there = notes.Notifications(str(tmp_path), settings(server)._replace(port=1))
    note = there.notify(notes.ERROR, "Operation Ended", "text")
    assert note.sent_to == ()
    assert note.error.startswith("127.0.0.1:1 did not take the mail: ")
    assert there.get(note.id).error == note.error


def test_a_refused_recipient_does_not_keep_the_mail_from_the_others(tmp_path: Path, server: MailServer) -> None:
    there = notes.Notifications(str(tmp_path), settings(server))
    note = there.notify(notes.ERROR, "s", "t", ["nobody@example.com"])
    assert note.sent_to == ("admin@example.com",)
    assert "nobody@example.com (550 no such user)" in note.error
    alone = notes.Notifications(str(tmp_path), settings(server)._replace(recipients=("nobody@example.com",)))
    assert "nobody@example.com (550 no such user)" in alone.notify(notes.ERROR, "s", "t").error


@pytest.mark.parametrize("address", ["a\r\nBcc: thief@example.com", "not an address", "<", "ü@example.com", "\0"])
def test_an_odd_address_or_subject_raises_nothing(tmp_path: Path, server: MailServer, address: str) -> None:
    there = notes.Notifications(str(tmp_path), settings(server))
    note = there.notify(notes.ERROR, "two\r\nlines: x", "t", [address])
    assert there.get(note.id) == note
    for _unused, data, _unused in server.mails:
        mail = message_from_bytes(data, policy=policy.default)
        assert mail["Subject"] == "two lines: x"
        assert mail["Bcc"] is None


def test_starttls_and_authentication(tmp_path: Path, server: MailServer, authority: str) -> None:
    server.credentials = ":admin:secret"
    mail = settings(server)._replace(
        security=notes.STARTTLS, ca_file=authority, username="admin", password="secret"
    )
    note = notes.Notifications(str(tmp_path), mail).notify(notes.ERROR, "s", "t")
    assert note.error == ""
    assert [encrypted for _unused, _unused, encrypted in server.mails] == [True]


def test_a_wrong_password_is_reported_without_being_told(tmp_path: Path, server: MailServer) -> None:
    mail = settings(server)._replace(username="admin", password="s3cr3t")
    note = notes.Notifications(str(tmp_path), mail).notify(notes.ERROR, "s", "t")
    assert "535" in note.error
    assert "s3cr3t" not in json.dumps(note.to_json()) + repr(mail)
    assert server.mails == []


@pytest.mark.usefixtures("authority")
def test_a_server_with_an_unknown_certificate_is_sent_nothing(tmp_path: Path, server: MailServer) -> None:
    mail = settings(server)._replace(security=notes.STARTTLS)
    assert "certificate" in notes.Notifications(str(tmp_path), mail).notify(notes.ERROR, "s", "t").error
    assert server.mails == []


def test_a_server_without_starttls_is_sent_nothing(tmp_path: Path, server: MailServer) -> None:
    mail = settings(server)._replace(security=notes.STARTTLS)
    assert "STARTTLS" in notes.Notifications(str(tmp_path), mail).notify(notes.ERROR, "s", "t").error
    assert server.mails == []


def test_an_unknown_notification_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="getNotification"):
        notes.Notifications(str(tmp_path)).get("x")


def test_stored_notifications_are_private_and_a_damaged_one_hides_no_other(tmp_path: Path) -> None:
    there = notes.Notifications(str(tmp_path))
    note = there.notify(notes.ERROR, "s", "t")
    directory = tmp_path / "notifications"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()} == {0o600}
    (directory / "0-broken.json").write_text('{"id": ')
    assert there.list() == [note]


def test_a_notification_that_cannot_be_stored_is_sent_and_says_so(tmp_path: Path, server: MailServer) -> None:
    (tmp_path / "state").write_text("a file")
    note = notes.Notifications(str(tmp_path / "state"), settings(server)).notify(notes.ERROR, "s", "t")
    assert note.sent_to == ("admin@example.com",)
    assert "cannot be stored" in note.error
    assert len(server.mails) == 1
