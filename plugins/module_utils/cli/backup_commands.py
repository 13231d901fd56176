# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that make a backup and say what it holds (reference, sections 3.1 and 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..archive.buckets import PROVIDERS
from ..runtime import backups, configuration, migration
from ..runtime.node import Node
from .grammar import BOOLEAN, INTEGER, PATH, TEXT, Command, Parameter
from .parameters import NOTIFICATIONS, START


def _smart_scan(
    node: Node, action: str, notifications: Sequence[str], read_error_threshold: int, deep: bool,
    remote_metadata_upload: bool,
) -> Any:
    return backups.smart_scan(
        node, deep=deep, read_error_threshold=read_error_threshold, notifications=notifications
    )


def _set_volume_default(node: Node, action: str) -> Any:
    configuration.change_backup_volume(node, "default")
    return "ok"


def _set_volume_local(node: Node, path: str) -> Any:
    configuration.change_backup_volume(node, "local", path=path)
    return "ok"


def _set_volume_bucket(node: Node, bucket_configuration_id: str, volume_prefix: str) -> Any:
    configuration.change_backup_volume(node, "s3", bucket=bucket_configuration_id, volume_prefix=volume_prefix)
    return "ok"


def _migrate_default(node: Node, action: str, **given: Any) -> Any:
    return migration.migrate(node, "default", **given)


def _migrate_local(node: Node, path: str, **given: Any) -> Any:
    return migration.migrate(node, "local", path=path, **given)


def _migrate_bucket(node: Node, bucket_configuration_id: str, **given: Any) -> Any:
    return migration.migrate(node, "s3", bucket=bucket_configuration_id, **given)


_THREADS: Final = Parameter("threads", INTEGER, "files on their way at once", migration.THREADS)
_PREFIX: Final = Parameter("volume_prefix", TEXT, "folder before the server id", "")

COMMANDS: Final = (
    Command(
        "backup", ("doSmartScan",), "bring the backup up to date; initialises it the first time", _smart_scan,
        (START,),
        (
            NOTIFICATIONS,
            Parameter("read_error_threshold", INTEGER, "give up after so many failed reads; 0 for never", 0),
            Parameter("deep", BOOLEAN, "look at everything, not only at what has changed", False),
            Parameter("remote_metadata_upload", BOOLEAN, "accepted; metadata is always uploaded", False),
        ),
        example="doSmartScan start notifications john@example.com,jane@example.com", works_long=True,
    ),
    Command(
        "backup", ("setBackupVolume", "Default"), "keep the backup in the Backup Path alone", _set_volume_default,
        (START,),
    ),
    Command(
        "backup", ("setBackupVolume", "Local"), "archive the backup in another directory", _set_volume_local,
        (Parameter("path", PATH),),
    ),
    *(
        Command(
            "backup", ("setBackupVolume", provider), f"archive the backup in a bucket of {provider}",
            _set_volume_bucket, (Parameter("bucket_configuration_id"),),
            (_PREFIX,),
        )
        for provider in PROVIDERS
    ),
    Command(
        "backup", ("migrateBackupVolume", "Default"), "keep the backup in the Backup Path alone", _migrate_default,
        (START,), (NOTIFICATIONS,), works_long=True,
    ),
    Command(
        "backup", ("migrateBackupVolume", "Local"), "copy the backup to another directory, and archive it there",
        _migrate_local, (Parameter("path", PATH),), (_THREADS, NOTIFICATIONS), works_long=True,
    ),
    *(
        Command(
            "backup", ("migrateBackupVolume", provider),
            f"copy the backup to a bucket of {provider}, and archive it there", _migrate_bucket,
            (Parameter("bucket_configuration_id"),), (_PREFIX, _THREADS, NOTIFICATIONS), works_long=True,
        )
        for provider in PROVIDERS
    ),
    Command(
        "backup", ("getBackupInfo",), "show what a backup holds", backups.info,
        optional=(Parameter("backup_path", PATH, "another one than this node's", ""),),
    ),
)
