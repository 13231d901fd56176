# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stays of an item, of an account and of the server; and which retentions there are."""

from __future__ import annotations

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup.inventory import Mark
from ansible_collections.restante.carbonio.plugins.module_utils.care import retention
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY, Ended, Retention
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput

NOW = 1000 * DAY


def kept(*history: tuple[int, bool], cutoff: int = 10, since: int = retention.NEVER) -> list[int]:
    """Return the numbers of what stays of an item, of which (moment, deleted) are given."""
    marks = [Mark(seq, at, deleted) for seq, (at, deleted) in enumerate(history, 1)]
    return [mark.seq for mark in retention.staying(cutoff, since)(marks)]


@pytest.mark.parametrize("history, stay", [
    ([(1, False)], [1]),
    ([(1, False), (2, False)], [2]),
    ([(1, False), (2, False), (11, False)], [2, 3]),
    ([(10, False), (11, False)], [1, 2]),
    ([(1, False), (10, True)], []),
    ([(1, False), (11, True)], [1, 2]),
    ([(1, False), (2, False), (11, True)], [2, 3]),
    ([(1, False), (2, True), (11, False)], [3]),
    ([(1, False), (2, True), (11, True)], [3]),
    ([(11, True), (12, False)], [1, 2]),
], ids=str)
def test_the_window_and_the_last_state_before_it_stay(history: list[tuple[int, bool]], stay: list[int]) -> None:
    """R-233: a deleted item goes wholly when its deletion is older than the retention."""
    assert kept(*history) == stay


def test_the_deletion_stays_after_which_an_account_was_there_again() -> None:
    facts = [Mark(1, 1, False), Mark(2, 2, True), Mark(3, 3, False), Mark(4, 11, False)]
    verdict = retention.account(Retention(10, 10), NOW, None, held=False, began_after=2)
    keep = verdict._replace(cutoff=10).keep()
    assert keep is not None and [mark.seq for mark in keep(facts)] == [2, 3, 4]
    assert [mark.seq for mark in retention.staying(10)(facts)] == [3, 4]


def test_order_is_by_number_where_clocks_went_back() -> None:
    # At 11 and later it is deleted, though that was recorded at 3: without the deletion it would be there again.
    assert kept((11, False), (3, True)) == [1, 2]
    assert kept((5, False), (2, False)) == [2]


def test_what_was_recorded_after_something_in_the_window_is_in_the_window_whatever_the_clock_said() -> None:
    # Another item was recorded as number 2 in the window, so the deletion, recorded at 3, is of yesterday.
    assert kept((1, False), (3, True), since=2) == [1, 2]
    assert kept((1, False), (2, False), (3, True), (4, False), since=3) == [2, 3, 4]
    assert kept((1, False), (3, True), since=3) == []
    ended = Ended(NOW - 20 * DAY, False, 7)
    for first, wholly in ((6, False), (8, True)):
        verdict = retention.account(Retention(10, 20), NOW, ended, False, {NOW - 20 * DAY: first}.__getitem__)
        assert verdict.wholly == wholly


@pytest.mark.parametrize("ended, held, reason, cutoff, wholly", [
    (None, False, retention.RETENTION, NOW - 10 * DAY, False),
    (Ended(NOW - 15 * DAY, False), False, retention.DELETED, None, False),
    (Ended(NOW - 20 * DAY, False), False, retention.DELETED, None, True),
    (Ended(NOW - 9 * DAY, True), False, retention.SWITCHED_OFF, None, False),
    (Ended(NOW - 10 * DAY, True), False, retention.SWITCHED_OFF, None, True),
    (Ended(0, False), True, retention.HOLD, None, False),
    (None, True, retention.HOLD, None, False),
])
def test_an_account_goes_by_its_own_retention_and_a_hold_keeps_it(
    ended: Ended | None, held: bool, reason: str, cutoff: int | None, wholly: bool
) -> None:
    """R-239, R-243, R-245."""
    assert retention.account(Retention(10, 20), NOW, ended, held)[:3] == (reason, cutoff, wholly)


def test_0_days_are_for_ever() -> None:
    """R-232."""
    assert not retention.account(Retention(10, 0), NOW, Ended(0, False), False).wholly
    assert retention.account(Retention(0, 20), NOW, None, False).keep() is None


@pytest.mark.parametrize("asked, held, cutoff", [
    (Retention(10, 20), False, NOW - 20 * DAY), (Retention(30, 20), False, NOW - 30 * DAY),
    (Retention(0, 20), False, None), (Retention(10, 0), False, None), (Retention(10, 20), True, None),
])
def test_the_directory_stays_as_long_as_any_account_may_need_it(
    asked: Retention, held: bool, cutoff: int | None
) -> None:
    assert retention.server(asked, NOW, held).cutoff == cutoff


@pytest.mark.parametrize("given, days", [("30", 30), (" 7 ", 7), (0, 0), ("0", 0), ("36500", 36_500)])
def test_a_retention_is_a_whole_number_of_days(given: object, days: int) -> None:
    assert retention.days(given, "purgeDays") == days


@pytest.mark.parametrize("given", ["", "-1", -1, "ten", "1.5", "1e3", "36501", "9" * 400, "٣", True, None, "30d"])
def test_any_other_retention_is_an_error_that_says_so(given: object) -> None:
    """R-240."""
    with pytest.raises(InvalidInput, match="purgeDays is .* whole number of days"):
        retention.days(given, "purgeDays")


def test_a_deletion_of_which_nothing_else_is_known_stays_in_the_window_and_goes_after_it() -> None:
    """It may be what tells where the window begins; without it a second purge would take more than the first."""
    assert kept((11, True)) == [1]
    assert kept((10, True)) == []
    assert kept((9, True), since=1) == [1]
