# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SmartScan: brings the backup up to what the mail server holds (R-210 to R-231; reference, section 2.3).

Domains, classes of service, distribution lists and accounts are compared entry by entry; a mailbox is looked into only
when its change token is another than at the last scan, and then only what changed since is asked for. A token is
recorded in the commit that holds the last of what it stands for, and only when all of it could be read: after a kill, a
stop (R-227) or a read error the next scan asks again from the old token, and finds what is recorded already unchanged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from ..backup.commits import Commit
from ..backup.writer import Writer
from ..mailstore.port import MailStore
from ..model import kinds
from ..model.errors import NotFound
from ..model.state import Entry
from ..operations.progress import SILENT, Progress
from .directory import SERVER_KINDS, DirectoryScan
from .mailbox import MailboxScan
from .recorder import EVERY_FEW_SECONDS, Cadence, Recorder
from .report import ScanReport


def smart_scan(
    store: MailStore,
    writer: Writer,
    *,
    deep: bool = False,
    accounts: Collection[str] | None = None,
    mailboxes: bool = True,
    skip_lists: bool = False,
    read_error_threshold: int = 0,
    cadence: Cadence = EVERY_FEW_SECONDS,
    committed: Callable[[Commit], None] = lambda commit: None,
    turn: Callable[[], Writer] | None = None,
    progress: Progress = SILENT,
) -> ScanReport:
    """Scan a mail server into a Backup Path. Scanning again when nothing has changed writes nothing.

    :param deep: look at every item of every mailbox, read every content on both sides, and write again what the backup
        lacks or cannot read (R-218).
    :param accounts: addresses or ids of the accounts to scan, and nothing else (R-219); None for the whole server.
        Accounts whose backup is switched off are left out either way (R-245).
    :param mailboxes: look into mailboxes too; otherwise only at the directory.
    :param skip_lists: leave distribution lists out (R-228).
    :param read_error_threshold: give up after more than so many failed reads; 0 never gives up (R-230).
    :param cadence: how often to commit.
    :param committed: called after each commit, for the upload to follow.
    :param turn: called every few seconds, between two mailboxes: gives the writer up, and returns another one when
        others have had their turn.
    :raises NotFound: an account that was named does not exist; nothing has been scanned.
    :raises RestanteError: the Backup Path cannot be written.
    """
    scan = _Scan(store, Recorder(writer, cadence, committed, turn), deep, read_error_threshold, progress)
    began = time.monotonic()
    scan.run(accounts, mailboxes, skip_lists)
    scan.report.seconds = round(time.monotonic() - began, 3)
    return scan.report


class _Scan:
    def __init__(self, store: MailStore, recorder: Recorder, deep: bool, threshold: int, progress: Progress) -> None:
        self.report = ScanReport()
        self._store = store
        self._recorder = recorder
        self._repository = recorder.repository
        self._deep = deep
        self._threshold = threshold
        self._progress = progress

    def run(self, accounts: Collection[str] | None, mailboxes: bool, skip_lists: bool) -> None:
        named = None if accounts is None else self._find(accounts)
        self._progress.phase("directory")
        directory = DirectoryScan(self._store, self._recorder, self.report)
        # The tokens are read before the accounts: an account made in between has none, and is looked into.
        tokens = dict(self._store.tokens())
        if named is None:
            left_out = {kinds.DISTRIBUTION_LIST} if skip_lists else set()
            directory.server_entries(kind for kind in SERVER_KINDS if kind not in left_out)
            addresses, updated = directory.accounts()
        else:
            backed_up = []
            for entry in named:
                if directory.backed_up(entry):
                    backed_up.append(entry)
                else:
                    directory.switched_off(entry)
            addresses = {entry.entry_id: entry.name for entry in backed_up}
            updated = {entry.entry_id for entry in backed_up if directory.account(entry)}
        reached = self._repository.tokens()
        changed = [
            account for account in addresses
            if mailboxes and (self._deep or tokens.get(account) != reached.get(account))
        ]
        self._progress.phase("mailboxes")
        mailbox = MailboxScan(self._store, self._recorder, self.report, self._progress, self._ended, self._deep)
        for account in changed:
            if self._ended():
                break
            updated.add(account)
            mailbox.scan(account, addresses[account])
            self._recorder.give_way()
        self._recorder.commit()
        self.report.updated_accounts = len(updated) - self.report.new_accounts
        self.report.unchanged_accounts = len(addresses) - len(updated)
        self.report.commits = self._recorder.commits
        self.report.new_blobs, self.report.new_bytes = self._recorder.new_blobs, self._recorder.new_bytes

    def _find(self, accounts: Collection[str]) -> Sequence[Entry]:
        found = []
        for name in dict.fromkeys(accounts):
            entry = self._store.find_entry(kinds.ACCOUNT, name)
            if entry is None:
                raise NotFound(f"The mail server has no account {name!r}; check the address. Nothing was scanned.")
            found.append(entry)
        return found

    def _ended(self) -> bool:
        if self._progress.stopping():
            self.report.stopped = True
        if 0 < self._threshold < self.report.read_errors:
            self.report.gave_up = True
        return self.report.stopped or self.report.gave_up
