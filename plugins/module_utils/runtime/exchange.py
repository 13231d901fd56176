# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Import into, and export from, a mailbox of this node."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final, Union

from ..exchange.exporter import ExportReport, export_account
from ..exchange.importer import ImportReport, import_path
from ..mailstore.port import MailStore
from ..model import kinds
from ..model.errors import NotFound
from ..operations.progress import SILENT, Progress
from .call import Call
from .operations import operation

IMPORT: Final = "Import"
EXPORT: Final = "Export"


def import_files(call: Call) -> dict[str, Any]:
    """Answer the module mailstore_import."""
    parameters = {name: call[name] for name in ("account", "source", "folder")}
    return _exchange(call, IMPORT, parameters, lambda store, account, progress: import_path(
        store, account, call["source"], call["folder"], dry_run=call.check_mode, progress=progress
    ))


def export_files(call: Call) -> dict[str, Any]:
    """Answer the module mailstore_export."""
    parameters = {name: call[name] for name in ("account", "destination")}
    return _exchange(call, EXPORT, parameters, lambda store, account, progress: export_account(
        store, account, call["destination"], dry_run=call.check_mode, progress=progress
    ))


Exchange = Callable[[MailStore, str, Progress], Union[ImportReport, ExportReport]]
"""Does the work, given the mail server, the id of the account and who is told how far it is."""


def _exchange(call: Call, type_: str, parameters: Mapping[str, Any], work: Exchange) -> dict[str, Any]:
    node = call.node()
    with contextlib.closing(node.store()) as store:
        account = _account(store, call["account"])
        if call.check_mode:
            report = work(store, account, SILENT)
        else:
            with operation(node, type_, parameters) as running:
                report = work(store, account, running)
                running.record.result = report.to_json()
    shown = report.to_json()
    return {
        "changed": report.changed,
        "report": shown,
        "warnings": [f"{problem.source}: {problem.reason}" for problem in report.problems],
        "diff": {"prepared": "".join(f"{name}: {shown[name]}\n" for name in shown)},
    }


def _account(store: MailStore, name_or_id: str) -> str:
    entry = store.find_entry(kinds.ACCOUNT, name_or_id)
    if entry is None:
        raise NotFound(f"There is no account {name_or_id!r} on this mail server; give its address or its id.")
    return entry.entry_id
