# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""External Restore on a node, as an operation with notifications; its plan, and its proof."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Sequence
from typing import Any, Final

from ..archive.s3 import S3Archive
from ..backup.repository import Repository
from ..model import kinds, moment
from ..model.errors import InvalidInput, NotFound, Refused
from ..operations.progress import SILENT, Progress
from ..restore import plan
from ..restore.blobs import ArchiveBlobs, Blobs, LocalBlobs
from ..restore.external import external_restore, read_directory
from ..restore.idmap import import_id_of
from ..restore.options import ExternalOptions, check, named_accounts
from ..restore.selection import select
from ..restore.session import Sides
from ..restore.verify import VerifyReport, verify
from .module import Call
from .node import Node

OPERATION: Final = "External Restore"


def restore(
    node: Node, source_path: str, options: ExternalOptions, *, blobs_archive: str = "", volume_prefix: str = "",
    notifications: Sequence[str] = (), initiator: str = "",
) -> dict[str, Any]:
    """Restore a backup to this node's mail server.

    :param source_path: a Backup Path, a copy of one, or a directory that metadata was retrieved into.
    :param blobs_archive: id of the bucket configuration to read blobs from; empty for the packs in source_path.
    :param volume_prefix: that of the backup that wrote to the bucket.
    :return: the report, with "changed", "phases" and "operation_id".
    """
    check(options)
    named_accounts(options)
    _check_source_path(node, source_path)
    with contextlib.closing(node.store()):  # a mail server that is not there is a matter for now, not for phase 1
        pass
    sides = Sides(
        source=lambda: Repository.open(source_path),
        store=node.store,
        blobs=lambda source: _blobs(node, source, blobs_archive, volume_prefix),
        backup_path=node.settings.backup_path,
    )
    with contextlib.closing(sides.source()) as source:
        sides.blobs(source)
    told = node.notifications()
    parameters = {"source_path": source_path, "blobs_archive": blobs_archive, **_plain(options)}
    with node.operations.start(OPERATION, parameters, initiator) as operation:
        report = external_restore(
            sides, options, progress=operation,
            notify=lambda type_, subject, text: told.notify(type_, subject, text, notifications),
        )
        operation.record.result = report.to_json()
    return {
        **report.to_json(),
        "changed": report.changed,
        "stats": report.text(),
        "phases": operation.record.phases,
        "started": operation.record.started,
        "state": operation.record.state,
        "operation_id": operation.id,
    }


def preview(node: Node, source_path: str, options: ExternalOptions) -> dict[str, Any]:
    """Return the plan of a restore without touching anything: what check mode and diff mode show.

    What this node has from an earlier run of the same import is not part of the plan.
    """
    check(options)
    named = named_accounts(options)
    _check_source_path(node, source_path)
    with contextlib.closing(Repository.open(source_path)) as source, contextlib.closing(node.store()) as store:
        selection = select(read_directory(source, not options.filter_deleted), options, named)
        import_id = import_id_of(node.settings.backup_path, source.server_id) or ""
        steps: list[str] = []
        for step in plan.provisioning(selection, options):
            if store.find_entry(step.entry.kind, step.entry.name) is None:
                steps.append(str(step))
        items: dict[str, int] = {}
        for account in () if options.provisioning_only else selection.accounts:
            present = store.find_entry(kinds.ACCOUNT, account.name)
            there = {origin for origin, _id in store.imported(present.entry_id, import_id)} if present else set()
            states = source.states(account.entry_id, deleted=not options.filter_deleted)
            missing = sum(found.item_id not in there for found in states)
            if missing:
                items[account.name] = missing
    steps += [f"restore {count} items of {account}" for account, count in items.items()]
    return {"changed": bool(steps), "plan": steps}


def prove(
    node: Node, source_path: str, *, at: int | None = None, accounts: Collection[str] | None = None,
    progress: Progress = SILENT,
) -> VerifyReport:
    """Compare this node's mail server with a backup that was restored to it, item by item, every content hashed.

    :raises NotFound: the backup was never restored to this node.
    """
    with contextlib.closing(Repository.open(source_path)) as source, contextlib.closing(node.store()) as store:
        import_id = import_id_of(node.settings.backup_path, source.server_id)
        if import_id is None:
            raise NotFound(
                f"The backup in {source_path} was never restored to this node: {node.settings.backup_path} has no map "
                "of it. Run the External Restore first."
            )
        return verify(source, store, import_id, at=at, accounts=accounts, progress=progress)


def answer(call: Call) -> dict[str, Any]:
    """Answer the module external_restore. :raises Refused: items are unrestored and the caller wants that to fail."""
    node = call.node()
    given = {name: call[name] for name in ExternalOptions._fields if call[name] is not None}
    options = ExternalOptions(**given)
    if call.check_mode:
        planned = preview(node, call["source_path"], options)
        return {**planned, "diff": {"prepared": "\n".join(planned["plan"]) + "\n"}}
    result = restore(
        node, call["source_path"], options, blobs_archive=call["blobs_archive"], volume_prefix=call["volume_prefix"],
        notifications=call["notifications"], initiator=call.initiator,
    )
    warnings = result.pop("warnings")
    for warning in warnings:
        call.warn(warning)
    if call["fail_on_unrestored"] and result["unrestored_items"]:
        raise Refused(f"The restore has ended, but not everything could be restored.\n{result['stats']}")
    return {**result, "warnings_of_restore": warnings, "diff": {"prepared": result["stats"]}}


def proof(call: Call) -> dict[str, Any]:
    """Answer the module restore_verify_info. :raises Refused: something differs and the caller wants that to fail."""
    node = call.node()
    at = moment.parse(call["at"], node.settings.time_zone)
    if at == moment.FIRST:
        raise InvalidInput("A restore cannot be compared with the first moment of a backup; give a date, or last.")
    report = prove(
        node, call["source_path"], at=at if isinstance(at, int) else None, accounts=call["accounts"] or None
    )
    if call["fail_on_difference"] and not report.passed:
        found = "; ".join(str(difference) for difference in report.differences[:10])
        raise Refused(f"The restore is not complete. The first differences: {found}")
    return {"verification": report.to_json()}


def _blobs(node: Node, source: Repository, blobs_archive: str, volume_prefix: str) -> Blobs:
    if not blobs_archive:
        return LocalBlobs(source)
    record = node.buckets.get(blobs_archive)
    return ArchiveBlobs(source, S3Archive(record.settings(volume_prefix, source.server_id)), node.settings.cache_path)


def _check_source_path(node: Node, source_path: str) -> None:
    if not os.path.isdir(source_path):
        raise NotFound(f"{source_path} is no directory; name the Backup Path or restore directory to read.")
    if os.path.realpath(source_path) == os.path.realpath(node.settings.backup_path):
        raise InvalidInput(
            f"{source_path} is this node's own Backup Path; an External Restore reads that of another server, or a copy."
        )
    if not os.access(source_path, os.R_OK | os.W_OK | os.X_OK):
        raise Refused(f"{source_path} cannot be read and written by this user; give it to the service user (chown -R).")


def _plain(options: ExternalOptions) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in options._asdict().items()}
