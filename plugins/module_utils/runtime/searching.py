# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What looking into a backup has in common: which states, limits of time and of number."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from ..backup.repository import Repository
from ..model import moment
from ..model.errors import InvalidInput
from ..restore.accounts import moment_in
from ..restore.search import ALL, Period, period_at

LIMIT: Final = 1000
"""How many results are returned unless told otherwise."""

Result = TypeVar("Result")


MOST_RECENT: Final = "most_recent"
LEAST_RECENT: Final = "least_recent"


def chosen(source: Repository, states: Sequence[Period], wanted: str, time_zone: str) -> Sequence[Period]:
    """Return the states of an item or account that are asked for, one at least.

    :param wanted: a moment, all, last or most_recent, first or least_recent.
    :raises InvalidInput: there was no such state, or there is no such moment.
    """
    word = wanted.strip().lower()
    if word == ALL:
        return states
    if word in (moment.FIRST, LEAST_RECENT):
        return states[:1]
    if word in (moment.LAST, MOST_RECENT):
        return states[-1:]
    at = moment_in(source, moment.parse(wanted, time_zone))
    held = states[-1] if at is None else period_at(states, at)
    if held is None:
        raise InvalidInput(
            f"There is no state of {wanted}: its first one in the backup is of {moment.iso(states[0].start)}. Give a "
            "later date, or all."
        )
    return [held]


def date_limit(text: str, time_zone: str) -> int | None:
    """Return a date that limits a search, UTC milliseconds; None for an empty text.

    :raises InvalidInput: it is no date.
    """
    if not text:
        return None
    at = moment.parse(text, time_zone)
    if not isinstance(at, int):
        raise InvalidInput(f"{text!r} is no limit of a search; give a date.")
    return at


def first(results: Iterator[Result], limit: int) -> tuple[list[Result], bool]:
    """Return no more results than a limit (0: all of them), and whether there are more.

    :raises InvalidInput: the limit is negative.
    """
    if limit < 0:
        raise InvalidInput(f"The limit is {limit}; give the number of results wanted, or 0 for all.")
    found = list(itertools.islice(results, min(limit, sys.maxsize) or None))
    return found, bool(limit) and next(results, None) is not None
