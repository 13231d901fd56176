# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moments: what a user writes for a point in time, as UTC milliseconds, and back.

Accepted are ISO 8601, the vendor's "dd/MM/yyyy HH:mm:ss" (R-299), and the words "first" and "last" (reference,
section 3.0). A time without an offset is read in the node's time zone unless another is named.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Final, Union
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .errors import InvalidInput

FIRST: Final = "first"
LAST: Final = "last"

Moment = Union[int, str]
"""UTC milliseconds, or FIRST or LAST."""

_EARLIEST: Final = -62_135_510_400_000
_LATEST: Final = 253_402_214_400_000
"""A day from the ends of the calendar, so that they are moments in every time zone."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)

_LONGEST_ZONE: Final = 100

_VENDOR = re.compile(r"(\d{2})/(\d{2})/(\d{4}) (\d{2}):(\d{2}):(\d{2})", re.ASCII)
_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
    r"(?:\s?(Z|[+-]\d{2}(?::?\d{2})?))?)?",
    re.ASCII | re.IGNORECASE,
)


def zone(name: str = "") -> tzinfo | None:
    """Return a time zone by its IANA name; None, the node's own zone, for an empty name.

    :raises InvalidInput: this node knows no such zone.
    """
    if not name:
        return None
    if name.upper() == "UTC":
        return timezone.utc
    try:
        if len(name) > _LONGEST_ZONE:
            raise ValueError("no zone has so long a name")
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, ImportError) as error:
        raise InvalidInput(
            f"The time zone {name!r} is not known on this node; give an IANA name such as Europe/Rome, or UTC."
        ) from error


def parse(text: str, time_zone: str = "") -> Moment:
    """Return the moment that a text names.

    :param text: ISO 8601 (a date alone is its midnight), "dd/MM/yyyy HH:mm:ss", "first" or "last"; case of the words
        does not matter.
    :param time_zone: IANA name of the zone in which a time without an offset is meant; empty for the node's own.
    :raises InvalidInput: the text is none of these, or names a time that does not exist.
    """
    word = text.strip()
    if word.lower() in (FIRST, LAST):
        return word.lower()
    vendor = _VENDOR.fullmatch(word)
    if vendor:
        day, month, year, hour, minute, second = (int(part) for part in vendor.groups())
        return _to_ms(text, (year, month, day, hour, minute, second, 0), zone(time_zone))
    iso = _ISO.fullmatch(word)
    if iso:
        fields = [int(part or 0) for part in iso.groups()[:6]]
        fraction = (iso.group(7) or "").ljust(6, "0")[:6]
        offset = _offset(iso.group(8)) if iso.group(8) else zone(time_zone)
        return _to_ms(text, (fields[0], fields[1], fields[2], fields[3], fields[4], fields[5], int(fraction)), offset)
    raise InvalidInput(
        f'{text!r} is not a date that can be read; write it as 2026-03-28T09:29:49+01:00, as "28/03/2026 09:29:49", '
        "or as first or last."
    )


def now() -> int:
    """Return the present, UTC milliseconds."""
    return (datetime.now(timezone.utc) - _EPOCH) // _MILLISECOND


def iso(moment: int) -> str:
    """Return a moment (UTC milliseconds) as ISO 8601 with milliseconds and Z; the calendar's end for one beyond it."""
    return (_EPOCH + _kept(moment) * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def vendor(moment: int, time_zone: str = "") -> str:
    """Return a moment (UTC milliseconds) in the vendor's form, to the second, in the given zone or the node's own."""
    return (_EPOCH + _kept(moment) * _MILLISECOND).astimezone(zone(time_zone)).strftime("%d/%m/%Y %H:%M:%S")


def _kept(moment: int) -> int:
    return min(max(moment, _EARLIEST), _LATEST)


def _offset(text: str) -> timezone:
    if text.upper() == "Z":
        return timezone.utc
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        raise InvalidInput(f"{text!r} is not an offset from UTC; write it as +01:00.")
    shift = timedelta(hours=hours, minutes=minutes)
    return timezone(-shift if text[0] == "-" else shift)


def _to_ms(text: str, fields: tuple[int, int, int, int, int, int, int], where: tzinfo | None) -> int:
    try:
        moment = datetime(*fields)
        # astimezone reads a naive time in the node's own zone, summer time included.
        aware = moment.astimezone() if where is None else moment.replace(tzinfo=where)
        found = (aware - _EPOCH) // _MILLISECOND
        if found != _kept(found):
            raise OverflowError("it is at an end of the calendar")
        return found
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{text!r} is not a date that exists ({error}); check day, month and time.") from error
