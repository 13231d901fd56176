# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The address books and calendars of one account: collections of CardDAV and CalDAV as folders of the model.

What is new in them is read at once: only a content tells a contact from a group of contacts, and a server that has
written a resource anew gives it another ETag even where it says the same as before. How a collection stood is written
down only when all that is in it has been seen: a synchronisation that was cut off goes on with the next one.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ...model import kinds
from ...model.errors import NotFound, Refused, RestanteError, Unavailable
from ..index.items import ROOT
from .dav import Collection, DavAccount, Resource, kind_of
from .dav_http import Failed
from .mirror import Changing, Mirror, item_id

_PORTION: Final = 200
"""Resources that are read and written down together."""

_ANOTHER: Final = {kinds.CONTACT: " (contacts)", kinds.APPOINTMENT: " (calendar)", kinds.TASK: " (tasks)"}
"""What is added to a name that another folder has."""


class Known(NamedTuple):
    """A collection and how it stood when all in it had been seen."""

    item: int
    href: str
    for_cards: bool
    """Whether it is an address book."""
    tag: str = ""
    sync_token: str = ""


class Collections:
    """The address books and calendars of one mailbox of the mirror. The caller is alone with it (Mirror.alone)."""

    def __init__(self, mirror: Mirror, account: DavAccount, number: int) -> None:
        self.account = account
        self._mirror = mirror
        self._database = mirror.database
        self._number = number
        self.closed: list[str] = []
        """What was not given when it was looked for last, as sentences. It counts as it was."""

    def close(self) -> None:
        """End the connections."""
        self.account.close()

    def read(self, hrefs: Sequence[str]) -> Iterator[bytes | Exception]:
        """Yield the contents of resources in this order, or the error where one cannot be read."""
        for given in self.account.read(hrefs):
            yield given if isinstance(given, Exception) else given[2]

    # -- what the mirror knows -------------------------------------------------------------------------------------

    def known(self) -> dict[int, Known]:
        """Return the collections as they were last seen, by the id of their folders."""
        rows = self._database.execute(
            "SELECT id, href, for_cards, tag, sync_token FROM collections WHERE mailbox = ?", (self._number,)
        ).fetchall()
        return {row[0]: Known(row[0], row[1], bool(row[2]), *row[3:]) for row in rows}

    def _etags(self, collection: int) -> dict[str, str]:
        """Return the ETags of what is known in a collection, by href."""
        return dict(self._database.execute(
            "SELECT href, etag FROM resources WHERE mailbox = ? AND collection = ?", (self._number, collection)
        ).fetchall())

    def item_of(self, href: str) -> int:
        """Return the item that a resource is, or is to be."""
        row = self._database.execute(
            "SELECT id FROM resources WHERE mailbox = ? AND href = ?", (self._number, href)
        ).fetchone()
        if row is not None:
            return int(row[0])
        for copy in itertools.count():  # an item that was moved from there keeps its id
            item = item_id("dav", href, copy)
            if not self._database.execute(
                "SELECT 1 FROM items WHERE mailbox = ? AND id = ?", (self._number, item)
            ).fetchone():
                return item
        raise AssertionError("ids do not end")

    # -- synchronising ---------------------------------------------------------------------------------------------

    def look(self, thorough: bool = False) -> None:
        """Do the same for those who have more to look at: a server that gives nothing is told of in closed."""
        try:
            self.synchronise(thorough)
        except (Refused, Unavailable) as error:
            self.closed.append(str(error))

    def synchronise(self, thorough: bool = False) -> None:
        """Bring the mirror up to what there is now. :param thorough: list every collection, whatever its tag.

        :raises Refused, Unavailable: the server gives no answer that could be believed.
        """
        self.closed = []
        listed = {item_id("collection", one.href): one for one in self._listed()}
        self._write_folders(listed)
        known = self.known()
        absent: dict[int, RestanteError] = {}
        for item, one in listed.items():
            if thorough or not one.tag or one.tag != known[item].tag:
                try:
                    self._look(known[item], one, thorough)
                except NotFound as error:
                    absent[item] = error
                except (Refused, Failed) as error:
                    self.closed.append(str(error))
        if absent:  # deleted since, unless it is listed all the same
            still = {item_id("collection", one.href) for one in self._listed()}
            self.closed += [str(error) for item, error in absent.items() if item in still]

    def _listed(self) -> list[Collection]:
        try:
            return self.account.collections([known.href for known in self.known().values()])
        except NotFound as error:  # what has moved away is not taken for deleted
            raise Refused(f"{error} Its address books and calendars were there before; look for them.") from error

    def _write_folders(self, listed: Mapping[int, Collection]) -> None:
        """Write down which collections there are; all that is in one that is gone is gone too."""
        known = self.known()
        rows = {row[0]: tuple(row[1:]) for row in self._database.execute(
            "SELECT id, name, attrs FROM items INDEXED BY folder_names WHERE mailbox = ? "
            "AND kind IN ('folder', 'mountpoint') AND folder = ?", (self._number, ROOT),
        ).fetchall()}
        taken = {row[0] for item, row in rows.items() if item not in known}
        wanted = {}
        for item, one in listed.items():
            name = one.name
            while name in taken:
                name += _ANOTHER[one.view]
            taken.add(name)
            wanted[item] = name, json.dumps({"view": one.view, **({"color": one.color} if one.color else {})})
        other = {item: row for item, row in wanted.items() if rows.get(item) != row}
        gone = [item for item in known if item not in listed]
        if not other and not gone and len(known) == len(listed):
            return
        with self._mirror.changing(self._number) as work:
            work.touched = bool(other or gone)
            self._mirror.writer.bury("folder", self._number, gone, work.change)
            self._mirror.writer.bury("id", self._number, gone, work.change)
            self.forget_collections(gone)
            for item in other:  # names are free while they are given anew
                self._database.execute(
                    "UPDATE items SET name = ? WHERE mailbox = ? AND id = ?", (f"\0{item}", self._number, item)
                )
            for item, (name, attrs) in other.items():
                self._unbury(item)
                self._database.execute(
                    "INSERT OR REPLACE INTO items VALUES (?, ?, 'folder', ?, ?, '', '', 0, 0, NULL, ?, ?, NULL, NULL)",
                    (self._number, item, ROOT, name, attrs, work.change),
                )
            for item, one in listed.items():
                if item not in known:
                    self._remember(Known(item, one.href, one.view == kinds.CONTACT))

    def _look(self, known: Known, listed: Collection, thorough: bool) -> None:
        """Take in what has changed in a collection, and then how it stands."""
        etags = self._etags(known.item)
        told = None if thorough else self._changed(known)
        if told is None:
            present, token = self.account.resources(known.href), ""
        else:
            present, _absent, token = told
        if told is None or not known.sync_token:  # all that there is was told
            gone = set(etags).difference(one.href for one in present)
        else:
            gone = set(told[1]).intersection(etags)
        changed = [one for one in present if not one.etag or etags.get(one.href) != one.etag]
        whole = True
        absent: dict[str, str] = {}
        for portion in _portions(changed):
            read = list(self.account.read([one.href for one in portion]))
            with self._mirror.changing(self._number) as work:
                for one, content in zip(portion, read):
                    if isinstance(content, NotFound):
                        absent[one.href] = str(content)
                    elif isinstance(content, Refused):  # told when the content is asked for
                        self.take_in(work, known.item, one._replace(kind=one.kind or listed.view), None)
                    elif isinstance(content, Failed):
                        self.closed.append(str(content))
                        whole = False
                    elif isinstance(content, Exception):
                        raise content
                    else:
                        self.take_in(work, known.item, one._replace(etag=content[1] or one.etag), content[2])
        if absent:  # deleted since, unless it is listed all the same
            still = absent.keys() & {one.href for one in self.account.resources(known.href)}
            self.closed += [absent[href] for href in still]
            whole = whole and not still
            gone |= absent.keys() - still
        with self._mirror.changing(self._number) as work:
            self.bury(work, gone.intersection(etags))
            if whole:
                self._remember(known._replace(tag=listed.tag, sync_token=token))

    def _changed(self, known: Known) -> tuple[list[Resource], list[str], str] | None:
        """Return what has changed in a collection; None where the server cannot tell.

        Some say 404, 410 or 500 of a token that they do not know any more. Else the listing says the same.
        """
        try:
            return self.account.changed(known.href, known.sync_token)
        except (NotFound, Failed):
            return None

    # -- writing down, inside a transaction ------------------------------------------------------------------------

    def take_in(
        self, work: Changing, collection: int, resource: Resource, content: bytes | None, item: int = 0
    ) -> int:
        """Write down a resource that is in a collection; return its id.

        :param content: None where it could not be read. :param item: which one it is, where that is known.
        """
        item = item or self.item_of(resource.href)
        row: tuple[Any, ...] = (resource.kind, collection, 0, None, resource.href)
        etag = ""
        if content is not None:
            digest = hashlib.sha256(content).digest()
            row, etag = (kind_of(content), collection, len(content), digest, resource.href), resource.etag
        before = self._database.execute(
            "SELECT kind, folder, size, digest, locator FROM items WHERE mailbox = ? AND id = ?", (self._number, item)
        ).fetchone()
        if before != row:
            work.touched = True
            self._unbury(item)
            kind, folder, size, digest_of, place = row
            self._database.execute(
                "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, '', '', '', 0, ?, ?, '{}', ?, NULL, ?)",
                (self._number, item, kind, folder, size, digest_of, work.change, place),
            )
        self._database.execute(
            "INSERT OR REPLACE INTO resources VALUES (?, ?, ?, ?, ?)",
            (self._number, resource.href, item, collection, etag),
        )
        return item

    def bury(self, work: Changing, hrefs: Iterable[str]) -> None:
        """Write down that resources are gone; their items are, unless they are elsewhere, or on the way."""
        for href in hrefs:
            item = self.item_of(href)
            self._database.execute("DELETE FROM resources WHERE mailbox = ? AND href = ?", (self._number, href))
            if not self._database.execute(
                "SELECT 1 FROM resources WHERE mailbox = ? AND id = ?", (self._number, item)
            ).fetchone():
                work.touched = True
                self._mirror.writer.bury("id", self._number, [item], work.change)

    def _unbury(self, item: int) -> None:
        """What had been gone and is at its place once more is among the changes, and not gone since any time."""
        self._database.execute("DELETE FROM tombstones WHERE mailbox = ? AND id = ?", (self._number, item))

    def expect(self, href: str, item: int, collection: int) -> None:
        """Write down, durably, that an item is about to be moved there: it will be known again."""
        with self._database.transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO resources VALUES (?, ?, ?, ?, '')", (self._number, href, item, collection)
            )

    def forget_collections(self, items: Sequence[int]) -> None:
        """Write down nothing more of collections and what was in them."""
        for item in items:
            self._database.execute("DELETE FROM collections WHERE mailbox = ? AND id = ?", (self._number, item))
            self._database.execute("DELETE FROM resources WHERE mailbox = ? AND collection = ?", (self._number, item))

    def _remember(self, known: Known) -> None:
        self._database.execute("INSERT OR REPLACE INTO collections VALUES (?, ?, ?, ?, ?, ?)", (self._number, *known))


def _portions(resources: Sequence[Resource]) -> Iterator[Sequence[Resource]]:
    for start in range(0, len(resources), _PORTION):
        yield resources[start:start + _PORTION]
