# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sample of a drill: anybody can draw it again, and it is said what it can tell."""

from __future__ import annotations

import hashlib
import math

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.drill import sample
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput

ALL = [f"user{number}@example.com" for number in range(50)]


def test_without_a_sample_all_accounts_are_meant() -> None:
    extent = sample.choose(ALL[::-1], "", "seed")
    assert extent == (True, 50, sorted(ALL), "")


def test_a_sample_is_what_its_rule_says() -> None:
    extent = sample.choose(ALL, "7", "2026-03")
    ranked = sorted(ALL, key=lambda address: hashlib.sha256(f"2026-03:{address}".encode()).hexdigest())
    assert extent.accounts == sorted(ranked[:7]) and extent.of == 50 and not extent.whole
    assert sample.choose([one.upper() for one in ALL], "7", "2026-03").accounts == [
        one.upper() for one in sorted(ranked[:7])
    ]
    assert sample.choose(ALL, "7", "2026-04").accounts != extent.accounts


def test_every_account_has_its_chance() -> None:
    drawn = [one for seed in range(200) for one in sample.choose(ALL, "10%", str(seed)).accounts]
    assert {drawn.count(one) for one in ALL} <= set(range(5, 40)) and len(drawn) == 1000


@pytest.mark.parametrize(("text", "accounts", "size"), [
    ("20", 50, 20), ("70", 50, 50), ("10%", 50, 5), ("1 %", 50, 1), ("0.5%", 50, 1), ("100%", 50, 50),
    ("33.3%", 50, 17),
])
def test_a_size_is_a_number_or_a_percentage(text: str, accounts: int, size: int) -> None:
    assert sample.size(text, accounts) == size


@pytest.mark.parametrize("text", ["0", "0%", "-3", "101%", "many", "3.5", "%", "1e2"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="sample"):
        sample.size(text, 50)


@pytest.mark.parametrize(("accounts", "sampled"), [(50, 5), (50, 1), (50, 49), (50, 50), (1000, 100), (3, 1)])
def test_it_is_said_how_many_damaged_accounts_could_go_unseen(accounts: int, sampled: int) -> None:
    most = sample.undetected(accounts, sampled)

    def missed(damaged: int) -> float:
        return math.comb(accounts - damaged, sampled) / math.comb(accounts, sampled)

    assert missed(most) > 0.05 or most == 0
    assert missed(most + 1) <= 0.05 or most == accounts - sampled
