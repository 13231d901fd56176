# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes, redo log and deduplication of a node's mail store."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Final

from ..mailstore.volumes import PRIMARY, Volume, Volumes
from ..model.errors import InvalidInput, NotFound, Refused
from ..operations.records import VOLUME_QUEUE
from .call import Call
from .node import Node
from .operations import operation


def ensure(call: Call) -> dict[str, Any]:
    """Answer the module volume: make a volume be as wanted; properties that are None are left alone."""
    with contextlib.closing(call.node().store()) as store:
        present = named(store, call["name"])
        before = present._asdict() if present else {}
        if call["state"] == "absent":
            if present and present.current:
                raise Refused(f"Volume {present.name!r} is current; make another one current first.")
            if present and not call.check_mode:
                store.delete_volume(present.volume_id)
            return {"changed": bool(present), "volume": {}, "diff": {"before": before, "after": {}}}
        given = {name: call[name] for name in _PROPERTIES if call[name] is not None}
        if "path" in given:
            given["path"] = os.path.abspath(given["path"])
        if present is None:
            if "path" not in given:
                raise InvalidInput(f"There is no volume {call['name']!r}; give the path of the new one.")
            after = Volume(**{"volume_id": "", "name": call["name"], "volume_type": PRIMARY, **given})
            if not call.check_mode:
                after = store.create_volume(after)
        else:
            after = present._replace(**given)
            if not call.check_mode:
                store.update_volume(after)
        shown = after._asdict()
        return {"changed": after != present, "volume": shown, "diff": {"before": before, "after": shown}}


_PROPERTIES: Final = ("volume_type", "path", "compressed", "compression_threshold", "current")


def named(store: Volumes, name: str) -> Volume | None:
    """Return the volume with a name; case matters (R-312)."""
    return next((volume for volume in store.volumes() if volume.name == name), None)


def info(node: Node) -> dict[str, Any]:
    """Return all volumes and the state of the redo log."""
    with contextlib.closing(node.store()) as store:
        return {"volumes": [volume._asdict() for volume in store.volumes()], "redo_log": store.redo_log()}


def switch_redo_log(call: Call) -> dict[str, Any]:
    """Answer the module redo_log."""
    enabled = call["enabled"]
    with contextlib.closing(call.node().store()) as store:
        before = store.redo_log()
        if not call.check_mode:
            store.set_redo_log(enabled)
    return {
        "changed": before != enabled, "enabled": enabled,
        "diff": {"before": {"enabled": before}, "after": {"enabled": enabled}},
    }


def deduplicate(node: Node, name: str, dry_run: bool) -> dict[str, Any]:
    """Keep one of identical blobs of a volume, or of every volume for itself (R-313).

    :raises NotFound: there is no volume with the name.
    """
    with contextlib.closing(node.store()) as store:
        volume = named(store, name) if name else None
        if name and volume is None:
            raise NotFound(f"There is no volume {name!r}; its name is case-sensitive. List the volumes to see them.")
        volume_id = volume.volume_id if volume else None
        if dry_run:
            found = store.deduplicate(volume_id, dry_run=True)
        else:
            with operation(node, "Deduplicate", {"volume": name}, VOLUME_QUEUE) as running:
                found = store.deduplicate(volume_id)
                running.record.result = found._asdict()
    return {"changed": found.duplicated_blobs > 0, "deduplication": found._asdict()}


def answer(call: Call) -> dict[str, Any]:
    """Answer the module deduplicate."""
    result = deduplicate(call.node(), call["volume"] or "", call.check_mode)
    return {**result, "diff": {"prepared": "".join(f"{k}: {v}\n" for k, v in result["deduplication"].items())}}
