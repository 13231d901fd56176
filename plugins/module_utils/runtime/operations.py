# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node's operations have in common: they are queued, they can be stopped, and they can be seen."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from ..model.errors import Busy, InvalidInput, RestanteError
from ..operations.operation import Operation
from ..operations.records import BACKUP_QUEUE, QUEUED, REMOVED, STOPPED, UNFINISHED, Record
from .call import Call
from .node import Node

_POLL_SECONDS: Final = 0.2


class Stopped(RestanteError):
    """The operation was told to stop, and did."""


@contextlib.contextmanager
def operation(
    node: Node, type_: str, parameters: Mapping[str, Any], queue: str = BACKUP_QUEUE
) -> Iterator[Operation]:
    """Run the body of the with statement as an operation, when its turn has come.

    :raises Stopped: it was told to stop; the body has ended orderly.
    """
    with node.operations.start(type_, parameters, node.initiator, queue) as running:
        yield running
    if running.record.state == STOPPED:
        raise Stopped(f"The operation {running.id} ({type_}) was stopped. Run it again when it may go on.")


def shown(node: Node, operation_id: str | None = None, states: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return operations as JSON objects, in the order of submission.

    :param operation_id: only this one. :param states: only those in one of these states; all where it is empty.
    :raises NotFound: there is no operation with the id.
    """
    records = node.operations.list() if operation_id is None else [node.operations.get(operation_id)]
    return [_shown(record) for record in records if not states or record.state in states]


def _shown(record: Record) -> dict[str, Any]:
    return {**record.to_json(), "seconds": seconds(record), "seconds_left": record.seconds_left()}


def seconds(record: Record) -> dict[str, float]:
    """Return how long each phase has taken, and the whole from its start to its end."""
    by_phase: dict[str, float] = {}
    for phase in record.phases:
        spent = (phase["finished"] - phase["started"]) / 1000
        by_phase[phase["name"]] = round(by_phase.get(phase["name"], 0.0) + spent, 3)
    if record.started and record.finished:
        by_phase["total"] = round((record.finished - record.started) / 1000, 3)
    return by_phase


def end(
    node: Node, operation_id: str = "", *, stop: bool = False, timeout: float = 0, dry_run: bool = False
) -> dict[str, Any]:
    """Wait until operations have ended, and ask them to stop before if that is wanted.

    :param operation_id: only this one; all that run or wait where it is empty.
    :param timeout: how many seconds to wait; 0 not to wait.
    :return: "operations" as shown() has them, "changed" where one was asked to stop that had not been asked before,
        and the states as "diff".
    :raises NotFound: there is no operation with the id. :raises Busy: one has not ended in time.
    """
    named = [node.operations.get(operation_id)] if operation_id else node.operations.list()
    unfinished = [record for record in named if record.state in UNFINISHED]
    asked = [record for record in unfinished if stop and not node.operations.stop_requested(record.id)]
    if dry_run:
        after = {record.id: _stopped(record.state) for record in asked}
    else:
        for record in reversed(asked):  # the last first, so that none moves up and begins
            node.operations.request_stop(record.id)
        _await_end(node, unfinished, timeout)
        after = {record.id: node.operations.get(record.id).state for record in unfinished}
    return {
        "changed": bool(asked),
        "operations": [_shown(node.operations.get(record.id)) for record in (named if operation_id else unfinished)],
        "diff": {
            "before": {record.id: record.state for record in unfinished},
            "after": {record.id: after.get(record.id, record.state) for record in unfinished},
        },
    }


def _stopped(state: str) -> str:
    return REMOVED if state == QUEUED else STOPPED


def _await_end(node: Node, records: Sequence[Record], timeout: float) -> None:
    until = time.monotonic() + timeout
    for record in records if timeout else ():
        while node.operations.get(record.id).state in UNFINISHED:
            if time.monotonic() > until:
                raise Busy(
                    f"The operation {record.id} ({record.type}) has not ended within {timeout:g} s. If it was told to "
                    "stop, it is finishing what it has in hand; run this again to go on waiting."
                )
            time.sleep(_POLL_SECONDS)


def answer(call: Call) -> dict[str, Any]:
    """Answer the module operation. :raises InvalidInput: it is not said which operations are meant."""
    if bool(call["operation_id"]) == call["all"]:
        raise InvalidInput("Say which operation is meant: give its operation_id, or all=true; not both.")
    return end(
        call.node(), call["operation_id"] or "", stop=call["state"] == "stopped", timeout=call["timeout"],
        dry_run=call.check_mode,
    )
