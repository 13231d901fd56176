# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""External Restore on a node, as an operation with notifications; its plan, and its proof."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..archive.locked import bucket_archive
from ..backup.repository import Repository
from ..model import kinds, moment
from ..model.errors import InvalidInput, NotFound, Refused
from ..model.state import Entry
from ..restore.blobs import ArchiveBlobs, Blobs, LocalBlobs
from ..restore.external import NAME, choose, external_restore
from ..restore.idmap import map_name, read_import
from ..restore.options import ExternalOptions
from ..restore.preview import preview
from ..restore.selection import is_system_account
from ..restore.session import Sides
from ..restore.verify import VerifyReport, verify
from .call import Call
from .node import Node
from .operations import operation, seconds

OPERATION: Final = NAME
VERIFY: Final = "Verify Restore"


def restore(
    node: Node, source_path: str, options: ExternalOptions, *, blobs_archive: str = "", volume_prefix: str = "",
    notifications: Sequence[str] = (),
) -> dict[str, Any]:
    """Restore a backup to this node's mail server.

    :param source_path: a Backup Path, a copy of one, or a directory that metadata was retrieved into.
    :param blobs_archive: the bucket to read blobs from, by id or label of its configuration; empty for the packs in
        source_path.
    :param volume_prefix: that of the backup that wrote to the bucket.
    :return: the report, with "changed", "stats" (the report as text), "seconds" by phase and "operation_id".
    :raises RestanteError: what can be refused before anything is written, or what ends the restore.
    """
    sides = Sides(
        source=lambda: _source(node, source_path),
        store=node.store,
        blobs=lambda source: blobs_of(node, source, blobs_archive, volume_prefix),
        backup_path=node.settings.backup_path,
    )
    with contextlib.closing(sides.source()) as source, contextlib.closing(sides.store()) as store:
        choose(source, store, sides.backup_path, options)
        sides.blobs(source)
    told = node.notifications()
    parameters = {"source_path": source_path, "blobs_archive": blobs_archive, **_plain(options)}
    with operation(node, OPERATION, parameters) as running:
        report = external_restore(
            sides, options, progress=running,
            notify=lambda type_, subject, text: told.notify(type_, subject, text, notifications),
        )
        timeline = report.timeline.to_json()
        running.record.result = {**report.to_json(), "timeline": timeline}
    return {
        **report.to_result(),
        "timeline": timeline,
        "changed": report.changed,
        "stats": report.text(),
        "seconds": seconds(running.record),
        "operation_id": running.id,
    }


def prove(
    node: Node, source_path: str, *, at: int | None = None, accounts: Sequence[str] = (), system_accounts: bool = True
) -> VerifyReport:
    """Compare this node's mail server with a backup that was restored to it, item by item, every content hashed.

    :param at: UTC milliseconds; None for the backup's last state.
    :param accounts: addresses or ids; empty for all.
    :param system_accounts: whether all includes service mailboxes.
    :raises NotFound: the backup was never restored to this node.
    """
    with contextlib.closing(node.repository(source_path)) as source, contextlib.closing(node.store()) as store:
        map_file = os.path.join(node.settings.backup_path, map_name(source.server_id))
        if not os.path.exists(map_file):
            raise NotFound(
                f"The backup in {source_path} was never restored to this node: {node.settings.backup_path} has no map "
                "of it. Run the External Restore first."
            )
        import_id, rows = read_import(map_file)
        ids = {row.source_id: row.destination_id for row in rows}
        if not accounts and not system_accounts:
            accounts = [entry.name for entry in _accounts(source, at) if not is_system_account(entry)]
        with operation(node, VERIFY, {"source_path": source_path, "accounts": list(accounts)}) as running:
            report = verify(source, store, import_id, ids=ids, at=at, accounts=accounts or None, progress=running)
            running.record.result = report.to_json()
    return report


def answer(call: Call) -> dict[str, Any]:
    """Answer the module external_restore. :raises Refused: items are unrestored and the caller wants that to fail."""
    node = call.node()
    options = ExternalOptions(
        **{name: call[name] for name in ExternalOptions._fields if call[name] is not None}
    )
    if call.check_mode:
        with contextlib.ExitStack() as opened:
            source = opened.enter_context(contextlib.closing(_source(node, call["source_path"])))
            store = opened.enter_context(contextlib.closing(node.store()))
            found = preview(source, store, node.settings.backup_path, options)
            blobs_of(node, source, call["blobs_archive"], call["volume_prefix"])
        lines = found.lines()
        return {
            "changed": found.pending, "pending": found.pending, "plan": lines,
            "diff": {"prepared": "".join(f"{line}\n" for line in lines)},
        }
    result = restore(
        node, call["source_path"], options, blobs_archive=call["blobs_archive"], volume_prefix=call["volume_prefix"],
        notifications=call["notifications"],
    )
    if call["fail_on_unrestored"] and result["unrestored_items"]:
        raise Refused(f"The restore has ended, but not everything could be restored.\n{result['stats']}")
    return {**result, "diff": {"prepared": result["stats"] if result["changed"] else ""}}


def proof(call: Call) -> dict[str, Any]:
    """Answer the module restore_verify_info. :raises Refused: something differs and the caller wants that to fail."""
    node = call.node()
    at = moment.parse(call["at"], node.settings.time_zone)
    if at == moment.FIRST:
        raise InvalidInput("A restore cannot be compared with the first moment of a backup; give a date, or last.")
    report = prove(
        node, call["source_path"], at=at if isinstance(at, int) else None, accounts=call["accounts"],
        system_accounts=not call["skip_system_accounts"],
    )
    if call["fail_on_difference"] and not report.passed:
        found = "; ".join(
            f"{one.account} {one.kind} {one.item_id}: {one.field}" for one in report.differences[:10]
        )
        raise Refused(f"The restore is not complete. The first differences: {found}.")
    return {"verification": report.to_json()}


def _accounts(source: Repository, at: int | None) -> Iterator[Entry]:
    for last in source.entries(kinds.ACCOUNT, at):
        if isinstance(last.state, Entry):
            yield last.state


def _source(node: Node, path: str) -> Repository:
    """Open the source of a restore. :raises Refused: this user may not read and write it (R-123)."""
    repository = node.repository(path)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        repository.close()
        raise Refused(f"{path} cannot be read and written by this user; give it to the service user (chown -R).")
    return repository


def blobs_of(
    node: Node, source: Repository, blobs_archive: str = "", volume_prefix: str = "", threads: int = 10
) -> Blobs:
    """Return where contents are read from: the packs beside the metadata, or those in a bucket.

    :param blobs_archive: the bucket, by id or label of its configuration. :raises NotFound: there is none.
    :param threads: requests in flight to the bucket.
    """
    if not blobs_archive:
        return LocalBlobs(source)
    record = node.bucket(blobs_archive)
    archive = bucket_archive(record.settings(volume_prefix, source.server_id))
    return ArchiveBlobs(source, archive, node.settings.cache_path, threads)


def answered(call: Call, result: dict[str, Any]) -> dict[str, Any]:
    """Return a restore's result as a module's.

    :raises Refused: items are unrestored, and the caller wants that to fail.
    """
    if call["fail_on_unrestored"] and result["report"]["unrestored_items"]:
        raise Refused(f"The restore has ended, but not everything could be restored.\n{result['stats']}")
    return {
        **result, "warnings": result["report"]["warnings"],
        "diff": {"prepared": result["stats"] if result["changed"] else ""},
    }


def _plain(options: ExternalOptions) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in options._asdict().items()}
