# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work of the vendor's on this node: an operation of ours that has begun one of the vendor's and follows it.

So it has a record like any other (docs/operations.md): its progress is told, it can be stopped, and it can be seen who
began it. The record names the commands, without secrets, and the ids of the vendor's operations. A process that was
killed leaves the vendor's operation running; run again, the module finds it by that record and follows it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ...operations.operation import Operation
from ...operations.records import BACKUP_QUEUE, INTERRUPTED, REMOVED, STOPPED, SUCCESSFUL, VOLUME_QUEUE
from ...vendor import answers
from ...vendor.following import Carbonio, End, failure, follow
from ...vendor.runner import Process
from ...vendor.words import Command
from ..call import Call
from ..node import Node
from ..operations import operation, seconds
from ..settings import Settings

FOLLOWED: Final = "vendor_operations"
"""Where a record keeps the ids of the vendor's operations, by their commands."""
_POLL_SECONDS: Final = 0.05


class Place(NamedTuple):
    """A node of the vendor's, and its command."""

    node: Node
    carbonio: Carbonio

    @property
    def time_zone(self) -> str:
        """In which dates are told to it."""
        return self.node.settings.time_zone


def opened(call: Call) -> Place:
    """Return the node that a call is for. Errors as Call.node()."""
    node = call.node()
    return Place(node, command_of(node.settings))


def command_of(settings: Settings) -> Carbonio:
    """Return the vendor's command as settings name it."""
    return Carbonio(Process(settings.carbonio_command, settings.carbonio_user, settings.carbonio_timeout))


def planned(commands: Sequence[Command], **more: Any) -> dict[str, Any]:
    """Return what check mode shows: the commands that would be run. Whether they would find work, nobody has asked."""
    lines = [command.shown for command in commands]
    return {
        "changed": bool(lines), "plan": lines, "diff": {"prepared": "".join(f"{line}\n" for line in lines)}, **more,
    }


class Worked(NamedTuple):
    """What the vendor's operations have come to."""

    outcomes: Sequence[Mapping[str, Any]]
    """What each was told to have come to, empty where carbonio tells no more than that it ended well."""
    result: Mapping[str, Any]
    """operation_id, vendor_operation_ids and seconds, as modules return them."""

    @property
    def changed(self) -> bool:
        """Whether they have changed something; where carbonio does not tell, an operation that ran counts as one."""
        return any(outcome.get("changed", True) for outcome in self.outcomes)

    @property
    def outcome(self) -> dict[str, Any]:
        """What the last one has come to."""
        return dict(self.outcomes[-1])


def work(place: Place, name: str, commands: Sequence[Command]) -> Worked:
    """Have the vendor's engine carry out commands that begin operations, one after the other.

    :param name: of the work, for people.
    :raises RestanteError: a command was refused, or its operation has not come to a good end.
    :raises Stopped: it was told to stop.
    """
    queue = VOLUME_QUEUE if commands[0].module == "powerstore" else BACKUP_QUEUE
    shown = [command.shown for command in commands]
    outcomes = []
    with operation(place.node, name, {"commands": shown}, queue) as running:
        for command in commands:
            outcomes.append(_outcome(_carried_out(place, name, command, running)))
            if running.stopping():
                break
    ids = list(running.record.result[FOLLOWED].values())
    return Worked(outcomes, {
        "operation_id": running.id, "vendor_operation_ids": ids, "seconds": seconds(running.record),
    })


def _carried_out(place: Place, name: str, command: Command, running: Operation) -> End:
    """Begin one operation of the vendor's, or find the one that was left, and follow it to its end."""
    operation_id = _left_running(place, command)
    if not operation_id:
        operation_id = answers.operation_id(command, place.carbonio.ask(command))
    followed = {**running.record.result.get(FOLLOWED, {}), command.shown: operation_id}
    running.record.result = {**running.record.result, FOLLOWED: followed}
    running.phase(name)  # writes the id down
    end = follow(place.carbonio, command.module, operation_id, running)
    if end.state in (STOPPED, REMOVED):  # also by somebody else, with the vendor's own command
        place.node.operations.request_stop(running.id)
        while not running.stopping():
            time.sleep(_POLL_SECONDS)
    elif end.state != SUCCESSFUL:
        raise failure(command, operation_id, end)
    return end


def _left_running(place: Place, command: Command) -> str:
    """Return the vendor's operation that a killed process of ours has left running, empty where there is none."""
    for record in reversed(place.node.operations.list()):
        left = record.result.get(FOLLOWED, {})
        if record.state == INTERRUPTED and command.shown in left:
            operation_id = str(left[command.shown])
            return operation_id if place.carbonio.is_unfinished(command.module, operation_id) else ""
    return ""


def _outcome(end: End) -> Mapping[str, Any]:
    found = end.told.get("result") if isinstance(end.told, dict) else None
    return found if isinstance(found, dict) else {}
