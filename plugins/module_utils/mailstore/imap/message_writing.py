# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing messages to the mailboxes of an IMAP server, with a note before and a record after (notes.py)."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from ...model.errors import NotFound, Refused, Unavailable
from ...model.state import ItemState
from ..index.items import number_of
from ..port import NewItem, Written
from . import held, marks
from .answers import Message, NewMessage
from .connection import Ended
from .intents import REPLACEMENT, Intent, Sent
from .mirror import Changing, Mirror, RemoteFolder, locator
from .notes import Notes
from .session import Session
from .sync import Synchroniser
from .syntax import as_set

_AT_ONCE: Final = 1024
_BYTES_AT_ONCE: Final = 16 * 1024 * 1024
"""How much one APPEND takes: a server writes to its disk for each."""


class _Outgoing(NamedTuple):
    """A message on its way to the server."""

    position: int
    """In the batch that it came with."""
    new: NewItem
    kept: ItemState
    """What the server can hold of it."""
    message: NewMessage


class MessageWriter:
    """Writes the messages of one mailbox. The caller is alone with it (Mirror.alone)."""

    def __init__(
        self, mirror: Mirror, session: Session, number: int, synchroniser: Synchroniser, notes: Notes
    ) -> None:
        self._mirror = mirror
        self._database = mirror.database
        self._session = session
        self._number = number
        self._synchroniser = synchroniser
        self._notes = notes
        self._ended_at: set[str] = set()
        """Origins of messages that were sent by themselves when the server ended the connection."""

    def write(self, wanted: Sequence[tuple[int, NewItem]], import_id: str, results: dict[int, Written]) -> None:
        """Write messages, those of one folder together."""
        refusals = self._mirror.writer.refusals(self._number, [new for _unused, new in wanted])
        by_folder: dict[str, list[_Outgoing]] = {}
        words: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
        for (position, new), refusal in zip(wanted, refusals):
            content = held.blob(new.blob or b"")
            refusal = refusal or ("" if content else "A mail server takes no message without any content.")
            if refusal:
                results[position] = Written(new.origin, "", error=refusal)
                continue
            state = new.state
            marked = words.get((state.flags, state.tags))
            if marked is None:
                marked = words[state.flags, state.tags] = self._words(state)
            kept = held.message(state)
            by_folder.setdefault(state.folder, []).append(
                _Outgoing(position, new, kept, NewMessage(content, marked, kept.date or None))
            )
        for folder, messages in by_folder.items():
            for portion in _portions(messages):
                self._append(number_of(folder), portion, import_id, results)

    def update(self, before: ItemState, state: ItemState, blob: bytes | None) -> None:
        """Make a message what it is to be. :raises NotFound, Refused: it is not there, or cannot be so."""
        wanted = held.message(state)
        item = number_of(before.item_id)
        remote, uid = self._mirror.locate(self._number, item)
        if blob is not None or wanted.date // 1000 != before.date // 1000:
            self._replace(before, wanted._replace(date=state.date), blob)
            return
        target = self._target(wanted.folder)
        if (wanted.flags, wanted.tags) != (before.flags, before.tags):
            self._session.store(remote.name, uid, self._words(wanted))
        if target.item != remote.item and not self._session.supports("MOVE"):
            self._copy(item, remote, uid, target)
            uid = self._mirror.locate(self._number, item)[1]
        elif target.item != remote.item:
            uid = self._session.move(remote.name, uid, target.name)
        with self._database.transaction():
            self._mirror.writer.update(self._number, wanted._replace(item_id=before.item_id), None)
            if uid:
                self._database.execute(
                    "UPDATE items SET locator = ? WHERE mailbox = ? AND id = ?", (locator(uid), self._number, item)
                )
        if not uid:
            self._synchroniser.run()

    def _append(
        self, folder: int, portion: Sequence[_Outgoing], import_id: str, results: dict[int, Written]
    ) -> None:
        """Write messages to a folder; where the server refuses them together, each by itself."""
        remote = self._mirror.folders(self._number).get(folder)
        if remote is None or not remote.selectable:
            for one in portion:
                results[one.position] = Written(
                    one.new.origin, "", error="The mail server keeps no mail in this folder."
                )
            return
        comparable = [self._session.comparable(one.message.content) for one in portion]
        digests = [_digest(one.new, content) for content, one in zip(comparable, portion)]
        self._mirror.intend_all(self._number, import_id, folder, [
            (one.new.origin, _sent(remote, one.message), digest) for one, digest in zip(portion, digests)
        ])
        try:
            uids = self._session.append(remote.name, [one.message for one in portion])
        except Refused as error:
            self._notes.forget()
            self._append_apart(folder, portion, import_id, results, error)
            return
        except Ended:
            self._append_once_more(folder, portion, import_id, results)
            return
        altered = [content != one.message.content for content, one in zip(comparable, portion)]
        for number, differs in enumerate(altered):
            if differs:  # from here on what counts is what it was
                digests[number] = hashlib.sha256(portion[number].message.content).digest()
        listed = {message.uid: message for message in self._session.messages(remote.name, as_set(uids))} if uids else {}
        there = [listed[uid] for uid in uids if uid in listed]
        if len(there) == len(portion) and all(map(_may_be, there, portion)):
            items = self._take_in(remote, portion, list(zip(there, digests, altered)), import_id)
        else:  # a server that does not say which numbers it gave, or others; or somebody has expunged one at once
            items = self._notes.claim(self._mirror.intents(self._number))
        self._notes.look_again()
        doubtful = [
            items[one.new.origin] for one, differs in zip(portion, altered)
            if (differs or one.new.state.tags) and one.new.origin in items
        ]
        rows = {row[0]: row[1:] for row in self._database.execute(
            "SELECT id, tags, digest FROM items WHERE mailbox = ? AND id IN (SELECT value FROM json_each(?))",
            (self._number, json.dumps(doubtful)),
        ).fetchall()}
        for one, digest in zip(portion, digests):
            item = items.get(one.new.origin)
            if item is None:
                results[one.position] = Written(
                    one.new.origin, "", error="The mail server has taken it and does not show it; look for it there."
                )
                continue
            lost = held.lost(one.new.state, one.kept)
            if one.message.content != one.new.blob:
                lost += ("ends of lines",)
            if item in rows and rows[item][1] != digest:
                lost += ("octets of the header that are not ASCII",)
            if item in rows and not set(one.new.state.tags) <= set(rows[item][0].split()):
                lost += ("tags",)
            results[one.position] = Written(one.new.origin, str(item), lost=lost)

    def _append_once_more(
        self, folder: int, portion: Sequence[_Outgoing], import_id: str, results: dict[int, Written]
    ) -> None:
        """Go on where the server has ended the connection: it may have taken messages, or have come to grief with one.

        Cyrus does with several messages that have more keywords than a mailbox can.
        """
        self._session.reopen()
        self._notes.recover()
        known = self._mirror.writer.find_imported(self._number, import_id, [one.new.origin for one in portion])
        for one in portion:
            if one.new.origin in known:
                results[one.position] = Written(one.new.origin, str(known[one.new.origin]), existed=True)
        rest = [one for one in portion if one.new.origin not in known]
        if len(rest) == 1 and rest[0].new.origin not in self._ended_at:  # as likely it was the network
            self._ended_at.add(rest[0].new.origin)
            self._append(folder, rest, import_id, results)
        elif rest:
            self._append_apart(folder, rest, import_id, results, Refused(
                f"{self._session.server} ends the connection when it is sent this message; look into its log."
            ))

    def _append_apart(
        self, folder: int, portion: Sequence[_Outgoing], import_id: str, results: dict[int, Written], error: Refused
    ) -> None:
        """Write messages that the server refuses together: in smaller portions, and at last each by itself."""
        one = portion[0]
        system = tuple(word for word in one.message.words if word.startswith("\\"))
        if len(portion) > 1:
            size = math.isqrt(len(portion))
            for start in range(0, len(portion), size):
                self._append(folder, portion[start:start + size], import_id, results)
        elif len(system) < len(one.message.words):  # a mailbox may have had all the keywords it can (Cyrus: some 100)
            without = one._replace(message=one.message._replace(words=system))
            self._append(folder, [without], import_id, results)
            if not results[one.position].item_id:
                results[one.position] = Written(one.new.origin, "", error=str(error))
        else:
            results[one.position] = Written(one.new.origin, "", error=str(error))

    def _take_in(
        self, remote: RemoteFolder, portion: Sequence[_Outgoing], there: Sequence[tuple[Message, bytes, bool]],
        import_id: str,
    ) -> dict[str, int]:
        """Write down messages that are on the server; return the item of each origin.

        :param there: what the server says of each, the digest of its content, and whether it may have altered that.
        """
        contents = self._session.contents(remote.name, [message.uid for message, _digest, altered in there if altered])
        written = []
        for one, (message, digest, _altered) in zip(portion, there):
            content = contents.get(message.uid)
            if content is None:
                content = one.message.content
            else:
                digest = hashlib.sha256(content).digest()
            if message.size != len(content):
                message = message._replace(size=len(content))
            written.append((one.new.origin, message, digest))
        return self._record(remote.item, import_id, written)

    def _record(
        self, folder: int, import_id: str, written: Sequence[tuple[str, Message, bytes]]
    ) -> dict[str, int]:
        """Write down messages that are on the server: origin, what it says, digest; return the item of each origin.

        That is not waited for: where it is lost with the power, the note of them is there again.
        """
        with self._mirror.changing(self._number, durable=False) as work:
            taken = self._synchroniser.take_in_all(
                work, folder, [(message, digest) for _origin, message, digest in written]
            )
            items = {origin: item for (origin, _message, _digest), item in zip(written, taken)}
            remote = self._mirror.folder(self._number, folder)
            uids = sorted(message.uid for _origin, message, _digest in written)
            if uids and uids[0] == remote.uidnext and uids[-1] - uids[0] == len(uids) - 1:
                self._mirror.remember(self._number, remote._replace(uidnext=uids[-1] + 1))
            self._mirror.settle(self._number, import_id, items.items())
        return items

    def _replace(self, before: ItemState, wanted: ItemState, blob: bytes | None) -> None:
        """Put another message into the place of one: what IMAP has cannot be changed."""
        item = number_of(before.item_id)
        remote, uid = self._mirror.locate(self._number, item)
        target = self._target(wanted.folder)
        if blob is None:
            blob = self._session.contents(remote.name, [uid]).get(uid)
            if blob is None:
                raise NotFound(f"The message {before.item_id} is gone from the mail server.")
        content = held.blob(blob)
        if not content:
            raise Refused("A mail server takes no message without any content.")
        message = NewMessage(content, self._words(wanted), held.date(wanted.date))
        self._take_place(
            item, (remote, uid), (target, _sent(target, message)), content,
            lambda: self._session.append(target.name, [message]),
        )

    def _copy(self, item: int, remote: RemoteFolder, uid: int, target: RemoteFolder) -> None:
        """Move a message on a server that cannot do that at once: what is copied takes its place."""
        content = self._session.contents(remote.name, [uid]).get(uid)
        if content is None:
            raise NotFound(f"The message {item} is gone from the mail server.")
        self._take_place(
            item, (remote, uid), (target, Sent(target.uidnext or 1)), content,
            lambda: self._session.copy(remote.name, uid, target.name),
        )

    def _take_place(
        self, item: int, old: tuple[RemoteFolder, int], new: tuple[RemoteFolder, Sent], content: bytes,
        send: Callable[[], list[int]],
    ) -> None:
        """Put a message into the place of an item's: note it, have it made, let the item be that, remove the old one.

        :param send: makes it, and returns its UID where the server tells.
        """
        (remote, uid), (target, sent) = old, new
        self._mirror.intend(self._number, Intent(
            "", f"{item} {remote.item} {uid}", REPLACEMENT, target.item, sent.written(), self._notes.digest(content),
        ))
        try:
            uids = send()
        except Refused:
            self._notes.forget()
            raise
        made = next(iter(self._session.messages(target.name, str(uids[0])) if uids else ()), None)
        if made is None:  # the server does not say which number it gave, or somebody has expunged it
            self._notes.claim(self._mirror.intents(self._number))
            where, place = self._mirror.locate(self._number, item)
            if (where.item, place) == (remote.item, uid):
                raise Unavailable("The mail server has taken a message and does not show it; look for it there.")
            return
        if self._session.comparable(content) != content:
            content = self._session.contents(target.name, uids).get(uids[0], content)
        with self._mirror.changing(self._number) as work:
            self._put_in_place(work, item, self._synchroniser.take_in(work, target.item, made), content)
        self._session.expunge(remote.name, [uid])
        self._notes.forget()
        self._notes.look_again()

    def _put_in_place(self, work: Changing, item: int, other: int, content: bytes) -> None:
        """Let an item be the message that was taken in as another item."""
        self._mirror.replace(work, item, other)
        self._database.execute(
            "UPDATE items SET digest = ?, size = ? WHERE mailbox = ? AND id = ?",
            (hashlib.sha256(content).digest(), len(content), self._number, item),
        )

    def _target(self, folder: str) -> RemoteFolder:
        """Return the folder that a message is to be in. :raises Refused: none can be in it."""
        remote = self._mirror.folders(self._number).get(number_of(folder))
        if remote is None or not remote.selectable:
            raise Refused(f"The mail server keeps no mail in the folder {folder}.")
        return remote

    def _words(self, state: ItemState) -> tuple[str, ...]:
        """Return the flags and keywords of a message."""
        keywords = [self._mirror.keyword_of(self._number, tag) for tag in state.tags]
        return tuple(marks.written(state.flags, keywords))


def _may_be(listed: Message, one: _Outgoing) -> bool:
    """Return whether what is listed can be what was sent. A server need keep neither dates nor count as we do."""
    sent = one.message
    return listed.size == len(sent.content) or sent.date is not None and listed.date == sent.date


def _sent(folder: RemoteFolder, message: NewMessage) -> Sent:
    """Return what is to be noted of a message that is about to be sent to a folder."""
    return Sent(folder.uidnext or 1, message.date, message.words)


def _digest(new: NewItem, content: bytes) -> bytes:
    """Return the digest of a content that is made of an item's, and may be that."""
    if new.verified and content is new.blob:
        return bytes.fromhex(new.state.digest)
    return hashlib.sha256(content).digest()


def _portions(messages: Sequence[_Outgoing]) -> Iterator[Sequence[_Outgoing]]:
    """Cut messages into what is sent together."""
    portion: list[_Outgoing] = []
    size = 0
    for one in messages:
        if portion and (len(portion) >= _AT_ONCE or size + len(one.message.content) > _BYTES_AT_ONCE):
            yield portion
            portion, size = [], 0
        portion.append(one)
        size += len(one.message.content)
    if portion:
        yield portion
