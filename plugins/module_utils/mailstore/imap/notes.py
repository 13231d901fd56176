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

What is not there by then may yet come to light. A Dovecot with mdbox that was killed has its bytes, and finds out with
the next message that it is given that it has more than its index says; then it shows them, without their flags. So what
was looked for in vain stays noted until the server has taken the next messages, and then is looked for once more: of
what is there twice now one copy is removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ...model import kinds
from ...model.errors import NotFound, Refused
from . import marks
from .collection_writing import CollectionWriter
from .filters import Filters
from .intents import REPLACEMENT, UNSEEN, Intent
from .mirror import Mirror, locator
from .session import Session
from .sync import Synchroniser

_AT_ONCE: Final = 250
_QUIET: Final = 1.0
"""Seconds in which nothing arrives in a folder before what a process has left there counts as all of it."""
_TIMES: Final = 60
"""How often that is waited for."""


class _Arrived(NamedTuple):
    """A message that has what was to be written."""

    item: int
    uid: int
    digest: bytes
    date: int
    """UTC milliseconds."""
    bare: bool
    """Whether it has no flags and no keywords."""


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
        self._mended = False
        """Whether what is there was changed."""

    def recover(self) -> None:
        """Find out what became of what a process was about to write when it ended."""
        intents = self._mirror.intents(self._number)
        if intents:
            self._await_quiet({intent.folder for intent in intents if intent.kind in (kinds.MESSAGE, REPLACEMENT)})
            self.claim(intents)

    def look_again(self) -> None:
        """The server has taken something and shown it: now or never what was looked for in vain has come to light."""
        intents = self._mirror.intents(self._number)
        if any(intent.kind == UNSEEN for intent in intents):
            self.claim(intents)
            with self._database.transaction():
                self._mirror.leave_unseen(self._number, ())

    def claim(self, intents: Sequence[Intent]) -> dict[str, int]:
        """Record what is there of what was to be written; return the item of each origin."""
        self._mended = False
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
        unseen = []
        for intent in intents:
            if intent.kind in (kinds.MESSAGE, UNSEEN):
                by_folder.setdefault(intent.folder, []).append(intent)
                continue
            if intent.kind == REPLACEMENT:
                if not self._go_on_replacing(intent, claimed):
                    unseen.append(intent)
                continue
            row = self._database.execute(
                "SELECT id FROM items WHERE mailbox = ? AND folder = ? AND name = ? AND kind = ?",
                (self._number, intent.folder, intent.place, intent.kind),
            ).fetchone()
            if row is not None and row[0] not in claimed:
                found.setdefault(intent.import_id, {})[intent.origin] = row[0]
        for folder, attempts in by_folder.items():
            unseen += self._recognise(folder, attempts, claimed, found)
        with self._database.transaction():
            # Without a date nothing that comes later is known well enough to be removed.
            self._mirror.leave_unseen(self._number, [one for one in unseen if one.sent.date is not None])
            self._mirror.settle(self._number, "", ())
            for import_id, items in found.items():
                self._mirror.settle(self._number, import_id, items.items())
        if self._mended:
            self._synchroniser.run()
        return {origin: item for items in found.values() for origin, item in items.items()}

    def _go_on_replacing(self, intent: Intent, claimed: set[int]) -> bool:
        """Put a message into the place of another one, and remove the other one; return False where it is not there."""
        item, folder, uid = map(int, intent.origin.split())
        try:
            remote, place = self._mirror.locate(self._number, item)
        except NotFound:
            return True  # somebody has removed it
        if remote.item != intent.folder or place < intent.sent.first:  # it is the old one still, wherever that is
            new = next(self._arrived(intent.folder, [intent], claimed), None)
            if new is None:
                return False
            self._mark(intent, new)
            folder, uid = remote.item, place
            with self._mirror.changing(self._number) as work:
                self._mirror.replace(work, item, new.item)
        before = self._mirror.folders(self._number).get(folder)
        if before is None or self._mirror.locate(self._number, item) == (before, uid):
            return True
        if any(self._mirror.may_be(self._number, one.guid, item)
               for one in self._session.messages(before.name, str(uid)) if one.uid == uid):
            self._session.expunge(before.name, [uid])
            self._mended = True
        return True

    def _recognise(
        self, folder: int, attempts: Sequence[Intent], claimed: set[int], found: dict[str, dict[str, int]]
    ) -> list[Intent]:
        """Take those messages of a folder that are what was sent to it, one for each item; remove further copies.

        An item may have been sent more than once, because it was looked for in vain, and may have come to light as
        often as it was sent. What has the content and the date that was sent, and is nobody's, is such a copy.

        :return: those attempts that nothing is there of.
        """
        waiting: dict[bytes, list[Intent]] = {}
        origins: dict[str, list[str]] = {}
        for intent in attempts:
            waiting.setdefault(intent.digest, []).append(intent)
            origins.setdefault(intent.import_id, []).append(intent.origin)
        # A message that was put in the place of another one is what was sent, and is that item.
        replaced = origins.pop("", [])
        mine = {int(origin.split()[0]) for origin in replaced}
        done = {("", origin) for origin in replaced}
        for import_id, wanted in origins.items():
            known = self._mirror.writer.find_imported(self._number, import_id, wanted)
            done.update((import_id, origin) for origin in known)

        def take(one: Intent, new: _Arrived) -> None:
            done.add((one.import_id, one.origin))
            found.setdefault(one.import_id, {})[one.origin] = new.item
            claimed.add(new.item)
            self._mark(one, new)

        surplus = []
        others = []
        for new in self._arrived(folder, attempts, claimed | mine):
            alike = [one for one in waiting[new.digest] if one.sent.first <= new.uid and one.sent.date == new.date]
            if not alike:
                others.append(new)
                continue
            one = next((one for one in alike if (one.import_id, one.origin) not in done), None)
            if one is None:
                one = alike[0]
                surplus.append(new.uid)
            else:
                take(one, new)
            waiting[new.digest].remove(one)
        for new in others:  # a server need not keep dates
            one = next((one for one in waiting[new.digest] if one.sent.first <= new.uid
                        and (one.import_id, one.origin) not in done), None)
            if one is not None:
                take(one, new)
                waiting[new.digest].remove(one)
        if surplus:
            self._session.expunge(self._mirror.folder(self._number, folder).name, surplus)
            self._mended = True
        return [one for rest in waiting.values() for one in rest]

    def _arrived(self, folder: int, wanted: Sequence[Intent], claimed: set[int]) -> Iterator[_Arrived]:
        """Yield those messages of a folder that have the content of what was to be written."""
        remote = self._mirror.folders(self._number).get(folder)
        if remote is None:
            return
        digests = {intent.digest for intent in wanted}
        since = min(intent.sent.first for intent in wanted)
        rows = self._database.execute(
            "SELECT id, locator, date, flags, tags FROM items INDEXED BY messages_by_uid WHERE mailbox = ? "
            "AND folder = ? AND kind = 'message' AND locator >= ? ORDER BY locator",
            (self._number, folder, locator(since)),
        ).fetchall()
        new = [(item, int(uid), *rest) for item, uid, *rest in rows if item not in claimed]
        for start in range(0, len(new), _AT_ONCE):
            portion = new[start:start + _AT_ONCE]
            contents = self._session.contents(remote.name, [uid for _item, uid, *_rest in portion])
            for item, uid, date, flags, tags in portion:
                digest = self.digest(contents.get(uid, b""))
                if digest in digests:
                    self._mirror.learn(self._number, {item: contents[uid]})
                    yield _Arrived(item, uid, digest, date, (flags, tags) == (marks.UNREAD, ""))

    def _mark(self, intent: Intent, new: _Arrived) -> None:
        """Give a message the flags that it was sent with, where a server has lost them all as it mended itself."""
        words = intent.sent.words
        if new.bare and words:
            with contextlib.suppress(Refused):
                self._session.store(self._mirror.folder(self._number, intent.folder).name, new.uid, words)
                self._mended = True

    def _await_quiet(self, folders: set[int]) -> None:
        """Wait until nothing arrives any more: a server may still be at work on what a killed process has sent."""
        remotes = [self._mirror.folders(self._number).get(folder) for folder in folders]
        before = None
        for _unused in range(_TIMES if folders else 0):  # in a busy folder others' mail arrives for ever
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
