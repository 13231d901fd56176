# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of the transactions: the state of one item or of all at a moment, histories, deletions.

"At a moment" is the last transaction by sequence among those recorded at or before it: order is never by the clock.
Every question also names the last transaction that counts, so that commits taken in meanwhile, by this process or
another, are not seen half.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from ..model import foreign
from ..model.errors import Damaged
from ..model.state import ACCOUNT_ITEM, Transaction, state_from_json
from . import journals
from .catalogue import Catalogue

_COLUMNS: Final = "item, seq, at, kind, state"
_SCOPE: Final = "scope = (SELECT id FROM scopes WHERE name = :scope)"
_UNTIL: Final = "seq <= :last AND at <= :at"
_FOREVER: Final = 2**63 - 1


class States:
    """Questions to the transactions in a catalogue. All results stream, in memory that does not grow."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.last = 0
        """Sequence number of the last transaction that counts."""

    def of_item(self, scope: str, item_id: str, at: int | None, deleted: bool = False) -> Transaction | None:
        """Return the transaction of an item that holds at a moment (None: now); None where it is unknown.

        :param deleted: give a deletion the state that the item had last.
        """
        query = (
            f"SELECT {_COLUMNS} FROM transactions WHERE {_SCOPE} AND item = :item AND {_UNTIL} %s "
            "ORDER BY seq DESC LIMIT 1"
        )
        values = self._values(scope, at, item=journals.key(item_id))
        row = self._catalogue.row(query % "", values)
        if row is None:
            return None
        found = _transaction(scope, row)
        if found.state is None and deleted:
            before = self._catalogue.row(query % "AND state IS NOT NULL", values)
            return found if before is None else found._replace(state=_transaction(scope, before).state, gone=True)
        return found

    def history(self, scope: str, item_id: str) -> Iterator[Transaction]:
        """Yield all transactions of an item in order."""
        query = f"SELECT {_COLUMNS} FROM transactions WHERE {_SCOPE} AND item = :item AND {_UNTIL} ORDER BY seq"
        for row in self._catalogue.rows(query, self._values(scope, None, item=journals.key(item_id))):
            yield _transaction(scope, row)

    def of_all(
        self, scope: str, at: int | None, kinds: Collection[str] | None, newest_first: bool, deleted: bool,
        text: str = "",
    ) -> Iterator[Transaction]:
        """Yield what is there of a journal at a moment, but for the account itself.

        :param deleted: also what was gone by then: its deletion, with the state it had last.
        :param text: only states that have it in one of their texts, and maybe some more: to read a state as JSON takes
            ten times as long as to look for a text in it.
        """
        # With one max() in the list, SQLite takes the other columns from the row that has the maximum.
        among = f"AND item IN (SELECT item FROM transactions WHERE {_SCOPE} AND instr(state, :text))" if text else ""
        query = (
            f"SELECT {_COLUMNS}, date FROM (SELECT item, max(seq) AS seq, at, kind, date, state FROM transactions "
            f"WHERE {_SCOPE} AND {_UNTIL} AND item != '{ACCOUNT_ITEM}' {among} GROUP BY item)"
        )
        if deleted:
            before = (
                f"(SELECT %s FROM transactions AS old WHERE {_SCOPE} AND old.item = present.item AND {_UNTIL} "
                "AND old.state IS NOT NULL ORDER BY seq DESC LIMIT 1)"
            )
            query = (
                f"SELECT item, seq, at, kind, coalesce(state, {before % 'state'}) AS state, "
                f"CASE WHEN state IS NULL THEN {before % 'date'} ELSE date END AS date, state IS NULL AS gone "
                f"FROM ({query}) AS present"
            )
        query = f"SELECT {_COLUMNS}, {'gone' if deleted else 0} FROM ({query}) WHERE state IS NOT NULL"
        if text:
            query += " AND instr(state, :text)"
        if kinds is not None:
            query += f" AND kind IN ({', '.join(_quoted(kind) for kind in kinds)})"
        if newest_first:
            query += " ORDER BY date DESC, item"
        # A state is kept as JSON in ASCII: what is looked for is looked for as it would stand there.
        for row in self._catalogue.rows(query, self._values(scope, at, text=journals.key(text))):
            yield _transaction(scope, row[:-1], bool(row[-1]))

    def changed(self, scope: str, since: int, kinds: Collection[str], newest_first: bool) -> Iterator[Transaction]:
        """Yield the last transaction of each item of some kinds in a journal that has one after a number."""
        query = (
            f"SELECT {_COLUMNS} FROM (SELECT item, max(seq) AS seq, at, kind, date, state FROM transactions "
            f"WHERE {_SCOPE} AND seq > :since AND {_UNTIL} AND item != '{ACCOUNT_ITEM}' GROUP BY item) "
            f"WHERE kind IN ({', '.join(_quoted(kind) for kind in kinds)})"
        )
        if newest_first:
            query += " ORDER BY date DESC, item"
        for row in self._catalogue.rows(query, self._values(scope, None, since=since)):
            yield _transaction(scope, row)

    def deletions(self, scope: str, start: int, end: int) -> Iterator[Transaction]:
        """Yield the deletions recorded in an interval, both ends included, oldest first."""
        # The index of deletions has all of these columns, so that the table is not looked into.
        query = (
            f"SELECT {_COLUMNS} FROM transactions WHERE {_SCOPE} AND state IS NULL "
            "AND at BETWEEN :start AND :at AND seq <= :last ORDER BY at, seq"
        )
        for row in self._catalogue.rows(query, self._values(scope, end, start=start)):
            yield _transaction(scope, row)

    def span(self) -> tuple[int, int] | None:
        """Return the first and last recorded moment."""
        row = self._catalogue.row("SELECT min(first_at), max(last_at) FROM segments WHERE last <= ?", (self.last,))
        return None if row is None or row[0] is None else (row[0], row[1])

    def recorded_back(self) -> Iterator[int]:
        """Yield when things were recorded, by number from the newest back: the last and the first of each segment."""
        query = "SELECT last_at, first_at FROM segments WHERE last_at IS NOT NULL AND last <= ? ORDER BY last DESC"
        for row in self._catalogue.rows(query, (self.last,)):
            yield from row

    def counts(self) -> dict[str, int]:
        """Return how many transactions there are, and how many present items and entries by kind."""
        values = {"last": self.last}
        row = self._catalogue.row("SELECT coalesce(sum(transactions), 0) FROM segments WHERE last <= :last", values)
        kinds = self._catalogue.rows(
            "SELECT kind, count(*) FROM (SELECT kind, state IS NULL AS gone, max(seq) FROM transactions "
            "WHERE seq <= :last GROUP BY scope, item) WHERE NOT gone GROUP BY kind ORDER BY kind", values,
        )
        return {**dict(kinds), "transactions": row[0] if row else 0}

    def _values(self, scope: str, at: int | None, **more: Any) -> dict[str, Any]:
        return {"scope": scope, "last": self.last, "at": _FOREVER if at is None else at, **more}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _transaction(scope: str, row: tuple[Any, ...], gone: bool = False) -> Transaction:
    key, seq, at, kind, text = row
    if not (type(seq) is type(at) is int and type(key) is type(kind) is str):
        raise Damaged(f"A transaction of {scope} in the catalogue is none; delete it: it is made anew from the backup.")
    item_id = journals.item_id(key)
    if text is None:
        return Transaction(seq, at, scope, item_id, kind, None)
    try:
        return Transaction(seq, at, scope, item_id, kind, state_from_json(item_id, foreign.parse(text)), gone)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(f"Transaction {seq} of {scope}, item {item_id}, has a state that cannot be read.") from error
