# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vCards and iCalendar objects by what they say (RFC 6350, RFC 2426, RFC 5545): however a server has written them.

Nothing is said by where lines are folded and how they end; by the order of properties, of parameters and of
components; by the case of names, and of values that are words of the standard; by quotes and backslashes that need not
be there, by empty parts at the end, and by the type of a value that shows by itself. PRODID tells who has written it.
All else is said.
"""

from __future__ import annotations

import codecs
import quopri
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

_FOLD: Final = re.compile(rb"\r?\n[ \t]")
_PARAMETER: Final = re.compile(r'(?:"[^"]*"|[^;"])+')
_PARAMETER_VALUE: Final = re.compile(r'(?:"[^"]*"|[^,"])+')
_QUOTED_PRINTABLE: Final = re.compile(rb"[^:]*QUOTED-PRINTABLE", re.IGNORECASE)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_CARET: Final = re.compile(r"\^([n'^])")

_WORDS: Final = frozenset((
    "TYPE", "VALUE", "ENCODING", "CUTYPE", "ROLE", "PARTSTAT", "RSVP", "FBTYPE", "RELATED", "RELTYPE", "RANGE", "PREF",
))
"""Parameters whose values are words of the standards: their case says nothing."""
_LISTS: Final = frozenset(("CATEGORIES", "NICKNAME", "RESOURCES", "EXDATE", "RDATE", "FREEBUSY"))
"""Properties whose values are lists."""
_OF_LISTS: Final = frozenset(("N", "ADR"))
"""Properties of several parts, each of which is a list."""
_PARTS: Final = frozenset(("ORG", "GENDER", "CLIENTPIDMAP", "REQUEST-STATUS", "GEO"))
"""Other properties of several parts."""
_RULES: Final = frozenset(("RRULE", "EXRULE"))
_DURATIONS: Final = frozenset(("DURATION", "TRIGGER"))
_DURATION: Final = re.compile(
    r"([+-]?)P(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?", re.IGNORECASE
)
_FORMS: Final = {"date": re.compile(r"\d{8}"), "date-time": re.compile(r"\d{8}T\d{6}Z?"), "duration": _DURATION}
"""Types of values that show by themselves."""
_OF_THE_WRITER: Final = "PRODID"

_DEEPEST: Final = 20
"""Components within components; the standards have three."""
_MOST_LINES: Final = 20_000
"""Of one content, however long each is; nobody's card or appointment has as many."""


class Property(NamedTuple):
    """A property, in a form that is equal whenever the same is said."""

    group: str
    name: str
    parameters: frozenset[tuple[str, str]]
    value: Any

    def parameter(self, name: str) -> str:
        """Return the value of a parameter, empty for none."""
        return next((value for one, value in self.parameters if one == name), "")


class Component(NamedTuple):
    """A component, such as a VCARD or a VEVENT."""

    name: str
    properties: tuple[Property, ...]
    components: tuple[Component, ...]

    def within(self) -> Iterator[Component]:
        """Yield it and all components within it."""
        yield self
        for one in self.components:
            yield from one.within()


def parse(content: bytes) -> list[Component] | None:
    """Return the components that a content has; None where it is not made of such lines, or of too many."""
    open_: list[tuple[str, list[Property], list[Component]]] = [("", [], [])]
    for number, line in enumerate(_lines(content)):
        one = _property(line)
        if one is None or number == _MOST_LINES:
            return None
        if one.name == "BEGIN":
            open_.append((str(one.value).strip().upper(), [], []))
            if len(open_) > _DEEPEST:
                return None
        elif one.name == "END":
            name, properties, components = open_.pop()
            if not open_ or name != str(one.value).strip().upper():
                return None
            open_[-1][2].append(Component(name, tuple(properties), tuple(components)))
        else:
            open_[-1][1].append(one)
    if len(open_) != 1 or open_[0][1] or not open_[0][2]:
        return None
    return open_[0][2]


def said(component: Component, leave_out: Callable[[Component, str], bool]) -> Mapping[Any, int]:
    """Return what a component says: each property and component, and how often.

    :param leave_out: whether a property of a component, or with an empty name a component, is compared otherwise.
    """
    counted: Counter[Any] = Counter(
        one for one in component.properties if one.name != _OF_THE_WRITER and not leave_out(component, one.name)
    )
    for one in component.components:
        if not leave_out(one, ""):
            counted[one.name, frozenset(said(one, leave_out).items())] += 1
    return counted


def name_of(one: Any) -> str:
    """Return what something that is said is called."""
    return one.name if isinstance(one, Property) else str(one[0])


def _lines(content: bytes) -> Iterator[str]:
    pieces = _FOLD.sub(b"", content.removeprefix(codecs.BOM_UTF8)).replace(b"\r\n", b"\n").split(b"\n")
    waiting: list[bytes] = []
    for piece in pieces:
        if piece.endswith(b"=") and _QUOTED_PRINTABLE.match(waiting[0] if waiting else piece):
            waiting.append(piece[:-1])
            continue
        line = b"".join((*waiting, piece))
        waiting = []
        if line.strip():
            yield line.decode("utf-8", "surrogateescape")


def _parted(line: str) -> tuple[str, str] | None:
    """Return what stands before and after the first colon that is not in quotes; None where there is none."""
    start = 0
    while (colon := line.find(":", start)) >= 0:
        quote = line.find('"', start, colon)
        if quote < 0:
            return line[:colon], line[colon + 1:]
        start = line.find('"', quote + 1) + 1
        if not start:
            break
    return None


def _property(line: str) -> Property | None:
    parted = _parted(line)
    if parted is None:
        return None
    head, said_of_it = parted
    first, *rest = [part.strip() for part in _PARAMETER.findall(head)] or [""]
    group, _dot, name = first.rpartition(".")
    name = name.upper()
    if not name:
        return None
    parameters: set[tuple[str, str]] = set()
    for part in rest:
        key, equals, values = part.partition("=")
        key, values = (key.strip().upper(), values) if equals else ("TYPE", part)  # vCard 2.1
        if key == "TYPE" and values.upper() in ("QUOTED-PRINTABLE", "BASE64"):
            key = "ENCODING"
        if key in _WORDS:
            values = values.replace('"', "")  # the list of them may stand in quotes (RFC 6350 section 5.6)
        for value in _PARAMETER_VALUE.findall(values) or [""]:
            plain = _CARET.sub(_uncaret, value.strip().strip('"'))
            parameters.add((key, plain.casefold() if key in _WORDS else plain))
    return _meant(group.casefold(), name, parameters, said_of_it)


def _meant(group: str, name: str, parameters: set[tuple[str, str]], value: str) -> Property:
    charset = next((one for key, one in parameters if key == "CHARSET"), "utf-8")
    parameters = {one for one in parameters if one[0] != "CHARSET"}
    encoding = next((one for key, one in parameters if key == "ENCODING"), "")
    if encoding == "quoted-printable":
        parameters.discard(("ENCODING", encoding))
        raw = quopri.decodestring(value.encode("utf-8", "surrogateescape"))
        try:
            value = raw.decode(charset, "surrogateescape").replace("\r\n", "\n")
        except LookupError:
            value = raw.decode("latin-1").replace("\r\n", "\n")
    if encoding in ("b", "base64"):
        parameters = {one for one in parameters if one[0] != "ENCODING"} | {("ENCODING", "b")}
        return Property(group, name, frozenset(parameters), "".join(value.split()))
    form = next((one for key, one in parameters if key == "VALUE"), "")
    if form in _FORMS and _FORMS[form].fullmatch(value.strip()):
        parameters.discard(("VALUE", form))
    return Property(group, name, frozenset(parameters), _value(name, value))


def _value(name: str, value: str) -> Any:
    duration = _DURATION.fullmatch(value.strip()) if name in _DURATIONS else None
    if duration is not None:  # a day is not always 24 hours
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in duration.groups()[1:])
        return duration[1] == "-", weeks * 7 + days, hours * 3600 + minutes * 60 + seconds
    if name in _RULES:
        return frozenset(part.strip().upper() for part in value.split(";") if part.strip())
    if name in _LISTS:
        return tuple(map(_plain, _split(value, ",")))
    if name in _OF_LISTS:
        return _without_end(tuple(_without_end(tuple(map(_plain, _split(part, ",")))) for part in _split(value, ";")))
    if name in _PARTS:
        return _without_end(tuple(map(_plain, _split(value, ";"))))
    return _plain(value)


def _split(value: str, separator: str) -> list[str]:
    """Return the parts of a value between separators that have no backslash before them."""
    return re.findall(rf"((?:\\.|[^\\{separator}]|\\\Z)*)(?:{separator}|\Z)", value, re.DOTALL)[:-1] or [""]


def _without_end(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    while parts and not parts[-1]:
        parts = parts[:-1]
    return parts


def _plain(value: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def _uncaret(found: re.Match[str]) -> str:
    return {"n": "\n", "'": '"', "^": "^"}[found[1]]
