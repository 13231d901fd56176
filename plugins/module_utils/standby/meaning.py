# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a state of the primary means on the standby: its ids, and those of what it refers to, become those here.

What refers to something that is not here yet is written as it was at the primary, and remembered: it is written again
when that is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..ledger.standby import Record, Reference
from ..model import kinds
from ..model.state import ACCOUNT_ITEM, SERVER, Entry, ItemState
from ..restore import shares
from ..restore.attributes import DEFAULT_CALENDAR, mapped

_NOWHERE = "0"
"""The id that no item has."""
_IN_NO_FOLDER = (kinds.TAG, kinds.FILTER_SET, kinds.DATA_SOURCE)


class Meant(NamedTuple):
    """An item as it is to be here."""

    state: ItemState
    references: list[Reference]
    missing: str = ""
    """The id at the primary of the folder that it lies in, or of a tag that it has, where that is not here."""


class MeantEntry(NamedTuple):
    """An entry as it is to be here; its id is still that of the primary."""

    entry: Entry
    references: list[Reference]


class Meanings:
    """Looks ids up in the record."""

    def __init__(self, record: Record, keeps_ids: bool) -> None:
        """
        :param keeps_ids: entries have here the ids that they have at the primary. So may one that is not here yet, or
            that is gone there too: what names it is written as it is.
        """
        self._record = record
        self._keeps_ids = keeps_ids

    def entry(self, source: Entry) -> MeantEntry:
        """Return what an entry of the primary is to be here."""
        scope, item = place_of(source)
        asked: list[Reference] = []

        def entry(one: str) -> str | None:
            return self._entry(scope, item, one, asked) or (one if self._keeps_ids else None)

        meant = mapped(source, entry).entry
        calendar = source.first(DEFAULT_CALENDAR)
        if calendar:
            here = self._item(scope, item, source.entry_id, calendar, asked)
            if here is not None:
                meant = meant._replace(attrs={**meant.attrs, DEFAULT_CALENDAR: (here,)})
        return MeantEntry(meant, asked)

    def item(self, account: str, state: ItemState, named: Mapping[str, str]) -> Meant:
        """Return what an item of the primary is to be here.

        :param named: what the folders and tags of the account are here.
        """
        asked: list[Reference] = []

        def entry(one: str) -> str | None:
            return self._entry(account, state.item_id, one, asked)

        def item(owner: str, one: str) -> str | None:
            return self._item(account, state.item_id, owner, one, asked)

        missing = ""
        folder = ""
        if state.folder and state.kind not in _IN_NO_FOLDER:
            folder = named.get(state.folder, "")
            missing = "" if folder else state.folder
        tags = tuple(sorted(named[tag] for tag in state.tags if tag in named))
        if len(tags) < len(state.tags):
            missing = missing or next(tag for tag in state.tags if tag not in named)
        attrs = state.attrs
        if state.kind == kinds.FOLDER and "grants" in attrs:
            attrs = shares.grants(state, entry).attrs
        elif state.kind == kinds.MOUNTPOINT:
            # A folder that is not here, or not there any more, must not be mistaken for another with its id.
            attrs = shares.mountpoint(state, entry, lambda owner, one: item(owner, one) or _NOWHERE).attrs
        elif state.kind == kinds.CONTACT_GROUP:
            attrs = shares.members(state, account, entry, item).attrs
        elif state.kind == kinds.DATA_SOURCE and attrs.get("folder"):
            attrs = {**attrs, "folder": item(account, str(attrs["folder"])) or ""}
        return Meant(state._replace(folder=folder, tags=tags, attrs=attrs), asked, missing)

    def _entry(self, scope: str, item: str, source: str, asked: list[Reference]) -> str | None:
        known = self._record.entry(source)
        here = known.destination if known is not None else ""
        asked.append(Reference(scope, item, "", source, here))
        return here or None

    def _item(self, scope: str, item: str, owner: str, origin: str, asked: list[Reference]) -> str | None:
        here = self._record.copy(owner, origin) or ""
        asked.append(Reference(scope, item, owner, origin, here))
        return here or None


def place_of(entry: Entry) -> tuple[str, str]:
    """Return the journal that an entry is recorded in, and what it is called there."""
    return (entry.entry_id, ACCOUNT_ITEM) if entry.kind == kinds.ACCOUNT else (SERVER, entry.entry_id)
