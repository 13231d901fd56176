# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The redo log of an embedded store: what happened since a copy was made is done again on the copy."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore, redo_log
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded.replay import replay
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, Refused, RestanteError
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState


def copy_of(box: Any, path: Path) -> Any:
    """Return a copy of a store as it is now, opened."""
    box.store.close()
    shutil.copytree(box.path, path)
    box.reopen()
    return EmbeddedStore.open(str(path))


def log_of(box: Any) -> str:
    return str(box.path / "redolog")


def whole(store: Any) -> dict[str, Any]:
    """Return all that a store holds; of the tokens without the sessions, which are those of who wrote it."""
    held: dict[str, Any] = {"entries": [list(store.entries(kind)) for kind in kinds.ENTRY_KINDS]}
    held["tokens"] = {account: token.rpartition(":")[0] for account, token in store.tokens()}
    for account in held["tokens"]:
        items = list(store.changes(account).items)
        held[account] = (
            items, dict(store.imported(account, "import")),
            [store.read_blob(account, item.item_id) for item in items if item.digest],
        )
    return held


def much_happens(box: Any) -> None:
    """Do everything that a store can do."""
    store = box.store
    store.create_entry(Entry("b", kinds.ACCOUNT, "bruno@example.com", {"displayName": ("Ü",)}))
    store.update_entry(Entry("b", kinds.ACCOUNT, "bruno@example.com", {"displayName": ("Bruno",)}))
    store.update_entry(Entry("b", kinds.ACCOUNT, "bruno@example.com", {"displayName": ("Bruno",)}))
    store.write_items("b", [NewItem("1", ItemState("", kinds.FOLDER, "1", "a\n/'\"")),
                            NewItem("2", ItemState("", kinds.FOLDER, "1", "Inbox"))], "import")
    store.write_items("b", box.batch(0, 5), "import")
    store.write_items("b", box.batch(3, 7), "import")
    store.map_imported("b", "import", [("900", "2")])
    store.update_item("b", store.item("b", "258")._replace(flags="f"), bytes(range(256)))
    flagged = store.item("b", "260")._replace(flags="f")
    store.update_items("b", [flagged, flagged._replace(item_id="77777"), store.item("b", "2")._replace(date=5)])
    store.delete_items("b", ["259"])
    with pytest.raises(RestanteError):
        store.delete_items("b", ["2"])
    store.create_entry(Entry("c", kinds.ACCOUNT, "carla@example.com"))
    store.reshape_entry(Entry("c", kinds.ACCOUNT, "carla.new@example.com", aliases=("carla@example.com",)))
    store.create_entry(Entry("e", kinds.ACCOUNT, "e@example.com"))
    store.delete_entry(kinds.ACCOUNT, "e")


def test_a_copy_catches_up_and_is_then_the_same(box: Any, tmp_path: Path) -> None:
    box.mail(b"in the copy already")
    copy = copy_of(box, tmp_path / "copy")
    much_happens(box)
    assert replay(copy, log_of(box)) == 13
    assert whole(copy) == whole(box.store)
    assert replay(copy, log_of(box)) == 0
    box.mail(b"one more")
    assert replay(copy, log_of(box)) == 1
    assert whole(copy) == whole(box.store)
    copy.close()


def test_a_copy_has_volumes_of_its_own(box: Any, tmp_path: Path) -> None:
    item, = box.mail(b"x")
    copy = copy_of(box, tmp_path / "copy")
    shutil.rmtree(box.path / "volumes")
    assert copy.read_blob(box.account, item) == b"x"
    assert copy.volumes()[0].path == str(tmp_path / "copy" / "volumes" / "message1")
    copy.close()


def test_the_log_is_not_written_while_it_is_off_and_a_gap_is_refused(box: Any, tmp_path: Path) -> None:
    copy = copy_of(box, tmp_path / "copy")
    size = os.path.getsize(box.path / "redolog" / "redo.log")
    box.store.set_redo_log(False)
    box.mail(b"while it was off")
    assert os.path.getsize(box.path / "redolog" / "redo.log") == size
    assert replay(copy, log_of(box)) == 0
    box.store.set_redo_log(True)
    box.mail(b"on again")
    with pytest.raises(Damaged, match="switched off"):
        replay(copy, log_of(box))
    assert list(copy.changes(box.account).items) == [
        item for item in box.store.changes(box.account).items if item.kind == kinds.FOLDER
    ]
    copy.close()


def test_a_torn_line_is_left_out_and_the_next_one_whole(box: Any, tmp_path: Path) -> None:
    copy = copy_of(box, tmp_path / "copy")
    with open(box.path / "redolog" / "redo.log", "ab") as log:
        log.write(b'12345678 [3,"write_it')
    box.mail(b"after the crash")
    box.mail(b"and on")
    assert replay(copy, log_of(box)) == 2
    assert whole(copy) == whole(box.store)
    copy.close()


def test_of_two_transactions_of_one_number_the_later_counts(box: Any, tmp_path: Path) -> None:
    """The first one was logged by a writer that was killed before the database had it."""
    copy = copy_of(box, tmp_path / "copy")
    number = box.store.last_transaction() + 1
    log = redo_log.RedoLog(log_of(box))
    log.append(redo_log.Record(number, "delete_entry", {"kind": kinds.ACCOUNT, "entry_id": box.account}))
    box.mail(b"what happened")
    assert [record.operation for record in log.records(number - 1)] == ["write_items"]
    assert replay(copy, log_of(box)) == 1
    assert whole(copy) == whole(box.store)
    copy.close()


def test_a_damaged_line_in_the_middle_is_a_gap(box: Any, tmp_path: Path) -> None:
    copy = copy_of(box, tmp_path / "copy")
    for number in range(3):
        box.mail(b"%d" % number)
    path = box.path / "redolog" / "redo.log"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[-2] = lines[-2].replace(b"write_items", b"WRITE_ITEMS")
    path.write_bytes(b"".join(lines))
    with pytest.raises(Damaged, match="redo.log"):
        replay(copy, log_of(box))
    copy.close()


def test_a_full_log_is_rotated_and_the_oldest_dropped(
    box: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_of(box, tmp_path / "copy")
    monkeypatch.setattr(redo_log, "ROTATE_BYTES", 500)
    late = None
    for number in range(60):
        box.mail(b"%d" % number)
        if number == 55:
            late = copy_of(box, tmp_path / "late")
    assert len(os.listdir(log_of(box))) == redo_log.KEPT + 1
    assert replay(late, log_of(box)) == 4
    assert whole(late) == whole(box.store)
    with pytest.raises(Damaged, match="newer copy"):
        replay(copy, log_of(box))
    copy.close()
    late.close()


def test_a_log_that_cannot_be_written_stops_the_write(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(redo_log.os, "fdatasync", fail)
        with pytest.raises(Refused, match=r"redo\.log"):
            box.mail(b"x")
    assert (box.contents(), box.files()) == ([], [])
    box.mail(b"y")
    assert box.contents() == [b"y"]


def test_the_log_of_another_store_is_refused(box: Any, make_box: Any) -> None:
    other = make_box("other")
    other.store.create_entry(Entry("z", kinds.ACCOUNT, "zoe@example.com"))
    for _unused in range(2):
        other.store.write_items("z", other.batch(0, 1))
    box.mail(b"x")
    with pytest.raises(Damaged, match="is this the log"):
        replay(box.store, log_of(other))
