# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotFound
from ansible_collections.restante.carbonio.plugins.module_utils.operations import notifications as notes

from tests.servers.mail_server import MailServer, mail_server


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def authority(tmp_path: Path, server: MailServer) -> str:
    """Give the server a certificate, and return the file of the authority to trust."""
    return server.offer_tls(tmp_path)


def settings(server: MailServer) -> notes.MailSettings:
    return notes.MailSettings("127.0.0.1", "restante@example.com", ("admin@example.com",), port=server.port, timeout=10)


def test_a_notification_is_stored_and_sent(tmp_path: Path, server: MailServer) -> None:
    """R-277, R-278."""
    there = notes.Notifications(str(tmp_path), settings(server))
    note = there.notify(notes.INFORMATION, "Operation Ended", "Größe: 3\n", ["me@example.com", "admin@example.com"])
    assert (note.sent_to, note.error) == (("admin@example.com", "me@example.com"), "")
    assert there.get(note.id) == note
    assert there.list() == [note]
    assert [mail.recipients for mail in server.mails] == [("admin@example.com",), ("me@example.com",)]
    mail = server.mails[0]
    assert (mail.message["Subject"], mail.message["From"]) == ("Operation Ended", "restante@example.com")
    assert mail.message.get_content().replace("\r\n", "\n") == "Größe: 3\n"


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


def test_those_of_one_moment_are_listed_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = notes.Notifications(str(tmp_path))
    monkeypatch.setattr(notes.moment, "now", lambda: 1_700_000_000_000)
    subjects = [str(number) for number in range(20)]
    for subject in subjects:
        there.notify(notes.INFORMATION, subject, "")
    assert [note.subject for note in there.list()] == subjects


def test_a_mail_server_that_is_down_is_reported_and_raises_nothing(tmp_path: Path, server: MailServer) -> None:
    there = notes.Notifications(str(tmp_path), settings(server)._replace(port=1))
    note = there.notify(notes.ERROR, "Operation Ended", "text")
    assert note.sent_to == ()
    assert note.error.startswith("127.0.0.1:1 did not take the mail: ")
    assert there.get(note.id).error == note.error
    assert there.failures == [f"Not everybody has been told 'Operation Ended'. {note.error}"]


def test_a_refused_recipient_does_not_keep_the_mail_from_the_others(tmp_path: Path, server: MailServer) -> None:
    there = notes.Notifications(str(tmp_path), settings(server))
    note = there.notify(notes.ERROR, "s", "t", ["nobody@example.com"])
    assert note.sent_to == ("admin@example.com",)
    assert "nobody@example.com (550 no such user)" in note.error
    alone = notes.Notifications(str(tmp_path), settings(server)._replace(recipients=("nobody@example.com",)))
    assert "nobody@example.com (550 no such user)" in alone.notify(notes.ERROR, "s", "t").error


@pytest.mark.parametrize("address", [
    "a\r\nBcc: thief@example.com", "not an address", "<", "ü@example.com", "\0", "\udcff@x", f"{'x' * 2000}@x",
])
def test_an_odd_address_or_subject_keeps_nothing_from_the_others(
    tmp_path: Path, server: MailServer, address: str
) -> None:
    """R-277."""
    there = notes.Notifications(str(tmp_path), settings(server))
    note = there.notify(notes.ERROR, "two\r\nlines: x", "a file called \udcff", [address])
    assert there.get(note.id) == note
    assert "admin@example.com" in note.sent_to
    assert server.mails[0].message.get_content().rstrip() == "a file called \\udcff"
    for mail in server.mails:
        assert mail.message["Subject"] == "two lines: x"
        assert mail.message["Bcc"] is None


def test_a_domain_outside_of_ascii_is_written_as_every_mail_server_takes_it(
    tmp_path: Path, server: MailServer
) -> None:
    mail = settings(server)._replace(sender="restante@mühle.example", recipients=("admin@mühle.example",))
    note = notes.Notifications(str(tmp_path), mail).notify(notes.ERROR, "s", "t")
    assert (note.sent_to, note.error) == (("admin@mühle.example",), "")
    assert server.mails[0].recipients == ("admin@xn--mhle-0ra.example",)
    assert server.mails[0].message["To"] == "admin@xn--mhle-0ra.example"


@pytest.mark.parametrize(("lines", "pause", "timeout", "why"), [
    (1, 0.05, 0.2, "has not taken the mail in 0.4 s"), (1000, 0, 30, "its answers do not come to an end"),
], ids=["slowly", "at once"])
def test_a_mail_server_that_never_comes_to_an_end_is_given_up(
    tmp_path: Path, lines: int, pause: float, timeout: float, why: str
) -> None:
    """R-277: and what it has said does not fill the memory of a process that goes on."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        def babble() -> None:
            with listening.accept()[0] as client, contextlib.suppress(OSError):
                while not over.wait(pause):
                    client.sendall(b"220-and\r\n" * lines)

        babbling = threading.Thread(target=babble, daemon=True)
        babbling.start()
        port = listening.getsockname()[1]
        mail = notes.MailSettings("127.0.0.1", "r@example.com", ("admin@example.com",), port=port, timeout=timeout)
        note = notes.Notifications(str(tmp_path), mail).notify(notes.ERROR, "s", "t")
        if lines > 1:
            babbling.join(10)
            assert not babbling.is_alive(), "nobody listens any more"
        over.set()
    assert note.sent_to == () and note.error.startswith(f"127.0.0.1:{port} ") and note.error.endswith(why)


def test_starttls_and_authentication(tmp_path: Path, server: MailServer, authority: str) -> None:
    server.credentials = ("admin", "secret")
    mail = settings(server)._replace(
        security=notes.STARTTLS, ca_file=authority, username="admin", password="secret"
    )
    note = notes.Notifications(str(tmp_path), mail).notify(notes.ERROR, "s", "t")
    assert note.error == ""
    assert [(mail.encrypted, mail.user) for mail in server.mails] == [(True, "admin")]


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
