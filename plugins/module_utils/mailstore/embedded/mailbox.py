# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mailboxes of the embedded store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from ...model import kinds, moment
from ...model.errors import Damaged, NotFound, Refused
from ...model.state import ItemState
from ..port import Changes, NewItem, Written
from .blobs import BlobVolumes, Place

ROOT: Final = 1
FIRST_USER_ID: Final = 256

SYSTEM_FOLDERS: Final = (
    (1, 0, "", ""), (2, 1, "Inbox", "message"), (3, 1, "Trash", ""), (4, 1, "Junk", "message"),
    (5, 1, "Sent", "message"), (6, 1, "Drafts", "message"), (7, 1, "Contacts", "contact"),
    (10, 1, "Calendar", "appointment"), (13, 1, "Emailed Contacts", "contact"), (15, 1, "Tasks", "task"),
    (16, 1, "Briefcase", "document"),
)
"""(id, parent, name, view) of what every mailbox has (interfaces, section 6)."""

_COLUMNS = "id, kind, folder, name, flags, tags, date, size, digest, attrs"
_FOLDERS = (kinds.FOLDER, kinds.MOUNTPOINT)
_NO_FOLDER = (kinds.TAG, kinds.FILTER_SET, kinds.DATA_SOURCE)


class Mailboxes:
    """The items of all mailboxes. Its writing methods are called inside a transaction."""

    def __init__(self, database: sqlite3.Connection, blobs: BlobVolumes, incarnation: str) -> None:
        self._database = database
        self._blobs = blobs
        self._incarnation = incarnation

    # -- mailboxes -------------------------------------------------------------------------------------------------

    def create(self, account: str) -> None:
        """Make the mailbox of an account, with the system folders."""
        number = self._database.execute(
            "INSERT INTO mailboxes (account, next_id, change) VALUES (?, ?, 1)", (account, FIRST_USER_ID)
        ).lastrowid
        now = moment.now()
        self._database.executemany(
            "INSERT INTO items VALUES (?, ?, 'folder', ?, ?, '', '', ?, 0, NULL, ?, 1, NULL, NULL)",
            [(number, item, parent, name, now, json.dumps({"view": view} if view else {}))
             for item, parent, name, view in SYSTEM_FOLDERS],
        )

    def delete(self, account: str) -> list[Place]:
        """Remove a mailbox; return the blobs that nothing names any more."""
        number = self.number(account)
        places = self._places("mailbox = ?", (number,))
        for table in ("items", "tombstones", "imports"):
            self._database.execute(f"DELETE FROM {table} WHERE mailbox = ?", (number,))
        self._database.execute("DELETE FROM mailboxes WHERE number = ?", (number,))
        return places

    def number(self, account: str) -> int:
        """Return the number of an account's mailbox. :raises NotFound: there is none."""
        row = self._database.execute("SELECT number FROM mailboxes WHERE account = ?", (account,)).fetchone()
        if row is None:
            raise NotFound(f"There is no account with the id {account} on this mail store.")
        number: int = row[0]
        return number

    def tokens(self) -> Iterator[tuple[str, str]]:
        """Yield (account, token) of every mailbox."""
        for account, change in self._database.execute("SELECT account, change FROM mailboxes").fetchall():
            yield account, self._token(change)

    # -- reading ---------------------------------------------------------------------------------------------------

    def changes(self, account: str, since: str) -> Changes:
        """Return what changed since a token, all where the token is not one of this store."""
        number = self.number(account)
        now: int = self._database.execute("SELECT change FROM mailboxes WHERE number = ?", (number,)).fetchone()[0]
        incarnation, _colon, text = since.partition(":")
        after = int(text) if incarnation == self._incarnation and text.isdigit() else -1
        full = not 0 <= after <= now
        if full:
            after = 0
        deleted = [] if full else [
            str(row[0]) for row in self._database.execute(
                "SELECT id FROM tombstones WHERE mailbox = ? AND change > ? AND change <= ? ORDER BY change, id",
                (number, after, now),
            )
        ]
        return Changes(self._token(now), full, self._changed(number, after), deleted)

    def _changed(self, number: int, after: int) -> Iterator[ItemState]:
        where = "mailbox = ? AND change > ?" if after else "mailbox = ?"
        values = (number, after) if after else (number,)
        folders = self._states(f"{where} AND kind IN ('folder', 'mountpoint')", values)
        yield from _parents_first(folders)
        yield from self._states(f"{where} AND kind = 'tag'", values)
        cursor = self._database.execute(
            f"SELECT {_COLUMNS} FROM items WHERE {where} AND kind NOT IN ('folder', 'mountpoint', 'tag')", values
        )
        for row in cursor:
            yield _state(row)

    def _states(self, where: str, values: Sequence[Any]) -> list[ItemState]:
        return [_state(row) for row in self._database.execute(f"SELECT {_COLUMNS} FROM items WHERE {where}", values)]

    def item(self, account: str, item: str) -> ItemState | None:
        """Return an item as it is."""
        found = self._states("mailbox = ? AND id = ?", (self.number(account), _id(item)))
        return found[0] if found else None

    def folders(self, account: str) -> list[ItemState]:
        """Return folders and mountpoints, parents first."""
        return list(_parents_first(
            self._states("mailbox = ? AND kind IN ('folder', 'mountpoint')", (self.number(account),))
        ))

    def read_blob(self, account: str, item: str) -> bytes:
        """Return an item's content."""
        row = self._database.execute(
            "SELECT kind, digest, volume, locator FROM items WHERE mailbox = ? AND id = ?",
            (self.number(account), _id(item)),
        ).fetchone()
        if row is None:
            raise NotFound(f"Account {account} has no item {item}.")
        if row[1] is None:
            raise NotFound(f"Item {item} of account {account} is a {row[0]}, which has no content.")
        try:
            return self._blobs.read(Place(row[2], row[3]), row[1])
        except Damaged as error:
            raise Damaged(f"Item {item} of account {account} is damaged: {error}.") from error

    # -- writing ---------------------------------------------------------------------------------------------------

    def imported(self, account: str, import_id: str) -> Iterator[tuple[str, str]]:
        """Yield (origin, item) of an import in the order of writing."""
        rows = self._database.execute(
            "SELECT origin, item FROM imports WHERE mailbox = ? AND import = ? ORDER BY item, origin",
            (self.number(account), import_id),
        )
        for origin, item in rows.fetchall():
            yield origin, str(item)

    def find_imported(self, number: int, import_id: str, origins: Iterable[str]) -> dict[str, int]:
        """Return the items that origins were written as."""
        if not import_id:
            return {}
        found = {}
        for origin in origins:
            row = self._database.execute(
                "SELECT item FROM imports WHERE mailbox = ? AND import = ? AND origin = ?", (number, import_id, origin)
            ).fetchone()
            if row is not None:
                found[origin] = row[0]
        return found

    def map_imported(self, number: int, import_id: str, pairs: Sequence[tuple[str, str]]) -> None:
        """Record items under an import."""
        self._database.executemany(
            "INSERT OR REPLACE INTO imports VALUES (?, ?, ?, ?)",
            [(number, import_id, origin, _id(item)) for origin, item in pairs],
        )

    def add(
        self, number: int, batch: Sequence[NewItem], digests: Sequence[bytes | None], places: Sequence[Place | None],
        import_id: str,
    ) -> tuple[list[Written], list[Place]]:
        """Add items; return what became of each, and the blobs that were not needed."""
        known = self.find_imported(number, import_id, (new.origin for new in batch))
        item, change = self._database.execute(
            "SELECT next_id, change FROM mailboxes WHERE number = ?", (number,)
        ).fetchone()
        change += 1
        folders: dict[int, bool] = {}
        written: list[Written] = []
        unneeded: list[Place] = []
        for new, digest, place in zip(batch, digests, places):
            if new.origin in known:
                result = Written(new.origin, str(known[new.origin]), existed=True)
            else:
                error = self._refusal(number, new, folders) or self._insert(number, item, new, digest, place, change)
                result = Written(new.origin, "" if error else str(item), error=error)
            if result.item_id and not result.existed:
                if import_id:
                    known[new.origin] = item
                    self._database.execute(
                        "INSERT INTO imports VALUES (?, ?, ?, ?)", (number, import_id, new.origin, item)
                    )
                item += 1
            elif place is not None:
                unneeded.append(place)
            written.append(result)
        if any(result.item_id and not result.existed for result in written):
            self._changed_now(number, change, item)
        return written, unneeded

    def update(self, number: int, state: ItemState, digest: bytes | None, place: Place | None) -> list[Place]:
        """Give an item other metadata, and other content where a place is given; return the blob it had."""
        item = _id(state.item_id)
        row = self._database.execute(
            f"SELECT {_COLUMNS} FROM items WHERE mailbox = ? AND id = ?", (number, item)
        ).fetchone()
        if row is None:
            raise NotFound(f"There is no item {state.item_id} to change in this mailbox.")
        before = _state(row)
        if item < FIRST_USER_ID and (state.folder, state.name) != (before.folder, before.name):
            raise Refused(f"{before.name or 'The root'} is a system folder; it cannot be renamed or moved.")
        if state.folder != before.folder:
            self._check_target(number, item, before, state)
        old = self._places("mailbox = ? AND id = ?", (number, item)) if place else []
        change, next_id = self._database.execute(
            "SELECT change, next_id FROM mailboxes WHERE number = ?", (number,)
        ).fetchone()
        values: list[Any] = [
            _id(state.folder), state.name, state.flags, " ".join(state.tags), state.date, json.dumps(state.attrs),
            change + 1,
        ]
        columns = "folder = ?, name = ?, flags = ?, tags = ?, date = ?, attrs = ?, change = ?"
        if place:
            columns += ", digest = ?, size = ?, volume = ?, locator = ?"
            values += [digest, state.size, place.volume, place.locator]
        try:
            self._database.execute(f"UPDATE items SET {columns} WHERE mailbox = ? AND id = ?", (*values, number, item))
        except sqlite3.IntegrityError as error:
            raise Refused(f"There is another {before.kind} named {state.name!r} in that place.") from error
        self._changed_now(number, change + 1, next_id)
        return old

    def remove(self, number: int, items: Sequence[str]) -> list[Place]:
        """Remove items, folders with all in them; return the blobs that nothing names any more."""
        doomed: dict[int, str] = {}
        stack = [_id(item) for item in items]
        while stack:
            item = stack.pop()
            kind = self._kind(number, item)
            if not kind or item in doomed:
                continue
            if item < FIRST_USER_ID and kind == kinds.FOLDER:
                raise Refused(f"Folder {item} is a system folder and cannot be deleted.")
            doomed[item] = kind
            if kind == kinds.FOLDER:
                stack += [row[0] for row in self._database.execute(
                    "SELECT id FROM items WHERE mailbox = ? AND folder = ?", (number, item)
                )]
        if not doomed:
            return []
        change, next_id = self._database.execute(
            "SELECT change, next_id FROM mailboxes WHERE number = ?", (number,)
        ).fetchone()
        places: list[Place] = []
        for item, kind in doomed.items():
            places += self._places("mailbox = ? AND id = ?", (number, item))
            self._database.execute("DELETE FROM items WHERE mailbox = ? AND id = ?", (number, item))
            self._database.execute("INSERT INTO tombstones VALUES (?, ?, ?, ?)", (number, item, kind, change + 1))
        self._changed_now(number, change + 1, next_id)
        return places

    def _refusal(self, number: int, new: NewItem, folders: dict[int, bool]) -> str:
        kind, state = new.state.kind, new.state
        if kind not in kinds.ITEM_KINDS:
            return f"This store holds no items of the kind {kind!r}."
        if (kind in kinds.WITH_CONTENT) != (new.blob is not None):
            return f"A {kind} must {'have' if kind in kinds.WITH_CONTENT else 'not have'} content."
        if kind in (*_FOLDERS, kinds.TAG, kinds.FILTER_SET) and not state.name:
            return f"A {kind} needs a name."
        folder = _id(state.folder)
        if kind in _NO_FOLDER or folders.get(folder):
            return ""
        folders[folder] = self._kind(number, folder) == kinds.FOLDER
        return "" if folders[folder] else f"Its folder {state.folder!r} does not exist."

    def _insert(
        self, number: int, item: int, new: NewItem, digest: bytes | None, place: Place | None, change: int
    ) -> str:
        state = new.state
        try:
            self._database.execute(
                "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    number, item, state.kind, _id(state.folder), state.name, state.flags, " ".join(state.tags),
                    state.date, len(new.blob or b""), digest, json.dumps(state.attrs) if state.attrs else "{}", change,
                    place.volume if place else None, place.locator if place else None,
                ),
            )
        except sqlite3.IntegrityError:
            return f"There is a {state.kind} named {state.name!r} in that place already."
        return ""

    def _check_target(self, number: int, item: int, before: ItemState, state: ItemState) -> None:
        if before.kind in _NO_FOLDER:
            return
        folder = _id(state.folder)
        if self._kind(number, folder) != kinds.FOLDER:
            raise NotFound(f"The folder {state.folder!r} that item {state.item_id} should go to does not exist.")
        while folder not in (0, ROOT):
            if folder == item:
                raise Refused(f"The folder {before.name!r} cannot be moved into itself.")
            folder = self._database.execute(
                "SELECT folder FROM items WHERE mailbox = ? AND id = ?", (number, folder)
            ).fetchone()[0]

    def _kind(self, number: int, item: int) -> str:
        row = self._database.execute("SELECT kind FROM items WHERE mailbox = ? AND id = ?", (number, item)).fetchone()
        return row[0] if row else ""

    def _places(self, where: str, values: Sequence[Any]) -> list[Place]:
        rows = self._database.execute(f"SELECT volume, locator FROM items WHERE {where} AND volume IS NOT NULL", values)
        return [Place(*row) for row in rows]

    def _changed_now(self, number: int, change: int, next_id: int) -> None:
        self._database.execute(
            "UPDATE mailboxes SET change = ?, next_id = ? WHERE number = ?", (change, next_id, number)
        )
        self._database.execute(
            "INSERT INTO feed (account, change) SELECT account, change FROM mailboxes WHERE number = ?", (number,)
        )

    def _token(self, change: int) -> str:
        return f"{self._incarnation}:{change}"


def _id(item: str) -> int:
    """Return an item id as a number; one that is none belongs to no item."""
    return int(item) if item.isascii() and item.isdigit() and len(item) < 18 else 0


def _state(row: tuple[Any, ...]) -> ItemState:
    item, kind, folder, name, flags, tags, date, size, digest, attrs = row
    return ItemState(
        str(item), kind, str(folder) if folder else "", name, flags, tuple(tags.split()), date, size,
        digest.hex() if digest else "", json.loads(attrs),
    )


def _parents_first(folders: list[ItemState]) -> Iterator[ItemState]:
    present = {folder.item_id for folder in folders}
    inside: dict[str, list[ItemState]] = {}
    for folder in folders:
        inside.setdefault(folder.folder if folder.folder in present else "", []).append(folder)
    level = inside.get("", [])
    while level:
        yield from level
        level = [child for folder in level for child in inside.get(folder.item_id, [])]
