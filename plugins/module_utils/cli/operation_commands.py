# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that show and stop operations (reference, sections 2.10, 3.1, 3.4 and 3.5)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from ..model import moment
from ..operations.records import (
    BACKUP_QUEUE,
    EXIT_CODES,
    FAILED,
    INTERRUPTED,
    REMOVED,
    STOPPED,
    UNFINISHED,
    VOLUME_QUEUE,
)
from ..runtime import operations
from ..runtime.node import Node, check_host
from .grammar import BOOLEAN, TEXT, Command, Parameter

_COLUMNS: Final = ("id", "node", "type", "queue", "state", "initiator", "submitted", "started", "finished", "phase")
_TIMES: Final = ("submitted", "started", "finished")


def _listed(node: Node, states: Collection[str], queue: str = "", verbose: bool = False) -> list[dict[str, Any]]:
    """Return operations with the documented columns (R-276), or all that is known of them."""
    found = [record for record in operations.shown(node, states=states) if queue in ("", record["queue"])]
    return found if verbose else [_row(record, node.settings.time_zone) for record in found]


def _row(record: Mapping[str, Any], time_zone: str) -> dict[str, Any]:
    row = {name: record[name] for name in _COLUMNS}
    return {**row, **{name: moment.vendor(row[name], time_zone) if row[name] else "" for name in _TIMES}}


def _log(node: Node) -> Any:
    return _listed(node, tuple(EXIT_CODES))


def _unfinished_log(node: Node) -> Any:
    return _listed(node, (FAILED, STOPPED, REMOVED, INTERRUPTED))


def _monitor(node: Node, operation_uuid: str, operation_host: str) -> Any:
    check_host(operation_host)
    return operations.shown(node, operation_uuid)[0]


def _stop(node: Node, operation_uuid: str) -> Any:
    return "stop requested" if node.operations.request_stop(operation_uuid) else "the operation has ended already"


def _all_operations_command(module: str, queue: str) -> Command:
    def run(node: Node, verbose: bool) -> Any:
        return _listed(node, UNFINISHED, queue, verbose)

    return Command(
        module, ("getAllOperations",), "show the running and queued operations", run,
        optional=(Parameter("verbose", BOOLEAN, "all that is known of them", False),),
    )


def _queue_commands(queue: str) -> Iterator[Command]:
    """Yield the commands of one queue; the module has its name."""
    def stop_all(node: Node) -> Any:
        return f"stop requested of {node.operations.stop_all(queue)} operations"

    identified = (Parameter("operation_uuid"),)
    yield _all_operations_command(queue, queue)
    yield Command(
        queue, ("monitor",), "show an operation; with --progress until its end", _monitor, identified,
        (Parameter("operation_host", TEXT, "where it runs, if not here", ""),), follows=True,
    )
    yield Command(queue, ("doStopOperation",), "stop a running operation, or remove a queued one", _stop, identified)
    yield Command(queue, ("doStopAllOperations",), "stop what runs and empty the queue", stop_all)


COMMANDS: Final = (
    *_queue_commands(BACKUP_QUEUE),
    *_queue_commands(VOLUME_QUEUE),
    _all_operations_command("core", ""),
    Command("core", ("getOperationLog",), "show the operations that have ended", _log),
    Command(
        "core", ("getUnfinishedOperationLog",), "show the operations that ended before their work was done",
        _unfinished_log,
    ),
)
