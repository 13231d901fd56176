# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Legal hold: accounts of which no state is ever purged (R-242 to R-244; reference, section 2.6).

A hold is part of the backup: a transaction of the server's journal, of the kind legal_hold. So it is in the bucket too,
it outlives its account and the node, and its history tells when it was set and when it was lifted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from ..backup.repository import Repository
from ..backup.writer import Writer
from ..model import kinds
from ..model.errors import NotFound
from ..model.state import SERVER, Entry, ItemState

ALL = "all"
_PREFIX = "hold:"


class Held(NamedTuple):
    """An account that the backup knows, and whether it is on hold."""

    name: str
    """Its address, the last that it had."""
    account_id: str
    held: bool
    deleted: bool
    """There is no such account any more."""


def held(repository: Repository) -> set[str]:
    """Return the ids of the accounts on hold."""
    found = repository.states(SERVER, kinds=(kinds.LEGAL_HOLD,))
    return {transaction.item_id[len(_PREFIX):] for transaction in found}


def accounts(repository: Repository) -> list[Held]:
    """Return all accounts of a backup, deleted ones too, by address."""
    on_hold = held(repository)
    present = {transaction.scope for transaction in repository.entries(kinds.ACCOUNT)}
    return sorted(
        Held(found.state.name, found.scope, found.scope in on_hold, found.scope not in present)
        for found in repository.entries(kinds.ACCOUNT, deleted=True) if isinstance(found.state, Entry)
    )


def named(known: Iterable[Held], names: Collection[str]) -> list[Held]:
    """Return the accounts that ids, addresses or the word all mean, each once.

    An address means the account that has it, and where none has it any more, all deleted ones that had it.

    :raises NotFound: the backup knows no such account; all of them are named.
    """
    rows = list(known)
    if any(name.lower() == ALL for name in names):
        return rows
    found: dict[str, Held] = {}
    missing = []
    for name in names:
        matching = [row for row in rows if name == row.account_id or name.lower() == row.name.lower()]
        present = [row for row in matching if not row.deleted or row.account_id == name]
        found.update((row.account_id, row) for row in present or matching)
        if not matching:
            missing.append(repr(name))
    if missing:
        raise NotFound(
            f"The backup knows no account {', '.join(missing)}; check the address, or scan a new account first. "
            "Nothing was changed."
        )
    return list(found.values())


def change(writer: Writer, wanted: Sequence[Held], hold: bool) -> list[Held]:
    """Set or lift the hold of accounts, durably; return those for which that was a change."""
    on_hold = held(writer.repository)
    changed = [row for row in wanted if (row.account_id in on_hold) != hold]
    for row in changed:
        item_id = _PREFIX + row.account_id
        state = ItemState(item_id, kinds.LEGAL_HOLD, name=row.name) if hold else None
        writer.append(SERVER, item_id, kinds.LEGAL_HOLD, state)
    writer.commit()
    return [row._replace(held=hold) for row in changed]
