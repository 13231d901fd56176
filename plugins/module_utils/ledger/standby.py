# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a standby knows of itself: whose it is, how far it has come, and what became of what. One SQLite file.

It is what makes a mail store the standby of one primary and of no other. A change is durable when its transaction has
ended; what is written to the mail store is recorded after it, so that a record is never ahead.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from ..model import foreign, kinds, moment
from ..model.durable import make_directories, sync_directory
from ..model.errors import Busy, Damaged, NotFound, Refused
from ..model.state import Entry, state_from_json

FILE: Final = "record.sqlite"
FOLLOWING: Final = "following"
STOPPED: Final = "stopped"
PROMOTED: Final = "promoted"

WHOLE: Final = ""
"""The item of a failure that is of a mailbox as a whole."""
CONFLICTS: Final = 1000
"""How many conflicts are kept; all are counted."""
NAMED: Final = (kinds.FOLDER, kinds.MOUNTPOINT, kinds.TAG, kinds.FILTER_SET)
"""Kinds of which two of one name cannot be in one place."""

_VERSION: Final = 1
_SCHEMA: Final = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entries (source TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, destination TEXT NOT NULL,
    own INTEGER NOT NULL, applied TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE mailboxes (number INTEGER PRIMARY KEY, account TEXT NOT NULL UNIQUE, last INTEGER NOT NULL,
    token TEXT NOT NULL, dirty INTEGER NOT NULL);
CREATE TABLE items (mailbox INTEGER NOT NULL, origin TEXT NOT NULL, item TEXT NOT NULL, kind TEXT NOT NULL,
    own INTEGER NOT NULL, PRIMARY KEY (mailbox, origin)) WITHOUT ROWID;
CREATE INDEX items_here ON items (mailbox, item);
CREATE INDEX named_items ON items (mailbox, kind) WHERE kind IN ({', '.join(f"'{kind}'" for kind in NAMED)});
CREATE TABLE refs (scope TEXT NOT NULL, item TEXT NOT NULL, owner TEXT NOT NULL, target TEXT NOT NULL,
    became TEXT NOT NULL, PRIMARY KEY (scope, item, owner, target)) WITHOUT ROWID;
CREATE TABLE failures (scope TEXT NOT NULL, item TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL,
    since INTEGER NOT NULL, PRIMARY KEY (scope, item)) WITHOUT ROWID;
CREATE TABLE conflicts (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, scope TEXT NOT NULL,
    item TEXT NOT NULL, kind TEXT NOT NULL, what TEXT NOT NULL);
PRAGMA user_version = {_VERSION};
"""
_AT_ONCE: Final = 500
_TYPES: Final = {"t": str, "n": int}
_ENTRY: Final = "ttttnt"
_COPY: Final = "tttn"


class Known(NamedTuple):
    """An entry of the primary's directory, as the standby has it."""

    source: str
    kind: str
    name: str
    """As it was applied last."""
    destination: str
    """Its id here; empty where a kill may have come before that was known."""
    own: bool
    """Whether the standby has made it; what was there before is never deleted."""
    applied: Entry | None
    """What was written last; None where nothing was yet."""


class Copy(NamedTuple):
    """An item of the primary, as the standby has it."""

    origin: str
    item_id: str
    kind: str
    own: bool
    """Whether the standby has made it; what was there before is never deleted."""


class Mailbox(NamedTuple):
    """How far a mailbox is."""

    number: int
    last: int
    """The newest transaction of its journal that was applied; 0 for none."""
    token: str
    """The change token of the mailbox here, up to which all that has happened was looked at."""
    dirty: bool
    """Whether work on it was begun and has not ended: what is recorded of its items may lack the last ones."""


class Reference(NamedTuple):
    """Something of the primary that names something else by its id, and what that became."""

    scope: str
    item: str
    owner: str
    """The account that the target is of; empty for an entry of the directory."""
    target: str
    became: str
    """Its id here when it was written; empty where it was not here."""


class Failure(NamedTuple):
    """What could not be applied; it is tried again."""

    scope: str
    item: str
    kind: str
    reason: str
    since: int


class Conflict(NamedTuple):
    """Something that somebody has changed on the standby."""

    at: int
    scope: str
    item: str
    kind: str
    what: str


class Record:
    """The record of a standby, open. Used by one thread."""

    def __init__(self, directory: str) -> None:
        """Open the record in a directory.

        :raises NotFound: there is none: this is no standby. :raises Damaged, Refused: it cannot be used.
        """
        self.path = os.path.join(directory, FILE)
        try:
            os.stat(self.path)
        except FileNotFoundError as error:
            raise NotFound(
                f"This node is no standby: there is no {self.path}. Make it one with the module standby, or the role."
            ) from error
        except OSError as error:
            raise Refused(
                f"{self.path} cannot be read ({error.strerror}); run this as the user that the standby belongs to."
            ) from error
        self._database = _connect(self.path)

    @classmethod
    def create(cls, directory: str, about: dict[str, str]) -> Record:
        """Make the record of a new standby, whole or not at all. :param about: what meta() gives."""
        path = os.path.join(directory, FILE)
        new = f"{path}.new"
        try:
            make_directories(directory)
            for name in (new, f"{new}-wal", f"{new}-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name)
            os.close(os.open(new, os.O_RDWR | os.O_CREAT, 0o600))
            with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.executescript(_SCHEMA)
                database.executemany("INSERT INTO meta VALUES (?, ?)", about.items())
            with open(new, "rb") as file:
                os.fsync(file.fileno())
            os.rename(new, path)
            sync_directory(directory)
        except (OSError, sqlite3.Error) as error:
            raise Refused(f"{path} cannot be written ({error}); check the directory's owner and space.") from error
        return cls(directory)

    def close(self) -> None:
        """Close it."""
        self._database.close()

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Make changes together or not at all; durable when the block is left; inside another one, with that one."""
        if self._database.in_transaction:
            yield
            return
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    # -- of the whole ----------------------------------------------------------------------------------------------

    def meta(self, key: str, default: str = "") -> str:
        """Return a remembered value."""
        row = self._row("t", "SELECT value FROM meta WHERE key = ?", (key,))
        return default if row is None else str(row[0])

    def number(self, key: str) -> int:
        """Return a remembered number, 0 for none."""
        value = self.meta(key, "0")
        return int(value) if value.isascii() and value.isdecimal() else 0

    def set(self, **values: object) -> None:
        """Remember values."""
        self._many("INSERT OR REPLACE INTO meta VALUES (?, ?)", [(key, str(value)) for key, value in values.items()])

    # -- entries ---------------------------------------------------------------------------------------------------

    def entry(self, source: str) -> Known | None:
        """Return what became of an entry of the primary."""
        row = self._row(_ENTRY, "SELECT * FROM entries WHERE source = ?", (source,))
        return None if row is None else self._known(row)

    def entries(self) -> list[Known]:
        """Return all of them."""
        return [self._known(row) for row in self._rows(_ENTRY, "SELECT * FROM entries ORDER BY source")]

    def keep_entry(self, known: Known) -> None:
        """Remember what became of an entry."""
        applied = "" if known.applied is None else json.dumps(known.applied.to_json())
        self._run("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?)", (*known[:4], int(known.own), applied))

    def forget_entry(self, source: str) -> None:
        """Forget an entry; of an account all that was in its mailbox too."""
        with self.changing():
            box = self._row("n", "SELECT number FROM mailboxes WHERE account = ?", (source,))
            if box is not None:
                self._run("DELETE FROM items WHERE mailbox = ?", box)
                self._run("DELETE FROM mailboxes WHERE number = ?", box)
            self._run("DELETE FROM entries WHERE source = ?", (source,))
            self._run("DELETE FROM refs WHERE scope = ? OR item = ?", (source, source))
            self._run("DELETE FROM failures WHERE scope = ? OR item = ?", (source, source))

    # -- mailboxes -------------------------------------------------------------------------------------------------

    def mailbox(self, account: str) -> Mailbox:
        """Return how far a mailbox is; one that is not known is begun."""
        query = "SELECT number, last, token, dirty FROM mailboxes WHERE account = ?"
        row = self._row("nntn", query, (account,))
        if row is None:
            self._run("INSERT INTO mailboxes VALUES (NULL, ?, 0, '', 0)", (account,))
            return self.mailbox(account)
        return Mailbox(row[0], row[1], row[2], bool(row[3]))

    def positions(self) -> dict[str, int]:
        """Return up to which transaction each journal was applied."""
        return dict(self._rows("tn", "SELECT account, last FROM mailboxes"))

    def tokens(self) -> dict[str, str]:
        """Return of each mailbox the token up to which all that has happened in it here was looked at."""
        return dict(self._rows("tt", "SELECT account, token FROM mailboxes"))

    def begin(self, account: str) -> None:
        """Work on a mailbox begins."""
        self._run("UPDATE mailboxes SET dirty = 1 WHERE account = ? AND NOT dirty", (account,))

    def ended(self, account: str, last: int, token: str) -> None:
        """Work on a mailbox has ended."""
        self._run("UPDATE mailboxes SET dirty = 0, last = ?, token = ? WHERE account = ?", (last, token, account))

    def empty(self, account: str) -> None:
        """The mailbox here is gone with all that was in it: everything is to be done again."""
        with self.changing():
            box = self.mailbox(account)
            self._run("DELETE FROM items WHERE mailbox = ?", (box.number,))
            self._run("UPDATE mailboxes SET dirty = 0, last = 0, token = '' WHERE number = ?", (box.number,))

    # -- items -----------------------------------------------------------------------------------------------------

    def copies(self, mailbox: int, origins: Sequence[str]) -> dict[str, Copy]:
        """Return what became of items of the primary, by their ids there; those not known are absent."""
        return self._among("origin", mailbox, origins)

    def copy(self, account: str, origin: str) -> str | None:
        """Return the id here of an item of an account of the primary."""
        row = self._row(
            "t", "SELECT item FROM items JOIN mailboxes ON number = mailbox WHERE account = ? AND origin = ?",
            (account, origin),
        )
        return None if row is None else str(row[0])

    def origins(self, mailbox: int, items: Sequence[str]) -> dict[str, Copy]:
        """Return of which items of the primary items here are copies, by their ids there."""
        return self._among("item", mailbox, items)

    def all_copies(self, mailbox: int) -> Iterator[list[Copy]]:
        """Yield all copies in a mailbox, some at a time; those may be forgotten meanwhile."""
        after = ""
        while True:
            rows = self._rows(
                _COPY, "SELECT origin, item, kind, own FROM items WHERE mailbox = ? AND origin > ? "
                "ORDER BY origin LIMIT ?", (mailbox, after, _AT_ONCE),
            )
            if not rows:
                return
            if rows[-1][0] <= after:
                raise _damaged(self.path, "what is in order is not")
            yield [Copy(row[0], row[1], row[2], bool(row[3])) for row in rows]
            after = rows[-1][0]

    def named(self, mailbox: int) -> list[Copy]:
        """Return the copies in a mailbox of what has a name that nothing else may have."""
        among = ", ".join(f"'{kind}'" for kind in NAMED)
        rows = self._rows(
            _COPY, f"SELECT origin, item, kind, own FROM items WHERE mailbox = ? AND kind IN ({among})", (mailbox,)
        )
        return [Copy(row[0], row[1], row[2], bool(row[3])) for row in rows]

    def keep(self, mailbox: int, copies: Iterable[Copy]) -> None:
        """Remember copies."""
        self._many(
            "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?)",
            [(mailbox, one.origin, one.item_id, one.kind, int(one.own)) for one in copies],
        )

    def recognise(self, mailbox: int, copies: Iterable[Copy]) -> None:
        """Remember what the mail store says was written, and leave what is known to have been there before."""
        self._many(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET item = excluded.item "
            "WHERE own",
            [(mailbox, one.origin, one.item_id, one.kind, int(one.own)) for one in copies],
        )

    def forget(self, mailbox: int, scope: str, origins: Iterable[str]) -> None:
        """Forget items that are gone."""
        gone = list(origins)
        self._many("DELETE FROM items WHERE mailbox = ? AND origin = ?", [(mailbox, one) for one in gone])
        self._many("DELETE FROM refs WHERE scope = ? AND item = ?", [(scope, one) for one in gone])
        self._many("DELETE FROM failures WHERE scope = ? AND item = ?", [(scope, one) for one in gone])

    # -- references ------------------------------------------------------------------------------------------------

    def refer(self, scope: str, item: str, references: Iterable[Reference]) -> None:
        """Remember what an item or an entry refers to, in the place of what it did before."""
        self._run("DELETE FROM refs WHERE scope = ? AND item = ?", (scope, item))
        self._many("INSERT OR REPLACE INTO refs VALUES (?, ?, ?, ?, ?)", list(references))

    def outdated(self) -> list[tuple[str, str]]:
        """Return (scope, item) of what refers to something that has become something else since."""
        return [(row[0], row[1]) for row in self._rows(
            "tt", "SELECT DISTINCT refs.scope, refs.item FROM refs "
            "LEFT JOIN entries ON refs.owner = '' AND entries.source = refs.target "
            "LEFT JOIN mailboxes ON refs.owner != '' AND mailboxes.account = refs.owner "
            "LEFT JOIN items ON items.mailbox = mailboxes.number AND items.origin = refs.target "
            "WHERE became != coalesce(entries.destination, items.item, '')"
        )]

    # -- what is told ----------------------------------------------------------------------------------------------

    def failed(self, scope: str, item: str, kind: str, reason: str) -> None:
        """Remember that something could not be applied."""
        self._run(
            "INSERT INTO failures VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET reason = excluded.reason",
            (scope, item, kind, reason, moment.now()),
        )

    def succeeded(self, scope: str, items: Iterable[str]) -> None:
        """Forget that things could not be applied."""
        self._many("DELETE FROM failures WHERE scope = ? AND item = ?", [(scope, item) for item in items])

    def failures(self, scope: str | None = None) -> list[Failure]:
        """Return what could not be applied, of everything or of one scope."""
        where, values = ("", ()) if scope is None else ("WHERE scope = ?", (scope,))
        rows = self._rows("ttttn", f"SELECT * FROM failures {where} ORDER BY since", values)
        return [Failure(*row) for row in rows]

    def count_failures(self) -> int:
        """Return how much could not be applied."""
        row = self._row("n", "SELECT count(*) FROM failures")
        return 0 if row is None else int(row[0])

    def conflict(self, scope: str, item: str, kind: str, what: str) -> None:
        """Remember that somebody has changed something here."""
        last = self._row("ttt", "SELECT scope, item, what FROM conflicts WHERE scope = ? AND item = ? "
                         "ORDER BY number DESC LIMIT 1", (scope, item))
        if last == (scope, item, what):
            return
        self._run("INSERT INTO conflicts VALUES (NULL, ?, ?, ?, ?, ?)", (moment.now(), scope, item, kind, what))
        self._run("DELETE FROM conflicts WHERE number <= (SELECT max(number) FROM conflicts) - ?", (CONFLICTS,))

    def conflicts(self) -> list[Conflict]:
        """Return the conflicts that are kept, oldest first."""
        rows = self._rows("ntttt", "SELECT at, scope, item, kind, what FROM conflicts ORDER BY number")
        return [Conflict(*row) for row in rows]

    def count_conflicts(self) -> int:
        """Return how many there have been."""
        row = self._row("n", "SELECT coalesce(max(number), 0) FROM conflicts")
        return 0 if row is None else int(row[0])

    # -- statements ------------------------------------------------------------------------------------------------

    def _among(self, column: str, mailbox: int, values: Sequence[str]) -> dict[str, Copy]:
        found: dict[str, Copy] = {}
        for start in range(0, len(values), _AT_ONCE):
            some = values[start:start + _AT_ONCE]
            for row in self._rows(
                _COPY, f"SELECT origin, item, kind, own FROM items WHERE mailbox = ? "
                f"AND {column} IN ({', '.join('?' * len(some))})", (mailbox, *some),
            ):
                found[row[0]] = Copy(row[0], row[1], row[2], bool(row[3]))
        return found

    def _rows(self, shape: str, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return what a query finds. :param shape: of a row, a letter for each column: t for a text, n for a number."""
        with _telling(self.path):
            rows = self._database.execute(query, values).fetchall()
        types = [_TYPES[letter] for letter in shape]
        # SQLite keeps in any column what somebody has put there.
        if not all(all(map(isinstance, row, types)) for row in rows):
            raise _damaged(self.path, "a value is not of its type")
        return rows

    def _row(self, shape: str, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Return the one row that a query finds."""
        return next(iter(self._rows(shape, query, values)), None)

    def _known(self, row: Sequence[Any]) -> Known:
        source, kind, name, destination, own, applied = row
        try:
            entry = state_from_json(source, foreign.parse(applied)) if applied else None
        except foreign.UNREADABLE as error:
            raise _damaged(self.path, error) from error
        return Known(source, kind, name, destination, bool(own), entry if isinstance(entry, Entry) else None)

    def _run(self, statement: str, values: Sequence[Any] = ()) -> None:
        with _telling(self.path):
            self._database.execute(statement, values)

    def _many(self, statement: str, values: Sequence[Sequence[Any]]) -> None:
        if not values:
            return
        with self.changing(), _telling(self.path):
            self._database.executemany(statement, values)


@contextlib.contextmanager
def alone(directory: str) -> Iterator[None]:
    """Be the one who works on a standby while the with statement lasts.

    :raises Busy: another process does. :raises Refused: the directory cannot be written to.
    """
    path = os.path.join(directory, "lock")
    try:
        make_directories(directory)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Refused(f"{path} cannot be written ({error.strerror}); check its owner and mode.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Busy(
                f"Another process works on the standby in {directory}; stop the service standby, or wait for it."
            ) from error
        yield
    finally:
        os.close(descriptor)


def _connect(path: str) -> sqlite3.Connection:
    with _telling(path):
        database = sqlite3.connect(path, timeout=60, isolation_level=None)
        try:
            database.execute("PRAGMA synchronous = FULL")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version != _VERSION:
                raise Damaged(f"{path} is a standby's record of version {version}; this software knows {_VERSION}.")
        except BaseException:
            database.close()
            raise
    return database


@contextlib.contextmanager
def _telling(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Refused(f"{path} cannot be used ({error}); check the disk, then run this again.") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter of the names of its tables
        raise _damaged(path, error) from error


def _damaged(path: str, why: object) -> Damaged:
    return Damaged(
        f"{path} is damaged ({why}), and nothing can tell any more what the standby has restored. Set up a new "
        "one with an empty mail store; the primary and its archive have lost nothing."
    )
