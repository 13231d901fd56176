# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was about to be written to an account, and what became of it.

**Exactly once.** IMAP keeps no record of what an item was elsewhere, so the mirror does. Before messages are sent it
writes down, durably, what they are (by the digest of what the server will hold) and which number the folder would give
next; after the server has said which numbers it gave, it records them in the place of that. Where a process ended in
between, whoever writes to this account next finds the note, waits until nothing arrives in that folder any more, looks
at what has come since and takes what is there for what was sent: one message for one note. A message that was to take
the place of another one does so then, and the other one is removed.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from ...model import kinds
from ...model.errors import NotFound
from .collection_writing import CollectionWriter
from .filters import Filters
from .mirror import REPLACEMENT, Intent, Mirror, locator
from .session import Session
from .sync import Synchroniser

_AT_ONCE: Final = 250
_QUIET: Final = 1.0
"""Seconds in which nothing arrives in a folder before what a process has left there counts as all of it."""


class Notes:
    """The notes of one account. The caller is alone with it (Mirror.alone)."""

    def __init__(
        self, mirror: Mirror, session: Session, number: int, synchroniser: Synchroniser, filters: Filters | None,
        collections: CollectionWriter | None,
    ) -> None:
        self._mirror = mirror
        self._database = mirror.database
        self._session = session
        self._number = number
        self._synchroniser = synchroniser
        self._filters = filters
        self._collections = collections

    def recover(self) -> None:
        """Find out what became of what a process was about to write when it ended."""
        intents = self._mirror.intents(self._number)
        if intents:
            self._await_quiet({intent.folder for intent in intents if intent.kind in (kinds.MESSAGE, REPLACEMENT)})
            self.claim(intents)

    def claim(self, intents: Sequence[Intent]) -> dict[str, int]:
        """Record what is there of what was to be written; return the item of each origin."""
        self._synchroniser.run()
        if self._filters is not None and any(intent.kind == kinds.FILTER_SET for intent in intents):
            self._filters.synchronise()
        if self._collections is not None:
            self._collections.synchronise()
        claimed = {row[0] for row in self._database.execute(
            "SELECT item FROM imports WHERE mailbox = ?", (self._number,)
        ).fetchall()}
        found: dict[str, dict[str, int]] = {}
        by_folder: dict[int, list[Intent]] = {}
        for intent in intents:
            if intent.kind == kinds.MESSAGE:
                by_folder.setdefault(intent.folder, []).append(intent)
                continue
            if intent.kind == REPLACEMENT:
                self._go_on_replacing(intent, claimed)
                continue
            row = self._database.execute(
                "SELECT id FROM items WHERE mailbox = ? AND folder = ? AND name = ? AND kind = ?",
                (self._number, intent.folder, intent.place, intent.kind),
            ).fetchone()
            if row is not None and row[0] not in claimed:
                found.setdefault(intent.import_id, {})[intent.origin] = row[0]
        for folder, wanted in by_folder.items():
            for intent, item in self._arrived(folder, wanted, claimed):
                found.setdefault(intent.import_id, {})[intent.origin] = item
        with self._database.transaction():
            self._mirror.settle(self._number, "", ())
            for import_id, items in found.items():
                self._mirror.settle(self._number, import_id, items.items())
        return {origin: item for items in found.values() for origin, item in items.items()}

    def _go_on_replacing(self, intent: Intent, claimed: set[int]) -> None:
        """Put a message into the place of another one, if it is there, and remove the other one."""
        item, folder, uid = map(int, intent.origin.split())
        try:
            remote, place = self._mirror.locate(self._number, item)
        except NotFound:
            return  # somebody has removed it
        if remote.item != intent.folder or place < int(intent.place):  # it is the old one still, wherever that is
            for _intent, other in self._arrived(intent.folder, [intent], claimed):
                folder, uid = remote.item, place
                with self._mirror.changing(self._number) as work:
                    self._mirror.replace(work, item, other)
        before = self._mirror.folders(self._number).get(folder)
        if before is None or self._mirror.locate(self._number, item) == (before, uid):
            return
        if any(self._mirror.may_be(self._number, one.guid, item)
               for one in self._session.messages(before.name, str(uid)) if one.uid == uid):
            self._session.expunge(before.name, [uid])
            self._synchroniser.run()

    def _arrived(self, folder: int, wanted: Sequence[Intent], claimed: set[int]) -> Iterator[tuple[Intent, int]]:
        """Yield those messages of a folder that are what was to be written, each once."""
        remote = self._mirror.folders(self._number).get(folder)
        if remote is None:
            return
        looked_for = Counter(intent.digest for intent in wanted)
        by_digest: dict[bytes, list[Intent]] = {}
        for intent in wanted:
            by_digest.setdefault(intent.digest, []).append(intent)
        since = min(int(intent.place) for intent in wanted)
        rows = self._database.execute(
            "SELECT id, locator FROM items INDEXED BY messages_by_uid WHERE mailbox = ? AND folder = ? "
            "AND kind = 'message' AND locator >= ? ORDER BY locator", (self._number, folder, locator(since)),
        ).fetchall()
        new = [(item, int(place)) for item, place in rows if item not in claimed]
        for start in range(0, len(new), _AT_ONCE):
            portion = new[start:start + _AT_ONCE]
            contents = self._session.contents(remote.name, [uid for _item, uid in portion])
            for item, uid in portion:
                digest = self.digest(contents.get(uid, b""))
                if looked_for[digest] > 0:
                    looked_for[digest] -= 1
                    self._mirror.learn(self._number, {item: contents[uid]})
                    yield by_digest[digest].pop(0), item

    def _await_quiet(self, folders: set[int]) -> None:
        """Wait until nothing arrives any more: a server may still be at work on what a killed process has sent."""
        remotes = [self._mirror.folders(self._number).get(folder) for folder in folders]
        before = None
        while folders:
            standing = {mailbox.name: mailbox.uidnext for mailbox in self._session.mailboxes()}
            now = [standing.get(remote.name) for remote in remotes if remote is not None]
            if now == before:
                return
            before = now
            time.sleep(_QUIET)

    def digest(self, content: bytes) -> bytes:
        """Return by what a message is known again that a process has sent."""
        return hashlib.sha256(self._session.comparable(content)).digest()

    def forget(self) -> None:
        """What was about to be written is not there."""
        with self._database.transaction():
            self._mirror.settle(self._number, "", ())
