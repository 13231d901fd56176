# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The XML of WebDAV (RFC 4918), CardDAV (RFC 6352) and CalDAV (RFC 4791): what is asked, and reading what is answered.

An answer is a stranger's. It is read without a document type, and so without entities; its elements, its names and what
stands between two tags are bounded, so that no answer takes much more memory than it has bytes. No parser that is ready
made does all of this: what makes XML safe elsewhere knows of entities alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, NoReturn
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

_DAV: Final = "{DAV:}"
_CALDAV: Final = "{urn:ietf:params:xml:ns:caldav}"
_CARDDAV: Final = "{urn:ietf:params:xml:ns:carddav}"

COLLECTION: Final = _DAV + "collection"
ADDRESS_BOOK: Final = _CARDDAV + "addressbook"
CALENDAR: Final = _CALDAV + "calendar"

RESOURCE_TYPE: Final = _DAV + "resourcetype"
DISPLAY_NAME: Final = _DAV + "displayname"
ETAG: Final = _DAV + "getetag"
CONTENT_TYPE: Final = _DAV + "getcontenttype"
SYNC_TOKEN: Final = _DAV + "sync-token"
CTAG: Final = "{http://calendarserver.org/ns/}getctag"
COMPONENTS: Final = _CALDAV + "supported-calendar-component-set"
COLOR: Final = "{http://apple.com/ns/ical/}calendar-color"

_MOST_ELEMENTS: Final = 1_000_000
"""With their attributes: a listing of some 120 000 resources."""
_MOST_NAMES: Final = 1000
"""Different ones; an answer has some twenty. The parser keeps each, with its namespace, which may be long."""
_DEEPEST: Final = 100
_LONGEST: Final = 8 * 1024
"""Bytes from one < to the next: a tag and the text after it. A tag is taken apart before anybody can look at it."""

_LONGEST_NAMESPACE: Final = 200
"""The parser writes it before each name, also before all that are in one tag, and then lets us look."""
_PIECE: Final = 512 * 1024
"""The parser goes on to the end of what it was given, whatever is wrong at its start."""

_STATUS: Final = re.compile(r"\s*HTTP/\S+\s+(\d{3})\b")
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Response(NamedTuple):
    """What is said of one resource."""

    href: str
    """As the server wrote it."""
    status: int
    """Of the resource as a whole; 200 where each property has its own."""
    props: Mapping[str, Element]
    """The properties that it has."""
    refused: Mapping[str, int]
    """Why it does not tell, or did not set, the others: a status for each."""

    def text(self, name: str) -> str:
        """Return the text of a property, empty where there is none."""
        element = self.props.get(name)
        return "" if element is None else (element.text or "").strip()

    def children(self, name: str) -> list[Element]:
        """Return the elements in a property."""
        return list(self.props.get(name, ()))


class Multistatus(NamedTuple):
    """An answer about several resources (RFC 4918 section 13)."""

    responses: Sequence[Response]
    sync_token: str
    """Of a sync-collection report (RFC 6578), empty for others."""


def multistatus(content: bytes) -> Multistatus:
    """Read a 207 answer. :raises ValueError: it is none, or exceeds what any answer needs."""
    builder = _Builder()
    root = _parse(content, builder)
    if root.tag != _DAV + "multistatus":
        raise ValueError("it is no multistatus")
    return Multistatus(builder.responses, (root.findtext(SYNC_TOKEN) or "").strip())


def condition(content: bytes) -> str:
    """Return the name of the condition that an answer of an error says was not met (RFC 4918 section 16), or nothing.

    Such as "no-uid-conflict". No content is wrong here: servers answer errors with anything.
    """
    try:
        root = _parse(content, _Builder())
    except ValueError:
        return ""
    found = next(iter(root), None) if root.tag == _DAV + "error" else None
    return "" if found is None else found.tag.rpartition("}")[2]


class _Builder(ElementTree.TreeBuilder):
    """Builds a tree within bounds, and takes each response out of it as soon as it has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.responses: list[Response] = []
        self._depth = self._elements = 0
        self._names: set[str] = set()

    def start(self, tag: str, attrs: dict[str, str]) -> Element:
        """Begin an element. :raises ValueError: there are too many."""
        self._depth += 1
        self._elements += 1 + len(attrs)
        self._names.add(tag)
        self._names.update(attrs)
        if self._depth > _DEEPEST or self._elements > _MOST_ELEMENTS or len(self._names) > _MOST_NAMES:
            raise ValueError("it has more elements than any answer needs")
        return super().start(tag, attrs)

    def end(self, tag: str) -> Element:
        """End an element. :raises ValueError: it is a response that says nothing."""
        element = super().end(tag)
        self._depth -= 1
        if self._depth == 1 and tag == _DAV + "response":
            self.responses.extend(_responses(element))
            element.clear()
        return element

    def start_ns(self, prefix: str, uri: str) -> None:
        """Declare a namespace. :raises ValueError: it is too long."""
        if len(uri) > _LONGEST_NAMESPACE:
            raise ValueError("it has a longer namespace than any answer needs")

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        """:raises ValueError: always; a document type is where entities come from."""
        raise ValueError("it has a document type")


def _parse(content: bytes, builder: _Builder) -> Element:
    start = 0
    while len(content) - start > _LONGEST:
        start = content.rfind(b"<", start, start + _LONGEST) + 1
        if not start:
            raise ValueError("it has longer texts than any answer needs")
    # UTF-8 whatever it says of itself, as every server writes it: < is then a byte, and no codec is looked for.
    parser = ElementTree.XMLParser(target=builder, encoding="utf-8")
    try:
        for start in range(0, len(content), _PIECE):
            parser.feed(content[start:start + _PIECE])
        root: Element = parser.close()
    except ElementTree.ParseError as error:
        raise ValueError(f"it is no XML ({error})") from error
    return root


def _responses(element: Element) -> Iterator[Response]:
    """Yield what one response element says; without properties it may speak of several resources."""
    props: dict[str, Element] = {}
    refused: dict[str, int] = {}
    for propstat in element.iterfind(_DAV + "propstat"):
        status = _status(propstat)
        for prop in propstat.iterfind(_DAV + "prop"):
            if 200 <= status < 300:
                props.update((one.tag, one) for one in prop)
            else:
                refused.update((one.tag, status) for one in prop)
    by_property = element.find(_DAV + "status") is None and element.find(_DAV + "propstat") is not None
    whole = 200 if by_property else _status(element)
    for href in element.iterfind(_DAV + "href"):
        yield Response((href.text or "").strip(), whole, props, refused)


def _status(element: Element) -> int:
    found = _STATUS.match(element.findtext(_DAV + "status") or "")
    if not found:
        raise ValueError("a status is missing")
    return int(found.group(1))


# -- what is asked -----------------------------------------------------------------------------------------------------

def propfind(*names: str) -> bytes:
    """Ask for properties (RFC 4918 section 9.1)."""
    root = Element(_DAV + "propfind")
    _asked(root, names)
    return _written(root)


def sync_collection(token: str, *names: str) -> bytes:
    """Ask for what changed since a token, with properties of it (RFC 6578 section 6.1)."""
    root = Element(_DAV + "sync-collection")
    SubElement(root, SYNC_TOKEN).text = token
    SubElement(root, _DAV + "sync-level").text = "1"
    _asked(root, names)
    return _written(root)


def proppatch(name: str, value: str) -> bytes:
    """Ask to set a property (RFC 4918 section 9.2)."""
    root = Element(_DAV + "propertyupdate")
    SubElement(_set(root), name).text = text(value)
    return _written(root)


def mkcol(name: str) -> bytes:
    """Ask for a new address book (RFC 5689 section 3, RFC 6352 section 6.3.1)."""
    root = Element(_DAV + "mkcol")
    prop = _set(root)
    types = SubElement(prop, RESOURCE_TYPE)
    SubElement(types, COLLECTION)
    SubElement(types, ADDRESS_BOOK)
    SubElement(prop, DISPLAY_NAME).text = text(name)
    return _written(root)


def mkcalendar(name: str, component: str) -> bytes:
    """Ask for a new calendar (RFC 4791 section 5.3.1). :param component: all that it is for; empty for all there is."""
    root = Element(_CALDAV + "mkcalendar")
    prop = _set(root)
    SubElement(prop, DISPLAY_NAME).text = text(name)
    if component:
        SubElement(SubElement(prop, COMPONENTS), _CALDAV + "comp", name=component)
    return _written(root)


def text(value: str) -> str:
    """Return a text without what XML cannot hold (control characters, halves of characters), a mark in its place."""
    return _NO_XML.sub("\ufffd", value)


def _set(root: Element) -> Element:
    return SubElement(SubElement(root, _DAV + "set"), _DAV + "prop")


def _asked(root: Element, names: Sequence[str]) -> None:
    prop = SubElement(root, _DAV + "prop")
    for name in names:
        SubElement(prop, name)


def _written(root: Element) -> bytes:
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written
