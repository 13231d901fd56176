# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes, redo log and deduplication of a node's mail store."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Final

from ..mailstore.volumes import PRIMARY, Volume, Volumes
from ..model.errors import InvalidInput, NotFound
from ..operations.records import VOLUME_QUEUE
from .call import Call
from .node import Node
from .operations import operation


def ensure(call: Call) -> dict[str, Any]:
    """Answer the module volume: make a volume be as wanted; properties that are None are left alone."""
    node, name = call.node(), call["name"]
    if call["state"] == "absent":
        return remove(node, name, dry_run=call.check_mode)
    with contextlib.closing(node.store_with_volumes()) as store:
        present = named(store, name)
    given = {one: call[one] for one in _PROPERTIES}
    if present is None:
        return create(node, name, dry_run=call.check_mode, **given)
    return update(node, name, dry_run=call.check_mode, **given)


_PROPERTIES: Final = ("volume_type", "path", "compressed", "compression_threshold", "current")


def create(node: Node, name: str, *, dry_run: bool = False, **given: Any) -> dict[str, Any]:
    """Make a volume (R-311).

    :param given: properties of Volume; those that are None get their defaults.
    :return: "changed", the "volume" as it is then, and "diff".
    :raises InvalidInput: its path is missing, or a property is none. :raises AlreadyExists: its name or path is taken.
    """
    given = {key: value for key, value in given.items() if value is not None}
    if "path" not in given:
        raise InvalidInput(f"There is no volume {name!r}; give the path of the new one.")
    after = Volume(**{"volume_id": "", "name": name, "volume_type": PRIMARY, **given})
    after = after._replace(path=os.path.abspath(after.path))
    with contextlib.closing(node.store_with_volumes()) as store:
        after = store.create_volume(after, dry_run)
    return _outcome({}, after._asdict())


def update(node: Node, volume_name: str, *, dry_run: bool = False, **given: Any) -> dict[str, Any]:
    """Give a volume other properties (R-311), among them another name; those that are None are left alone.

    :return: as of create(). :raises NotFound: there is no such volume. :raises Refused: it cannot be as wanted.
    """
    with contextlib.closing(node.store_with_volumes()) as store:
        present = _existing(store, volume_name)
        after = present._replace(**{key: value for key, value in given.items() if value is not None})
        after = after._replace(path=os.path.abspath(after.path))
        store.update_volume(after, dry_run)
    return _outcome(present._asdict(), after._asdict())


def remove(node: Node, name: str, *, dry_run: bool = False) -> dict[str, Any]:
    """Delete an empty volume that is not current, if it is there.

    :return: as of create(). :raises Refused: it is current, or holds blobs.
    """
    with contextlib.closing(node.store_with_volumes()) as store:
        present = named(store, name)
        if present:
            store.delete_volume(present.volume_id, dry_run)
    return _outcome(present._asdict() if present else {}, {})


def _outcome(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    return {"changed": before != after, "volume": after, "diff": {"before": before, "after": after}}


def named(store: Volumes, name: str) -> Volume | None:
    """Return the volume with a name; case matters (R-312)."""
    return next((volume for volume in store.volumes() if volume.name == name), None)


def _existing(store: Volumes, name: str) -> Volume:
    found = named(store, name)
    if found is None:
        raise NotFound(f"There is no volume {name!r}; its name is case-sensitive. List the volumes to see them.")
    return found


def info(node: Node) -> dict[str, Any]:
    """Return all volumes and the state of the redo log."""
    with contextlib.closing(node.store_with_volumes()) as store:
        return {"volumes": [volume._asdict() for volume in store.volumes()], "redo_log": store.redo_log()}


def statistics(node: Node, name: str) -> dict[str, Any]:
    """Return a volume's properties, and what it holds as "usage". :raises NotFound: there is no such volume."""
    with contextlib.closing(node.store_with_volumes()) as store:
        volume = _existing(store, name)
        return {**volume._asdict(), "usage": store.usage(volume.volume_id)._asdict()}


def switch_redo_log(call: Call) -> dict[str, Any]:
    """Answer the module redo_log."""
    enabled = call["enabled"]
    with contextlib.closing(call.node().store_with_volumes()) as store:
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
    with contextlib.closing(node.store_with_volumes()) as store:
        volume_id = _existing(store, name).volume_id if name else None
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
