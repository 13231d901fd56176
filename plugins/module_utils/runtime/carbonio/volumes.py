# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes in directories, their deduplication, and tuning, by the vendor's commands (reference, section 3.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...model.errors import InvalidInput, NotFound
from ...vendor import fields, forms
from ...vendor.fields import Volume
from .. import tuning as tuned
from ..call import Call
from ..tuning import Tuning
from .attributes import records_in_real_time, switch_realtime_scanner
from .work import Place, opened, planned, work

_PROPERTIES: Final = ("volume_type", "path", "compressed", "compression_threshold", "current")
_NO_REDO_LOG: Final = (
    "carbonio has no command for the redo log, which was left as it is; zmprov modifyServer sets zimbraRedoLogEnabled."
)


def _volumes(place: Place) -> list[Volume]:
    return fields.volumes(place.carbonio.tell(forms.ALL_VOLUMES))


def volume_id(place: Place, name: str) -> str:
    """Return the id of a volume that is named by its name or its id. :raises NotFound: there is none."""
    found = _volumes(place)
    for one in found:
        if name in (one.name, one.volume_id):
            return one.volume_id
    raise NotFound(
        f"carbonio has no volume {name!r}; its name is case-sensitive, and there are "
        f"{', '.join(one.name for one in found) or 'none'}."
    )


def info(call: Call) -> dict[str, Any]:
    """Answer the module volume_info."""
    return {"volumes": [one._asdict() for one in _volumes(opened(call))]}


def ensure(call: Call) -> dict[str, Any]:
    """Answer the module volume: properties that are None, and those that carbonio does not show, are left alone.

    :raises InvalidInput: there is no such volume, and it is not said where it is to be.
    """
    place, name = opened(call), call["name"]
    present = next((one for one in _volumes(place) if one.name == name), None)
    before = present._asdict() if present else {}
    if call["state"] == "absent":
        if present and not call.check_mode:
            place.carbonio.tell(forms.DELETE_VOLUME, name=name)
        return _outcome(before, {})
    given = {one: call[one] for one in _PROPERTIES if call[one] is not None}
    if present is None:
        if "path" not in given:
            raise InvalidInput(f"There is no volume {name!r}; give the path of the new one.")
        after = {"name": name, "volume_type": "primary", **given}
        if not call.check_mode:
            place.carbonio.tell(forms.CREATE_VOLUME, **after)
            if given.get("current"):
                place.carbonio.tell(forms.UPDATE_VOLUME, name=name, current=True)
        return _outcome({}, after)
    different = {one: value for one, value in given.items() if before[one] is not None and value != before[one]}
    if before["current"] is None and given.get("current"):
        different["current"] = True
    if different and not call.check_mode:
        place.carbonio.tell(forms.UPDATE_VOLUME, name=name, **different)
    return _outcome(before, {**before, **different})


def _outcome(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {"changed": before != after, "volume": after, "diff": {"before": before, "after": after}}


def deduplicate(call: Call) -> dict[str, Any]:
    """Answer the module deduplicate: one volume, or each one."""
    place = opened(call)
    names = [call["volume"]] if call["volume"] else [one.name for one in _volumes(place)]
    commands = [forms.DEDUPLICATE.fill({"volume": name}) for name in names]
    if call.check_mode or not commands:
        return planned(commands, deduplication={})
    done = work(place, "Deduplicate", commands)
    counts = [fields.duplicates(outcome) for outcome in done.outcomes]
    changed = done.changed if None in counts else any(counts)
    return {**done.result, "changed": changed, "deduplication": done.outcome}


# -- tuning for a restore ----------------------------------------------------------------------------------------------


def tuning(call: Call) -> dict[str, Any]:
    """Answer the module restore_tuning."""
    place = opened(call)
    found = tuned.tune(place.node, call, _Tunable(place))
    asked = call["state"] == "tuned" and not call["redo_log"]
    return {**found, "warnings": [_NO_REDO_LOG] if asked and found["changed"] else []}


class _Tunable:
    """A node of the vendor's, as far as its command can tune it: the redo log is not. It is asked once."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._compressible = [one for one in _volumes(place) if one.compressed is not None]
        self._in_real_time = records_in_real_time(place)

    def present(self) -> Tuning:
        return Tuning(
            self._in_real_time, True, {one.volume_id: bool(one.compressed) for one in self._compressible}
        )

    def receiving(self) -> list[str]:
        return [one.volume_id for one in self._compressible if one.current and one.volume_type == "primary"]

    def possible(self, wanted: Tuning) -> Tuning:
        return wanted._replace(redo_log=True)

    def apply(self, present: Tuning, wanted: Tuning) -> None:
        if wanted.realtime_scanner != present.realtime_scanner:
            switch_realtime_scanner(self._place, wanted.realtime_scanner)
        for one in self._compressible:
            compressed = wanted.compressed[one.volume_id]
            if compressed != one.compressed:
                self._place.carbonio.tell(forms.UPDATE_VOLUME, name=one.name, compressed=compressed)
