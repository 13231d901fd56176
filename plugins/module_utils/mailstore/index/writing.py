# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing what an index knows of mailboxes. All of it happens inside the caller's transaction."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from ...model import kinds
from ...model.errors import Busy, NotFound, Refused
from ...model.state import ItemState
from ..port import NewItem, Written
from .database import Database
from .items import COLUMNS, FIRST_USER_ID, IS_FOLDER, ROOT, SYSTEM_FOLDERS, number_of, state_of
from .reading import mailbox_number

_NAMED: Final = (kinds.FOLDER, kinds.MOUNTPOINT, kinds.TAG, kinds.FILTER_SET)
"""Kinds of which two of one name cannot be in one place."""
_IN_NO_FOLDER: Final = (kinds.TAG, kinds.FILTER_SET, kinds.DATA_SOURCE)
_LARGEST: Final = 2**63 - 1
_INSERT: Final = f"INSERT INTO items VALUES ({', '.join('?' * 14)})"


class Content(NamedTuple):
    """The content of an item, as it was stored."""

    digest: bytes
    size: int
    place: tuple[int | None, str | None]
    """Where it is: a volume and what it is called there, or what a mail server calls it."""


class IndexWriter:
    """All mailboxes of one index, to be written."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session = secrets.token_hex(8)

    def create(self, account: str, at: int, folders: Sequence[tuple[int, int, str, str]] = SYSTEM_FOLDERS) -> None:
        """Make the mailbox of an account, with the system folders."""
        number = self._database.execute(
            "INSERT INTO mailboxes (account, next_id, change, session) VALUES (?, ?, 1, ?)",
            (account, FIRST_USER_ID, self._session),
        ).lastrowid
        self._database.execute("INSERT INTO sessions VALUES (?, 1, ?)", (number, self._session))
        self._database.executemany(_INSERT, [
            (number, item, kinds.FOLDER, parent, name, "", "", at, 0, None,
             json.dumps({"view": view} if view else {}), 1, None, None)
            for item, parent, name, view in folders
        ])

    def delete(self, account: str) -> None:
        """Remove a mailbox."""
        number = mailbox_number(self._database, account)
        self._database.execute(
            "INSERT INTO garbage (volume, locator) SELECT volume, locator FROM items "
            "WHERE mailbox = ? AND volume IS NOT NULL", (number,),
        )
        for table in ("items", "tombstones", "imports", "sessions"):
            self._database.execute(f"DELETE FROM {table} WHERE mailbox = ?", (number,))
        self._database.execute("DELETE FROM mailboxes WHERE number = ?", (number,))

    def find_imported(self, number: int, import_id: str, origins: Iterable[str]) -> dict[str, int]:
        """Return the items that origins were written as."""
        if not import_id:
            return {}
        rows = self._database.execute(
            f"SELECT origin, item FROM imports WHERE mailbox = ? AND import = ? AND {_among('origin')}",
            (number, import_id, json.dumps(list(origins))),
        )
        return dict(rows.fetchall())

    def map_imported(self, number: int, import_id: str, pairs: Sequence[tuple[str, str]]) -> None:
        """Record items under an import. :raises NotFound: one of them is not there."""
        for origin, item in pairs:
            if not self._kind(number, number_of(item)):
                raise NotFound(f"There is no item {item!r} that {origin!r} could be mapped to.")
            self._database.execute(
                "INSERT OR REPLACE INTO imports (mailbox, import, origin, item) VALUES (?, ?, ?, ?)",
                (number, import_id, origin, number_of(item)),
            )

    def refusals(self, number: int, batch: Iterable[NewItem]) -> list[str]:
        """Return why each item cannot be added; empty for those that can, as far as can be said beforehand."""
        kind_of: dict[str, str] = {}
        return [self._refusal(number, new, kind_of) for new in batch]

    def add(
        self, number: int, batch: Sequence[NewItem], contents: Sequence[Content | None], import_id: str,
        ids: Sequence[int] | None = None,
    ) -> list[Written]:
        """Add items; return what became of each.

        :param ids: what they are to be called; None for the next free ones.
        """
        known = self.find_imported(number, import_id, (new.origin for new in batch))
        change, free = self.next(number)
        kind_of: dict[str, str] = {}
        rows: list[tuple[Any, ...]] = []
        imports: list[tuple[Any, ...]] = []
        written: list[Written] = []
        for position, (new, content) in enumerate(zip(batch, contents)):
            item = free if ids is None else ids[position]
            if new.origin in known:
                written.append(Written(new.origin, str(known[new.origin]), existed=True))
                continue
            error = self._refusal(number, new, kind_of)
            if not error:
                row = _row(number, item, new.state, content, change)
                if new.state.kind in _NAMED:
                    error = self._insert_named(row)
                else:
                    rows.append(row)
            if error:
                written.append(Written(new.origin, "", error=error))
                continue
            if import_id:
                known[new.origin] = item
                imports.append((number, import_id, new.origin, item))
            written.append(Written(new.origin, str(item)))
            free += ids is None
        if any(one.item_id and not one.existed for one in written):
            try:
                self._database.executemany(_INSERT, rows)
            except sqlite3.IntegrityError as error:
                raise Busy("The volume that the blobs went to is gone by now; write them again.") from error
            self._database.executemany(
                "INSERT INTO imports (mailbox, import, origin, item) VALUES (?, ?, ?, ?)", imports
            )
            self.advance(number, change, free)
        return written

    def checked(self, number: int, state: ItemState, with_content: bool) -> tuple[ItemState, ItemState]:
        """Return an item as it is and as it is to be. :raises NotFound, Refused: it is not there, or cannot be so."""
        item = number_of(state.item_id)
        row = self._database.execute(
            f"SELECT {COLUMNS} FROM items WHERE mailbox = ? AND id = ?", (number, item)
        ).fetchone()
        if row is None:
            raise NotFound(f"There is no item {state.item_id!r} to change in this mailbox.")
        before = state_of(row)
        wanted = before._replace(
            folder=state.folder, name=state.name, flags=state.flags, tags=state.tags, date=state.date, attrs=state.attrs
        )
        if with_content or wanted != before:
            self._check_update(number, item, before, wanted, with_content)
        return before, wanted

    def update(self, number: int, state: ItemState, content: Content | None) -> bool:
        """Give an item other metadata, and other content where it is given; True if anything changed."""
        item = number_of(state.item_id)
        before, wanted = self.checked(number, state, content is not None)
        if content is None and wanted == before:
            return False
        change, next_id = self.next(number)
        columns = "folder = ?, name = ?, flags = ?, tags = ?, date = ?, attrs = ?, change = ?"
        values: list[Any] = [
            number_of(wanted.folder), wanted.name, wanted.flags, " ".join(wanted.tags), wanted.date,
            json.dumps(wanted.attrs), change,
        ]
        if content is not None:
            self._throw_away("id", number, [item])
            columns += ", digest = ?, size = ?, volume = ?, locator = ?"
            values += [content.digest, content.size, *content.place]
        try:
            self._database.execute(f"UPDATE items SET {columns} WHERE mailbox = ? AND id = ?", (*values, number, item))
        except sqlite3.IntegrityError as error:
            raise Refused(f"There is another {before.kind} named {state.name!r} in that place.") from error
        self.advance(number, change, next_id)
        return True

    def remove(self, number: int, items: Sequence[str]) -> bool:
        """Remove items, folders with all in them; True if there were any."""
        found = {item: kind for item in map(number_of, items) if (kind := self._kind(number, item))}
        protected = [item for item in found if item < FIRST_USER_ID]
        if protected:
            raise Refused(f"{', '.join(map(str, protected))}: a system folder cannot be deleted; nothing was deleted.")
        if not found:
            return False
        change, next_id = self.next(number)
        tags = {str(item) for item, kind in found.items() if kind == kinds.TAG}
        if tags:
            self.strip_tags(number, tags, change)
        folders = self.with_subfolders(number, [item for item, kind in found.items() if kind == kinds.FOLDER])
        if folders:
            self.bury("folder", number, folders, change)
        self.bury("id", number, list(found), change)
        self.advance(number, change, next_id)
        return True

    def next(self, number: int) -> tuple[int, int]:
        """Return the change number of the transaction that is under way, and the next item id."""
        change, item = self._database.execute(
            "SELECT change, next_id FROM mailboxes WHERE number = ?", (number,)
        ).fetchone()
        return change + 1, item

    def advance(self, number: int, change: int, next_id: int) -> None:
        """Give a mailbox the change number of the transaction that is under way, as one of this session."""
        self._database.execute(
            "INSERT OR REPLACE INTO sessions SELECT number, ?, ? FROM mailboxes WHERE number = ? AND session != ?",
            (change, self._session, number, self._session),
        )
        self._database.execute(
            "UPDATE mailboxes SET change = ?, next_id = ?, session = ? WHERE number = ?",
            (change, next_id, self._session, number),
        )

    def _kind(self, number: int, item: int) -> str:
        row = self._database.execute("SELECT kind FROM items WHERE mailbox = ? AND id = ?", (number, item)).fetchone()
        return row[0] if row else ""

    def with_subfolders(self, number: int, folders: list[int]) -> list[int]:
        for folder in folders:  # which grows meanwhile
            folders += [row[0] for row in self._database.execute(
                "SELECT id FROM items INDEXED BY folder_names "
                f"WHERE mailbox = ? AND folder = ? AND {IS_FOLDER} AND kind = 'folder'", (number, folder),
            )]
        return folders

    def bury(self, column: str, number: int, values: list[int], change: int) -> None:
        """Remove the items with these ids, or in these folders, and leave their tombstones."""
        self._throw_away(column, number, values)
        self._database.execute(
            f"INSERT INTO tombstones SELECT mailbox, ?, id FROM items WHERE mailbox = ? AND {_among(column)}",
            (change, number, json.dumps(values)),
        )
        self._database.execute(
            f"DELETE FROM items WHERE mailbox = ? AND {_among(column)}", (number, json.dumps(values))
        )

    def _throw_away(self, column: str, number: int, values: list[int]) -> None:
        self._database.execute(
            "INSERT INTO garbage (volume, locator) SELECT volume, locator FROM items "
            f"WHERE mailbox = ? AND {_among(column)} AND volume IS NOT NULL", (number, json.dumps(values)),
        )

    def strip_tags(self, number: int, gone: set[str], change: int) -> None:
        tagged = self._database.execute("SELECT id, tags FROM items WHERE mailbox = ? AND tags != ''", (number,))
        stripped = [
            (" ".join(tag for tag in tags.split() if tag not in gone), change, number, item)
            for item, tags in tagged if not gone.isdisjoint(tags.split())
        ]
        self._database.executemany("UPDATE items SET tags = ?, change = ? WHERE mailbox = ? AND id = ?", stripped)

    def _refusal(self, number: int, new: NewItem, kind_of: dict[str, str]) -> str:
        """Return why an item cannot be added; empty when it can, as far as can be said beforehand."""
        kind, state = new.state.kind, new.state
        if kind not in kinds.ITEM_KINDS:
            return f"This store holds no items of the kind {kind!r}."
        if (kind in kinds.WITH_CONTENT) != (new.blob is not None):
            return f"A {kind} must {'have' if kind in kinds.WITH_CONTENT else 'not have'} content."
        return _misfit(state, new.origin) or self._dangling(number, state, kind_of)

    def _dangling(self, number: int, state: ItemState, kind_of: dict[str, str]) -> str:
        """Return which folder or tag of an item is not there; kind_of remembers what was looked up."""
        for item in (state.folder, *state.tags):
            if item not in kind_of:
                kind_of[item] = self._kind(number, number_of(item))
        if state.kind not in _IN_NO_FOLDER and kind_of[state.folder] != kinds.FOLDER:
            return f"Its folder {state.folder!r} does not exist."
        for tag in state.tags:
            if kind_of[tag] != kinds.TAG:
                return f"Its tag {tag!r} does not exist."
        return ""

    def _insert_named(self, row: tuple[Any, ...]) -> str:
        try:
            self._database.execute(_INSERT, row)
        except sqlite3.IntegrityError:
            return f"There is a {row[2]} named {row[4]!r} in that place already."
        return ""

    def _check_update(
        self, number: int, item: int, before: ItemState, wanted: ItemState, with_content: bool
    ) -> None:
        if item < FIRST_USER_ID and (wanted.folder, wanted.name) != (before.folder, before.name):
            raise Refused(f"{before.name or 'The root'} is a system folder; it cannot be renamed or moved.")
        if with_content and before.kind not in kinds.WITH_CONTENT:
            raise Refused(f"Item {wanted.item_id} is a {before.kind} and cannot be given content.")
        reason = _misfit(wanted, "") if item != ROOT else ""
        if item >= FIRST_USER_ID:
            reason = reason or self._dangling(number, wanted, {})
        if reason:
            raise Refused(f"Item {wanted.item_id} cannot be changed so. {reason}")
        above = number_of(wanted.folder) if before.kind == kinds.FOLDER else ROOT
        while above not in (0, ROOT):
            if above == item:
                raise Refused(f"The folder {before.name!r} cannot be moved into itself.")
            above = self._database.execute(
                "SELECT folder FROM items WHERE mailbox = ? AND id = ?", (number, above)
            ).fetchone()[0]


def _among(column: str) -> str:
    """Return the condition that a column has one of the values of a JSON array."""
    return f"{column} IN (SELECT value FROM json_each(?))"


def _misfit(state: ItemState, origin: str) -> str:
    """Return why a database cannot hold these values; empty when it can."""
    if state.kind in _NAMED and not state.name:
        return f"A {state.kind} needs a name."
    if not -_LARGEST <= state.date <= _LARGEST:
        return f"Its date {state.date} is out of bounds."
    try:
        f"{state.name}{state.flags}{origin}".encode()
    except UnicodeEncodeError:
        return f"Its name {state.name!r}, its flags or its id is not Unicode text."
    return ""


def _row(number: int, item: int, state: ItemState, content: Content | None, change: int) -> tuple[Any, ...]:
    digest, size, (volume, locator) = content or (None, 0, (None, None))
    return (
        number, item, state.kind, number_of(state.folder), state.name, state.flags, " ".join(state.tags), state.date,
        size, digest, json.dumps(state.attrs) if state.attrs else "{}", change, volume, locator,
    )
