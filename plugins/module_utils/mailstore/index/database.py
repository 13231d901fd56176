# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The database of an index: how it is made, opened, and written to.

The embedded store is one with blobs beside it; the adapter of an IMAP server keeps in one what it last saw there.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ...model.errors import AlreadyExists, Busy, Damaged, InvalidInput, NotFound, Refused, RestanteError, Unavailable
from . import schema

FILE: Final = "store.sqlite"


class _Cursor(sqlite3.Cursor):
    """The rows of a query; what is damaged is often seen only when they are fetched."""

    path: str = ""

    def fetchone(self) -> Any:
        try:
            return super().fetchone()
        except sqlite3.DatabaseError as error:
            raise _sentence(self.path, error) from error

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except sqlite3.DatabaseError as error:
            raise _sentence(self.path, error) from error

    def fetchall(self) -> list[Any]:
        try:
            return super().fetchall()
        except sqlite3.DatabaseError as error:
            raise _sentence(self.path, error) from error


class Database(sqlite3.Connection):
    """A connection whose failures are sentences for the administrator."""

    path: str = ""
    """The directory of the store."""

    def cursor(self, factory: Any = None) -> Any:
        made = super().cursor(factory or _Cursor)
        made.path = self.path
        return made

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        try:
            made: sqlite3.Cursor = self.cursor().execute(sql, parameters)
            return made
        except UnicodeEncodeError as error:
            raise InvalidInput(f"{error.object!r} is not Unicode text, and nothing here is called so.") from error
        except UnicodeDecodeError as error:  # of the names of its tables
            raise _sentence(self.path, sqlite3.DatabaseError(str(error))) from error
        except sqlite3.DatabaseError as error:
            raise _sentence(self.path, error) from error

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        try:
            return super().executemany(sql, parameters)
        except sqlite3.DatabaseError as error:
            raise _sentence(self.path, error) from error

    @contextmanager
    def transaction(self, durable: bool = True) -> Iterator[None]:
        """Write all of what is done inside or, where that raises, nothing. Durable when the block is left.

        :param durable: False where what a failure of power takes away is known again: then the disk is not waited for,
            and it is durable with the next transaction that is.
        """
        if not durable:
            self.execute("PRAGMA synchronous = NORMAL")
        try:
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                if self.in_transaction:
                    self.execute("ROLLBACK")
                raise
        finally:
            if not durable:
                self.execute("PRAGMA synchronous = FULL")

    def snapshot(self) -> Database:
        """Return the store as it is now, on a connection of its own, to be used with reading()."""
        other = connect(self.path)
        other.execute("BEGIN")
        return other

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """Read from a snapshot, and close it when the block is left."""
        try:
            yield self
        except sqlite3.DatabaseError as error:  # of a row that was fetched after execute()
            raise _sentence(self.path, error) from error
        finally:
            self.close()


def create(path: str) -> Database:
    """Make and open the database of a new store, its tables still to come: that is the caller's first transaction."""
    try:
        os.close(os.open(os.path.join(path, FILE), os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise Refused(f"A mail store cannot be made in {path} ({error.strerror}).") from error
    database = _connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    return database


def create_tables(database: Database) -> None:
    """Make the tables, in the transaction that is under way. :raises AlreadyExists: they are there."""
    if _version(database):
        raise AlreadyExists(f"{database.path} holds a mail store already; open it, or choose another directory.")
    for statement in schema.STATEMENTS:
        database.execute(statement)


def connect(path: str) -> Database:
    """Open the database of a store, and upgrade it where it is of an older version; several processes may have it open.

    :raises NotFound: there is none. :raises InvalidInput: it is of a newer version.
    """
    database = _connect(path)
    try:
        version = _version(database)
        if not version:
            raise _no_store(path)
        if version > schema.VERSION:
            raise InvalidInput(f"The mail store in {path} is of a newer version; upgrade restante.carbonio to use it.")
        if version < schema.VERSION:
            _upgrade(database)
    except RestanteError:
        database.close()
        raise
    return database


def _upgrade(database: Database) -> None:
    try:
        with database.transaction():
            if _version(database) < schema.VERSION:  # another process may have been first
                for statement in schema.UPGRADE:
                    database.execute(statement)
    except Refused:  # it cannot be written, or the disk is full; what it holds can be read all the same
        for statement in schema.STAND_INS:
            database.execute(statement)


def _connect(path: str) -> Database:
    file = Path(path, FILE)
    try:
        os.stat(file)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _no_store(path) from error
    except OSError as error:
        raise Refused(f"The mail store in {path} cannot be opened ({error.strerror}); check its owner.") from error
    try:
        # The two minutes are for writers: they take turns.
        database = sqlite3.connect(
            f"{file.as_uri()}?mode=rw", uri=True, timeout=120, isolation_level=None, factory=Database
        )
    except sqlite3.DatabaseError as error:
        raise _sentence(path, error) from error
    database.path = path
    for setting in ("synchronous = FULL", "foreign_keys = ON", "cache_size = -16384", "wal_autocheckpoint = 8000"):
        database.execute(f"PRAGMA {setting}")
    return database


def _version(database: Database) -> int:
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    return version


def _no_store(path: str) -> NotFound:
    return NotFound(f"There is no embedded mail store in {path}; create it first, or correct the path.")


def _sentence(path: str, error: sqlite3.DatabaseError) -> Exception:
    """Return what to raise for an error of SQLite; one of ours, unless the caller is to look at it."""
    text = str(error)
    if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
        return error
    if "locked" in text or "busy" in text:
        return Busy(f"Another process has been writing to the mail store in {path} for too long; try again later.")
    if "full" in text:
        return Refused(f"The file system of the mail store in {path} is full; make room and run this again.")
    if "readonly" in text:
        return Refused(f"The database of the mail store in {path} cannot be written ({text}); check its owner.")
    if isinstance(error, sqlite3.OperationalError) and "decode" not in text:
        return Unavailable(f"The database of the mail store in {path} cannot be used: {text}; check the disk.")
    return Damaged(f"The database of the mail store in {path} is damaged: {text}; put back a copy of the store.")
