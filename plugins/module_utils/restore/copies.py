# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One account of this server's own backup, made again: the plan that both strategies have in common. Reads only.

What was asked for is written down before anything else, with the moment that "last" meant then (copy_record.py). So a
later run knows whether the account that is there is its own unfinished work, its finished work, or somebody else's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds, moment
from ..model.state import Entry
from . import plan, shares
from .accounts import moment_in
from .attributes import ADDRESSES, ADMINISTRATION, HIDE_IN_GAL, mapped
from .copy_source import CopyOptions, Past, as_it_was
from .copy_target import Target, addresses
from .idmap import OriginSet, import_id_of
from .mailbox import Scope
from .references import SameServer
from .selection import domain_of
from .undeleted import Undeleted


class CopyPlan(NamedTuple):
    """How one account is made again."""

    strategy: str
    """Its name."""
    request: Mapping[str, Any]
    """What was asked for, as JSON values."""
    options: CopyOptions
    source: Past
    target: Target
    entry: Entry
    """The account as it is to be."""
    notes: tuple[str, ...]
    """What the administrator should know, the shares that cannot be kept among it (R-053), as sentences."""

    def scope(self, source: Repository) -> Scope:
        """Return what of the backup is restored."""
        options, account_id, at = self.options, self.source.entry.entry_id, self.source.at
        undeleted = None
        if options.undelete:
            start = options.undelete_start_date
            since = None if start == moment.FIRST else moment_in(source, start)
            undeleted = Undeleted(source, account_id, since, at)
        return Scope(source, account_id, options.undelete, at=at, undeleted=undeleted)

    def title(self) -> str:
        """Return what is done, in a sentence."""
        deleted = " with what was deleted" if self.options.undelete else ""
        return f"{self.source.entry.name} as it was at {moment.iso(self.source.at)}{deleted}, to {self.target.address}."

    def lines(self, items: Mapping[str, int]) -> list[str]:
        """Return the steps as text. :param items: what outstanding() has counted."""
        if self.target.done is not None:
            return []
        create = [] if self.target.resumed else [f"create account {self.target.address} ({self.target.entry_id})"]
        return [
            *create, f"restore {self.title()}", *(f"restore {count} x {kind}" for kind, count in sorted(items.items())),
            *self.notes,
        ]


def plan_copy(
    strategy: str, source: Repository, store: MailStore, past: Past, target: Target, request: Mapping[str, Any],
    options: CopyOptions,
) -> CopyPlan:
    """Return the plan for an account and where it is to be made again.

    :param past: as asked for; an earlier run has decided already what "last" means.
    """
    if target.at is not None and target.at != past.at:
        past = as_it_was(source, past.entry.entry_id, options._replace(date=target.at))
    entry, left_out = _entry(source, store, past.entry, target, options)
    notes = (*past.notes, *left_out, *_shares(source, past, target))
    return CopyPlan(strategy, request, options, past, target, entry, notes)


def outstanding(source: Repository, store: MailStore, backup_path: str, planned: CopyPlan) -> Counter[str]:
    """Return how many items of each kind no earlier run has restored; a folder that is there counts too."""
    if planned.target.done is not None:
        return Counter()
    there = OriginSet()
    import_id = import_id_of(backup_path, source.server_id, planned.target.entry_id)
    if planned.target.resumed and import_id:
        for origin, _unused in store.imported(planned.target.entry_id, import_id):
            there.add(origin)
    left_out = () if planned.options.restore_datasource else (kinds.DATA_SOURCE,)
    states = planned.scope(source).states([kind for kind in kinds.ITEM_KINDS if kind not in left_out])
    return Counter(
        step.state.kind for step in plan.items(states, there)
        if step.action == plan.WRITE and not plan.is_root(step.state)
    )


def _entry(
    source: Repository, store: MailStore, before: Entry, target: Target, options: CopyOptions
) -> tuple[Entry, list[str]]:
    """Return the account as it is to be, and what of it cannot be as it was."""
    ids = SameServer(source, store, {before.entry_id: target.entry_id})
    entry, unresolved = mapped(before, ids.entry, skip_aliases=True)
    notes = [f"{name} names {value}, which is not there any more; it is left out." for name, value in unresolved]
    same_address = before.name.lower() == target.address.lower()
    attrs = {
        name: values for name, values in entry.attrs.items()
        if name not in ADMINISTRATION and (same_address or name not in ADDRESSES)
    }
    if any(before.first(name) == "TRUE" for name in ADMINISTRATION):
        notes.append(f"{before.name} was an administrator; {target.address} is none.")
    if options.hide_in_gal:
        attrs[HIDE_IN_GAL] = ("TRUE",)
    aliases = []
    taken = addresses(store)
    for alias in before.aliases if target.entry_id == before.entry_id else ():  # else they stay with the source
        owner = taken.get(alias.lower())
        if owner is not None and owner.entry_id != before.entry_id:
            notes.append(f"The alias {alias} is that of {owner.name} now; it is left out.")
        elif store.find_entry(kinds.DOMAIN, domain_of(alias)) is None:
            notes.append(f"The alias {alias} is in a domain that is not there any more; it is left out.")
        else:
            aliases.append(alias)
    return entry._replace(entry_id=target.entry_id, name=target.address, attrs=attrs, aliases=tuple(aliases)), notes


def _shares(source: Repository, past: Past, target: Target) -> Iterator[str]:
    """Yield which shares cannot be kept (R-053)."""
    same_id = target.entry_id == past.entry.entry_id
    for state in Scope(source, past.entry.entry_id, at=past.at).states((kinds.FOLDER, kinds.MOUNTPOINT)):
        if state.kind == kinds.MOUNTPOINT and not same_id:
            yield (
                f"The mountpoint {state.name!r} leads to a folder of {shares.owner_name(state)} that is shared with "
                f"{past.entry.name}, and not with {target.address}."
            )
        elif state.kind == kinds.FOLDER and state.attrs.get("grants"):
            who = ", ".join(shares.grantee_name(grant) for grant in state.attrs["grants"])
            yield (
                f"The folder {state.name!r} is shared with {who}, whose mountpoints lead to the folder that "
                f"{past.entry.name} had and not to this one."
            )
