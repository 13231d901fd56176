# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deleted items that come back with a mailbox, and where to (R-059 to R-061; reference, section 2.6).

What was in the Trash when it was deleted comes back to where it was before, unless it never was anywhere else.
"""

from __future__ import annotations

from typing import Final

from ..backup.repository import Repository
from ..model import kinds
from ..model.state import ItemState, Transaction
from .idmap import OriginSet
from .past import FOREVER, Past

IMAP_DELETED: Final = "x"

NEVER: Final = frozenset((kinds.FILTER_SET, kinds.DATA_SOURCE, kinds.MOUNTPOINT))
"""Settings and ways into other mailboxes: deleted ones do not come back."""


class Undeleted:
    """What was deleted from a mailbox in an interval."""

    def __init__(self, source: Repository, account_id: str, since: int | None, until: int) -> None:
        """
        :param since: UTC milliseconds; what was deleted earlier does not come back, but for folders that something
            else comes back to. None for no such limit.
        """
        self._source = source
        self._account_id = account_id
        self._until = until
        self._past = Past(source, account_id)
        self._gone = OriginSet()
        self._early = OriginSet()
        self._needed: set[str] = set()
        start = -FOREVER if since is None else since
        for deletion in source.deleted_between(account_id, -FOREVER, until):
            (self._gone if deletion.at >= start else self._early).add(str(deletion.seq))
        if since is not None:
            for deletion in source.deleted_between(account_id, since, until):
                self._need(deletion)

    def placed(self, found: Transaction) -> ItemState | None:
        """Return an item of the mailbox as it is to come back; None where it is not to.

        :param found: what Repository.states yields with deleted items: with seq and at of the deletion.
        """
        state = found.state
        if not isinstance(state, ItemState):
            return None
        number = str(found.seq)
        early = number in self._early
        if not early and number not in self._gone:
            return state
        if state.kind in NEVER or (early and found.item_id not in self._needed) or self._past.went_with_account(found):
            return None
        if self._past.in_trash(state.folder, found.seq):
            state = self._before_trash(found) or state
        return visible(state)

    def _before_trash(self, deletion: Transaction) -> ItemState | None:
        known = self._past.item(deletion.item_id, deletion.seq)
        return None if known is None else known.state

    def _need(self, deletion: Transaction) -> None:
        """Remember the folder that a deleted item comes back to, and those that it lies in."""
        state = self._before_trash(deletion)
        while state is not None and state.folder and state.folder not in self._needed:
            self._needed.add(state.folder)
            folder = self._source.state(self._account_id, state.folder, self._until)
            state = None if folder is None or folder.state is not None else self._before_trash(folder)


def visible(state: ItemState) -> ItemState:
    """Return an item without the flag by which IMAP programs hide it (R-061, R-093)."""
    return state._replace(flags=state.flags.replace(IMAP_DELETED, ""))
