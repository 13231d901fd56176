# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The embedded store itself: the port's methods, each one transaction."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from ...model import kinds, moment
from ...model.durable import make_directories
from ...model.errors import Damaged, NotFound, Refused, RestanteError
from ...model.state import SERVER, Entry, ItemState
from ..index import database
from ..index.reading import mailbox_number
from ..index.writing import Content, IndexWriter
from ..port import Capabilities, Changes, MailStore, NewItem, Written
from ..volumes import PRIMARY, Deduplication, MissingBlob, Usage, Volume, Volumes
from .blobs import Blobs
from .deduplication import deduplicate
from .directory import Directory
from .feed import Feed, FeedEntry, FeedFollower
from .files import remove_empty
from .missing import missing, put_back
from .reading import MailboxReader
from .redo_log import Record, RedoLog
from .volume_table import VolumeTable

REDO_LOG: Final = "redolog"
_CAPABILITIES: Final = Capabilities(
    item_kinds=frozenset(kinds.ITEM_KINDS), entry_kinds=frozenset(kinds.ENTRY_KINDS), keeps_entry_ids=True, volumes=True
)


class EmbeddedStore(MailStore, Volumes):
    """A mail store in a directory: store.sqlite, volumes/ and redolog/; docs/model.md says what it holds.

    Several processes may have one store open; writers take turns, and readers see the store as it was when they began.
    Each opens it for itself: an open store does not survive a fork.
    """

    def __init__(self, path: str) -> None:
        """Open a store; EmbeddedStore.open says it better."""
        self.path = os.path.abspath(path)
        self._database = database.connect(self.path)
        meta = dict(self._database.execute("SELECT key, value FROM meta").fetchall())
        if not all(isinstance(meta.get(name), str) for name in ("server_id", "incarnation")):
            self._database.close()
            raise Damaged(f"The database of the mail store in {self.path} is damaged; put back a copy of the store.")
        self._server_id: str = meta["server_id"]
        self._volumes = VolumeTable(self._database)
        self._blobs = Blobs(self._database, self._volumes)
        self._directory = Directory(self._database)
        self._reader = MailboxReader(self._database, self._blobs, meta["incarnation"])
        self._writer = IndexWriter(self._database)
        self._feed = Feed(self._database)
        self._redo_log = RedoLog(os.path.join(self.path, REDO_LOG))

    @classmethod
    def create(cls, path: str, server_id: str | None = None) -> EmbeddedStore:
        """Make an empty store in a directory and open it; its redo log is on.

        :raises AlreadyExists: there is one. :raises Refused: the directory cannot be made or written to.
        """
        path = os.path.abspath(path)
        try:
            make_directories(path)
        except OSError as error:
            raise Refused(f"The directory {path} cannot be made ({error.strerror}); choose another.") from error
        connection = database.create(path)
        try:
            with connection.transaction():
                database.create_tables(connection)
                connection.executemany(
                    "INSERT INTO meta VALUES (?, ?)",
                    [("server_id", server_id or str(uuid.uuid4())), ("incarnation", uuid.uuid4().hex[:12]),
                     ("redo_log", "on")],
                )
                VolumeTable(connection).create(Volume("", "message1", PRIMARY, "volumes/message1", current=True))
        finally:
            connection.close()
        return cls(path)

    @classmethod
    def open(cls, path: str) -> EmbeddedStore:
        """Open a store. :raises NotFound: the directory holds none."""
        return cls(path)

    def server_id(self) -> str:
        return self._server_id

    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    def close(self) -> None:
        self._blobs.close()
        self._database.close()

    # -- the directory ---------------------------------------------------------------------------------------------

    def entries(self, kind: str) -> Iterator[Entry]:
        return self._directory.entries(kind)

    def find_entry(self, kind: str, name_or_id: str) -> Entry | None:
        return self._directory.find(kind, name_or_id)

    def create_entry(self, entry: Entry, at: int | None = None) -> Entry:
        """Create an entry, as the port says; a mailbox's system folders get the date `at`, by default the present."""
        entry = entry._replace(entry_id=entry.entry_id or str(uuid.uuid4()))
        at = moment.now() if at is None else at
        with self._database.transaction():
            self._directory.create(entry)
            if entry.kind == kinds.ACCOUNT:
                self._writer.create(entry.entry_id, at)
            self._record(
                _scope(entry.kind, entry.entry_id), "create_entry", lambda: {"entry": entry.to_json(), "at": at}
            )
        return entry

    def update_entry(self, entry: Entry) -> bool:
        with self._database.transaction():
            changed = self._directory.update(entry)
            if changed:
                self._record(_scope(entry.kind, entry.entry_id), "update_entry", lambda: {"entry": entry.to_json()})
        return changed

    def reshape_entry(self, entry: Entry) -> bool:
        with self._database.transaction():
            changed = self._directory.reshape(entry)
            if changed:
                self._record(_scope(entry.kind, entry.entry_id), "reshape_entry", lambda: {"entry": entry.to_json()})
        return changed

    def delete_entry(self, kind: str, entry_id: str) -> None:
        with self._database.transaction():
            self._directory.delete(kind, entry_id)
            if kind == kinds.ACCOUNT:
                self._writer.delete(entry_id)
            self._record(_scope(kind, entry_id), "delete_entry", lambda: {"kind": kind, "entry_id": entry_id})
        self._blobs.collect_garbage()

    # -- reading ---------------------------------------------------------------------------------------------------

    def tokens(self) -> Iterator[tuple[str, str]]:
        return self._reader.tokens()

    def changes(self, account_id: str, since: str = "") -> Changes:
        return self._reader.changes(account_id, since)

    def item(self, account_id: str, item_id: str) -> ItemState | None:
        return self._reader.item(account_id, item_id)

    def folders(self, account_id: str) -> list[ItemState]:
        return self._reader.folders(account_id)

    def read_blob(self, account_id: str, item_id: str) -> bytes:
        return self._reader.read_blob(account_id, item_id)

    def read_blobs(self, account_id: str, item_ids: Sequence[str]) -> Iterator[bytes | Exception]:
        return self._reader.read_blobs(account_id, item_ids)

    def follow(self) -> FeedFollower:
        return FeedFollower(self._feed)

    def feed(self, since: int) -> Iterator[FeedEntry]:
        """Yield the transactions of the whole store after a number, 0 for all.

        :raises NotFound: the feed does not go back so far; compare all tokens instead.
        """
        return self._feed.since(since)

    def last_transaction(self) -> int:
        """Return the number of the newest transaction."""
        return self._feed.last()

    # -- writing ---------------------------------------------------------------------------------------------------

    def write_items(self, account_id: str, batch: Sequence[NewItem], import_id: str = "") -> list[Written]:
        number = mailbox_number(self._database, account_id)
        known = self._writer.find_imported(number, import_id, [new.origin for new in batch])
        blobs = [None if new.origin in known else new.blob for new in batch]
        with self._blobs.put(number, [blob for blob in blobs if blob is not None]) as places:
            free = iter(places)
            stored = [None if blob is None else next(free) for blob in blobs]
            contents = [
                None if blob is None or place is None else Content(
                    bytes.fromhex(new.state.digest) if new.verified else _digest(blob), len(blob), place
                )
                for new, blob, place in zip(batch, blobs, stored)
            ]
            with self._database.transaction():
                written = self._writer.add(number, batch, contents, import_id)
                if any(new.item_id and not new.existed for new in written):
                    self._record(account_id, "write_items", lambda: {
                        "account": account_id, "import_id": import_id, "items": [
                            {"origin": new.origin, "state": new.state.to_json(), "blob": blob}
                            for new, blob in zip(batch, blobs)
                        ],
                    })
            self._blobs.discard(
                place for new, place in zip(written, stored) if place and (new.existed or not new.item_id)
            )
        return written

    def imported(self, account_id: str, import_id: str) -> Iterator[tuple[str, str]]:
        return self._reader.imported(account_id, import_id)

    def map_imported(self, account_id: str, import_id: str, pairs: Sequence[tuple[str, str]]) -> None:
        number = mailbox_number(self._database, account_id)
        with self._database.transaction():
            self._writer.map_imported(number, import_id, pairs)
            self._record(account_id, "map_imported", lambda: {
                "account": account_id, "import_id": import_id, "pairs": pairs,
            })

    def update_item(self, account_id: str, state: ItemState, blob: bytes | None = None) -> None:
        number = mailbox_number(self._database, account_id)
        with self._blobs.put(number, [] if blob is None else [blob]) as places:
            content = None if blob is None else Content(_digest(blob), len(blob), places[0])
            with self._database.transaction():
                if self._writer.update(number, state, content):
                    self._record(account_id, "update_item", lambda: {
                        "account": account_id, "item": state.item_id, "state": state.to_json(), "blob": blob,
                    })
        if blob is not None:
            self._blobs.collect_garbage()

    def update_items(self, account_id: str, states: Sequence[ItemState]) -> list[RestanteError | None]:
        number = mailbox_number(self._database, account_id)
        refused: list[RestanteError | None] = []
        changed = False
        with self._database.transaction():
            for state in states:
                try:
                    changed = self._writer.update(number, state, None) or changed
                    refused.append(None)
                except (NotFound, Refused) as error:
                    if not self._database.in_transaction:  # the disk is full, and SQLite has given up all of it
                        raise
                    refused.append(error)
            if changed:
                self._record(account_id, "update_items", lambda: {
                    "account": account_id, "items": [{"item": one.item_id, "state": one.to_json()} for one in states],
                })
        return refused

    def delete_items(self, account_id: str, item_ids: Sequence[str]) -> None:
        number = mailbox_number(self._database, account_id)
        with self._database.transaction():
            if self._writer.remove(number, item_ids):
                self._record(account_id, "delete_items", lambda: {"account": account_id, "items": list(item_ids)})
        self._blobs.collect_garbage()

    # -- volumes ---------------------------------------------------------------------------------------------------

    def volumes(self) -> list[Volume]:
        return self._volumes.all()

    def create_volume(self, volume: Volume, dry_run: bool = False) -> Volume:
        if dry_run:
            self._volumes.check_new(volume)
            return volume
        with self._database.transaction():
            volume_id = self._volumes.create(volume)
        return self._volumes.get(volume_id)

    def update_volume(self, volume: Volume, dry_run: bool = False) -> bool:
        if dry_run:
            return self._volumes.changes(volume)
        with self._database.transaction():
            return self._volumes.update(volume)

    def delete_volume(self, volume_id: str, dry_run: bool = False) -> None:
        self._volumes.deletable(volume_id)
        if dry_run:
            return
        self._blobs.tidy()
        with self._database.transaction():
            volume = self._volumes.delete(volume_id)
        remove_empty(volume.path)

    def usage(self, volume_id: str) -> Usage:
        return self._volumes.usage(volume_id)

    def deduplicate(self, volume_id: str | None = None, dry_run: bool = False) -> Deduplication:
        volumes = self._volumes.all() if volume_id is None else [self._volumes.get(volume_id)]
        return deduplicate(self._database, volumes, dry_run)

    def missing_blobs(self, volume_id: str) -> Iterator[MissingBlob]:
        return missing(self._database, self._volumes.get(volume_id))

    def put_missing_blobs(
        self, volume_id: str, blobs: Sequence[tuple[MissingBlob, bytes]], compressed: bool | None = None
    ) -> list[bool]:
        volume = self._volumes.get(volume_id)
        if compressed is not None:
            volume = volume._replace(compressed=compressed)
        return put_back(self._database, volume, blobs)

    def redo_log(self) -> bool:
        row = self._database.execute("SELECT value FROM meta WHERE key = 'redo_log'").fetchone()
        return bool(row and row[0] == "on")

    def set_redo_log(self, enabled: bool) -> bool:
        with self._database.transaction():
            changed = enabled != self.redo_log()
            self._database.execute("UPDATE meta SET value = ? WHERE key = 'redo_log'", ("on" if enabled else "off",))
        return changed

    def _record(self, scope: str, operation: str, fields: Callable[[], dict[str, Any]]) -> None:
        """Number the transaction that is under way, and write it to the redo log where that is on."""
        number = self._feed.append(scope)
        if self.redo_log():
            self._redo_log.append(Record(number, operation, fields()))


def _digest(blob: bytes) -> bytes:
    return hashlib.sha256(blob).digest()


def _scope(kind: str, entry_id: str) -> str:
    return entry_id if kind == kinds.ACCOUNT else SERVER
