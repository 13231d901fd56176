# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Items as rows of an index, and the folders that every mailbox has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from ...model import foreign
from ...model.errors import Damaged
from ...model.state import ItemState

ROOT: Final = 1
FIRST_USER_ID: Final = 256

SYSTEM_FOLDERS: Final = (
    (1, 0, "", ""), (2, 1, "Inbox", "message"), (3, 1, "Trash", ""), (4, 1, "Junk", "message"),
    (5, 1, "Sent", "message"), (6, 1, "Drafts", "message"), (7, 1, "Contacts", "contact"),
    (10, 1, "Calendar", "appointment"), (13, 1, "Emailed Contacts", "contact"), (15, 1, "Tasks", "task"),
    (16, 1, "Briefcase", "document"),
)
"""(id, parent, name, view) of Carbonio's own folders, which cannot be renamed, moved or deleted."""

COLUMNS: Final = "id, kind, folder, name, flags, tags, date, size, digest, attrs"
IS_FOLDER: Final = "kind IN ('folder', 'mountpoint')"
"""Written as in the index folder_names, which could not be used otherwise."""


def number_of(item_id: str) -> int:
    """Return an item id as a number; 0, which no item has, for what is no id of this store."""
    if item_id.isascii() and item_id.isdecimal() and item_id[0] != "0" and len(item_id) < 19:
        return int(item_id)
    return 0


def state_of(row: tuple[Any, ...]) -> ItemState:
    """Return the state that a row of COLUMNS holds. :raises Damaged: it holds none."""
    item, kind, folder, name, flags, tags, date, size, digest, attrs = row
    try:
        if not (type(date) is type(size) is int and type(name) is type(flags) is str):
            raise TypeError("a value is not of its type")
        return ItemState(
            str(item), kind, str(folder) if folder else "", name, flags, tuple(tags.split()), date, size,
            digest.hex() if digest else "", {} if attrs == "{}" else foreign.parse(attrs),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise Damaged(f"Item {item} of the store cannot be read ({error}); put back a copy of the store.") from error


def parents_first(folders: Iterable[ItemState]) -> Iterator[ItemState]:
    """Yield folders level by level; those whose parent is not among them first."""
    level = list(folders)
    present = {folder.item_id for folder in level}
    inside: dict[str, list[ItemState]] = {}
    for folder in level:
        inside.setdefault(folder.folder if folder.folder in present else "", []).append(folder)
    level = inside.get("", [])
    while level:
        yield from level
        level = [child for folder in level for child in inside.get(folder.item_id, [])]
