# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands `powerstore`: volumes (reference, section 3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..mailstore.volumes import PRIMARY, SECONDARY
from ..runtime import volumes
from ..runtime.node import Node
from .grammar import BOOLEAN, INTEGER, LIST, PATH, TEXT, Command, Parameter, choice


def _all_volumes(node: Node) -> Any:
    return volumes.info(node)["volumes"]


def _statistics(node: Node, volume_name: str, show_volume_size: bool, show_blob_num: bool) -> Any:
    found = volumes.statistics(node, volume_name)
    return {
        "id": found["volume_id"], "name": found["name"], "path": found["path"], "compressed": found["compressed"],
        "threshold": found["compression_threshold"],
        **({"totSize": found["usage"]["size"]} if show_volume_size else {}),
        **({"blobNumber": found["usage"]["blobs"]} if show_blob_num else {}),
    }


def _deduplicate(node: Node, volume_name: Sequence[str], dry_run: bool) -> Any:
    return {name: volumes.deduplicate(node, name, dry_run)["deduplication"] for name in volume_name}


def _create(node: Node, volume_name: str, volume_type: str, volume_path: str, **given: Any) -> Any:
    return volumes.create(
        node, volume_name, volume_type=volume_type, path=volume_path, compressed=given["volume_compressed"],
        compression_threshold=given["compression_threshold_bytes"],
    )["volume"]


def _update(node: Node, current_volume_name: str, current_volume: bool, **given: Any) -> Any:
    return volumes.update(
        node, current_volume_name, name=given["volume_name"], volume_type=given["volume_type"],
        path=given["volume_path"], compressed=given["volume_compressed"],
        compression_threshold=given["compression_threshold"],
        current=True if current_volume else None,  # false is the default, and takes it from none
    )["volume"]


def _delete(node: Node, volume_name: str, ignore_files: bool, ignore_chats: bool) -> Any:
    return "ok" if volumes.remove(node, volume_name)["changed"] else f"there is no volume {volume_name}"


_TYPE: Final = choice(PRIMARY, SECONDARY)

COMMANDS: Final = (
    Command("powerstore", ("getAllVolumes",), "show the volumes of this node", _all_volumes),
    Command(
        "powerstore", ("getVolumeStats",), "show a volume of this node", _statistics,
        (Parameter("volume_name", TEXT, "case matters"),),
        (
            Parameter("show_volume_size", BOOLEAN, "also the bytes of what it holds, before compression", False),
            Parameter("show_blob_num", BOOLEAN, "also how many items have their content there", False),
        ),
        example="getVolumeStats message1 show_volume_size true",
    ),
    Command(
        "powerstore", ("doCreateVolume", "FileBlob"), "make a volume in a directory", _create,
        (Parameter("volume_name"), Parameter("volume_type", _TYPE), Parameter("volume_path", PATH)),
        (
            Parameter("volume_compressed", BOOLEAN, "", False),
            Parameter("compression_threshold_bytes", INTEGER, "smaller blobs are never compressed", 4096),
        ),
        example="doCreateVolume FileBlob message2 primary /opt/zextras/store2 volume_compressed true",
    ),
    Command(
        "powerstore", ("doUpdateVolume", "FileBlob"), "give a volume other properties, or make it current", _update,
        (Parameter("current_volume_name", TEXT, "case matters"),),
        (
            Parameter("volume_type", _TYPE), Parameter("volume_name", TEXT, "another name"),
            Parameter("volume_path", PATH, "cannot be another one"),
            Parameter("current_volume", BOOLEAN, "make it the one that new blobs go to", False),
            Parameter("volume_compressed", BOOLEAN, "for new blobs"),
            Parameter("compression_threshold", INTEGER, "bytes; smaller blobs are never compressed"),
        ),
        example="doUpdateVolume FileBlob message2 current_volume true",
    ),
    Command(
        "powerstore", ("doDeleteVolume",), "delete an empty volume that is not current", _delete,
        (Parameter("volume_name", TEXT, "case matters"),),
        (
            Parameter("ignore_files", BOOLEAN, "accepted; a volume with blobs is not deleted", False),
            Parameter("ignore_chats", BOOLEAN, "accepted", False),
        ),
    ),
    Command(
        "powerstore", ("doDeduplicate",), "keep one of identical blobs of a volume", _deduplicate,
        (Parameter("volume_name", LIST),), (Parameter("dry_run", BOOLEAN, "only count them", False),),
        example="doDeduplicate message1", works_long=True,
    ),
)
