# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The accounts of a mail server by their ids, by their addresses, and by what they log in with."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from ...model import kinds
from ...model.errors import InvalidInput, NotFound
from ...model.state import Entry
from .directory import Directory
from .settings import ImapSettings, login_name


class AccountNames:
    """Accounts by their ids and by what they log in with."""

    def __init__(self, directory: Directory, settings: ImapSettings) -> None:
        self._directory = directory
        self._settings = settings
        self._addresses: dict[str, str] = {}

    def address(self, account_id: str) -> str:
        """Return the address of an account. :raises NotFound: there is none of this id."""
        known = self._addresses.get(account_id)
        if known is None:
            entry = self._directory.find(kinds.ACCOUNT, account_id)
            if entry is None or entry.entry_id != account_id:
                raise NotFound(f"There is no account with the id {account_id!r} in the directory of the mail server.")
            known = self._addresses[account_id] = entry.name
        return known

    def remember(self, accounts: Sequence[Entry]) -> None:
        """Take down the addresses of accounts."""
        self._addresses.update((account.entry_id, account.name) for account in accounts)

    def forget(self, account_id: str) -> None:
        """An account is gone."""
        self._addresses.pop(account_id, None)

    def account(self, login: str) -> tuple[str, str] | None:
        """Return id and address of who logs in with a name; None where nobody does."""
        with contextlib.suppress(InvalidInput):
            entry = self._directory.find(kinds.ACCOUNT, login)
            if entry is not None:
                return entry.entry_id, entry.name
        return None

    def login(self, account_id: str, address: str) -> str | None:
        """Return what an account logs in with; None where there is no such account."""
        entry = self._directory.find(kinds.ACCOUNT, account_id) or self._directory.find(kinds.ACCOUNT, address)
        return None if entry is None else login_name(self._settings, entry.name)
