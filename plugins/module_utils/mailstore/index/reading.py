# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading what an index knows of mailboxes."""

from __future__ import annotations

from collections.abc import Iterator

from ...model.errors import Damaged, NotFound
from ...model.state import ItemState
from ..port import Changes
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


class IndexReader:
    """All mailboxes of one index, to be read."""

    def __init__(self, database: Database, incarnation: str) -> None:
        """:param incarnation: a text that no other index has."""
        self._database = database
        self._incarnation = incarnation

    def tokens(self) -> Iterator[tuple[str, str]]:
        """Yield (account, token) of every mailbox."""
        rows = self._database.execute("SELECT account, number, change, session FROM mailboxes").fetchall()
        for account, number, change, session in rows:
            yield account, self._token(number, change, session)

    def token(self, account: str) -> str:
        """Return the token of one mailbox."""
        number = mailbox_number(self._database, account)
        return self._token(number, *newest_change(self._database, number))

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
                "SELECT id FROM tombstones WHERE mailbox = ? AND change > ? AND NOT EXISTS (SELECT 1 FROM items "
                "WHERE items.mailbox = tombstones.mailbox AND items.id = tombstones.id) ORDER BY change, id",
                (number, after),
            )  # what has come back since is none of them: a mail server may have one id for it
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
