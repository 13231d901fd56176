# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The embedded store itself: the port's methods, each one transaction."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ...model import kinds
from ...model.errors import AlreadyExists, NotFound
from ...model.state import Entry, ItemState
from ..port import Capabilities, Changes, MailStore, NewItem, Written
from ..volumes import PRIMARY, Deduplication, Volume, Volumes
from . import database
from .blobs import BlobVolumes, Place
from .database import Transaction
from .directory import Directory
from .mailbox import Mailboxes
from .redo_log import RedoLog

_CAPABILITIES: Final = Capabilities(
    item_kinds=frozenset(kinds.ITEM_KINDS), entry_kinds=frozenset(kinds.ENTRY_KINDS), keeps_entry_ids=True, volumes=True
)


class EmbeddedStore(MailStore, Volumes):
    """A mail store in a directory: store.sqlite, volumes/ and redolog/."""

    def __init__(self, path: str) -> None:
        """Open a store; EmbeddedStore.open says it better."""
        self.path = os.path.abspath(path)
        self._database = database.connect(self.path)
        meta = dict(self._database.execute("SELECT key, value FROM meta"))
        self._server_id: str = meta["server_id"]
        self._blobs = BlobVolumes(self._database, self.path)
        self._directory = Directory(self._database)
        self._mailboxes = Mailboxes(self._database, self._blobs, meta["incarnation"])
        self._redo_log = RedoLog(os.path.join(self.path, "redolog"))

    @classmethod
    def create(cls, path: str, server_id: str | None = None) -> EmbeddedStore:
        """Make an empty store in a directory and open it. :raises AlreadyExists: there is one."""
        os.makedirs(path, mode=0o700, exist_ok=True)
        if os.path.exists(os.path.join(path, database.FILE)):
            raise AlreadyExists(f"{path} holds a mail store already; open it, or choose another directory.")
        connection = database.connect(path)
        with Transaction(connection):
            database.create_tables(connection)
            connection.executemany(
                "INSERT INTO meta VALUES (?, ?)",
                [("server_id", server_id or str(uuid.uuid4())), ("incarnation", uuid.uuid4().hex[:12]),
                 ("redo_log", "true")],
            )
        connection.close()
        store = cls(path)
        store.create_volume(Volume("", "message1", PRIMARY, os.path.join("volumes", "message1"), current=True))
        return store

    @classmethod
    def open(cls, path: str) -> EmbeddedStore:
        """Open a store. :raises NotFound: the directory holds none."""
        if not os.path.exists(os.path.join(path, database.FILE)):
            raise NotFound(f"There is no embedded mail store in {path}; create it first, or correct the path.")
        return cls(path)

    def server_id(self) -> str:
        return self._server_id

    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    def close(self) -> None:
        self._database.close()

    # -- the directory ---------------------------------------------------------------------------------------------

    def entries(self, kind: str) -> Iterator[Entry]:
        return self._directory.entries(kind)

    def find_entry(self, kind: str, name_or_id: str) -> Entry | None:
        return self._directory.find(kind, name_or_id)

    def create_entry(self, entry: Entry) -> Entry:
        if not entry.entry_id:
            entry = entry._replace(entry_id=str(uuid.uuid4()))
        self._log("create_entry", entry=entry.to_json())
        with Transaction(self._database):
            self._directory.create(entry)
            if entry.kind == kinds.ACCOUNT:
                self._mailboxes.create(entry.entry_id)
        return entry

    def update_entry(self, entry: Entry) -> bool:
        self._log("update_entry", entry=entry.to_json())
        with Transaction(self._database):
            return self._directory.update(entry)

    def delete_entry(self, kind: str, entry_id: str) -> None:
        self._log("delete_entry", kind=kind, entry_id=entry_id)
        places: list[Place] = []
        with Transaction(self._database):
            self._directory.delete(kind, entry_id)
            if kind == kinds.ACCOUNT:
                places = self._mailboxes.delete(entry_id)
        self._blobs.discard(places)

    # -- reading ---------------------------------------------------------------------------------------------------

    def tokens(self) -> Iterator[tuple[str, str]]:
        return self._mailboxes.tokens()

    def changes(self, account_id: str, since: str = "") -> Changes:
        return self._mailboxes.changes(account_id, since)

    def item(self, account_id: str, item_id: str) -> ItemState | None:
        return self._mailboxes.item(account_id, item_id)

    def folders(self, account_id: str) -> list[ItemState]:
        return self._mailboxes.folders(account_id)

    def read_blob(self, account_id: str, item_id: str) -> bytes:
        return self._mailboxes.read_blob(account_id, item_id)

    # -- writing ---------------------------------------------------------------------------------------------------

    def write_items(self, account_id: str, batch: Sequence[NewItem], import_id: str = "") -> list[Written]:
        number = self._mailboxes.number(account_id)
        known = self._mailboxes.find_imported(number, import_id, (new.origin for new in batch))
        with_blob = [new.blob for new in batch if new.blob is not None and new.origin not in known]
        written = iter(self._blobs.write(number, with_blob))
        places: list[Place | None] = []
        digests: list[bytes | None] = []
        for new in batch:
            placed = new.blob is not None and new.origin not in known
            places.append(next(written) if placed else None)
            digests.append(hashlib.sha256(new.blob).digest() if placed and new.blob is not None else None)
        self._log("write_items", account=account_id, import_id=import_id, items=[
            {"origin": new.origin, "state": new.state.to_json(), "blob": new.blob} for new in batch
        ])
        with Transaction(self._database):
            results, unneeded = self._mailboxes.add(number, batch, digests, places, import_id)
        self._blobs.discard(unneeded)
        return results

    def imported(self, account_id: str, import_id: str) -> Iterator[tuple[str, str]]:
        return self._mailboxes.imported(account_id, import_id)

    def map_imported(self, account_id: str, import_id: str, pairs: Sequence[tuple[str, str]]) -> None:
        number = self._mailboxes.number(account_id)
        self._log("map_imported", account=account_id, import_id=import_id, pairs=pairs)
        with Transaction(self._database):
            self._mailboxes.map_imported(number, import_id, pairs)

    def update_item(self, account_id: str, state: ItemState, blob: bytes | None = None) -> None:
        number = self._mailboxes.number(account_id)
        self._log("update_item", account=account_id, item=state.item_id, state=state.to_json(), blob=blob)
        place = self._blobs.write(number, [blob])[0] if blob is not None else None
        digest = hashlib.sha256(blob).digest() if blob is not None else None
        if blob is not None:
            state = state._replace(size=len(blob))
        with Transaction(self._database):
            old = self._mailboxes.update(number, state, digest, place)
        self._blobs.discard(old)

    def delete_items(self, account_id: str, item_ids: Sequence[str]) -> None:
        number = self._mailboxes.number(account_id)
        self._log("delete_items", account=account_id, items=list(item_ids))
        with Transaction(self._database):
            places = self._mailboxes.remove(number, item_ids)
        self._blobs.discard(places)

    # -- volumes ---------------------------------------------------------------------------------------------------

    def volumes(self) -> list[Volume]:
        return self._blobs.volumes()

    def create_volume(self, volume: Volume) -> Volume:
        return self._blobs.create(volume)

    def update_volume(self, volume: Volume) -> bool:
        return self._blobs.update(volume)

    def delete_volume(self, volume_id: str) -> None:
        self._blobs.delete(volume_id)

    def deduplicate(self, volume_id: str | None = None, dry_run: bool = False) -> Deduplication:
        return self._blobs.deduplicate(volume_id, dry_run)

    def redo_log(self) -> bool:
        row = self._database.execute("SELECT value FROM meta WHERE key = 'redo_log'").fetchone()
        return bool(row[0] == "true")

    def set_redo_log(self, enabled: bool) -> bool:
        if enabled == self.redo_log():
            return False
        with Transaction(self._database) as connection:
            connection.execute("UPDATE meta SET value = ? WHERE key = 'redo_log'", (str(enabled).lower(),))
        return True

    def _log(self, operation: str, **fields: Any) -> None:
        if self.redo_log():
            self._redo_log.write(operation, **fields)
