# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration that a backup has of its server: domains, classes of service, lists (R-261; reference, 3.2).

Looking at it restores nothing (R-022). Nothing here shows a secret.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..backup.repository import Repository
from ..model import kinds, moment
from ..model.errors import InvalidInput, NotFound
from ..model.state import SERVER, Entry
from ..restore.accounts import moment_in
from ..restore.search import ALL, periods
from ..restore.shown import shown
from .node import Node

TYPES: Final = (kinds.DOMAIN, kinds.COS, kinds.DISTRIBUTION_LIST)


def server_config(node: Node, *, date: str = moment.LAST, backup_path: str = "", query: str = "/") -> dict[str, Any]:
    """Return what a backup has of its server's configuration at a moment.

    :param date: the moment; all for every state of the one entry that the query names.
    :param query: type/id/key: "/" for how many of each type there are, "domain" for the domains, "domain/example.com"
        for the attributes of one, by name or id, "domain/example.com/zimbraGalMode" for one of them.
    :return: "config date", when the newest of it was recorded, and what was asked for.
    :raises NotFound: the backup has no such entry. :raises InvalidInput: there is no such type or moment.
    """
    type_, name, key = _parts(query)
    with contextlib.closing(node.repository(backup_path)) as source:
        if date.strip().lower() == ALL:
            if not name:
                raise InvalidInput("All states can be shown of one entry: give a query such as domain/example.com.")
            return {"states": list(_states(source, type_, name, key))}
        at = moment_in(source, moment.parse(date, node.settings.time_zone))
        last = max((one.at for kind in TYPES for one in source.entries(kind, at)), default=0)
        dated = {"config date": moment.iso(last) if last else ""}
        if not type_:
            return {**dated, **{one: len(_entries(source, one, at)) for one in TYPES}}
        if not name:
            return {**dated, type_: {entry.name: entry.entry_id for entry in _entries(source, type_, at)}}
        entry = _find(source, type_, name, at)
        return {**dated, f"{type_} {entry.name}": _attributes(entry, key)}


def _parts(query: str) -> Sequence[str]:
    parts = [part for part in query.strip().split("/", 3) if part]
    if len(parts) > 3:
        raise InvalidInput(f"{query!r} is no query; write type/id/key, such as domain/example.com/zimbraGalMode.")
    type_, name, key = [*parts, "", "", ""][:3]
    if type_ and type_ not in TYPES:
        raise InvalidInput(f"The backup has no configuration of type {type_!r}; it has {', '.join(TYPES)}.")
    return type_, name, key


def _entries(source: Repository, type_: str, at: int | None, deleted: bool = False) -> list[Entry]:
    """Return the entries of a type at a moment, by name."""
    found = [one.state for one in source.entries(type_, at, deleted) if isinstance(one.state, Entry)]
    return sorted(found, key=lambda entry: entry.name)


def _find(source: Repository, type_: str, name: str, at: int | None = None, deleted: bool = False) -> Entry:
    for entry in _entries(source, type_, at, deleted):
        if name.lower() in (entry.name.lower(), entry.entry_id):
            return entry
    raise NotFound(f"The backup in {source.path} has no {type_} {name!r} then; the query {type_} lists what it has.")


def _states(source: Repository, type_: str, name: str, key: str) -> Iterator[dict[str, Any]]:
    """Yield all states of an entry, oldest first; one that is deleted is found by its last name."""
    entry = _find(source, type_, name, deleted=True)
    for period in periods(source, SERVER, entry.entry_id):
        yield {
            "config date": moment.iso(period.start),
            "deleted": period.deleted,
            "attributes": _attributes(period.state, key) if isinstance(period.state, Entry) else {},
        }


def _attributes(entry: Entry, key: str) -> dict[str, Any]:
    """Return the attributes of an entry, or one of them; of those that it has not, nothing."""
    found: dict[str, Any] = shown(entry).get("attrs", {})
    return {key: found[key]} if key in found else {} if key else found
