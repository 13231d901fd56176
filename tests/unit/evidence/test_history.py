# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node remembers of its drills."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.evidence.history import KEPT, History, summary
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Refused
from drill_records import told


def drill(number: int, **about: Any) -> dict[str, Any]:
    """Return the summary of a drill; each is a day after the one before it."""
    at = 1_790_000_000_000 + number * 86_400_000
    return summary(told(id=f"drill-{number}", began=at, **about), f"/d/{number}")


def test_drills_are_remembered_in_their_order_and_the_oldest_are_forgotten(tmp_path: Path) -> None:
    history = History(str(tmp_path / "new" / "history"))
    assert history.past() == []
    for number in (1, 0, *range(2, KEPT + 5)):
        history.add(drill(number))
    past = history.past()
    assert [one["id"] for one in past] == [f"drill-{number}" for number in range(5, KEPT + 5)]
    assert past[0] == json.loads(json.dumps(drill(5)))


@pytest.mark.parametrize("text", [
    "", "{", "[]", "null", "{}", '{"format": 1}', "[" * 100_000, json.dumps({**drill(0), "passed": "yes"}),
    json.dumps({**drill(0), "began": "yesterday"}), json.dumps({**drill(0), "rto_seconds": "1"}),
    json.dumps({**drill(0), "items": {"message": 3}}), json.dumps({**drill(0), "format": 99}),
    json.dumps({**drill(0), "targets": {"rto_seconds": [1]}}),
])
def test_a_file_that_is_none_is_left_out(tmp_path: Path, text: str) -> None:
    history = History(str(tmp_path))
    history.add(drill(1))
    (tmp_path / "0.json").write_text(text)
    (tmp_path / "0.json.part").write_text(text)
    assert [one["id"] for one in history.past()] == ["drill-1"]


def test_a_disk_that_takes_nothing_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Refused, match="state_path"):
        History(str(tmp_path / "file")).add(drill(0))
