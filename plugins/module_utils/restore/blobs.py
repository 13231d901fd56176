# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading mail back: many blobs at once, from the packs in a directory or in an archive."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from ..archive.directory import DirectoryArchive
from ..archive.fetch import Piece, fetch
from ..archive.port import Archive
from ..backup import frames, packs
from ..backup.catalogue import Location
from ..backup.repository import Repository
from ..model.errors import Damaged, NotFound, RestanteError, Unavailable
from .range_cache import RangeCache

MIB: Final = 1024 * 1024
GAP: Final = 1 * MIB
"""Unwanted bytes between two wanted blobs up to which one request for both is cheaper than two."""
LARGEST: Final = 8 * MIB
"""Bytes of memory at which a request is cut: large ranges then come over several connections."""
BYTES_IN_FLIGHT: Final = 64 * MIB
CACHE_LIMIT: Final = 4096 * MIB


class Blobs(Protocol):
    """Where a restore has its contents from."""

    def read(self, wanted: Sequence[str]) -> Iterator[tuple[str, bytes | RestanteError]]:
        """Yield every wanted blob once with its digest, or with the reason why it cannot be read, in any order.

        :param wanted: digests. Some thousands at once let neighbours be read together.
        """


class ArchiveBlobs:
    """Blobs from an archive. Reads may run in several threads.

    :param repository: the backup that knows where each blob lies; its packs may be missing.
    :param archive: where the packs are.
    :param cache_path: a directory for what came along with what was wanted, for those who want that; empty for none.
    :param threads: requests in flight.
    :param bytes_in_flight: bound on the memory of what is being fetched and was not taken yet.
    """

    def __init__(
        self,
        repository: Repository,
        archive: Archive,
        cache_path: str = "",
        threads: int = 10,
        bytes_in_flight: int = BYTES_IN_FLIGHT,
        cache_limit: int = CACHE_LIMIT,
    ) -> None:
        self._repository = repository
        self._archive = archive
        self._cache = RangeCache(cache_path, cache_limit) if cache_path else None
        self._threads = threads
        self._bytes_in_flight = bytes_in_flight
        self._lock = threading.Lock()

    def read(self, wanted: Sequence[str]) -> Iterator[tuple[str, bytes | RestanteError]]:
        """See Blobs."""
        with self._lock:  # the catalogue is for one thread at a time
            places = self._repository.locate(wanted)
        missing = []
        for digest in dict.fromkeys(wanted):
            place = places.get(digest)
            if place is None:
                yield digest, NotFound(f"The backup in {self._repository.path} holds no blob {digest}.")
                continue
            blob = self._kept(place)
            if blob is None:
                missing.append(place)
            else:
                yield digest, blob
        requests = {(request.piece.name, request.piece.offset): request for request in plan(missing)}

        def use(piece: Piece, data: bytes) -> list[tuple[str, bytes | RestanteError]]:
            request = requests[piece.name, piece.offset]
            if self._cache is not None and request.unwanted:
                self._cache.keep(request.places[0].pack, piece.offset, data)
            return [(place.digest, self._decoded(place, piece, data)) for place in request.places]

        for piece, result in fetch(
            self._archive.get_range,
            (request.piece for request in requests.values()), use, self._threads, self._bytes_in_flight,
        ):
            if isinstance(result, RestanteError):
                yield from ((place.digest, result) for place in requests[piece.name, piece.offset].places)
            else:
                yield from result

    def _kept(self, place: Location) -> bytes | None:
        """Return a blob from the cache."""
        frame = self._cache.find(place.pack, place.offset, place.length) if self._cache is not None else None
        try:
            return None if frame is None else frames.decode(frame, bytes.fromhex(place.digest), self._repository.keys)
        except Damaged:  # in the cache; not yet in the archive
            return None

    def _decoded(self, place: Location, piece: Piece, data: bytes) -> bytes | RestanteError:
        digest, keys = bytes.fromhex(place.digest), self._repository.keys
        start = place.offset - piece.offset
        try:
            return frames.decode(memoryview(data)[start:start + place.length], digest, keys)
        except Damaged:
            pass
        try:
            try:  # it may have happened on the way
                return frames.decode(self._archive.get_range(piece.name, place.offset, place.length), digest, keys)
            except Damaged as error:
                for later in self._archive.later_versions(piece.name, place.offset, place.length):
                    with contextlib.suppress(Damaged):
                        return frames.decode(later, digest, keys)
                return Damaged(f"{piece.name} in {self._archive.describe()} is damaged at {place.offset}: {error}")
        except RestanteError as error:
            return error


class LocalBlobs(ArchiveBlobs):
    """Blobs from the packs of the backup itself."""

    def __init__(self, repository: Repository, threads: int = 2) -> None:
        super().__init__(repository, DirectoryArchive(repository.path), threads=threads)


class EitherBlobs:
    """Blobs from one place, and those that it has lost or altered from another.

    Where the other cannot be reached, the first one's reason counts: others can be restored all the same.
    """

    def __init__(self, first: Blobs, other: Blobs) -> None:
        self._first = first
        self._other = other

    def read(self, wanted: Sequence[str]) -> Iterator[tuple[str, bytes | RestanteError]]:
        """See Blobs."""
        missing: dict[str, RestanteError] = {}
        for digest, blob in self._first.read(wanted):
            if isinstance(blob, RestanteError):
                missing[digest] = blob
            else:
                yield digest, blob
        for digest, blob in self._other.read(list(missing)) if missing else ():
            yield digest, missing[digest] if isinstance(blob, Unavailable) else blob


class Request(NamedTuple):
    """A range of a pack, and the wanted blobs in it."""

    piece: Piece
    places: Sequence[Location]
    unwanted: int
    """Bytes of the range that belong to no wanted blob: probably somebody will want them yet."""


def plan(wanted: Iterable[Location]) -> Sequence[Request]:
    """Return requests for blobs, those that are wanted first coming first. Pure."""
    rank: dict[str, int] = {}
    by_pack: dict[str, list[Location]] = {}
    for place in wanted:
        rank[place.digest] = len(rank)
        by_pack.setdefault(place.pack, []).append(place)
    requests: list[Request] = []
    for places in by_pack.values():
        requests += _requests(sorted(places, key=lambda place: place.offset))
    return sorted(requests, key=lambda request: min(rank[place.digest] for place in request.places))


def _requests(places: Sequence[Location]) -> Iterator[Request]:
    """Cut the blobs of one pack, by offset, into requests."""
    first, plain = 0, 0
    for number, place in enumerate(places):
        gap = place.offset - (places[number - 1].offset + places[number - 1].length)
        cost = place.offset + place.length - places[first].offset + plain + place.size
        if number > first and (gap > GAP or cost > LARGEST):
            yield _request(places[first:number], plain)
            first, plain = number, 0
        plain += place.size
    yield _request(places[first:], plain)


def _request(places: Sequence[Location], plain: int) -> Request:
    start = places[0].offset
    length = places[-1].offset + places[-1].length - start
    unwanted = length - sum(place.length for place in places)
    return Request(Piece(packs.file_name(places[0].pack), start, length, length + plain), places, unwanted)
