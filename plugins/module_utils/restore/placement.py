# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where items of the past lie in a mailbox of today: their folders and tags, as they are or as they have to be made.

What is there is found by its path or its name, also what an earlier run has made, and keeps its id as its key in the
plan. What has to be made again gets the key <id>@<sequence number of the state that it is made from>, with a number
where that is taken: an earlier run has made it and somebody has removed or renamed it since, or it is made twice.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Final

from ..mailstore.port import MailStore
from ..model import kinds
from ..model.errors import InvalidInput
from ..model.state import ItemState
from . import plan
from .folders import merged
from .past import TRASH, Known, Past
from .references import paths_of

_NEW: Final = "/"
"""Is in the keys of what the backup does not have; no item id has it."""


class Placement:
    """Finds folders and tags, and remembers those that are needed."""

    def __init__(
        self, store: MailStore, account_id: str, past: Past, until: int, apart: str = "", taken: Container[str] = ()
    ) -> None:
        """
        :param until: UTC milliseconds; folders that are made again get the attributes that they had last by then.
        :param apart: ends the keys of folders that are made again somewhere else than where they were.
        :param taken: the keys that earlier runs have used.
        """
        self._past = past
        self._apart = f"{_NEW}{apart}" if apart else ""
        self._until = until
        self._taken = taken
        folders = list(store.folders(account_id))
        self._live = {folder.item_id: folder for folder in folders if folder.kind == kinds.FOLDER}
        self._elsewhere = {(one.folder, one.name) for one in folders if one.kind == kinds.MOUNTPOINT}
        self._at = {path: folder_id for folder_id, path in paths_of(list(self._live.values())).items()}
        self._store = store
        self._account_id = account_id
        self._keys: dict[tuple[str, str], str] = {}
        self._same_tags: dict[str, ItemState | None] = {}
        self._live_tags: dict[str, ItemState] | None = None
        self.root = next((folder.item_id for folder in self._live.values() if plan.is_root(folder)), "")
        self.folders: dict[str, ItemState] = {}
        """The folders that are needed, by key; their own folders are keys too."""
        self.tags: dict[str, ItemState] = {}
        """The tags that are needed, by key."""

    def new_folders(self) -> list[str]:
        """Return the paths of the folders that have to be made."""
        return sorted(path for path, _wanted, present in self._again() if present is None)

    def changed_folders(self) -> list[str]:
        """Return the paths of the folders that are there, and get the attributes that they had."""
        return sorted(
            path for path, wanted, present in self._again()
            if present is not None and merged(wanted, wanted.attrs, present) != present
        )

    def new_tags(self) -> list[str]:
        """Return the names of the tags that have to be made."""
        return sorted({tag.name for key, tag in self.tags.items() if "@" in key or _NEW in key})

    def _again(self) -> Iterator[tuple[str, ItemState, ItemState | None]]:
        """Yield the path and the state of each folder that was, with the one that is there now."""
        for key, path in paths_of(list(self.folders.values())).items():
            if key not in self._live:
                yield "/" + "/".join(path), self.folders[key], self._live.get(self._at.get(path, ""))

    def is_there(self, folder_id: str, since: int) -> bool:
        """Return whether a folder of a sequence number is in the mailbox still, and not in the Trash."""
        return folder_id in self._live and TRASH not in self._chain(folder_id) and self._past.same_mailbox(since)

    def present(self, folder_id: str) -> str:
        """Return the key of a folder of the mailbox."""
        for one in self._chain(folder_id):
            self.folders[one] = self._live[one]
        return folder_id

    def path(self, names: Sequence[str], view: str) -> str:
        """Return the key of the folder with a path from the root down.

        :param view: what folders that are missing are made for. :raises InvalidInput: it leads to another mailbox.
        """
        above = self.present(self.root)
        for depth, name in enumerate(names, 1):
            if (above, name) in self._elsewhere:
                raise InvalidInput(f"/{'/'.join(names[:depth])} leads to another mailbox; name a folder of this one.")
            here = self._at.get(tuple(names[:depth]))
            above = self.present(here) if here else self._new(
                f"{above}{_NEW}{name}", ItemState("", kinds.FOLDER, above, name, attrs={"view": view} if view else {})
            )
        return above

    def folder(self, folder_id: str, at: int, top: str = "") -> str:
        """Return the key of the folder with the path that a folder had at a sequence number: one that is there (R-092),
        or one that is to be made again (R-085), with the latest attributes (R-086).

        :param top: name of a folder to make the path below.
        """
        names = [top] if top else []
        above = self.path(names, kinds.MESSAGE)
        for known in self._was(folder_id, at):
            names.append(known.state.name)
            here = self._at.get(tuple(names))
            above = self.present(here) if here else self.again(known, above)
        return above

    def again(self, known: Known, above: str) -> str:
        """Return the key of a folder that is to be in another as it was, whether one of its name is there or not."""
        latest = self._past.latest(known, self._until)
        wanted = latest._replace(folder=above, name=known.state.name, tags=())
        return self._new(f"{known.state.item_id}@{known.seq}{self._apart}", wanted)

    def tag(self, tag_id: str, at: int) -> str:
        """Return the key of a tag: of the same one, if it is there still."""
        if tag_id not in self._same_tags:
            self._same_tags[tag_id] = self._store.item(self._account_id, tag_id)
        present = self._same_tags[tag_id]
        if present is not None and present.kind == kinds.TAG and self._past.same_mailbox(at):
            self.tags[tag_id] = present
            return tag_id
        known = self._past.folder(tag_id, at)
        if known is None or known.state.kind != kinds.TAG:
            return tag_id  # unknown: whoever restores the item says so
        return self.tag_again(known)

    def tag_again(self, known: Known) -> str:
        """Return the key of a tag that is to be there as it was; of the one of its name, if there is one."""
        return self._tag(f"{known.state.item_id}@{known.seq}", known.state)

    def new_tag(self, name: str) -> str:
        """Return the key of a tag with a name."""
        return self._tag(_NEW + name, ItemState("", kinds.TAG, "", name))

    def _tag(self, key: str, state: ItemState) -> str:
        if self._live_tags is None:
            everything = self._store.changes(self._account_id).items
            self._live_tags = {one.name: one for one in everything if one.kind == kinds.TAG}
        present = self._live_tags.get(state.name)
        wanted = present or state._replace(item_id=self._unused(key, ("", state.name)))
        self.tags[wanted.item_id] = wanted
        return wanted.item_id

    def _new(self, key: str, state: ItemState) -> str:
        key = self._unused(key, (state.folder, state.name))
        self.folders[key] = state._replace(item_id=key)
        return key

    def _unused(self, wanted: str, place: tuple[str, str]) -> str:
        """Return a key for what is made at a place, each time the same."""
        if place not in self._keys:
            key, number = wanted, 1
            while key in self._taken or key in self.folders:
                number += 1
                key = f"{wanted}{_NEW}{number}"
            self._keys[place] = key
        return self._keys[place]

    def _chain(self, folder_id: str) -> list[str]:
        """Return a folder of the mailbox and those that it lies in, the root last."""
        chain: list[str] = []
        while folder_id in self._live and folder_id not in chain:
            chain.append(folder_id)
            folder_id = self._live[folder_id].folder
        return chain

    def _was(self, folder_id: str, at: int) -> list[Known]:
        """Return what led to a folder at a sequence number, from the top down, the root left out.

        A folder that the backup does not know is one of the name unknown_<its id> (R-087).
        """
        chain: list[Known] = []
        seen: set[str] = set()
        while folder_id and folder_id not in seen:
            seen.add(folder_id)
            known = self._past.folder(folder_id, at)
            if known is None or known.state.kind != kinds.FOLDER:
                return [Known(plan.lost_folder(folder_id), 0, 0), *chain]
            if plan.is_root(known.state):
                break
            chain.insert(0, known)
            folder_id = known.state.folder
        return chain


def parts(path: str) -> list[str]:
    """Return the names of a folder's path that somebody has given.

    :raises InvalidInput: it names no folder.
    """
    names = [name for name in path.split("/") if name]
    if not names or any(name in (".", "..") or "\0" in name for name in names):
        raise InvalidInput(f"{path!r} is no folder; write it as /Inbox/Projects.")
    return names
