# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""URLs and paths of a DAV server, written in one way, so that they can be compared and nobody leads out of them."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit


class Origin(NamedTuple):
    """The scheme, host and port of a server."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == (443 if self.scheme == "https" else 80)
        return f"{self.scheme}://{host}" + ("" if usual else f":{self.port}")

    def path(self, reference: str, base: str = "/") -> str:
        """Return the path that a reference means: a URL, or a path with or without a slash at its front.

        :raises ValueError: it is none, leads to another server, or has more than a path.
        """
        url = urlsplit(urljoin(str(self) + base, reference))
        origin = (url.scheme, url.hostname, url.port or (443 if url.scheme == "https" else 80))
        if origin != self:
            raise ValueError("it leads to another server")
        if url.username is not None or url.query or url.fragment:
            raise ValueError("it has more than a path")
        return normal(url.path)


def origin_of(url: str) -> Origin:
    """Return the server of a URL. :raises ValueError: it is none."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host.encode("idna")  # what has labels that are too long, or none, is no name of a host
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("it is no URL")
    return Origin(parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80))


def normal(path: str) -> str:
    """Return the path of a URL in the one way that we write it: servers and clients quote different characters.

    :raises ValueError: it is no path, or climbs.
    """
    segments = [unquote_to_bytes(segment) for segment in path.split("/")]
    if segments[0] or len(segments) < 2 or b"." in segments or b".." in segments:
        raise ValueError("it is no path")
    ends = "/" if not segments[-1] else ""
    inside = [quote(segment, safe="@") for segment in segments if segment]
    return "/" + "/".join(inside) + (ends if inside else "")
