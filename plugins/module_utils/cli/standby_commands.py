# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of a warm standby; the vendor has none."""

from __future__ import annotations

from typing import Any, Final

from ..runtime import standby
from ..runtime.node import Node
from ..runtime.standing_by import Source
from .grammar import BOOLEAN, INTEGER, PATH, TEXT, Command, Parameter


def _follow(node: Node, source: Source, service: bool) -> Any:
    changed = standby.set_up(node, source)
    if not service:
        return standby.once(node)
    started = standby.STANDBY.start(node)
    return "following" if changed or started else "it follows already"


def _follow_local(
    node: Node, path: str, server_id: str, witness: str, metadata_path: str, service: bool
) -> Any:
    return _follow(node, Source("local", path, "", "", server_id, witness, metadata_path), service)


def _follow_bucket(
    node: Node, bucket_configuration_id: str, volume_prefix: str, server_id: str, witness: str, metadata_path: str,
    service: bool,
) -> Any:
    source = Source("s3", "", bucket_configuration_id, volume_prefix, server_id, witness, metadata_path)
    return _follow(node, source, service)


def _stop(node: Node) -> Any:
    return "stopped" if standby.stop(node) else "it does not follow"


_OPTIONS: Final = (
    Parameter("server_id", TEXT, "of the primary, where there are backups of several servers", ""),
    Parameter("witness", PATH, "a file that the primary's uploads have written", ""),
    Parameter("metadata_path", PATH, "directory for the primary's metadata; below the state path by default", ""),
    Parameter("service", BOOLEAN, "go on as a service; false follows once, until nothing is new", True),
)

COMMANDS: Final = (
    Command(
        "backup", ("doFollowPrimary", "Local"), "be the warm standby of a node whose archive or Backup Path is here",
        _follow_local, (Parameter("path", PATH),), _OPTIONS, example="doFollowPrimary Local /mnt/primary/backup",
    ),
    Command(
        "backup", ("doFollowPrimary", "S3"), "be the warm standby of a node whose archive is in a bucket",
        _follow_bucket, (Parameter("bucket_configuration_id", TEXT, "the Bucket ID that listBuckets shows"),),
        (Parameter("volume_prefix", TEXT, "folder before the server id", ""), *_OPTIONS),
    ),
    Command("backup", ("doStopFollowing",), "follow the primary no more, until told to again", _stop),
    Command(
        "backup", ("doStandbyRound",), "follow the primary until nothing is new", standby.once, works_long=True,
    ),
    Command("backup", ("getStandby",), "show how far the standby is behind the primary", standby.status),
    Command(
        "backup", ("doPromoteStandby",), "make the standby a primary, for ever", standby.promote, (),
        (
            Parameter("last_round", BOOLEAN, "follow what the archive has once more before", True),
            Parameter("timeout", INTEGER, "seconds that this may take", 600),
        ),
        example="doPromoteStandby --progress", works_long=True,
    ),
)
