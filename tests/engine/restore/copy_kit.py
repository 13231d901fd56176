# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mail server with its own backup, and the restore of single accounts on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.operations.report import RestoreReport
from ansible_collections.restante.carbonio.plugins.module_utils.restore.account import plan_account
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import LocalBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.copies import CopyPlan
from ansible_collections.restante.carbonio.plugins.module_utils.restore.copy_source import CopyOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.copying import restore_copy
from ansible_collections.restante.carbonio.plugins.module_utils.restore.new_account import plan_new_account
from ansible_collections.restante.carbonio.plugins.module_utils.restore.session import Sides
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan

from tests.engine.restore.restore_kit import NO_WAIT

COPY = "copy@example.com"


class Server:
    """A mail server and its backup; nothing is open between two calls."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.backup_path = str(path / "backup")

    @classmethod
    def create(cls, path: Path) -> Server:
        """Make an empty one."""
        server = cls(path)
        with contextlib.closing(EmbeddedStore.create(str(path / "store"))) as store:
            store.set_redo_log(False)
            Repository.create(server.backup_path, store.server_id(), pack_size=16 * 1024).close()
        return server

    def store(self) -> Any:
        return EmbeddedStore.open(str(self.path / "store"))

    def backup(self) -> Repository:
        return Repository.open(self.backup_path, pack_size=16 * 1024)

    @contextlib.contextmanager
    def changed(self) -> Iterator[Any]:
        """The mail server, and a scan when the work on it is done."""
        with contextlib.closing(self.store()) as store:
            yield store
            with contextlib.closing(self.backup()) as repository, repository.writer() as writer:
                smart_scan(store, writer)

    def now(self) -> int:
        """The last moment that the backup has."""
        with contextlib.closing(self.backup()) as repository:
            span = repository.span()
        assert span is not None
        return span[1]

    def sides(self, **replaced: Any) -> Sides:
        return Sides(self.backup, self.store, LocalBlobs, self.backup_path)._replace(**replaced)

    def plan_new(self, account: str, destination: str = COPY, **options: Any) -> CopyPlan:
        with contextlib.closing(self.backup()) as source, contextlib.closing(self.store()) as store:
            return plan_new_account(source, store, self.backup_path, account, destination, CopyOptions(**options))

    def plan(self, account: str, domain: str = "", **options: Any) -> CopyPlan:
        with contextlib.closing(self.backup()) as source, contextlib.closing(self.store()) as store:
            return plan_account(source, store, self.backup_path, account, domain, CopyOptions(**options))

    def restore(self, planned: CopyPlan, sides: Sides | None = None, **more: Any) -> RestoreReport:
        return restore_copy(sides or self.sides(), planned, patience=NO_WAIT, **more)

    def new(self, account: str, destination: str = COPY, **options: Any) -> RestoreReport:
        """Restore on a new account."""
        return self.restore(self.plan_new(account, destination, **options))

    def account(self, account: str, domain: str = "", **options: Any) -> RestoreReport:
        """Restore a deleted account."""
        return self.restore(self.plan(account, domain, **options))

    def delete(self, account_id: str) -> None:
        with self.changed() as store:
            store.delete_entry(kinds.ACCOUNT, account_id)

    def entry(self, name_or_id: str) -> Entry:
        with contextlib.closing(self.store()) as store:
            found = store.find_entry(kinds.ACCOUNT, name_or_id)
        assert isinstance(found, Entry)
        return found

    def states(self, name_or_id: str) -> dict[str, ItemState]:
        """What is in a mailbox, by id."""
        account = self.entry(name_or_id).entry_id
        with contextlib.closing(self.store()) as store:
            return {state.item_id: state for state in store.changes(account).items}

    def kept(self, name_or_id: str, kind: str) -> list[ItemState]:
        """The items of a kind in a mailbox."""
        return [state for state in self.states(name_or_id).values() if state.kind == kind]

    def picture(self) -> dict[str, Any]:
        """All that the server holds, by address."""
        with contextlib.closing(self.store()) as store:
            accounts = list(store.entries(kinds.ACCOUNT))
        return {
            entry.name: (entry.to_json(), {one: state.to_json() for one, state in self.states(entry.entry_id).items()})
            for entry in accounts
        }

    def content(self, name_or_id: str) -> list[tuple[Any, ...]]:
        """What is in a mailbox, with paths and names where there are ids: the same for a copy as for its source."""
        return content_of(self.states(name_or_id))


def content_of(states: Mapping[str, ItemState]) -> list[tuple[Any, ...]]:
    """What is in a mailbox, given by id, with paths and names where there are ids."""
    def path(item_id: str) -> str:
        state = states.get(item_id)
        return f"{path(state.folder)}/{state.name}" if state is not None and state.folder else ""

    return sorted(
        (
            state.kind, path(state.folder), state.name, state.flags, tuple(sorted(map(path, state.tags))),
            state.date if len(state.item_id) > 2 else 0, state.digest,
            tuple(sorted(states[tag].name for tag in state.tags)), state.attrs.get("color"),
        )
        for state in states.values()
    )
