# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Journal lines, written by a JSON encoder and taken apart by a regular expression."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import journals
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import (
    Entry,
    ItemState,
    State,
    state_from_json,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TEXTS = st.one_of(st.text(max_size=12), st.text(alphabet='"\\{}[],:\n\r', max_size=12))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)), max_leaves=6,
)
ITEMS = st.builds(
    ItemState, st.just("id"), st.sampled_from(kinds.ITEM_KINDS), TEXTS, TEXTS, TEXTS,
    st.lists(TEXTS, max_size=3).map(tuple), st.integers(-(10**13), 10**13), st.integers(0, 10**10), TEXTS,
    st.dictionaries(TEXTS, JSON, max_size=3),
)
ENTRIES = st.builds(
    Entry, st.just("id"), st.sampled_from(kinds.ENTRY_KINDS), TEXTS,
    st.dictionaries(TEXTS, st.lists(TEXTS, max_size=3).map(tuple), max_size=3), st.lists(TEXTS, max_size=3).map(tuple),
)
STATES: st.SearchStrategy[State | None] = st.one_of(st.none(), ITEMS, ENTRIES)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(-(10**13), 10**13), TEXTS, STATES), max_size=6))
def test_what_is_written_is_read(changes: list[tuple[int, str, State | None]]) -> None:
    lines = [
        journals.line(seq, at, item_id, state.kind if state else kinds.FOLDER, state)
        for seq, (at, item_id, state) in enumerate(changes, 1)
    ]
    segment = journals.Segment("scope", 1, "", 1, len(lines))
    found, rows = journals.read(journals.seal(segment, lines))
    assert found == segment
    assert len(rows) == len(changes)
    for seq, ((at, item_id, state), row) in enumerate(zip(changes, rows), 1):
        assert (int(row[0]), int(row[1]), journals.item_id(row[2])) == (seq, at, item_id)
        assert row[2] == journals.key(item_id) and row[2].isascii()
        assert row[3] == (state.kind if state else kinds.FOLDER)
        if state is None:
            assert row[4:] == ("", "")
        else:
            assert state_from_json("id", json.loads(row[4])) == state
            assert int(row[5] or 0) == (state.date if isinstance(state, ItemState) else 0)


def test_a_line_is_plain_json_in_the_order_of_the_format() -> None:
    line = journals.line(7, 123, "it\"em", kinds.MESSAGE, ItemState("it\"em", kinds.MESSAGE, "2", flags="u", date=5))
    record: dict[str, Any] = json.loads(line)
    assert list(record) == ["seq", "at", "item", "kind", "state"]
    assert record["state"] == {"kind": "message", "folder": "2", "flags": "u", "date": 5}


@pytest.mark.parametrize("content", [
    b"", b"\n", b"{}\n", b"[]\n", b'{"scope":"a"}\n', b"\xff\n", b"null\n", b'{"scope":"a","number":1,"x":1}\n',
])
def test_what_has_no_head_is_no_segment(content: bytes) -> None:
    with pytest.raises(Damaged, match="no head"):
        journals.read(content)


@pytest.mark.parametrize("line", [b"{}", b"", b'{"seq":1}', b'{"seq":1,"at":1,"item":"a","kind":"x","state":5}'])
def test_a_line_that_cannot_be_read_is_not_passed_over(line: bytes) -> None:
    head = journals.Segment("scope", 1, "", 1, 1)
    with pytest.raises(Damaged, match="lines that cannot be read"):
        journals.read(journals.seal(head, [line]))
