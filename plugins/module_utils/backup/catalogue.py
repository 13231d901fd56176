# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue: an index over commits and metadata packs, in SQLite. Derived: it may be deleted at any time.

Transactions are clustered by journal, item and sequence, so that an item's history lies together and the states of a
whole account at any moment are one walk along the table. Item ids are kept as journals.key writes them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..model import foreign
from ..model.errors import Damaged
from . import journals
from .commits import Commit, Head, PackInfo
from .database import Database
from .packs import IndexEntry

VERSION: Final = 5

_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE packs (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, size INTEGER NOT NULL,
    indexed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE blobs (digest BLOB PRIMARY KEY, pack INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
    size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE scopes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, segment TEXT NOT NULL DEFAULT '',
    number INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL DEFAULT 0, token TEXT NOT NULL DEFAULT '');
CREATE TABLE segments (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, pack INTEGER NOT NULL,
    scope INTEGER NOT NULL, number INTEGER NOT NULL, previous TEXT NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, transactions INTEGER NOT NULL, first_at INTEGER, last_at INTEGER);
CREATE INDEX segments_by_pack ON segments (pack);
CREATE TABLE transactions (scope INTEGER NOT NULL, item TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
    kind TEXT NOT NULL, date INTEGER NOT NULL, state TEXT, segment INTEGER NOT NULL,
    PRIMARY KEY (scope, item, seq)) WITHOUT ROWID;
CREATE INDEX deletions ON transactions (scope, at, seq, kind, state) WHERE state IS NULL;
CREATE TABLE damages (file TEXT NOT NULL, reason TEXT NOT NULL, consequence TEXT NOT NULL, version TEXT NOT NULL,
    PRIMARY KEY (file, reason));
PRAGMA user_version = {VERSION};
"""

_PACK = re.compile("[0-9a-f]{64}")
_AT_ONCE = 500
"""Values in one statement; old SQLites take 999."""


class Damage(NamedTuple):
    """Something in a backup that cannot be used."""

    file: str
    reason: str
    consequence: str


class Location(NamedTuple):
    """Where the frame of a blob lies."""

    digest: str
    pack: str
    offset: int
    length: int
    """Bytes of the whole frame."""
    size: int
    """Bytes of the blob."""


class Catalogue(Database):
    """The tables: filling them, and what is asked of all but transactions. Used by one thread."""

    def __init__(self, path: str, name: Callable[[bytes], bytes] = bytes) -> None:
        """Open or make the catalogue in a file ("" for a temporary one).

        :param name: gives the name that a content has in packs, and so in the table of blobs, by its SHA-256.
        """
        super().__init__(path, _SCHEMA, VERSION)
        self.name = name

    # -- filling; inside changing() --------------------------------------------------------------------------------

    def clear(self) -> None:
        """Forget everything."""
        self._make_tables(self._database)

    def set_meta(self, key: str, value: str) -> None:
        """Remember a value."""
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def add_damage(self, damage: Damage, version: str) -> None:
        """Note a damage, once.

        :param version: of the file, see Files.version.
        """
        self._database.execute("INSERT OR IGNORE INTO damages VALUES (?, ?, ?, ?)", (*damage, version))

    def add_pack(self, pack: PackInfo) -> bool:
        """Take in the name of a pack; False when it was known."""
        cursor = self._database.execute("INSERT OR IGNORE INTO packs (name, kind, size) VALUES (?, ?, ?)", pack)
        return cursor.rowcount == 1

    def remove_packs(self, names: Collection[str]) -> None:
        """Forget packs, and the segments, transactions and places of blobs that were taken from them alone."""
        gone = "NOT IN (SELECT id FROM packs)"
        segments = f"SELECT %s FROM segments WHERE pack {gone}"
        self._database.executemany("DELETE FROM packs WHERE name = ?", ((name,) for name in names))
        self._database.execute(
            f"DELETE FROM transactions WHERE scope IN ({segments % 'scope'}) AND segment IN ({segments % 'id'})"
        )
        self._database.execute(f"DELETE FROM segments WHERE pack {gone}")
        self._database.execute(f"DELETE FROM blobs WHERE pack {gone}")

    def add_index(self, name: str, entries: Iterable[IndexEntry], source: str) -> None:
        """Take in the index of a blob pack; nothing where the pack is unknown.

        :param source: the pack that the index was read from. A later index takes the place of an earlier one.
        """
        row = self._database.execute("SELECT id, indexed FROM packs WHERE name = ?", (name,)).fetchone()
        if row is None:
            return
        number, indexed = row
        if indexed:
            # Under another number, what the earlier index said belongs to no pack, and goes with the packs that are
            # removed: to look for it now would mean to look at all blobs, for each pack.
            number = self._database.execute("SELECT max(id) + 1 FROM packs").fetchone()[0]
        self._database.execute(
            "UPDATE packs SET id = ?, indexed = (SELECT id FROM packs WHERE name = ?) WHERE name = ?",
            (number, source, name),
        )
        self._database.executemany(
            "INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?)",
            sorted((entry.digest, number, entry.offset, entry.length, entry.size) for entry in entries),
        )

    def scope_id(self, scope: str) -> int:
        """Return the number of a journal, which is given one the first time."""
        self._database.execute("INSERT OR IGNORE INTO scopes (name) VALUES (?)", (scope,))
        number: int = self._database.execute("SELECT id FROM scopes WHERE name = ?", (scope,)).fetchone()[0]
        return number

    def add_segment(self, digest: str, segment: journals.Segment, rows: list[journals.Row], pack: str) -> None:
        """Take in a journal segment. :raises Damaged: it is of no journal that there can be.

        :param pack: the pack that it was read from. One that was known from another pack is in this one from now on.
        """
        known = self._database.execute(
            "UPDATE segments SET pack = (SELECT id FROM packs WHERE name = ?) WHERE digest = ?", (pack, digest)
        )
        if known.rowcount:
            return
        if not (foreign.is_text(segment.scope) and foreign.is_text(segment.previous)):
            raise Damaged(f"The segment {digest} is of a journal whose name is none.")
        scope = self.scope_id(segment.scope)
        moments = [int(row[1]) for row in rows]
        number = self._database.execute(
            "INSERT INTO segments VALUES (NULL, ?, (SELECT id FROM packs WHERE name = ?), ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                digest, pack, scope, segment.number, segment.previous, segment.first, segment.last, len(rows),
                min(moments, default=None), max(moments, default=None),
            ),
        ).lastrowid
        rows.sort(key=_by_item)
        # The columns' affinity makes numbers of the texts. A transaction that an older segment had too is in this one.
        self._database.executemany(
            "INSERT OR REPLACE INTO transactions (scope, segment, seq, at, item, kind, state, date) "
            f"VALUES ({scope}, {number}, ?, ?, ?, ?, nullif(?, ''), coalesce(nullif(?, ''), 0))", rows,
        )

    def set_heads(self, commit: Commit) -> None:
        """Take in the heads and tokens of a commit; those of a full one are all there are."""
        if commit.full:
            self._database.execute("UPDATE scopes SET segment = '', number = 0, last = 0, token = ''")
        for scope, head in commit.heads.items():
            self._database.execute(
                "UPDATE scopes SET segment = ?, number = ?, last = ? WHERE id = ?",
                (head.segment, head.number, head.last, self.scope_id(scope)),
            )
        # A journal of which nothing is there needs none: it is looked at anew in any case.
        self._database.executemany("UPDATE scopes SET token = ? WHERE name = ?", [
            (token, scope) for scope, token in commit.tokens.items()
        ])
        if commit.full:
            self._database.execute(
                "DELETE FROM scopes WHERE number = 0 AND token = '' "
                "AND NOT EXISTS (SELECT 1 FROM transactions WHERE scope = scopes.id)"
            )

    def forget_tokens(self) -> None:
        """Let the next scan compare everything."""
        self._database.execute("UPDATE scopes SET token = ''")

    # -- asking ----------------------------------------------------------------------------------------------------

    def meta(self, key: str, default: str = "") -> str:
        """Return a remembered value."""
        row = self.row("SELECT value FROM meta WHERE key = ?", (key,))
        return str(row[0]) if row else default

    def all_meta(self) -> dict[str, str]:
        """Return all remembered values, as of one moment."""
        return dict(self.rows("SELECT key, value FROM meta"))

    def damages(self) -> list[tuple[Damage, str]]:
        """Return the damages noted so far, with the versions of their files."""
        rows = self.rows("SELECT file, reason, consequence, version FROM damages ORDER BY file, reason")
        return [(Damage(file, reason, consequence), version) for file, reason, consequence, version in rows]

    def has_segment(self, digest: str) -> bool:
        """Return whether a segment was taken in."""
        return self.row("SELECT 1 FROM segments WHERE digest = ?", (digest,)) is not None

    def first(self, scope: str) -> int:
        """Return the number of the first transaction of a journal; 0 for none."""
        row = self.row(
            "SELECT coalesce(min(seq), 0) FROM transactions WHERE scope = (SELECT id FROM scopes WHERE name = ?)",
            (scope,),
        )
        return int(row[0]) if row else 0

    def owner(self, digest: str) -> str:
        """Return whose journal a segment is of; empty where it was not taken in."""
        row = self.row(
            "SELECT name FROM segments AS s JOIN scopes ON scopes.id = s.scope WHERE digest = ?", (digest,)
        )
        return str(row[0]) if row else ""

    def orphans(self, pack: str) -> list[tuple[str, int, int]]:
        """Return those segments of a pack whose predecessor is missing: scope, number, first transaction."""
        found = self.rows(
            "SELECT name, s.number, first FROM segments AS s JOIN scopes ON scopes.id = s.scope "
            "WHERE pack = (SELECT id FROM packs WHERE packs.name = ?) AND previous != '' "
            "AND NOT EXISTS (SELECT 1 FROM segments WHERE digest = s.previous)", (pack,),
        )
        return [(str(scope), int(number), int(first)) for scope, number, first in found]

    def heads(self) -> dict[str, Head]:
        """Return the newest segment of every journal."""
        rows = self.rows("SELECT name, segment, number, last FROM scopes WHERE number > 0 ORDER BY name")
        return {name: Head(segment, number, last) for name, segment, number, last in rows}

    def tokens(self) -> dict[str, str]:
        """Return the change token of every journal that has one."""
        return dict(self.rows("SELECT name, token FROM scopes WHERE token != '' ORDER BY name"))

    def token(self, scope: str) -> str:
        """Return the change token of a journal, empty for none."""
        row = self.row("SELECT token FROM scopes WHERE name = ?", (scope,))
        return str(row[0]) if row else ""

    def scopes(self) -> list[str]:
        """Return the names of all journals."""
        return [row[0] for row in self.rows("SELECT name FROM scopes ORDER BY name")]

    def packs(self) -> Iterator[PackInfo]:
        """Yield all packs."""
        return (PackInfo(*row) for row in self.rows("SELECT name, kind, size FROM packs ORDER BY id"))

    def is_indexed(self, name: str) -> bool:
        """Return whether the index of a blob pack was taken in."""
        return self.row("SELECT 1 FROM packs WHERE name = ? AND indexed != 0", (name,)) is not None

    def has_pack(self, name: str) -> bool:
        """Return whether a pack was taken in."""
        return self.row("SELECT 1 FROM packs WHERE name = ?", (name,)) is not None

    def pack_size(self, name: str) -> int:
        """Return the bytes of a pack; 0 for one that was not taken in."""
        row = self.row("SELECT size FROM packs WHERE name = ?", (name,))
        return int(row[0]) if row else 0

    def counts(self) -> Mapping[str, int]:
        """Return how much is stored."""
        stored = "SELECT count(*), coalesce(sum(b.size), 0) FROM blobs AS b JOIN packs AS p ON p.id = b.pack"
        blobs = self.row(stored) or (0, 0)
        files = self.row("SELECT count(*), coalesce(sum(size), 0) FROM packs") or (0, 0)
        return {"blobs": blobs[0], "blob_bytes": blobs[1], "packs": files[0], "pack_bytes": files[1]}

    def locate(self, digests: Iterable[str]) -> dict[str, Location]:
        """Return where blobs lie; unknown ones are absent."""
        digest_of = {self.name(_raw(digest)): digest for digest in digests}
        return {
            digest_of[name]: Location(digest_of[name], *place) for name, place in self.places(list(digest_of))
        }

    def places(self, names: Sequence[bytes]) -> Iterator[tuple[bytes, tuple[str, int, int, int]]]:
        """Yield where blobs lie by the names that they have in packs: pack, offset, length, size. See Location."""
        for start in range(0, len(names), _AT_ONCE):
            some = names[start: start + _AT_ONCE]
            asked = frozenset(some)
            for name, pack, offset, length, size in self.rows(
                "SELECT b.digest, p.name, b.offset, b.length, b.size FROM blobs b JOIN packs p ON p.id = b.pack "
                f"WHERE b.digest IN ({','.join('?' * len(some))})", some,
            ):
                is_sound = _is_pack(pack) and {type(offset), type(length), type(size)} == {int}
                if not is_sound or name not in asked:
                    raise Damaged(
                        f"The catalogue in {self._path or 'memory'} is altered: it tells of a content what cannot be. "
                        "Delete it: it is made anew."
                    )
                yield name, (pack, offset, length, size)

    def has_blob(self, digest: str) -> bool:
        """Return whether a blob is known."""
        query = "SELECT 1 FROM blobs WHERE digest = ? AND pack IN (SELECT id FROM packs)"
        return self.row(query, (self.name(_raw(digest)),)) is not None

    def knows(self, scope: str) -> bool:
        """Return whether there are transactions of a journal."""
        query = "SELECT 1 FROM transactions WHERE scope = (SELECT id FROM scopes WHERE name = ?)"
        return self.row(query, (scope,)) is not None


@functools.lru_cache(maxsize=1024)
def _is_pack(name: Any) -> bool:
    """Return whether this names a pack, and no other file: a catalogue may have been altered."""
    return isinstance(name, str) and _PACK.fullmatch(name) is not None


def _raw(digest: str) -> bytes:
    """Return the bytes of a digest; none, which no blob has, for what a state says that was altered."""
    try:
        return bytes.fromhex(digest)
    except ValueError:
        return b""


def _by_item(row: journals.Row) -> str:
    return row[2]
