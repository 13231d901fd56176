# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading mail back from an archive, and from the Backup Path."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.port import Archive
from ansible_collections.restante.carbonio.plugins.module_utils.backup import packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    Damaged,
    NotFound,
    RestanteError,
    Unavailable,
)
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import ArchiveBlobs, LocalBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.retrieve import retrieve
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader
from archive_kit import Backup, Interposed


@pytest.fixture
def local(tmp_path: Path, backup: Backup) -> Archive:
    (tmp_path / "archive").mkdir()
    archive = DirectoryArchive(str(tmp_path / "archive"))
    backup.grow(commits=3, messages=12)
    Uploader(backup.repository, archive).sync()
    return archive


@pytest.fixture
def restored(local: Archive, tmp_path: Path) -> Repository:
    """What retrieve gives: the metadata, and no mail."""
    retrieve(local, str(tmp_path / "restore"))
    return Repository.open(str(tmp_path / "restore"))


def sound(blobs: ArchiveBlobs, wanted: list[str]) -> dict[str, bytes]:
    """Return the blobs that can be read, each yielded once."""
    results = list(blobs.read(wanted))
    assert len(results) == len({digest for digest, _unused in results}) == len(set(wanted))
    return {digest: blob for digest, blob in results if isinstance(blob, bytes)}


def failed(blobs: ArchiveBlobs, wanted: list[str]) -> dict[str, RestanteError]:
    return {digest: blob for digest, blob in blobs.read(wanted) if isinstance(blob, RestanteError)}


def test_every_blob_comes_back(archive: Archive, backup: Backup, tmp_path: Path) -> None:
    """R-183."""
    backup.grow(commits=3, messages=12)
    Uploader(backup.repository, archive).sync()
    retrieve(archive, str(tmp_path / "restore"))
    blobs = ArchiveBlobs(Repository.open(str(tmp_path / "restore")), archive, str(tmp_path / "cache"))
    assert sound(blobs, list(backup.contents)) == backup.contents


def test_blobs_of_the_backup_path_come_from_its_own_packs(local: Archive, backup: Backup) -> None:
    assert sound(LocalBlobs(backup.repository), list(backup.contents)) == backup.contents


def test_a_blob_that_is_wanted_twice_comes_once(restored: Repository, local: Archive, backup: Backup) -> None:
    one = next(iter(backup.contents))
    assert sound(ArchiveBlobs(restored, local), [one, one]) == {one: backup.contents[one]}
    assert list(ArchiveBlobs(restored, local).read([])) == []


def test_neighbours_come_in_one_request(restored: Repository, local: Archive, backup: Backup) -> None:
    watched = Interposed(local)
    sound(ArchiveBlobs(restored, watched), list(backup.contents))
    asked = watched.requests("get_range")
    assert len(asked) == len(set(asked)) == len([p for p in restored.packs() if p.kind == packs.BLOBS])


@pytest.fixture
def outer(restored: Repository, backup: Backup) -> list[str]:
    """The first and the last blob of each pack: whoever asks for them gets all between them."""
    places = sorted(restored.locate(backup.contents).values(), key=lambda place: (place.pack, place.offset))
    by_pack = {pack: [place.digest for place in places if place.pack == pack] for pack in {p.pack for p in places}}
    assert all(len(digests) > 2 for digests in by_pack.values())
    return [digest for digests in by_pack.values() for digest in (digests[0], digests[-1])]


def test_what_came_along_is_not_fetched_again(
    restored: Repository, local: Archive, backup: Backup, tmp_path: Path, outer: list[str]
) -> None:
    sound(ArchiveBlobs(restored, local, str(tmp_path / "cache")), outer)
    watched = Interposed(local)
    assert sound(ArchiveBlobs(restored, watched, str(tmp_path / "cache")), list(backup.contents)) == backup.contents
    assert watched.log == []


def test_what_was_wanted_whole_is_not_kept(
    restored: Repository, local: Archive, backup: Backup, tmp_path: Path
) -> None:
    sound(ArchiveBlobs(restored, local, str(tmp_path / "cache")), list(backup.contents))
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_altered_cache_is_not_believed(
    restored: Repository, local: Archive, backup: Backup, tmp_path: Path, outer: list[str]
) -> None:
    sound(ArchiveBlobs(restored, local, str(tmp_path / "cache")), outer)
    kept = list((tmp_path / "cache").iterdir())
    assert kept
    for path in kept:
        path.write_bytes(bytes(path.stat().st_size))
    blobs = ArchiveBlobs(restored, local, str(tmp_path / "cache"))
    assert sound(blobs, list(backup.contents)) == backup.contents


@pytest.mark.parametrize("how", ["missing", "truncated", "altered"])
def test_a_damaged_pack_takes_only_its_own_blobs_with_it(
    local: Archive, backup: Backup, tmp_path: Path, how: str
) -> None:
    places = backup.repository.locate(backup.contents)
    bad = next(place.pack for place in places.values())
    name = packs.file_name(bad)
    content = local.get(name)
    first = min((place for place in places.values() if place.pack == bad), key=lambda place: place.offset)
    middle = first.offset + first.length // 2
    local.delete(name)
    if how == "truncated":
        local.put(name, content[:middle])
    elif how == "altered":
        local.put(name, content[:middle] + b"scribble" + content[middle + 8:])
    lost = {
        digest for digest, place in places.items()
        if place.pack == bad and (how != "altered" or place.offset == first.offset)
    }
    retrieve(local, str(tmp_path / "restore"))
    blobs = ArchiveBlobs(Repository.open(str(tmp_path / "restore")), local)
    errors = failed(blobs, list(backup.contents))
    assert set(errors) == lost
    for error in errors.values():
        assert isinstance(error, NotFound if how == "missing" else Damaged)
        assert bad in str(error), "the sentence names the pack"
    assert sound(blobs, list(backup.contents)) == {
        digest: blob for digest, blob in backup.contents.items() if digest not in lost
    }


def test_bytes_altered_on_the_way_are_fetched_again(
    restored: Repository, local: Archive, backup: Backup
) -> None:
    class Noisy(Interposed):
        def get_range(self, name: str, offset: int, length: int) -> bytes:
            content = super().get_range(name, offset, length)
            return content[: length // 2] if self.requests("get_range").count(name) == 1 else content

    assert sound(ArchiveBlobs(restored, Noisy(local)), list(backup.contents)) == backup.contents


def test_an_unknown_blob_is_told_as_such(restored: Repository, local: Archive) -> None:
    errors = failed(ArchiveBlobs(restored, local), ["ab" * 32])
    assert isinstance(errors["ab" * 32], NotFound)


def test_an_archive_that_went_away_is_told_for_every_blob(
    restored: Repository, local: Archive, backup: Backup
) -> None:
    class Away(Interposed):
        def get_range(self, name: str, offset: int, length: int) -> bytes:
            raise Unavailable("gone")

    errors = failed(ArchiveBlobs(restored, Away(local)), list(backup.contents))
    assert errors.keys() == backup.contents.keys()
    assert all(isinstance(error, Unavailable) for error in errors.values())


def test_a_reader_may_stop_early(restored: Repository, local: Archive, backup: Backup) -> None:
    reading = ArchiveBlobs(restored, local).read(list(backup.contents))
    next(reading)
    reading.close()  # type: ignore[attr-defined]
