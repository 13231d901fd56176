# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node that is killed under load: how much is lost, and that the next start makes up for it."""

from __future__ import annotations

import random
import signal
import time
from typing import Any

GOAL = 5.0
"""Seconds that a node that burns may lose (RPO)."""

LOAD_SECONDS = 2.5


def load(node: Any, seconds: float, chance: random.Random) -> dict[tuple[str, str], float]:
    """Have mail arrive, be flagged and be deleted, as fast as the mail server does it; return when each arrived."""
    written = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        account = chance.choice(node.accounts)
        for item in node.mail(account, *(chance.randbytes(chance.randrange(100, 40_000)) for _unused in range(3))):
            written[account, item] = time.monotonic()
        if chance.random() < 0.3:
            item = chance.choice([item for item in node.live(account) if int(item) >= 256])
            node.store.update_item(account, node.store.item(account, item)._replace(flags=chance.choice("fru")))
        if chance.random() < 0.1:
            node.store.delete_items(account, [item])
    return written


def test_a_node_that_burns_under_load_loses_seconds(live_node: Any) -> None:
    """R-172, R-182, R-221, and the goal: an RPO of five seconds at most, nothing lost before it, and nothing recorded
    twice."""
    chance = random.Random(1)
    for _round in range(3):
        live_node.start()
        written = load(live_node, chance.uniform(1, LOAD_SECONDS), chance)
        assert live_node.end(signal.SIGKILL)[0] == -signal.SIGKILL
        burnt, remains = time.monotonic(), live_node.remains()
        left = {account: live_node.recorded(account, remains) for account in live_node.accounts}
        present = {account: live_node.live(account) for account in live_node.accounts}
        lost = [at for (account, item), at in written.items() if item in present[account] and item not in left[account]]
        rpo = burnt - min(lost, default=burnt)
        assert rpo <= GOAL
        assert len(lost) < len(written), "the load was so short that nothing was recorded in time"
        status = live_node.status()
        assert status["gap"] and not status["running"]
    live_node.start()
    live_node.await_archived()
    status = live_node.status()
    assert not status["gap"] and status["gap_reason"] == ""
    remains = live_node.remains()
    for account in live_node.accounts:
        assert live_node.recorded(account, remains) == live_node.live(account)
    live_node.assert_nothing_twice()
    closed = [note.text for note in live_node.node.notifications().list() if "gap was closed" in note.subject]
    assert len([text for text in closed if "was killed" in text]) == 3
