# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of IMAP (RFC 3501 section 9): strings, sets of numbers, dates, and responses as lines."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_DATE: Final = re.compile(rb'"?\s*(\d{1,2}-\w{3}-\d{4}) ([01]\d|2[0-3]):([0-5]\d):(\d\d) ([+-]\d{4})')


def as_set(uids: Iterable[int]) -> str:
    """Return UIDs as IMAP writes them, neighbours as a range."""
    parts: list[str] = []
    first = last = 0
    for uid in sorted(uids):
        if first and uid == last + 1:
            last = uid
            continue
        if first:
            parts.append(str(first) if first == last else f"{first}:{last}")
        first = last = uid
    if first:
        parts.append(str(first) if first == last else f"{first}:{last}")
    return ",".join(parts)


def ranges(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield the ranges of a set of UIDs. :raises ValueError: it is none."""
    for part in text.split(b","):
        first, _unused, last = part.partition(b":")
        one, other = int(first), int(last or first)
        yield min(one, other), max(one, other)


def expanded(text: bytes, most: int = 100_000) -> Iterator[int]:
    """Yield the UIDs of a set. :raises ValueError: it is none, or has more than anything could."""
    for first, last in ranges(text):
        most -= last - first + 1
        if most < 0:
            raise ValueError("too many UIDs")
        yield from range(first, last + 1)


def internal_date(milliseconds: int) -> str:
    """Return a moment as IMAP writes it; by hand, as the library's own knows no year before 1000."""
    days, second = divmod(milliseconds // 1000, 86_400)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return f"{_day(days)} {hour:02d}:{minute:02d}:{second:02d} +0000"


@functools.lru_cache(maxsize=1024)
def _day(days: int) -> str:
    """Return the day that is so many after the first of 1970."""
    at = _EPOCH + datetime.timedelta(days=days)
    return f"{at.day:2d}-{_MONTHS[at.month - 1]}-{at.year:04d}"


def milliseconds(text: bytes) -> int:
    """Return an internal date in milliseconds. :raises ValueError: it is none."""
    found = _DATE.match(text)
    if found is None:
        raise ValueError(f"no date: {text[:40]!r}")
    day, hour, minute, second, zone = found.groups()
    return _midnight(day, zone) + (int(hour) * 3600 + int(minute) * 60 + min(int(second), 59)) * 1000


@functools.lru_cache(maxsize=1024)
def _midnight(day: bytes, zone: bytes) -> int:
    """Return when a day begins in a zone, UTC milliseconds. :raises ValueError: there is no such day."""
    number, month, year = day.decode("ascii").split("-")
    at = datetime.datetime(int(year), _MONTHS.index(month.title()) + 1, int(number), tzinfo=datetime.timezone.utc)
    east = int(zone[1:3]) * 60 + int(zone[3:])
    return (at - _EPOCH).days * 86_400_000 - (east if zone[:1] == b"+" else -east) * 60_000


def inbox(name: bytes) -> bytes:
    """The one name whose case does not matter."""
    return b"INBOX" if name.upper() == b"INBOX" else name


@functools.lru_cache(maxsize=1024)
def words_of(text: bytes) -> tuple[bytes, ...]:
    """Return the words of a list."""
    return tuple(text.strip(b"()").split())


def quoted(text: bytes) -> bytes:
    """Return a string as IMAP writes it. What no quoted string can hold is no name of anything."""
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def astring(text: bytes) -> tuple[bytes, bytes]:
    """Return the first string of a line, and the rest of it."""
    text = text.lstrip()
    if text[:1] == b'"':
        found = re.match(rb'"((?:\\.|[^"\\])*)"', text, re.DOTALL)
        if found is None:
            raise ValueError("a string without an end")
        return re.sub(rb"\\(.)", rb"\1", found[1], flags=re.DOTALL), text[found.end():]
    word, _unused, rest = text.partition(b" ")
    return word, rest


def astrings(text: bytes) -> Iterator[bytes]:
    """Yield the strings of a line."""
    while text.strip():
        word, text = astring(text)
        yield word


def joined(responses: Iterable[Any]) -> list[bytes]:
    """Return responses as lines; imaplib gives one with a literal as pairs and ends."""
    lines: list[bytes] = []
    open_line: bytes | None = None
    for part in responses:
        if isinstance(part, tuple):
            start = re.sub(rb"\{\d+\+?\}$", b"", part[0])
            open_line = (open_line or b"") + start + quoted(part[1])
        elif isinstance(part, bytes):
            if open_line is not None:
                lines.append(open_line + part)
                open_line = None
            else:
                lines.append(part)
    if open_line is not None:
        lines.append(open_line)
    return lines


def octets(text: Any) -> bytes:
    """Return what the library has made a text of, as it came."""
    return text if isinstance(text, bytes) else str(text).encode("latin-1")


def said_by(text: object) -> str:
    """Return the server's words on one line."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return " ".join(words.split())[:500] or "it gives no reason."
