# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing folders to an IMAP server: mailboxes with their subscriptions, shares and annotations."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from ...model import kinds
from ...model.errors import AlreadyExists, NotFound, Refused
from ...model.state import ItemState
from ..index.items import ROOT, number_of
from ..port import NewItem
from . import held, names, tree
from .annotations import Annotations, noted
from .collection_writing import CollectionWriter
from .intents import Intent
from .mirror import Mirror
from .notes import Notes
from .rights import Rights
from .session import Session
from .sync import Synchroniser


class FolderWriter:
    """Writes the folders of one mailbox. The caller is alone with it (Mirror.alone)."""

    def __init__(
        self, mirror: Mirror, session: Session, number: int, synchroniser: Synchroniser, rights: Rights,
        annotations: Annotations, collections: CollectionWriter | None, notes: Notes,
    ) -> None:
        self._mirror = mirror
        self._database = mirror.database
        self._session = session
        self._number = number
        self._synchroniser = synchroniser
        self._rights = rights
        self._annotations = annotations
        self._collections = collections
        self._notes = notes

    def held(self, state: ItemState) -> ItemState:
        """Return what the server can hold of a folder."""
        grants = self._rights.held(state.attrs.get("grants", ())) if self._rights.known else []
        return held.folder(state, grants, self._annotations.held(noted(state.flags, state.attrs)))

    def create(self, new: NewItem, import_id: str) -> int:
        """Make a folder; return its id. :raises Refused: the server has none of this kind, or says no."""
        state = new.state
        if state.attrs.get("view", "") not in ("", kinds.MESSAGE):
            raise Refused(f"This mail server has no folders for what is no mail, as {state.name!r} is one.")
        self.check_free(state)
        self._mirror.intend(self._number, Intent(
            import_id, new.origin, kinds.FOLDER, number_of(state.folder), state.name
        ))
        special = next((item for item, known in tree.SYSTEM.items() if known == state.name), 0)
        try:
            use = tree.SPECIAL.get(special, b"") if number_of(state.folder) == ROOT else b""
            name = self._named(state, lambda name: self._session.create(name, use))
            self._settle(name, state, [])
            with contextlib.suppress(Refused):  # what is not there afterwards is lost
                self._annotations.put(name, self._annotations.held(noted(state.flags, state.attrs)), {})
        except (Refused, AlreadyExists, NotFound, UnicodeEncodeError):
            self._notes.forget()
            raise
        self._synchroniser.run()
        item = next((item for item, folder in self._mirror.folders(self._number).items() if folder.name == name), 0)
        with self._database.transaction():
            self._mirror.settle(self._number, import_id, [(new.origin, item)] if item else ())
        if not item:
            raise Refused(f"The mail server has made the folder {state.name!r} and does not list it.")
        return item

    def update(self, before: ItemState, wanted: ItemState) -> None:
        """Make a folder what it is to be, which the server can hold."""
        item = number_of(before.item_id)
        if item == ROOT or wanted == before:
            return
        remote = self._mirror.folder(self._number, item)
        name = remote.name
        if (wanted.folder, wanted.name) != (before.folder, before.name):
            self.check_free(wanted)
            name = self._named(wanted, lambda name: self._session.rename(remote.name, name))
        if (wanted.flags, wanted.attrs) != (before.flags, before.attrs) and remote.selectable:
            self._settle(name, wanted, before.attrs.get("grants", ()))
            self._annotations.put(name, *(noted(state.flags, state.attrs) for state in (wanted, before)))
        self._synchroniser.run()

    def check_free(self, state: ItemState) -> None:
        """:raises Refused: there is another folder of this name in that place."""
        if self._database.execute(
            "SELECT 1 FROM items INDEXED BY folder_names WHERE mailbox = ? AND folder = ? AND name = ? "
            "AND kind IN ('folder', 'mountpoint')", (self._number, number_of(state.folder), state.name),
        ).fetchone():
            raise Refused(f"There is a folder named {state.name!r} in that place already.")

    def _settle(self, name: bytes, state: ItemState, present: Sequence[dict[str, object]]) -> None:
        """Give a mailbox the subscription and the shares that a folder has."""
        self._session.subscribe(name, "*" in state.flags)
        if self._rights.known:
            self._rights.put(name, state.attrs.get("grants", ()), present)

    def _named(self, state: ItemState, make: Callable[[bytes], None]) -> bytes:
        """Let a mailbox get the name of a folder; where the server refuses that, one that no server refuses."""
        plain, careful = (
            self._name_in(number_of(state.folder), names.part(state.name, self._session.delimiter, careful=doubt))
            for doubt in (False, True)
        )
        try:
            make(plain)
        except Refused:
            if careful == plain:
                raise
            make(careful)
            return careful
        return plain

    def _name_in(self, parent: int, part: bytes) -> bytes:
        """Return what the server is to call a folder."""
        if parent == ROOT:
            return self._session.prefix + part
        if self._collections is not None and self._collections.has(parent):
            raise Refused("An address book or a calendar has no folders for mail in it.")
        above = self._mirror.folder(self._number, parent)
        if not self._session.delimiter:
            raise Refused(f"This mail server has no folders below {above.name.decode('latin-1')!r}.")
        # Where all is called INBOX.x, what lies below the Inbox is INBOX.INBOX.x.
        outer = self._session.prefix if parent == tree.INBOX else b""
        return names.join((above.name, part), outer, self._session.delimiter)
