# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes, redo log and deduplication of a node's mail store."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from ..mailstore.volumes import PRIMARY, Volume, Volumes
from ..model.errors import InvalidInput, NotFound
from ..operations.records import VOLUME_QUEUE
from .node import Node


def ensure(node: Node, wanted: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
    """Make a volume be as wanted; properties that are None are left alone.

    :param wanted: name, state, volume_type, path, compressed, compression_threshold, current.
    """
    with contextlib.closing(node.store()) as store:
        present = named(store, wanted["name"])
        before = present._asdict() if present else {}
        if wanted["state"] == "absent":
            if present and not dry_run:
                store.delete_volume(present.volume_id)
            return {"changed": bool(present), "volume": {}, "diff": {"before": before, "after": {}}}
        given = {name: wanted[name] for name in Volume._fields if wanted.get(name) is not None}
        if present is None:
            if not wanted["path"]:
                raise InvalidInput(f"There is no volume {wanted['name']!r}; give the path of the new one.")
            after = Volume(**{"volume_id": "", "volume_type": PRIMARY, **given})
            changed = True
            if not dry_run:
                after = store.create_volume(after)
        else:
            after = present._replace(**given)
            changed = after != present
            if changed and not dry_run:
                store.update_volume(after)
        return {"changed": changed, "volume": after._asdict(), "diff": {"before": before, "after": after._asdict()}}


def named(store: Volumes, name: str) -> Volume | None:
    """Return the volume with a name; case matters (R-312)."""
    return next((volume for volume in store.volumes() if volume.name == name), None)


def info(node: Node) -> dict[str, Any]:
    """Return all volumes and the state of the redo log."""
    with contextlib.closing(node.store()) as store:
        return {"volumes": [volume._asdict() for volume in store.volumes()], "redo_log": store.redo_log()}


def switch_redo_log(node: Node, enabled: bool, dry_run: bool) -> dict[str, Any]:
    """Switch the redo log."""
    with contextlib.closing(node.store()) as store:
        before = store.redo_log()
        if not dry_run:
            store.set_redo_log(enabled)
    return {"changed": before != enabled, "enabled": enabled, "diff": {"before": str(before), "after": str(enabled)}}


def deduplicate(node: Node, name: str, dry_run: bool, initiator: str = "") -> dict[str, Any]:
    """Keep one of identical blobs of a volume, or of every volume (R-313).

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
            with node.operations.start("Deduplicate", {"volume": name}, initiator, VOLUME_QUEUE) as operation:
                found = store.deduplicate(volume_id)
                operation.record.result = found._asdict()
    return {"changed": found.duplicated_blobs > 0, "deduplication": found._asdict()}
