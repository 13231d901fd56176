# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore of blobs into a volume of a node, as an operation with a notification (R-315; reference, section 3.3)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..backup.repository import Repository
from ..mailstore.embedded import EmbeddedStore
from ..mailstore.volumes import Volume
from ..model import kinds
from ..model.errors import InvalidInput, NotFound, Refused
from ..operations.notifications import INFORMATION, WARNING
from ..operations.report import RestoreReport
from ..restore.repair import VolumeApplier
from ..restore.volume_blobs import Step, plan, restore_blobs
from .call import Call
from .node import Node
from .operations import operation
from .recovery import blobs_of

OPERATION: Final = "Restore Blobs"
THREADS: Final = 4


def restore(
    node: Node, volume: str, *, backup_path: str = "", blobs_archive: str = "", volume_prefix: str = "",
    threads: int = THREADS, compressed: bool | None = None, dry_run: bool = True,
) -> dict[str, Any]:
    """Put back what a volume has lost; or only say what that is.

    :param volume: its id or its name.
    :param backup_path: the backup to take it from; the node's own where it is empty.
    :param blobs_archive: the bucket that the backup's packs are in, by id or label of its configuration; empty for the
        directory of the backup. :param volume_prefix: that of the backup that wrote to the bucket.
    :param threads: requests in flight to the bucket.
    :param compressed: whether to compress what is written; None as the volume does.
    :return: "changed"; with dry_run the "plan", else the report, "stats" (the report as text) and "operation_id".
    :raises NotFound: there is no such volume or bucket. :raises Refused: the volume's disk is not there, or is full.
    """
    if threads < 1:
        raise InvalidInput(f"threads is {threads}; give at least 1.")
    parameters = {
        "volume": volume, "backup_path": backup_path, "blobs_archive": blobs_archive, "threads": threads,
        "compressed": compressed,
    }
    with _opened(node, volume, backup_path) as (store, there, source):
        blobs_of(node, source, blobs_archive, volume_prefix, threads)
        if dry_run:
            return _foretold(list(plan(store.missing_blobs(there.volume_id), source)), _addresses(store))
    report = RestoreReport()
    with operation(node, OPERATION, parameters) as running, _opened(node, volume, backup_path) as opened:
        store, there, source = opened
        running.phase("looking for lost blobs")
        lost = list(store.missing_blobs(there.volume_id))
        running.phase("blobs", len(lost), sum(blob.size for blob in lost))
        addresses = _addresses(store)
        applier = VolumeApplier(
            store, there.volume_id, report, lambda account: addresses.get(account, account), compressed
        )
        blobs = blobs_of(node, source, blobs_archive, volume_prefix, threads)
        restore_blobs(plan(lost, source), blobs, applier, running)
        running.record.result = report.to_json()
    told = "".join(f"{name}: {value}\n" for name, value in parameters.items() if value not in ("", None))
    node.notifications().notify(
        WARNING if report.unrestored else INFORMATION, f"{OPERATION}: ended", f"{told}\n{report.text()}"
    )
    return {**report.to_result(), "changed": report.changed, "stats": report.text(), "operation_id": running.id}


@contextlib.contextmanager
def _opened(node: Node, volume: str, backup_path: str) -> Iterator[tuple[EmbeddedStore, Volume, Repository]]:
    with contextlib.ExitStack() as opened:
        store = opened.enter_context(contextlib.closing(node.store_with_volumes()))
        source = opened.enter_context(contextlib.closing(node.repository(backup_path)))
        there = next((one for one in store.volumes() if volume in (one.volume_id, one.name)), None)
        if there is None:
            raise NotFound(f"There is no volume {volume!r}; its name is case-sensitive. List the volumes to see them.")
        yield store, there, source


def _addresses(store: EmbeddedStore) -> Mapping[str, str]:
    return {entry.entry_id: entry.name for entry in store.entries(kinds.ACCOUNT)}


def _foretold(steps: list[Step], addresses: Mapping[str, str]) -> dict[str, Any]:
    return {
        "changed": any(step.restorable for step in steps),
        "plan": [
            {**step.blob._asdict(), "account": addresses.get(step.blob.account_id, ""), "restorable": step.restorable}
            for step in steps
        ],
        "lost": len(steps),
        "restorable": sum(step.restorable for step in steps),
    }


def answer(call: Call) -> dict[str, Any]:
    """Answer the module blob_restore. :raises Refused: blobs are unrestored and the caller wants that to fail."""
    result = restore(
        call.node(), call["volume"], backup_path=call["backup_path"] or "", blobs_archive=call["blobs_archive"] or "",
        volume_prefix=call["volume_prefix"], threads=call["threads"], compressed=call["compressed"],
        dry_run=call.check_mode,
    )
    if call.check_mode:
        lines = [
            f"{one['account']} {one['kind']} {one['item_id']}: {one['path']}"
            + ("" if one["restorable"] else " (not in the backup)") for one in result["plan"]
        ]
        return {**result, "diff": {"prepared": "".join(f"{line}\n" for line in lines)}}
    if call["fail_on_unrestored"] and result["unrestored_items"]:
        raise Refused(f"Not everything could be restored.\n{result['stats']}")
    return {**result, "diff": {"prepared": result["stats"] if result["changed"] else ""}}
