# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at the accounts and domains of a backup (reference, section 3.2). Nothing here shows a secret."""

from __future__ import annotations

import contextlib
import io
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..archive import files
from ..backup.repository import Repository
from ..model import kinds, moment
from ..model.errors import AlreadyExists, InvalidInput, NotFound
from ..model.state import ACCOUNT_ITEM, Entry, ItemState
from ..restore.accounts import Found, accounts, find_account, moment_in
from ..restore.search import Period, periods
from ..restore.selection import domain_of, is_system_account
from ..restore.shown import shown
from .call import Call
from .node import Node
from .searching import MOST_RECENT, chosen

HEADERS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "accountMap": lambda one: f"{one['id']}={one['name']}",
    "accountList": lambda one: str(one["name"]),
    "accountIdList": lambda one: str(one["id"]),
    "accountAndIdList": lambda one: f"{one['name']} {one['id']}",
}
"""The lists that can be written to a file, with the line for an account (R-256)."""


def account(
    node: Node, account: str, *, date: str = MOST_RECENT, backup_path: str = "", backupstats: bool = False
) -> dict[str, Any]:
    """Return an account as a backup has it: at a moment, most_recent, least_recent or all (R-258).

    :param account: id, address or alias. :param backupstats: also count what the backup holds of its mailbox.
    :raises NotFound: the backup does not know it. :raises InvalidInput: there was no such state.
    """
    with contextlib.closing(node.repository(backup_path)) as source:
        owner = find_account(source, account)
        states = periods(source, owner.entry.entry_id, ACCOUNT_ITEM)
        wanted = chosen(source, states, date, node.settings.time_zone)
        result = {**owner.shown(), "states": [_period(period) for period in wanted]}
        if backupstats:
            result["backupstats"] = _statistics(source, owner.entry.entry_id)
    return result


def _period(period: Period) -> dict[str, Any]:
    return {
        "start_date": moment.iso(period.start),
        "end_date": "" if period.end is None else moment.iso(period.end),
        "deleted": period.deleted,
        **(shown(period.state) if period.state else {}),
    }


def _statistics(source: Repository, account_id: str) -> dict[str, Any]:
    known: Counter[str] = Counter()
    present: Counter[str] = Counter()
    size = 0
    for last in source.states(account_id, deleted=True):
        known[last.kind] += 1
    for last in source.states(account_id):
        present[last.kind] += 1
        size += last.state.size if isinstance(last.state, ItemState) else 0
    return {
        "items": dict(sorted(present.items())),
        "deleted_items": dict(sorted((known - present).items())),
        "bytes": size,
    }


def available_accounts(
    node: Node, *, date: str = moment.LAST, backup_path: str = "", domains: Sequence[str] = (),
    hide_deleted: bool = False, hide_system_accounts: bool = True, hide_existing_accounts: bool = False,
) -> list[dict[str, Any]]:
    """Return the accounts that can be restored from a backup at a moment, by address (R-254, R-255).

    An account that was deleted and one of its address that came later are two, each with its own id.

    :param domains: only their accounts; empty for all. :param hide_existing_accounts: leave out those that the node's
        mail server has: of this server's own backup by the id, of another's also by the address.
    :raises NotFound: the backup has no such domain. :raises InvalidInput: there is no such moment.
    """
    with contextlib.ExitStack() as opened:
        source = opened.enter_context(contextlib.closing(node.repository(backup_path)))
        at = moment_in(source, moment.parse(date, node.settings.time_zone))
        found = accounts(source, at, not hide_deleted)
        wanted = {domain.strip().lower() for domain in domains}
        unknown = wanted - set(_domains(source, at)) - {domain_of(one.entry.name) for one in found}
        if unknown:
            raise NotFound(f"The backup has no domain {', '.join(sorted(unknown))}; check the spelling.")
        ids, names = _existing(node, source) if hide_existing_accounts else (set(), set())
    return [
        _available(one) for one in found
        if not (wanted and domain_of(one.entry.name) not in wanted)
        and not (hide_system_accounts and is_system_account(one.entry))
        and one.entry.entry_id not in ids and one.entry.name.lower() not in names
    ]


def _domains(source: Repository, at: int | None) -> list[str]:
    return sorted(
        found.state.name.lower() for found in source.entries(kinds.DOMAIN, at) if isinstance(found.state, Entry)
    )


def _existing(node: Node, source: Repository) -> tuple[set[str], set[str]]:
    """Return the ids and the addresses by which an account of the backup is known to exist."""
    with contextlib.closing(node.store()) as store:
        present = list(store.entries(kinds.ACCOUNT))
        own = store.server_id() == source.server_id
    return {entry.entry_id for entry in present}, set() if own else {entry.name.lower() for entry in present}


def _available(one: Found) -> dict[str, Any]:
    return {
        **one.shown(),
        "domain": domain_of(one.entry.name),
        "status": one.entry.first("zimbraAccountStatus"),
        "system": is_system_account(one.entry),
    }


def write_accounts(found: Sequence[Mapping[str, Any]], output_file: str, headers: Sequence[str] = ()) -> None:
    """Write accounts to a file, one a line, for this user alone (R-256).

    One list alone has nothing else in the file, so that accountList can be the input_file of an External Restore; of
    several, each begins with a line "# <its name>".

    :raises InvalidInput: there is no such list. :raises AlreadyExists: the file is there; it is left alone.
    """
    chosen = list(dict.fromkeys(headers or ("accountList",)))
    unknown = [header for header in chosen if header not in HEADERS]
    if unknown:
        raise InvalidInput(f"There is no list {', '.join(unknown)}; there are {', '.join(HEADERS)}.")
    lines: list[str] = []
    for header in chosen:
        lines += [f"# {header}"] if len(chosen) > 1 else []
        lines += map(HEADERS[header], found)
    path = os.path.abspath(output_file)
    content = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
    with files.explained("write", path):
        if not files.store(io.BytesIO(content), path, os.path.dirname(path), overwrite=False):
            raise AlreadyExists(f"{path} is there and is left alone; name another file.")


def available_domains(node: Node, date: str, backup_path: str) -> list[str]:
    """Return the domains of a backup at a moment (R-257). :raises InvalidInput: there is no such moment."""
    with contextlib.closing(node.repository(backup_path)) as source:
        return _domains(source, moment_in(source, moment.parse(date, node.settings.time_zone)))


def answer_account(call: Call) -> dict[str, Any]:
    """Answer the module account_info."""
    found = account(
        call.node(), call["account"], date=call["date"], backup_path=call["backup_path"] or "",
        backupstats=call["backupstats"],
    )
    return {"account": found}


def answer_available(call: Call) -> dict[str, Any]:
    """Answer the module available_accounts_info."""
    names = ("date", "domains", "hide_deleted", "hide_system_accounts", "hide_existing_accounts")
    given = {name: call[name] for name in names}
    found = available_accounts(call.node(), backup_path=call["backup_path"] or "", **given)
    return {"accounts": found}
