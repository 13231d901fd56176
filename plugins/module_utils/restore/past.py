# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the items of a mailbox were, and what its folders and tags were, at any point of the past. Reads only.

Points are sequence numbers, never the clock: it may have been set back. An account that was deleted and restored under
its own id has a new mailbox, in which the same ids are those of other items: the deletion of the account ends what was
known of the items of the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ..backup.repository import Repository
from ..model.state import ACCOUNT_ITEM, ItemState, Transaction

FOREVER: Final = 2**62
"""Later than any moment, and than any sequence number."""

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
        self._ends = [one.seq for one in source.history(account_id, ACCOUNT_ITEM) if one.state is None]

    def same_mailbox(self, one: int, other: int = FOREVER) -> bool:
        """Return whether the account was not deleted between two sequence numbers; by default until now."""
        return not any(one < end <= other for end in self._ends)

    def went_with_account(self, deletion: Transaction) -> bool:
        """Return whether an item is only gone because its account was deleted."""
        if not self._ends:
            return False
        known = self.item(deletion.item_id, deletion.seq)
        return known is not None and not self.same_mailbox(known.seq, deletion.seq)

    def item(self, item_id: str, before: int) -> Known | None:
        """Return what an item was before a sequence number.

        Of an item that went through the Trash, that is its last state outside of it; None where there was no item.
        """
        return self._before(self._source.history(self._account_id, item_id), before)

    def folder(self, folder_id: str, at: int) -> Known | None:
        """Return what a folder or a tag was at a sequence number, or before it was deleted. As item()."""
        return self._before(self._history(folder_id), at + 1)

    def latest(self, folder: Known, until: int) -> ItemState:
        """Return the last state of a folder by a moment, UTC milliseconds; if there is one, outside of the Trash."""
        history = self._history(folder.state.item_id)
        latest = self._before((one for one in history if one.at <= until), self._end(folder.seq))
        if latest is None or latest.state.kind != folder.state.kind or not self.same_mailbox(latest.seq, folder.seq):
            return folder.state
        return latest.state

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

    def _end(self, seq: int) -> int:
        """Return the sequence number at which the mailbox of a point ends."""
        return next((end for end in self._ends if end > seq), FOREVER)

    def _before(self, history: Iterable[Transaction], before: int) -> Known | None:
        last = outside = None
        gone = False
        for one in history:
            if outside is not None and outside.until >= one.seq:
                outside = outside._replace(until=min(one.seq, before) - 1)
            if one.seq >= before:
                break
            if not isinstance(one.state, ItemState):
                gone = True
                continue
            if last is not None and (gone or not self.same_mailbox(last.seq, one.seq)):
                outside = None  # what had the id until then was something else
            gone = False
            last = Known(one.state, one.seq, min(before, self._end(one.seq)) - 1)
            if not self.in_trash(one.state.folder, one.seq):
                outside = last
        return outside or last
