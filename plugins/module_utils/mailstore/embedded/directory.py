# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory of the embedded store: domains, classes of service, distribution lists and accounts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from ...model import foreign, kinds
from ...model.errors import AlreadyExists, Damaged, InvalidInput, NotFound, Refused
from ...model.state import Entry, state_from_json
from ..index.database import Database
from ..port import shape

_WITH_ADDRESSES = (kinds.ACCOUNT, kinds.DISTRIBUTION_LIST)


class Directory:
    """The entries of one store. Its writing methods are called inside a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def entries(self, kind: str) -> Iterator[Entry]:
        """Yield all entries of a kind, by name."""
        rows = self._database.execute("SELECT data FROM entries WHERE kind = ? ORDER BY name_key", (kind,)).fetchall()
        return (_entry(row[0]) for row in rows)

    def find(self, kind: str, name_or_id: str) -> Entry | None:
        """Return the entry with this name or id."""
        row = self._database.execute(
            "SELECT data FROM entries WHERE kind = ? AND (id = ? OR name_key = ?)",
            (kind, name_or_id, _key(name_or_id)),
        ).fetchone()
        return None if row is None else _entry(row[0])

    def create(self, entry: Entry) -> None:
        """Add an entry. :raises AlreadyExists: its id, name or an alias is taken. :raises NotFound: no such domain."""
        if entry.kind not in kinds.ENTRY_KINDS or not entry.name or not entry.entry_id:
            raise InvalidInput(f"{entry.kind!r} {entry.name!r} is no entry that a directory can hold.")
        if entry.kind in _WITH_ADDRESSES:
            domain = entry.name.rpartition("@")[2]
            if self.find(kinds.DOMAIN, domain) is None:
                raise NotFound(f"The domain {domain!r} of {entry.name} does not exist; create it first.")
        try:
            self._database.execute(
                "INSERT INTO entries VALUES (?, ?, ?, ?)",
                (entry.entry_id, entry.kind, _key(entry.name), json.dumps(entry.to_json())),
            )
        except sqlite3.IntegrityError as error:
            raise AlreadyExists(f"{entry.name}, or an entry {entry.entry_id}, is there already.") from error
        if entry.kind in _WITH_ADDRESSES:
            self._claim(entry, (entry.name, *entry.aliases))

    def update(self, entry: Entry) -> bool:
        """Merge attributes, aliases, members and signatures into the entry of the same id; True on a change."""
        before = self.find(entry.kind, entry.entry_id)
        if before is None:
            raise NotFound(f"There is no {entry.kind} with the id {entry.entry_id}; it may have been deleted.")
        attrs = {key: tuple(values) for key, values in before.attrs.items()}
        for key, values in entry.attrs.items():
            if values:
                attrs[key] = tuple(values)
            else:
                attrs.pop(key, None)
        given = {signature.get("id") for signature in entry.signatures}
        merged = before._replace(
            attrs=attrs,
            aliases=_added(before.aliases, entry.aliases),
            members=_added(before.members, entry.members),
            signatures=tuple(s for s in before.signatures if s.get("id") not in given) + entry.signatures,
        )
        if _normal(merged) == _normal(before):
            return False
        new = [alias for alias in merged.aliases if alias not in before.aliases]
        if entry.kind in _WITH_ADDRESSES:
            self._claim(before, new)
        self._database.execute(
            "UPDATE entries SET data = ? WHERE id = ?", (json.dumps(merged.to_json()), entry.entry_id)
        )
        return True

    def reshape(self, entry: Entry) -> bool:
        """Give the entry of the same id this name, these aliases, members and signatures, and no others."""
        before = self.find(entry.kind, entry.entry_id)
        if before is None or not entry.name:
            raise NotFound(f"There is no {entry.kind} with the id {entry.entry_id}; it may have been deleted.")
        if shape(before) == shape(entry):
            return False
        after = before._replace(
            name=entry.name, aliases=entry.aliases, members=entry.members, signatures=entry.signatures
        )
        if entry.kind in _WITH_ADDRESSES:
            domain = entry.name.rpartition("@")[2]
            if self.find(kinds.DOMAIN, domain) is None:
                raise NotFound(f"The domain {domain!r} of {entry.name} does not exist; create it first.")
            self._database.execute("DELETE FROM addresses WHERE entry = ?", (entry.entry_id,))
            self._claim(after, (after.name, *after.aliases))
        try:
            self._database.execute(
                "UPDATE entries SET name_key = ?, data = ? WHERE id = ?",
                (_key(after.name), json.dumps(after.to_json()), entry.entry_id),
            )
        except sqlite3.IntegrityError as error:
            raise AlreadyExists(f"There is another {entry.kind} named {entry.name}.") from error
        return True

    def delete(self, kind: str, entry_id: str) -> None:
        """Remove an entry. :raises NotFound: there is none. :raises Refused: a domain that is not empty."""
        entry = self.find(kind, entry_id)
        if entry is None:
            raise NotFound(f"There is no {kind} with the id {entry_id}.")
        if kind == kinds.DOMAIN:
            end = f"@{_key(entry.name)}"
            if self._database.execute(
                "SELECT 1 FROM addresses WHERE substr(address, -length(?)) = ?", (end, end)
            ).fetchone():
                raise Refused(f"The domain {entry.name} still has accounts or lists and was not deleted.")
        self._database.execute("DELETE FROM addresses WHERE entry = ?", (entry_id,))
        self._database.execute("DELETE FROM entries WHERE id = ?", (entry_id,))

    def _claim(self, entry: Entry, addresses: list[str] | tuple[str, ...]) -> None:
        for address in addresses:
            self._database.execute("INSERT OR IGNORE INTO addresses VALUES (?, ?)", (_key(address), entry.entry_id))
            owner = self._database.execute("SELECT entry FROM addresses WHERE address = ?", (_key(address),)).fetchone()
            if owner[0] != entry.entry_id:
                raise AlreadyExists(f"The address {address} of {entry.name} is taken by the entry {owner[0]}.")


def _entry(data: str) -> Entry:
    try:
        entry = state_from_json("", foreign.parse(data))
        if not isinstance(entry, Entry):
            raise TypeError("it is none")
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(f"An entry of the directory cannot be read ({error}); put back a copy of the store.") from error
    return entry


def _key(name: str) -> str:
    return name.casefold()


def _added(present: tuple[str, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    known = {_key(value) for value in present}
    return present + tuple(value for value in given if _key(value) not in known)


def _normal(entry: Entry) -> str:
    record = entry.to_json()
    record["signatures"] = sorted(json.dumps(s, sort_keys=True) for s in record.get("signatures", []))
    return json.dumps(record, sort_keys=True)
