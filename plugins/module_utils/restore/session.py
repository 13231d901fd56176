# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore works with: the source, the blobs and the destination, opened together; and one account at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds, moment
from ..model.errors import RestanteError, Unavailable
from ..model.state import Entry
from ..operations.progress import Progress
from ..operations.report import RestoreReport, cause_of
from .apply import DirectoryApplier, MailboxApplier, Patience
from .attributes import DEFAULT_CALENDAR
from .blobs import Blobs
from .folders import Folders
from .idmap import ItemLog, mailbox_import
from .mailbox import Items, MailboxRestore, Scope
from .options import ExternalOptions
from .quota import Quota
from .references import References


class Sides(NamedTuple):
    """How to open the two sides. They are opened several times: by each worker, and again for each phase."""

    source: Callable[[], Repository]
    store: Callable[[], MailStore]
    blobs: Callable[[Repository], Blobs]
    """Given the source, gives the reader of its blobs: from its packs, or from an archive."""
    backup_path: str
    """The destination's, for the records of the import; it need hold no backup."""


class Account(NamedTuple):
    """An account that is restored."""

    entry: Entry
    """As the backup has it."""
    destination_id: str


class Import(NamedTuple):
    """What all phases and workers of one restore have in common."""

    sides: Sides
    options: ExternalOptions
    patience: Patience
    import_id: str
    ids: Mapping[str, str]
    """Id in the backup to id at the destination of the directory's entries."""


class Session:
    """The sides, open. Used by one thread of one process."""

    def __init__(self, task: Import, progress: Progress) -> None:
        self._task = task
        self._progress = progress
        self._open = contextlib.ExitStack()
        with contextlib.ExitStack() as opening:
            self.source = opening.enter_context(contextlib.closing(task.sides.source()))
            self.store = opening.enter_context(contextlib.closing(task.sides.store()))
            self.blobs = task.sides.blobs(self.source)
            self._open = opening.pop_all()
        self.references = References(self.source, self.store, task.ids, task.import_id)

    def close(self) -> None:
        """Close what was opened."""
        self._open.close()

    def scope(self, account: Account) -> Items:
        """Return what of an account's mailbox is restored."""
        options = self._task.options
        return Scope(self.source, account.entry.entry_id, not options.filter_deleted, options.max_file_size)

    def same_mailbox(self, account: Account) -> bool:
        """Return whether the backup is of the very mailbox that is restored to: what is in it has the ids it had."""
        return self.source.server_id == self.store.server_id() and account.entry.entry_id == account.destination_id

    @contextlib.contextmanager
    def mailbox(self, account: Account, report: RestoreReport) -> Iterator[MailboxApplier]:
        """Give the applier of an account's mailbox. Its quota is lifted with the first write, and put back at the end.

        An error that concerns this mailbox alone is reported as the account's, and goes no further.

        :raises Unavailable: the mail server, or where the blobs are, cannot be reached.
        """
        task = self._task
        directory = DirectoryApplier(self.store, report, task.patience)
        quota = Quota(task.sides.backup_path, directory, account.destination_id)
        import_id = mailbox_import(task.import_id, task.ids, account.entry.entry_id)
        log = ItemLog(task.sides.backup_path, account.destination_id, import_id, account.entry.entry_id)
        try:
            try:
                yield MailboxApplier(
                    self.store, account.destination_id, account.entry.name, import_id, log, report,
                    self._progress, task.patience, quota.lift, self.same_mailbox(account),
                )
            finally:
                log.close()
            quota.put_back()
        except Unavailable:
            raise
        except RestanteError as error:
            report.add_unrestored(
                "", account.entry.name, kinds.ACCOUNT, cause_of(error),
                f"Its mailbox could not be restored to the end: {error}",
            )

    def other_mailbox(self, account_id: str, report: RestoreReport) -> MailboxApplier:
        """Give the applier of a mailbox of the destination into which items are moved."""
        task = self._task
        log = ItemLog(task.sides.backup_path, account_id, task.import_id, "")
        return MailboxApplier(
            self.store, account_id, account_id, task.import_id, log, report, self._progress, task.patience
        )

    def restore_items(self, account: Account) -> dict[str, Any]:
        """Carry out phase 2 for one account.

        :return: "report": a report's JSON form; "late": whether there is something for phase 3; "complete": whether
            it came to the end of the mailbox; "newest" and "ended": when, as Mailbox has it.
        """
        report = RestoreReport()
        late = complete = False
        with self.mailbox(account, report) as applier:
            restore = MailboxRestore(
                self.scope(account), self.blobs, applier, self.references.entry, self._progress
            )
            late = restore.run()
            if not self._task.options.skip_account_provisioning:
                self._default_calendar(account, restore.folders, report)
            complete = True
        return {
            "report": report.to_json(), "late": late, "complete": complete,
            "newest": applier.newest_back, "ended": moment.now(),
        }

    def _default_calendar(self, account: Account, folders: Folders, report: RestoreReport) -> None:
        """Write the one attribute of an account that names a folder of its mailbox."""
        before = account.entry.first(DEFAULT_CALENDAR)
        if not before:
            return
        now = folders.known(before)
        if now is None:
            report.warn(f"{account.entry.name}: its default calendar {before} is not there; left as it is.")
            return
        entry = account.entry._replace(entry_id=account.destination_id)
        DirectoryApplier(self.store, report, self._task.patience).set_attribute(entry, DEFAULT_CALENDAR, (now,))
