# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is taken for the present by work that removes for good."""

from __future__ import annotations

from ansible_collections.restante.carbonio.plugins.module_utils.care.clock import ALLOWED, IDLE, Present, present
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY

NOW = 1_000 * DAY


def test_the_earlier_of_two_clocks_counts() -> None:
    assert present(NOW, NOW + 5, NOW) == Present(NOW)
    assert present(NOW + ALLOWED, NOW, NOW) == Present(NOW), "a little is not worth a word"
    ahead = present(NOW + 40 * DAY, NOW, NOW + 40 * DAY)
    assert ahead.at == NOW and "by the archive's clock" in ahead.warning and "trust_clock" in ahead.warning
    assert present(NOW - 40 * DAY, NOW, NOW) == Present(NOW - 40 * DAY), "things only stay longer"


def test_without_another_clock_the_present_is_not_long_after_the_newest_commit() -> None:
    assert present(NOW + IDLE, None, NOW) == Present(NOW + IDLE)
    leapt = present(NOW + 30 * DAY, None, NOW)
    assert leapt.at == NOW + IDLE and "nothing was recorded for 30 days" in leapt.warning
    assert present(NOW, None, None) == Present(NOW), "an empty backup"
