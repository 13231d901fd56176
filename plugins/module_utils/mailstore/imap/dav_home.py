# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the address books and calendars of one account lie, and asking there: nothing leads out of these homes."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import quote

from ...model.errors import InvalidInput
from . import dav_xml
from .dav_http import Answer, DavServer
from .dav_paths import Origin, normal, origin_of
from .dav_xml import Multistatus, Response
from .settings import SEPARATED, ImapSettings, login_name

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_SETTINGS: Final = (("carddav_url", dav_xml.ADDRESS_BOOK), ("caldav_url", dav_xml.CALENDAR))


class Home(NamedTuple):
    """What collections of an account lie in."""

    server: DavServer
    path: str
    """As dav_paths.normal writes it, with a slash at its end."""
    types: frozenset[str]
    """The types of collection that are looked for in it: dav_xml.ADDRESS_BOOK, dav_xml.CALENDAR, or both."""


class Homes:
    """The homes of one account: one for both address books and calendars, or one for each."""

    def __init__(self, settings: ImapSettings, address: str) -> None:
        """Connect to nothing yet. :raises InvalidInput: a setting cannot be used for this account."""
        self._address = address
        login = login_name(settings, address)
        user, authorization = _authorization(settings, login)
        servers: dict[Origin, DavServer] = {}
        types: dict[tuple[Origin, str], set[str]] = {}
        for setting, collection_type in _SETTINGS:
            url = str(getattr(settings, setting)).replace("{user}", quote(login, safe="@"))
            if not url:
                continue
            try:
                origin = origin_of(url)
                path = origin.path(url).rstrip("/") + "/"
            except ValueError as error:
                raise InvalidInput(
                    f"{setting} of imap is {url!r} for {address}, which cannot be used ({error}). Correct it."
                ) from error
            types.setdefault((origin, path), set()).add(collection_type)
            if origin not in servers:
                servers[origin] = DavServer(settings, origin, address, user, authorization)
        self.all = [Home(servers[origin], path, frozenset(found)) for (origin, path), found in types.items()]
        paths = [home.path for home in self.all]
        if len(paths) == 2 and (paths[0].startswith(paths[1]) or paths[1].startswith(paths[0])):
            raise InvalidInput(
                f"carddav_url and caldav_url of imap lead {address} to {paths[0]} and {paths[1]}, of which one is in "
                "the other: they must be the same, or apart."
            )

    def close(self) -> None:
        """Release the connections."""
        for home in self.all:
            home.server.close()

    def of(self, href: str) -> Home:
        """Return the home that an href lies in, or is. :raises InvalidInput: there is none."""
        try:
            usable = normal(href) == href
        except ValueError:
            usable = False
        for home in self.all:
            if usable and href.startswith(home.path):
                return home
        raise InvalidInput(f"{href!r} is in no home of {self._address}. Check carddav_url and caldav_url of imap.")

    def ask(
        self, doing: str, method: str, href: str, content: bytes = b"", headers: Mapping[str, str] = _NO_HEADERS,
        good: Sequence[int] = (200, 201, 204),
    ) -> Answer:
        """Make a request about something in a home, and return its answer. :param doing: what is tried, as a verb.

        :param good: what the server may answer; with anything else the error that it means is raised.
        """
        server = self.of(href).server
        answer = server.ask(doing, method, href, content, headers)
        if answer.status not in good:
            raise server.refusal(answer, doing)
        return answer

    def multistatus(
        self, doing: str, method: str, href: str, content: bytes, headers: Mapping[str, str] = _NO_HEADERS
    ) -> Multistatus:
        """Make a request that is answered by a multistatus; what it tells of is there by normal hrefs.

        :raises Unavailable: the answer is none, tells of what lies elsewhere, or tells that the server has failed at a
            part of it: what it then leaves out would be taken for gone.
        """
        xml = {"Content-Type": "application/xml; charset=utf-8", **headers}
        answer = self.ask(doing, method, href, content, xml, good=(207,))
        server = self.of(href).server
        try:
            told = dav_xml.multistatus(answer.content)
            responses = list(self._within(href, server.origin, told.responses))
        except ValueError as error:
            raise server.unreadable(doing, href, error) from error
        return told._replace(responses=responses)

    def propfind(self, doing: str, href: str, depth: str, *names: str) -> Sequence[Response]:
        """Ask for properties of something, or with a depth of 1 of it and what is in it."""
        return self.multistatus(doing, "PROPFIND", href, dav_xml.propfind(*names), {"Depth": depth}).responses

    def _within(self, asked: str, origin: Origin, responses: Sequence[Response]) -> Iterator[Response]:
        inside = asked.rstrip("/") + "/"
        for response in responses:
            try:
                href = origin.path(response.href or "?")
            except ValueError as error:
                raise ValueError(f"it tells of {response.href!r}: {error}") from error
            if not (href + "/").startswith(inside):
                raise ValueError(f"it tells of {href}, for which nobody asked")
            # 507 alone is how a report says that there is more (RFC 6578 section 3.6).
            failed = max(response.status, response.refused.get(dav_xml.RESOURCE_TYPE, 0))
            if failed >= 500 and failed != 507:
                raise ValueError(f"it has failed at {href} ({failed})")
            yield response._replace(href=href)


def _authorization(settings: ImapSettings, login: str) -> tuple[str, str]:
    """Return who logs in, for messages, and the header that says so.

    A master user who is a proxy has no way to name the account but by the URL of its home, which not every server lets
    him into; one that believes a signed token (RFC 7519, RFC 7515) is told the account by that.
    """
    if settings.dav_token_key:
        signed = b".".join(
            _base64url(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "HS256"}, {"sub": login})
        )
        signature = hmac.digest(base64.b64decode(settings.dav_token_key), signed, "sha256")
        return login, f"Bearer {signed.decode('ascii')}.{_base64url(signature).decode('ascii')}"
    if settings.dav_user_template:
        user, password = settings.dav_user_template.replace("{user}", login), settings.dav_password
    elif settings.impersonation == SEPARATED:
        user, password = f"{login}{settings.separator}{settings.master_user}", settings.master_password
    else:
        user, password = settings.master_user, settings.master_password
    return user, "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
