# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many reads at once, under a bound on what is in memory."""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from ..model.errors import RestanteError

Used = TypeVar("Used")


class Piece(NamedTuple):
    """A part of a file of an archive."""

    name: str
    offset: int
    length: int
    cost: int
    """Bytes of memory it takes once it is read and used."""


def fetch(
    read: Callable[[str, int, int], bytes],
    pieces: Iterable[Piece],
    use: Callable[[Piece, bytes], Used],
    threads: int,
    bytes_in_flight: int,
) -> Generator[tuple[Piece, Used | RestanteError], None, None]:
    """Read pieces, use each in the thread that read it, and yield what came of it, as they come in.

    A piece that cannot be read or used yields its error, and the others go on. The order of pieces is that in which
    they are begun. Closing the generator ends the work.

    :param read: what reads name, offset, length: an archive's get_range.
    :param use: makes of a piece's bytes what is wanted of them.
    :param bytes_in_flight: bound on the cost of all pieces that are begun and not yet yielded; one always is.
    """
    done: queue.SimpleQueue[tuple[Piece, Future[Used]]] = queue.SimpleQueue()
    ahead = iter(pieces)
    coming = next(ahead, None)
    count = in_flight = 0
    pool = ThreadPoolExecutor(threads)
    try:
        while coming is not None or count:
            # A few more than threads, so that a thread that is done finds its next piece at once.
            while coming is not None and (
                not count or (in_flight + coming.cost <= bytes_in_flight and count < 2 * threads)
            ):
                piece = coming
                future = pool.submit(lambda piece: use(piece, read(piece.name, piece.offset, piece.length)), piece)
                future.add_done_callback(lambda future, piece=piece: done.put((piece, future)))  # type: ignore[misc]
                count += 1
                in_flight += piece.cost
                coming = next(ahead, None)
            piece, future = done.get()
            try:
                result: Used | RestanteError = future.result()
            except RestanteError as error:
                result = error
            yield piece, result
            del result, future
            count -= 1
            in_flight -= piece.cost
    finally:
        pool.shutdown(cancel_futures=True)
