# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The search for the last of a numbered row."""

from __future__ import annotations

import math

from ansible_collections.restante.carbonio.plugins.module_utils.archive.numbered import last_number
from hypothesis import given
from hypothesis import strategies as st


@given(last=st.integers(0, 10_000_000), hint=st.integers(0, 10_000_000))
def test_the_last_number_is_found_whatever_the_hint(last: int, hint: int) -> None:
    assert last_number(lambda number: 1 <= number <= last, hint) == last


@given(last=st.integers(0, 10_000_000), hint=st.integers(1, 10_000_000))
def test_the_number_of_questions_grows_with_the_logarithm_of_the_distance(last: int, hint: int) -> None:
    asked: list[int] = []

    def exists(number: int) -> bool:
        asked.append(number)
        return number <= last

    last_number(exists, hint)
    assert len(asked) <= 2 * math.log2(abs(last - hint) + 2) + 3
    assert min(asked) >= 1, "a row begins at 1"


def test_a_right_hint_costs_two_questions() -> None:
    asked: list[int] = []
    assert last_number(lambda number: not asked.append(number) and number <= 4711, 4711) == 4711  # type: ignore[func-returns-value]
    assert asked == [4711, 4712]
