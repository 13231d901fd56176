# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which order an External Restore writes to the destination: what is told of its phases is what is done."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem, Written
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from restore_kit import World

LATE = {kinds.MOUNTPOINT, kinds.DATA_SOURCE}


class Watched:
    """A mail server that notes what is written to it."""

    def __init__(self, store: Any, written: list[tuple[str, str]]) -> None:
        self._store = store
        self._written = written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def create_entry(self, entry: Entry) -> Entry:
        """Create an entry; it has to be empty."""
        assert not (entry.attrs or entry.aliases or entry.members or entry.signatures), entry
        self._written.append(("create", entry.kind))
        created: Entry = self._store.create_entry(entry)
        return created

    def update_entry(self, entry: Entry) -> bool:
        """Change an entry."""
        if entry.kind != kinds.ACCOUNT or len(entry.attrs) > 1:  # else its quota, lifted and put back, or a reference
            self._written.append(("attributes", entry.kind))
        changed: bool = self._store.update_entry(entry)
        return changed

    def write_items(self, account_id: str, batch: Sequence[NewItem], import_id: str = "") -> list[Written]:
        """Write items."""
        self._written.extend(("items", one.state.kind) for one in batch)
        written: list[Written] = self._store.write_items(account_id, batch, import_id)
        return written


@pytest.fixture
def written(world: World) -> list[tuple[str, str]]:
    """What a restore of everything has written: what was done, and to what kind."""
    noted: list[tuple[str, str]] = []
    plain = world.sides()

    def watched() -> Any:
        return Watched(plain.store(), noted)

    sides = plain._replace(store=watched)
    assert not world.restore(sides, skip_system_accounts=False).unrestored
    return noted


def test_the_directory_is_made_empty_and_then_gets_its_attributes(written: list[tuple[str, str]]) -> None:
    """R-141, R-142, R-143, R-144, R-145, R-146, R-147."""
    directory = [step for step in written if step[0] != "items"]
    assert [step for step, _same in itertools.groupby(directory)] == [
        ("create", kinds.DOMAIN), ("create", kinds.COS), ("attributes", kinds.COS),
        ("create", kinds.DISTRIBUTION_LIST), ("create", kinds.ACCOUNT),
        ("attributes", kinds.ACCOUNT), ("attributes", kinds.DOMAIN), ("attributes", kinds.DISTRIBUTION_LIST),
    ]
    assert directory.count(("create", kinds.COS)) == 1, "the other one is not in use"


def test_items_come_after_the_directory_and_what_refers_to_others_comes_last(written: list[tuple[str, str]]) -> None:
    """R-131, R-149, R-150: no item is written before every account has all its attributes."""
    in_phases = [1 if step != "items" else 3 if kind in LATE else 2 for step, kind in written]
    assert in_phases == sorted(in_phases)
    assert {kind for step, kind in written if step == "items"} == set(kinds.ITEM_KINDS)
