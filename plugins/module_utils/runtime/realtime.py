# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Realtime Scanner of a node: started, stopped, switched, asked; and a gap closed before something is restored."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

from ..model import kinds, moment
from ..model.errors import NotFound, Refused, Unavailable
from ..operations.operation import Operations
from ..operations.records import SUCCESSFUL
from ..scan.directory import switch_of
from . import backups
from . import settings as settings_file
from .call import Call
from .following import NAME, STOPPED, log_file, pid_file, read_status, run
from .node import Node, import_adapters
from .process import detach

SERVICE: Final = "realtime-scanner"
"""Its name among the services of a node."""

UNIT: Final = "restante-realtime-scanner.service"
UNIT_DIRECTORY: Final = "/etc/systemd/system"
_SYSTEMD: Final = "/run/systemd/system"
"""There where systemd runs."""

_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 60.0


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
        "unit": UNIT if _has_unit(node) else "",
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
    """Start the Realtime Scanner; True if it did not run. As its systemd unit where there is one, else by itself.

    :raises Unavailable: it did not come to run. :raises Refused: this user may not start it.
    """
    process = pid_file(node)
    if process.pid():
        return False
    unit = _has_unit(node)
    if unit:
        _systemctl("start")
    else:
        import_adapters()
        detach(lambda: run(node, say=log), log_file(node))
    if not process.wait(_START_SECONDS, running=True):
        where = f"journalctl -u {UNIT}" if unit else log_file(node)
        raise Unavailable(f"The {NAME} was started and does not run; {where} says why.")
    return True


def log(sentence: str) -> None:
    """Write a sentence to standard error, with the time."""
    sys.stderr.write(f"{moment.iso(moment.now())} {sentence}\n")
    sys.stderr.flush()


def stop(node: Node) -> bool:
    """Stop the Realtime Scanner; True if it ran. What has happened until then is committed.

    :raises Unavailable: it does not end. :raises Refused: this user may not stop it.
    """
    process = pid_file(node)
    if not process.pid():
        return False
    if _has_unit(node):
        _systemctl("stop")
    process.terminate()  # also one that was not started as the unit
    if not process.wait(_STOP_SECONDS, running=False):
        raise Unavailable(f"The {NAME} (process {process.pid()}) was told to end and goes on; look at its status.")
    return True


def _has_unit(node: Node) -> bool:
    """Return whether systemd runs here and has been given a unit for this node."""
    if not os.path.isdir(_SYSTEMD):
        return False
    try:
        with open(os.path.join(UNIT_DIRECTORY, UNIT), encoding="utf-8") as file:
            return f"--config-file {node.config_file} " in file.read()
    except OSError:
        return False


def _systemctl(verb: str) -> None:
    done = subprocess.run(["systemctl", verb, UNIT], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(
            f"systemctl {verb} {UNIT} failed: {done.stderr.strip() or done.returncode}. Run this as root, and look at "
            f"journalctl -u {UNIT}."
        )


# -- as services (R-304) -----------------------------------------------------------------------------------------------


def services(node: Node) -> dict[str, Any]:
    """Return the services of a node, each with could_start, could_stop, running and why it could not be started."""
    running = bool(pid_file(node).pid())
    shown: dict[str, Any] = {"could_start": not running, "could_stop": running, "running": running}
    if running:
        shown["could_not_start_because"] = "it runs"
    return {SERVICE: shown}


def check_name(service_name: str) -> None:
    """:raises NotFound: there is no such service."""
    if service_name.lower() != SERVICE:
        raise NotFound(f"There is no service {service_name!r}; there is {SERVICE}.")


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
