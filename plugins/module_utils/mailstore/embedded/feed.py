# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The change feed: one row for each transaction of the whole store, for whoever follows it as it happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from ...model.errors import NotFound, Unavailable
from ..following import News
from ..index.database import FILE, Database

KEPT: Final = 100_000
"""Transactions that the feed goes back, at least."""


class FeedEntry(NamedTuple):
    """One transaction."""

    seq: int
    """Its number in the store, from 1; none is left out or given twice."""
    scope: str
    """Account id, or model.state.SERVER."""
    change: int
    """The change number that the mailbox had then; 0 where there is no mailbox (any more)."""


class Feed:
    """The feed of one store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, scope: str) -> int:
        """Add the transaction that is under way; return its number."""
        number = self._database.execute(
            "INSERT INTO feed (scope, change) VALUES (?, ifnull((SELECT change FROM mailboxes WHERE account = ?), 0))",
            (scope, scope),
        ).lastrowid
        seq = int(number or 0)  # an INSERT always has one
        if seq % 1000 == 0:
            self._database.execute("DELETE FROM feed WHERE seq <= ?", (seq - KEPT,))
        return seq

    def last(self) -> int:
        """Return the number of the newest transaction, 0 before the first."""
        seq: int = self._database.execute("SELECT ifnull(max(seq), 0) FROM feed").fetchone()[0]
        return seq

    def file(self) -> int:
        """Return the inode of the store's database. :raises Unavailable: it is not where it was."""
        path = os.path.join(self._database.path, FILE)
        try:
            return os.stat(path).st_ino
        except OSError as error:
            raise Unavailable(f"The mail store {path} is not there ({error.strerror}); it is waited for.") from error

    def since(self, seq: int) -> Iterator[FeedEntry]:
        """Yield the transactions after a number, as far as they go now.

        :raises NotFound: the feed does not go back so far; compare all tokens instead.
        """
        # With the row of that number itself, one question tells both what is new and whether anything is missing.
        rows = self._database.execute(
            "SELECT seq, scope, change FROM feed WHERE seq >= ? ORDER BY seq", (seq,)
        ).fetchall()
        if rows[0][0] > seq + 1 if rows else seq > 0:
            raise NotFound(f"The change feed does not hold what came after {seq}; look at all accounts instead.")
        return (FeedEntry(*row) for row in rows if row[0] > seq)


class FeedFollower:
    """Follows a store by its feed."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._file = feed.file()
        self._last = feed.last()

    def news(self) -> News:
        """Return what has happened since this was called before.

        :raises Unavailable: the store was removed, or another one put in its place.
        """
        if self._feed.file() != self._file:
            raise Unavailable("Another mail store was put in the place of the one that is followed.")
        try:
            entries = list(self._feed.since(self._last))
        except NotFound:
            self._last = self._feed.last()
            return News((), str(self._last), overrun=True)
        if entries:
            self._last = entries[-1].seq
        return News({entry.scope for entry in entries}, str(self._last))
