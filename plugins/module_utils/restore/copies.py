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
from ..model.errors import AlreadyExists, InvalidInput, NotFound
from ..model.moment import Moment
from ..model.state import ACCOUNT_ITEM, Entry
from . import plan, shares
from .accounts import find_account, moment_in
from .attributes import ADDRESSES, ADMINISTRATION, HIDE_IN_GAL, mapped
from .copy_record import CopyRecord
from .idmap import OriginSet, import_id_of
from .mailbox import Scope
from .references import SameServer
from .undeleted import Undeleted


class CopyOptions(NamedTuple):
    """What can be asked for."""

    date: Moment = moment.LAST
    """The mailbox as it was then; that of a deleted account as it was at its deletion at the latest (R-045, R-072)."""
    undelete: bool = False
    """Also what was deleted by then (R-059)."""
    undelete_start_date: Moment = moment.FIRST
    """Of that only what was deleted at this moment or later (R-060)."""
    restore_datasource: bool = True
    """External data sources too (R-058, R-074)."""
    hide_in_gal: bool = False
    """The account is not in the address list (R-049)."""


class Past(NamedTuple):
    """An account as it was at a moment."""

    entry: Entry
    at: int
    """UTC milliseconds."""
    notes: tuple[str, ...] = ()
    """What the administrator should know of the choice of the moment, as sentences."""


class Target(NamedTuple):
    """Where an account is made again."""

    address: str
    entry_id: str
    """The id that it has, or is to get."""
    resumed: bool = False
    """Whether an earlier run of this very restore has made it."""
    at: int | None = None
    """The moment that this run has restored, UTC milliseconds."""
    done: Mapping[str, int] | None = None
    """What is there, by kind, where that run has finished."""


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


# -- the source --------------------------------------------------------------------------------------------------------


def as_it_was(source: Repository, account: str, options: CopyOptions, raised: bool = False) -> Past:
    """Return an account of the backup as it was.

    :param account: id, address or alias. :param raised: take the first moment of the account where it did not exist at
        the one that is asked for (R-078).
    :raises NotFound: the backup does not know it (R-063).
    :raises InvalidInput: there is nothing of that moment (R-064), or the options contradict each other.
    """
    at = moment_in(source, options.date)
    notes = []
    try:
        found = find_account(source, account, at)
    except NotFound:
        account_id = _ever_known(source, account)
        first = next(source.history(account_id, ACCOUNT_ITEM)).at
        if at is None or at >= first:
            found = find_account(source, account_id, at)
            notes.append(f"{account} had another address at that moment: {found.entry.name}.")
        elif raised:
            found = find_account(source, account_id, first)
            notes.append(f"{account} did not exist at {moment.iso(at)}; it is restored as of {moment.iso(first)}.")
            at = first
        else:
            raise InvalidInput(
                f"{account} did not exist at {moment.iso(at)}: the backup knows it from {moment.iso(first)} on. Give a "
                "later date, or last."
            ) from None
    if found.deleted:
        if at is not None and at != found.at:
            notes.append(f"{account} was deleted at {moment.iso(found.at)}; it is restored as it was then.")
        at = found.at
    elif at is None:
        span = source.span()
        at = found.at if span is None else span[1]
    _check_undelete(source, options, at)
    return Past(found.entry, at, tuple(notes))


def _ever_known(source: Repository, account: str) -> str:
    """Return the id of the account that has an address, or had it at any time.

    :raises NotFound: none ever had.
    """
    try:
        return find_account(source, account).entry.entry_id
    except NotFound:
        for account_id in source.scopes():
            for one in source.history(account_id, ACCOUNT_ITEM):
                if isinstance(one.state, Entry) and one.state.name.lower() == account.lower():
                    return account_id
        raise


def _check_undelete(source: Repository, options: CopyOptions, at: int) -> None:
    if options.undelete_start_date == moment.FIRST:
        return
    if not options.undelete:
        raise InvalidInput("undelete_start_date is of no use without undelete; give undelete too, or leave it out.")
    since = moment_in(source, options.undelete_start_date)
    if since is None or since > at:
        raise InvalidInput(
            f"undelete_start_date must be earlier than the moment that is restored, {moment.iso(at)}; or give first."
        )


# -- the destination ---------------------------------------------------------------------------------------------------


def check_address(store: MailStore, address: str) -> None:
    """Refuse an address that no account can get.

    :raises InvalidInput: it is none. :raises NotFound: there is no such domain (R-066).
    :raises AlreadyExists: another account or list has it as an alias, or a list as its name.
    """
    local, _unused, domain = address.rpartition("@")
    if not local or not domain or any(character.isspace() or character == "@" for character in local + domain):
        raise InvalidInput(f"{address!r} is no address that an account can have; write it as name@example.com.")
    if store.find_entry(kinds.DOMAIN, domain) is None:
        raise NotFound(
            f"The mail server has no domain {domain}, and a restore does not make one. Create it, or choose an address "
            "in another domain. Nothing was restored."
        )
    owner = addresses(store).get(address.lower())
    if owner is not None and (owner.kind, owner.name.lower()) != (kinds.ACCOUNT, address.lower()):
        raise AlreadyExists(f"{address} is taken by {owner.name}; choose another address. Nothing was restored.")


def addresses(store: MailStore) -> dict[str, Entry]:
    """Return whose each address of the mail server is, names and aliases, in lower case."""
    return {
        address.lower(): entry
        for kind in (kinds.DISTRIBUTION_LIST, kinds.ACCOUNT) for entry in store.entries(kind)
        for address in (*entry.aliases, entry.name)
    }


def resumed(present: Entry, source: Repository, backup_path: str, request: Mapping[str, Any]) -> Target:
    """Return an account that is there as the target that an earlier run of the same restore has made.

    :raises AlreadyExists: none has; what is in it is somebody's, and is left alone.
    """
    said = CopyRecord(backup_path, source.server_id, present.entry_id).read()
    if said is None:
        raise AlreadyExists(f"The account {present.name} is there already, and is left alone.")
    if said.request != request:
        raise AlreadyExists(
            f"The account {present.name} is there already: another restore has made it, of the account "
            f"{said.request.get('source')} as it was at {moment.iso(said.at)}. It is left alone."
        )
    return Target(present.name, present.entry_id, True, said.at, said.done)


def request_of(strategy: str, past: Past, destination: str, options: CopyOptions) -> dict[str, Any]:
    """Return what is asked for, as it is compared with what an earlier run was asked for.

    :param destination: an address or a domain.
    """
    return {
        "strategy": strategy, "source": past.entry.entry_id, "destination": destination.lower(), **options._asdict(),
    }


# -- the account itself ------------------------------------------------------------------------------------------------


def _entry(
    source: Repository, store: MailStore, before: Entry, target: Target, options: CopyOptions
) -> tuple[Entry, list[str]]:
    """Return the account as it is to be, and what of it cannot be as it was."""
    same_address = before.name.lower() == target.address.lower()
    ids = SameServer(source, store, {before.entry_id: target.entry_id})
    entry, unresolved = mapped(before, ids.entry, skip_aliases=not same_address)
    notes = [f"{name} names {value}, which is not there any more; it is left out." for name, value in unresolved]
    attrs = {
        name: values for name, values in entry.attrs.items()
        if name not in ADMINISTRATION and (same_address or name not in ADDRESSES)
    }
    if any(before.first(name) == "TRUE" for name in ADMINISTRATION):
        notes.append(f"{before.name} was an administrator; {target.address} is none.")
    if options.hide_in_gal:
        attrs[HIDE_IN_GAL] = ("TRUE",)
    taken = addresses(store)
    others = [alias for alias in entry.aliases if taken.get(alias.lower(), entry).entry_id != before.entry_id]
    notes += [f"The alias {alias} is that of {taken[alias.lower()].name} now; it is left out." for alias in others]
    aliases = tuple(alias for alias in entry.aliases if alias not in others)
    return entry._replace(entry_id=target.entry_id, name=target.address, attrs=attrs, aliases=aliases), notes


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
