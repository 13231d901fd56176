# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where items of the past lie in a mailbox of today: their folders and tags, as they are or as they have to be made.

Nothing that is there is changed. What is there already keeps its id as its key in the plan; what has to be made again
gets the key <id>@<sequence number of the state that it is made from>.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..mailstore.port import MailStore
from ..model import kinds
from ..model.errors import InvalidInput
from ..model.state import ItemState
from . import plan
from .past import TRASH, Known, Past
from .references import paths_of

_NEW: Final = "/"
"""Begins the keys of folders that the backup does not have; no item id begins with it."""


class Placement:
    """Finds folders and tags, and remembers those that are needed."""

    def __init__(self, store: MailStore, account_id: str, past: Past, until: int, apart: str = "") -> None:
        """
        :param until: UTC milliseconds; folders that are made again get the attributes that they had last by then.
        :param apart: ends the keys of folders that are made again somewhere else than where they were.
        """
        self._past = past
        self._apart = f"{_NEW}{apart}" if apart else ""
        self._until = until
        self._live = {folder.item_id: folder for folder in store.folders(account_id) if folder.kind == kinds.FOLDER}
        self._at = {path: folder_id for folder_id, path in paths_of(list(self._live.values())).items()}
        self._store = store
        self._account_id = account_id
        self._live_tags: dict[str, ItemState | None] = {}
        self.root = next((folder.item_id for folder in self._live.values() if plan.is_root(folder)), "")
        self.folders: dict[str, ItemState] = {}
        """The folders that are needed, by key; their own folders are keys too."""
        self.tags: dict[str, ItemState] = {}
        """The tags that are needed, by key."""

    def new_folders(self) -> list[str]:
        """Return the paths of the folders that have to be made."""
        paths = paths_of(list(self.folders.values())).values()
        return sorted("/" + "/".join(path) for path in set(paths) - set(self._at))

    def new_tags(self) -> list[str]:
        """Return the names of the tags that have to be made. May look through the whole mailbox."""
        new = {tag.name for tag in self.tags.values() if "@" in tag.item_id or tag.item_id.startswith(_NEW)}
        if new:
            present = self._store.changes(self._account_id).items
            new.difference_update(one.name for one in present if one.kind == kinds.TAG)
        return sorted(new)

    def is_there(self, folder_id: str) -> bool:
        """Return whether the mailbox has a folder, and not in the Trash."""
        return folder_id in self._live and TRASH not in self._chain(folder_id)

    def present(self, folder_id: str) -> str:
        """Return the key of a folder of the mailbox."""
        for one in self._chain(folder_id):
            self.folders[one] = self._live[one]
        return folder_id

    def path(self, names: Sequence[str]) -> str:
        """Return the key of the folder with a path from the root down."""
        above = self.present(self.root)
        for depth, name in enumerate(names, 1):
            here = self._at.get(tuple(names[:depth]))
            key = self.present(here) if here else f"{above}{_NEW}{name}"
            if not here:
                self.folders[key] = ItemState(key, kinds.FOLDER, above, name, attrs={"view": "message"})
            above = key
        return above

    def folder(self, folder_id: str, at: int, top: str = "") -> str:
        """Return the key of the folder with the path that a folder had at a sequence number: one that is there (R-092),
        or one that is to be made again (R-085), with the latest attributes (R-086).

        :param top: key of a folder to make the path below, in the place of the root.
        """
        chain = self._was(folder_id, at)
        names = [known.state.name for known in chain]
        above = top or self.present(self.root)
        for depth, known in enumerate(chain, 1):
            here = "" if top else self._at.get(tuple(names[:depth]), "")
            above = self.present(here) if here else self.again(known, above)
        return above

    def again(self, known: Known, above: str) -> str:
        """Return the key of a folder that is to be in another as it was, whether one of its name is there or not."""
        folder_id = known.state.item_id
        key = f"{folder_id}@{known.seq}{self._apart}"
        latest = self._past.latest(folder_id, self._until) or known.state
        self.folders[key] = latest._replace(item_id=key, folder=above, name=known.state.name, tags=())
        return key

    def tag(self, tag_id: str, at: int) -> str:
        """Return the key of a tag: of the same one, if it is there still."""
        if tag_id not in self._live_tags:
            self._live_tags[tag_id] = self._store.item(self._account_id, tag_id)
        present = self._live_tags[tag_id]
        known = self._past.folder(tag_id, at)
        if present is not None and present.kind == kinds.TAG:
            self.tags[tag_id] = present
            return tag_id
        if known is None or known.state.kind != kinds.TAG:
            return tag_id  # unknown: whoever restores the item says so
        self.tag_again(known)
        return f"{tag_id}@{known.seq}"

    def tag_again(self, known: Known) -> None:
        """Note that a tag is to be there as it was."""
        key = f"{known.state.item_id}@{known.seq}"
        self.tags[key] = known.state._replace(item_id=key)

    def new_tag(self, name: str) -> str:
        """Return the key of a tag with a name, be it there or not."""
        self.tags[_NEW + name] = ItemState(_NEW + name, kinds.TAG, "", name)
        return _NEW + name

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
