# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a backup stays and where it lies: what must be known before packs can be written anew.

Two temporary tables beside the catalogue hold what would not fit into memory: the transactions that go, and the blobs
that are referred to by those that stay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from . import frames, journals, packs
from .catalogue import Catalogue, Location
from .packs import IndexEntry

_AT_ONCE: Final = 10_000


class Mark(NamedTuple):
    """A transaction, as far as retention has to know it."""

    seq: int
    at: int
    """UTC milliseconds."""
    deleted: bool


Keep = Callable[[Sequence[Mark]], Sequence[Mark]]
"""Given all transactions of an item in order, returns those that stay."""


class Taken(NamedTuple):
    """What becomes of a journal."""

    transactions: int
    """How many go."""
    items: int
    """Items of which none stays."""


class BlobPack(NamedTuple):
    """A pack of blobs, and what of it is needed."""

    number: int
    name: str
    size: int
    index_pack: int
    """The number of the pack of metadata that has its index."""
    blobs: int = 0
    blob_bytes: int = 0
    """Their plain bytes."""
    live: int = 0
    """Blobs that are referred to."""
    live_bytes: int = 0
    """Bytes of their frames."""


class MetadataPack(NamedTuple):
    """A pack of metadata."""

    number: int
    name: str
    size: int


class PlacedSegment(NamedTuple):
    """A segment of a journal and where it lies."""

    scope: str
    digest: str
    pack: int
    number: int
    last: int


def _first(row: tuple[Any, ...]) -> Any:
    return row[0]


class Inventory:
    """Questions to a catalogue about all of a backup. Journals are put in first, one after the other."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.first_gone: dict[str, int] = {}
        """By journal, the first transaction that goes."""
        self.emptied: set[str] = set()
        """Journals of which nothing stays."""
        # plain is the SHA-256 of a content; digest what it is called in packs.
        for table in (
            "gone (seq INTEGER PRIMARY KEY)",
            "live (digest BLOB PRIMARY KEY, place INTEGER NOT NULL, plain BLOB NOT NULL)",
        ):
            self._catalogue.run(f"DROP TABLE IF EXISTS temp.{table.split()[0]}")
            self._catalogue.run(f"CREATE TEMP TABLE {table}")
        self._place = 0

    # -- what stays ------------------------------------------------------------------------------------------------

    def first_between(self, after: int, until: int) -> int | None:
        """Return the first transaction that was recorded after a moment and not after another one.

        :param after: UTC milliseconds, as until.
        """
        row = self._catalogue.row("SELECT min(seq) FROM transactions WHERE at > ? AND at <= ?", (after, until))
        return row[0] if row else None

    def put(self, scope: str, keep: Keep | None) -> Taken:
        """Note what goes of a journal and which blobs the rest refers to.

        :param keep: says what stays of an item; None for all of it.
        """
        gone: list[tuple[int]] = []
        live: list[tuple[bytes, int, bytes]] = []
        transactions = items = stay = 0
        rows = self._catalogue.rows(
            "SELECT item, seq, at, state FROM transactions WHERE scope = (SELECT id FROM scopes WHERE name = ?) "
            "ORDER BY item, seq", (scope,),
        )
        for _item, group in groupby(rows, key=_first):
            history = list(group)
            staying = None
            if keep is not None:
                marks = [Mark(seq, at, state is None) for _unused, seq, at, state in history]
                staying = {mark.seq for mark in keep(marks)}
                lost = [mark.seq for mark in marks if mark.seq not in staying]
                if lost:
                    self.first_gone[scope] = min(lost[0], self.first_gone.get(scope, lost[0]))
                    gone.extend((seq,) for seq in lost)
                    transactions += len(lost)
                    items += not staying
                stay += len(staying)
            for _unused, seq, _at, state in history:
                digest = journals.digest_in(state) if state and (staying is None or seq in staying) else ""
                if digest:
                    self._place += 1
                    plain = bytes.fromhex(digest)
                    live.append((self._catalogue.name(plain), self._place, plain))
            if len(gone) + len(live) > _AT_ONCE:
                self._note(gone, live)
        self._note(gone, live)
        if transactions and not stay:
            self.emptied.add(scope)
        return Taken(transactions, items)

    def _note(self, gone: list[tuple[int]], live: list[tuple[bytes, int, bytes]]) -> None:
        self._catalogue.run_many("INSERT INTO temp.gone VALUES (?)", gone)
        self._catalogue.run_many("INSERT OR IGNORE INTO temp.live VALUES (?, ?, ?)", live)
        gone.clear()
        live.clear()

    # -- packs -----------------------------------------------------------------------------------------------------

    def blob_packs(self) -> list[BlobPack]:
        """Return all packs of blobs."""
        counted = {
            number: counts for number, *counts in self._catalogue.rows(
                "SELECT b.pack, count(*), sum(b.size), count(l.digest), "
                "sum(CASE WHEN l.digest IS NULL THEN 0 ELSE b.length END) "
                "FROM blobs AS b LEFT JOIN temp.live AS l ON l.digest = b.digest GROUP BY b.pack"
            )
        }
        found = self._catalogue.rows(
            "SELECT id, name, size, indexed FROM packs WHERE kind = ? ORDER BY id", (packs.BLOBS,)
        )
        return [
            BlobPack(number, name, size, index_pack, *counted.get(number, ()))
            for number, name, size, index_pack in found
        ]

    def metadata_packs(self) -> list[MetadataPack]:
        """Return all packs of metadata."""
        found = self._catalogue.rows("SELECT id, name, size FROM packs WHERE kind = ? ORDER BY id", (packs.METADATA,))
        return [MetadataPack(*row) for row in found]

    def digest_of(self, name: bytes) -> bytes | None:
        """Return the SHA-256 of a content that is referred to, by what it is called in packs; None for others."""
        row = self._catalogue.row("SELECT plain FROM temp.live WHERE digest = ?", (name,))
        return row[0] if row else None

    def lost_blobs(self) -> tuple[int, int]:
        """Return how many blobs nothing refers to any more, and their plain bytes."""
        row = self._catalogue.row(
            "SELECT count(*), coalesce(sum(b.size), 0) FROM blobs AS b JOIN packs AS p ON p.id = b.pack "
            "WHERE NOT EXISTS (SELECT 1 FROM temp.live WHERE digest = b.digest)"
        )
        return (row[0], row[1]) if row else (0, 0)

    def blobs_of(self, chosen: Collection[int]) -> Iterator[Location]:
        """Yield the blobs in packs that are referred to, those of an account together."""
        self._choose(chosen)
        for digest, *place in self._catalogue.rows(
            "SELECT l.plain, p.name, b.offset, b.length, b.size FROM blobs AS b "
            "JOIN temp.live AS l ON l.digest = b.digest JOIN packs AS p ON p.id = b.pack "
            "WHERE b.pack IN (SELECT pack FROM temp.chosen) ORDER BY l.place"
        ):
            yield Location(digest.hex(), *place)

    def indexes_of(self, chosen: Collection[int]) -> Iterator[tuple[str, list[IndexEntry]]]:
        """Yield packs of blobs with the places of those blobs in them that are referred to."""
        self._choose(chosen)
        rows = self._catalogue.rows(
            "SELECT p.name, b.digest, b.offset, b.length, b.size FROM blobs AS b "
            "JOIN temp.live AS l ON l.digest = b.digest JOIN packs AS p ON p.id = b.pack "
            "WHERE b.pack IN (SELECT pack FROM temp.chosen) ORDER BY p.id, b.offset"
        )
        for name, group in groupby(rows, key=_first):
            yield name, [IndexEntry(frames.BLOB, *place) for _unused, *place in group]

    def _choose(self, chosen: Collection[int]) -> None:
        self._catalogue.run("DROP TABLE IF EXISTS temp.chosen")
        self._catalogue.run("CREATE TEMP TABLE chosen (pack INTEGER PRIMARY KEY)")
        self._catalogue.run_many("INSERT INTO temp.chosen VALUES (?)", [(number,) for number in chosen])

    # -- journals --------------------------------------------------------------------------------------------------

    def segments(self) -> Iterator[PlacedSegment]:
        """Yield all segments, those of a journal in order."""
        return (PlacedSegment(*row) for row in self._catalogue.rows(
            "SELECT name, digest, pack, s.number, s.last FROM segments AS s JOIN scopes ON scopes.id = s.scope "
            "ORDER BY name, s.last"
        ))

    def starts(self, chosen: Collection[int]) -> dict[str, int]:
        """Return the first transaction in some packs of metadata of each journal that has any there."""
        self._choose(chosen)
        return dict(self._catalogue.rows(
            "SELECT name, min(first) FROM segments AS s JOIN scopes ON scopes.id = s.scope "
            "WHERE pack IN (SELECT pack FROM temp.chosen) GROUP BY name"
        ))

    def lines(self, scope: str, after: int) -> Iterator[tuple[int, bytes]]:
        """Yield the transactions of a journal after one of them that stay: number and line, in order."""
        for seq, at, item, kind, state in self._catalogue.rows(
            "SELECT seq, at, item, kind, state FROM transactions AS t "
            "WHERE scope = (SELECT id FROM scopes WHERE name = ?) AND seq > ? "
            "AND NOT EXISTS (SELECT 1 FROM temp.gone WHERE seq = t.seq) ORDER BY seq", (scope, after),
        ):
            yield seq, journals.line_of(seq, at, item, kind, state)
