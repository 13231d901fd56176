# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the end of an account in a backup means: that it was deleted, or only that its backup was switched off."""

from __future__ import annotations

from ..model import kinds
from ..model.state import ACCOUNT_ITEM, Entry, Transaction
from ..model.switch import Switch
from .repository import Repository


def was_switched_off(repository: Repository, end: Transaction) -> bool:
    """Return whether an account was there and not backed up any more (R-245), by its last entry and its class of
    service as of then.

    :param end: the deletion of the account in its journal.
    """
    last = None
    for one in repository.history(end.scope, ACCOUNT_ITEM):
        if one.seq < end.seq and isinstance(one.state, Entry):
            last = one.state
    return last is not None and not Switch(
        (one.state for one in repository.entries(kinds.COS, end.at) if isinstance(one.state, Entry)),
        (one.state for one in repository.entries(kinds.DOMAIN, end.at) if isinstance(one.state, Entry)),
    ).is_on(last)


def began_after(repository: Repository, account_id: str) -> int:
    """Return the number of the last deletion after which an account was there again, with a new mailbox; 0 for none."""
    history = list(repository.history(account_id, ACCOUNT_ITEM))
    while history and history[-1].state is None:
        history.pop()
    ends = [one for one in history if one.state is None]
    return max((one.seq for one in ends if not was_switched_off(repository, one)), default=0)
