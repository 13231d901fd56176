# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A second catalogue, made of commits and packs alone: what they really say, to hold against what is believed.

It is a temporary database, so memory stays flat. Making it reads every commit since the newest full one and every pack
of metadata, each byte of them verified.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from ..model.errors import Damaged, Refused, RestanteError
from . import frames, journals, packs
from .catalogue import Catalogue, Damage, Location
from .commits import FormatInfo, PackInfo
from .files import Files
from .intake import Intake
from .inventory import Inventory
from .keys import Keys

SAME: Final = "same"
MORE: Final = "more"
OTHER: Final = "other"

_AT_ONCE: Final = 500

_TRANSACTIONS: Final = (
    "SELECT name, item, seq, at, kind, state FROM transactions AS t JOIN scopes ON scopes.id = t.scope "
    "WHERE seq <= ? ORDER BY name, item, seq"
)
_SEGMENTS: Final = (
    "SELECT digest, name, s.number, previous, first, s.last FROM segments AS s JOIN scopes ON scopes.id = s.scope "
    "WHERE s.last <= ? ORDER BY digest"
)
_BLOBS: Final = (
    "SELECT digest, p.name, offset, length, b.size FROM blobs AS b JOIN packs AS p ON p.id = b.pack ORDER BY digest"
)


class Reference(NamedTuple):
    """A state of an item whose content is lost."""

    scope: str
    item: str
    kind: str
    at: int
    """Since when the item had it, UTC milliseconds."""
    digest: str


class Audit:
    """What the files of a Backup Path say. Used by one thread."""

    def __init__(self, files: Files, info: FormatInfo, keys: Keys | None = None) -> None:
        """Read them. :raises NotABackup: a commit is of a newer format. Errors of files go through.

        :param info: what format.json says. :param keys: those of the backup; None for one that is not encrypted.
        """
        self._files = files
        self._keys = keys
        self._scopes: set[str] = set()
        self.catalogue = Catalogue("", keys.name if keys is not None else bytes)
        try:
            Intake(files, self.catalogue, info, keys).catch_up()
            self.catalogue.run("CREATE INDEX blobs_by_pack ON blobs (pack)")
            self.catalogue.run("CREATE TEMP TABLE lost (digest BLOB PRIMARY KEY)")
            self._inventory = Inventory(self.catalogue)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Forget it."""
        self.catalogue.close()

    @property
    def damages(self) -> list[Damage]:
        """What of commits and metadata cannot be read."""
        return [damage for damage, _version in self.catalogue.damages()]

    @property
    def head(self) -> int:
        """The number of the newest commit that can be read; 0 for none."""
        return int(self.catalogue.meta("head", "0"))

    def packs(self) -> list[PackInfo]:
        """Return the packs of the backup."""
        return list(self.catalogue.packs())

    # -- the catalogue that is believed ----------------------------------------------------------------------------

    def held_against(self, believed: Catalogue) -> str:
        """Compare a catalogue that may know later commits too.

        :return: SAME; MORE where it also knows what the files do not say (any more); OTHER where it lacks something,
            says something else, or cannot be read.
        """
        try:
            return self._compared(believed) if believed.is_whole() else OTHER
        except (Damaged, Refused):
            return OTHER

    def _compared(self, believed: Catalogue) -> str:
        last = self.catalogue.row("SELECT coalesce(max(last), 0) FROM segments") or (0,)
        known = {pack.name for pack in self.catalogue.packs()}
        if known - {pack.name for pack in believed.packs()}:
            return OTHER
        verdicts = {_contained(self.catalogue.rows(query, last), believed.rows(query, last))
                    for query in (_TRANSACTIONS, _SEGMENTS)}
        # Of a content that lies in two packs, either place is right.
        here = (row[:1] for row in self.catalogue.rows(_BLOBS))
        there = (row[:1] for row in believed.rows(_BLOBS) if row[1] in known)
        verdicts.add(_contained(here, there))
        if believed.meta("head") == self.catalogue.meta("head") and believed.heads() != self.catalogue.heads():
            verdicts.add(OTHER if set(self.catalogue.heads()) - set(believed.heads()) else MORE)
        verdicts.add(self._places(believed, known))
        return OTHER if OTHER in verdicts else MORE if MORE in verdicts else SAME

    def _places(self, believed: Catalogue, known: Collection[str]) -> str:
        """Look into the packs where a catalogue has another place for a blob."""
        rows = believed.rows(_BLOBS)
        while some := [(row[0], row[1:]) for row in islice(rows, _AT_ONCE)]:
            ours = dict(self.catalogue.places([name for name, _place in some]))
            for name, place in some:
                other = name in ours and place != ours[name] and place[0] in known
                if other and not self._lies_there(name, *place):
                    return OTHER
        return SAME

    def _lies_there(self, name: bytes, pack: str, offset: int, length: int, size: int) -> bool:
        try:
            head = frames.header(self._files.read_range(packs.file_name(pack), offset, frames.HEADER_SIZE))
            return (head.digest, head.length, head.size) == (name, length, size)
        except RestanteError:
            return False

    # -- contents --------------------------------------------------------------------------------------------------

    def blobs_in(self, pack: str) -> Iterator[Location]:
        """Yield the blobs of a pack, in the order in which they lie there.

        In an encrypted backup only those that are referred to: nobody can open the others.
        """
        digest = "b.digest" if self._keys is None else "(SELECT plain FROM temp.live WHERE digest = b.digest)"
        return (Location(row[0].hex(), *row[1:]) for row in self.catalogue.rows(
            f"SELECT {digest} AS plain, p.name, offset, length, b.size FROM blobs AS b JOIN packs AS p "
            "ON p.id = b.pack WHERE b.pack = (SELECT id FROM packs WHERE name = ?) AND plain IS NOT NULL "
            "ORDER BY offset", (pack,),
        ))

    def refer(self, scopes: Iterable[str]) -> None:
        """Take into account what journals refer to; once, before the questions below."""
        self._scopes = set(scopes)
        for scope in self._scopes:
            self._inventory.put(scope, None)

    def needed_packs(self) -> set[str]:
        """Return the packs that hold anything that is referred to."""
        return {pack.name for pack in self._inventory.blob_packs() if pack.live}

    def unreferenced(self) -> tuple[int, int]:
        """Return how many blobs nothing refers to, and their plain bytes."""
        return self._inventory.lost_blobs()

    def lose(self, digests: Iterable[str]) -> None:
        """Note that blobs cannot be read."""
        self.lose_named([self.catalogue.name(bytes.fromhex(digest)) for digest in digests])

    def lose_named(self, names: Iterable[bytes]) -> None:
        """Note that blobs cannot be read, by the names that they have in packs."""
        self.catalogue.run_many("INSERT OR IGNORE INTO temp.lost VALUES (?)", [(name,) for name in names])

    def lose_unknown(self) -> list[bytes]:
        """Note as lost what is referred to and lies in no pack (R-252); return the names that it has in packs."""
        found = [row[0] for row in self.catalogue.rows(
            "SELECT digest FROM temp.live AS l WHERE NOT EXISTS "
            "(SELECT 1 FROM blobs AS b WHERE b.digest = l.digest AND b.pack IN (SELECT id FROM packs))"
        )]
        self.lose_named(found)
        return found

    def lost(self) -> int:
        """Return how many blobs that are referred to are lost."""
        row = self.catalogue.row("SELECT count(*) FROM temp.lost WHERE digest IN (SELECT digest FROM temp.live)")
        return int(row[0]) if row else 0

    def losing(self) -> Iterator[Reference]:
        """Yield the states that refer to a lost blob, of the journals taken into account."""
        return self._referring(self._among_lost) if self.lost() else iter(())

    def referring(self, digests: Collection[str]) -> Iterator[Reference]:
        """Yield the states that refer to some blobs, of the journals taken into account."""
        return self._referring(set(digests).intersection)

    def _referring(self, among: Callable[[Sequence[str]], set[str]]) -> Iterator[Reference]:
        rows = self.catalogue.rows(_TRANSACTIONS, (2**63 - 1,))
        while some := list(islice(rows, _AT_ONCE)):
            referring = [
                (row, journals.digest_in(row[5])) for row in some if row[5] is not None and row[0] in self._scopes
            ]
            wanted = among([digest for _row, digest in referring if digest])
            for (scope, item, _seq, at, kind, _state), digest in referring:
                if digest in wanted:
                    yield Reference(scope, journals.item_id(item), kind, at, digest)

    def _among_lost(self, digests: Sequence[str]) -> set[str]:
        digest_of = {self.catalogue.name(bytes.fromhex(digest)): digest for digest in digests}
        marks = ",".join("?" * len(digest_of))
        return {digest_of[row[0]] for row in self.catalogue.rows(
            f"SELECT digest FROM temp.lost WHERE digest IN ({marks}) AND digest IN (SELECT digest FROM temp.live)",
            list(digest_of),
        )}


def _contained(few: Iterator[tuple[Any, ...]], many: Iterator[tuple[Any, ...]]) -> str:
    """Return SAME, or MORE where only the second has rows of its own; both are in one order."""
    verdict = SAME
    for row in few:
        for other in many:
            if other == row:
                break
            verdict = MORE
        else:
            return OTHER
    return MORE if next(many, None) is not None else verdict
