# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""External Restore: a backup made elsewhere is brought to this mail server (R-100 to R-169; reference, section 4.5).

Phase 1 makes the directory, phase 2 restores the items of one account after the other, phase 3 what leads from one
mailbox to another. A restore may be killed at any moment and run again: what is there is skipped.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ..backup.ended import began_after
from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds, moment
from ..model.errors import InvalidInput, NotFound, RestanteError
from ..model.state import Entry, ItemState
from ..operations.feedback import Feedback, Notify
from ..operations.progress import SILENT, Progress
from ..operations.report import INVALID_ITEM, RestoreReport
from ..operations.timeline import Mailbox
from . import plan, workers
from .apply import PATIENT, DirectoryApplier, Patience
from .attributes import empty, mapped
from .idmap import ImportMap, Row, mailbox_import, mailbox_row, seen, seen_row
from .late import LateItems
from .options import ExternalOptions, check, named_accounts
from .quota import Quota
from .references import References
from .selection import Directory, Selection, domain_of, select
from .session import Account, Import, Session, Sides

NAME: Final = "External Restore"
PHASES: Final = ("phase 1: provisioning", "phase 2: items", "phase 3: mountpoints and data sources")

logger = logging.getLogger(__name__)


def external_restore(
    sides: Sides,
    options: ExternalOptions,
    *,
    progress: Progress = SILENT,
    notify: Notify = lambda type_, subject, text: None,
    patience: Patience = PATIENT,
) -> RestoreReport:
    """Restore a backup to a mail server, from phase 1 to phase 3.

    The caller has neither side open meanwhile (see workers.py). Work that progress asks to stop ends early; run again,
    it goes on.

    :raises NotABackup, InvalidInput, NotFound: the source or the options cannot be used; nothing has been written.
    :raises RestanteError: the restore cannot go on. What was restored until then is there, and is skipped next time.
    """
    return _ExternalRestore(sides, options, progress, notify, patience).run()


def read_directory(source: Repository, deleted: bool = False) -> Directory:
    """Return the directory that a backup holds.

    :param deleted: also what is deleted at the source, unless something else has its name now.
    """
    directory: dict[str, Sequence[Entry]] = {}
    for kind in kinds.ENTRY_KINDS:
        by_name: dict[str, Entry] = {}
        # The newest of those of one name is the last, and what is not deleted comes after all that is.
        found = sorted(source.entries(kind, deleted=deleted), key=lambda last: last.seq)
        present = {last.seq for last in source.entries(kind)}
        for last in sorted(found, key=lambda last: last.seq in present):
            if isinstance(last.state, Entry):
                by_name[last.state.name.lower()] = last.state
        directory[kind] = sorted(by_name.values(), key=lambda entry: entry.name)
    return directory


def choose(source: Repository, store: MailStore, backup_path: str, options: ExternalOptions) -> Selection:
    """Return what the options select, after all has been refused that can be refused before anything is written.

    :param backup_path: the destination's.
    :raises InvalidInput, NotFound: the source or the options cannot be used.
    """
    check(options)
    named = named_accounts(options)
    _check_source(source, store, backup_path, options)
    selection = select(read_directory(source, not options.filter_deleted), options, named)
    if options.skip_domain_provisioning:
        _check_domains(store, selection)
    return selection


class _ExternalRestore:
    def __init__(
        self, sides: Sides, options: ExternalOptions, progress: Progress, notify: Notify, patience: Patience
    ) -> None:
        self.report = RestoreReport()
        self._sides = sides
        self._options = options
        self._progress = progress
        self._feedback = Feedback(NAME, notify)
        self._patience = patience

    def run(self) -> RestoreReport:
        with contextlib.closing(self._sides.source()) as source, contextlib.closing(self._sides.store()) as store:
            selection = choose(source, store, self._sides.backup_path, self._options)
            server_id = source.server_id
        with contextlib.closing(ImportMap(self._sides.backup_path, server_id)) as import_map:
            self._feedback.started(_started(selection))
            try:
                self._phases(selection, import_map)
            except RestanteError as error:
                self._feedback.failed(error, self.report)
                raise
        if not self._progress.stopping():
            self.report.timeline.complete = moment.now()
        self._feedback.ended(self.report, self._progress.stopping())
        return self.report

    def _phases(self, selection: Selection, import_map: ImportMap) -> None:
        self._progress.phase(PHASES[0])
        with contextlib.closing(self._sides.source()) as source, contextlib.closing(self._sides.store()) as store:
            for damage in source.damages():
                self.report.warn(f"The backup is damaged: {damage.file}: {damage.reason} {damage.consequence}")
            if selection.left_out:
                self.report.warn(f"System accounts were left out: {', '.join(selection.left_out)}.")
            accounts = self._provision(selection, import_map, source, store)
            total = {} if self._options.provisioning_only else source.counts()
        self.report.timeline.provisioned = moment.now()
        self._feedback.phase_1(self.report)
        if self._options.provisioning_only or self._progress.stopping():
            return
        task = Import(self._sides, self._options, self._patience, import_map.import_id, import_map.ids())
        expected = sum(total.get(kind, 0) for kind in kinds.ITEM_KINDS)
        self._progress.phase(PHASES[1], expected, total.get("blob_bytes", 0))
        late, incomplete = self._items(task, accounts)
        if not self._progress.stopping():
            self._progress.phase(PHASES[2])
            if not late:
                return
            with contextlib.closing(Session(task, self._progress)) as session:
                LateItems(
                    session, self._options.restore_datasource, incomplete, self.report, self._progress
                ).restore(late)

    # -- phase 1 ---------------------------------------------------------------------------------------------------

    def _provision(
        self, selection: Selection, import_map: ImportMap, source: Repository, store: MailStore
    ) -> list[Account]:
        """Carry out the plan of phase 1; return the accounts whose items can be restored."""
        applier = DirectoryApplier(store, self.report, self._patience)
        references = References(source, store, import_map.ids(), import_map.import_id)
        present: dict[str, str] = {}
        rows: list[Row] = []
        for step in plan.provisioning(selection, self._options):
            if self._progress.stopping():
                break
            entry, unresolved = mapped(step.entry, references.entry, self._options.skip_aliases)
            if step.action == plan.CREATE:
                created = applier.create(empty(entry))
                if created is not None:
                    rows.append(Row(entry.kind, entry.name, entry.entry_id, created.entry_id))
                    present[entry.entry_id] = created.entry_id
                continue
            import_map.record(rows)
            rows.clear()
            if entry.entry_id in present:
                self._attributes(applier, entry._replace(entry_id=present[entry.entry_id]))
                for name, value in unresolved:
                    self.report.warn(f"{entry.name}: {name} names {value}, which is not at the destination; left out.")
        accounts = selection.accounts
        if self._options.skip_account_provisioning:
            rows += self._existing(accounts, store)
            present.update((row.source_id, row.destination_id) for row in rows)
        rows += mailbox_rows(source, accounts, present)
        rows += self._other_mailboxes(source, store, accounts, import_map.import_id, {**import_map.ids(), **present})
        head = source.head()
        rows += [seen_row(entry, head.last if head else 0) for entry in accounts if entry.entry_id in present]
        import_map.record(rows)
        return [Account(entry, present[entry.entry_id]) for entry in accounts if entry.entry_id in present]

    @staticmethod
    def _other_mailboxes(
        source: Repository, store: MailStore, accounts: Sequence[Entry], import_id: str, ids: Mapping[str, str]
    ) -> list[Row]:
        """Return what is to be remembered of mailboxes that only now are known to be others.

        What they have of the one before under the same id is there already, and taken for what it is.
        """
        rows = list(other_mailboxes(source, accounts, ids))
        known = {**ids, **{row.source_id: row.destination_id for row in rows}}
        for entry in accounts:
            before, after = (mailbox_import(import_id, some, entry.entry_id) for some in (ids, known))
            if before != after:
                same = list(_same(source, store, entry.entry_id, ids[entry.entry_id], before))
                store.map_imported(ids[entry.entry_id], after, same)
        return rows

    def _attributes(self, applier: DirectoryApplier, entry: Entry) -> None:
        if entry.kind == kinds.ACCOUNT:
            Quota(self._sides.backup_path, applier, entry.entry_id).put_back()
        changed = applier.attributes(entry)
        if changed and entry.kind == kinds.COS and not applier.made(entry):
            self.report.warn(f"The class of service {entry.name} was there and has been given the backup's attributes.")

    def _existing(self, accounts: Sequence[Entry], store: MailStore) -> Iterator[Row]:
        for entry in accounts:
            there = store.find_entry(kinds.ACCOUNT, entry.name)
            if there is not None:
                yield Row(entry.kind, entry.name, entry.entry_id, there.entry_id)
            else:
                self.report.add_unrestored(
                    "", entry.name, entry.kind, INVALID_ITEM,
                    "It is not at the destination, and skip_account_provisioning forbids to create it.",
                )

    # -- phase 2 ---------------------------------------------------------------------------------------------------

    def _items(self, task: Import, accounts: Sequence[Account]) -> tuple[list[Account], set[str]]:
        """Restore the items of all accounts.

        :return: the accounts that phase 3 has something for, and the ids in the backup of those that are incomplete.
        """
        @contextlib.contextmanager
        def session(progress: Progress) -> Iterator[workers.Work]:
            with contextlib.closing(Session(task, progress)) as opened:
                yield lambda number: opened.restore_items(accounts[number])

        self.report.timeline.accounts = len(accounts)
        late = set()
        incomplete = {account.entry.entry_id for account in accounts}
        for number, result in workers.run(session, len(accounts), self._options.concurrent_accounts, self._progress):
            account = accounts[number]
            if result is None:
                self.report.add_unrestored(
                    "", account.entry.name, kinds.ACCOUNT, INVALID_ITEM,
                    "The process that restored its items was killed; run the restore again to complete them.",
                )
                continue
            self.report.merge(result["report"])
            if result["late"]:
                late.add(number)
            if result["complete"]:
                self.report.timeline.mailboxes[account.entry.name] = Mailbox(result["newest"], result["ended"])
                incomplete.remove(account.entry.entry_id)
                logger.info("account restored: %s", account.entry.name)
        return [accounts[number] for number in sorted(late)], incomplete


def mailbox_rows(source: Repository, accounts: Sequence[Entry], ids: Mapping[str, str]) -> Iterator[Row]:
    """Yield what is to be remembered of mailboxes that are not the first one of their account.

    :param ids: id in the backup to id at the destination of those accounts that are there.
    """
    for entry in accounts:
        number = began_after(source, entry.entry_id)
        if number and entry.entry_id in ids:
            yield mailbox_row(entry, number, ids[entry.entry_id])


def other_mailboxes(source: Repository, accounts: Sequence[Entry], ids: Mapping[str, str]) -> Iterator[Row]:
    """Yield what is to be remembered of mailboxes of which the backup cannot tell (any more) that they are others.

    Where an account was deleted, and made again after a purge had forgotten it, all that is known of it is younger than
    the last restore: its items are not those that were restored, though they have the same ids.

    :param ids: id in the backup to id at the destination, of entries and mailboxes.
    """
    for entry in accounts:
        first, last = source.first(entry.entry_id), seen(ids, entry.entry_id)
        there = ids.get(entry.entry_id)
        if there is not None and 0 < last < first and began_after(source, entry.entry_id) <= last:
            yield mailbox_row(entry, first, there)


def _same(
    source: Repository, store: MailStore, account_id: str, there: str, import_id: str
) -> Iterator[tuple[str, str]]:
    """Yield those items of an import, and their copies, of which the backup has the kind and the content now too."""
    for origin, item in store.imported(there, import_id):
        last = source.state(account_id, origin)
        copy = store.item(there, item)
        if last is not None and isinstance(last.state, ItemState) and copy is not None:
            if last.state.digest and (copy.kind, copy.digest) == (last.state.kind, last.state.digest):
                yield origin, item


def _check_source(source: Repository, store: MailStore, backup_path: str, options: ExternalOptions) -> None:
    """Refuse a source that is the destination itself (R-125, R-122)."""
    if os.path.realpath(source.path) == os.path.realpath(backup_path):
        raise InvalidInput(
            f"{source.path} is this server's own Backup Path. An External Restore reads the backup of another server; "
            "for a copy of this one's, name the copy and set force_as_external_restore."
        )
    if source.server_id == store.server_id() and not options.force_as_external_restore:
        raise InvalidInput(
            f"The backup in {source.path} is one of this very server ({source.server_id}). Restore single accounts "
            "with the other strategies; or set force_as_external_restore to add what is missing here."
        )


def _check_domains(store: MailStore, selection: Selection) -> None:
    """Without domain provisioning the domains have to be there (R-126)."""
    wanted = sorted({domain_of(account.name) for account in selection.accounts})
    missing = [name for name in wanted if store.find_entry(kinds.DOMAIN, name) is None]
    if missing:
        raise NotFound(
            f"The destination has no domain {', '.join(missing)}, and skip_domain_provisioning forbids to create it. "
            "Create it, or leave that option out. Nothing was restored."
        )


def _started(selection: Selection) -> str:
    return (
        f"To be restored: {len(selection.accounts)} accounts, {len(selection.domains)} domains, "
        f"{len(selection.coses)} classes of service, {len(selection.lists)} distribution lists.\n"
    )
