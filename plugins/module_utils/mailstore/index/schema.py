# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of an index."""

from __future__ import annotations

from typing import Final

VERSION: Final = 2

_SESSIONS: Final = (
    # From which change on which session changed a mailbox. A session is one EmbeddedStore, from open to close. What is
    # done on files that were put back to an older state is done by other ones: so a change number that is given again
    # is not taken for the one of before.
    "CREATE TABLE sessions (mailbox INTEGER NOT NULL, change INTEGER NOT NULL, session TEXT NOT NULL, "
    "PRIMARY KEY (mailbox, change)) WITHOUT ROWID"
)
_VERSION: Final = f"PRAGMA user_version = {VERSION}"

STATEMENTS: Final = (
    # Identity: server_id, incarnation; settings: redo_log.
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",

    "CREATE TABLE volumes (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, type TEXT NOT NULL, "
    "path TEXT NOT NULL UNIQUE, compressed INTEGER NOT NULL, threshold INTEGER NOT NULL, current INTEGER NOT NULL)",

    # Blob files that no item names any more and that are to be removed.
    "CREATE TABLE garbage (id INTEGER PRIMARY KEY, volume INTEGER NOT NULL, locator TEXT NOT NULL)",

    # data is Entry.to_json(); name_key is the name as it is compared.
    "CREATE TABLE entries (id TEXT PRIMARY KEY, kind TEXT NOT NULL, name_key TEXT NOT NULL, data TEXT NOT NULL, "
    "UNIQUE (kind, name_key)) WITHOUT ROWID",

    # Every address that is taken, by an account or a list.
    "CREATE TABLE addresses (address TEXT PRIMARY KEY, entry TEXT NOT NULL) WITHOUT ROWID",

    # A number is never given again, so that a token of a mailbox that was deleted fits no other. session is the newest
    # of table sessions: the tokens of all mailboxes are read at once.
    "CREATE TABLE mailboxes (number INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL UNIQUE, "
    "next_id INTEGER NOT NULL, change INTEGER NOT NULL, session TEXT NOT NULL)",

    _SESSIONS,

    # change is the mailbox's change number at which the row became what it is; tags are ids with spaces between.
    "CREATE TABLE items (mailbox INTEGER NOT NULL, id INTEGER NOT NULL, kind TEXT NOT NULL, folder INTEGER NOT NULL, "
    "name TEXT NOT NULL, flags TEXT NOT NULL, tags TEXT NOT NULL, date INTEGER NOT NULL, size INTEGER NOT NULL, "
    "digest BLOB, attrs TEXT NOT NULL, change INTEGER NOT NULL, volume INTEGER REFERENCES volumes, locator TEXT, "
    "PRIMARY KEY (mailbox, id)) WITHOUT ROWID",
    "CREATE UNIQUE INDEX folder_names ON items (mailbox, folder, name) WHERE kind IN ('folder', 'mountpoint')",
    "CREATE UNIQUE INDEX tag_names ON items (mailbox, name) WHERE kind = 'tag'",
    "CREATE UNIQUE INDEX filter_set_names ON items (mailbox, name) WHERE kind = 'filter_set'",
    "CREATE INDEX changed_items ON items (mailbox, change)",

    "CREATE TABLE tombstones (mailbox INTEGER NOT NULL, change INTEGER NOT NULL, id INTEGER NOT NULL, "
    "PRIMARY KEY (mailbox, change, id)) WITHOUT ROWID",

    # Which item an origin was written as. The rowid keeps the order of writing.
    "CREATE TABLE imports (seq INTEGER PRIMARY KEY, mailbox INTEGER NOT NULL, import TEXT NOT NULL, "
    "origin TEXT NOT NULL, item INTEGER NOT NULL)",
    "CREATE UNIQUE INDEX imported ON imports (mailbox, import, origin)",

    # One row for each transaction of the store; seq is its number, in the redo log too.
    "CREATE TABLE feed (seq INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, change INTEGER NOT NULL)",

    _VERSION,
)

UPGRADE: Final = (
    "ALTER TABLE mailboxes ADD COLUMN session TEXT NOT NULL DEFAULT ''",
    "UPDATE mailboxes SET session = lower(hex(randomblob(8)))",
    _SESSIONS,
    "INSERT INTO sessions SELECT number, change, session FROM mailboxes",
    _VERSION,
)
"""What makes a store of version 1 one of today. Who made its changes so far is not known: each mailbox gets a session
of its own, that begins with its newest change."""

STAND_INS: Final = (
    "CREATE TEMP VIEW mailboxes AS SELECT number, account, next_id, change, '' AS session FROM main.mailboxes",
    "CREATE TEMP VIEW sessions AS SELECT number AS mailbox, change, session FROM mailboxes",
    "PRAGMA query_only = ON",
)
"""What makes a store of version 1 look like one of today to the one connection, which can then only read."""
