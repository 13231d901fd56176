# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An embedded store with one account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState

ACCOUNT = "id-anna"
MESSAGE = ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000)


class Box:
    """An embedded store in a directory, and its one account."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.account = ACCOUNT
        self.store: Any = EmbeddedStore.create(str(path))
        self.store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        self.store.create_entry(Entry(ACCOUNT, kinds.ACCOUNT, "anna@example.com"))

    def mail(self, *contents: bytes) -> list[str]:
        """Put messages into the Inbox; return their ids."""
        written = self.store.write_items(ACCOUNT, [NewItem("", MESSAGE, content) for content in contents])
        return [str(one.item_id) for one in written]

    @staticmethod
    def batch(start: int, end: int) -> list[NewItem]:
        """Return new messages with the origins start to end - 1."""
        return [NewItem(str(number), MESSAGE, b"message %d" % number) for number in range(start, end)]

    def contents(self) -> list[bytes]:
        """Return the content of all messages, sorted; what cannot be read raises."""
        return sorted(
            self.store.read_blob(ACCOUNT, item.item_id)
            for item in self.store.changes(ACCOUNT).items if item.kind == kinds.MESSAGE
        )

    def files(self) -> list[Path]:
        """Return the blob files of all volumes."""
        return sorted(path for path in (self.path / "volumes").rglob("*") if path.is_file())

    def reopen(self) -> None:
        """Close the store and open it again."""
        self.store.close()
        self.store = EmbeddedStore.open(str(self.path))


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path / "store")
    yield box
    box.store.close()


@pytest.fixture
def make_box(tmp_path: Path) -> Iterator[Callable[[str], Box]]:
    """Make stores by name within one test."""
    boxes: list[Box] = []

    def make(name: str) -> Box:
        boxes.append(Box(tmp_path / name))
        return boxes[-1]

    yield make
    for box in boxes:
        box.store.close()
