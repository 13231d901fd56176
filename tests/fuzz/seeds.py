# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real mail, calendars, cards and scripts, where there are some beside the checkout; and some that are made."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.conftest import CHECKOUT

CORPUS: Path = CHECKOUT.parent / "shared" / "corpus"
_LARGEST: Final = 64 * 1024
"""Bytes of a file that is taken: what grows from it is read ten thousand times."""
_MOST: Final = 60

MAIL: Final = (
    b"From: Anna <anna@example.com>\nTo: bob@example.com\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n"
    b"Date: Tue, 01 Apr 2025 10:00:00 +0200\nMessage-ID: <1@example.com>\nMIME-Version: 1.0\n"
    b'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain\n\nHello\n--x--\n'
)
MBOX: Final = b"From anna Tue Apr  1 10:00:00 2025\n" + MAIL + b"\nFrom bob Tue Apr  1 10:00:00 2025\n" + MAIL
CALENDAR: Final = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20250401T100000Z\r\nSUMMARY:Meeting\r\n"
    b"END:VEVENT\r\nEND:VCALENDAR\r\nBEGIN:VCALENDAR\r\nBEGIN:VTODO\r\nUID:2\r\nEND:VTODO\r\nEND:VCALENDAR\r\n"
)
CARD: Final = (
    b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Anna\r\nEND:VCARD\r\nBEGIN:VCARD\r\nKIND:group\r\nFN:All\r\nEND:VCARD\r\n"
)
SCRIPT: Final = (
    b'require ["fileinto"]; # a comment\n/* another */ if header :contains "subject" "x" '
    b'{ fileinto :copy "Inbox/a\\"b"; }\nvacation text:\nI am away.\n.\n;\n'
)


def real(kind: str) -> list[bytes]:
    """Return the smaller ones of the real files of a kind: "mail", "ics", "vcf", "sieve" or "weird"."""
    if not CORPUS.is_dir():
        return []
    files = sorted(file for file in (CORPUS / kind).rglob("*") if file.is_file())
    some = [file for file in files if 0 < file.stat().st_size <= _LARGEST]
    return [file.read_bytes() for file in some[:: max(len(some) // _MOST, 1)]]
