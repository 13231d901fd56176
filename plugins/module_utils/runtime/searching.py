# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What searches have in common: limits of time and of number."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final, TypeVar

from ..model import moment
from ..model.errors import InvalidInput

LIMIT: Final = 1000
"""How many results are returned unless told otherwise."""

Result = TypeVar("Result")


def date(text: str, time_zone: str) -> int | None:
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
    found = list(itertools.islice(results, limit or None))
    return found, bool(limit) and next(results, None) is not None
