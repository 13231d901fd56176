# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which account of a backup is to be made again, and as of which moment (R-045, R-064, R-067, R-072, R-078)."""

from __future__ import annotations

from typing import NamedTuple

from ..backup.repository import Repository
from ..model import moment
from ..model.errors import InvalidInput, NotFound
from ..model.moment import Moment
from ..model.state import ACCOUNT_ITEM, Entry
from .accounts import find_account, moment_in


class CopyOptions(NamedTuple):
    """What can be asked for."""

    date: Moment = moment.LAST
    """The mailbox as it was then; that of a deleted account as it was at its deletion at the latest (R-045, R-072)."""
    undelete: bool = False
    """Also what was deleted by then (R-059)."""
    undelete_start_date: Moment = moment.FIRST
    """Of that only what was deleted at this moment or later (R-060)."""
    restore_datasource: bool = True
    """External data sources too (R-058, R-074)."""
    hide_in_gal: bool = False
    """The account is not in the address list (R-049)."""


class Past(NamedTuple):
    """An account as it was at a moment."""

    entry: Entry
    at: int
    """UTC milliseconds."""
    notes: tuple[str, ...] = ()
    """What the administrator should know of the choice of the moment, as sentences."""


def as_it_was(source: Repository, account: str, options: CopyOptions, raised: bool = False) -> Past:
    """Return an account of the backup as it was.

    :param account: id, address or alias. :param raised: take the first moment of the account where it did not exist at
        the one that is asked for (R-078).
    :raises NotFound: the backup does not know it (R-063).
    :raises InvalidInput: there is nothing of that moment (R-064), or the options contradict each other.
    """
    at = moment_in(source, options.date)
    notes = []
    try:
        found = find_account(source, account, at)
    except NotFound:
        account_id = _ever_known(source, account)
        first = next(source.history(account_id, ACCOUNT_ITEM)).at
        if at is None or at >= first:
            found = find_account(source, account_id, at)
            notes.append(f"{account} had another address at that moment: {found.entry.name}.")
        elif raised:
            found = find_account(source, account_id, first)
            notes.append(f"{account} did not exist at {moment.iso(at)}; it is restored as of {moment.iso(first)}.")
            at = first
        else:
            raise InvalidInput(
                f"{account} did not exist at {moment.iso(at)}: the backup knows it from {moment.iso(first)} on. Give a "
                "later date, or last."
            ) from None
    if found.deleted:
        if at is not None and at != found.at:
            notes.append(f"{account} was deleted at {moment.iso(found.at)}; it is restored as it was then.")
        at = found.at
    elif at is None:
        span = source.span()
        at = found.at if span is None else span[1]
    _check_undelete(source, options, at)
    return Past(found.entry, at, tuple(notes))


def _ever_known(source: Repository, account: str) -> str:
    """Return the id of the account that has an address, or had it at any time.

    :raises NotFound: none ever had.
    """
    try:
        return find_account(source, account).entry.entry_id
    except NotFound:
        for account_id in source.scopes():
            for one in source.history(account_id, ACCOUNT_ITEM):
                if isinstance(one.state, Entry) and one.state.name.lower() == account.lower():
                    return account_id
        raise


def _check_undelete(source: Repository, options: CopyOptions, at: int) -> None:
    if options.undelete_start_date == moment.FIRST:
        return
    if not options.undelete:
        raise InvalidInput("undelete_start_date is of no use without undelete; give undelete too, or leave it out.")
    since = moment_in(source, options.undelete_start_date)
    if since is None or since > at:
        raise InvalidInput(
            f"undelete_start_date must be earlier than the moment that is restored, {moment.iso(at)}; or give first."
        )
