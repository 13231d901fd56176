# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mail that nobody ever sent: messages, cards, calendars and scripts made from a seed, for drills and tests."""

from __future__ import annotations

import base64
import quopri
import random
from collections.abc import Sequence
from typing import Final

_WORDS: Final = (
    "harbour lantern orchard copper meadow invoice ferry quarter granite almond river ledger window paper violet "
    "storm bridge market signal garden winter engine cotton island letter silver tunnel basket morning castle"
).split()

_GREETINGS: Final = (
    ("us-ascii", "Good morning, here is what we spoke about"),
    ("utf-8", "Grüße aus Zürich, die Brücke ist fertig ☂"),
    ("iso-8859-1", "Le café était fermé, à bientôt"),
    ("iso-8859-15", "Das kostet 12 € und keinen Cent mehr"),
    ("windows-1252", "\u201cQuoted\u201d – and dashed"),
    ("koi8-r", "Завтра утром на пристани"),
    ("windows-1251", "Счёт прилагается"),
    ("iso-2022-jp", "港の灯りが見える"),
    ("shift_jis", "請求書を送ります"),
    ("euc-kr", "다리 건너편 시장"),
    ("gb18030", "河边的灯笼"),
    ("big5", "橋邊的市場"),
    ("iso-8859-7", "Καλημέρα από το λιμάνι"),
    ("windows-1255", "שלום מהנמל"),
    ("utf-16", "Two bytes for each of us"),
    ("utf-7", "Seven bits are enough – mostly"),
)
"""(charset, text that it can say)."""

SUMMARY: Final = "Ferry to the island"

LARGE: Final = 20 * 1024 * 1024 - 64 * 1024
"""Bytes of the largest message: 20 MB with its encoding and headers."""


def words(chance: random.Random, count: int) -> str:
    """Return some words."""
    return " ".join(chance.choices(_WORDS, k=count))


def encoded_word(text: str, charset: str) -> str:
    """Return a header's text as an RFC 2047 encoded word."""
    return f"=?{charset}?B?{base64.b64encode(text.encode(charset)).decode('ascii')}?="


def message(chance: random.Random, number: int, sender: str, recipient: str, date: str) -> bytes:
    """Return an RFC 822 message; its shape depends on its number, its words on chance."""
    charset, greeting = _GREETINGS[number % len(_GREETINGS)]
    subject = encoded_word(greeting[:20], charset) if charset != "us-ascii" else words(chance, 4)
    headers = [
        f"From: {sender}", f"To: {recipient}", f"Subject: {subject} {number}", f"Date: {date}",
        f"Message-ID: <{number}.{chance.getrandbits(48):012x}@sample.example>", "MIME-Version: 1.0",
    ]
    end = ("\n", "\r\n")[number % 2]
    shape = number % 7
    text = f"{greeting}\n\n" + "\n".join(words(chance, 12) for _line in range(chance.randint(1, 40))) + "\n"
    if shape == 0:  # raw eight-bit bytes without a word about them
        return end.join(headers).encode("ascii") + 2 * end.encode() + text.encode(charset)
    if shape == 1:
        body = quopri.encodestring(text.encode(charset)).decode("ascii")
        headers += [f"Content-Type: text/plain; charset={charset}", "Content-Transfer-Encoding: quoted-printable"]
        return (end.join(headers) + 2 * end + body).encode("ascii")
    if shape == 2:
        headers += [f"Content-Type: text/plain; charset={charset}", "Content-Transfer-Encoding: base64"]
        return (end.join(headers) + 2 * end + _base64(text.encode(charset), end)).encode("ascii")
    size = chance.choice((300, 4_000, 40_000)) if shape < 6 else 90_000
    return multipart(headers, end, text, charset, chance.randbytes(size), greeting)


def large_message(chance: random.Random, sender: str, recipient: str, size: int) -> bytes:
    """Return a message of some bytes with one attachment that does not compress."""
    headers = [f"From: {sender}", f"To: {recipient}", "Subject: The whole archive", "MIME-Version: 1.0"]
    return multipart(headers, "\r\n", "It is large.\n", "us-ascii", chance.randbytes(size * 3 // 4 - 8192), "archive")


def multipart(
    headers: Sequence[str], end: str, text: str, charset: str, attachment: bytes, file_name: str
) -> bytes:
    """Return a message of a text, the same as HTML, and an attachment whose name needs RFC 2231."""
    inner, outer = "=_alternative", "=_mixed"
    name = "".join(f"%{byte:02X}" for byte in f"{file_name}.bin".encode())
    plain = _base64(text.encode(charset), end)
    html = _base64(f"<html><body><p>{text}</p></body></html>".encode(), end)
    lines = [
        *headers, f'Content-Type: multipart/mixed; boundary="{outer}"', "", f"--{outer}",
        f'Content-Type: multipart/alternative; boundary="{inner}"', "", f"--{inner}",
        f"Content-Type: text/plain; charset={charset}", "Content-Transfer-Encoding: base64", "", plain, f"--{inner}",
        "Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: base64", "", html, f"--{inner}--",
        f"--{outer}", "Content-Type: application/octet-stream", "Content-Transfer-Encoding: base64",
        f"Content-Disposition: attachment; filename*=UTF-8''{name}", "", _base64(attachment, end), f"--{outer}--", "",
    ]
    return end.join(lines).encode("ascii")


def card(number: int, name: str) -> bytes:
    """Return a vCard."""
    return (
        f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:card-{number}@sample.example\r\nFN:{name} {number}\r\n"
        f"N:{number};{name};;;\r\nEMAIL;TYPE=INTERNET:{name.lower()}{number}@sample.example\r\n"
        f"NOTE:Grüße\\, {name}\r\nEND:VCARD\r\n"
    ).encode()


def group(number: int, members: Sequence[str]) -> bytes:
    """Return the vCard of a contact group."""
    lines = "".join(f"X-MEMBER:{member}\r\n" for member in members)
    return f"BEGIN:VCARD\r\nVERSION:3.0\r\nKIND:group\r\nFN:Group {number}\r\n{lines}END:VCARD\r\n".encode()


def calendar(component: str, uid: str, summary: str, day: int) -> bytes:
    """Return an iCalendar object with one VEVENT or VTODO."""
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//restante.carbonio//sample//EN\r\n"
        f"BEGIN:{component}\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:202603{day % 28 + 1:02d}T090000Z\r\n"
        f"SUMMARY:{summary}\r\nEND:{component}\r\nEND:VCALENDAR\r\n"
    ).encode()


def script(folder: str) -> bytes:
    """Return a Sieve script that files mail into a folder."""
    quoted = folder.replace("\\", "\\\\").replace('"', '\\"')
    return (
        'require ["fileinto", "imap4flags"];\r\n'
        f'if header :contains "List-Id" "harbour" {{\r\n  fileinto "{quoted}";\r\n  stop;\r\n}}\r\n'
    ).encode()


def _base64(data: bytes, end: str) -> str:
    text = base64.encodebytes(data).decode("ascii").rstrip("\n")
    return text.replace("\n", end)
