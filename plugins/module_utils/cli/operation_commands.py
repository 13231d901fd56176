# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that show and stop operations (reference, section 2.10)."""

from __future__ import annotations

from typing import Any, Final

from ..operations.records import UNFINISHED
from ..runtime import operations
from ..runtime.node import Node
from .grammar import BOOLEAN, Command, Parameter


def _all_operations(node: Node, verbose: bool) -> Any:
    found = operations.shown(node, states=UNFINISHED)
    shown = ("id", "type", "queue", "state", "initiator", "submitted", "started", "phase")
    return found if verbose else [{name: record[name] for name in shown} for record in found]


def _monitor(node: Node, operation_uuid: str) -> Any:
    return operations.shown(node, operation_uuid)[0]


def _stop(node: Node, operation_uuid: str) -> Any:
    return "stop requested" if node.operations.request_stop(operation_uuid) else "the operation has ended already"


def _stop_all(node: Node) -> Any:
    return f"stop requested of {node.operations.stop_all()} operations"


COMMANDS: Final = (
    Command(
        "backup", ("getAllOperations",), "show the running and queued operations", _all_operations,
        optional=(Parameter("verbose", BOOLEAN, "", False),),
    ),
    Command("backup", ("monitor",), "show an operation", _monitor, (Parameter("operation_uuid"),)),
    Command(
        "backup", ("doStopOperation",), "stop a running operation, or remove a queued one", _stop,
        (Parameter("operation_uuid"),),
    ),
    Command("backup", ("doStopAllOperations",), "stop what runs and empty the queues", _stop_all),
)
