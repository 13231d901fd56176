# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the ids of a backup mean at the destination, beyond the mailbox that is being restored."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds
from ..model.state import ACCOUNT_ITEM, NO_ATTRS, SERVER, ItemState
from .idmap import mailbox_import

Path = tuple[str, ...]


class References:
    """Looks ids up in the import's map; what was not imported, by its name at the destination."""

    def __init__(self, source: Repository, store: MailStore, known: Mapping[str, str], import_id: str) -> None:
        """
        :param known: id in the backup to id at the destination of what this import knows (ImportMap.ids).
        """
        self._source = source
        self._store = store
        self._known = known
        self._import_id = import_id
        self._by_name: dict[str, str | None] = {}

    def entry(self, source_id: str) -> str | None:
        """Return the destination's id of a directory entry of the backup, None where it has none."""
        known = self._known.get(source_id)
        if known is not None:
            return known
        if source_id not in self._by_name:
            entry = self._source.entry(source_id, ACCOUNT_ITEM) or self._source.entry(SERVER, source_id)
            found = None if entry is None else self._store.find_entry(entry.kind, entry.name)
            self._by_name[source_id] = None if found is None else found.entry_id
        return self._by_name[source_id]

    def items(self, account_id: str, wanted: Collection[str]) -> dict[str, str]:
        """Return the destination's ids of items of another mailbox of the backup; those that are not there are absent.

        A folder that was not imported (its account was not part of any restore) is found by its path.
        """
        owner = self.entry(account_id)
        if owner is None:
            return {}
        found: dict[str, str] = {}
        import_id = mailbox_import(self._import_id, self._known, account_id)
        for origin, item_id in self._store.imported(owner, import_id):
            if origin in wanted:
                found[origin] = item_id
                if len(found) == len(wanted):
                    return found
        missing = set(wanted) - set(found)
        before = paths_of(self._source_folders(account_id))
        if missing & set(before):
            here = {path: folder_id for folder_id, path in paths_of(self._store.folders(owner)).items()}
            found.update((one, here[before[one]]) for one in missing if one in before and before[one] in here)
        return found

    def _source_folders(self, account_id: str) -> list[ItemState]:
        found = self._source.states(account_id, kinds=(kinds.FOLDER,))
        return [transaction.state for transaction in found if isinstance(transaction.state, ItemState)]


class SameServer(References):
    """For a backup of this very server: what is there still has the id that it had.

    Nothing is looked up by its name: what has the name now may be somebody else's.
    """

    def __init__(
        self, source: Repository, store: MailStore, known: Mapping[str, str] = NO_ATTRS, import_id: str = ""
    ) -> None:
        """:param known: id in the backup to id at the destination of what is made again."""
        super().__init__(source, store, known, import_id)
        self._there: dict[str, bool] = {}

    def entry(self, source_id: str) -> str | None:
        """See References."""
        if source_id in self._known:
            return self._known[source_id]
        if source_id not in self._there:
            self._there[source_id] = any(
                self._store.find_entry(kind, source_id) is not None for kind in kinds.ENTRY_KINDS
            )
        return source_id if self._there[source_id] else None

    def items(self, account_id: str, wanted: Collection[str]) -> dict[str, str]:
        """See References."""
        if account_id in self._known:
            return super().items(account_id, wanted)
        if self.entry(account_id) is None:
            return {}
        return {item_id: item_id for item_id in wanted if self._store.item(account_id, item_id) is not None}


def paths_of(folders: Collection[ItemState]) -> dict[str, Path]:
    """Return the names from the root down of each folder that can be reached from it, by id."""
    known = {folder.item_id: folder for folder in folders}
    paths: dict[str, Path] = {}
    for folder_id in known:
        names: list[str] = []
        above: str = folder_id
        steps = 0  # folders that lie in each other never come to the root
        while above in known and steps <= len(known):
            steps += 1
            if known[above].name:
                names.append(known[above].name)
            above = known[above].folder
        if not above:
            paths[folder_id] = tuple(reversed(names))
    return paths
