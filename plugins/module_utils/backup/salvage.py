# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a catalogue still knows of packs that are lost: it was taken in when they were whole.

A segment is made anew from its transactions, and its digest proves that it is the one that was lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from itertools import groupby
from typing import Any, Final

from . import frames, journals
from .catalogue import Catalogue
from .journals import Segment
from .packs import IndexEntry

BEYOND: Final = 2**62
"""A number that no transaction has."""


class Salvage:
    """Questions to the catalogue of a Backup Path about packs that will be taken out of it."""

    def __init__(self, catalogue: Catalogue, packs: Collection[str]) -> None:
        """:param packs: names of the packs that cannot be read."""
        self._catalogue = catalogue
        catalogue.run("DROP TABLE IF EXISTS temp.wrecks")
        catalogue.run("CREATE TEMP TABLE wrecks (pack INTEGER PRIMARY KEY)")
        numbers = [row for row in catalogue.rows("SELECT id, name FROM packs") if row[1] in packs]
        catalogue.run_many("INSERT INTO temp.wrecks VALUES (?)", [(row[0],) for row in numbers])

    def segments(self) -> Iterator[tuple[Segment, str, bytes | None]]:
        """Yield the segments that lay in the packs: head, digest, and content where it could be made anew."""
        for number, digest, *head in list(self._catalogue.rows(
            "SELECT s.id, digest, name, s.number, previous, first, s.last FROM segments AS s "
            "JOIN scopes ON scopes.id = s.scope WHERE pack IN (SELECT pack FROM temp.wrecks) ORDER BY name, s.last"
        )):
            segment = Segment(*head)
            rows = list(self._catalogue.rows(
                "SELECT seq, at, item, kind, state FROM transactions "
                "WHERE scope = (SELECT id FROM scopes WHERE name = ?) AND segment = ? ORDER BY seq",
                (segment.scope, number),
            ))
            try:
                content = journals.seal(segment, [journals.line_of(*row) for row in rows])
            except (TypeError, AttributeError, ValueError):  # the catalogue is damaged itself
                content = b""
            yield segment, digest, content if hashlib.sha256(content).hexdigest() == digest else None

    def first_after(self, seq: int) -> int:
        """Return the first transaction that begins a segment after another one; BEYOND where there is none."""
        row = self._catalogue.row("SELECT min(first) FROM segments WHERE first > ?", (seq,))
        return BEYOND if row is None or row[0] is None else int(row[0])

    def last(self) -> int:
        """Return the last transaction that is known."""
        row = self._catalogue.row("SELECT coalesce(max(last), 0) FROM segments")
        return int(row[0]) if row else 0

    def missed(self) -> set[str]:
        """Return the digests of segments that others, or the newest commit, name, and that are not known."""
        return {row[0] for row in self._catalogue.rows(
            "SELECT previous FROM segments AS s WHERE previous != '' "
            "AND NOT EXISTS (SELECT 1 FROM segments WHERE digest = s.previous) UNION "
            "SELECT segment FROM scopes WHERE number > 0 AND segment NOT IN (SELECT digest FROM segments)"
        )}

    def gaps(self) -> dict[str, int]:
        """Return the journals that are not whole, with the first transaction behind what is missing, or BEYOND."""
        found: dict[str, int] = dict(self._catalogue.rows(
            "SELECT name, ? FROM scopes WHERE number > 0 "
            "AND NOT EXISTS (SELECT 1 FROM segments WHERE digest = scopes.segment)", (BEYOND,),
        ))
        found.update(self._catalogue.rows(
            "SELECT name, min(first) FROM segments AS s JOIN scopes ON scopes.id = s.scope WHERE previous != '' "
            "AND NOT EXISTS (SELECT 1 FROM segments WHERE digest = s.previous) GROUP BY name"
        ))
        return found

    def blobs(self) -> Iterator[tuple[bytes, str, int, int]]:
        """Yield the blobs that lay in the packs, those of a pack in order: name there, pack, offset, length."""
        yield from (tuple(row) for row in self._catalogue.rows(
            "SELECT digest, name, offset, length FROM blobs AS b JOIN packs AS p ON p.id = b.pack "
            "WHERE b.pack IN (SELECT pack FROM temp.wrecks) ORDER BY b.pack, offset"
        ))

    def indexes(self, rewritten: Collection[int]) -> Iterator[tuple[str, list[IndexEntry]]]:
        """Yield the packs of blobs that stay, with their indexes, where the copy among the metadata is gone.

        :param rewritten: numbers of further packs of metadata that will be taken out.
        """
        rows = self._catalogue.rows(
            "SELECT name, digest, offset, length, b.size, indexed, p.id FROM blobs AS b "
            "JOIN packs AS p ON p.id = b.pack WHERE p.id NOT IN (SELECT pack FROM temp.wrecks) ORDER BY p.id, offset"
        )
        wrecks = {row[0] for row in self._catalogue.rows("SELECT pack FROM temp.wrecks")} | set(rewritten)
        for (name, source, own), group in groupby(rows, key=_pack):
            if source in wrecks or source == own:
                yield name, [IndexEntry(frames.BLOB, *row[1:5]) for row in group]


def _pack(row: tuple[Any, ...]) -> tuple[str, int, int]:
    return row[0], row[5], row[6]
