# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mail goes into a Dovecot, the spool is deleted, the mail restored: its own tools and a mail program show the same.

Neither shares anything with the engine: doveadm reads the spool, imaplib asks the server as the user.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import compose
from ansible_collections.restante.carbonio.plugins.module_utils.exchange.readers import Found, read
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from strategies_kit import proven, restored, scanned

from tests.servers import openldap
from tests.servers.dovecot import MAILDIR, MDBOX, Dovecot, dovecot, missing
from tests.servers.mail_client import Mailbox, deliver, folders, logged_in, look, quoted
from tests.servers.needed import needed

CHECKOUT = Path(__file__).resolve().parents[3]
CORPUS = CHECKOUT.parent / "shared" / "corpus"
ANNA, BEN = "anna@example.com", "ben@example.com"
PASSWORD = "a password of Anna's and Ben's"
SEED = 1
GENERATED = 48
FLAGS = (
    "", "\\Seen", "\\Seen \\Answered", "\\Flagged", "\\Draft", "\\Seen \\Deleted", "$Forwarded", "$MDNSent urgent",
    "urgent later",
)
ODD = (
    b"", b"\r\n", b"no header at all", b"Subject: only a header", b"Subject: bare\n\nline\nfeeds\n",
    b"Subject: ends without\r\n\r\nan end of line", b"Subject: a lone\r\n\r\ncarriage \r return\r\n",
    b"Subject: \xff\xfe\r\n\r\n\x80 is no UTF-8 \xe4\r\n", b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n",
    b"Subject: long\r\n\r\n" + b"x" * 70_000 + b"\r\n",
    b"From me Sat Jan  1 00:00:00 2000\r\nSubject: mbox\r\n\r\nx\r\n",
)
BLANK = 1
"""How many of them are no mail that could be appended."""


class Place(NamedTuple):
    """A Dovecot of one storage, and its directory."""

    server: Dovecot
    ldap: openldap.OpenLdap

    def open(self, mirror: Path) -> ImapStore:
        """Open it as a node does that has its mirror there."""
        return ImapStore(str(mirror), self.server.settings(**self.ldap.settings()))


class Shown(NamedTuple):
    """What a user and the server's own tools see."""

    mail: Mailbox
    subscribed: Sequence[str]
    dovecots: Mapping[str, Sequence[tuple[bytes, ...]]]
    """By mailbox, flags, date, and bytes of each message, as doveadm shows them."""
    grants: Mapping[str, str]
    """What doveadm says of the rights to each mailbox."""


@pytest.fixture(params=[(MDBOX, "/"), (MAILDIR, ".")], ids=[MDBOX, MAILDIR])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    needed("Dovecot", missing())
    needed("OpenLDAP", openldap.missing())
    storage, separator = request.param
    with openldap.openldap(carbonio=False) as ldap, dovecot(storage, separator, fsync=False, ldap=ldap) as server:
        for address in (ANNA, BEN):
            ldap.add_person(address, PASSWORD)
        yield Place(server, ldap)


def contents(chance: Random, wanted: int) -> list[bytes]:
    """Return mail: generated, odd, and real where there is a corpus. :param wanted: of the corpus; 0 for all."""
    made = [compose.message(chance, number, ANNA, BEN, "Mon, 4 Mar 2024 05:06:07 +0100") for number in range(GENERATED)]
    real = [
        one.content for part in ("mail", "weird") if CORPUS.is_dir() for one in read(str(CORPUS / part))
        if isinstance(one, Found) and one.kind == kinds.MESSAGE
    ]
    return [*made, *ODD, *(chance.sample(real, wanted) if 0 < wanted < len(real) else real)]


def fill(place: Place, messages: Sequence[bytes], chance: Random) -> tuple[list[bytes], list[bytes]]:
    """Let mail arrive, and a user put mail into folders; return the one and the other."""
    delivered = [content for number, content in enumerate(messages) if not number % 3]
    appended = [content for number, content in enumerate(messages) if number % 3 and content.strip()]
    separator = place.server.separator
    deep = [separator.join(("very", "deep", "down")[:depth]) for depth in (1, 2, 3)]
    made = ["Projects", f"Projects{separator}K&APY-ln", "a *strange* %name", *deep]
    deliver(place.server, ANNA, *delivered)
    with logged_in(place.server, ANNA, PASSWORD) as connection:
        for folder in made:
            connection.create(quoted(folder))
        for folder in made[:2]:
            connection.subscribe(quoted(folder))
        connection.setacl(quoted(made[1]), BEN, "lrwstip")
        connection.setacl(quoted(made[2]), BEN, "lrk")
        connection.setacl("Sent", BEN, "lr")
        for number, content in enumerate(appended):
            day = f"{chance.randint(1, 28):02}-{chance.choice(['Jan', 'Jul', 'Dec'])}-{chance.randint(1975, 2025)}"
            zone = chance.choice(["+0000", "-0930", "+1400"])
            status, answer = connection.append(
                quoted(made[number % len(made)]), f"({chance.choice(FLAGS)})", f'"{day} 03:04:05 {zone}"', content
            )
            assert status == "OK", answer
        connection.select("INBOX")
        connection.store("1:5", "+FLAGS", "(\\Seen $Important)")
    return delivered, appended


def by_imaplib(content: bytes) -> bytes:
    """Return what becomes of a message that is appended: lines end with CR LF, and Dovecot has 0x80 for NUL."""
    return re.sub(rb"\r\n|\r|\n", b"\r\n", content).replace(b"\0", b"\x80")


def by_lmtp(content: bytes) -> bytes:
    """Return what becomes of a message that is delivered, but for the lines that Dovecot puts before it."""
    lines = re.sub(rb"(?<!\r)\n", b"\r\n", content).replace(b"\0", b"\x80")
    return lines if content.endswith(b"\r\n") else lines + b"\r\n"  # smtplib's


def shown(place: Place) -> Shown:
    """Look at a user's mailbox, once as the user and once as the administrator."""
    with logged_in(place.server, ANNA, PASSWORD) as connection:
        subscribed = folders(connection, "LSUB")
    names = place.server.doveadm("mailbox", "list", "-u", ANNA).split("\n")[:-1]
    own = [name for name in names if not name.startswith("shared")]
    return Shown(
        look(place.server, ANNA, PASSWORD), subscribed, {name: fetched(place.server, name) for name in own},
        {name: place.server.doveadm("-f", "tab", "acl", "get", "-u", ANNA, name) for name in own},
    )


def fetched(server: Dovecot, mailbox: str) -> list[tuple[bytes, ...]]:
    """Return flags, date and bytes of all messages of a mailbox, sorted, as doveadm reads them from the spool.

    But for NUL: over IMAP it is another byte, and cannot be had at all where a part is encoded.
    """
    told = server.doveadm(
        "-f", "pager", "fetch", "-u", ANNA, "flags date.received size.physical text", "mailbox", mailbox
    ).encode("utf-8", "surrogateescape")
    message = re.compile(rb"[\n\f]*flags: (.*)\ndate\.received: (.*)\nsize\.physical: (\d+)\ntext:\n")
    found, end = [], 0
    while head := message.match(told, end):
        end = head.end() + int(head[3])
        flags = b" ".join(sorted({*head[1].split()} - {b"\\Recent"}))
        found.append((flags, head[2], told[head.end():end].replace(b"\0", b"\x80")))
    assert not told[end:].strip(b"\n\f"), told[end:][:200]
    return sorted(found)


def differences(before: Mapping[str, Sequence[Any]], now: Mapping[str, Sequence[Any]]) -> list[tuple[str, str]]:
    """Return the first messages that are on one side alone, by folder: all of them would be too much to read."""
    found = []
    for folder in sorted({*before, *now}):
        one, other = Counter(before.get(folder, ())), Counter(now.get(folder, ()))
        found += [(folder, f"before: {message!r:.300}") for message in one - other]
        found += [(folder, f"now: {message!r:.300}") for message in other - one]
    return found[:10]


def test_mail_whose_spool_was_deleted_is_restored_as_it_was(
    place: Place, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    chance = Random(SEED)
    messages = contents(chance, pytestconfig.getoption("corpus_messages"))
    delivered, appended = fill(place, messages, chance)
    before = shown(place)
    assert {folder: len(seen) for folder, seen in before.mail.items()}["INBOX"] == len(delivered)
    arrived = [one.content for one in before.mail["INBOX"]]
    assert all(any(content.endswith(mail) for content in arrived) for mail in map(by_lmtp, delivered))
    elsewhere = [one.content for folder, seen in before.mail.items() if folder != "INBOX" for one in seen]
    assert sorted(elsewhere) == sorted(map(by_imaplib, appended))
    assert sum(map(len, before.dovecots.values())) == len(messages) - BLANK
    assert not scanned(lambda: place.open(tmp_path / "mirror"), tmp_path / "backup").failures

    place.server.lose_mail()
    assert not any(shown(place).mail.values())

    def node() -> ImapStore:
        return place.open(tmp_path / "other" / "mirror")

    report = restored(tmp_path / "backup", node, tmp_path / "other" / "backup", force_as_external_restore=True)
    assert not report.unrestored and not report.not_held
    proof = proven(tmp_path / "backup", node, tmp_path / "other" / "backup")
    assert proof.passed, proof.differences[:5]
    now = shown(place)
    for what in ("mail", "dovecots"):
        assert differences(getattr(before, what), getattr(now, what)) == []
    assert now == before
