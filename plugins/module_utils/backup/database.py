# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of the catalogue: an SQLite database that several processes open, make anew and change at once."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..model.errors import Damaged, Refused

_CACHE_KIB: Final = 32 * 1024
_BUSY_SECONDS: Final = 600.0
"""How long to wait for another process that is taking commits in."""


class Database:
    """One connection to a catalogue's file. Used by one thread.

    Several processes may have one file open and fill it at the same time; SQLite's locks keep them apart.
    """

    def __init__(self, path: str, schema: str, version: int) -> None:
        """Open or make the catalogue in a file ("" for a temporary one). What is no catalogue is made anew.

        :param schema: the statements that make the tables. :param version: a file of another one is made anew.
        """
        self._schema = schema
        self._version = version
        with contextlib.closing(sqlite3.connect(":memory:")) as model:
            self._make_tables(model)
            self._tables = _tables(model)
        self._path = path
        self._place = path or "the temporary catalogue"
        self._database = self._open()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def reopen(self) -> None:
        """Go on with the file that there is, if another process has put it in the place of the one that is open.

        Rows that are still being read, and temporary tables, go with the former one. Errors as for rows.
        """
        if self._path and _identity(self._path) != self._file:
            former = self._database
            self._database = self._open()
            former.close()

    def _open(self) -> sqlite3.Connection:
        with self._telling():
            if self._path and not os.path.exists(self._path):
                self._make()
            try:
                return self._connect()
            except sqlite3.OperationalError:
                raise  # locked, disk full, no permission: the file may be sound
            except sqlite3.DatabaseError:
                self._make()
                return self._connect()

    def _connect(self) -> sqlite3.Connection:
        self._file = _identity(self._path)  # before it is opened: if it is replaced meanwhile, reopen() finds that
        database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            # NORMAL can lose the last changes in a power failure, which are then made again; it cannot corrupt.
            database.execute("PRAGMA synchronous = NORMAL")
            if _version(database) != self._version:
                database.execute("BEGIN IMMEDIATE")
                if _version(database) != self._version:  # nobody else was quicker
                    self._make_tables(database)
                database.execute("COMMIT")
            if _tables(database) != self._tables:
                raise sqlite3.DatabaseError("its tables are others")
        except UnicodeDecodeError as error:  # names in it are no text
            database.close()
            raise sqlite3.DatabaseError(str(error)) from error
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
                self._make_tables(database)
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

    def run(self, statement: str) -> None:
        """Carry out a statement about temporary tables, which belong to this connection alone. Errors as for rows."""
        with self._telling():
            self._database.execute(statement)

    def run_many(self, statement: str, values: Sequence[Any]) -> None:
        """Carry out a statement about temporary tables for each of some values. Errors as for rows."""
        with self._telling():
            self._database.execute("BEGIN")
            try:
                self._database.executemany(statement, values)
            finally:
                self._database.execute("COMMIT")

    def is_whole(self) -> bool:
        """Return whether the file is what SQLite has made of it."""
        try:
            return self.row("PRAGMA integrity_check(1)") == ("ok",)
        except (Damaged, Refused):
            return False

    def discard(self) -> None:
        """Put an empty catalogue in the place of one that is damaged."""
        self.close()
        with self._telling():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
        self._database = self._open()

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Make changes together or not at all, while no other process makes any; inside another one, with that one."""
        if self._database.in_transaction:
            yield
            return
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
    def as_of_now(self) -> Iterator[None]:
        """Let all that is asked meanwhile be of one moment, whatever other processes change. Errors as for rows."""
        with self._telling():
            self._database.execute("BEGIN")
            try:
                yield
            finally:
                self._database.execute("COMMIT")

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
        undecodable = "decode" in str(error)
        if isinstance(error, sqlite3.OperationalError) and not undecodable:
            return Refused(f"{self._place} cannot be used ({error}); check the disk, then run this again.")
        # Itself, or what it says of rows that contradict each other, as only a damaged file has them.
        if undecodable or error.__class__ in (sqlite3.DatabaseError, sqlite3.IntegrityError):
            return Damaged(f"{self._place} is damaged ({error}); delete it: it is made anew from the backup.")
        return error

    # -- making ----------------------------------------------------------------------------------------------------

    def _make_tables(self, database: sqlite3.Connection) -> None:
        """Make the tables, empty, in the place of any that are there."""
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            database.execute(f"DROP TABLE {table}")
        for statement in self._schema.split(";"):
            database.execute(statement)


@contextlib.contextmanager
def _alone(directory: str) -> Iterator[None]:
    """Keep other processes that make a catalogue in a directory waiting."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _identity(path: str) -> tuple[int, int] | None:
    """Return which file a path leads to, None for none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _tables(database: sqlite3.Connection) -> set[tuple[str, ...]]:
    """Return what a database is made of: its tables and indexes, and whatever else somebody has put into it."""
    return set(database.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master"))


def _version(database: sqlite3.Connection) -> int:
    number: int = database.execute("PRAGMA user_version").fetchone()[0]
    return number
