# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing to the address books and calendars of one account.

**Exactly once.** The URL of what is written under an import follows from that and from the item's id in the backup, and
the server creates nothing twice at one URL: what a process had written when it ended is found there by the next one.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ...model import kinds
from ...model.errors import AlreadyExists, InvalidInput, NotFound, Refused, Unavailable
from ...model.state import ItemState
from ..index.items import ROOT, number_of
from ..port import NewItem, Written
from . import held, storable
from .collections import Collections, Known
from .dav import Resource, kind_of
from .dav_http import Failed
from .mirror import Mirror, item_id

REWRITTEN: Final = "rewritten by the server"
FITTED: Final = "altered so that the server takes it"


class _Put(NamedTuple):
    """A resource that is on the server, and is to be written down."""

    position: int
    new: NewItem
    collection: int
    href: str
    content: bytes
    existed: bool


class CollectionWriter:
    """Writes to the collections of one mailbox of the mirror. The caller is alone with it (Mirror.alone)."""

    def __init__(self, mirror: Mirror, collections: Collections, number: int) -> None:
        self._mirror = mirror
        self._database = mirror.database
        self._collections = collections
        self._dav = collections.account
        self._number = number

    def synchronise(self) -> None:
        """Bring the mirror up to what there is now."""
        self._collections.synchronise()

    def has(self, folder: int) -> bool:
        """Return whether a folder is an address book or a calendar."""
        return bool(self.among([folder]))

    def among(self, items: Iterable[int]) -> list[int]:
        """Return those of some items that are address books or calendars."""
        known = self._collections.known()
        return [item for item in items if item in known]

    # -- items -----------------------------------------------------------------------------------------------------

    def write(self, wanted: Sequence[tuple[int, NewItem]], import_id: str, results: dict[int, Written]) -> None:
        """Add items; what became of each is put into the results at its position."""
        known = self._collections.known()
        refusals = self._mirror.writer.refusals(self._number, [new for _position, new in wanted])
        done: list[_Put] = []
        try:
            for (position, new), refusal in zip(wanted, refusals):
                try:
                    if refusal:
                        raise Refused(refusal)
                    done.append(self._put(position, new, known, import_id))
                except (Refused, NotFound, InvalidInput, AlreadyExists) as error:
                    results[position] = Written(new.origin, "", error=str(error))
        finally:  # also of those before one at which the server has gone away
            self._record(done, import_id, results)

    def _put(self, position: int, new: NewItem, known: dict[int, Known], import_id: str) -> _Put:
        kind = new.state.kind
        folder = number_of(new.state.folder)
        collection = _target(known, folder, kind)
        content = _storable(kind, new.blob or b"")
        name = _digest(import_id, new.origin) if import_id else uuid.uuid4().hex
        href = f"{collection.href}{name}{_suffix(kind)}"
        existed = False
        try:
            self._put_new(href, content, kind)
        except AlreadyExists:
            if not import_id:
                raise
            existed = True  # nobody else calls anything so
        return _Put(position, new, folder, href, content, existed)

    def _put_new(self, href: str, content: bytes, kind: str) -> None:
        """Create a resource; what the server fails at each time, while it answers to other questions, is refused."""
        for last in (False, True):
            try:
                self._dav.put_new(href, content, kind)
                return
            except Unavailable as error:
                if not isinstance(error, Failed):  # it may be none that concerns this one alone
                    raise
                if self._dav.is_there(href):
                    return
                if last:
                    raise Refused(str(error)) from error

    def _record(self, done: Sequence[_Put], import_id: str, results: dict[int, Written]) -> None:
        """Write down what is on the server, as the server gives it."""
        if not done:
            return
        read = list(self._dav.read([put.href for put in done]))
        items: dict[str, int] = {}
        with self._mirror.changing(self._number) as work:
            for put, given in zip(done, read):
                if isinstance(given, Unavailable) and not isinstance(given, Failed):
                    raise given
                origin = put.new.origin
                if isinstance(given, Exception):
                    results[put.position] = Written(
                        origin, "", error=f"The server has taken it and does not give it back. {given}"
                    )
                    continue
                href, etag, content = given
                resource = Resource(href, etag, put.new.state.kind)
                items[origin] = item = self._collections.take_in(work, put.collection, resource, content)
                state = put.new.state
                lost = held.lost(state, held.resource(state))
                if content != put.new.blob:
                    lost += (REWRITTEN if content != put.content else FITTED,)
                if kind_of(content) != state.kind:
                    lost += (f"kind {state.kind}",)
                results[put.position] = Written(origin, str(item), put.existed, lost=lost)
            self._mirror.settle(self._number, import_id, items.items())

    def update(self, before: ItemState, wanted: ItemState, blob: bytes | None) -> None:
        """Give an item another content, or put it into another collection; nothing else of it is held.

        :raises NotFound, Refused: it is not there, or cannot be so.
        """
        folder = number_of(wanted.folder)
        if blob is None and wanted.folder == before.folder:
            return
        item = number_of(before.item_id)
        collection = _target(self._collections.known(), folder, before.kind)
        content = None if blob is None else _storable(before.kind, blob)
        href = self.href(item)
        if wanted.folder != before.folder:
            href = self._move(item, href, collection)
        if content is not None:
            try:
                self._dav.put(href, content, before.kind)
            except Unavailable as error:
                if not isinstance(error, Failed):
                    raise
                self._dav.is_there(href)  # raises where it is no matter of this content
                raise Refused(str(error)) from error
        given, = self._dav.read([href])
        if isinstance(given, Exception):
            raise given
        with self._mirror.changing(self._number) as work:
            self._collections.take_in(work, folder, Resource(href, given[1], before.kind), given[2], item)

    def _move(self, item: int, href: str, collection: Known) -> str:
        """Move an item to another collection; return where it is there. A process may end at any point of it."""
        to = f"{collection.href}{_digest(str(item), href)}{href[-4:]}"
        self._collections.expect(to, item, collection.item)
        try:
            self._dav.move(href, to)
        except (NotFound, Refused) as error:
            if isinstance(error, NotFound):
                self._collections.synchronise()  # an earlier process may have moved it
                if self.href(item) == to:
                    return to
            with self._mirror.changing(self._number) as work:
                self._collections.bury(work, [to])
            raise
        with self._mirror.changing(self._number) as work:
            self._collections.bury(work, [href])
        return to

    def href(self, item: int) -> str:
        """Return where an item is on the server. :raises NotFound: nowhere."""
        row = self._database.execute(
            "SELECT locator FROM items WHERE mailbox = ? AND id = ?", (self._number, item)
        ).fetchone()
        if row is None or not row[0]:
            raise NotFound(f"There is no item {item} in this mailbox.")
        return str(row[0])

    def delete(self, items: Sequence[int]) -> None:
        """Delete items on the server. :raises Refused: one is kept."""
        for item in items:
            self._dav.delete(self.href(item))

    # -- collections -----------------------------------------------------------------------------------------------

    def create(self, state: ItemState) -> tuple[int, tuple[str, ...]]:
        """Create an address book or a calendar below the root; return the id of its folder, and what is lost.

        :raises Refused, InvalidInput: the server does not take it, or there is no server for it.
        """
        view = str(state.attrs["view"])
        made = self._dav.create_collection(state.name, view, str(held.collection(state).attrs.get("color", "")))
        self._collections.synchronise()
        item = item_id("collection", made.href)
        if not self.has(item):
            raise Refused(f"The server has made the folder {state.name!r} and does not list it.")
        attrs = {"view": made.view, **({"color": made.color} if made.color else {})}
        lost = held.lost(state, held.collection(state)._replace(attrs=attrs))
        if made.name != state.name:
            lost += ("name",)
        if number_of(state.folder) != ROOT:
            lost += ("the folder that it was in",)
        return item, lost

    def update_collection(self, before: ItemState, state: ItemState) -> None:
        """Give a collection another name or color. :raises Refused: it cannot be so."""
        wanted, present = held.collection(state), held.collection(before)
        if wanted.folder != before.folder:
            raise Refused(f"{before.name!r} is an address book or a calendar; those lie in no other folder.")
        color = str(wanted.attrs.get("color", ""))
        if wanted.name != before.name or color not in ("", present.attrs.get("color")):
            self._dav.rename_collection(self._collections.known()[number_of(before.item_id)].href, wanted.name, color)
            self._collections.synchronise()

    def delete_collection(self, folder: int) -> None:
        """Delete a collection with all in it on the server. :raises Refused: it is kept."""
        self._dav.delete_collection(self._collections.known()[folder].href)

    def forget(self, items: Sequence[int], folders: Sequence[int]) -> None:
        """Write down nothing more of items and collections that were deleted; inside the transaction of that."""
        for item in items:
            self._database.execute("DELETE FROM resources WHERE mailbox = ? AND id = ?", (self._number, item))
        self._collections.forget_collections(folders)


def _target(known: dict[int, Known], folder: int, kind: str) -> Known:
    """Return the collection that a folder is. :raises Refused: it is none, or none for items of that kind."""
    collection = known.get(folder)
    if collection is None or collection.for_cards != (kind in storable.CARDS):
        raise Refused(f"Its folder is for other items on this mail server, which keeps no {kind} there.")
    return collection


def _storable(kind: str, blob: bytes) -> bytes:
    """Return what the server can take of a content. :raises Refused: it cannot be one resource."""
    refusal = storable.refusal(kind, blob)
    if refusal:
        raise Refused(refusal)
    return storable.content(kind, blob)


def _suffix(kind: str) -> str:
    return ".vcf" if kind in storable.CARDS else ".ics"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


KINDS: Final = (kinds.CONTACT, kinds.CONTACT_GROUP, kinds.APPOINTMENT, kinds.TASK)
"""What lies in collections."""
VIEWS: Final = (kinds.CONTACT, kinds.APPOINTMENT, kinds.TASK)
"""What a folder is made for that is a collection."""
