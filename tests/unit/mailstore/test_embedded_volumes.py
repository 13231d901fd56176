# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The blob files of an embedded store: compressed or not, linked, and gone with their items."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore, deduplication
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.volumes import PRIMARY, SECONDARY, Volume


def test_only_blobs_at_or_over_the_threshold_are_compressed(box: Any) -> None:
    """R-164."""
    volume, = box.store.volumes()
    box.store.update_volume(volume._replace(compressed=True, compression_threshold=100))
    for length in (99, 100):
        box.mail(b"x" * length)
    stored = sorted((path.read_bytes() for path in box.files()), key=len)
    assert (gzip.decompress(stored[0]), stored[1]) == (b"x" * 100, b"x" * 99)
    assert box.contents() == [b"x" * 99, b"x" * 100]


@pytest.mark.parametrize("compressed", [False, True])
def test_a_blob_that_is_gzip_itself_comes_back_as_it_is(box: Any, compressed: bool) -> None:
    volume, = box.store.volumes()
    box.store.update_volume(volume._replace(compressed=compressed, compression_threshold=0))
    once = gzip.compress(b"an archive " * 100)
    twice = gzip.compress(once)
    box.mail(once, twice)
    assert box.contents() == sorted([once, twice])


def test_files_go_with_their_items(box: Any) -> None:
    first, second = box.mail(b"1", b"2")
    box.store.update_item(box.account, box.store.item(box.account, first), b"changed")
    assert len(box.files()) == 2
    box.store.delete_items(box.account, [first])
    assert [path.read_bytes() for path in box.files()] == [b"2"]
    box.store.delete_items(box.account, [second])
    assert box.files() == []


def test_a_deleted_volume_leaves_what_is_not_ours(box: Any, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.mkdir()
    (path / "lost+found").write_text("somebody else's")
    volume = box.store.create_volume(Volume("", "disk", SECONDARY, str(path)))
    box.store.delete_volume(volume.volume_id)
    assert (path / "lost+found").read_text() == "somebody else's"
    empty = box.store.create_volume(Volume("", "empty", SECONDARY, "volumes/empty"))
    box.store.delete_volume(empty.volume_id)
    assert not (box.path / "volumes" / "empty").exists()


def test_one_path_is_one_volume_however_it_is_written(box: Any) -> None:
    for path in ("volumes/message1", "volumes/../volumes/message1/", str(box.path / "volumes" / "message1")):
        with pytest.raises(Exception, match="exists already") as caught:
            box.store.create_volume(Volume("", "again", PRIMARY, path))
        assert caught.type.__name__ == "AlreadyExists"


def test_identical_blobs_become_one_file(box: Any) -> None:
    """R-168."""
    box.mail(b"same", b"same", b"other", b"same")
    assert box.store.deduplicate() == (1, 2, 0, 0, 0, 8)
    assert sorted(os.stat(path).st_nlink for path in box.files()) == [1, 3, 3, 3]
    box.mail(b"same")
    assert box.store.deduplicate() == (1, 1, 2, 0, 0, 4)
    assert sorted(os.stat(path).st_nlink for path in box.files()) == [1, 4, 4, 4, 4]
    assert box.contents() == [b"other", b"same", b"same", b"same", b"same"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_was_linked_is_not_linked_anew(box: Any, dry_run: bool) -> None:
    box.mail(*[b"same"] * 5)
    one, two, three, four, five = box.files()
    for kept, linked in ((two, one), (two, three), (five, four)):
        linked.unlink()
        os.link(kept, linked)
    assert box.store.deduplicate(dry_run=dry_run) == (1, 2, 2, 0, 0, 4)  # only with its last link is a file gone


def test_a_file_has_no_more_links_than_a_file_system_allows(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deduplication, "_MOST_LINKS", 2)
    box.mail(*[b"same"] * 5)
    assert box.store.deduplicate() == (1, 2, 0, 0, 0, 8)
    assert sorted(os.stat(path).st_nlink for path in box.files()) == [1, 2, 2, 2, 2]
    assert box.contents() == [b"same"] * 5


def test_deduplication_counts_what_it_cannot_use(box: Any) -> None:
    for blob in (b"same",) * 4:
        box.mail(blob)
    lost, altered, *_good = box.files()
    lost.unlink()
    altered.write_bytes(b"SAME")
    assert box.store.deduplicate() == (1, 1, 0, 1, 1, 4)
    assert altered.read_bytes() == b"SAME"


def test_each_volume_is_deduplicated_for_itself(box: Any) -> None:
    box.mail(b"same", b"same")
    second = box.store.create_volume(Volume("", "second", PRIMARY, "volumes/second", current=True))
    box.mail(b"same", b"same")
    assert box.store.deduplicate(second.volume_id).duplicated_blobs == 1
    assert box.store.deduplicate().duplicated_blobs == 1
    assert [os.stat(path).st_nlink for path in box.files()] == [2, 2, 2, 2]


def test_a_link_that_was_begun_and_killed_is_made_again(box: Any) -> None:
    box.mail(b"same", b"same")
    os.link(box.files()[0], f"{box.files()[1]}.link")
    box.store.deduplicate()
    assert len(box.files()) == 2
    assert len({os.stat(path).st_ino for path in box.files()}) == 1


def test_tokens_of_many_accounts_are_one_query(box: Any) -> None:
    statements: list[str] = []
    box.store._database.set_trace_callback(statements.append)
    assert len(list(box.store.tokens())) == 1
    assert len(statements) == 1


def test_reading_needs_no_right_to_write_beside_a_writer(box: Any) -> None:
    box.mail(b"x")
    reader = EmbeddedStore.open(str(box.path))
    changes = reader.changes(box.account)
    with box.store._database.transaction():
        box.store._database.execute("DELETE FROM items")
        assert len(list(changes.items)) == 12
        assert len(list(reader.changes(box.account).items)) == 12
    reader.close()
