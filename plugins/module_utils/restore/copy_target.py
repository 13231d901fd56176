# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an account is made again, and whether that is free, somebody's, or an earlier run's own work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds, moment
from ..model.errors import AlreadyExists, InvalidInput, NotFound
from ..model.state import Entry
from .copy_record import CopyRecord
from .copy_source import CopyOptions, Past

_NEVER: Final = '@<>()[],;:\\"'
"""What an address can only have in quotes (RFC 5322), and no account has."""


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


def check_address(store: MailStore, address: str) -> None:
    """Refuse an address that no account can get.

    :raises InvalidInput: it is none. :raises NotFound: there is no such domain (R-066).
    :raises AlreadyExists: another account or list has it as an alias, or a list as its name.
    """
    local, _unused, domain = address.rpartition("@")
    if not local or not domain or any(c.isspace() or not c.isprintable() or c in _NEVER for c in local + domain):
        raise InvalidInput(f"{address!r} is no address that an account can have; write it as name@example.com.")
    check_free(store, address)


def check_free(store: MailStore, address: str) -> None:
    """Refuse an address that the mail server cannot give to an account. One that an account had before may be of any
    form. Errors as check_address(), but for InvalidInput.
    """
    domain = address.rpartition("@")[2]
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
