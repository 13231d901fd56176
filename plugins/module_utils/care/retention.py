# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Retention: what of a backup stays, and why (R-232 to R-240; reference, section 2.5). No I/O.

The window is the time since now less the retention. Whatever the backup says of a moment in the window, it says after
a purge too: the transactions in the window stay, and of each item the last one before it. What was deleted before the
window is gone, with all that was known of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ..backup.inventory import Keep, Mark
from ..model.errors import InvalidInput

DAY: Final = 86_400_000
"""Milliseconds."""

MOST_DAYS: Final = 36_500

# Why a journal stays as it is, or goes.
NEVER: Final = 2**63 - 1
"""A number that no transaction has."""

Since = Callable[[int], int]
"""Tells the first transaction of all that was recorded after a moment, and not after now; NEVER where there is none.
What has a higher number came later, also where the clock had gone back and says that it was earlier."""

RETENTION: Final = "retention"
HOLD: Final = "legal hold"
DELETED: Final = "deleted"
SWITCHED_OFF: Final = "backup switched off"


class Retention(NamedTuple):
    """For how many days the past is kept; 0 for ever."""

    data_days: int = 30
    """Of items, and of accounts whose backup was switched off (ZxBackup_DataRetentionDays)."""
    account_days: int = 30
    """Of deleted accounts (backupAccountsRetentionDays)."""


class Ended(NamedTuple):
    """That an account is no longer backed up."""

    at: int
    """Since when, UTC milliseconds."""
    switched_off: bool
    """Its backup was switched off; otherwise it was deleted."""
    seq: int = 0
    """The number of the transaction that says so."""


class Verdict(NamedTuple):
    """What becomes of one journal."""

    reason: str
    cutoff: int | None
    """The beginning of the window, UTC milliseconds; None where nothing goes."""
    wholly: bool = False
    """All of it goes."""
    since: int = NEVER
    """The first transaction that is in the window for certain, see Since."""
    began_after: int = 0
    """The deletion after which the mailbox began that is there: whoever restored the one before has to know."""

    def keep(self) -> Keep | None:
        """Return what says which transactions of an item stay; None for all."""
        if self.wholly:
            return _nothing
        return None if self.cutoff is None else staying(self.cutoff, self.since, self.began_after)


def days(value: object, name: str) -> int:
    """Return a retention that was given as a number or a text.

    :param name: what it is, for the message. :raises InvalidInput: it is no whole number of days (R-240).
    """
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > MOST_DAYS:
        raise InvalidInput(
            f"{name} is {value!r}; give a whole number of days from 1 to {MOST_DAYS}, or 0 to keep everything for ever."
        )
    return int(text)


def _never(_at: int) -> int:
    return NEVER


def account(
    retention: Retention, now: int, ended: Ended | None, held: bool, since: Since = _never, began_after: int = 0
) -> Verdict:
    """Decide on the journal of an account.

    A deleted account stays as it is until the account retention has passed, so that it can be restored whole (R-239),
    and then goes. One whose backup was switched off goes after the data retention (R-245). A legal hold keeps all.

    :param now: UTC milliseconds. :param ended: None for an account that is backed up.
    :param began_after: the deletion after which it was there again; 0 for none.
    """
    if held:
        return Verdict(HOLD, None)
    if ended is None:
        return _window(_cutoff(retention.data_days, now), since)._replace(began_after=began_after)
    end = _cutoff(retention.data_days if ended.switched_off else retention.account_days, now)
    return Verdict(
        SWITCHED_OFF if ended.switched_off else DELETED, None,
        wholly=end is not None and ended.at <= end and ended.seq < since(end),
    )


def server(retention: Retention, now: int, any_held: bool, since: Since = _never) -> Verdict:
    """Decide on the journal of domains, classes of service and lists: it stays as long as any account may need it."""
    if any_held:
        return Verdict(HOLD, None)
    if not retention.data_days or not retention.account_days:
        return Verdict(RETENTION, None)
    return _window(_cutoff(max(retention.data_days, retention.account_days), now), since)


def _window(cutoff: int | None, since: Since) -> Verdict:
    return Verdict(RETENTION, cutoff, since=NEVER if cutoff is None else since(cutoff))


def _cutoff(days_: int, now: int) -> int | None:
    return now - days_ * DAY if days_ else None


def _nothing(history: Sequence[Mark]) -> Sequence[Mark]:
    return ()


def staying(cutoff: int, since: int = NEVER, also: int = 0) -> Callable[[Sequence[Mark]], Sequence[Mark]]:
    """Return what says which transactions of an item stay, given all of them in order.

    Order is never by the clock: the last transaction before the window is the last by number among those that were
    recorded before it, wherever they stand; and what comes after one in the window is in the window.

    :param also: a transaction that stays in any case.
    """

    def keep(history: Sequence[Mark]) -> Sequence[Mark]:
        if len(history) == 1 and not history[0].deleted:  # nearly all of them
            return history
        before = {mark.seq for mark in history if mark.at <= cutoff and mark.seq < since}
        last = max(before, default=0)
        kept = [mark for mark in history if mark.seq in (last, also) or mark.seq not in before]
        # A deletion before which nothing is known says nothing. One in the window stays: it tells where that begins.
        return kept[1:] if kept and kept[0].deleted and kept[0].seq == last else kept

    return keep
