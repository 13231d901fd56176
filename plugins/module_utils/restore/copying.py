# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out the plan for one account of this server's own backup: the account, its items, then what leads elsewhere.

It may be killed at any moment and run again: what is there is skipped. Nothing but the one account is written to.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

from ..model import kinds
from ..model.errors import Refused, RestanteError
from ..operations.feedback import Feedback, Notify
from ..operations.progress import SILENT, Progress
from ..operations.report import RestoreReport
from .apply import PATIENT, DirectoryApplier, Patience
from .attributes import CREATION, HIDE_IN_GAL, empty
from .copies import CopyPlan
from .copy_record import CopyRecord, tidy
from .idmap import ImportMap, Row
from .late import LateItems
from .mailbox import Scope
from .options import ExternalOptions
from .references import SameServer
from .session import Account, Import, Session, Sides

PHASES: Final = ("account", "items", "mountpoints and data sources")


def restore_copy(
    sides: Sides,
    planned: CopyPlan,
    *,
    progress: Progress = SILENT,
    notify: Notify = lambda type_, subject, text: None,
    patience: Patience = PATIENT,
    expected: int = 0,
) -> RestoreReport:
    """Make an account again. Work that progress asks to stop ends early; planned and run again, it goes on.

    :param sides: both of this server. :param expected: how many items there are to restore.
    :raises RestanteError: the restore cannot go on. What was restored until then is there, and is skipped next time.
    """
    return _Copy(sides, planned, progress, Feedback(planned.strategy, notify), patience, expected).run()


class _Copy:
    def __init__(
        self, sides: Sides, planned: CopyPlan, progress: Progress, feedback: Feedback, patience: Patience,
        expected: int,
    ) -> None:
        self._sides = sides
        self._plan = planned
        self._progress = progress
        self._feedback = feedback
        self._patience = patience
        self._expected = expected
        self._report = RestoreReport()

    def run(self) -> RestoreReport:
        for kind, count in (self._plan.target.done or {}).items():
            self._report.add_skipped(kind, count)
        if self._plan.target.resumed:
            tidy(self._sides.backup_path, self._plan.target.entry_id)
        if self._plan.target.done is not None:
            return self._report
        self._feedback.started(self._plan.title())
        for note in self._plan.notes:
            self._report.warn(note)
        try:
            self._restore()
        except RestanteError as error:
            self._feedback.failed(error, self._report)
            raise
        self._feedback.ended(self._report, self._progress.stopping())
        return self._report

    def _restore(self) -> None:
        self._progress.phase(PHASES[0])
        target, account_id = self._plan.target, self._plan.target.entry_id
        with contextlib.closing(self._sides.store()) as store:
            directory = DirectoryApplier(store, self._report, self._patience)
            # Where the id is known beforehand, what is being done is written down before there is an account: a kill
            # in between leaves nothing that the next run would not know as its own.
            known = target.resumed or store.capabilities().keeps_entry_ids
            if not known:
                account_id = self._create(directory)
            records = CopyRecord(self._sides.backup_path, store.server_id(), account_id)
            if not target.resumed:
                records.forget()
            about = {"request": self._plan.request, "at": self._plan.source.at}
            import_map = ImportMap(self._sides.backup_path, store.server_id(), account_id, about)
            with contextlib.closing(import_map):
                if known and not target.resumed:
                    self._create(directory)
                self._attributes(directory, import_map, account_id)
                self._mailbox(import_map, account_id)
        if not self._progress.stopping() and not self._report.unrestored:
            records.finish(self._report.restored + self._report.skipped)

    def _create(self, directory: DirectoryApplier) -> str:
        """Make the account without anything in it, but hidden if it is to be; return its id."""
        created = directory.create(empty(self._plan.entry, (*CREATION, HIDE_IN_GAL)))
        if created is None:
            raise Refused(self._report.unrestored[-1].reason)
        if created.entry_id != self._plan.entry.entry_id:
            self._report.warn(f"The mail server has given {created.name} the id {created.entry_id}, one of its own.")
        return created.entry_id

    def _attributes(self, directory: DirectoryApplier, import_map: ImportMap, account_id: str) -> None:
        """Write all that the account has beside its mailbox, once: what its owner changes afterwards stays."""
        source = self._plan.source.entry
        if import_map.get(source.entry_id) is not None:
            self._report.add_skipped(kinds.ACCOUNT)
            return
        directory.attributes(self._plan.entry._replace(entry_id=account_id))
        if not self._report.unrestored:
            import_map.record([Row(kinds.ACCOUNT, self._plan.target.address, source.entry_id, account_id)])

    def _mailbox(self, import_map: ImportMap, account_id: str) -> None:
        source = self._plan.source.entry
        account = Account(source, account_id)
        task = Import(
            self._sides, ExternalOptions(), self._patience, import_map.import_id, {source.entry_id: account_id}
        )
        self._progress.phase(PHASES[1], self._expected)
        with contextlib.closing(_Mailbox(task, self._plan, self._progress)) as session:
            result = session.restore_items(account)
            self._report.merge(result["report"])
            if not result["complete"]:  # as where the disk is full; there is no other account to go on with
                raise Refused(self._report.unrestored[-1].reason)
            if not result["late"] or self._progress.stopping():
                return
            self._progress.phase(PHASES[2])
            data_sources = self._plan.options.restore_datasource
            LateCopies(session, data_sources, (), self._report, self._progress).restore([account])


class _Mailbox(Session):
    """The sides of a restore within one server."""

    def __init__(self, task: Import, planned: CopyPlan, progress: Progress) -> None:
        super().__init__(task, progress)
        self.references = SameServer(self.source, self.store, task.ids, task.import_id)
        self._planned = planned
        self._scope: Scope | None = None

    def scope(self, account: Account) -> Scope:
        """See Session."""
        if self._scope is None:
            self._scope = self._planned.scope(self.source)
        return self._scope

    def same_mailbox(self, account: Account) -> bool:
        """Return False: also under the old id the mailbox is a new one, and its items have other ids."""
        return False


class LateCopies(LateItems):
    """Late items of mailboxes of this very server."""

    def target(self, attrs: Mapping[str, Any]) -> None:
        """Return None: nothing is moved into the mailboxes of others."""
