# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries in the order of their names, however many there are."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ...model.errors import Refused
from ...model.state import Entry, state_from_json
from .ldap_names import key, parent

_SCHEMA = """
CREATE TABLE entries (name TEXT, dn TEXT, data TEXT);
CREATE TABLE signatures (dn TEXT, data TEXT);
"""


class Sorter:
    """Takes entries and signatures in any order.

    They lie in a file without a name, among the system's temporary ones, that is gone with this object: memory stays
    flat, and the server need not be asked for an order that few can give. Nobody else can open the file.
    """

    def __init__(self) -> None:
        with _explained():
            self._database = sqlite3.connect("")
            self._database.executescript(_SCHEMA)

    def add(self, dn: str, entry: Entry) -> None:
        """Take an entry."""
        with _explained():
            self._database.execute(
                "INSERT INTO entries VALUES (?, ?, ?)", (entry.name.casefold(), key(dn), json.dumps(entry.to_json()))
            )

    def add_signature(self, dn: str, signature: Mapping[str, str]) -> None:
        """Take a signature of the account that it lies under."""
        with _explained():
            self._database.execute("INSERT INTO signatures VALUES (?, ?)", (key(parent(dn)), json.dumps(signature)))

    def sorted(self) -> Iterator[tuple[Entry, list[Mapping[str, str]]]]:
        """Yield the entries by name, each with the signatures that were found under it."""
        with _explained():
            self._database.execute("CREATE INDEX by_account ON signatures (dn)")
            for dn, data in self._database.execute("SELECT dn, data FROM entries ORDER BY name, data"):
                entry = state_from_json("", json.loads(data))
                found = self._database.execute("SELECT data FROM signatures WHERE dn = ?", (dn,))
                if isinstance(entry, Entry):
                    yield entry, [json.loads(row[0]) for row in found]


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Refused(
            f"The entries of the directory could not be sorted ({error}). Make room among the temporary files."
        ) from error
