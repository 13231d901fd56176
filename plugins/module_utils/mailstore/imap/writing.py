# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing to the mailboxes of an IMAP server.

**Exactly once.** IMAP keeps no record of what an item was elsewhere, so the mirror does. Before messages are sent it
writes down, durably, what they are (by the digest of what the server will hold) and which number the folder would give
next; after the server has said which numbers it gave, it records them in the place of that. Where a process ended in
between, whoever writes to this account next finds the note, waits until nothing arrives in that folder any more, looks
at what has come since and takes what is there for what was sent: one message for one note. A message that was to take
the place of another one does so then, and the other one is removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ...model import kinds
from ...model.errors import AlreadyExists, InvalidInput, NotFound, Refused, RestanteError, Unavailable
from ...model.state import ItemState
from ..index.items import ROOT, number_of
from ..port import NewItem, Written
from . import held, marks, names, tree
from .annotations import Annotations, noted
from .collection_writing import KINDS, VIEWS, CollectionWriter
from .filters import Filters
from .mirror import REPLACEMENT, Changing, Intent, Mirror, RemoteFolder, item_id, locator
from .rights import Rights
from .session import Message, NewMessage, Session, as_set
from .sync import Synchroniser

_AT_ONCE: Final = 250
_BYTES_AT_ONCE: Final = 8 * 1024 * 1024
"""How much one APPEND takes."""
_QUIET: Final = 1.0
"""Seconds in which nothing arrives in a folder before what a process has left there counts as all of it."""


class MailboxWriter:
    """Writes to one mailbox. The caller is alone with it (Mirror.alone)."""

    def __init__(
        self, mirror: Mirror, session: Session, number: int, synchroniser: Synchroniser, rights: Rights,
        annotations: Annotations, filters: Filters | None, collections: CollectionWriter | None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._mirror = mirror
        self._database = mirror.database
        self._session = session
        self._number = number
        self._synchroniser = synchroniser
        self._rights = rights
        self._annotations = annotations
        self._filters = filters
        self._collections = collections
        self._sleep = sleep

    # -- adding ----------------------------------------------------------------------------------------------------

    def write(self, batch: Sequence[NewItem], import_id: str) -> list[Written]:
        """Add items; return what became of each."""
        self.recover()
        known = self._mirror.writer.find_imported(self._number, import_id, [new.origin for new in batch])
        results: dict[int, Written] = {}
        contents: list[tuple[int, NewItem]] = []
        first: dict[str, int] = {}
        for position, new in enumerate(batch):
            if new.origin in known:
                results[position] = Written(new.origin, str(known[new.origin]), existed=True)
            elif import_id and new.origin in first:
                continue  # twice in one batch: what becomes of it is known when the first is written
            else:
                first.setdefault(new.origin, position)
                if new.state.kind == kinds.MESSAGE or new.state.kind in KINDS and self._collections is not None:
                    contents.append((position, new))
                    continue
                self._contents(contents, import_id, results)
                contents = []
                results[position] = self._other(new, import_id)
        self._contents(contents, import_id, results)
        for position, new in enumerate(batch):
            if position not in results:
                done = results[first[new.origin]]
                results[position] = done if done.error else done._replace(existed=True)
        return [results[position] for position in range(len(batch))]

    def _contents(self, wanted: Sequence[tuple[int, NewItem]], import_id: str, results: dict[int, Written]) -> None:
        """Write messages, and what lies in address books and calendars."""
        self._messages([one for one in wanted if one[1].state.kind == kinds.MESSAGE], import_id, results)
        if self._collections is not None:
            self._collections.write(
                [one for one in wanted if one[1].state.kind != kinds.MESSAGE], import_id, results
            )

    def _messages(self, wanted: Sequence[tuple[int, NewItem]], import_id: str, results: dict[int, Written]) -> None:
        """Write messages, those of one folder together."""
        refusals = self._mirror.writer.refusals(self._number, [new for _unused, new in wanted])
        by_folder: dict[int, list[tuple[int, NewItem, NewMessage]]] = {}
        for (position, new), refusal in zip(wanted, refusals):
            content = held.blob(new.blob or b"")
            refusal = refusal or ("" if content else "A mail server takes no message without any content.")
            if refusal:
                results[position] = Written(new.origin, "", error=refusal)
                continue
            words = marks.written(new.state.flags, self._keywords(new.state.tags))
            by_folder.setdefault(number_of(new.state.folder), []).append(
                (position, new, NewMessage(content, words, held.date(new.state.date)))
            )
        for folder, messages in by_folder.items():
            for portion in _portions(messages):
                self._append(folder, portion, import_id, results)

    def _append(
        self, folder: int, portion: Sequence[tuple[int, NewItem, NewMessage]], import_id: str,
        results: dict[int, Written],
    ) -> None:
        """Write messages to a folder; where the server refuses them together, each by itself."""
        remote = self._mirror.folders(self._number).get(folder)
        if remote is None or not remote.selectable:
            for position, new, _unused in portion:
                results[position] = Written(new.origin, "", error="The mail server keeps no mail in this folder.")
            return
        digests = [self._digest(message.content) for _position, _new, message in portion]
        self._mirror.intend(self._number, import_id, [
            (new.origin, kinds.MESSAGE, folder, str(remote.uidnext or 1), digest)
            for (_position, new, _message), digest in zip(portion, digests)
        ])
        try:
            uids = self._session.append(remote.name, [message for _position, _new, message in portion])
        except Refused as error:
            self._forget_intents()
            position, new, message = portion[0]
            system = [word for word in message.words if word.startswith("\\")]
            if len(portion) > 1:
                for one in portion:
                    self._append(folder, [one], import_id, results)
            elif len(system) < len(message.words):  # a mailbox may have had all the keywords it can (Cyrus: some 100)
                self._append(folder, [(position, new, message._replace(words=system))], import_id, results)
                if not results[position].item_id:
                    results[position] = Written(new.origin, "", error=str(error))
            else:
                results[position] = Written(new.origin, "", error=str(error))
            return
        if len(uids) == len(portion):
            listed = {message.uid: message for message in self._session.messages(remote.name, as_set(uids))}
            contents = self._session.contents(remote.name, [
                uid for uid, (_position, _new, message) in zip(uids, portion)
                if self._session.comparable(message.content) != message.content
            ])
            items = self._record(folder, import_id, [
                (new.origin, listed.get(uid), contents.get(uid, message.content))
                for (_position, new, message), uid in zip(portion, uids)
            ])
        else:  # a server that does not say which numbers it gave
            items = self._claim(self._mirror.intents(self._number))
        for position, new, message in portion:
            item = items.get(new.origin)
            if item is None:
                results[position] = Written(
                    new.origin, "", error="The mail server has taken it and does not show it; look for it there."
                )
                continue
            lost = held.lost(new.state, held.message(new.state))
            if message.content != new.blob:
                lost += ("ends of lines",)
            row = self._database.execute(
                "SELECT flags, tags, digest FROM items WHERE mailbox = ? AND id = ?", (self._number, item)
            ).fetchone()
            if row is not None and row[2] != hashlib.sha256(message.content).digest():
                lost += ("octets of the header that are not ASCII",)
            if row is not None and not set(new.state.tags) <= set(row[1].split()):
                lost += ("tags",)
            results[position] = Written(new.origin, str(item), lost=lost)

    def _record(
        self, folder: int, import_id: str, written: Sequence[tuple[str, Message | None, bytes]]
    ) -> dict[str, int]:
        """Write down messages that are on the server; return the item of each origin."""
        items: dict[str, int] = {}
        with self._mirror.changing(self._number) as work:
            for origin, message, content in written:
                if message is None:
                    continue  # expunged at once by somebody else
                items[origin] = item = self._synchroniser.take_in(work, folder, message)
                self._database.execute(
                    "UPDATE items SET digest = ?, size = ? WHERE mailbox = ? AND id = ?",
                    (hashlib.sha256(content).digest(), len(content), self._number, item),
                )
            remote = self._mirror.folder(self._number, folder)
            uids = sorted(message.uid for _origin, message, _content in written if message is not None)
            if uids and uids[0] == remote.uidnext and uids[-1] - uids[0] == len(uids) - 1:
                self._mirror.remember(self._number, remote._replace(uidnext=uids[-1] + 1))
            self._mirror.settle(self._number, import_id, items.items())
        return items

    def _digest(self, content: bytes) -> bytes:
        """Return by what a message is known again that a process has sent."""
        return hashlib.sha256(self._session.comparable(content)).digest()

    def _forget_intents(self) -> None:
        with self._database.transaction():
            self._mirror.settle(self._number, "", ())

    def _keywords(self, tags: Iterable[str]) -> list[str]:
        return [self._mirror.keyword_of(self._number, tag) for tag in tags]

    # -- what is no message ----------------------------------------------------------------------------------------

    def _other(self, new: NewItem, import_id: str) -> Written:
        refusal, = self._mirror.writer.refusals(self._number, [new])
        try:
            if refusal:
                raise Refused(refusal)
            if new.state.kind == kinds.FOLDER and new.state.attrs.get("view") in VIEWS:
                return self._collection(new, import_id)
            if new.state.kind == kinds.FOLDER:
                item = self._folder(new, import_id)
            elif new.state.kind == kinds.TAG:
                item = self._tag(new, import_id)
            elif new.state.kind == kinds.FILTER_SET:
                item = self._script(new, import_id)
            else:
                raise Refused(f"This mail server holds no {new.state.kind}.")
        except Unavailable:
            raise
        except (RestanteError, UnicodeEncodeError) as error:
            return Written(new.origin, "", error=str(error))
        kept = self.held(new.state)
        return Written(new.origin, str(item), lost=held.lost(new.state, kept))

    def held(self, state: ItemState) -> ItemState:
        """Return what the server can hold of an item."""
        if state.kind == kinds.MESSAGE:
            return held.message(state)
        if state.kind == kinds.FOLDER and state.attrs.get("view") in VIEWS:
            return held.collection(state)
        if state.kind == kinds.FOLDER:
            grants = self._rights.held(state.attrs.get("grants", ())) if self._rights.known else []
            return held.folder(state, grants, self._annotations.held(noted(state.flags, state.attrs)))
        return held.other(state)

    def _folder(self, new: NewItem, import_id: str) -> int:
        state = new.state
        if state.attrs.get("view", "") not in ("", kinds.MESSAGE):
            raise Refused(f"This mail server has no folders for what is no mail, as {state.name!r} is one.")
        self._check_free(state)
        self._mirror.intend(self._number, import_id, [
            (new.origin, kinds.FOLDER, number_of(state.folder), state.name, b"")
        ])
        special = next((item for item, known in tree.SYSTEM.items() if known == state.name), 0)
        try:
            use = tree.SPECIAL.get(special, b"") if number_of(state.folder) == ROOT else b""
            name = self._named(state, lambda name: self._session.create(name, use))
            self._settle_folder(name, state, [])
            with contextlib.suppress(Refused):  # what is not there afterwards is lost
                self._annotations.put(name, self._annotations.held(noted(state.flags, state.attrs)), {})
        except (Refused, AlreadyExists, NotFound, UnicodeEncodeError):
            self._forget_intents()
            raise
        self._synchroniser.run()
        item = next((item for item, folder in self._mirror.folders(self._number).items() if folder.name == name), 0)
        with self._database.transaction():
            self._mirror.settle(self._number, import_id, [(new.origin, item)] if item else ())
        if not item:
            raise Refused(f"The mail server has made the folder {state.name!r} and does not list it.")
        return item

    def _collection(self, new: NewItem, import_id: str) -> Written:
        state = new.state._replace(folder=str(ROOT))
        if self._collections is None:
            raise Refused(f"This mail server has no folders for what is no mail, as {state.name!r} is one.")
        self._check_free(state)
        self._mirror.intend(self._number, import_id, [(new.origin, kinds.FOLDER, ROOT, state.name, b"")])
        try:
            item, lost = self._collections.create(new.state)
        except (Refused, InvalidInput, NotFound):
            self._forget_intents()
            raise
        with self._database.transaction():
            self._mirror.settle(self._number, import_id, [(new.origin, item)])
        return Written(new.origin, str(item), lost=lost)

    def _check_free(self, state: ItemState) -> None:
        """:raises Refused: there is another folder of this name in that place."""
        if self._database.execute(
            "SELECT 1 FROM items INDEXED BY folder_names WHERE mailbox = ? AND folder = ? AND name = ? "
            "AND kind IN ('folder', 'mountpoint')", (self._number, number_of(state.folder), state.name),
        ).fetchone():
            raise Refused(f"There is a folder named {state.name!r} in that place already.")

    def _settle_folder(self, name: bytes, state: ItemState, present: Sequence[dict[str, object]]) -> None:
        """Give a mailbox the subscription and the shares that a folder has."""
        self._session.subscribe(name, "*" in state.flags)
        if self._rights.known:
            self._rights.put(name, state.attrs.get("grants", ()), present)

    def _named(self, state: ItemState, make: Callable[[bytes], None]) -> bytes:
        """Let a mailbox get the name of a folder; where the server refuses that, one that no server refuses."""
        plain, careful = (
            self._name_in(number_of(state.folder), names.part(state.name, self._session.delimiter, careful=doubt))
            for doubt in (False, True)
        )
        try:
            make(plain)
        except Refused:
            if careful == plain:
                raise
            make(careful)
            return careful
        return plain

    def _name_in(self, parent: int, part: bytes) -> bytes:
        """Return what the server is to call a folder."""
        if parent == ROOT:
            return self._session.prefix + part
        if self._collections is not None and self._collections.has(parent):
            raise Refused("An address book or a calendar has no folders for mail in it.")
        above = self._mirror.folder(self._number, parent)
        whole = names.join((above.name, part), b"", self._session.delimiter)
        if not self._session.delimiter or parent == tree.INBOX and self._session.prefix.startswith(b"INBOX"):
            raise Refused(f"This mail server has no folders below {above.name.decode('latin-1')!r}.")
        return whole

    def _tag(self, new: NewItem, import_id: str) -> int:
        word = held.keyword(new.state.name)
        if not word:
            raise Refused(f"The tag {new.state.name!r} is too long for a keyword of IMAP.")
        wanted = new._replace(state=held.other(new.state))
        item = item_id(kinds.TAG, word.lower())
        with self._database.transaction():
            written, = self._mirror.writer.add(self._number, [wanted], [None], import_id, [item])
            if not written.error:
                self._database.execute(
                    "UPDATE items SET locator = ? WHERE mailbox = ? AND id = ?", (word, self._number, item)
                )
        if written.error:
            raise AlreadyExists(written.error)
        return item

    def _script(self, new: NewItem, import_id: str) -> int:
        if self._filters is None:
            raise Refused("This mail server has no ManageSieve, and keeps no filters.")
        if self._database.execute(
            "SELECT 1 FROM items INDEXED BY filter_set_names WHERE mailbox = ? AND name = ? AND kind = 'filter_set'",
            (self._number, new.state.name),
        ).fetchone():
            raise AlreadyExists(f"There is a filter set named {new.state.name!r} already.")
        self._mirror.intend(self._number, import_id, [(new.origin, kinds.FILTER_SET, 0, new.state.name, b"")])
        try:
            name = self._filters.put(new.state, new.blob or b"")
        except (Refused, InvalidInput, NotFound):
            self._forget_intents()
            raise
        item = item_id(kinds.FILTER_SET, name)
        self._filters.synchronise()
        with self._database.transaction():
            self._mirror.settle(self._number, import_id, [(new.origin, item)])
        return item

    # -- changing --------------------------------------------------------------------------------------------------

    def update(self, state: ItemState, blob: bytes | None) -> None:
        """Make an item what it is to be. :raises NotFound, Refused: it is not there, or cannot be so."""
        self.recover()
        before, wanted = self._mirror.writer.checked(self._number, state, blob is not None)
        if before.kind == kinds.MESSAGE:
            self._update_message(before, wanted, blob)
        elif self._collections is not None and before.kind in KINDS:
            self._collections.update(before, wanted, blob)
        elif self._collections is not None and self._collections.has(number_of(before.item_id)):
            if wanted.name != before.name:
                self._check_free(wanted)
            view = before.attrs["view"]
            self._collections.update_collection(before, wanted._replace(attrs={**wanted.attrs, "view": view}))
        elif before.kind == kinds.FOLDER:
            self._update_folder(before, self.held(wanted))
        elif before.kind == kinds.FILTER_SET and blob is not None and self._filters is not None:
            self._filters.put(wanted._replace(attrs=before.attrs), blob)
            self._filters.synchronise()
        elif held.other(wanted) != held.other(before):
            raise Refused(f"A {before.kind} of a mail server that speaks IMAP cannot be changed.")

    def _update_message(self, before: ItemState, state: ItemState, blob: bytes | None) -> None:
        wanted = held.message(state)
        item = number_of(before.item_id)
        remote, uid = self._mirror.locate(self._number, item)
        if blob is not None or wanted.date // 1000 != before.date // 1000:
            self._replace(before, wanted._replace(date=state.date), blob)
            return
        target = self._target(wanted.folder)
        if (wanted.flags, wanted.tags) != (before.flags, before.tags):
            self._session.store(remote.name, uid, marks.written(wanted.flags, self._keywords(wanted.tags)))
        if target.item != remote.item:
            uid = self._session.move(remote.name, uid, target.name)
        with self._database.transaction():
            self._mirror.writer.update(self._number, wanted._replace(item_id=before.item_id), None)
            if uid:
                self._database.execute(
                    "UPDATE items SET locator = ? WHERE mailbox = ? AND id = ?", (locator(uid), self._number, item)
                )
        if not uid:
            self._synchroniser.run()

    def _target(self, folder: str) -> RemoteFolder:
        """Return the folder that a message is to be in. :raises Refused: none can be in it."""
        remote = self._mirror.folders(self._number).get(number_of(folder))
        if remote is None or not remote.selectable:
            raise Refused(f"The mail server keeps no mail in the folder {folder}.")
        return remote

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
        words = marks.written(wanted.flags, self._keywords(wanted.tags))
        self._mirror.intend(self._number, "", [(
            f"{item} {remote.item} {uid}", REPLACEMENT, target.item, str(target.uidnext or 1), self._digest(content)
        )])
        try:
            uids = self._session.append(target.name, [NewMessage(content, words, held.date(wanted.date))])
        except Refused:
            self._forget_intents()
            raise
        new = next(iter(self._session.messages(target.name, str(uids[0])) if uids else ()), None)
        if new is None:  # the server does not say which number it gave, or somebody has expunged it
            self._claim(self._mirror.intents(self._number))
            if self._mirror.locate(self._number, item)[1] == uid:
                raise Unavailable("The mail server has taken a message and does not show it; look for it there.")
            return
        if self._session.comparable(content) != content:
            content = self._session.contents(target.name, uids).get(uids[0], content)
        with self._mirror.changing(self._number) as work:
            self._put_in_place(work, item, self._synchroniser.take_in(work, target.item, new), content)
        self._session.expunge(remote.name, [uid])
        self._forget_intents()

    def _put_in_place(self, work: Changing, item: int, other: int, content: bytes) -> None:
        """Let an item be the message that was taken in as another item."""
        self._mirror.replace(work, item, other)
        self._database.execute(
            "UPDATE items SET digest = ?, size = ? WHERE mailbox = ? AND id = ?",
            (hashlib.sha256(content).digest(), len(content), self._number, item),
        )

    def _update_folder(self, before: ItemState, wanted: ItemState) -> None:
        item = number_of(before.item_id)
        if item == ROOT:
            return
        remote = self._mirror.folder(self._number, item)
        name = remote.name
        if (wanted.folder, wanted.name) != (before.folder, before.name):
            self._check_free(wanted)
            name = self._named(wanted, lambda name: self._session.rename(remote.name, name))
        if (wanted.flags, wanted.attrs) != (before.flags, before.attrs) and remote.selectable:
            self._settle_folder(name, wanted, before.attrs.get("grants", ()))
            self._annotations.put(name, *(noted(state.flags, state.attrs) for state in (wanted, before)))
        self._synchroniser.run()

    # -- removing --------------------------------------------------------------------------------------------------

    def remove(self, items: Sequence[str]) -> None:
        """Remove items, folders with all in them. :raises Refused: one of them cannot be removed; none was."""
        self.recover()
        rows = {row[0]: row[1:] for number in map(number_of, items) for row in self._database.execute(
            "SELECT id, kind, folder, locator FROM items WHERE mailbox = ? AND id = ?", (self._number, number)
        ).fetchall()}
        system = [str(item) for item in rows if item == ROOT or item in tree.SYSTEM]
        if system:
            raise Refused(f"{', '.join(system)}: a system folder cannot be deleted; nothing was deleted.")
        uids: dict[int, list[int]] = {}
        for item, (kind, folder, place) in rows.items():
            if kind == kinds.MESSAGE and place:
                uids.setdefault(folder, []).append(int(place))
            elif kind == kinds.TAG:
                self._untag(str(item))
            elif kind == kinds.FILTER_SET and self._filters is not None:
                self._filters.delete(place)
        self._remove_collections(rows)
        for folder, numbers in uids.items():
            self._session.expunge(self._mirror.folder(self._number, folder).name, numbers)
        folders = self._mirror.writer.with_subfolders(
            self._number, [item for item, row in rows.items() if row[0] == kinds.FOLDER]
        )
        for item in reversed(list(dict.fromkeys(folders))):
            remote = self._mirror.folders(self._number).get(item)
            if remote is not None:
                try:
                    self._session.subscribe(remote.name, False)
                    self._session.delete(remote.name)
                except Refused:
                    if remote.selectable:
                        raise
        with self._database.transaction():
            if self._collections is not None:
                self._collections.forget(list(rows), self._collections.among(rows))
            self._mirror.writer.remove(self._number, items)
            self._database.executemany(
                "DELETE FROM remote_folders WHERE mailbox = ? AND id = ?", [(self._number, item) for item in folders]
            )

    def _remove_collections(self, rows: Mapping[int, tuple[Any, ...]]) -> None:
        """Remove address books and calendars from the server, and what lies in others."""
        if self._collections is None:
            return
        doomed = self._collections.among(rows)
        for item in doomed:
            self._collections.delete_collection(item)
        self._collections.delete([
            item for item, (kind, folder, _place) in rows.items() if kind in KINDS and folder not in doomed
        ])

    def _untag(self, tag: str) -> None:
        """Take a keyword off all messages."""
        word = self._mirror.keyword_of(self._number, tag)
        uids: dict[int, list[int]] = {}
        for folder, uid in self._mirror.tagged(self._number, tag):
            uids.setdefault(folder, []).append(uid)
        for folder, numbers in uids.items():
            self._session.take_off(self._mirror.folder(self._number, folder).name, numbers, word)

    # -- after a crash ---------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Find out what became of what a process was about to write when it ended."""
        intents = self._mirror.intents(self._number)
        if intents:
            self._await_quiet({intent.folder for intent in intents if intent.kind in (kinds.MESSAGE, REPLACEMENT)})
            self._claim(intents)

    def _claim(self, intents: Sequence[Intent]) -> dict[str, int]:
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
                digest = self._digest(contents.get(uid, b""))
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
            self._sleep(_QUIET)


def _portions(
    messages: Sequence[tuple[int, NewItem, NewMessage]]
) -> Iterator[Sequence[tuple[int, NewItem, NewMessage]]]:
    """Cut messages into what is sent together."""
    portion: list[tuple[int, NewItem, NewMessage]] = []
    size = 0
    for one in messages:
        if portion and (len(portion) >= _AT_ONCE or size + len(one[2].content) > _BYTES_AT_ONCE):
            yield portion
            portion, size = [], 0
        portion.append(one)
        size += len(one[2].content)
    if portion:
        yield portion
