# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folder restore: the folders of a backup joined to those that a mailbox has already (R-152 to R-154)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..mailstore.port import NewItem
from ..model import kinds
from ..model.state import ItemState
from . import plan, shares
from .apply import MailboxApplier
from .attributes import EntryIds


class Folders:
    """What each folder of the backup is in one mailbox of the destination. Folders that are missing are made."""

    def __init__(self, applier: MailboxApplier, entry_ids: EntryIds, imported: Mapping[str, str]) -> None:
        """
        :param imported: folder in the backup to folder of the mailbox, as earlier runs of this import left it.
        """
        self._applier = applier
        self._entry_ids = entry_ids
        self._imported = imported
        self.root = ""
        self.present: dict[str, ItemState] = {}
        """The folders and mountpoints of the mailbox by id."""
        self._children: dict[tuple[str, str], str] = {}
        for folder in applier.store.folders(applier.account_id):
            self.add(folder)
            if plan.is_root(folder):
                self.root = folder.item_id
        self._ids = {origin: item_id for origin, item_id in imported.items() if item_id in self.present}
        self._left_out: dict[str, ItemState] = {}
        """Folders for what the mail server cannot hold; they are made where something else lies in them."""
        self._adopted: list[tuple[ItemState, str]] = []
        self._changed: list[tuple[ItemState, ItemState]] = []

    def restore(self, folders: Iterable[ItemState]) -> None:
        """Find or make the folders of the backup."""
        for level in plan.levels(folders):
            new: dict[tuple[str, str], ItemState] = {}
            for state in level:
                view = state.attrs.get("view", "")
                if view and not self._applier.holds(view):
                    self._applier.report.add_not_held(kinds.FOLDER, f"folders for a {view}")
                    self._left_out[state.item_id] = state
                    continue
                wanted = state._replace(folder=self._parent(state))
                if not self._join(state.item_id, wanted):
                    if new.setdefault((wanted.folder, wanted.name), wanted) is not wanted:
                        self._make(new.values())  # two of one path: the second joins the first
                        new.clear()
                        self._join(state.item_id, wanted)
            self._make(new.values())
        self._record_joined()

    def id_of(self, folder_id: str) -> str:
        """Return what a folder of the backup is in the mailbox.

        What lay in a folder that the backup does not have, or that the mail server refused, goes into a folder
        unknown_<its id> made for it.
        """
        if not folder_id:
            return ""
        if folder_id in self._left_out:
            self._make_after_all(self._left_out.pop(folder_id))
        known = self._ids.get(folder_id) or self._ids.get(substitute_origin(folder_id))
        return self._substitute(folder_id) if known is None else known

    def known(self, folder_id: str) -> str | None:
        """Return what a folder of the backup is in the mailbox, None where it is not known."""
        return self._ids.get(folder_id)

    def child(self, parent: str, name: str) -> ItemState | None:
        """Return the folder or mountpoint of this name in a folder of the mailbox."""
        return self.present.get(self._children.get((parent, name), ""))

    def add(self, folder: ItemState) -> None:
        """Take in a folder or mountpoint that the mailbox has now."""
        self.present[folder.item_id] = folder
        self._children[folder.folder, folder.name] = folder.item_id

    def remove(self, folder: ItemState) -> None:
        """Forget a folder that the mailbox has no more, or not under this name."""
        del self.present[folder.item_id], self._children[folder.folder, folder.name]

    def free_name(self, parent: str, name: str, purpose: str) -> str:
        """Return a name that nothing in a folder of the mailbox has: the name, or one that says what it is for."""
        candidate, number = name, 1
        while (parent, candidate) in self._children:
            candidate = f"{name} ({purpose})" if number == 1 else f"{name} ({purpose} {number})"
            number += 1
        return candidate

    def _make_after_all(self, state: ItemState) -> None:
        attrs = {name: value for name, value in state.attrs.items() if name != "view"}
        wanted = state._replace(folder=self._parent(state), attrs=attrs)
        if not self._join(state.item_id, wanted):
            self._make([wanted])
        self._record_joined()

    def _parent(self, state: ItemState) -> str:
        return "" if plan.is_root(state) else self.id_of(state.folder) or self.root

    def _join(self, folder_id: str, wanted: ItemState) -> bool:
        """Map a folder of the backup to the one of the mailbox that it is already; False where there is none."""
        imported = self.present.get(self._imported.get(folder_id, ""))
        if imported is not None:
            self._ids[folder_id] = imported.item_id
            self._settle(wanted, imported)
            return True
        present = self.child(wanted.folder, wanted.name)
        if present is None or present.kind != kinds.FOLDER:
            return False
        self._ids[folder_id] = present.item_id
        joined = merged(wanted, self._attrs(wanted), present)
        if joined == present:
            self._adopted.append((wanted, present.item_id))
        else:
            self._changed.append((wanted, joined))
            self.present[present.item_id] = joined  # what joins it next adds to that
        return True

    def _record_joined(self) -> None:
        """Carry out, together, what was found to be done to the folders that were there."""
        self._applier.adopt(self._adopted)
        self._applier.change_all(self._changed)
        self._adopted, self._changed = [], []

    def _settle(self, wanted: ItemState, present: ItemState) -> None:
        """Correct shares with whom was not at the destination when an earlier run restored them, and is now."""
        settled = present._replace(attrs=shares.grants(present, self._entry_ids).attrs)
        if settled == present:
            self._applier.skip_one(kinds.FOLDER)
        else:
            self._changed.append((wanted, settled))

    def _make(self, wanted: Iterable[ItemState]) -> None:
        batch = [
            state._replace(name=self.free_name(state.folder, state.name, "restored"), attrs=self._attrs(state))
            for state in wanted
        ]
        for state, written in zip(batch, self._applier.make(batch, self._imported)):
            if not written.error:
                self._ids[state.item_id] = written.item_id
                self.add(state._replace(item_id=written.item_id))

    def _attrs(self, state: ItemState) -> Mapping[str, object]:
        resolved = shares.grants(state, self._entry_ids)
        self._applier.warn_all(resolved.problems)
        return resolved.attrs

    def _substitute(self, folder_id: str) -> str:
        state = plan.lost_folder(folder_id)._replace(folder=self.root)
        present = self.child(self.root, state.name)
        if present is None:
            written = self._applier.write([NewItem(substitute_origin(folder_id), state)])[0]
            present = state._replace(item_id=written.item_id or self.root)
            if written.item_id:
                self.add(present)
        self._applier.warn(
            f"The folder {folder_id} cannot be restored; what the backup has in it is put into {state.name!r}."
        )
        self._ids[folder_id] = present.item_id
        return present.item_id


def merged(wanted: ItemState, attrs: Mapping[str, Any], present: ItemState) -> ItemState:
    """Return a folder of the mailbox with the backup's colour, flags and shares, and its own shares besides.

    :param attrs: the backup's attributes, with the destination's ids.
    """
    both = {**present.attrs, **attrs}
    if "grants" in present.attrs and "grants" in attrs:
        both["grants"] = shares.merged_grants(present.attrs["grants"], attrs["grants"])
    return present._replace(flags=wanted.flags, date=wanted.date or present.date, attrs=both)


def substitute_origin(folder_id: str) -> str:
    """Return under what the folder made in the place of one that cannot be had is recorded in the import."""
    return f"{folder_id}/lost"
