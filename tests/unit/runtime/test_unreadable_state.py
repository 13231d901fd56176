# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an engine keeps beside the backup and cannot be read is named in a sentence, or done without."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import deduplication
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded.incoming import Incoming
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded.store import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.index.database import connect
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Refused, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.operations.notifications import Notifications
from ansible_collections.restante.carbonio.plugins.module_utils.operations.operation import Operations
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import ItemLog, account_directory, said_of
from ansible_collections.restante.carbonio.plugins.module_utils.restore.range_cache import RangeCache
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.following import read_status
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings


def loop(path: Path) -> Path:
    """Put a name there that nobody can open, not even root."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path)
    return path


@pytest.mark.parametrize(("name", "read"), [
    ("operations", lambda path: Operations(str(path)).list()),
    (f"operations/{uuid.UUID(int=1)}.json", lambda path: Operations(str(path)).list()),
    ("notifications", lambda path: Notifications(str(path)).list()),
    ("realtime.json", lambda path: read_status(Node(str(path / "x"), Settings(state_path=str(path))))),
    ("map_server", lambda path: said_of(str(path), "server")),
    (f"{account_directory('a')}/id_mapper.log", lambda path: ItemLog(str(path), "a", "import", "b").origins()),
    ("store.sqlite", lambda path: connect(str(path))),
    ("notes", lambda path: list(Incoming(str(path / "notes")).abandoned())),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, read: Callable[[Path], object]) -> None:
    loop(tmp_path / name)
    with pytest.raises((Refused, Unavailable), match=str(tmp_path)):
        read(tmp_path)


def test_a_stop_that_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    operations = Operations(str(tmp_path))
    with operations.start("work") as running:
        (tmp_path / "operations" / f"{running.id}.stop").mkdir()
        with pytest.raises(Refused, match="cannot be written"):
            operations.request_stop(running.id)


def test_the_note_of_another_writer_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    note = loop(tmp_path / "notes" / "note")
    assert list(Incoming(str(tmp_path / "notes")).abandoned()) == []
    assert note.is_symlink()


def test_a_cache_that_cannot_be_used_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"")
    cache = RangeCache(str(tmp_path / "cache" / "ranges"), 1000)
    cache.keep("pack", 0, b"12345")
    assert cache.find("pack", 1, 2) is None


def test_what_deduplication_has_saved_is_saved_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EmbeddedStore.create(str(tmp_path / "store"))
    store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
    store.create_entry(Entry("a", kinds.ACCOUNT, "anna@example.com"))
    state = ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000)
    store.write_items("a", [NewItem("", state, b"Subject: twice\n\n")] * 2)
    synced: list[str] = []
    monkeypatch.setattr(deduplication, "sync_directory", synced.append)
    assert store.deduplicate(None, dry_run=True).duplicated_blobs == 1
    assert synced == []
    assert store.deduplicate(None).duplicated_blobs == 1
    assert synced == sorted({str(path.parent) for path in (tmp_path / "store").rglob("*.msg")})
    assert os.stat(next((tmp_path / "store").rglob("*.msg"))).st_nlink == 2
    store.close()
