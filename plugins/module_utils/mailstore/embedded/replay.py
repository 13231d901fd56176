# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Doing again, on an older copy of a store, what its redo log says happened since."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable
from typing import Any, Final

from ...model.errors import Damaged, RestanteError
from ...model.state import Entry, ItemState, state_from_json
from ..port import NewItem
from .redo_log import RedoLog
from .store import EmbeddedStore

_INVALID: Final = (LookupError, TypeError, ValueError, AttributeError, OverflowError)
"""What values of another type, or out of bounds, raise."""


def replay(store: EmbeddedStore, directory: str) -> int:
    """Bring a copy of a store up to date from the redo log of the original.

    :param store: the copy, opened.
    :param directory: the log, the original's redolog/.
    :returns: how many transactions were done again; 0 when the copy is up to date, so it can be called again.
    :raises Damaged: the log does not go on where the copy ends, or does not fit it.
    """
    done = 0
    for record in RedoLog(directory).records(store.last_transaction()):
        try:
            _check(record.fields)
            _OPERATIONS[record.operation](store, record.fields)
        # A line whose checksum is right, and that this store has not written, may hold anything.
        except (RestanteError, sqlite3.Error, *_INVALID) as error:
            raise Damaged(
                f"Transaction {record.number} of {directory} cannot be done again on {store.path} ({error}); "
                "is this the log of the store that it is a copy of?"
            ) from error
        if store.last_transaction() != record.number:
            raise Damaged(f"Transaction {record.number} of {directory} does not fit {store.path}; use another copy.")
        done += 1
    return done


def _check(fields: dict[str, Any]) -> None:
    """Refuse names that are no texts. :raises TypeError: one of them is none."""
    for name in ("account", "import_id", "kind", "entry_id", "item"):
        if not isinstance(fields.get(name, ""), str):
            raise TypeError(f"{name} is no text")


def _create_entry(store: EmbeddedStore, fields: dict[str, Any]) -> None:
    store.create_entry(_entry(fields), fields["at"])


def _update_entry(store: EmbeddedStore, fields: dict[str, Any]) -> None:
    store.update_entry(_entry(fields))


def _reshape_entry(store: EmbeddedStore, fields: dict[str, Any]) -> None:
    store.reshape_entry(_entry(fields))


def _delete_entry(store: EmbeddedStore, fields: dict[str, Any]) -> None:
    store.delete_entry(fields["kind"], fields["entry_id"])


def _write_items(store: EmbeddedStore, fields: dict[str, Any]) -> None:
    batch = [NewItem(item["origin"], _state("", item["state"]), _blob(item["blob"])) for item in fields["items"]]
    store.write_items(fields["account"], batch, fields["import_id"])


def _map_imported(store: EmbeddedStore, fields: dict[str, Any]) -> None:
    store.map_imported(fields["account"], fields["import_id"], [(pair[0], pair[1]) for pair in fields["pairs"]])


def _update_item(store: EmbeddedStore, fields: dict[str, Any]) -> None:
    store.update_item(fields["account"], _state(fields["item"], fields["state"]), _blob(fields["blob"]))


def _update_items(store: EmbeddedStore, fields: dict[str, Any]) -> None:
    store.update_items(fields["account"], [_state(item["item"], item["state"]) for item in fields["items"]])


def _delete_items(store: EmbeddedStore, fields: dict[str, Any]) -> None:
    store.delete_items(fields["account"], fields["items"])


_OPERATIONS: dict[str, Callable[[EmbeddedStore, dict[str, Any]], None]] = {
    "create_entry": _create_entry,
    "update_entry": _update_entry,
    "reshape_entry": _reshape_entry,
    "delete_entry": _delete_entry,
    "write_items": _write_items,
    "map_imported": _map_imported,
    "update_item": _update_item,
    "update_items": _update_items,
    "delete_items": _delete_items,
}


def _entry(fields: dict[str, Any]) -> Entry:
    entry = state_from_json("", fields["entry"])
    if not isinstance(entry, Entry):
        raise TypeError("the redo log has something else than an entry where an entry should be")
    return entry


def _state(item: str, record: dict[str, Any]) -> ItemState:
    state = state_from_json(item, record)
    if not isinstance(state, ItemState):
        raise TypeError("the redo log has something else than an item where an item should be")
    return state


def _blob(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
