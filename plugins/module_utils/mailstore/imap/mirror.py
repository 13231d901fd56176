# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was last seen of the mailboxes of a mail server: an index, kept on the node that runs the engine.

IMAP counts changes in each mailbox, and the model in each account; IMAP gives a message another number whenever it is
moved, and the model never. So what a server was last seen to hold is remembered here, and compared with what it says
now (sync.py). Ids follow from what the server calls things: should the mirror be lost, another one gives the same.
Beside it stands what is imported to the accounts, and what was about to be.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from ...model import kinds
from ...model.durable import make_directories
from ...model.errors import InvalidInput, NotFound, Refused
from ..index import database
from ..index.items import FIRST_USER_ID, number_of
from ..index.reading import IndexReader, mailbox_number
from ..index.writing import IndexWriter
from . import mirror_schema, names
from .answers import Mailbox
from .intents import PORTION, UNSEEN, Intent, Sent, packed, packing

_ROOT_ONLY: Final = ((1, 0, "", ""),)
_COPIES: Final = 100
"""Among how many copies of a message one is looked for."""
_LARGEST_ID: Final = 10**18
"""What an item id is less than (index/items.py)."""


class RemoteFolder(NamedTuple):
    """A folder and how it stood on the mail server."""

    item: int
    name: bytes
    guid: str
    selectable: bool
    uidvalidity: int = 0
    uidnext: int = 0
    modseq: int = 0
    messages: int = 0

    def stands_as(self, mailbox: Mailbox) -> bool:
        """Return whether nothing has happened to what is in it; never true of a server that does not count changes."""
        return self.modseq > 0 and self[4:] == (
            mailbox.uidvalidity, mailbox.uidnext, mailbox.modseq, mailbox.messages
        )


class Changing:
    """A transaction of one mailbox that is under way."""

    def __init__(self, number: int, change: int, replaced: bool) -> None:
        self.number = number
        self.change = change
        self.replaced = replaced
        """Whether a message of the mailbox was ever put into the place of another one."""
        self.touched = False
        """Whether an item has become another, so that the change counts."""


class Mirror:
    """The mirror of one mail server, in a directory. Several processes may have it open."""

    def __init__(self, path: str) -> None:
        """Open a mirror; it is made where there is none, and upgraded where it is of an older version.

        :raises Refused: it cannot be made there. :raises InvalidInput: it is of a newer version.
        """
        self.path = os.path.abspath(path)
        try:
            self.database = database.connect(self.path)
        except NotFound:
            self.database = self._made()
        try:
            self._upgrade()
        except BaseException:
            self.database.close()
            raise
        meta = dict(self.database.execute("SELECT key, value FROM meta").fetchall())
        self.reader = IndexReader(self.database, str(meta.get("incarnation", "")))
        self.writer = IndexWriter(self.database)
        self._locks: dict[str, int] = {}

    def _made(self) -> database.Database:
        try:
            make_directories(os.path.join(self.path, "locks"))
        except OSError as error:
            raise Refused(f"The directory {self.path} cannot be made ({error.strerror}); choose another.") from error
        made = database.create(self.path)
        with made.transaction():
            if not made.execute("PRAGMA user_version").fetchone()[0]:  # another process may have been first
                database.create_tables(made)
                for statement in mirror_schema.TABLES:
                    made.execute(statement)
                made.execute("INSERT INTO meta VALUES ('incarnation', ?)", (uuid.uuid4().hex[:12],))
                made.execute("INSERT INTO meta VALUES ('mirror', ?)", (str(mirror_schema.version()),))
        return made

    def _upgrade(self) -> None:
        if self._version() == mirror_schema.version():
            return
        with self.database.transaction():
            version = self._version()  # another process may have been first
            if version > mirror_schema.version():
                raise InvalidInput(
                    f"What was last seen of the mail server, in {self.path}, is of a newer version; upgrade "
                    "restante.carbonio to use it."
                )
            for statements in mirror_schema.UPGRADES[version:]:
                for statement in statements:
                    self.database.execute(statement)
            self.database.execute("INSERT OR REPLACE INTO meta VALUES ('mirror', ?)", (str(mirror_schema.version()),))

    def _version(self) -> int:
        row = self.database.execute("SELECT value FROM meta WHERE key = 'mirror'").fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    @contextlib.contextmanager
    def alone(self, account: str) -> Iterator[None]:
        """Work on an account while no other process does; may be nested.

        :raises Refused: the lock cannot be had.
        """
        if self._locks.get(account):
            self._locks[account] += 1
            try:
                yield
            finally:
                self._locks[account] -= 1
            return
        name = hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        path = os.path.join(self.path, "locks", name)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Refused(f"{path} cannot be written ({error.strerror}); check its owner.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._locks[account] = 1
            yield
        finally:
            self._locks.pop(account, None)
            os.close(descriptor)

    # -- accounts --------------------------------------------------------------------------------------------------

    def number(self, account: str) -> int:
        """Return the number of an account's mailbox, which is new where the account was never seen before."""
        try:
            return mailbox_number(self.database, account)
        except NotFound:
            with self.database.transaction():
                if not self.database.execute("SELECT 1 FROM mailboxes WHERE account = ?", (account,)).fetchone():
                    self.writer.create(account, 0, _ROOT_ONLY)
            return mailbox_number(self.database, account)

    def version(self) -> tuple[int, int]:
        """Return what becomes another one whenever something is written, by whichever process."""
        return self.database.execute("PRAGMA data_version").fetchone()[0], self.database.total_changes

    def accounts(self) -> list[str]:
        """Return the accounts that were seen."""
        return [row[0] for row in self.database.execute("SELECT account FROM mailboxes ORDER BY number").fetchall()]

    def forget(self, account: str) -> None:
        """Remove what is known of an account that is no more."""
        with self.database.transaction():
            row = self.database.execute("SELECT number FROM mailboxes WHERE account = ?", (account,)).fetchone()
            if row is not None:
                for table in ("remote_folders", "replacements", "intents", "collections", "resources"):
                    self.database.execute(f"DELETE FROM {table} WHERE mailbox = ?", row)
                self.writer.delete(account)

    @contextlib.contextmanager
    def changing(self, number: int, durable: bool = True) -> Iterator[Changing]:
        """Change a mailbox in one transaction; it counts as a change of its items where that is said.

        :param durable: as Database.transaction has it.
        """
        with self.database.transaction(durable):
            change, next_id = self.writer.next(number)
            replaced = self.database.execute("SELECT 1 FROM replacements WHERE mailbox = ? LIMIT 1", (number,))
            work = Changing(number, change, replaced.fetchone() is not None)
            yield work
            if work.touched:
                self.writer.advance(number, change, next_id)

    # -- folders ---------------------------------------------------------------------------------------------------

    def folders(self, number: int) -> dict[int, RemoteFolder]:
        """Return the folders of a mailbox as they were last seen, by id."""
        rows = self.database.execute(
            "SELECT id, name, guid, selectable, uidvalidity, uidnext, modseq, messages FROM remote_folders "
            "WHERE mailbox = ?", (number,),
        ).fetchall()
        return {row[0]: RemoteFolder(row[0], bytes(row[1]), row[2], bool(row[3]), *row[4:]) for row in rows}

    def folder(self, number: int, item: int) -> RemoteFolder:
        """Return one folder. :raises NotFound: the mail server has none of this id."""
        found = self.folders(number).get(item)
        if found is None:
            raise NotFound(f"There is no folder {item} in this mailbox.")
        return found

    def remember(self, number: int, folder: RemoteFolder) -> None:
        """Write down how a folder stands; inside a transaction."""
        self.database.execute(
            f"INSERT OR REPLACE INTO remote_folders VALUES (?, {', '.join('?' * 8)})",
            (number, folder.item, folder.name, folder.guid, int(folder.selectable), *folder[4:]),
        )

    # -- messages --------------------------------------------------------------------------------------------------

    def locate(self, number: int, item: int) -> tuple[RemoteFolder, int]:
        """Return in which folder a message is, and its UID there. :raises NotFound: it is nowhere."""
        row = self.database.execute(
            "SELECT folder, locator FROM items WHERE mailbox = ? AND id = ? AND kind = 'message'", (number, item)
        ).fetchone()
        if row is None or not row[1]:
            raise NotFound(f"There is no message {item} in this mailbox.")
        return self.folder(number, row[0]), int(row[1])

    def ids_between(self, number: int, folder: int, first: int, last: int) -> list[int]:
        """Return the ids of the messages of a folder whose UIDs are in a range."""
        rows = self.database.execute(
            "SELECT id FROM items INDEXED BY messages_by_uid WHERE mailbox = ? AND folder = ? AND kind = 'message' "
            "AND locator BETWEEN ? AND ?", (number, folder, locator(first), locator(last)),
        )
        return [row[0] for row in rows]

    def nowhere(self, number: int) -> list[int]:
        """Return the ids of the messages that are no more where they were, and have not been found elsewhere yet."""
        rows = self.database.execute(
            "SELECT id FROM items INDEXED BY messages_by_uid WHERE mailbox = ? AND kind = 'message' "
            "AND folder IN (SELECT id FROM remote_folders WHERE mailbox = ?) AND locator IS NULL", (number, number),
        ).fetchall()
        return [row[0] for row in rows]

    def leave_nowhere(self, number: int, items: Iterable[int]) -> None:
        """Write down that messages are no more where they were; inside a transaction."""
        self.database.execute(
            "UPDATE items SET locator = NULL WHERE mailbox = ? AND id IN (SELECT value FROM json_each(?))",
            (number, json.dumps(list(items))),
        )

    def last_uid(self, number: int, folder: int) -> tuple[int, int]:
        """Return the highest UID that is known in a folder, and the item that it is; 0 where there is none."""
        row = self.database.execute(
            "SELECT locator, id FROM items INDEXED BY messages_by_uid WHERE mailbox = ? AND folder = ? "
            "AND kind = 'message' AND locator IS NOT NULL ORDER BY locator DESC LIMIT 1", (number, folder),
        ).fetchone()
        return (int(row[0]), row[1]) if row else (0, 0)

    def learn(self, number: int, contents: Mapping[int, bytes]) -> None:
        """Write down contents of items, now that they were seen; that is no change of the items."""
        known = dict(self.database.execute(
            "SELECT id, digest FROM items WHERE mailbox = ? AND id IN (SELECT value FROM json_each(?))",
            (number, json.dumps(list(contents))),
        ).fetchall())
        new = []
        for item, content in contents.items():
            digest = hashlib.sha256(content).digest()
            if item in known and known[item] != digest:
                new.append((digest, len(content), number, item))
        if new:
            with self.database.transaction():
                self.database.executemany("UPDATE items SET digest = ?, size = ? WHERE mailbox = ? AND id = ?", new)

    def replace(self, work: Changing, item: int, other: int) -> None:
        """Let an item be the message that was taken in as another item, which is none any more."""
        found = self.database.execute(
            "SELECT folder, locator, flags, tags, date, digest, size, change FROM items WHERE mailbox = ? AND id = ?",
            (work.number, other),
        ).fetchone()
        if found[-1] == work.change:  # nobody has seen it
            self.database.execute("DELETE FROM items WHERE mailbox = ? AND id = ?", (work.number, other))
        else:
            self.writer.bury("id", work.number, [other], work.change)
        work.touched = True
        self.database.execute(
            "UPDATE items SET folder = ?, locator = ?, flags = ?, tags = ?, date = ?, digest = ?, size = ?, change = ? "
            "WHERE mailbox = ? AND id = ?", (*found[:-1], work.change, work.number, item),
        )
        self.database.execute(
            "UPDATE replacements SET item = ? WHERE mailbox = ? AND item = ?", (item, work.number, other)
        )
        self.database.execute("INSERT OR REPLACE INTO replacements VALUES (?, ?, ?)", (work.number, other, item))

    def may_be(self, number: int, guid: str, item: int) -> bool:
        """Return whether a message can be an item, by what the server calls the message."""
        return item in itertools.islice(self.ids_of(number, guid), _COPIES)

    def ids_of(self, number: int, guid: str, replaced: bool = True) -> Iterator[int]:
        """Yield the ids that the copies of one message may have.

        :param replaced: False where no message of the mailbox was put into the place of another one.
        """
        for copy in itertools.count():
            found = item_id(kinds.MESSAGE, guid, copy)
            row = replaced and self.database.execute(
                "SELECT item FROM replacements WHERE mailbox = ? AND id = ?", (number, found)
            ).fetchone()
            yield row[0] if row else found

    def keyword_of(self, number: int, tag: str) -> str:
        """Return the keyword that a tag stands for. :raises NotFound: there is no such tag."""
        row = self.database.execute(
            "SELECT locator FROM items WHERE mailbox = ? AND id = ? AND kind = 'tag'", (number, number_of(tag))
        ).fetchone()
        if row is None:
            raise NotFound(f"There is no tag {tag} in this mailbox.")
        return str(row[0])

    def tagged(self, number: int, tag: str) -> list[tuple[int, int]]:
        """Return folder and UID of the messages that have a tag."""
        rows = self.database.execute(
            "SELECT folder, locator, tags FROM items WHERE mailbox = ? AND kind = 'message' AND tags != ''", (number,)
        ).fetchall()
        return [(folder, int(place)) for folder, place, tags in rows if place and tag in tags.split()]

    # -- what is about to be written ---------------------------------------------------------------------------------

    def intents(self, number: int) -> list[Intent]:
        """Return what was about to be written to a mailbox and is not known to have been."""
        rows = self.database.execute(
            "SELECT import, origin, kind, folder, place, digest FROM intents WHERE mailbox = ? ORDER BY seq",
            (number,),
        ).fetchall()
        return [
            intent for noted in itertools.starmap(Intent, rows)
            for intent in (packed(noted.import_id, noted.origin, noted.folder) if noted.kind == PORTION else (noted,))
        ]

    def intend(self, number: int, intent: Intent) -> None:
        """Write down, durably, what is about to be written."""
        with self.database.transaction():
            self._intend(number, [intent])

    def intend_all(
        self, number: int, import_id: str, folder: int, messages: Iterable[tuple[str, Sent, bytes]]
    ) -> None:
        """Write down, durably, which messages are about to be sent to a folder together: origins, how, and digests.

        They are one row: they are noted and settled together, and there may be a thousand of them every moment.
        """
        self.intend(number, Intent(import_id, packing(messages), PORTION, folder, "", b""))

    def _intend(self, number: int, intents: Iterable[Intent]) -> None:
        self.database.executemany(
            "INSERT INTO intents (mailbox, import, origin, kind, folder, place, digest) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(number, *intent) for intent in intents],
        )

    def settle(self, number: int, import_id: str, done: Iterable[tuple[str, int]]) -> None:
        """Record what was written, and that nothing is about to be any more; inside a transaction.

        What was looked for in vain stays.
        """
        self.database.execute("DELETE FROM intents WHERE mailbox = ? AND kind != ?", (number, UNSEEN))
        if import_id:
            self.database.executemany(
                "INSERT OR REPLACE INTO imports (mailbox, import, origin, item) VALUES (?, ?, ?, ?)",
                [(number, import_id, origin, item) for origin, item in done],
            )

    def leave_unseen(self, number: int, intents: Iterable[Intent]) -> None:
        """Record which of the intents were looked for in vain, and of no others; inside a transaction."""
        self.database.execute("DELETE FROM intents WHERE mailbox = ? AND kind = ?", (number, UNSEEN))
        self._intend(number, [intent._replace(kind=UNSEEN) for intent in intents])

    def forget_import(self, number: int, import_id: str) -> None:
        """Remove what is known of an import that nobody asks for again."""
        with self.database.transaction():
            self.database.execute("DELETE FROM imports WHERE mailbox = ? AND import = ?", (number, import_id))


def locator(uid: int) -> str:
    """Return what the index calls a message with a UID."""
    return f"{uid:010d}"


def item_id(what: str, name: str, copy: int = 0) -> int:
    """Return the id of something on the mail server.

    :param what: which kind of thing it is. :param name: what the server calls it, for ever.
    :param copy: the how-manieth of that name in one account.
    """
    text = f"{what}\0{name}\0{copy}".encode("utf-8", "surrogatepass")
    return FIRST_USER_ID + int.from_bytes(hashlib.sha256(text).digest()[:8], "big") % (_LARGEST_ID - FIRST_USER_ID)


def tag_row(number: int, word: str, change: int) -> tuple[Any, ...]:
    """Return the row of the tag that a keyword stands for."""
    return (
        number, item_id(kinds.TAG, word.lower()), kinds.TAG, 0, names.tag_name(word), "", "", 0, 0, None, "{}", change,
        None, word,
    )
