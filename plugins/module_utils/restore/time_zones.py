# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time zones of iCalendar objects by what they say (RFC 5545 section 3.6.5): which offset a local time has.

A server may put its own definition of a zone in the place of the one it was given. It says the same where every time
that the object names has the same offset by both.
"""

from __future__ import annotations

import bisect
import datetime
import re
from collections.abc import Iterator, Sequence
from typing import Final

from .content_lines import Component, Property

_LOCAL: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d))?Z?")
_DAY: Final = re.compile(r"([+-]?\d+)?(MO|TU|WE|TH|FR|SA|SU)")
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_YEARS: Final = 5
"""For how many years from its beginning on the times of something that recurs are looked at."""
_LATEST: Final = 2200


class Unknown(Exception):
    """A definition, or a time, that cannot be evaluated here."""


class Zone:
    """What a VTIMEZONE says."""

    def __init__(self, component: Component, years: Sequence[int]) -> None:
        """:param years: those that times are asked for in. :raises Unknown: it cannot be evaluated."""
        first, last = min(years) - 2, max(years) + 1
        onsets = [
            (onset, _text(one, "TZOFFSETTO"), _text(one, "TZOFFSETFROM"))
            for one in component.components for onset in _onsets(one, first, last)
        ]
        if not onsets:
            raise Unknown("a zone without any offset")
        self._onsets = sorted(onsets)

    def offset(self, local: datetime.datetime) -> str:
        """Return the offset of a local time."""
        number = bisect.bisect_right([onset for onset, _to, _since in self._onsets], local)
        found = self._onsets[number - 1][1] if number else self._onsets[0][2]
        return found[:5] + found[5:].replace("00", "")


def zone_id(component: Component) -> str:
    """Return what a VTIMEZONE is called."""
    return _text(component, "TZID")


def times(calendar: Component, zone: str) -> list[datetime.datetime]:
    """Return the local times of a zone that an object names, and some of those at which it recurs.

    :raises Unknown: there is one that is no time.
    """
    found: list[datetime.datetime] = []
    for component in calendar.within():
        own = [one for one in component.properties if one.parameter("TZID") == zone]
        for one in own:
            found += _times(one)
        if own and any(one.name in ("RRULE", "RDATE") for one in component.properties):
            begin = min(found, default=None)
            if begin is not None:
                years = range(begin.year, min(begin.year + _YEARS, _LATEST))
                found += [
                    datetime.datetime(year, month, day, begin.hour, begin.minute)
                    for year in years for month in range(1, 13) for day in (1, 15)
                ]
    return found


def same(one: Component, other: Component, calendar: Component) -> bool:
    """Return whether two definitions give each time of an object the same offset."""
    try:
        asked = times(calendar, zone_id(one))
        if not asked:
            return True
        years = [time.year for time in asked]
        here, there = Zone(one, years), Zone(other, years)
        return all(here.offset(time) == there.offset(time) for time in asked)
    except (Unknown, ValueError, OverflowError):  # numbers beyond all calendars
        return False


def _times(one: Property) -> Iterator[datetime.datetime]:
    values = one.value if isinstance(one.value, tuple) else (one.value,)
    for value in values:
        for part in str(value).split("/")[:1]:
            yield _local(part)


def _local(text: str) -> datetime.datetime:
    found = _LOCAL.fullmatch(text.strip())
    if found is None:
        raise Unknown(text)
    try:
        return datetime.datetime(*(int(part or 0) for part in found.groups()))  # type: ignore[arg-type]
    except ValueError as error:
        raise Unknown(text) from error


def _text(component: Component, name: str) -> str:
    return next((str(one.value).strip() for one in component.properties if one.name == name), "")


def _onsets(component: Component, first: int, last: int) -> Iterator[datetime.datetime]:
    """Yield when an observance begins, in years, and its first beginning."""
    begin = _local(_text(component, "DTSTART"))
    yield begin
    for one in component.properties:
        if one.name == "RDATE":
            yield from _times(one)
        elif one.name == "RRULE":
            yield from _recurring(begin, one.value, first, min(last, _LATEST))


def _recurring(begin: datetime.datetime, rule: frozenset[str], first: int, last: int) -> Iterator[datetime.datetime]:
    parts = dict(part.partition("=")[::2] for part in rule)
    until = _local(parts["UNTIL"]) + datetime.timedelta(days=1) if "UNTIL" in parts else datetime.datetime.max
    known = {"FREQ", "UNTIL", "BYMONTH", "BYDAY", "BYMONTHDAY", "INTERVAL", "WKST", "BYHOUR", "BYMINUTE"}
    if parts.get("FREQ") != "YEARLY" or set(parts) - known or parts.get("INTERVAL", "1") != "1":
        raise Unknown(str(rule))
    try:
        months = [int(month) for month in parts.get("BYMONTH", str(begin.month)).split(",")]
        month_days = {int(day) for day in parts["BYMONTHDAY"].split(",")} if "BYMONTHDAY" in parts else None
        hours = datetime.timedelta(
            hours=int(parts.get("BYHOUR", begin.hour)), minutes=int(parts.get("BYMINUTE", begin.minute)),
        )
    except ValueError as error:
        raise Unknown(str(rule)) from error
    first = max(begin.year, min(first, until.year - 2))  # what has ended lasts until something else begins
    for year in range(first, min(last, until.year) + 1):
        for month in months:
            for day in _days(year, month, parts.get("BYDAY", ""), month_days, begin.day):
                onset = day + hours
                if begin <= onset < until:
                    yield onset


def _days(
    year: int, month: int, by_day: str, month_days: set[int] | None, otherwise: int
) -> Iterator[datetime.datetime]:
    """Yield the days of a month that a rule means."""
    try:
        day = datetime.datetime(year, month, 1)
    except ValueError as error:
        raise Unknown(f"month {month}") from error
    whole = []
    while day.month == month:
        whole.append(day)
        day += datetime.timedelta(days=1)
    if not by_day:
        yield from (one for one in whole if one.day in (month_days or {otherwise}))
        return
    for text in by_day.split(","):
        found = _DAY.fullmatch(text.strip())
        if found is None:
            raise Unknown(by_day)
        fitting = [one for one in whole if _DAYS[one.weekday()] == found[2]
                   and (month_days is None or one.day in month_days)]
        if found[1] is None:
            yield from fitting
        elif 0 < abs(number := int(found[1])) <= len(fitting):
            yield fitting[number - 1 if number > 0 else number]
