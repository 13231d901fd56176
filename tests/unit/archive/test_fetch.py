# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many reads at once under a bound."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.fetch import Piece, fetch
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotFound
from hypothesis import given, settings
from hypothesis import strategies as st


def read(name: str, offset: int, length: int) -> bytes:
    return f"{name}:{offset}:{length}".encode()


def use(piece: Piece, data: bytes) -> bytes:
    return data


@settings(deadline=None)
@given(costs=st.lists(st.integers(0, 50)), threads=st.integers(1, 4), bound=st.integers(0, 100))
def test_every_piece_is_yielded_once_and_the_bound_is_kept(costs: list[int], threads: int, bound: int) -> None:
    pieces = [Piece("p", number, 1, cost) for number, cost in enumerate(costs)]
    lock = threading.Lock()
    begun: Counter[int] = Counter()
    worst = [0]
    yielded: set[int] = set()

    def watched(name: str, offset: int, length: int) -> bytes:
        with lock:
            begun[offset] += 1
            open_costs = [costs[number] for number in begun if number not in yielded]
            if len(open_costs) > 1:
                worst[0] = max(worst[0], sum(open_costs))
        return read(name, offset, length)

    for piece, result in fetch(watched, pieces, use, threads, bound):
        assert result == read(*piece[:3])
        with lock:
            yielded.add(piece.offset)
    assert begun == Counter(range(len(costs)))
    assert yielded == set(range(len(costs)))
    assert worst[0] <= bound


def test_reads_run_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=30)

    def wait(name: str, offset: int, length: int) -> bytes:
        together.wait()
        return b""

    assert len(list(fetch(wait, [Piece("p", number, 1, 1) for number in range(4)], use, 4, 100))) == 4


def test_an_error_of_one_piece_is_yielded_in_its_place() -> None:
    def some(name: str, offset: int, length: int) -> bytes:
        if offset == 2:
            raise NotFound("not that one")
        return b"x"

    results = dict(fetch(some, [Piece("p", number, 1, 1) for number in range(4)], use, 2, 100))
    errors = {piece.offset: result for piece, result in results.items() if isinstance(result, NotFound)}
    assert list(errors) == [2] and len(results) == 4


def test_an_error_that_is_none_of_ours_is_raised() -> None:
    def broken(name: str, offset: int, length: int) -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(fetch(broken, [Piece("p", 0, 1, 1)], use, 2, 100))


def test_closing_early_begins_nothing_more() -> None:
    begun = []

    def count(name: str, offset: int, length: int) -> bytes:
        begun.append(offset)
        return b""

    results = fetch(count, [Piece("p", number, 1, 1) for number in range(1000)], use, 2, 10**6)
    next(results)
    results.close()
    assert len(begun) <= 6
