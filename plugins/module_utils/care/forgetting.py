# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Forgetting an account: its key is destroyed, and with it all that an encrypted backup knows of it (docs/security.md).

Accounts that are there, or on hold, are not forgotten. What others have received from it is theirs and stays.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ..backup.keys import Keys
from ..backup.repository import Repository
from ..backup.writer import Writer
from ..model.errors import InvalidInput, Refused
from . import hold
from .hold import Held


class Candidate(NamedTuple):
    """An account that can be forgotten."""

    name: str
    """Its last address; empty where a run that was killed has destroyed its key already."""
    account_id: str


def candidates(repository: Repository, names: Collection[str]) -> list[Candidate]:
    """Return what is to be forgotten of what is named; nothing for accounts that are forgotten already.

    :param names: addresses, or ids of accounts.
    :raises InvalidInput: the backup is not encrypted. :raises NotFound: it knows no such account.
    :raises Refused: an account is still there, or on hold. Nothing was changed in every case.
    """
    if repository.keys is None:
        raise InvalidInput(
            f"{repository.path} is not encrypted: what it holds of an account goes by a purge, and not by a key."
        )
    if any(name.lower() == hold.ALL for name in names):
        raise InvalidInput("Name the accounts that are to be forgotten one by one; all cannot be.")
    known = hold.accounts(repository)
    asked = [name for name in names if not _is_forgotten(repository.keys, known, name)]
    found = hold.named(known, asked) if asked else []
    for one in found:
        if one.held:
            raise Refused(f"{one.name} is on legal hold and is not forgotten; lift the hold first.")
        if not one.deleted:
            raise Refused(
                f"{one.name} is still there, and the next scan would record it again. Delete the account on the mail "
                "server and run a SmartScan, then forget it."
            )
    half = repository.keys.forgotten() & set(repository.catalogue.heads())
    return [Candidate(one.name, one.account_id) for one in found] + [Candidate("", scope) for scope in sorted(half)]


def forget(writer: Writer, wanted: Collection[Candidate], at: int) -> None:
    """Forget accounts, durably. :param at: UTC milliseconds. Errors as Writer.forget()."""
    writer.forget({one.account_id: one.name for one in wanted}, at)


def _is_forgotten(keys: Keys, known: Collection[Held], name: str) -> bool:
    """Return whether a name means a forgotten account, and no other one that the backup knows."""
    if any(name == one.account_id or name.lower() == one.name.lower() for one in known):
        return False
    return name in keys.forgotten() or any(one.alias == keys.alias(name) for one in keys.ring.destroyed)
