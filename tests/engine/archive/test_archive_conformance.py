# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every archive does, whatever it lies on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive import port
from ansible_collections.restante.carbonio.plugins.module_utils.archive.port import Archive, StoredFile
from ansible_collections.restante.carbonio.plugins.module_utils.archive.probe import (
    probe_conditional_writes,
    probe_connection,
)
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.model import moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, NotFound

PACK = "packs/ab/" + "ab" * 32


def test_it_passes_its_own_probes_and_keeps_nothing_of_them(archive: Archive) -> None:
    """R-309."""
    probe_connection(archive)
    probe_conditional_writes(archive)
    assert list(archive.list("")) == []


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 4096])
def test_what_was_put_is_got_back(archive: Archive, content: bytes) -> None:
    archive.put(PACK, content)
    assert archive.get(PACK) == content
    assert archive.size(PACK) == len(content)


def test_put_replaces(archive: Archive) -> None:
    archive.put(PACK, b"first")
    archive.put(PACK, b"2nd")
    assert archive.get(PACK) == b"2nd"


def test_a_note_is_written_over_and_over(archive: Archive) -> None:
    for text in (b"first", b"2nd", b""):
        archive.put_note("alive.json", text)
        assert archive.get_note("alive.json", 100) == text
    archive.put_note("alive.json", b"x" * 101)
    with pytest.raises(Damaged, match="larger than 100 bytes"):
        archive.get_note("alive.json", 100)
    with pytest.raises(NotFound):
        archive.get_note("none.json", 100)


def test_a_range_is_cut_where_the_file_ends(archive: Archive) -> None:
    archive.put(PACK, b"0123456789")
    assert archive.get_range(PACK, 2, 3) == b"234"
    assert archive.get_range(PACK, 8, 100) == b"89"
    assert archive.get_range(PACK, 10, 5) == b""
    assert archive.get_range(PACK, 3, 0) == b""


def test_what_is_larger_than_any_file_of_a_backup_is_not_read(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has the keys of a bucket must not be able to take the memory of a node that reads it."""
    monkeypatch.setattr(port, "LARGEST", 4000)
    archive.put(PACK, bytes(4000))
    assert archive.get(PACK) == archive.get_range(PACK, 0, 5000) == bytes(4000)
    archive.put(PACK, bytes(4001))
    with pytest.raises(Damaged, match=f"{PACK}.*is larger than.*put the right file back"):
        archive.get(PACK)
    assert archive.get_range(PACK, 3990, 100) == bytes(11)


def test_a_file_of_which_the_size_is_known_may_have_that(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A content that is larger than all that is read blindly has a pack alone, which is read whole too."""
    monkeypatch.setattr(port, "LARGEST", 4000)
    content = bytes(6000)
    archive.put(PACK, content)
    assert archive.get(PACK, 6000) == archive.get_checked(PACK, hashlib.sha256(content).hexdigest(), 6000) == content
    with pytest.raises(Damaged, match="is larger than 5999 bytes"):
        archive.get_checked(PACK, hashlib.sha256(content).hexdigest(), 5999)


def test_a_local_file_is_stored_whole(archive: Archive, tmp_path: Path) -> None:
    content = bytes(range(256)) * 20000
    (tmp_path / "pack").write_bytes(content)
    archive.put_file(PACK, str(tmp_path / "pack"), hashlib.sha256(content).hexdigest())
    assert archive.get(PACK) == content


def test_an_altered_local_file_is_never_stored(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "pack").write_bytes(b"altered")
    with pytest.raises(Damaged, match=str(tmp_path / "pack")):
        archive.put_file(PACK, str(tmp_path / "pack"), hashlib.sha256(b"sound").hexdigest())
    assert archive.size(PACK) is None
    assert list(archive.list("")) == []


def test_a_missing_local_file_is_named(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=str(tmp_path / "none")):
        archive.put_file(PACK, str(tmp_path / "none"), "00" * 32)


def test_a_name_is_given_once(archive: Archive) -> None:
    assert archive.put_new("commits/1.json", b"mine")
    assert not archive.put_new("commits/1.json", b"other")
    assert archive.get("commits/1.json") == b"mine"


def test_meeting_ones_own_success_is_success(archive: Archive) -> None:
    assert archive.put_new("commits/1.json", b"mine")
    assert archive.put_new("commits/1.json", b"mine")


def test_one_of_many_writers_wins(archive: Archive) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda writer: archive.put_new("commits/1.json", b"%d" % writer), range(16)))
    assert won.count(True) == 1
    assert archive.get("commits/1.json") == b"%d" % won.index(True)


def test_a_missing_file_is_told_by_name(archive: Archive) -> None:
    assert archive.size("commits/9.json") is None
    with pytest.raises(NotFound, match="commits/9.json"):
        archive.get("commits/9.json")
    with pytest.raises(NotFound, match="commits/9.json"):
        archive.get_range("commits/9.json", 0, 1)


def test_delete_is_final_and_may_be_repeated(archive: Archive) -> None:
    archive.put(PACK, b"x")
    archive.delete(PACK)
    archive.delete(PACK)
    assert archive.size(PACK) is None


def test_a_listing_is_by_name_and_may_begin_anywhere(archive: Archive) -> None:
    names = sorted(["commits/01.json", "commits/02.json", "commits/10.json", "commits.txt", "format.json", PACK])
    for size, name in enumerate(names):
        archive.put(name, b"x" * size)
    listed = list(archive.list(""))
    assert [file._replace(at=0) for file in listed] == [StoredFile(name, size) for size, name in enumerate(names)]
    assert {file.at // 1000 for file in listed} <= {(archive.stored_at(name) or 0) // 1000 for name in names}
    assert [file.name for file in archive.list("commits/")] == names[1:4]
    assert [file.name for file in archive.list("commits/", after="commits/01.json")] == names[2:4]
    assert [file.name for file in archive.list("commits/0", after="commits/01.json")] == ["commits/02.json"]
    assert list(archive.list("commits/", after="commits/10.json")) == []
    assert list(archive.list("none")) == []


def test_a_listing_of_many_pages_is_complete(archive: Archive) -> None:
    if isinstance(archive, S3Archive):  # a page has 1000 names otherwise
        archive._client.meta.events.register("provide-client-params.s3.ListObjectsV2", _small_pages)
    names = [f"commits/{number:020d}.json" for number in range(1, 15)]
    for name in names:
        archive.put(name, b"x")
    assert [file.name for file in archive.list("commits/")] == names
    assert next(archive.list("commits/", after=names[9])).name == names[10]


def _small_pages(params: dict[str, Any], **_unused: object) -> None:
    params["MaxKeys"] = 4


def test_prefixes_do_not_see_each_other(make_archive: Callable[[str], Archive]) -> None:
    one, two, above = make_archive("backups/one"), make_archive("backups/two"), make_archive("/backups/")
    one.put("format.json", b"one")
    two.put("format.json", b"two")
    assert one.get("format.json") == b"one"
    assert [file.name for file in one.list("")] == ["format.json"]
    assert above.folders() == ["one", "two"]
    assert above.get("two/format.json") == b"two"
    assert make_archive("").folders() == ["backups"]
    assert one.folders() == []


def test_many_threads_may_use_one_archive(archive: Archive) -> None:
    contents = {f"packs/aa/{number}": bytes([number]) * 50000 for number in range(64)}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: archive.put(name, contents[name]), contents))
        assert dict(zip(contents, pool.map(archive.get, contents))) == contents


def test_it_tells_since_when_a_file_is_there(archive: Archive) -> None:
    assert archive.stored_at(PACK) is None
    archive.put(PACK, b"x")
    stored = archive.stored_at(PACK)
    assert stored is not None and abs(stored - moment.now()) < 60_000


def test_what_is_erased_is_gone_and_nothing_else(archive: Archive) -> None:
    for name in (PACK, PACK + "0", "packs/ab/" + "ab" * 31 + "aa"):
        archive.put(name, b"x")
    archive.erase(PACK)
    archive.erase(PACK)
    assert archive.size(PACK) is None
    assert len(list(archive.list("packs/"))) == 2
