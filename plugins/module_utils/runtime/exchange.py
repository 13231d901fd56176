# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Import into, and export from, a mailbox of this node."""

from __future__ import annotations

import contextlib
from typing import Any

from ..exchange.exporter import export_account
from ..exchange.importer import import_path
from ..mailstore.port import MailStore
from ..model import kinds
from ..model.errors import NotFound
from .call import Call


def import_files(call: Call) -> dict[str, Any]:
    """Answer the module mailstore_import."""
    with contextlib.closing(call.node().store()) as store:
        account = _account(store, call["account"])
        report = import_path(store, account, call["source"], call["folder"], dry_run=call.check_mode)
    return {"changed": report.changed, "report": report.to_json()}


def export_files(call: Call) -> dict[str, Any]:
    """Answer the module mailstore_export."""
    with contextlib.closing(call.node().store()) as store:
        account = _account(store, call["account"])
        report = export_account(store, account, call["destination"], dry_run=call.check_mode)
    return {"changed": report.changed, "report": report.to_json()}


def _account(store: MailStore, name_or_id: str) -> str:
    entry = store.find_entry(kinds.ACCOUNT, name_or_id)
    if entry is None:
        raise NotFound(f"There is no account {name_or_id!r} on this mail server; give its address or its id.")
    return entry.entry_id
