# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Realtime Scanner of a node: started, stopped, switched, asked; and a gap closed before something is restored."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any, Final

from ..model import kinds, moment
from ..operations.operation import Operations
from ..operations.records import SUCCESSFUL
from ..scan.directory import switch_of
from . import backups, service
from . import settings as settings_file
from .call import Call
from .following import NAME, STOPPED, log_file, pid_file, read_status, run
from .node import Node

SERVICE: Final = "realtime-scanner"
"""Its name among the services of a node."""

UNIT: Final = "restante-realtime-scanner.service"
REALTIME: Final = service.Service(
    f"the {NAME}", UNIT, pid_file, log_file, lambda node: run(node, say=service.log)
)


# -- asking ------------------------------------------------------------------------------------------------------------


def status(node: Node) -> dict[str, Any]:
    """Return what the Realtime Scanner does, how far it is, and whether the backup has a gap."""
    pid, found = pid_file(node).pid(), read_status(node)
    situation, since = found.situation, _gap_since(node)
    lag = moment.now() - situation.pending_since if pid and situation.pending_since > 0 else 0
    return {
        "enabled": node.settings.realtime_scanner,
        "running": bool(pid),
        "state": found.state if pid else STOPPED,
        "pid": pid,
        "unit": UNIT if REALTIME.has_unit(node) else "",
        "started": _iso(found.started if pid else 0),
        "last_event": situation.last_event,
        "last_event_at": _iso(situation.last_event_at),
        "pending_accounts": situation.pending if pid else 0,
        "lag_seconds": round(max(lag, 0) / 1000, 3),
        "last_commit": situation.last_commit,
        "last_commit_at": _iso(situation.last_commit_at),
        "complete_until": _iso(situation.complete_until),
        "archived_commit": found.archived,
        "gap": since != 0,
        "gap_since": _iso(since),
        "gap_reason": (situation.gap_reason or f"the {NAME} does not run") if since else "",
        "unreadable": situation.unreadable,
        "error": found.error or situation.waits if pid else "",
        "archive_error": found.archive_error if pid else "",
    }


def _gap_since(node: Node) -> int:
    """Return since when nothing is recorded as it happens: -1 where that was never so, 0 where there is no gap."""
    pid, found = pid_file(node).pid(), read_status(node)
    # A process that has only just begun has not said anything yet.
    if pid and found.pid == pid and not found.situation.gap_since:
        return 0
    since = found.situation.gap_since or found.situation.complete_until or -1
    scans = [
        record.started for record in node.operations.list()
        if record.type == backups.OPERATION and record.state == SUCCESSFUL and not record.parameters.get("accounts")
        and not record.result.get("read_errors")
    ]
    return max([since, *scans])


def _iso(at: int) -> str:
    return moment.iso(at) if at > 0 else ""


# -- before a restore --------------------------------------------------------------------------------------------------


def settle(node: Node, accounts: Sequence[str] = ()) -> bool:
    """Bring the backup up to what the mail server holds, before something is restored from it; True if that was needed.

    A gap is closed by a SmartScan of everything. Without one, the accounts are looked into whose newest changes are not
    recorded yet. To be called before an operation is begun: a SmartScan is one, and would wait for it.

    :param accounts: by address or id, those that the mail server does not have among them; all where it is empty.
    :raises RestanteError: the mail server cannot be read.
    """
    if not backups.is_initialised(node):
        return False
    gap = _gap_since(node) != 0
    late = [] if gap else behind(node, accounts)
    if not (gap or late):
        return False
    # The id that the caller has chosen, or waits for, is that of the operation which comes after this one.
    its_own, node.operations = node.operations, Operations(node.settings.state_path)
    try:
        return bool(backups.smart_scan(node, accounts=late)["changed"])
    finally:
        node.operations = its_own


def behind(node: Node, accounts: Sequence[str]) -> list[str]:
    """Return the ids of those accounts in whose mailbox something has happened that is not recorded. As settle()."""
    with contextlib.closing(node.store()) as store, contextlib.closing(node.repository()) as repository:
        tokens, reached = dict(store.tokens()), repository.tokens()
        found = (
            [store.find_entry(kinds.ACCOUNT, name) for name in accounts] if accounts else store.entries(kinds.ACCOUNT)
        )
        is_on = switch_of(store).is_on
        ids = [entry.entry_id for entry in found if entry is not None and is_on(entry)]
        return [account for account in ids if tokens.get(account) != reached.get(account)]


# -- starting and stopping ---------------------------------------------------------------------------------------------


def start(node: Node) -> bool:
    """Start the Realtime Scanner; True if it did not run. Errors as for Service.start()."""
    return REALTIME.start(node)


def stop(node: Node) -> bool:
    """Stop the Realtime Scanner; True if it ran. What has happened until then is committed. Errors as for
    Service.stop()."""
    return REALTIME.stop(node)


# -- modules -----------------------------------------------------------------------------------------------------------


def answer(call: Call) -> dict[str, Any]:
    """Answer the module realtime_scanner."""
    node = call.node()
    before = {"enabled": node.settings.realtime_scanner, "running": bool(pid_file(node).pid())}
    after = {
        "enabled": before["enabled"] if call["enabled"] is None else call["enabled"],
        "running": call["state"] == "started",
    }
    if not call.check_mode:
        if after["enabled"] != before["enabled"]:
            switch(node, after["enabled"])
            node = call.node()
        if after["running"]:
            start(node)
        else:
            stop(node)
    warnings = []
    if after["running"] and not after["enabled"]:
        warnings.append(f"The {NAME} runs, but is switched off and records nothing; enabled: true switches it on.")
    return {
        "changed": before != after, "status": {**status(node), **(after if call.check_mode else {})},
        "warnings": warnings, "diff": {"before": before, "after": after},
    }


def switch(node: Node, enabled: bool) -> bool:
    """Have the Realtime Scanner record or not (R-222), whether it runs or not; True if that is new."""
    if node.settings.realtime_scanner == enabled:
        return False
    settings_file.save(node.config_file, dataclasses.replace(node.settings, realtime_scanner=enabled))
    return True


def info(call: Call) -> dict[str, Any]:
    """Answer the module realtime_scanner_info."""
    return {"status": status(call.node())}
