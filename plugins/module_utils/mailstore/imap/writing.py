# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing to the mailbox of an account of an IMAP server: what is written by whom, and removing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...model import kinds
from ...model.errors import AlreadyExists, InvalidInput, NotFound, Refused, RestanteError, Unavailable
from ...model.state import ItemState
from ..index.items import ROOT, number_of
from ..port import NewItem, Written
from . import dav_xml, held, tree
from .annotations import Annotations
from .collection_writing import KINDS, VIEWS, CollectionWriter
from .filters import Filters
from .folder_writing import FolderWriter
from .intents import Intent
from .message_writing import MessageWriter
from .mirror import Mirror, item_id
from .notes import Notes
from .rights import Rights
from .session import Session
from .sync import Synchroniser


class MailboxWriter:
    """Writes to one mailbox. The caller is alone with it (Mirror.alone)."""

    def __init__(
        self, mirror: Mirror, session: Session, number: int, synchroniser: Synchroniser, rights: Rights,
        annotations: Annotations, filters: Filters | None, collections: CollectionWriter | None,
    ) -> None:
        self._mirror = mirror
        self._database = mirror.database
        self._session = session
        self._number = number
        self._filters = filters
        self._collections = collections
        self._notes = Notes(mirror, session, number, synchroniser, filters, collections)
        self._messages = MessageWriter(mirror, session, number, synchroniser, self._notes)
        self._folders = FolderWriter(
            mirror, session, number, synchroniser, rights, annotations, collections, self._notes
        )

    def recover(self) -> None:
        """Find out what became of what a process was about to write when it ended."""
        self._notes.recover()

    # -- adding ----------------------------------------------------------------------------------------------------

    def write(self, batch: Sequence[NewItem], import_id: str) -> list[Written]:
        """Add items; return what became of each."""
        self._notes.recover()
        known = self._mirror.writer.find_imported(self._number, import_id, [new.origin for new in batch])
        results: dict[int, Written] = {}
        contents: list[tuple[int, NewItem]] = []
        first: dict[str, int] = {}
        for position, new in enumerate(batch):
            if new.origin in known:
                results[position] = Written(new.origin, str(known[new.origin]), existed=True)
            elif import_id and new.origin in first:
                continue  # twice in one batch: what becomes of it is known when the first is written
            else:
                first.setdefault(new.origin, position)
                if new.state.kind == kinds.MESSAGE or new.state.kind in KINDS and self._collections is not None:
                    contents.append((position, new))
                    continue
                self._contents(contents, import_id, results)
                contents = []
                results[position] = self._other(new, import_id)
        self._contents(contents, import_id, results)
        for position, new in enumerate(batch):
            if position not in results:
                done = results[first[new.origin]]
                results[position] = done if done.error else done._replace(existed=True)
        return [results[position] for position in range(len(batch))]

    def _contents(self, wanted: Sequence[tuple[int, NewItem]], import_id: str, results: dict[int, Written]) -> None:
        """Write messages, and what lies in address books and calendars."""
        self._messages.write([one for one in wanted if one[1].state.kind == kinds.MESSAGE], import_id, results)
        if self._collections is not None:
            self._collections.write(
                [one for one in wanted if one[1].state.kind != kinds.MESSAGE], import_id, results
            )

    # -- what is no message ----------------------------------------------------------------------------------------

    def _other(self, new: NewItem, import_id: str) -> Written:
        refusal, = self._mirror.writer.refusals(self._number, [new])
        try:
            if refusal:
                raise Refused(refusal)
            if new.state.kind == kinds.FOLDER and new.state.attrs.get("view") in VIEWS:
                return self._collection(new, import_id)
            if new.state.kind == kinds.FOLDER:
                item = self._folders.create(new, import_id)
            elif new.state.kind == kinds.TAG:
                item = self._tag(new, import_id)
            elif new.state.kind == kinds.FILTER_SET:
                item = self._script(new, import_id)
            else:
                raise Refused(f"This mail server holds no {new.state.kind}.")
        except Unavailable:
            raise
        except (RestanteError, UnicodeEncodeError) as error:
            return Written(new.origin, "", error=str(error))
        kept = self.held(new.state)
        return Written(new.origin, str(item), lost=held.lost(new.state, kept))

    def held(self, state: ItemState) -> ItemState:
        """Return what the server can hold of an item."""
        if state.kind == kinds.MESSAGE:
            return held.message(state)
        if state.kind == kinds.FOLDER and state.attrs.get("view") in VIEWS:
            return held.collection(state)
        if state.kind == kinds.FOLDER:
            return self._folders.held(state)
        return held.other(state)

    def _collection(self, new: NewItem, import_id: str) -> Written:
        state = new.state._replace(folder=str(ROOT))
        if self._collections is None:
            raise Refused(f"This mail server has no folders for what is no mail, as {state.name!r} is one.")
        self._folders.check_free(state)
        shown = dav_xml.text(state.name).strip()
        self._mirror.intend(self._number, Intent(import_id, new.origin, kinds.FOLDER, ROOT, shown))
        try:
            item, lost = self._collections.create(new.state)
        except (Refused, InvalidInput, NotFound):
            self._notes.forget()
            raise
        with self._database.transaction():
            self._mirror.settle(self._number, import_id, [(new.origin, item)])
        return Written(new.origin, str(item), lost=lost)

    def _tag(self, new: NewItem, import_id: str) -> int:
        word = held.keyword(new.state.name)
        if not word:
            raise Refused(f"The tag {new.state.name!r} is too long for a keyword of IMAP.")
        wanted = new._replace(state=held.other(new.state))
        item = item_id(kinds.TAG, word.lower())
        with self._database.transaction():
            written, = self._mirror.writer.add(self._number, [wanted], [None], import_id, [item])
            if not written.error:
                self._database.execute(
                    "UPDATE items SET locator = ? WHERE mailbox = ? AND id = ?", (word, self._number, item)
                )
        if written.error:
            raise AlreadyExists(written.error)
        return item

    def _script(self, new: NewItem, import_id: str) -> int:
        if self._filters is None:
            raise Refused("This mail server has no ManageSieve, and keeps no filters.")
        if self._database.execute(
            "SELECT 1 FROM items INDEXED BY filter_set_names WHERE mailbox = ? AND name = ? AND kind = 'filter_set'",
            (self._number, new.state.name),
        ).fetchone():
            raise AlreadyExists(f"There is a filter set named {new.state.name!r} already.")
        self._mirror.intend(self._number, Intent(import_id, new.origin, kinds.FILTER_SET, 0, new.state.name))
        try:
            name = self._filters.put(new.state, new.blob or b"")
        except (Refused, InvalidInput, NotFound):
            self._notes.forget()
            raise
        item = item_id(kinds.FILTER_SET, name)
        self._filters.synchronise()
        with self._database.transaction():
            self._mirror.settle(self._number, import_id, [(new.origin, item)])
        return item

    # -- changing --------------------------------------------------------------------------------------------------

    def update(self, state: ItemState, blob: bytes | None) -> None:
        """Make an item what it is to be. :raises NotFound, Refused: it is not there, or cannot be so."""
        self._notes.recover()
        before, wanted = self._mirror.writer.checked(self._number, state, blob is not None)
        if before.kind == kinds.MESSAGE:
            self._messages.update(before, wanted, blob)
        elif self._collections is not None and before.kind in KINDS:
            self._collections.update(before, wanted, blob)
        elif self._collections is not None and self._collections.has(number_of(before.item_id)):
            if wanted.name != before.name:
                self._folders.check_free(wanted)
            view = before.attrs["view"]
            self._collections.update_collection(before, wanted._replace(attrs={**wanted.attrs, "view": view}))
        elif before.kind == kinds.FOLDER:
            self._folders.update(before, self.held(wanted))
        elif before.kind == kinds.FILTER_SET and blob is not None and self._filters is not None:
            self._filters.put(wanted._replace(attrs=before.attrs), blob)
            self._filters.synchronise()
        elif held.other(wanted) != held.other(before):
            raise Refused(f"A {before.kind} of a mail server that speaks IMAP cannot be changed.")

    # -- removing --------------------------------------------------------------------------------------------------

    def remove(self, items: Sequence[str]) -> None:
        """Remove items, folders with all in them. :raises Refused: one of them cannot be removed; none was."""
        self._notes.recover()
        rows = {row[0]: row[1:] for number in map(number_of, items) for row in self._database.execute(
            "SELECT id, kind, folder, locator FROM items WHERE mailbox = ? AND id = ?", (self._number, number)
        ).fetchall()}
        system = [str(item) for item in rows if item == ROOT or item in tree.SYSTEM]
        if system:
            raise Refused(f"{', '.join(system)}: a system folder cannot be deleted; nothing was deleted.")
        uids: dict[int, list[int]] = {}
        for item, (kind, folder, place) in rows.items():
            if kind == kinds.MESSAGE and place:
                uids.setdefault(folder, []).append(int(place))
            elif kind == kinds.TAG:
                self._untag(str(item))
            elif kind == kinds.FILTER_SET and self._filters is not None:
                self._filters.delete(place)
        self._remove_collections(rows)
        for folder, numbers in uids.items():
            self._session.expunge(self._mirror.folder(self._number, folder).name, numbers)
        folders = self._mirror.writer.with_subfolders(
            self._number, [item for item, row in rows.items() if row[0] == kinds.FOLDER]
        )
        for item in reversed(list(dict.fromkeys(folders))):
            remote = self._mirror.folders(self._number).get(item)
            if remote is not None:
                try:
                    self._session.subscribe(remote.name, False)
                    self._session.delete(remote.name)
                except Refused:
                    if remote.selectable:
                        raise
        with self._database.transaction():
            if self._collections is not None:
                self._collections.forget(list(rows), self._collections.among(rows))
            self._mirror.writer.remove(self._number, items)
            self._database.executemany(
                "DELETE FROM remote_folders WHERE mailbox = ? AND id = ?", [(self._number, item) for item in folders]
            )

    def _remove_collections(self, rows: Mapping[int, tuple[Any, ...]]) -> None:
        """Remove address books and calendars from the server, and what lies in others."""
        if self._collections is None:
            return
        doomed = self._collections.among(rows)
        for item in doomed:
            self._collections.delete_collection(item)
        self._collections.delete([
            item for item, (kind, folder, _place) in rows.items() if kind in KINDS and folder not in doomed
        ])

    def _untag(self, tag: str) -> None:
        """Take a keyword off all messages."""
        word = self._mirror.keyword_of(self._number, tag)
        uids: dict[int, list[int]] = {}
        for folder, uid in self._mirror.tagged(self._number, tag):
            uids.setdefault(folder, []).append(uid)
        for folder, numbers in uids.items():
            self._session.take_off(self._mirror.folder(self._number, folder).name, numbers, word)
