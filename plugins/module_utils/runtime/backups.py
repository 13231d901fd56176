# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SmartScan of a node, with the upload that follows it; and what a Backup Path holds."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final

from ..archive.port import Archive
from ..backup.repository import Repository
from ..model import kinds, moment
from ..model.errors import RestanteError, Unavailable
from ..operations.notifications import INFORMATION, WARNING
from ..scan.smartscan import smart_scan as scan
from ..scan.upload import Uploader
from .module import Call
from .node import Node

OPERATION: Final = "SmartScan"


def smart_scan(
    node: Node, *, deep: bool = False, accounts: Sequence[str] = (), read_error_threshold: int = 0,
    notifications: Sequence[str] = (), initiator: str = "",
) -> dict[str, Any]:
    """Scan the node's mail server into its Backup Path, which is made where there is none, and upload what is new.

    A remote store that does not answer does not stop the backup (R-284): what it lacks goes up the next time.

    :return: the scan's report, with "upload", "warnings" and "operation_id".
    """
    parameters = {"deep": deep, "accounts": list(accounts), "read_error_threshold": read_error_threshold}
    with node.operations.start(OPERATION, parameters, initiator) as operation, contextlib.ExitStack() as opened:
        store = opened.enter_context(contextlib.closing(node.store()))
        repository = opened.enter_context(contextlib.closing(node.initialised(store.server_id())))
        upload = _Upload(repository, node.archive(store.server_id()))
        with repository.writer() as writer:
            report = scan(
                store, writer, deep=deep, accounts=accounts or None, read_error_threshold=read_error_threshold,
                committed=lambda commit: upload.sync(), progress=operation,
            )
        upload.sync()
        result = {**report.to_json(), "upload": upload.totals, "warnings": upload.warnings}
        operation.record.result = result
    text = report.text() + "".join(f"\n{warning}\n" for warning in upload.warnings)
    troubled = bool(report.failures or upload.warnings)
    if report.changed or troubled:
        node.notifications().notify(WARNING if troubled else INFORMATION, f"{OPERATION}: ended", text, notifications)
    return {**result, "changed": report.changed or upload.totals["commits"] > 0, "operation_id": operation.id}


def answer(call: Call) -> dict[str, Any]:
    """Answer the module smartscan."""
    if call.check_mode:
        return preview(call.node())
    report = smart_scan(
        call.node(), deep=call["deep"], accounts=call["accounts"], read_error_threshold=call["read_error_threshold"],
        notifications=call["notifications"], initiator=call.initiator,
    )
    for warning in report["warnings"]:
        call.warn(warning)
    return {"changed": report.pop("changed"), "operation_id": report.pop("operation_id"), "report": report}


def info(node: Node, backup_path: str) -> dict[str, Any]:
    """Return what a backup holds, the node's own where no path is given."""
    with contextlib.closing(node.repository(backup_path)) as repository:
        return describe(repository)


class _Upload:
    """Sends each commit to the archive, if there is one, and remembers why it could not."""

    def __init__(self, repository: Repository, archive: Archive | None) -> None:
        self.totals = {"commits": 0, "packs": 0, "bytes": 0}
        self.warnings: list[str] = []
        self._uploader = Uploader(repository, archive) if archive else None

    def sync(self) -> None:
        """Send what is new. :raises Refused: the archive takes no files from this node, whatever it waits."""
        if self._uploader is None:
            return
        try:
            report = self._uploader.sync()
        except Unavailable as error:
            if str(error) not in self.warnings:
                self.warnings.append(str(error))
            return
        for name in self.totals:
            self.totals[name] += getattr(report, name)


def preview(node: Node) -> dict[str, Any]:
    """Return what a SmartScan would have to look at, without writing anything: for check mode."""
    with contextlib.closing(node.store()) as store:
        tokens = dict(store.tokens())
        try:
            with contextlib.closing(node.repository()) as repository:
                waiting = sorted(account for account, token in tokens.items() if repository.token(account) != token)
                initialised = True
        except RestanteError:
            waiting, initialised = sorted(tokens), False
        names = {entry.entry_id: entry.name for entry in store.entries(kinds.ACCOUNT)}
    return {
        "changed": bool(waiting) or not initialised,
        "initialised": initialised,
        "changed_accounts": sorted(names.get(account, account) for account in waiting),
    }


def describe(repository: Repository) -> dict[str, Any]:
    """Return what a backup holds, for backup_info and getBackupInfo."""
    head, span = repository.head(), repository.span()
    return {
        "backup_path": repository.path,
        "server_id": repository.server_id,
        "repository_id": repository.repository_id,
        "initialised": head is not None,
        "commit": head.seq if head else 0,
        "last_commit": moment.iso(head.at) if head else "",
        "first_moment": moment.iso(span[0]) if span else "",
        "last_moment": moment.iso(span[1]) if span else "",
        "counts": dict(repository.counts()),
        "accounts": _names(repository, kinds.ACCOUNT),
        "domains": _names(repository, kinds.DOMAIN),
        "damages": [damage._asdict() for damage in repository.damages()],
    }


def _names(repository: Repository, kind: str) -> list[str]:
    return sorted(found.state.name for found in repository.entries(kind) if found.state is not None)
