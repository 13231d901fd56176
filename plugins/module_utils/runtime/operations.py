# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node's operations have in common: they are queued, they can be stopped, and they can be seen."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..model.errors import RestanteError
from ..operations.operation import Operation
from ..operations.records import BACKUP_QUEUE, STOPPED, Record
from .call import initiator
from .node import Node


class Stopped(RestanteError):
    """The operation was told to stop, and did."""


@contextlib.contextmanager
def operation(
    node: Node, type_: str, parameters: Mapping[str, Any], queue: str = BACKUP_QUEUE
) -> Iterator[Operation]:
    """Run the body of the with statement as an operation, when its turn has come.

    :raises Stopped: it was told to stop; the body has ended orderly.
    """
    with node.operations.start(type_, parameters, initiator(), queue) as running:
        yield running
    if running.record.state == STOPPED:
        raise Stopped(f"The operation {running.id} ({type_}) was stopped. Run it again to go on where it was.")


def shown(node: Node, operation_id: str = "", states: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return operations as JSON objects, in the order of submission.

    :param operation_id: only this one. :param states: only those in one of these states; all where it is empty.
    :raises NotFound: there is no operation with the id.
    """
    records = [node.operations.get(operation_id)] if operation_id else node.operations.list()
    return [
        {**record.to_json(), "seconds": seconds(record)} for record in records if not states or record.state in states
    ]


def seconds(record: Record) -> dict[str, float]:
    """Return how long each phase has taken, and the whole from its start to its end."""
    by_phase: dict[str, float] = {}
    for phase in record.phases:
        spent = (phase["finished"] - phase["started"]) / 1000
        by_phase[phase["name"]] = round(by_phase.get(phase["name"], 0.0) + spent, 3)
    if record.started and record.finished:
        by_phase["total"] = round((record.finished - record.started) / 1000, 3)
    return by_phase
