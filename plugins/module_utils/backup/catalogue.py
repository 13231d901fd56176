# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue: an index over commits and metadata packs, in SQLite. Derived: it may be deleted at any time.

Transactions are clustered by journal, item and sequence, so that an item's history lies together and the states of a
whole account at any moment are one walk along the table. Item ids are kept as journals.key writes them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from ..model.errors import Damaged, Refused
from . import journals
from .commits import Commit, Head, PackInfo
from .packs import IndexEntry

VERSION: Final = 4

_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE packs (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, size INTEGER NOT NULL,
    indexed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE blobs (digest BLOB PRIMARY KEY, pack INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
    size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE scopes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, segment TEXT NOT NULL DEFAULT '',
    number INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL DEFAULT 0, token TEXT NOT NULL DEFAULT '');
CREATE TABLE segments (digest TEXT PRIMARY KEY, last INTEGER NOT NULL, transactions INTEGER NOT NULL, first_at INTEGER,
    last_at INTEGER) WITHOUT ROWID;
CREATE TABLE transactions (scope INTEGER NOT NULL, item TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
    kind TEXT NOT NULL, date INTEGER NOT NULL, state TEXT, PRIMARY KEY (scope, item, seq)) WITHOUT ROWID;
CREATE INDEX deletions ON transactions (scope, at, seq, kind, state) WHERE state IS NULL;
CREATE TABLE damages (file TEXT NOT NULL, reason TEXT NOT NULL, consequence TEXT NOT NULL, version TEXT NOT NULL,
    PRIMARY KEY (file, reason));
PRAGMA user_version = {VERSION};
"""

_CACHE_KIB = 32 * 1024
_AT_ONCE = 500
"""Values in one statement; old SQLites take 999."""
_BUSY_SECONDS = 600.0
"""How long to wait for another process that is taking commits in."""


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
    """The tables: opening them, filling them, and what is asked of all but transactions. Used by one thread.

    Several processes may have one file open and fill it at the same time; SQLite's locks keep them apart.
    """

    def __init__(self, path: str) -> None:
        """Open or make the catalogue in a file ("" for a temporary one). What is no catalogue is made anew."""
        self._path = path
        self._place = path or "the temporary catalogue"
        with self._telling():
            if path and not os.path.exists(path):
                self._make()
            try:
                self._database = self._connect()
            except sqlite3.OperationalError:
                raise  # locked, disk full, no permission: the file may be sound
            except sqlite3.DatabaseError:
                self._make()
                self._database = self._connect()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            # NORMAL can lose the last changes in a power failure, which are then made again; it cannot corrupt.
            database.execute("PRAGMA synchronous = NORMAL")
            if _version(database) != VERSION:
                database.execute("BEGIN IMMEDIATE")
                if _version(database) != VERSION:  # nobody else was quicker
                    _make_tables(database)
                database.execute("COMMIT")
        except BaseException:
            database.close()
            raise
        return database

    def _make(self) -> None:
        """Put an empty catalogue where there is none, or something else; whole, as others may be about to open it."""
        with _alone(os.path.dirname(self._path)):
            if os.path.exists(self._path):
                try:
                    self._connect().close()
                    return  # another process was quicker
                except sqlite3.DatabaseError:
                    pass
            new = f"{self._path}.new"
            # A log that stayed when its file went would be played into the new one.
            for path in (f"{self._path}-wal", f"{self._path}-shm", new, f"{new}-wal", f"{new}-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            # Before SQLite does, with the mode of files with mail in them; its other files take over the mode.
            os.close(os.open(new, os.O_RDWR | os.O_CREAT, 0o600))
            database = sqlite3.connect(new, isolation_level=None)
            try:
                # SQLite has nobody wait for a file that is becoming one with a log: it must be one before it is seen.
                database.execute("PRAGMA journal_mode = WAL")
                _make_tables(database)
            finally:
                database.close()
            os.rename(new, self._path)

    # -- statements ------------------------------------------------------------------------------------------------

    def rows(self, query: str, values: Any = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query. :raises Damaged, Refused: the file is altered, or cannot be read."""
        with self._telling():
            yield from self._database.execute(query, values)

    def row(self, query: str, values: Any = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query, None for none. Errors as for rows."""
        try:  # and not _telling(), which takes as long as the query
            found: tuple[Any, ...] | None = self._database.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise self._told(error) from error
        return found

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Make changes together or not at all, while no other process makes any."""
        with self._telling():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._told(error) from error
        except OSError as error:
            raise Refused(f"{self._place} cannot be used ({error.strerror}); check its owner and the disk.") from error

    def _told(self, error: sqlite3.Error) -> Exception:
        """Return an error in a sentence; a mistake of ours as it is."""
        if isinstance(error, sqlite3.OperationalError):
            return Refused(f"{self._place} cannot be used ({error}); check the disk, then run this again.")
        if error.__class__ is sqlite3.DatabaseError:  # itself, and none of its kinds
            return Damaged(f"{self._place} is damaged ({error}); delete it: it is made anew from the backup.")
        return error

    # -- filling; inside changing() --------------------------------------------------------------------------------

    def clear(self) -> None:
        """Forget everything."""
        _make_tables(self._database)

    def set_meta(self, key: str, value: str) -> None:
        """Remember a value."""
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def add_damage(self, damage: Damage, version: str) -> None:
        """Note a damage, once.

        :param version: of the file, see Files.version.
        """
        self._database.execute("INSERT OR IGNORE INTO damages VALUES (?, ?, ?, ?)", (*damage, version))

    def add_pack(self, pack: PackInfo) -> bool:
        """Take in the name of a pack; False when it was known."""
        cursor = self._database.execute("INSERT OR IGNORE INTO packs (name, kind, size) VALUES (?, ?, ?)", pack)
        return cursor.rowcount == 1

    def remove_pack(self, name: str) -> None:
        """Forget a pack and where the blobs in it lie."""
        self._database.execute("DELETE FROM blobs WHERE pack = (SELECT id FROM packs WHERE name = ?)", (name,))
        self._database.execute("DELETE FROM packs WHERE name = ?", (name,))

    def add_index(self, name: str, entries: Iterable[IndexEntry]) -> None:
        """Take in the index of a blob pack; nothing where the pack is unknown."""
        row = self._database.execute("SELECT id FROM packs WHERE name = ?", (name,)).fetchone()
        if row is not None:
            self._database.execute("UPDATE packs SET indexed = 1 WHERE id = ?", row)
            self._database.executemany(
                "INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?)",
                sorted((entry.digest, row[0], entry.offset, entry.length, entry.size) for entry in entries),
            )

    def scope_id(self, scope: str) -> int:
        """Return the number of a journal, which is given one the first time."""
        self._database.execute("INSERT OR IGNORE INTO scopes (name) VALUES (?)", (scope,))
        number: int = self._database.execute("SELECT id FROM scopes WHERE name = ?", (scope,)).fetchone()[0]
        return number

    def add_segment(self, digest: str, segment: journals.Segment, rows: list[journals.Row]) -> None:
        """Take in a journal segment."""
        scope = self.scope_id(segment.scope)
        moments = [int(row[1]) for row in rows]
        added = self._database.execute(
            "INSERT OR IGNORE INTO segments VALUES (?, ?, ?, ?, ?)",
            (digest, segment.last, len(rows), min(moments, default=None), max(moments, default=None)),
        )
        if added.rowcount:
            rows.sort(key=_by_item)
            # The columns' affinity makes numbers of the texts.
            self._database.executemany(
                "INSERT OR REPLACE INTO transactions (scope, seq, at, item, kind, state, date) "
                f"VALUES ({scope}, ?, ?, ?, ?, nullif(?, ''), coalesce(nullif(?, ''), 0))", rows,
            )

    def set_heads(self, commit: Commit) -> None:
        """Take in the heads and tokens of a commit."""
        for scope, head in commit.heads.items():
            self._database.execute(
                "UPDATE scopes SET segment = ?, number = ?, last = ? WHERE id = ?",
                (head.segment, head.number, head.last, self.scope_id(scope)),
            )
        for scope, token in commit.tokens.items():
            self._database.execute("UPDATE scopes SET token = ? WHERE id = ?", (token, self.scope_id(scope)))

    def forget_tokens(self) -> None:
        """Let the next scan compare everything."""
        self._database.execute("UPDATE scopes SET token = ''")

    # -- asking ----------------------------------------------------------------------------------------------------

    def meta(self, key: str, default: str = "") -> str:
        """Return a remembered value."""
        row = self.row("SELECT value FROM meta WHERE key = ?", (key,))
        return str(row[0]) if row else default

    def all_meta(self) -> dict[str, str]:
        """Return all remembered values, as of one moment."""
        return dict(self.rows("SELECT key, value FROM meta"))

    def damages(self) -> list[tuple[Damage, str]]:
        """Return the damages noted so far, with the versions of their files."""
        rows = self.rows("SELECT file, reason, consequence, version FROM damages ORDER BY file, reason")
        return [(Damage(file, reason, consequence), version) for file, reason, consequence, version in rows]

    def has_segment(self, digest: str) -> bool:
        """Return whether a segment was taken in."""
        return self.row("SELECT 1 FROM segments WHERE digest = ?", (digest,)) is not None

    def heads(self) -> dict[str, Head]:
        """Return the newest segment of every journal."""
        rows = self.rows("SELECT name, segment, number, last FROM scopes WHERE number > 0 ORDER BY name")
        return {name: Head(segment, number, last) for name, segment, number, last in rows}

    def tokens(self) -> dict[str, str]:
        """Return the change token of every journal that has one."""
        return dict(self.rows("SELECT name, token FROM scopes WHERE token != '' ORDER BY name"))

    def token(self, scope: str) -> str:
        """Return the change token of a journal, empty for none."""
        row = self.row("SELECT token FROM scopes WHERE name = ?", (scope,))
        return str(row[0]) if row else ""

    def scopes(self) -> list[str]:
        """Return the names of all journals."""
        return [row[0] for row in self.rows("SELECT name FROM scopes ORDER BY name")]

    def packs(self) -> Iterator[PackInfo]:
        """Yield all packs."""
        return (PackInfo(*row) for row in self.rows("SELECT name, kind, size FROM packs ORDER BY id"))

    def is_indexed(self, name: str) -> bool:
        """Return whether the index of a blob pack was taken in."""
        return self.row("SELECT 1 FROM packs WHERE name = ? AND indexed = 1", (name,)) is not None

    def has_pack(self, name: str) -> bool:
        """Return whether a pack was taken in."""
        return self.row("SELECT 1 FROM packs WHERE name = ?", (name,)) is not None

    def counts(self) -> Mapping[str, int]:
        """Return how much is stored."""
        blobs = self.row("SELECT count(*), coalesce(sum(size), 0) FROM blobs") or (0, 0)
        files = self.row("SELECT count(*), coalesce(sum(size), 0) FROM packs") or (0, 0)
        return {"blobs": blobs[0], "blob_bytes": blobs[1], "packs": files[0], "pack_bytes": files[1]}

    def locate(self, digests: Iterable[str]) -> dict[str, Location]:
        """Return where blobs lie; unknown ones are absent."""
        found = {}
        wanted = [bytes.fromhex(digest) for digest in digests]
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start: start + _AT_ONCE]
            for raw, *place in self.rows(
                "SELECT b.digest, p.name, b.offset, b.length, b.size FROM blobs b JOIN packs p ON p.id = b.pack "
                f"WHERE b.digest IN ({','.join('?' * len(some))})", some,
            ):
                digest = raw.hex()
                found[digest] = Location(digest, *place)
        return found

    def has_blob(self, digest: str) -> bool:
        """Return whether a blob is known."""
        return self.row("SELECT 1 FROM blobs WHERE digest = ?", (bytes.fromhex(digest),)) is not None


@contextlib.contextmanager
def _alone(directory: str) -> Iterator[None]:
    """Keep other processes that make a catalogue in a directory waiting."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _version(database: sqlite3.Connection) -> int:
    number: int = database.execute("PRAGMA user_version").fetchone()[0]
    return number


def _make_tables(database: sqlite3.Connection) -> None:
    """Make the tables, empty, in the place of any that are there."""
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        database.execute(f"DROP TABLE {table}")
    for statement in _SCHEMA.split(";"):
        database.execute(statement)


def _by_item(row: journals.Row) -> str:
    return row[2]
