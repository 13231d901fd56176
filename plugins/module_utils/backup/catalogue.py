# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue: an index over commits and metadata packs, in SQLite. Derived: it may be deleted at any time.

Transactions are clustered by journal, item and sequence, so that an item's history lies together and the states of a
whole account at any moment are one walk along the table.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from ..model.errors import Damaged
from ..model.state import Transaction, state_from_json
from . import journals, packs
from .commits import Commit, Head

VERSION: Final = 1

_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE packs (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, size INTEGER NOT NULL);
CREATE TABLE blobs (digest BLOB PRIMARY KEY, pack INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
    size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE scopes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, segment TEXT NOT NULL DEFAULT '',
    number INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL DEFAULT 0, token TEXT NOT NULL DEFAULT '');
CREATE TABLE segments (digest TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE transactions (scope INTEGER NOT NULL, item TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
    kind TEXT NOT NULL, deleted INTEGER NOT NULL, date INTEGER NOT NULL, state TEXT,
    PRIMARY KEY (scope, item, seq)) WITHOUT ROWID;
CREATE INDEX deletions ON transactions (scope, at) WHERE deleted = 1;
CREATE TABLE damages (file TEXT NOT NULL, reason TEXT NOT NULL, consequence TEXT NOT NULL, PRIMARY KEY (file, reason));
PRAGMA user_version = {VERSION};
"""

_COLUMNS = "item, seq, at, kind, state"
_STATE_KEY = b',"state":'


class Damage(NamedTuple):
    """Something in a backup that cannot be used."""

    file: str
    reason: str
    consequence: str


class Location(NamedTuple):
    """Where the frame of a blob lies."""

    digest: str
    pack: str
    offset: int
    length: int
    """Bytes of the whole frame."""
    size: int
    """Bytes of the blob."""


class Catalogue:
    """The tables, and the questions that they answer. Used by one thread."""

    def __init__(self, path: str) -> None:
        """Open or make the catalogue in a file ("" for a temporary one); one of another version is made anew."""
        self._database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA cache_size = -32768")
        with self.changing():
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version != VERSION:
                for statement in _SCHEMA.split(";"):
                    self._database.execute(statement)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def changing(self) -> _Changing:
        """Return a context in which changes are made together or not at all."""
        return _Changing(self._database)

    # -- taking in -------------------------------------------------------------------------------------------------

    def meta(self, key: str, default: str = "") -> str:
        """Return a remembered value."""
        row = self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else default

    def set_meta(self, key: str, value: str) -> None:
        """Remember a value."""
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def add_damage(self, damage: Damage) -> None:
        """Note a damage, once."""
        self._database.execute("INSERT OR IGNORE INTO damages VALUES (?, ?, ?)", damage)

    def damages(self) -> list[Damage]:
        """Return the damages noted so far."""
        return [Damage(*row) for row in self._database.execute("SELECT * FROM damages ORDER BY file, reason")]

    def add_pack(self, name: str, kind: str, size: int) -> bool:
        """Take in the name of a pack; False when it was known."""
        cursor = self._database.execute(
            "INSERT OR IGNORE INTO packs (name, kind, size) VALUES (?, ?, ?)", (name, kind, size)
        )
        return cursor.rowcount == 1

    def remove_pack(self, name: str) -> None:
        """Forget a pack and where the blobs in it lie."""
        self._database.execute("DELETE FROM blobs WHERE pack = (SELECT id FROM packs WHERE name = ?)", (name,))
        self._database.execute("DELETE FROM packs WHERE name = ?", (name,))

    def add_index(self, content: bytes) -> None:
        """Take in the index of a blob pack. :raises Damaged: it is no index."""
        name, entries = packs.decode_index(content)
        row = self._database.execute("SELECT id FROM packs WHERE name = ?", (name,)).fetchone()
        if row is None:
            return
        self._database.executemany(
            "INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?)",
            ((digest, row[0], offset, length, size) for _kind, digest, offset, length, size in entries),
        )

    def scope_id(self, scope: str) -> int:
        """Return the number of a journal, which is given one the first time."""
        row = self._database.execute("SELECT id FROM scopes WHERE name = ?", (scope,)).fetchone()
        if row is None:
            self._database.execute("INSERT INTO scopes (name) VALUES (?)", (scope,))
            row = self._database.execute("SELECT id FROM scopes WHERE name = ?", (scope,)).fetchone()
        number: int = row[0]
        return number

    def add_segment(self, content: bytes, digest: str) -> None:
        """Take in a journal segment. :raises Damaged: it cannot be read."""
        segment, offset = journals.read_head(content)
        scope = self.scope_id(segment.scope)
        if not self._database.execute("INSERT OR IGNORE INTO segments VALUES (?)", (digest,)).rowcount:
            return
        rows = [_row(scope, line) for line in content[offset:].split(b"\n") if line]
        rows.sort(key=_item_of)
        self._database.executemany("INSERT OR REPLACE INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def set_heads(self, commit: Commit) -> None:
        """Take in the heads and tokens of a commit."""
        for scope, head in commit.heads.items():
            self._database.execute(
                "UPDATE scopes SET segment = ?, number = ?, last = ? WHERE id = ?",
                (head.segment, head.number, head.last, self.scope_id(scope)),
            )
        for scope, token in commit.tokens.items():
            self._database.execute("UPDATE scopes SET token = ? WHERE id = ?", (token, self.scope_id(scope)))

    def has_segment(self, digest: str) -> bool:
        """Return whether a segment was taken in."""
        return self._database.execute("SELECT 1 FROM segments WHERE digest = ?", (digest,)).fetchone() is not None

    # -- journals --------------------------------------------------------------------------------------------------

    def heads(self) -> dict[str, Head]:
        """Return the newest segment of every journal."""
        rows = self._database.execute("SELECT name, segment, number, last FROM scopes WHERE number > 0 ORDER BY name")
        return {name: Head(segment, number, last) for name, segment, number, last in rows}

    def tokens(self) -> dict[str, str]:
        """Return the change token of every journal that has one."""
        return dict(self._database.execute("SELECT name, token FROM scopes WHERE token != '' ORDER BY name"))

    def scopes(self) -> list[str]:
        """Return the names of all journals."""
        return [row[0] for row in self._database.execute("SELECT name FROM scopes ORDER BY name")]

    def packs(self) -> Iterator[tuple[str, str, int]]:
        """Yield (name, kind, size) of all packs."""
        yield from self._database.execute("SELECT name, kind, size FROM packs ORDER BY id")

    # -- states ----------------------------------------------------------------------------------------------------

    def last(self, scope: str, item: str, at: int | None) -> Transaction | None:
        """Return the transaction of an item that holds at a moment."""
        row = self._database.execute(
            f"SELECT {_COLUMNS} FROM transactions WHERE scope = (SELECT id FROM scopes WHERE name = ?) AND item = ? "
            "AND at <= ? ORDER BY seq DESC LIMIT 1",
            (scope, item, _until(at)),
        ).fetchone()
        return None if row is None else _transaction(scope, row)

    def last_state(self, scope: str, item: str, at: int | None) -> Transaction | None:
        """Return the newest transaction of an item, at or before a moment, that is no deletion."""
        row = self._database.execute(
            f"SELECT {_COLUMNS} FROM transactions WHERE scope = (SELECT id FROM scopes WHERE name = ?) AND item = ? "
            "AND at <= ? AND deleted = 0 ORDER BY seq DESC LIMIT 1",
            (scope, item, _until(at)),
        ).fetchone()
        return None if row is None else _transaction(scope, row)

    def history(self, scope: str, item: str) -> Iterator[Transaction]:
        """Yield all transactions of an item in order."""
        for row in self._database.execute(
            f"SELECT {_COLUMNS} FROM transactions WHERE scope = (SELECT id FROM scopes WHERE name = ?) AND item = ? "
            "ORDER BY seq", (scope, item),
        ):
            yield _transaction(scope, row)

    def states(self, scope: str, at: int | None, newest_first: bool, deleted: bool) -> Iterator[Transaction]:
        """Yield what holds for each item at a moment; deletions too when asked, as they are."""
        # With one max() in the list, SQLite takes the other columns from the row that has the maximum.
        query = (
            f"SELECT {_COLUMNS} FROM (SELECT item, max(seq) AS seq, at, kind, date, deleted, state FROM transactions "
            "WHERE scope = (SELECT id FROM scopes WHERE name = ?) AND at <= ? GROUP BY item)"
        )
        if not deleted:
            query += " WHERE deleted = 0"
        if newest_first:
            query += " ORDER BY date DESC"
        for row in self._database.execute(query, (scope, _until(at))):
            yield _transaction(scope, row)

    def deleted_between(self, scope: str, start: int, end: int) -> Iterator[Transaction]:
        """Yield the deletions recorded in an interval, both ends included."""
        for row in self._database.execute(
            f"SELECT {_COLUMNS} FROM transactions WHERE scope = (SELECT id FROM scopes WHERE name = ?) "
            "AND deleted = 1 AND at BETWEEN ? AND ? ORDER BY at, seq", (scope, start, end),
        ):
            yield _transaction(scope, row)

    def span(self) -> tuple[int, int] | None:
        """Return the first and last recorded moment."""
        row = self._database.execute("SELECT min(at), max(at) FROM transactions").fetchone()
        return None if row[0] is None else (row[0], row[1])

    def counts(self) -> Mapping[str, int]:
        """Return how much there is."""
        one = self._database.execute
        blobs, blob_bytes = one("SELECT count(*), coalesce(sum(size), 0) FROM blobs").fetchone()
        number, size = one("SELECT count(*), coalesce(sum(size), 0) FROM packs").fetchone()
        kinds = dict(
            one(
                "SELECT kind, count(*) FROM (SELECT kind, deleted, max(seq) FROM transactions GROUP BY scope, item) "
                "WHERE deleted = 0 GROUP BY kind ORDER BY kind"
            )
        )
        return {
            **kinds,
            "transactions": one("SELECT count(*) FROM transactions").fetchone()[0],
            "blobs": blobs, "blob_bytes": blob_bytes, "packs": number, "pack_bytes": size,
        }

    # -- blobs -----------------------------------------------------------------------------------------------------

    def locate(self, digests: Iterable[str]) -> dict[str, Location]:
        """Return where blobs lie; unknown ones are absent."""
        found = {}
        query = (
            "SELECT p.name, b.offset, b.length, b.size FROM blobs b JOIN packs p ON p.id = b.pack WHERE b.digest = ?"
        )
        for digest in digests:
            row = self._database.execute(query, (bytes.fromhex(digest),)).fetchone()
            if row is not None:
                found[digest] = Location(digest, *row)
        return found


class _Changing:
    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._database.in_transaction:
            self._database.execute("ROLLBACK" if kind else "COMMIT")


def _until(at: int | None) -> int:
    return 2**63 - 1 if at is None else at


def _item_of(row: tuple[Any, ...]) -> str:
    item: str = row[1]
    return item


def _row(scope: int, line: bytes) -> tuple[Any, ...]:
    record = journals.read_line(line)
    state = record.state
    if state is None:
        return scope, record.item_id, record.seq, record.at, record.kind, 1, 0, None
    # The state is kept as it was written; the key cannot stand in a string before it, where quotes are escaped.
    text = line[line.index(_STATE_KEY) + len(_STATE_KEY): -1].decode("ascii")
    return scope, record.item_id, record.seq, record.at, record.kind, 0, state.get("date", 0), text


def _transaction(scope: str, row: tuple[str, int, int, str, str | None]) -> Transaction:
    item, seq, at, kind, text = row
    if text is None:
        return Transaction(seq, at, scope, item, kind, None)
    try:
        return Transaction(seq, at, scope, item, kind, state_from_json(item, json.loads(text)))
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"Transaction {seq} of {scope}, item {item}, has a state that cannot be read.") from error
