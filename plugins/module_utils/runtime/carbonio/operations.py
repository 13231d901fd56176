# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of a node of the vendor's: those that follow one are ours, and the others are the vendor's alone."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ...model.errors import Busy, InvalidInput, NotFound
from ...operations.records import BACKUP_QUEUE, QUEUED, REMOVED, RUNNING, STOPPED, UNFINISHED, VOLUME_QUEUE
from ...vendor import fields, forms
from .. import operations as ours
from ..call import Call
from .work import FOLLOWED, Place, opened

_POLL_SECONDS: Final = 1.0
_QUEUES: Final = (BACKUP_QUEUE, VOLUME_QUEUE)


class Foreign(NamedTuple):
    """An operation of the vendor's that none of ours follows."""

    id: str
    type: str
    queue: str
    state: str
    """In our words; empty where carbonio does not tell."""
    told: Mapping[str, Any]
    """All that it tells."""

    def to_json(self) -> dict[str, Any]:
        """Return it as modules show it."""
        return {
            "id": self.id, "type": self.type, "queue": self.queue, "state": self.state, "engine": "carbonio",
            "told": dict(self.told),
        }


def info(call: Call) -> dict[str, Any]:
    """Answer the module operation_info. One of ours is read from its record: nobody else need be asked for it."""
    place, wanted = opened(call), call["operation_id"]
    if wanted and _is_ours(place, wanted):
        return {"operations": ours.shown(place.node, wanted, call["state"])}
    found = [one for one in (*_unfinished(place), *_ended(place)) if wanted in (None, "", one.id)]
    if wanted and not found:
        raise NotFound(f"This node has no operation {wanted}, and carbonio has none either.")
    mine = [] if wanted else ours.shown(place.node, states=call["state"])
    return {"operations": mine + [one.to_json() for one in found if not call["state"] or one.state in call["state"]]}


def stop_or_wait(call: Call) -> dict[str, Any]:
    """Answer the module operation: ours are told to stop, and stop what they follow; the others are told themselves.

    :raises InvalidInput: it is not said which are meant. :raises Busy: one has not ended in time.
    """
    wanted, stop = call["operation_id"] or "", call["state"] == "stopped"
    if bool(wanted) == call["all"]:
        raise InvalidInput("Say which operation is meant: give its operation_id, or all=true; not both.")
    place = opened(call)
    if wanted and _is_ours(place, wanted):
        return ours.end(place.node, wanted, stop=stop, timeout=call["timeout"], dry_run=call.check_mode)
    foreign = [one for one in _unfinished(place) if wanted in ("", one.id)]
    if wanted and not foreign and not any(one.id == wanted for one in _ended(place)):
        raise NotFound(f"This node has no operation {wanted}, and carbonio has none either.")
    until = time.monotonic() + call["timeout"]
    if stop and not call.check_mode:
        for one in reversed(foreign):  # the last first, so that none moves up and begins
            place.carbonio.tell(forms.stop(one.queue), operation_uuid=one.id)
    nothing: dict[str, Any] = {"changed": False, "operations": [], "diff": {"before": {}, "after": {}}}
    mine = nothing if wanted else ours.end(
        place.node, stop=stop, timeout=call["timeout"], dry_run=call.check_mode
    )
    if call["timeout"] and not call.check_mode:
        _await_end(place, foreign, until)
    return {
        "changed": mine["changed"] or bool(stop and foreign),
        "operations": [*mine["operations"], *(one.to_json() for one in foreign)],
        "diff": {
            "before": {**mine["diff"]["before"], **{one.id: one.state for one in foreign}},
            "after": {
                **mine["diff"]["after"],
                **{one.id: (REMOVED if one.state == QUEUED else STOPPED) if stop else one.state for one in foreign},
            },
        },
    }


def _is_ours(place: Place, operation_id: str) -> bool:
    return any(record.id == operation_id for record in place.node.operations.list())


def _unfinished(place: Place) -> list[Foreign]:
    found = []
    for queue in _QUEUES:
        found += _foreign(place, fields.rows(place.carbonio.tell(forms.all_operations(queue))), queue, RUNNING)
    return found


def _ended(place: Place) -> list[Foreign]:
    return _foreign(place, fields.rows(place.carbonio.tell(forms.OPERATION_LOG)), "", "")


def _foreign(place: Place, rows: Sequence[Mapping[str, Any]], queue: str, state: str) -> list[Foreign]:
    followed = {
        operation_id for record in place.node.operations.list() if record.state in UNFINISHED or not queue
        for operation_id in record.result.get(FOLLOWED, {}).values()
    }
    found = []
    for row in rows:
        operation_id = fields.field(row, *fields.OPERATION_IDS, "id", "uuid")
        if operation_id and operation_id not in followed:
            type_ = str(fields.field(row, "type", "name", "operationType") or "")
            found.append(Foreign(str(operation_id), type_, queue, fields.state_of(row) or state, row))
    return found


def _await_end(place: Place, foreign: Sequence[Foreign], until: float) -> None:
    left = list(foreign)
    while left:
        left = [one for one in left if place.carbonio.is_unfinished(one.queue, one.id)]
        if left and time.monotonic() > until:
            raise Busy(
                f"The operation {left[0].id} ({left[0].type}) of carbonio has not ended in time. If it was told to "
                "stop, it is finishing what it has in hand; run this again to go on waiting."
            )
        if left:
            time.sleep(_POLL_SECONDS)
