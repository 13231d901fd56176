# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Phase 3: what leads from one mailbox into another, and data sources, once all items are there (R-150)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Final

from ..mailstore.port import NewItem
from ..model import kinds
from ..model.state import ItemState
from ..operations.progress import Progress
from ..operations.report import INVALID_ITEM, RestoreReport
from . import shares
from .apply import MailboxApplier
from .folders import Folders, substitute_origin
from .idmap import OriginSet
from .mailbox import Content, read_contents
from .mountpoints import Mountpoints, Target
from .session import Account, Session

_LATE: Final = (kinds.MOUNTPOINT, kinds.DATA_SOURCE, kinds.CONTACT_GROUP)


class LateItems:
    """Restores the late items of all mailboxes: contact groups with contacts of others, mountpoints, data sources."""

    def __init__(
        self,
        session: Session,
        data_sources: bool,
        incomplete: Container[str],
        report: RestoreReport,
        progress: Progress,
    ) -> None:
        """
        :param data_sources: whether these are restored (R-121).
        :param incomplete: ids in the backup of the accounts whose items this run has not restored to the end.
        """
        self._session = session
        self._data_sources = data_sources
        self._incomplete = incomplete
        self._report = report
        self._progress = progress
        self._items: dict[str, dict[str, str]] = {}

    def restore(self, accounts: Iterable[Account]) -> None:
        """Restore those of the given accounts."""
        late = [(account, self._collect(account)) for account in accounts]
        wanted: dict[str, set[str]] = {}
        for account, states in late:
            for state in states:
                for owner, item_id in shares.refers_to(state, account.entry.entry_id):
                    wanted.setdefault(owner, set()).add(item_id)
        # Each of the mailboxes that others refer to is looked through once.
        self._items = {owner: self._session.references.items(owner, items) for owner, items in wanted.items()}
        for account, states in late:
            if self._progress.stopping():
                return
            with self._session.mailbox(account, self._report) as applier:
                _LateMailbox(self, applier, account, states).restore()

    def _collect(self, account: Account) -> list[ItemState]:
        return [
            state for state in self._session.scope(account).states(_LATE)
            if state.kind == kinds.MOUNTPOINT
            or (state.kind == kinds.DATA_SOURCE and self._data_sources)
            or shares.has_foreign_members(state, account.entry.entry_id)
        ]

    def item(self, owner: str, item_id: str) -> str | None:
        """Return the destination's id of an item that a late one refers to."""
        return self._items.get(owner, {}).get(item_id)

    def waits(self, state: ItemState, account_id: str) -> bool:
        """Tell whether an item refers to one that is not there only because its mailbox is not complete yet."""
        return any(
            owner in self._incomplete and self.item(owner, item_id) is None
            for owner, item_id in shares.refers_to(state, account_id)
        )

    def entry(self, entry_id: str) -> str | None:
        """Return the destination's id of a directory entry."""
        return self._session.references.entry(entry_id)

    def contents(self, states: Sequence[ItemState]) -> list[Content]:
        """Return items with their contents."""
        return read_contents(self._session.blobs, states)

    def target(self, attrs: Mapping[str, Any]) -> Target | None:
        """Return where a mountpoint on this server leads; None where nothing is to be moved there."""
        return Target(self._session.other_mailbox(attrs["owner_id"], self._report), attrs["remote_id"])


class _LateMailbox:
    def __init__(
        self, late: LateItems, applier: MailboxApplier, account: Account, states: Sequence[ItemState]
    ) -> None:
        self._late = late
        self._applier = applier
        self._account_id = account.entry.entry_id
        self._states = states
        folders = {state.folder for state in states} | {state.attrs.get("folder", "") for state in states}
        wanted = {state.item_id for state in states} | {tag for state in states for tag in state.tags} | folders
        wanted |= {substitute_origin(folder) for folder in folders}
        self._imported = applier.imported(wanted, OriginSet())
        self._folders = Folders(applier, late.entry, self._imported)

    def restore(self) -> None:
        self._groups(self._new(kinds.CONTACT_GROUP))
        mountpoints = Mountpoints(self._applier, self._folders)
        for state in self._of_kind(kinds.MOUNTPOINT):
            imported = self._imported.get(state.item_id)
            if imported is None and self._put_off(state):
                continue
            resolved = shares.mountpoint(state, self._late.entry, self._late.item)
            if imported is None:
                self._applier.warn_all(resolved.problems)
            target = None if resolved.problems else self._late.target(resolved.attrs)
            mountpoints.restore(state, resolved.attrs, target, imported)
        self._sources(self._new(kinds.DATA_SOURCE))

    def _put_off(self, state: ItemState) -> bool:
        """Leave an item to the next run if it cannot be restored rightly now."""
        if not self._late.waits(state, self._account_id):
            return False
        self._applier.leave(
            state, state.item_id, INVALID_ITEM,
            "It refers to a mailbox that could not be restored to the end; run the restore again.",
        )
        return True

    def _groups(self, new: Sequence[ItemState]) -> None:
        for content in self._late.contents([state for state in new if not self._put_off(state)]):
            state = content.state
            if content.error is not None:
                self._applier.unreadable(state, content.error)
                continue
            if self._applier.is_there(state):
                self._applier.adopt([(state, state.item_id)])
                continue
            resolved = shares.members(state, self._account_id, self._late.entry, self._late.item)
            self._applier.warn_all(resolved.problems)
            tags = tuple(sorted(self._imported[tag] for tag in state.tags if tag in self._imported))
            placed = state._replace(folder=self._folders.id_of(state.folder), tags=tags, attrs=resolved.attrs)
            self._applier.write([NewItem(state.item_id, placed, content.blob)])

    def _sources(self, new: Sequence[ItemState]) -> None:
        there = self._applier.named(kinds.DATA_SOURCE) if new else {}
        for state in new:
            folder = state.attrs.get("folder", "")
            attrs = {**state.attrs, "folder": self._folders.id_of(folder)} if folder else state.attrs
            present = there.get(state.name)
            if present is not None and _same_source(present.attrs, attrs):
                self._applier.adopt([(state, present.item_id)])
            else:
                self._applier.write([NewItem(state.item_id, state._replace(attrs=attrs))])

    def _new(self, kind: str) -> list[ItemState]:
        """Return what no earlier run has written, and count the rest."""
        states = self._of_kind(kind)
        new = [state for state in states if state.item_id not in self._imported]
        self._applier.skip(Counter({kind: len(states) - len(new)}))
        return new

    def _of_kind(self, kind: str) -> list[ItemState]:
        return [state for state in self._states if state.kind == kind]


def _same_source(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(key) == other.get(key) for key in ("type", "host", "username"))
