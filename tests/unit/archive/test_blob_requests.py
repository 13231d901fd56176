# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of requests for blobs, and the cache of what they brought."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.restante.carbonio.plugins.module_utils.backup import packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.catalogue import Location
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import GAP, LARGEST, MIB, plan
from ansible_collections.restante.carbonio.plugins.module_utils.restore.range_cache import RangeCache
from hypothesis import given
from hypothesis import strategies as st


@st.composite
def locations(draw: st.DrawFn) -> list[Location]:
    """Return blobs of some packs, in any order, that do not overlap."""
    found = []
    for pack in ("aa" * 32, "bb" * 32):
        offset = 8
        for number in range(draw(st.integers(0, 12))):
            offset += draw(st.integers(0, 2 * MIB))
            length = draw(st.integers(100, 5 * MIB))
            found.append(Location(f"{pack}{number}", pack, offset, length, draw(st.integers(0, 10 * MIB))))
            offset += length
    return draw(st.permutations(found))


@given(wanted=locations())
def test_every_blob_is_in_one_request_that_holds_all_of_it(wanted: list[Location]) -> None:
    requests = plan(wanted)
    assert sorted(place for request in requests for place in request.places) == sorted(wanted)
    for request in requests:
        piece = request.piece
        for place in request.places:
            assert packs.file_name(place.pack) == piece.name
            assert piece.offset <= place.offset
            assert place.offset + place.length <= piece.offset + piece.length


@given(wanted=locations())
def test_a_request_is_neither_too_large_nor_full_of_what_nobody_wants(wanted: list[Location]) -> None:
    for request in plan(wanted):
        assert request.piece.cost == request.piece.length + sum(place.size for place in request.places)
        assert len(request.places) == 1 or request.piece.cost <= LARGEST
        unwanted = request.piece.length - sum(place.length for place in request.places)
        assert unwanted <= GAP * (len(request.places) - 1)


@given(wanted=locations())
def test_what_is_wanted_first_is_asked_for_first(wanted: list[Location]) -> None:
    requests = plan(wanted)
    if wanted:
        assert wanted[0] in requests[0].places


def test_neighbours_are_fetched_together() -> None:
    near = [Location(str(n), "aa" * 32, 8 + n * 1000, 1000, 3000) for n in range(100)]
    assert len(plan(near)) == 1
    far = [Location(str(n), "aa" * 32, 8 + n * 3 * MIB, 1000, 3000) for n in range(100)]
    assert len(plan(far)) == 100


def test_the_cache_gives_back_any_part_of_what_it_keeps(tmp_path: Path) -> None:
    cache = RangeCache(str(tmp_path / "cache"), 10_000)
    cache.keep("aa", 100, bytes(range(200)))
    assert cache.find("aa", 100, 200) == bytes(range(200))
    assert cache.find("aa", 150, 10) == bytes(range(50, 60))
    assert cache.find("aa", 99, 10) is None
    assert cache.find("aa", 295, 10) is None
    assert cache.find("bb", 100, 10) is None
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "cache").iterdir())


def test_the_cache_outlives_its_process(tmp_path: Path) -> None:
    RangeCache(str(tmp_path), 10_000).keep("aa", 0, b"0123456789")
    (tmp_path / "cut.0.5").write_bytes(b"012")
    (tmp_path / "left.part").write_bytes(b"012")
    again = RangeCache(str(tmp_path), 10_000)
    assert again.find("aa", 3, 4) == b"3456"
    assert again.find("cut", 0, 3) is None
    assert not (tmp_path / "left.part").exists()


def test_the_oldest_makes_room(tmp_path: Path) -> None:
    cache = RangeCache(str(tmp_path), 100)
    for number in range(5):
        cache.keep(f"pack{number}", 0, bytes(40))
    assert [number for number in range(5) if cache.find(f"pack{number}", 0, 1) is not None] == [3, 4]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 100


def test_a_cache_that_lost_its_files_only_forgets(tmp_path: Path) -> None:
    cache = RangeCache(str(tmp_path), 10_000)
    cache.keep("aa", 0, b"0123456789")
    for path in tmp_path.iterdir():
        os.unlink(path)
    assert cache.find("aa", 0, 5) is None
    os.rmdir(tmp_path)
    cache.keep("bb", 0, b"0123456789")
    assert cache.find("bb", 0, 5) is None
