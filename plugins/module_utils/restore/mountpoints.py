# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mountpoints: how they come back, also where a filter has made a plain folder in their place (R-155 to R-159).

Such a folder is put aside under a helper name, the mountpoint takes its place, the filters are made to name it, and
what is in the folder is moved to where the mountpoint leads. A kill at any moment leaves the helper, by whose name the
next run goes on; when all has been moved, the helper is removed. Nothing is deleted that is not in the other mailbox.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..mailstore.port import NewItem
from ..model import kinds
from ..model.errors import Refused
from ..model.state import ItemState
from . import sieve
from .apply import MailboxApplier
from .folders import Folders

_HELPER: Final = "mountpoint-restore"
_LOCAL: Final = "local"
_RESTORED: Final = "restored"
_BATCH: Final = 100


class Target(NamedTuple):
    """Where a mountpoint leads, when that is on this server."""

    owner: MailboxApplier
    folder: str


class Mountpoints:
    """Restores the mountpoints of one mailbox."""

    def __init__(self, applier: MailboxApplier, folders: Folders) -> None:
        self._applier = applier
        self._folders = folders

    def restore(self, state: ItemState, attrs: Mapping[str, Any], target: Target | None, imported: str | None) -> None:
        """Restore a mountpoint.

        :param attrs: its attributes with the destination's ids. :param target: None where it leads elsewhere.
        :param imported: its id where an earlier run of this import has written it.
        """
        wanted = state._replace(folder=self._folders.id_of(state.folder) or self._folders.root, attrs=attrs)
        if imported is not None:
            self._settle(state, wanted, self._folders.present.get(imported))
        else:
            self._restore(state, wanted, _HELPER if target is not None else _LOCAL)
        if target is not None:
            for helper in self._helpers(wanted):
                self._empty(helper, target)

    def _restore(self, state: ItemState, wanted: ItemState, purpose: str) -> None:
        there = self._folders.child(wanted.folder, wanted.name)
        if there is not None and there.kind == kinds.MOUNTPOINT:
            self._applier.adopt([(state, there.item_id)])
            return
        name = wanted.name if there is None else self._put_aside(there, purpose)
        for written in self._applier.write([NewItem(state.item_id, wanted._replace(name=name))]):
            if not written.error:
                self._folders.add(wanted._replace(name=name, item_id=written.item_id))
        if there is not None:
            self._retarget(self._path(wanted), self._path(wanted._replace(name=name)))

    def _settle(self, state: ItemState, wanted: ItemState, present: ItemState | None) -> None:
        """Correct a mountpoint that was restored before what it leads to, and that leads to an old id therefore."""
        if present is not None:
            old, now, new = _leads_to(state), _leads_to(present), _leads_to(wanted)
            # The owner may have been there before its folder was; what somebody has changed is left alone.
            if now != new and all(one in known for one, *known in zip(now, old, new)):
                self._applier.change(state, present._replace(attrs={**present.attrs, **wanted.attrs}))
                return
        self._applier.skip_one(kinds.MOUNTPOINT)

    def _put_aside(self, folder: ItemState, purpose: str) -> str:
        """Give a plain folder another name; return the name that the mountpoint gets: the folder's, if it is free."""
        name = folder.name
        aside = folder._replace(name=self._folders.free_name(folder.folder, name, purpose))
        try:
            self._applier.amend(aside)
        except Refused:  # a folder of the system keeps its name
            name = self._folders.free_name(folder.folder, name, _RESTORED)
            self._applier.warn(f"The mountpoint {folder.name!r} is restored as {name!r}: a folder has its name.")
            return name
        self._folders.remove(folder)
        self._folders.add(aside)
        if purpose == _LOCAL:
            self._applier.warn(
                f"The folder {name!r}, in whose place a mountpoint to another server is restored, is now "
                f"{aside.name!r}; move what is in it yourself."
            )
        return name

    def _helpers(self, wanted: ItemState) -> list[ItemState]:
        return [
            folder for folder in self._folders.present.values()
            if folder.folder == wanted.folder and folder.kind == kinds.FOLDER
            and folder.name.startswith(f"{wanted.name} ({_HELPER}")
        ]

    # -- moving what a filter has put into the folder --------------------------------------------------------------

    def _empty(self, helper: ItemState, target: Target) -> None:
        """Move all that is in a helper to where the mountpoint leads, and remove it."""
        places = {helper.item_id: target.folder}
        for folder in self._below(helper):
            places[folder.item_id] = self._same_folder(target.owner, places[folder.folder], folder)
        refused = False
        for batch in self._content(places):
            new = [
                NewItem(
                    f"{self._applier.account_id}/{state.item_id}",
                    state._replace(folder=places[state.folder], tags=()),
                    self._applier.store.read_blob(self._applier.account_id, state.item_id)
                    if state.kind in kinds.WITH_CONTENT else None,
                )
                for state in batch
            ]
            written = target.owner.move_in(new)
            gone = [state.item_id for state, result in zip(batch, written) if not result.error]
            self._applier.moved_out(gone)
            refused = refused or len(gone) < len(batch)
            if any(state.tags for state in batch):
                self._applier.warn(f"Items of {helper.name!r} were moved to where it leads, without their tags.")
        if refused:
            kept = helper._replace(name=self._folders.free_name(helper.folder, helper.name, _LOCAL))
            self._applier.amend(kept)
            self._applier.warn(
                f"Some items could not be moved to where a mountpoint leads; they are in {kept.name!r} still."
            )
        else:
            self._applier.moved_out([helper.item_id])
            self._folders.remove(helper)

    def _below(self, helper: ItemState) -> Iterator[ItemState]:
        """Yield the folders in a folder, parents first."""
        waiting = deque([helper.item_id])
        while waiting:
            folder_id = waiting.popleft()
            for folder in list(self._folders.present.values()):
                if folder.folder == folder_id and folder.kind == kinds.FOLDER:
                    waiting.append(folder.item_id)
                    yield folder

    def _same_folder(self, owner: MailboxApplier, parent: str, folder: ItemState) -> str:
        """Return the folder of the same name in the other mailbox; it is made where there is none."""
        for there in owner.store.folders(owner.account_id):
            if (there.folder, there.name, there.kind) == (parent, folder.name, kinds.FOLDER):
                return there.item_id
        made = owner.move_in([
            NewItem(f"{self._applier.account_id}/{folder.item_id}", folder._replace(folder=parent, attrs={}))
        ])[0]
        return made.item_id or parent

    def _content(self, places: Mapping[str, str]) -> Iterator[Sequence[ItemState]]:
        """Yield what lies in folders, in batches."""
        found = [
            state for state in self._applier.store.changes(self._applier.account_id).items
            if state.folder in places and state.item_id not in places
        ]
        for start in range(0, len(found), _BATCH):
            yield found[start:start + _BATCH]

    # -- the filters that made the folder --------------------------------------------------------------------------

    def _path(self, folder: ItemState) -> str:
        names = [folder.name]
        above = self._folders.present.get(folder.folder)
        while above is not None and above.name and len(names) <= len(self._folders.present):
            names.append(above.name)
            above = self._folders.present.get(above.folder)
        return "/".join(reversed(names))

    def _retarget(self, old: str, new: str) -> None:
        """Make the filters of the mailbox that file into the folder at the old path name the mountpoint (R-157)."""
        def new_folder(folder: str) -> str | None:
            meant = folder.strip("/")
            return new if meant.casefold() == old.casefold() and meant != new else None

        for present in self._applier.named(kinds.FILTER_SET).values():
            script = self._applier.store.read_blob(self._applier.account_id, present.item_id)
            changed = sieve.retarget(script, new_folder)
            if changed != script:
                self._applier.amend(present, changed)


def _leads_to(mountpoint: ItemState) -> tuple[Any, Any]:
    return mountpoint.attrs.get("owner_id"), mountpoint.attrs.get("remote_id")
