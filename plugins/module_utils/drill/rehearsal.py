# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rehearsal of a recovery: a backup is restored into an empty mail store of its own, and compared with it.

It reads the archive and writes below one directory; it knows no other mail store than the one that it makes there. That
one has no way to send, fetch or serve anything: it is files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..archive.port import Archive
from ..backup.repository import Repository
from ..mailstore.embedded import EmbeddedStore
from ..model import kinds, moment
from ..model.errors import NotABackup, Refused
from ..model.state import Entry, ItemState
from ..operations.progress import SILENT, Progress
from ..operations.report import RestoreReport
from ..restore.blobs import ArchiveBlobs
from ..restore.external import external_restore
from ..restore.idmap import map_name, read_import
from ..restore.options import ExternalOptions
from ..restore.retrieve import retrieve
from ..restore.session import Sides
from ..restore.verify import VerifyReport, verify
from ..scan.witness import Seen
from .sample import Extent, choose
from .scratch import free

_SPARE: Final = 1 << 28
"""Bytes that are to be left on the disk when all contents are there."""


class Plan(NamedTuple):
    """What is rehearsed."""

    archive: Callable[[], Archive]
    """Gives where the backup is: a bucket, a directory, or a Backup Path, which is only read. Each worker opens it."""
    masters: Sequence[bytes] = ()
    """Master keys of which one opens it, if it is encrypted."""
    seen: Seen | None = None
    """What the archive was seen to hold; None where nobody has written that down."""
    sample: str = ""
    """How many accounts, as sample.size takes it; empty for all."""
    seed: str = ""
    concurrent_accounts: int = 1


@dataclasses.dataclass
class Findings:
    """What a rehearsal has come to so far; what was not reached is empty."""

    backup: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Which backup it was: where, server_id, repository_id, commit, last_commit_at, last_transaction_at, encrypted."""
    extent: Extent | None = None
    moments: dict[str, int] = dataclasses.field(default_factory=dict)
    """UTC milliseconds: metadata, provisioned, first_mailbox, newest_mail, complete, verified."""
    restored: RestoreReport = dataclasses.field(default_factory=RestoreReport)
    proof: VerifyReport | None = None
    damages: list[Mapping[str, Any]] = dataclasses.field(default_factory=list)
    """What of the backup itself is damaged."""


def rehearse(plan: Plan, place: str, findings: Findings, progress: Progress = SILENT) -> None:
    """Restore a backup into an empty directory, and compare.

    :param place: the directory, which nobody else uses; what is made in it stays.
    :param findings: gets what is found, as soon as it is: an error leaves what was found until then.
    :raises RestanteError: the rehearsal cannot go on; that is a finding too.
    """
    _Rehearsal(plan, place, findings, progress).run()


class _Rehearsal:
    def __init__(self, plan: Plan, place: str, findings: Findings, progress: Progress) -> None:
        self._plan = plan
        self._place = place
        self._findings = findings
        self._progress = progress
        self._metadata = os.path.join(place, "metadata")
        self._mailstore = os.path.join(place, "mailstore")
        self._records = os.path.join(place, "records")
        self._extent = Extent(True, 0, ())

    def run(self) -> None:
        self._retrieve()
        if not self._progress.stopping():
            self._restore()
        if not self._progress.stopping():
            self._verify()

    def _retrieve(self) -> None:
        plan, found = self._plan, self._findings
        archive = plan.archive()
        found.backup["where"] = archive.describe()
        report = retrieve(archive, self._metadata, progress=self._progress, masters=plan.masters, seen=plan.seen)
        if self._progress.stopping():
            return
        found.backup.update(
            server_id=report.server, repository_id=report.repository, commit=report.newest,
            last_commit_at=moment.iso(report.at),
        )
        with contextlib.closing(self._source()) as source:
            span = source.span()
            found.backup.update(
                encrypted=source.keys is not None,
                last_transaction_at=moment.iso(span[1]) if span else "",
            )
            found.damages = [damage._asdict() for damage in (*report.damages, *source.damages())]
            addresses = [
                last.state.name for last in source.entries(kinds.ACCOUNT) if isinstance(last.state, Entry)
            ]
            if not addresses:
                raise NotABackup(f"The backup in {archive.describe()} knows no account: there is nothing to rehearse.")
            self._extent = found.extent = choose(addresses, plan.sample, plan.seed)
            self._check_space(source)
        found.moments["metadata"] = moment.now()

    def _check_space(self, source: Repository) -> None:
        """Refuse to fill the disk, which may be the one that the node lives on. :raises Refused: it would."""
        if self._extent.whole:
            needed = source.counts()["blob_bytes"]
        else:
            chosen = set(self._extent.accounts)
            needed = sum(
                last.state.size
                for account in source.entries(kinds.ACCOUNT)
                if isinstance(account.state, Entry) and account.state.name in chosen
                for last in source.states(account.state.entry_id)
                if isinstance(last.state, ItemState)
            )
        there = free(self._place)
        if needed + _SPARE > there:
            raise Refused(
                f"The drill needs some {needed + _SPARE:,} bytes in {self._place}, and {there:,} are free there. Name "
                "a directory on a larger disk by scratch_path, or drill a sample."
            )

    def _restore(self) -> None:
        found = self._findings
        with contextlib.closing(EmbeddedStore.create(self._mailstore)) as store:
            store.set_redo_log(False)  # nobody will put this store back
        options = ExternalOptions(
            accounts=() if self._extent.whole else self._extent.accounts, skip_system_accounts=False,
            concurrent_accounts=self._plan.concurrent_accounts,
        )
        sides = Sides(self._source, self._store, self._blobs, self._records)
        found.restored = external_restore(sides, options, progress=self._progress)
        timeline = found.restored.timeline
        for name in ("provisioned", "first_mailbox", "newest_mail", "complete"):
            at = getattr(timeline, name)
            if at:
                found.moments[name] = at

    def _verify(self) -> None:
        found = self._findings
        server_id = found.backup["server_id"]
        import_id, rows = read_import(os.path.join(self._records, map_name(server_id)))
        with contextlib.closing(self._source()) as source, contextlib.closing(self._store()) as store:
            found.proof = verify(
                source, store, import_id, ids={row.source_id: row.destination_id for row in rows},
                accounts=None if self._extent.whole else self._extent.accounts, directory=self._extent.whole,
                progress=self._progress,
            )
        if not found.proof.stopped:
            found.moments["verified"] = moment.now()

    def _source(self) -> Repository:
        return Repository.open(self._metadata, masters=self._plan.masters)

    def _store(self) -> EmbeddedStore:
        return EmbeddedStore.open(self._mailstore)

    def _blobs(self, source: Repository) -> ArchiveBlobs:
        return ArchiveBlobs(source, self._plan.archive(), os.path.join(self._place, "cache"))


def unexpected(proof: VerifyReport) -> Counter[str]:
    """Return what is in the store and in no backup, by kind: in an empty store only its own folders may be."""
    return Counter({kind: count for kind, count in proof.foreign.items() if count and kind != kinds.FOLDER})
