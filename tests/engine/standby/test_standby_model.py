# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The standby against its primary: whatever happens there, after each round both hold the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.engine.standby.history_kit import STEPS, change
from tests.engine.standby.standby_kit import Pair

EXAMPLES = int(os.environ.get("RESTANTE_STANDBY_EXAMPLES", "10"))
RANDOM = settings(
    deadline=None, suppress_health_check=list(HealthCheck), phases=[phase for phase in Phase if phase != Phase.shrink]
)
"""What fails is not made shorter: an example takes too long for that."""


@settings(RANDOM, max_examples=EXAMPLES)
@given(steps=st.lists(st.sampled_from([*STEPS, "follow"]), min_size=5, max_size=60), data=st.data())
def test_after_each_round_the_standby_is_what_the_primary_was(
    make_pair: Callable[[], Pair], steps: list[str], data: st.DataObject
) -> None:
    pair = make_pair()
    for number, step in enumerate([*steps, "follow"]):
        if step == "follow":
            pair.follow()
            pair.assert_equal()
            assert not pair.failures() and not pair.conflicts()
            assert not pair.round().changed, "what is applied is not written again"
        else:
            change(pair.primary, step, data, number)


@settings(RANDOM, max_examples=EXAMPLES)
@given(steps=st.lists(st.sampled_from([*STEPS, "follow"]), min_size=5, max_size=40), data=st.data())
def test_a_round_that_is_cut_off_anywhere_is_gone_on_with(
    make_pair: Callable[[], Pair], steps: list[str], data: st.DataObject
) -> None:
    pair = make_pair()
    for number, step in enumerate([*steps, "follow"]):
        if step == "follow":
            pair.scan()
            for _unused in range(data.draw(st.integers(0, 2))):
                cut_off(pair, data.draw(st.integers(1, 60)), data.draw(st.booleans()))
            pair.round()
            pair.assert_equal()
            assert not pair.failures()
        else:
            change(pair.primary, step, data, number)


class _CutOff(BaseException):
    """The process ends here."""


def cut_off(pair: Pair, calls: int, before: bool) -> None:
    """Run a round of a process that ends at one of its writes to the mail store: before it, or behind it."""
    left = calls

    class Ending:
        def __init__(self, store: Any) -> None:
            self._store = store

        def __getattr__(self, name: str) -> Any:
            method = getattr(self._store, name)
            if name.split("_")[0] not in ("write", "update", "delete", "map", "create", "reshape"):
                return method

            def call(*arguments: Any) -> Any:
                nonlocal left
                left -= 1
                if not left and before:
                    raise _CutOff
                result = method(*arguments)
                if not left:
                    raise _CutOff
                return result

            return call

    with pair.standby() as store:
        try:
            pair.round(store=Ending(store))
        except _CutOff:
            pass


@settings(RANDOM, max_examples=EXAMPLES)
@given(
    before=st.lists(st.sampled_from(STEPS), min_size=5, max_size=30),
    here=st.lists(st.sampled_from(["flag", "move", "delete", "rename_folder", "delete_tag", "name", "drop"]),
                  min_size=1, max_size=5),
    after=st.lists(st.sampled_from(STEPS), max_size=10), data=st.data(),
)
def test_what_somebody_changes_here_is_as_at_the_primary_again(
    make_pair: Callable[[], Pair], before: list[str], here: list[str], after: list[str], data: st.DataObject
) -> None:
    pair = make_pair()
    for number, step in enumerate(before):
        change(pair.primary, step, data, number)
    pair.follow()
    with pair.standby() as store:
        for number, step in enumerate(here):
            if any(True for _entry in store.entries(kinds.ACCOUNT)):
                change(store, step, data, 1001 + 2 * number)
    for number, step in enumerate(after):
        change(pair.primary, step, data, 2000 + number)
    pair.follow()
    pair.assert_equal()
    assert not pair.failures()
