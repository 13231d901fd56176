# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The database of the embedded store: its tables and how it is opened."""

from __future__ import annotations

import os
import sqlite3
from typing import Final

from ...model.errors import InvalidInput

FILE: Final = "store.sqlite"
VERSION: Final = 1

_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE volumes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, type TEXT NOT NULL, path TEXT NOT NULL UNIQUE,
    compressed INTEGER NOT NULL, threshold INTEGER NOT NULL, current INTEGER NOT NULL);
CREATE TABLE entries (id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, name_key TEXT NOT NULL,
    data TEXT NOT NULL, UNIQUE (kind, name_key)) WITHOUT ROWID;
CREATE TABLE addresses (address TEXT PRIMARY KEY, entry TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE mailboxes (number INTEGER PRIMARY KEY, account TEXT NOT NULL UNIQUE, next_id INTEGER NOT NULL,
    change INTEGER NOT NULL);
CREATE TABLE items (mailbox INTEGER NOT NULL, id INTEGER NOT NULL, kind TEXT NOT NULL, folder INTEGER NOT NULL,
    name TEXT NOT NULL, flags TEXT NOT NULL, tags TEXT NOT NULL, date INTEGER NOT NULL, size INTEGER NOT NULL,
    digest BLOB, attrs TEXT NOT NULL, change INTEGER NOT NULL, volume INTEGER, locator TEXT,
    PRIMARY KEY (mailbox, id)) WITHOUT ROWID;
CREATE UNIQUE INDEX folder_names ON items (mailbox, folder, name) WHERE kind IN ('folder', 'mountpoint');
CREATE UNIQUE INDEX single_names ON items (mailbox, kind, name) WHERE kind IN ('tag', 'filter_set');
CREATE INDEX changed_items ON items (mailbox, change);
CREATE INDEX folder_content ON items (mailbox, folder);
CREATE TABLE tombstones (mailbox INTEGER NOT NULL, id INTEGER NOT NULL, kind TEXT NOT NULL, change INTEGER NOT NULL,
    PRIMARY KEY (mailbox, change, id)) WITHOUT ROWID;
CREATE TABLE imports (mailbox INTEGER NOT NULL, import TEXT NOT NULL, origin TEXT NOT NULL, item INTEGER NOT NULL,
    PRIMARY KEY (mailbox, import, origin)) WITHOUT ROWID;
CREATE TABLE feed (seq INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, change INTEGER NOT NULL)
"""


def connect(path: str) -> sqlite3.Connection:
    """Open the database of a store; several processes may have it open."""
    database = sqlite3.connect(os.path.join(path, FILE), timeout=120, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA cache_size = -16384")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        database.close()
        raise InvalidInput(f"The mail store in {path} is of a newer version; upgrade restante.carbonio to use it.")
    return database


def create_tables(database: sqlite3.Connection) -> None:
    """Make the tables, in the transaction that is under way."""
    for statement in _SCHEMA.split(";"):
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {VERSION}")


class Transaction:
    """A context in which all is written to a database or nothing."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> sqlite3.Connection:
        self._database.execute("BEGIN IMMEDIATE")
        return self._database

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._database.in_transaction:
            self._database.execute("ROLLBACK" if kind else "COMMIT")
