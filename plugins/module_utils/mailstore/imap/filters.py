# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters of one account: its Sieve scripts as filter sets of the model.

The active script is the filter set "incoming"; the others keep their names. What the server calls a script that has
another name here is among its attributes, so that one that includes it finds it after a restore too.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from ...model import kinds
from ...model.errors import InvalidInput, NotFound
from ...model.state import ItemState
from .mirror import Mirror, item_id
from .sieve import Scripts

INCOMING: Final = "incoming"
OUTGOING: Final = "outgoing"


class Filters:
    """The filters of one mailbox of the mirror."""

    def __init__(self, mirror: Mirror, scripts: Scripts, number: int) -> None:
        self._mirror = mirror
        self._scripts = scripts
        self._number = number

    def synchronise(self) -> None:
        """Bring the mirror up to what scripts there are now."""
        wanted: dict[int, tuple[Any, ...]] = {}
        taken = {INCOMING}
        for script in self._scripts.scripts():
            try:
                content = self._scripts.get(script.name)
            except NotFound:
                continue  # removed since it was listed
            name = INCOMING if script.active else script.name
            while not script.active and name in taken:
                name += " (sieve)"
            taken.add(name)
            wanted[item_id(kinds.FILTER_SET, script.name)] = (
                name, len(content), hashlib.sha256(content).digest(),
                json.dumps({} if script.name == name else {"script": script.name}), script.name,
            )
        database = self._mirror.database
        rows = {row[0]: tuple(row[1:]) for row in database.execute(
            "SELECT id, name, size, digest, attrs, locator FROM items INDEXED BY filter_set_names "
            "WHERE mailbox = ? AND kind = 'filter_set'", (self._number,),
        ).fetchall()}
        other = {item: row for item, row in wanted.items() if rows.get(item) != row}
        gone = [item for item in rows if item not in wanted]
        if not other and not gone:
            return
        with self._mirror.changing(self._number) as work:
            work.touched = True
            self._mirror.writer.bury("id", self._number, gone, work.change)
            for item in other:  # names are free while they are given anew
                database.execute(
                    "UPDATE items SET name = ? WHERE mailbox = ? AND id = ?", (f"\0{item}", self._number, item)
                )
            for item, (name, size, digest, attrs, place) in other.items():
                database.execute(
                    "INSERT OR REPLACE INTO items VALUES (?, ?, ?, 0, ?, '', '', 0, ?, ?, ?, ?, NULL, ?)",
                    (self._number, item, kinds.FILTER_SET, name, size, digest, attrs, work.change, place),
                )

    def read(self, script: str) -> bytes:
        """Return a script. :raises NotFound: it is gone."""
        return self._scripts.get(script)

    def put(self, state: ItemState, content: bytes) -> str:
        """Write a filter set; return what the server calls it. :raises Refused: the server cannot read it."""
        if state.name == OUTGOING:
            raise InvalidInput("This mail server filters what comes in; it has no filters for what goes out.")
        wanted = state.attrs.get("script")
        name = wanted if isinstance(wanted, str) and wanted else state.name
        self._scripts.put(name, content)
        if state.name == INCOMING:
            self._scripts.activate(name)
        return name

    def delete(self, script: str) -> None:
        """Delete a script."""
        self._scripts.delete(script)
