# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Export: a snapshot of the live system, or of a part of it, that an External Restore can import (R-318, R-319).

It is a backup with one commit. That comes last, so an export that was stopped or killed is no backup at all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ..backup.writer import Writer
from ..mailstore.port import MailStore
from ..model import kinds
from ..model.errors import NotFound
from ..model.state import SERVER, Entry
from ..operations.progress import SILENT, Progress
from .directory import DirectoryScan, switch_of
from .mailbox import MailboxScan
from .recorder import Cadence, Recorder
from .report import ScanReport

AT_THE_END: Final = Cadence(float("inf"), 1 << 62)
"""One commit, when everything is there."""

_COS_OF_DOMAIN: Final = "zimbraDomainDefaultCOSId"


class Chosen(NamedTuple):
    """What is exported."""

    entries: Sequence[Entry]
    """Domains, classes of service and distribution lists."""
    accounts: Sequence[Entry]

    def lines(self) -> list[str]:
        """Return the choice for people, a line for each entry."""
        return [f"{entry.kind} {entry.name}" for entry in (*self.entries, *self.accounts)]


def choose(store: MailStore, domains: Sequence[str] = (), coses: Sequence[str] = ()) -> Chosen:
    """Return what an export holds: everything, or the accounts of some domains that have some classes of service.

    With them come their domains, the classes of service that they and their domains refer to, and the lists of those
    domains. Accounts whose backup is switched off are left out (R-245, R-247).

    :param domains: names or ids; empty for all. :param coses: names or ids of classes of service; empty for all.
    :raises NotFound: one of them does not exist.
    """
    switch = switch_of(store)
    named_domains = {entry.name.lower() for entry in _named(store, kinds.DOMAIN, domains)}
    named_coses = {entry.entry_id for entry in _named(store, kinds.COS, coses)}
    accounts = [
        account for account in store.entries(kinds.ACCOUNT)
        if switch.is_on(account) and (not named_domains or _domain(account) in named_domains)
        and (not named_coses or switch.cos_of(account) in named_coses)
    ]
    used_domains, used_coses = set(named_domains), set(named_coses)
    if named_coses and not named_domains:
        used_domains = {_domain(account) for account in accounts}
    whole = not (named_domains or named_coses)
    chosen = [entry for entry in store.entries(kinds.DOMAIN) if whole or entry.name.lower() in used_domains]
    used_coses |= {entry.first(_COS_OF_DOMAIN) for entry in chosen} | set(map(switch.cos_of, accounts))
    chosen += [entry for entry in store.entries(kinds.COS) if whole or entry.entry_id in used_coses]
    chosen += [entry for entry in store.entries(kinds.DISTRIBUTION_LIST) if whole or _domain(entry) in used_domains]
    return Chosen(chosen, accounts)


def export(
    store: MailStore, writer: Writer, chosen: Chosen, *, skip_items: bool = False, read_error_threshold: int = 0,
    progress: Progress = SILENT,
) -> ScanReport:
    """Write what was chosen to a backup that is empty, and commit it unless the export is stopped.

    :param skip_items: leave the content of the mailboxes out.
    :param read_error_threshold: give up after more than so many failed reads; 0 never gives up.
    :return: the report; where it says stopped or gave_up, nothing has been committed.
    :raises RestanteError: the directory cannot be written.
    """
    report = ScanReport()
    recorder = Recorder(writer, AT_THE_END, lambda commit: None)
    began = time.monotonic()

    def ended() -> bool:
        report.stopped = report.stopped or progress.stopping()
        report.gave_up = 0 < read_error_threshold < report.read_errors
        return report.stopped or report.gave_up

    progress.phase("directory", len(chosen.entries) + len(chosen.accounts))
    directory = DirectoryScan(store, recorder, report)
    for entry in chosen.entries:
        recorder.record(SERVER, entry.entry_id, entry)
        report.checked_items += 1
        report.new_items += 1
    for account in chosen.accounts:
        directory.account(account)
    progress.advance(len(chosen.entries) + len(chosen.accounts))
    if not skip_items:
        progress.phase("mailboxes")
        mailbox = MailboxScan(store, recorder, report, progress, ended)
        for account in chosen.accounts:
            if ended():
                break
            mailbox.scan(account.entry_id, account.name)
    if not ended():
        recorder.commit()
    report.commits = recorder.commits
    report.new_blobs, report.new_bytes = recorder.new_blobs, recorder.new_bytes
    report.seconds = round(time.monotonic() - began, 3)
    return report


def _named(store: MailStore, kind: str, names: Sequence[str]) -> Iterator[Entry]:
    for name in names:
        entry = store.find_entry(kind, name)
        if entry is None:
            raise NotFound(f"The mail server has no {kind} {name!r}; check the name. Nothing was exported.")
        yield entry


def _domain(entry: Entry) -> str:
    return entry.name.rpartition("@")[2].lower()
