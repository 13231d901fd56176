# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One account's address books (CardDAV, RFC 6352) and calendars (CalDAV, RFC 4791) on any server that has them.

A server keeps what a vCard or an iCalendar object says, not its bytes: many write it anew. What it holds is what
DavAccount.read gives, not what was put.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from ...model import kinds
from ...model.errors import AlreadyExists, InvalidInput, NotFound, Refused, RestanteError, Unavailable
from . import dav_xml
from .dav_home import Home, Homes
from .dav_http import Answer
from .dav_values import (
    ABOUT_COLLECTIONS,
    ABOUT_RESOURCES,
    Collection,
    Resource,
    collection,
    is_member,
    kind_of,
    resource,
    types,
)
from .settings import ImapSettings

__all__ = ["Collection", "DavAccount", "Resource", "kind_of"]

_IN_FLIGHT: Final = 4
_AHEAD: Final = 2 * _IN_FLIGHT
"""Contents that may be there before they are wanted."""
_MOST_ROUNDS: Final = 100
_MOST_CHANGES: Final = 500_000
"""Parts of a report of changes, and what may be in all of them; a listing is better then."""

_VCARD: Final = "text/vcard; charset=utf-8"
_ICALENDAR: Final = "text/calendar; charset=utf-8"


class DavAccount:
    """The address books and calendars of one account. Several threads may use it; for reading it has some of its own.

    Every method raises Unavailable when the server does not answer, or answers what cannot be understood; Refused when
    it says no; NotFound for what is not there; InvalidInput for an href that is in no home of the account.
    """

    def __init__(self, settings: ImapSettings, address: str) -> None:
        """Connect to nothing yet. :raises InvalidInput: a setting cannot be used for this account."""
        self._address = address
        self._homes = Homes(settings, address)
        self._readers = ThreadPoolExecutor(min(_IN_FLIGHT, settings.connections))

    def close(self) -> None:
        """Release the connections. Further calls are errors."""
        self._readers.shutdown(cancel_futures=True)
        self._homes.close()

    # -- collections ---------------------------------------------------------------------------------------------------

    def collections(self, before: Iterable[str] = ()) -> list[Collection]:
        """Return all address books, then all calendars, each by href.

        :param before: hrefs of those that there were. :raises NotFound: the home that one of them was in is not there.
        """
        found: list[Collection] = []
        for home in self._homes.all:
            try:
                responses = self._homes.propfind("list the collections in", home.path, "1", *ABOUT_COLLECTIONS)
            except NotFound:
                if any(href.startswith(home.path) for href in before):
                    raise
                continue  # some servers make it when its user first comes
            found += [
                collection(response) for response in responses
                if response.href.rstrip("/") + "/" != home.path and types(response) & home.types
            ]
        return sorted(found, key=lambda one: (one.view != kinds.CONTACT, one.href))

    def create_collection(self, name: str, view: str, color: str = "") -> Collection:
        """Create an address book (extended MKCOL, RFC 5689) or a calendar (MKCALENDAR); return it as it then is.

        A server may not take the color, or change the name: that is seen in what is returned. A calendar for
        appointments is made for all that the server puts into one, since those of others may hold tasks as well.

        :param view: contact, appointment or task.
        :raises InvalidInput: there is no home for such a collection.
        """
        home = self._home_for(view)
        if view == kinds.CONTACT:
            method, content = "MKCOL", dav_xml.mkcol(name)
        else:
            method, content = "MKCALENDAR", dav_xml.mkcalendar(name, "VTODO" if view == kinds.TASK else "")
        slug = _slug(name)
        href = f"{home.path}{slug}/"
        try:
            self._create(method, href, content)
        except Refused:
            # Servers have many ways to say that a path is taken, be it by what was deleted and is kept out of sight.
            href = f"{home.path}{slug}-{uuid.uuid4().hex[:12]}/"
            self._create(method, href, content)
        if color and view != kinds.CONTACT:
            try:
                self._set(href, dav_xml.COLOR, color)
            except Refused:
                pass  # seen in what is returned
        for response in self._homes.propfind("look at", href, "0", *ABOUT_COLLECTIONS):
            if types(response) & home.types:
                return collection(response)
        raise Refused(
            f"Cannot create {href} of {self._address}: the server has made no address book or calendar of it. Look for "
            "the reason in its log."
        )

    def _home_for(self, view: str) -> Home:
        wanted, setting = (
            (dav_xml.ADDRESS_BOOK, "carddav_url") if view == kinds.CONTACT else (dav_xml.CALENDAR, "caldav_url")
        )
        for home in self._homes.all:
            if wanted in home.types and view in (kinds.CONTACT, kinds.APPOINTMENT, kinds.TASK):
                return home
        raise InvalidInput(
            f"Cannot create a folder for items of kind {view} for {self._address}: it would need {setting} of imap."
        )

    def _create(self, method: str, href: str, content: bytes) -> None:
        self._homes.ask("create", method, href, content, {"Content-Type": "application/xml; charset=utf-8"})

    def rename_collection(self, href: str, name: str, color: str = "") -> None:
        """Give a collection this name, and a calendar this color unless it is empty. Its href stays.

        :raises Refused: the server keeps the old name, or the old color with the new name.
        """
        self._set(href, dav_xml.DISPLAY_NAME, name)
        if color:
            self._set(href, dav_xml.COLOR, color)

    def _set(self, href: str, prop: str, value: str) -> None:
        """Set a property. :raises Refused: the server does not take it."""
        doing = f"set the {prop.rpartition('}')[2]} of"
        for response in self._homes.multistatus(doing, "PROPPATCH", href, dav_xml.proppatch(prop, value)).responses:
            for status in (response.status, *response.refused.values()):
                if not 200 <= status < 300:
                    raise Refused(f"Cannot {doing} {href} of {self._address}: the server does not take it ({status}).")

    def delete_collection(self, href: str) -> None:
        """Delete an address book or a calendar with all in it. That it is not there is fine.

        :raises Refused: something in it is kept, and so the collection.
        """
        self.delete(href.rstrip("/") + "/")

    # -- what is in them -----------------------------------------------------------------------------------------------

    def resources(self, collection_href: str) -> list[Resource]:
        """Return all that is in a collection, by href. :raises NotFound: it is not there."""
        found = {}
        for response in self._homes.propfind("list", collection_href, "1", *ABOUT_RESOURCES):
            if response.status == 507:  # what follows would be taken for gone
                raise Unavailable(
                    f"Cannot list {collection_href} of {self._address}: it has more than the server lists at once. "
                    "Raise that bound in its configuration."
                )
            if response.status not in (404, 410) and is_member(response, collection_href):
                found[response.href] = resource(response)
        return [found[href] for href in sorted(found)]

    def changed(self, collection_href: str, sync_token: str) -> tuple[list[Resource], list[str], str] | None:
        """Return what has changed in a collection since a token (sync-collection, RFC 6578).

        :param sync_token: from the call before; empty for all that is there, with the first token.
        :return: what is new or changed, by href; hrefs of what is gone; the next token. None where the server cannot
            tell, because it knows no such report or that token no more: list the resources then.
        :raises NotFound: the collection is not there.
        """
        found: dict[str, Resource | None] = {}
        for _round in range(_MOST_ROUNDS):
            try:
                told = self._homes.multistatus(
                    "ask for changes in", "REPORT", collection_href,
                    dav_xml.sync_collection(sync_token, *ABOUT_RESOURCES), {"Depth": "0"},
                )
            except Refused:  # in any of many ways; whoever may not look is told so at the listing
                return None
            more = False
            for response in told.responses:
                if response.status == 507:
                    more = True
                elif is_member(response, collection_href):
                    found[response.href] = None if response.status in (404, 410) else resource(response)
            if not told.sync_token or len(found) > _MOST_CHANGES or (more and told.sync_token == sync_token):
                return None
            sync_token = told.sync_token
            if not more:
                present = sorted(one for one in found.values() if one is not None)
                return present, sorted(href for href, one in found.items() if one is None), sync_token
        return None

    def read(self, hrefs: Sequence[str]) -> Iterator[tuple[str, str, bytes] | Exception]:
        """Yield href, ETag and content of resources, in this order, byte for byte as the server gives them.

        Several are asked for at once. In the place of what cannot be read is the error: NotFound for what is gone.
        """
        rest = iter(hrefs)
        waiting: deque[Future[tuple[str, str, bytes]]] = deque()
        try:
            while True:
                for href in itertools.islice(rest, _AHEAD - len(waiting)):
                    waiting.append(self._readers.submit(self._read, href))
                if not waiting:
                    return
                try:
                    yield waiting.popleft().result()
                except RestanteError as error:
                    yield error
        finally:
            for future in waiting:
                future.cancel()

    def _read(self, href: str) -> tuple[str, str, bytes]:
        answer = self._homes.ask("read", "GET", href, good=(200,))
        return href, _etag(answer), answer.content

    def put_new(self, href: str, content: bytes, kind: str) -> str:
        """Create a resource and return its ETag. The server may keep other bytes: read gives what it holds.

        After Unavailable it may be there or not.

        :param kind: contact, contact_group, appointment or task.
        :raises AlreadyExists: the href is taken.
        :raises Refused: also where another resource of the collection has its UID.
        """
        answer = self._put(href, content, kind, {"If-None-Match": "*"}, (412,))
        if answer.status == 412:
            raise AlreadyExists(f"Cannot create {href} of {self._address}: there is one already.")
        return _etag(answer) or self._present_etag(href)

    def put(self, href: str, content: bytes, kind: str, etag: str = "") -> str:
        """Replace, or create, a resource and return its new ETag. The server may keep other bytes: read gives those.

        :param kind: contact, contact_group, appointment or task.
        :param etag: what it must be until then; empty for any, and for none.
        :raises Refused: it is another one, or the server does not take the content.
        """
        answer = self._put(href, content, kind, {"If-Match": etag} if etag else {})
        return _etag(answer) or self._present_etag(href)

    def _put(
        self, href: str, content: bytes, kind: str, condition: Mapping[str, str], also_good: Sequence[int] = ()
    ) -> Answer:
        content_type = _VCARD if kind in (kinds.CONTACT, kinds.CONTACT_GROUP) else _ICALENDAR
        headers = {"Content-Type": content_type, **condition}
        return self._homes.ask("write", "PUT", href, content, headers, (200, 201, 204, *also_good))

    def is_there(self, href: str) -> bool:
        """Return whether there is a resource."""
        try:
            self._present_etag(href)
        except NotFound:
            return False
        return True

    def _present_etag(self, href: str) -> str:
        """Return the ETag of a resource, of which a server that has written it anew says nothing when it is put."""
        for response in self._homes.propfind("ask for the ETag of", href, "0", dav_xml.ETAG):
            if response.status not in (404, 410):
                return response.text(dav_xml.ETAG)
        raise NotFound(f"{href} of {self._address} is not there.")

    def move(self, href: str, to: str) -> None:
        """Move a resource to an href where there is none, in another collection of the same server.

        Not every server takes a new resource with the UID of another one of the account, so that it could be copied.

        :raises NotFound: it is not there. :raises Refused: also where there is one.
        """
        destination = f"{self._homes.of(to).server.origin}{to}"
        self._homes.ask("move", "MOVE", href, headers={"Destination": destination, "Overwrite": "F"})

    def delete(self, href: str, etag: str = "") -> None:
        """Delete a resource. That it is not there is fine.

        :param etag: what it must be until then; empty for any. :raises Refused: it is another one.
        """
        if href in [home.path for home in self._homes.all]:
            raise InvalidInput(f"{href} is a home of {self._address}; name what is to be deleted in it.")
        try:
            answer = self._homes.ask(
                "delete", "DELETE", href, headers={"If-Match": etag} if etag else {}, good=(200, 202, 204, 207, 412)
            )
            if answer.status in (207, 412):
                self._present_etag(href)  # some servers say 412 of what is not there
        except NotFound:
            return
        if answer.status == 412:
            raise self._homes.of(href).server.refusal(answer, "delete")
        if answer.status == 207:  # RFC 4918 section 9.6.1
            raise Refused(
                f"Cannot delete {href} of {self._address}: the server has kept a part of it. Look for the reason in "
                "its log."
            )


def _etag(answer: Answer) -> str:
    return str(answer.headers.get("ETag", "")).strip()


def _slug(name: str) -> str:
    """Return what a name becomes in a URL: letters and digits that every server takes."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub("[^a-z0-9]+", "-", plain)[:40].strip("-") or "folder"
