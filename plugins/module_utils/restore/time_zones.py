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
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from .content_lines import Component, Property

_LOCAL: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d))?Z?")
_DAY: Final = re.compile(r"([+-]?\d+)?(MO|TU|WE|TH|FR|SA|SU)")
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_YEARS: Final = 5
"""For how many years from its beginning on the times of something that recurs are looked at."""
_LATEST: Final = 2200
_MOST_DAYS: Final = 20_000
"""How often all rules of a zone may name a day of a month, in the years that are looked at."""


class Unknown(Exception):
    """A definition, or a time, that cannot be evaluated here."""


class Use(NamedTuple):
    """A component of an object with its properties that have times of one zone."""

    component: Component
    properties: Sequence[Property]


class Zone:
    """What a VTIMEZONE says."""

    def __init__(self, component: Component, years: Sequence[int]) -> None:
        """:param years: those that times are asked for in. :raises Unknown: it cannot be evaluated."""
        first, last = min(years) - 2, min(max(years) + 1, _LATEST)
        rules = [_rules(one, first, last) for one in component.components]
        if sum(rule.days for of_one in rules for rule in of_one) > _MOST_DAYS:
            raise Unknown("rules for more days than a zone can have")
        onsets = sorted(
            (onset, _text(one, "TZOFFSETTO"), _text(one, "TZOFFSETFROM"))
            for one, of_one in zip(component.components, rules) for onset in _onsets(one, of_one)
        )
        if not onsets:
            raise Unknown("a zone without any offset")
        self._begins = [onset for onset, _to, _since in onsets]
        self._offsets = [onsets[0][2], *(to for _onset, to, _since in onsets)]

    def offset(self, local: datetime.datetime) -> str:
        """Return the offset of a local time."""
        found = self._offsets[bisect.bisect_right(self._begins, local)]
        return found[:5] + found[5:].replace("00", "")


def zone_id(component: Component) -> str:
    """Return what a VTIMEZONE is called."""
    return _text(component, "TZID")


def uses(calendar: Component) -> Mapping[str, Sequence[Use]]:
    """Return by zone the components of an object that have times of it."""
    found: dict[str, list[Use]] = {}
    for component in calendar.within():
        of_zone: dict[str, list[Property]] = {}
        for one in component.properties:
            of_zone.setdefault(one.parameter("TZID"), []).append(one)
        for zone, properties in of_zone.items():
            if zone:
                found.setdefault(zone, []).append(Use(component, properties))
    return found


def times(used: Sequence[Use]) -> list[datetime.datetime]:
    """Return the local times of a zone that an object names, and some of those at which it recurs.

    :raises Unknown: there is one that is no time.
    """
    found: list[datetime.datetime] = []
    for component, properties in used:
        own = [time for one in properties for time in _times(one)]
        found += own
        if own and any(one.name in ("RRULE", "RDATE") for one in component.properties):
            begin = min(own)
            found += [
                datetime.datetime(year, month, day, begin.hour, begin.minute)
                for year in range(begin.year, min(begin.year + _YEARS, _LATEST))
                for month in range(1, 13) for day in (1, 15)
            ]
    return found


def same(one: Component, other: Component, used: Sequence[Use]) -> bool:
    """Return whether two definitions give each time of an object the same offset. :param used: what has such times."""
    try:
        asked = times(used)
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
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        return datetime.datetime(year, month, day, hour, minute, second)
    except ValueError as error:
        raise Unknown(text) from error


def _text(component: Component, name: str) -> str:
    return next((str(one.value).strip() for one in component.properties if one.name == name), "")


class _Rule(NamedTuple):
    """When an observance begins again: on days of months, each year."""

    begin: datetime.datetime
    until: datetime.datetime
    years: range
    months: Sequence[int]
    by_day: Sequence[str]
    month_days: frozenset[int]
    """Empty where the rule names none."""
    at: datetime.timedelta

    @property
    def days(self) -> int:
        """How many days of months it names; each may be looked for in vain."""
        return len(self.years) * len(self.months) * max(len(self.by_day), 1)


def _onsets(component: Component, rules: Sequence[_Rule]) -> Iterator[datetime.datetime]:
    """Yield when an observance begins, by its rules too, and its first beginning."""
    yield _local(_text(component, "DTSTART"))
    for one in component.properties:
        if one.name == "RDATE":
            yield from _times(one)
    for rule in rules:
        yield from _recurring(rule)


def _rules(component: Component, first: int, last: int) -> list[_Rule]:
    """Return the rules of an observance for some years. :raises Unknown: there is one that is not understood."""
    rules = [one.value for one in component.properties if one.name == "RRULE"]
    return [_rule(_local(_text(component, "DTSTART")), rule, first, last) for rule in rules]


def _rule(begin: datetime.datetime, rule: frozenset[str], first: int, last: int) -> _Rule:
    parts = dict(part.partition("=")[::2] for part in rule)
    until = _local(parts["UNTIL"]) + datetime.timedelta(days=1) if "UNTIL" in parts else datetime.datetime.max
    known = {"FREQ", "UNTIL", "BYMONTH", "BYDAY", "BYMONTHDAY", "INTERVAL", "WKST", "BYHOUR", "BYMINUTE"}
    if parts.get("FREQ") != "YEARLY" or set(parts) - known or parts.get("INTERVAL", "1") != "1":
        raise Unknown(str(rule))
    try:
        months = [int(month) for month in parts.get("BYMONTH", str(begin.month)).split(",")]
        month_days = frozenset(int(day) for day in parts["BYMONTHDAY"].split(",")) if "BYMONTHDAY" in parts else ()
        at = datetime.timedelta(
            hours=int(parts.get("BYHOUR", begin.hour)), minutes=int(parts.get("BYMINUTE", begin.minute)),
        )
    except ValueError as error:
        raise Unknown(str(rule)) from error
    first = max(begin.year, min(first, until.year - 2))  # what has ended lasts until something else begins
    by_day = parts["BYDAY"].split(",") if parts.get("BYDAY") else ()
    years = range(first, min(last, until.year) + 1)
    return _Rule(begin, until, years, months, by_day, frozenset(month_days), at)


def _recurring(rule: _Rule) -> Iterator[datetime.datetime]:
    for year in rule.years:
        for month in rule.months:
            for day in _days(year, month, rule):
                onset = day + rule.at
                if rule.begin <= onset < rule.until:
                    yield onset


def _days(year: int, month: int, rule: _Rule) -> Iterator[datetime.datetime]:
    """Yield the days of a month that a rule means."""
    try:
        day = datetime.datetime(year, month, 1)
    except ValueError as error:
        raise Unknown(f"month {month}") from error
    whole = []
    while day.month == month:
        whole.append(day)
        day += datetime.timedelta(days=1)
    if not rule.by_day:
        yield from (one for one in whole if one.day in (rule.month_days or {rule.begin.day}))
        return
    for text in rule.by_day:
        found = _DAY.fullmatch(text.strip())
        if found is None:
            raise Unknown(text)
        fitting = [one for one in whole if _DAYS[one.weekday()] == found[2]
                   and (not rule.month_days or one.day in rule.month_days)]
        if found[1] is None:
            yield from fitting
        elif 0 < abs(number := int(found[1])) <= len(fitting):
            yield fitting[number - 1 if number > 0 else number]
