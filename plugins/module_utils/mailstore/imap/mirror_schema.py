# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables that a mirror has beside those of an index (index/schema.py), and how they became what they are."""

from __future__ import annotations

from typing import Final

_RENAMINGS: Final = (
    "CREATE TABLE IF NOT EXISTS renamings (account TEXT PRIMARY KEY, goal TEXT NOT NULL, back TEXT NOT NULL, "
    "standing TEXT NOT NULL, shares TEXT NOT NULL) WITHOUT ROWID"
)
"""Accounts that are being renamed (renaming.py)."""
TABLES: Final = (
    # How each folder stood when all that was in it had been seen. What is not selectable has nothing in it.
    "CREATE TABLE remote_folders (mailbox INTEGER NOT NULL, id INTEGER NOT NULL, name BLOB NOT NULL, "
    "guid TEXT NOT NULL, selectable INTEGER NOT NULL, uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL, "
    "modseq INTEGER NOT NULL, messages INTEGER NOT NULL, PRIMARY KEY (mailbox, id)) WITHOUT ROWID",
    # Which item a message is that was put into the place of an older one: it is another message to the server.
    "CREATE TABLE replacements (mailbox INTEGER NOT NULL, id INTEGER NOT NULL, item INTEGER NOT NULL, "
    "PRIMARY KEY (mailbox, id)) WITHOUT ROWID",
    # How each collection of CardDAV and CalDAV stood when all in it had been seen, and what was in it.
    "CREATE TABLE collections (mailbox INTEGER NOT NULL, id INTEGER NOT NULL, href TEXT NOT NULL, "
    "for_cards INTEGER NOT NULL, tag TEXT NOT NULL, sync_token TEXT NOT NULL, PRIMARY KEY (mailbox, id)) WITHOUT ROWID",
    "CREATE TABLE resources (mailbox INTEGER NOT NULL, href TEXT NOT NULL, id INTEGER NOT NULL, "
    "collection INTEGER NOT NULL, etag TEXT NOT NULL, PRIMARY KEY (mailbox, href)) WITHOUT ROWID",
    "CREATE INDEX resources_of_collections ON resources (mailbox, collection)",
    "CREATE INDEX tombstones_of_items ON tombstones (mailbox, id)",
    "CREATE INDEX resources_of_items ON resources (mailbox, id)",
    # Items that were about to be written, and what is there at the place of each since.
    "CREATE TABLE intents (seq INTEGER PRIMARY KEY, mailbox INTEGER NOT NULL, import TEXT NOT NULL, "
    "origin TEXT NOT NULL, kind TEXT NOT NULL, folder INTEGER NOT NULL, place TEXT NOT NULL, digest BLOB NOT NULL)",
    "CREATE INDEX intents_of_mailboxes ON intents (mailbox)",
    # The locator of a message is its UID, of ten digits.
    "CREATE INDEX messages_by_uid ON items (mailbox, folder, locator) WHERE kind = 'message'",
    _RENAMINGS,
)
UPGRADES: Final[tuple[tuple[str, ...], ...]] = (
    (),  # a mirror in which no version is written
    (_RENAMINGS,),
)
"""What makes a mirror of each version one of the next. Not all of what is in one could be had from the server again:
what was imported or was about to be, which message is another one's item, and contents that need not be read anew."""


def version() -> int:
    """Return the version of a mirror of today."""
    return len(UPGRADES)
