# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which entries of a backup's directory an External Restore is about. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from ..model import kinds
from ..model.errors import NotFound
from ..model.state import Entry
from .options import ExternalOptions

Directory = Mapping[str, Sequence[Entry]]
"""The entries of a backup by kind."""

DEFAULT_COS: Final = "default"
"""What an account has that names no class of service, in a domain that names none."""

_SYSTEM_FLAGS: Final = ("zimbraIsSystemAccount", "zimbraIsSystemResource")
_SYSTEM_NAME: Final = re.compile(r"(?:galsync(?:\.[^@]*)?|(?:ham|spam|virus-quarantine)\.[^@]+)@", re.IGNORECASE)


class Selection(NamedTuple):
    """What to restore, each kind in the order of restoring."""

    domains: Sequence[Entry] = ()
    coses: Sequence[Entry] = ()
    lists: Sequence[Entry] = ()
    accounts: Sequence[Entry] = ()
    left_out: Sequence[str] = ()
    """Addresses of the system accounts that were left out."""


def domain_of(address: str) -> str:
    """Return the domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()


def is_system_account(entry: Entry) -> bool:
    """Tell a service mailbox (GalSync, ham, spam, quarantine) by its attributes or by the name the product gives it."""
    return any(entry.first(flag) == "TRUE" for flag in _SYSTEM_FLAGS) or bool(_SYSTEM_NAME.match(entry.name))


def select(directory: Directory, options: ExternalOptions, named: Sequence[str]) -> Selection:
    """Choose from a backup's directory what the options ask for.

    Named accounts come first, in the order given (R-118), then those of the named domains, by address; both together
    are a union (R-112). An account that is named is restored even if it is a system account. Distribution lists come
    with their domain; with accounts alone, only what belongs to those accounts does (R-107).

    :param named: the accounts of the options accounts and input_file.
    :raises NotFound: the backup has no such account or domain; all of them are named.
    """
    chosen = _named(directory[kinds.ACCOUNT], named)
    wanted_domains = _named_domains(directory, options.domains)
    left_out = []
    everything = not named and not options.domains
    for entry in sorted(directory[kinds.ACCOUNT], key=lambda account: account.name):
        if entry.entry_id in chosen or not (everything or domain_of(entry.name) in wanted_domains):
            continue
        if options.skip_system_accounts and is_system_account(entry):
            left_out.append(entry.name)
        else:
            chosen[entry.entry_id] = entry
    accounts = list(chosen.values())
    of_accounts = {domain_of(account.name) for account in accounts}
    domains = [
        domain for domain in directory[kinds.DOMAIN]
        if everything or domain.name.lower() in wanted_domains | of_accounts
    ]
    lists = [
        entry for entry in directory[kinds.DISTRIBUTION_LIST]
        if everything or domain_of(entry.name) in wanted_domains
    ]
    return Selection(
        domains=_targets_first(domains),
        coses=_used(directory[kinds.COS], accounts, domains),
        lists=lists,
        accounts=accounts,
        left_out=left_out,
    )


def _named(accounts: Sequence[Entry], named: Sequence[str]) -> dict[str, Entry]:
    known = {account.name.lower(): account for account in accounts}
    known.update((account.entry_id, account) for account in accounts)
    unknown = [name for name in named if name not in known and name.lower() not in known]
    if unknown:
        raise NotFound(_unknown("account", unknown))
    found = (known.get(name) or known[name.lower()] for name in named)
    return {account.entry_id: account for account in found}


def _named_domains(directory: Directory, named: Iterable[str]) -> set[str]:
    wanted = {name.lower() for name in named}
    known = {domain.name.lower() for domain in directory[kinds.DOMAIN]}
    unknown = sorted(wanted - known)
    if unknown:
        raise NotFound(_unknown("domain", unknown))
    return wanted


def _unknown(what: str, names: Sequence[str]) -> str:
    listed = ", ".join(repr(name) for name in names)
    plural = "s" if len(names) > 1 else ""
    return f"The backup has no {what}{plural} {listed}; check the spelling. Nothing was restored."


def _targets_first(domains: Sequence[Entry]) -> list[Entry]:
    """Put alias domains behind the domains that they stand for, which must be there first."""
    return sorted(domains, key=lambda domain: (domain.first("zimbraDomainType") == "alias", domain.name))


def _used(coses: Sequence[Entry], accounts: Sequence[Entry], domains: Sequence[Entry]) -> list[Entry]:
    """Return the classes of service that the accounts really use (R-142): their own, their domain's, or the default."""
    domain_cos = {domain.name.lower(): domain.first("zimbraDomainDefaultCOSId") for domain in domains}
    used = {account.first("zimbraCOSId") or domain_cos.get(domain_of(account.name), "") for account in accounts}
    # The default of a restored domain is used by its next account.
    used.update(cos for cos in domain_cos.values() if cos)
    return [cos for cos in coses if cos.entry_id in used or ("" in used and cos.name == DEFAULT_COS)]
