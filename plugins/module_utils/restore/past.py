# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the items of a mailbox were, and what its folders and tags were, at any point of the past. Reads only.

Points are sequence numbers, never the clock: it may have been set back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ..backup.repository import Repository
from ..model.state import ItemState, Transaction

_FOREVER: Final = 2**62

TRASH: Final = "3"
"""Id of the Trash in every mailbox."""


class Known(NamedTuple):
    """A state of an item, and from when until when it was that."""

    state: ItemState
    seq: int
    """Of the transaction that recorded it."""
    until: int
    """The last sequence number at which it was so."""


class Past:
    """The past of one mailbox. What was asked of folders and tags is remembered: a mailbox has few of them."""

    def __init__(self, source: Repository, account_id: str) -> None:
        self._source = source
        self._account_id = account_id
        self._histories: dict[str, Sequence[Transaction]] = {}

    def item(self, item_id: str, before: int) -> Known | None:
        """Return what an item was before a sequence number.

        Of an item that went through the Trash, that is its last state outside of it; None where there was no item.
        """
        return self._before(self._source.history(self._account_id, item_id), before)

    def folder(self, folder_id: str, at: int) -> Known | None:
        """Return what a folder or a tag was at a sequence number, or before it was deleted. As item()."""
        return self._before(self._history(folder_id), at + 1)

    def latest(self, folder_id: str, until: int) -> ItemState | None:
        """Return the last state of a folder by a moment, UTC milliseconds; if there is one, outside of the Trash."""
        known = self._before((one for one in self._history(folder_id) if one.at <= until), _FOREVER)
        return None if known is None else known.state

    def in_trash(self, folder_id: str, at: int) -> bool:
        """Return whether a folder was in the Trash at a sequence number, however deep."""
        seen: set[str] = set()
        while folder_id and folder_id != TRASH and folder_id not in seen:
            seen.add(folder_id)
            states = [
                one.state for one in self._history(folder_id) if one.seq <= at and isinstance(one.state, ItemState)
            ]
            folder_id = states[-1].folder if states else ""
        return folder_id == TRASH

    def _history(self, item_id: str) -> Sequence[Transaction]:
        if item_id not in self._histories:
            self._histories[item_id] = list(self._source.history(self._account_id, item_id))
        return self._histories[item_id]

    def _before(self, history: Iterable[Transaction], before: int) -> Known | None:
        last = outside = None
        for one in history:
            if outside is not None and outside.until >= one.seq:
                outside = outside._replace(until=min(one.seq, before) - 1)
            if one.seq >= before:
                break
            if isinstance(one.state, ItemState):
                last = Known(one.state, one.seq, before - 1)
                if not self.in_trash(one.state.folder, one.seq):
                    outside = last
        return outside or last
