# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making vCards and iCalendar objects such as servers of CardDAV and CalDAV take: by lines, without reading more.

A server wants a UID in each of them (RFC 6352 section 5.1, RFC 4791 section 4.1), no METHOD, which what came by mail
has, and no mark of UTF-8 at its front. All other bytes stay.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from ...model import kinds

CARDS: Final = frozenset((kinds.CONTACT, kinds.CONTACT_GROUP))
OBJECTS: Final = frozenset((kinds.APPOINTMENT, kinds.TASK))

_LINE: Final = re.compile(rb"[^\n]*(?:\n[ \t][^\n]*)*(?:\n|\Z)")
"""With what it is folded into."""
_FOLD: Final = re.compile(rb"\r?\n[ \t]")
_PROPERTY: Final = re.compile(rb"\s*(?:[\w-]+\.)?([\w-]+)(?:;[^:]*)?:(.*)", re.S)
_GROUP_NAMES: Final = (b"KIND", b"X-ADDRESSBOOKSERVER-KIND")


class _Line(NamedTuple):
    """A line of a content, with all lines that it is folded into."""

    raw: bytes
    name: bytes
    """Of its property, in upper case; empty where it has none."""
    value: bytes
    path: tuple[bytes, ...]
    """The components that it is in; a BEGIN and an END are in their own."""


def content(kind: str, blob: bytes) -> bytes:
    """Return a content as a server can take it; as it is where nothing is to be done or can be."""
    if kind in CARDS | OBJECTS:
        blob = blob.removeprefix(codecs.BOM_UTF8)
    if kind in CARDS:
        return _card(kind, blob)
    return _object(blob) if kind in OBJECTS else blob


def refusal(kind: str, blob: bytes) -> str:
    """Return why a content cannot be one resource of a server; empty where it can, as far as its lines tell."""
    lines = list(_lines(blob.removeprefix(codecs.BOM_UTF8)))
    if kind in CARDS:
        cards = sum(line.name == b"BEGIN" and line.path == (b"VCARD",) for line in lines)
        return "" if cards == 1 else f"A {kind} must be one vCard; there are {cards} in its content."
    if not any(line.name == b"BEGIN" and line.path == (b"VCALENDAR",) for line in lines):
        return f"The content of this {kind} is no iCalendar object."
    uids = {line.value for line in lines if line.name == b"UID" and _of_object(line.path)}
    if len(uids) > 1:
        return f"A calendar takes one UID in an object (RFC 4791 section 4.1); this {kind} has {len(uids)}."
    return ""


def _card(kind: str, blob: bytes) -> bytes:
    lines = list(_lines(blob))
    own = [line for line in lines if line.path == (b"VCARD",)]
    more = []
    if not any(line.name == b"UID" and line.value for line in own):
        more.append(b"UID:" + _uid(blob))
    if kind == kinds.CONTACT_GROUP and not any(line.name in _GROUP_NAMES for line in own):
        fourth = any(line.name == b"VERSION" and line.value == b"4.0" for line in own)
        more.append((b"KIND" if fourth else b"X-ADDRESSBOOKSERVER-KIND") + b":group")
    made = []
    for line in lines:
        if line.path == (b"VCARD",):
            if line.name == b"UID" and not line.value:
                continue
            if line.name == b"END":
                made += [one + _end(line.raw) for one in more]
                more = []
        made.append(line.raw)
    return b"".join(made)


def _object(blob: bytes) -> bytes:
    lines = list(_lines(blob))
    known = [line.value for line in lines if line.name == b"UID" and line.value and _of_object(line.path)]
    uid = known[0] if known else _uid(blob)
    made = []
    for number, line in enumerate(lines):
        if line.name == b"METHOD" and line.path[:1] == (b"VCALENDAR",):  # it belongs at the top, and is found elsewhere
            continue
        if _of_object(line.path) and line.name == b"UID" and not line.value:
            continue
        made.append(line.raw)
        whole = line.raw.endswith(b"\n")
        if line.name == b"BEGIN" and whole and _of_object(line.path) and not _has_uid(lines, number):
            made.append(b"UID:" + uid + _end(line.raw))
    return b"".join(made)


def _has_uid(lines: list[_Line], begin: int) -> bool:
    """Return whether the component that begins in a line has a UID of its own."""
    path = lines[begin].path
    for line in lines[begin + 1:]:
        if line.path == path and line.name == b"END":
            return False
        if line.path == path and line.name == b"UID" and line.value:
            return True
    return False


def _of_object(path: tuple[bytes, ...]) -> bool:
    """Return whether a component is one of those that have a UID in common; an alarm's is its own."""
    return len(path) == 2 and path[0] == b"VCALENDAR" and path[1] != b"VTIMEZONE"


def _lines(blob: bytes) -> Iterator[_Line]:
    path: tuple[bytes, ...] = ()
    for found in _LINE.finditer(blob):
        raw = found[0]
        if not raw:
            return
        prop = _PROPERTY.match(_FOLD.sub(b"", raw))
        name, value = (prop[1].upper(), prop[2].strip()) if prop else (b"", b"")
        if name == b"BEGIN":
            path += (value.upper(),)
        yield _Line(raw, name, value, path)
        if name == b"END":
            path = path[:-1]


def _end(line: bytes) -> bytes:
    """Return what ends a line like that one."""
    return b"\r\n" if line.endswith(b"\r\n") or not line.endswith(b"\n") else b"\n"


def _uid(blob: bytes) -> bytes:
    """Return the UID of a content that has none: the same each time."""
    return hashlib.sha256(blob).hexdigest()[:32].encode()
