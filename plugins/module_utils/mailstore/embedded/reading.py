# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the mailboxes of the embedded store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ...model.errors import Damaged, NotFound, RestanteError
from ...model.state import ItemState
from ..port import Changes
from .blobs import Blobs, Place
from .database import Database
from .items import COLUMNS, IS_FOLDER, number_of, parents_first, state_of


def mailbox_number(database: Database, account: str) -> int:
    """Return the number of an account's mailbox. :raises NotFound: there is none."""
    row = database.execute("SELECT number FROM mailboxes WHERE account = ?", (account,)).fetchone()
    if row is None:
        raise NotFound(f"There is no account with the id {account!r} on the mail store in {database.path}.")
    number: int = row[0]
    return number


def newest_change(database: Database, number: int) -> tuple[int, str]:
    """Return the newest change of a mailbox and its session. :raises Damaged: the store does not know its own."""
    row = database.execute("SELECT change, session FROM mailboxes WHERE number = ?", (number,)).fetchone()
    if row is None or not isinstance(row[0], int):
        raise Damaged(f"The mailboxes of the store in {database.path} cannot be read; put back a copy of the store.")
    change, session = row
    return change, session


class MailboxReader:
    """All mailboxes of one store, to be read."""

    def __init__(self, database: Database, blobs: Blobs, incarnation: str) -> None:
        self._database = database
        self._blobs = blobs
        self._incarnation = incarnation

    def tokens(self) -> Iterator[tuple[str, str]]:
        """Yield (account, token) of every mailbox."""
        rows = self._database.execute("SELECT account, number, change, session FROM mailboxes").fetchall()
        for account, number, change, session in rows:
            yield account, self._token(number, change, session)

    def changes(self, account: str, since: str) -> Changes:
        """Return what changed since a token; all, where the token is not one of this mailbox's history.

        The items are read as they were when this was called, whatever is written while they are.
        """
        snapshot = self._database.snapshot()
        try:
            number = mailbox_number(snapshot, account)
            now, session = newest_change(snapshot, number)
            token = self._token(number, now, session)
            after = number_of(since.rpartition(":")[0].rpartition(":")[2])
            if not 0 < after <= now or since != self._token(number, after, _session_of(snapshot, number, after)):
                return Changes(token, True, _all_items(snapshot, number), [])
            deleted = snapshot.execute(
                "SELECT id FROM tombstones WHERE mailbox = ? AND change > ? ORDER BY change, id", (number, after)
            )
            return Changes(token, False, _changed_items(snapshot, number, after), [str(row[0]) for row in deleted])
        except BaseException:
            snapshot.close()
            raise

    def item(self, account: str, item: str) -> ItemState | None:
        """Return an item as it is."""
        row = self._database.execute(
            f"SELECT {COLUMNS} FROM items WHERE mailbox = ? AND id = ?",
            (mailbox_number(self._database, account), number_of(item)),
        ).fetchone()
        return None if row is None else state_of(row)

    def folders(self, account: str) -> list[ItemState]:
        """Return folders and mountpoints, parents first."""
        return list(parents_first(_folders(self._database, mailbox_number(self._database, account))))

    def read_blob(self, account: str, item: str) -> bytes:
        """Return an item's content."""
        number = mailbox_number(self._database, account)
        tried: tuple[object, ...] = ()
        while True:
            row = self._database.execute(
                "SELECT kind, digest, volume, locator, size FROM items WHERE mailbox = ? AND id = ?",
                (number, number_of(item)),
            ).fetchone()
            if row is None:
                raise NotFound(f"Account {account} has no item {item}.")
            kind, digest, volume, locator, size = row
            if digest is None:
                raise NotFound(f"Item {item} of account {account} is a {kind}, which has no content.")
            try:
                return self._blobs.read(Place(volume, locator), digest, size)
            except (Damaged, NotFound) as error:
                # Another process may have replaced or deleted the item since the row was read.
                if row == tried:
                    raise Damaged(f"Item {item} of account {account} is damaged: {error}.") from error
                tried = row

    def read_blobs(self, account: str, items: Sequence[str]) -> Iterator[bytes | Exception]:
        """Yield the contents of items, read ahead in a thread."""
        number = mailbox_number(self._database, account)
        rows = {item: (Place(volume, locator), *known) for item, volume, locator, *known in self._database.execute(
            "SELECT id, volume, locator, digest, size FROM items "
            "WHERE mailbox = ? AND id IN (SELECT value FROM json_each(?)) AND digest IS NOT NULL",
            (number, json.dumps([number_of(item) for item in items])),
        )}
        wanted = [rows.get(number_of(item)) for item in items]
        for item, blob in zip(items, self._blobs.read_several(wanted)):
            try:
                # What was not found, or is no longer where it was, is looked for once more: that says why.
                yield self.read_blob(account, item) if blob is None else blob
            except RestanteError as error:
                yield error

    def imported(self, account: str, import_id: str) -> Iterator[tuple[str, str]]:
        """Yield (origin, item) of an import in the order of writing."""
        number = mailbox_number(self._database, account)
        with self._database.snapshot().reading() as snapshot:
            rows = snapshot.execute(
                "SELECT origin, item FROM imports WHERE mailbox = ? AND import = ? ORDER BY seq", (number, import_id)
            )
            for origin, item in rows:
                yield origin, str(item)

    def _token(self, number: int, change: int, session: str) -> str:
        return f"{self._incarnation}:{number}:{change}:{session}"


def _session_of(snapshot: Database, number: int, change: int) -> str:
    """Return the session that made a change of a mailbox; empty where that is not known."""
    row = snapshot.execute(
        "SELECT session FROM sessions WHERE mailbox = ? AND change <= ? ORDER BY change DESC LIMIT 1", (number, change)
    ).fetchone()
    return row[0] if row else ""


def _folders(database: Database, number: int) -> Iterator[ItemState]:
    # SQLite would go through the whole mailbox, were it not told which index to use.
    rows = database.execute(
        f"SELECT {COLUMNS} FROM items INDEXED BY folder_names WHERE mailbox = ? AND {IS_FOLDER}", (number,)
    )
    return map(state_of, rows)


def _all_items(snapshot: Database, number: int) -> Iterator[ItemState]:
    with snapshot.reading():
        yield from parents_first(_folders(snapshot, number))
        yield from map(state_of, snapshot.execute(
            f"SELECT {COLUMNS} FROM items INDEXED BY tag_names WHERE mailbox = ? AND kind = 'tag'", (number,)
        ))
        yield from map(state_of, snapshot.execute(
            f"SELECT {COLUMNS} FROM items WHERE mailbox = ? AND NOT ({IS_FOLDER} OR kind = 'tag')", (number,)
        ))


def _changed_items(snapshot: Database, number: int, after: int) -> Iterator[ItemState]:
    changed = f"SELECT {COLUMNS} FROM items WHERE mailbox = ? AND change > ?"
    with snapshot.reading():
        yield from parents_first(map(state_of, snapshot.execute(f"{changed} AND {IS_FOLDER}", (number, after))))
        yield from map(state_of, snapshot.execute(f"{changed} AND kind = 'tag'", (number, after)))
        yield from map(state_of, snapshot.execute(f"{changed} AND NOT ({IS_FOLDER} OR kind = 'tag')", (number, after)))
