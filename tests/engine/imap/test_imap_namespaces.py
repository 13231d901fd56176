# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Dovecot as many are: all is called INBOX.x, archives lie in a namespace of their own, another shows them once more.

One of its messages it cannot read itself, and ends the connection when it is asked for it.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from strategies_kit import restored, scanned

from tests.servers.dovecot import MAIL_USER, MAILDIR, Dovecot, dovecot, missing
from tests.servers.mail_client import contents, logged_in, look, quoted
from tests.servers.needed import needed

ANNA, PASSWORD = "anna@example.com", "a password of Anna's"
NAMESPACES = """
namespace inbox {
  prefix = INBOX.
}
namespace archive {
  type = private
  separator = .
  prefix = Archive.
  location = maildir:~/archive
}
namespace virtual {
  type = private
  separator = .
  prefix = virtual.
  location = virtual:~/virtual
}
mail_plugins = $mail_plugins virtual
protocol imap {
  mail_plugins = $mail_plugins virtual
}
"""
FOLDERS = ("INBOX", "INBOX.a", "INBOX.a.b", "INBOX.INBOX.c", "INBOX. d ", "Archive.old", "INBOX.Archive.old")


def mail(number: int) -> bytes:
    """Return a message."""
    return b"Subject: %d\r\n\r\nHello\r\n" % number


@pytest.fixture
def server() -> Iterator[Dovecot]:
    needed("Dovecot", missing())
    with dovecot(MAILDIR, ".", fsync=False, more=NAMESPACES, in_memory=True) as server:
        server.add_account(ANNA, PASSWORD)
        with logged_in(server, ANNA, PASSWORD) as connection:
            for number, folder in enumerate(FOLDERS):
                connection.create(quoted(folder))
                connection.append(quoted(folder), "(\\Seen)", '"01-Feb-2003 04:05:06 +0100"', mail(number))
        home = server.mail(ANNA).parent
        everything = home / "virtual" / "everything"
        everything.mkdir(parents=True)
        (everything / "dovecot-virtual").write_text("*\n-virtual.*\n  all\n", encoding="utf-8")
        broken = server.mail(ANNA) / ".a" / "new" / "1234567890.M1P1.host,S=9999"  # it is not as long as that
        broken.write_bytes(mail(99))
        for path in (everything.parent, everything, everything / "dovecot-virtual", broken):
            shutil.chown(path, MAIL_USER, MAIL_USER)
        yield server


def shown(server: Dovecot) -> Counter[bytes]:
    """Return what is in all folders but those that only show it."""
    return Counter(
        seen.content for name, messages in look(server, ANNA, PASSWORD).items() if not name.startswith("virtual")
        for seen in messages
    )


def test_all_that_an_account_has_comes_back_once(server: Dovecot, tmp_path: Path) -> None:
    def open_at(name: str) -> ImapStore:
        return ImapStore(str(tmp_path / name), server.settings())

    report = scanned(lambda: open_at("mirror"), tmp_path / "backup")
    failure, = report.failures
    assert f"ends the connection when it is asked for the message with the UID 2 in 'INBOX.a' of {ANNA}" in (
        failure.reason
    )
    server.lose_mail()
    done = restored(tmp_path / "backup", lambda: open_at("new"), tmp_path / "other", force_as_external_restore=True)
    assert done.to_json()["restored"]["message"] == len(FOLDERS)
    assert shown(server) == Counter(mail(number) for number in range(len(FOLDERS)))
    with logged_in(server, ANNA, PASSWORD) as connection:
        for number, folder in enumerate(FOLDERS[:5]):
            assert contents(connection, folder) == [mail(number)], folder
