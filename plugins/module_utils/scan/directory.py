# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory of a scan: what is new, changed and gone among accounts, domains, classes of service and lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..mailstore.port import MailStore
from ..model import kinds
from ..model.configuration import lasting
from ..model.state import ACCOUNT_ITEM, SERVER, Entry
from ..model.switch import Switch
from .recorder import Recorder, fingerprint
from .report import ScanReport

SERVER_KINDS: Final = (kinds.DOMAIN, kinds.COS, kinds.DISTRIBUTION_LIST)
"""The kinds of entry that belong to no account."""
SWITCHES: Final = (kinds.DOMAIN, kinds.COS)
"""Those of them that tell which accounts are backed up (R-245)."""


class DirectoryScan:
    """Scans entries into a Recorder."""

    def __init__(
        self, store: MailStore, recorder: Recorder, report: ScanReport, switch: Switch | None = None
    ) -> None:
        """:param switch: which accounts are backed up, where that is known already."""
        self._store = store
        self._recorder = recorder
        self._repository = recorder.repository
        self._report = report
        self._switch = switch
        self._recorded: set[str] = set()
        """The kinds of entry that belong to no account and are recorded."""

    def server_entries(self, of_kinds: Iterable[str] = SERVER_KINDS) -> None:
        """Record the entries of some kinds that belong to no account, once."""
        for kind in [kind for kind in of_kinds if kind not in self._recorded]:
            self._recorded.add(kind)
            known = {
                transaction.item_id: fingerprint(transaction.state)
                for transaction in self._repository.entries(kind)
                if transaction.state is not None
            }
            for entry in self._store.entries(kind):
                self._entry(SERVER, entry.entry_id, entry, known.pop(entry.entry_id, None))
            for entry_id in known:
                self._recorder.delete(SERVER, entry_id, kind)
                self._report.deleted_items += 1

    def accounts(self) -> tuple[dict[str, str], set[str]]:
        """Record the entries of all accounts; return the address of each by its id, and which of them were written.

        Accounts whose backup is switched off are left out, and recorded as deleted where they were not before.
        """
        known = {
            transaction.scope: fingerprint(transaction.state)
            for transaction in self._repository.entries(kinds.ACCOUNT)
            if transaction.state is not None
        }
        addresses: dict[str, str] = {}
        updated = set()
        for entry in self._store.entries(kinds.ACCOUNT):
            if not self.backed_up(entry):
                if entry.entry_id in known:  # what switched it off is the last that is recorded of it
                    self._account(entry, known[entry.entry_id])
                continue
            addresses[entry.entry_id] = entry.name
            if self._account(entry, known.pop(entry.entry_id, None)):
                updated.add(entry.entry_id)
        for account in known:
            self._account_deleted(account)
        return addresses, updated

    def account(self, entry: Entry) -> bool:
        """Record the entry of one account; True if it is another than before."""
        last = self._repository.entry(entry.entry_id, ACCOUNT_ITEM)
        return self._account(entry, None if last is None else fingerprint(last))

    def backed_up(self, entry: Entry) -> bool:
        """Return whether the backup of an account is switched on (R-245)."""
        if self._switch is None:
            self._switch = switch_of(self._store)
        return self._switch.is_on(entry)

    def switched(self) -> set[str]:
        """Return the accounts that are backed up and not in the backup, or the other way round."""
        known = {transaction.scope for transaction in self._repository.entries(kinds.ACCOUNT)}
        return {
            entry.entry_id for entry in self._store.entries(kinds.ACCOUNT)
            if self.backed_up(entry) != (entry.entry_id in known)
        }

    def switched_off(self, entry: Entry) -> None:
        """Record that an account is not backed up any more: to the backup it is a deleted one."""
        if self._repository.entry(entry.entry_id, ACCOUNT_ITEM) is not None:
            self.server_entries(SWITCHES)  # what they said before it tells why it has ended
            self.account(entry)
            self._account_deleted(entry.entry_id)

    def account_gone(self, account: str) -> None:
        """Record that there is no such account, if the backup knows one."""
        if self._repository.entry(account, ACCOUNT_ITEM) is not None:
            self._account_deleted(account)

    def _account(self, entry: Entry, before: int | None) -> bool:
        if before is None:
            self._report.new_accounts += 1
        return self._entry(entry.entry_id, ACCOUNT_ITEM, lasting(entry), before)

    def _account_deleted(self, account: str) -> None:
        self._recorder.delete(account, ACCOUNT_ITEM, kinds.ACCOUNT)
        # Should an account with this id come back, its mailbox is another one.
        self._recorder.reached(account, "")
        self._report.deleted_accounts += 1

    def _entry(self, scope: str, item_id: str, entry: Entry, before: int | None) -> bool:
        """Record an entry if it is another than before; True if it is."""
        self._report.checked_items += 1
        if before == fingerprint(entry):
            self._report.skipped_items += 1
            return False
        if before is None:
            self._report.new_items += 1
        else:
            self._report.updated_items += 1
        self._recorder.record(scope, item_id, entry)
        return True


def switch_of(store: MailStore) -> Switch:
    """Return what tells which accounts of a mail server are backed up."""
    return Switch(store.entries(kinds.COS), store.entries(kinds.DOMAIN))
