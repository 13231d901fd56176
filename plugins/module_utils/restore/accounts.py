# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding an account in a backup, and saying which moment of the backup is meant."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..backup.repository import Repository
from ..model import kinds, moment
from ..model.errors import InvalidInput, NotFound
from ..model.moment import Moment
from ..model.state import ACCOUNT_ITEM, Entry


class Found(NamedTuple):
    """An account of a backup."""

    entry: Entry
    """As it was, or as it was last where it was gone by then."""
    at: int
    """When that, or its deletion, was recorded, UTC milliseconds."""
    deleted: bool

    def shown(self) -> dict[str, Any]:
        """Return which account it is."""
        return {
            "id": self.entry.entry_id,
            "name": self.entry.name,
            "deleted": self.deleted,
            "deleted_at": moment.iso(self.at) if self.deleted else "",
        }


def accounts(source: Repository, at: int | None = None, deleted: bool = True) -> list[Found]:
    """Return the accounts of a backup as they were at a moment (None: at its end), by address.

    :param deleted: also those that were gone by then.
    """
    found = []
    for last in source.entries(kinds.ACCOUNT, at, deleted):
        if isinstance(last.state, Entry):
            gone = deleted and source.entry(last.scope, ACCOUNT_ITEM, at) is None
            found.append(Found(last.state, last.at, gone))
    return sorted(found, key=lambda one: (one.entry.name, one.deleted, -one.at))


def find_account(source: Repository, name: str, at: int | None = None) -> Found:
    """Return an account by its id, its address or an alias, in any case (R-037).

    Of several that had the address, it is the one that was there at the moment, else the one that was deleted last; the
    others are found by their ids.

    :raises NotFound: the backup knows none up to the moment.
    """
    wanted = name.strip().lower()

    def rank(one: Found) -> int:
        names = [one.entry.entry_id, one.entry.name]
        return next((place for place, known in enumerate(names) if known.lower() == wanted), len(names))

    matching = [
        one for one in accounts(source, at)
        if rank(one) < 2 or any(alias.lower() == wanted for alias in one.entry.aliases)
    ]
    if not matching:
        when = "" if at is None else f" at {moment.iso(at)}"
        raise NotFound(
            f"The backup in {source.path} knows no account {name!r}{when}; check the spelling, or list what it knows "
            "with getAvailableAccounts."
        )
    return min(matching, key=lambda one: (rank(one) > 0, one.deleted, rank(one), -one.at))


def moment_in(source: Repository, wanted: Moment) -> int | None:
    """Return what a moment means in a backup: UTC milliseconds, or None for its end.

    :raises InvalidInput: it is before the backup's first state, or in the future.
    """
    if wanted == moment.LAST:
        return None
    span = source.span()
    if span is None:
        raise InvalidInput(f"The backup in {source.path} is empty; let a SmartScan fill it first.")
    at = span[0] if wanted == moment.FIRST else int(wanted)
    first, last = (moment.iso(limit) for limit in span)
    limits = f"The backup in {source.path} begins at {first}; its last change is of {last}."
    if at < span[0]:
        raise InvalidInput(f"{limits} There is nothing of {moment.iso(at)}: give a later date, first or last.")
    if at > max(span[1], moment.now()):
        raise InvalidInput(f"{limits} {moment.iso(at)} is in the future: give an earlier date, or last.")
    return at
