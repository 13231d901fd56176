# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bringing the mirror up to what an IMAP server holds of one account now.

First all that is gone from where it was is gathered, and only then is looked at what is new: so a message that was
moved, or that got another number, is known again by what the server calls it for ever, and keeps its id. What is
learned is written down in portions, each a transaction, and how a folder stands only when all in it has been seen: a
synchronisation that was cut off goes on with the next one.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ...model import kinds
from ...model.errors import NotFound, Refused
from . import held, marks, names, tree
from .annotations import Annotations
from .answers import Mailbox, Marked, Message
from .mirror import Changing, Mirror, RemoteFolder, item_id, locator, tag_row
from .rights import Rights
from .session import Session

_PORTION: Final = 400
"""Messages that are listed and written down together."""
_INSERT: Final = (
    "INSERT INTO items VALUES (?, ?, 'message', ?, '', ?, ?, ?, ?, ?, '{}', ?, NULL, ?) "
    "ON CONFLICT (mailbox, id) DO NOTHING"
)


class Synchroniser:
    """Synchronises one mailbox of the mirror. The caller is alone with it (Mirror.alone)."""

    def __init__(
        self, mirror: Mirror, session: Session, number: int, rights: Rights, annotations: Annotations
    ) -> None:
        self._mirror = mirror
        self._database = mirror.database
        self._session = session
        self._number = number
        self._rights = rights
        self._annotations = annotations
        self._lost: set[int] = set()
        """Messages that are no more where they were, and have not been found elsewhere."""
        self._lost_from: dict[int, list[int]] = {}
        """Messages that are no more where they were, by the folder that they were in."""
        self.closed: list[str] = []
        """Of the mailboxes that the server did not let be opened, what it said. They count as they were."""

    def run(self, thorough: bool = False) -> None:
        """Synchronise. :param thorough: look at every message, as if nothing were known of how folders stand."""
        try:
            self._run(thorough)
        except NotFound:  # a folder that was deleted since it was listed; else it is told the second time
            self._run(thorough, again=True)

    def _run(self, thorough: bool, again: bool = False) -> None:
        self._lost = set(self._mirror.nowhere(self._number))
        self._lost_from.clear()
        before = self._mirror.folders(self._number)
        listed = _as_before(self._session.mailboxes(), before)
        self.closed = [_not_looked_at(mailbox, mailbox.refusal) for mailbox in listed if mailbox.refusal]
        folders = tree.folders(listed, self._session.prefix, self._session.delimiter, before)
        if not any(folder.item == tree.INBOX for folder in folders):
            raise Refused(
                f"{self._session.server} shows no INBOX of {self._session.address}. Is there such an account? "
                "With Dovecot's acl plugin the rights are those of the master user, unless its userdb says "
                "master_user=%u."
            )
        self._write_tree(folders, thorough)
        present = {folder.item for folder in folders}
        gone = [item for item in before if item not in present]
        for item in gone:
            self._lose_all(item)
        changed = []
        for folder in folders:
            known = before.get(folder.item)
            if folder.mailbox.refusal:
                continue
            if folder.mailbox.selectable and (thorough or known is None or not known.stands_as(folder.mailbox)):
                with self._opening(folder, again):
                    changed.append((folder, known, self._since(folder, known, thorough)))
        for folder, known, since in changed:
            if since is None:
                self._lose_all(folder.item)
            elif known is not None:
                with self._opening(folder, again):
                    self._lose_vanished(folder, known, since)
        standing = []
        for folder, known, since in changed:
            with self._opening(folder, again):
                standing.append(self._look(folder, known if since is not None else None, since or 0))
            if folder.mailbox.messages:  # all that is done need not be done again; of many, most are empty
                self._remember(standing)
                standing = []
        self._remember(standing)
        self._bury(gone)

    @contextlib.contextmanager
    def _opening(self, folder: tree.Folder, again: bool) -> Iterator[None]:
        """Let a folder be as it was that is listed once more and cannot be opened either."""
        try:
            yield
        except NotFound as error:
            if not again:
                raise
            self._lost.difference_update(self._lost_from.pop(folder.item, ()))
            self.closed.append(_not_looked_at(folder.mailbox, str(error)))

    # -- folders ---------------------------------------------------------------------------------------------------

    def _write_tree(self, folders: Sequence[tree.Folder], thorough: bool) -> None:
        """Write down which folders there are; those that are gone stay until what was in them has been looked for."""
        before = self._mirror.folders(self._number)
        rows = {row[0]: tuple(row[1:]) for row in self._database.execute(
            "SELECT id, folder, name, flags, attrs FROM items INDEXED BY folder_names WHERE mailbox = ? "
            "AND kind IN ('folder', 'mountpoint')", (self._number,),
        ).fetchall()}
        to_open = [folder for folder in folders if folder.mailbox.selectable and not folder.mailbox.refusal]
        shares = self._rights.of_folders(to_open)
        annotations = self._annotations.of_folders(
            to_open, {item: json.loads(row[3]) for item, row in rows.items() if item in before}, thorough
        )
        wanted = {}
        for folder in folders:
            words, attributes = held.folder_marks(
                folder.mailbox.subscribed, shares.get(folder.item, ()), annotations.get(folder.item, {})
            )
            wanted[folder.item] = (folder.parent, folder.name, words, json.dumps(attributes))
            if folder.mailbox.refusal and folder.item in rows:
                wanted[folder.item] = (folder.parent, folder.name, *rows[folder.item][2:])
        rows = {item: row for item, row in rows.items() if item in before or item in wanted}
        other = {item: row for item, row in wanted.items() if rows.get(item) != row}
        names = {folder.item: folder.mailbox for folder in folders}
        renamed = [
            known._replace(name=names[item].name, guid=names[item].guid, selectable=names[item].selectable)
            for item, known in before.items() if item in names
        ]
        fresh = [
            RemoteFolder(item, mailbox.name, mailbox.guid, mailbox.selectable)
            for item, mailbox in names.items() if item not in before
        ]
        told = [remote for remote in (*renamed, *fresh) if before.get(remote.item) != remote]
        if not other and not told:
            return
        with self._mirror.changing(self._number) as work:
            work.touched = bool(other)
            # Names are free while they are given anew, also where two folders have exchanged theirs.
            for item in [*other, *(item for item in before if item not in wanted)]:
                self._database.execute(
                    "UPDATE items SET name = ? WHERE mailbox = ? AND id = ?", (f"\0{item}", self._number, item)
                )
            for item, (parent, name, flags, attrs) in other.items():
                # An address book or a calendar of that name makes way: it gets another one when it is looked at.
                self._database.execute(
                    "UPDATE items SET name = char(0) || id WHERE mailbox = ? AND folder = ? AND name = ? "
                    "AND kind IN ('folder', 'mountpoint') AND id != ?", (self._number, parent, name, item),
                )
                if item in rows:
                    self._database.execute(
                        "UPDATE items SET folder = ?, name = ?, flags = ?, attrs = ?, change = ? "
                        "WHERE mailbox = ? AND id = ?", (parent, name, flags, attrs, work.change, self._number, item),
                    )
                else:
                    self._database.execute(
                        "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, '', 0, 0, NULL, ?, ?, NULL, NULL)",
                        (self._number, item, kinds.FOLDER, parent, name, flags, attrs, work.change),
                    )
            for remote in told:
                self._mirror.remember(self._number, remote)

    # -- what is gone ----------------------------------------------------------------------------------------------

    def _since(self, folder: tree.Folder, known: RemoteFolder | None, thorough: bool) -> int | None:
        """Return after which change of a folder one has to look; None where all of it has to be looked at.

        That is so where the server has given its messages other numbers, or was put back to an older state: then it
        counts from there once more, and the last message that is known is not there, or another one.
        """
        mailbox = folder.mailbox
        if known is None or thorough or known.uidvalidity != mailbox.uidvalidity:
            return None
        if mailbox.uidnext < known.uidnext or mailbox.modseq < known.modseq:
            return None
        uid, item = self._mirror.last_uid(self._number, folder.item)
        if uid and not all(
            self._mirror.may_be(self._number, message.guid, item)
            for message in self._session.messages(mailbox.name, str(uid)) if message.uid == uid
        ):
            return None
        return known.modseq

    def _lose_all(self, folder: int) -> None:
        self._lose(folder, 0, 2**32)

    def _lose(self, folder: int, first: int, last: int) -> None:
        lost = self._mirror.ids_between(self._number, folder, first, last)
        self._lost.update(lost)
        self._lost_from.setdefault(folder, []).extend(lost)

    def _lose_vanished(self, folder: tree.Folder, known: RemoteFolder, since: int) -> None:
        """Gather what is gone from a folder: as the server tells, or else by comparing all numbers."""
        if self._session.supports("QRESYNC") and since:
            # Not up to "*": that is the last one which is there, and those after it may be gone (Cyrus).
            _marked, gone = self._session.marks(folder.mailbox.name, f"1:{known.uidnext or 2**32 - 1}", max(since, 1))
        else:
            gone = list(_gaps(self._session.uids(folder.mailbox.name)))
        for first, last in gone:
            self._lose(folder.item, first, last)
        # What was seen before all in the folder had been is listed once more.
        self._lose(folder.item, known.uidnext, 2**32)

    def _bury(self, folders: Sequence[int]) -> None:
        """Remove folders that are gone, and what was found nowhere."""
        if not folders and not self._lost:
            return
        with self._mirror.changing(self._number) as work:
            work.touched = True
            self._mirror.writer.bury("id", self._number, [*self._lost, *folders], work.change)
            self._database.executemany(
                "DELETE FROM remote_folders WHERE mailbox = ? AND id = ?", [(self._number, item) for item in folders]
            )
        self._lost.clear()

    # -- what is there ---------------------------------------------------------------------------------------------

    def _look(self, folder: tree.Folder, known: RemoteFolder | None, since: int) -> RemoteFolder:
        """Take in what is new in a folder and what has other flags; return how the folder stands."""
        mailbox = folder.mailbox
        first = known.uidnext or 1 if known is not None else 1  # a server need not tell (RFC 3501)
        if known is not None and first > 1:
            marked, _gone = self._session.marks(mailbox.name, f"1:{first - 1}", since)
            for portion in _portions(marked.items()):
                self._mark(folder.item, dict(portion))
        if mailbox.uidnext > first or not mailbox.uidnext or first == 1 and mailbox.messages:
            for messages in _portions(self._new(mailbox.name, first, mailbox.uidnext)):
                with self._mirror.changing(self._number) as work:
                    self.take_in_all(work, folder.item, [(message, None) for message in messages])
        return RemoteFolder(
            folder.item, mailbox.name, mailbox.guid, True, mailbox.uidvalidity, mailbox.uidnext, mailbox.modseq,
            mailbox.messages,
        )

    def _remember(self, standing: Sequence[RemoteFolder]) -> None:
        """Write down how folders stand of which all has been taken in."""
        if standing:
            with self._database.transaction():
                for folder in standing:
                    # Nobody looks for them there again, should this be cut off before they are found, or buried.
                    lost = self._lost.intersection(self._lost_from.pop(folder.item, ()))
                    self._mirror.leave_nowhere(self._number, lost)
                    self._mirror.remember(self._number, folder)

    def _new(self, name: bytes, first: int, uidnext: int) -> Iterator[Message]:
        """Yield the messages of a folder from a number on, listed in portions."""
        uids = [uid for uid in self._session.uids(name) if uid >= first] if first == 1 else None
        if uids is None:
            yield from self._session.messages(name, f"{first}:{max(uidnext - 1, first)}")
            return
        for start in range(0, len(uids), _PORTION):
            portion = uids[start:start + _PORTION]
            yield from self._session.messages(name, f"{portion[0]}:{portion[-1]}")

    def _mark(self, folder: int, marked: Marked) -> None:
        """Give messages the flags that they have now."""
        with self._mirror.changing(self._number) as work:
            for uid, words in marked.items():
                row = self._database.execute(
                    "SELECT id, flags, tags FROM items INDEXED BY messages_by_uid WHERE mailbox = ? AND folder = ? "
                    "AND kind = 'message' AND locator = ?", (self._number, folder, locator(uid)),
                ).fetchone()
                flags, tags = self._marks(work, words)
                if row is not None and row[1:] != (flags, tags):
                    work.touched = True
                    self._database.execute(
                        "UPDATE items SET flags = ?, tags = ?, change = ? WHERE mailbox = ? AND id = ?",
                        (flags, tags, work.change, self._number, row[0]),
                    )

    def take_in_all(
        self, work: Changing, folder: int, messages: Sequence[tuple[Message, bytes | None]]
    ) -> list[int]:
        """Write down messages that are in a folder, and the digests of their contents where known; return their ids.

        Nearly always all of them are new, so that is tried first.
        """
        if messages and not work.replaced:
            marked = {words: self._marks(work, words) for words in {message.words for message, _digest in messages}}
            items = [item_id(kinds.MESSAGE, message.guid) for message, _digest in messages]
            added = self._database.executemany(_INSERT, (
                (self._number, item, folder, *marked[message.words], message.date, message.size, digest, work.change,
                 locator(message.uid))
                for item, (message, digest) in zip(items, messages)
            )).rowcount
            work.touched = work.touched or added > 0
            if added == len(items):
                return items
        # Those that have been added are there now, as what they are.
        return [self.take_in(work, folder, message, digest) for message, digest in messages]

    def take_in(self, work: Changing, folder: int, message: Message, digest: bytes | None = None) -> int:
        """Write down a message that is in a folder; return its id. :param digest: of its content, where that is known.

        Most are new, so that is tried first.
        """
        flags, tags = self._marks(work, message.words)
        place = locator(message.uid)
        for item in self._mirror.ids_of(self._number, message.guid, work.replaced):
            if self._database.execute(_INSERT, (
                self._number, item, folder, flags, tags, message.date, message.size, digest, work.change, place
            )).rowcount:
                work.touched = True
                return item
            row = self._database.execute(
                "SELECT folder, locator, flags, tags, date FROM items WHERE mailbox = ? AND id = ?",
                (self._number, item),
            ).fetchone()
            here = (row[0], row[1]) == (folder, place)
            if item not in self._lost and not here:
                continue  # another copy of the same message
            self._lost.discard(item)
            if row[0] != folder or row[2:] != (flags, tags, message.date):
                work.touched = True
                self._database.execute(
                    "UPDATE items SET folder = ?, locator = ?, flags = ?, tags = ?, date = ?, change = ? "
                    "WHERE mailbox = ? AND id = ?",
                    (folder, place, flags, tags, message.date, work.change, self._number, item),
                )
            elif not here:
                self._database.execute(
                    "UPDATE items SET locator = ? WHERE mailbox = ? AND id = ?", (place, self._number, item)
                )
            if digest is not None:
                self._database.execute(
                    "UPDATE items SET digest = ?, size = ? WHERE mailbox = ? AND id = ?",
                    (digest, message.size, self._number, item),
                )
            return item
        raise AssertionError("ids do not end")

    def _marks(self, work: Changing, words: tuple[bytes, ...]) -> tuple[str, str]:
        """Return flags and tags as the index has them; tags that are new are made."""
        read = marks.read(words)
        tags = []
        for word in read.keywords:
            tag = item_id(kinds.TAG, word.lower())
            tags.append(str(tag))
            if not self._database.execute(
                "SELECT 1 FROM items WHERE mailbox = ? AND id = ?", (self._number, tag)
            ).fetchone():
                work.touched = True
                self._database.execute(
                    f"INSERT INTO items VALUES ({', '.join('?' * 14)})", tag_row(self._number, word, work.change)
                )
        return read.flags, " ".join(sorted(tags))


def _not_looked_at(mailbox: Mailbox, reason: str) -> str:
    return f"The folder {names.decoded(mailbox.name)!r} was not looked at, and counts as it was. {reason}"


def _as_before(listed: Sequence[Mailbox], before: Mapping[int, RemoteFolder]) -> list[Mailbox]:
    """Return mailboxes, and those that cannot be opened as they were seen last."""
    known = {folder.name: folder for folder in before.values()}
    return [
        mailbox._replace(guid=one.guid, uidvalidity=one.uidvalidity, uidnext=one.uidnext)
        if mailbox.refusal and (one := known.get(mailbox.name)) else mailbox for mailbox in listed
    ]


def _gaps(uids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the ranges that no number of a list is in."""
    first = 0
    for uid in uids:
        if uid > first:
            yield first, uid - 1
        first = uid + 1
    yield first, 2**32


def _portions(things: Iterable[Any]) -> Iterator[list[Any]]:
    source = iter(things)
    while portion := list(itertools.islice(source, _PORTION)):
        yield portion
