# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collections and resources of CardDAV and CalDAV, and how they are made of what a server tells."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import unquote

from ...model import kinds
from . import dav_xml
from .dav_xml import Response

ABOUT_COLLECTIONS: Final = (
    dav_xml.RESOURCE_TYPE, dav_xml.DISPLAY_NAME, dav_xml.CTAG, dav_xml.SYNC_TOKEN, dav_xml.COMPONENTS, dav_xml.COLOR,
)
ABOUT_RESOURCES: Final = (dav_xml.ETAG, dav_xml.CONTENT_TYPE, dav_xml.RESOURCE_TYPE)
"""What collection() and resource() look at."""

_GROUP: Final = re.compile(rb"^(?:[\w-]+\.)?(?:X-ADDRESSBOOKSERVER-)?KIND(?:;[^:\r\n]*)?:\s*GROUP\s*$", re.M)
_COMPONENT: Final = re.compile(r";\s*component\s*=\s*\"?([a-z]+)")
_COLOR: Final = re.compile("#[0-9a-f]{6}")


class Collection(NamedTuple):
    """An address book or a calendar."""

    href: str
    """Its path on the server, as dav_paths.normal writes it, with a slash at its end."""
    name: str
    view: str
    """The kind of item that it is for: contact, appointment, or task for a calendar that takes no appointments."""
    tag: str
    """Unequal means that something in it has changed. Empty where the server has none: then list the resources."""
    color: str
    """Of a calendar, as "#rrggbb"; empty where it has none, or one that is no such number."""


class Resource(NamedTuple):
    """A vCard or an iCalendar object in a collection."""

    href: str
    etag: str
    """Unequal means that its content has changed. As the server writes it, quotes and all; empty where it has none."""
    kind: str
    """appointment or task, where the listing tells; else empty, and kind_of(content) says it."""


def kind_of(content: bytes) -> str:
    """Return the kind of item that a content is: contact, contact_group, task; where it is none of them, appointment.

    A group is a vCard of that KIND (RFC 6350 section 6.1.4), or of what Apple's clients write for it in version 3.
    """
    upper = content.upper()
    if b"BEGIN:VCARD" in upper:
        return kinds.CONTACT_GROUP if _GROUP.search(upper) else kinds.CONTACT
    return kinds.TASK if b"BEGIN:VTODO" in upper and b"BEGIN:VEVENT" not in upper else kinds.APPOINTMENT


def collection(response: Response) -> Collection:
    """Return a collection as the server tells of it."""
    href = response.href.rstrip("/") + "/"
    components = {str(element.get("name", "")).upper() for element in response.children(dav_xml.COMPONENTS)}
    view = kinds.TASK if "VTODO" in components and "VEVENT" not in components else kinds.APPOINTMENT
    color = _COLOR.match(response.text(dav_xml.COLOR).lower())  # Apple's has a transparency after it
    if dav_xml.ADDRESS_BOOK in types(response):
        view, color = kinds.CONTACT, None
    return Collection(
        href,
        response.text(dav_xml.DISPLAY_NAME) or unquote(href.split("/")[-2]),
        view,
        response.text(dav_xml.CTAG) or response.text(dav_xml.SYNC_TOKEN),
        color.group() if color else "",
    )


def resource(response: Response) -> Resource:
    """Return a resource as the server tells of it."""
    component = _COMPONENT.search(response.text(dav_xml.CONTENT_TYPE).lower())
    kind = {"vevent": kinds.APPOINTMENT, "vtodo": kinds.TASK}.get(component.group(1) if component else "", "")
    return Resource(response.href, response.text(dav_xml.ETAG), kind)


def types(response: Response) -> set[str]:
    """Return the types of a collection; none for a resource."""
    return {element.tag for element in response.children(dav_xml.RESOURCE_TYPE)}


def is_member(response: Response, collection_href: str) -> bool:
    """Whether something is a resource in a collection, and neither that one itself nor another in it."""
    itself = response.href.rstrip("/") == collection_href.rstrip("/")
    return not itself and not response.href.endswith("/") and dav_xml.COLLECTION not in types(response)
