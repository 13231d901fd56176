# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that choose where the backup is archived, and move it there (reference, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..archive.buckets import PROVIDERS
from ..runtime import buckets, configuration, migration
from ..runtime.node import Node
from .grammar import BOOLEAN, INTEGER, PATH, SIZE, TEXT, Command, Parameter
from .parameters import NOTIFICATIONS, START


def _set_volume_default(node: Node, action: str) -> Any:
    configuration.change_backup_volume(node, "default")
    return "ok"


def _set_volume_local(node: Node, path: str) -> Any:
    configuration.change_backup_volume(node, "local", path=path)
    return "ok"


def _set_volume_bucket(node: Node, bucket_configuration_id: str, volume_prefix: str) -> Any:
    configuration.change_backup_volume(node, "s3", bucket=bucket_configuration_id, volume_prefix=volume_prefix)
    return "ok"


def _set_volume_s3(node: Node, bucket_configuration_id: str, volume_prefix: str, **given: Any) -> Any:
    configuration.change_backup_volume(node, "s3", bucket=bucket_configuration_id, volume_prefix=volume_prefix)
    _choose_storage_class(node, bucket_configuration_id, **given)
    return "ok"


def _choose_storage_class(
    node: Node, bucket_configuration_id: str, use_infrequent_access: bool | None,
    infrequent_access_threshold: int | None, use_intelligent_tiering: bool | None,
) -> None:
    buckets.choose_storage_class(
        node, bucket_configuration_id, infrequent_access=use_infrequent_access,
        threshold=infrequent_access_threshold, intelligent_tiering=use_intelligent_tiering,
    )


def _update_volume_s3(node: Node, **given: Any) -> Any:
    _choose_storage_class(node, "", **given)
    return "ok"


def _migrate_default(node: Node, action: str, **given: Any) -> Any:
    return migration.migrate(node, "default", **given)


def _migrate_local(node: Node, path: str, **given: Any) -> Any:
    return migration.migrate(node, "local", path=path, **given)


def _migrate_bucket(node: Node, bucket_configuration_id: str, **given: Any) -> Any:
    return migration.migrate(node, "s3", bucket=bucket_configuration_id, **given)


def _migrate_s3(
    node: Node, bucket_configuration_id: str, volume_prefix: str, threads: int, notifications: Sequence[str],
    **given: Any,
) -> Any:
    _choose_storage_class(node, bucket_configuration_id, **given)
    return migration.migrate(
        node, "s3", bucket=bucket_configuration_id, volume_prefix=volume_prefix, threads=threads,
        notifications=notifications,
    )


_THREADS: Final = Parameter("threads", INTEGER, "files on their way at once", migration.THREADS)
_PREFIX: Final = Parameter("volume_prefix", TEXT, "folder before the server id", "")
_BUCKET: Final = Parameter("bucket_configuration_id", TEXT, "the Bucket ID that listBuckets shows")
_STORAGE_CLASS: Final = (
    Parameter("use_infrequent_access", BOOLEAN, "whether new files get the storage class STANDARD_IA"),
    Parameter("infrequent_access_threshold", SIZE, "... from this size on; 64 KB unless it was set"),
    Parameter("use_intelligent_tiering", BOOLEAN, "whether new files get the class INTELLIGENT_TIERING"),
)
_OTHERS: Final = (*(name for name in PROVIDERS if name != "S3"), "Scality")
"""All but S3, whose buckets have storage classes; these commands call ScalityS3 by its short name too."""

COMMANDS: Final = (
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
            _set_volume_bucket, (_BUCKET,), (_PREFIX,),
        )
        for provider in _OTHERS
    ),
    Command(
        "backup", ("setBackupVolume", "S3"), "archive the backup in a bucket of S3", _set_volume_s3, (_BUCKET,),
        (_PREFIX, *_STORAGE_CLASS),
    ),
    Command(
        "backup", ("updateBackupVolume", "S3"), "choose the storage class of what is archived from now on",
        _update_volume_s3, (), _STORAGE_CLASS, example="updateBackupVolume S3 use-intelligent-tiering true",
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
            (_BUCKET,), (_PREFIX, _THREADS, NOTIFICATIONS), works_long=True,
        )
        for provider in _OTHERS
    ),
    Command(
        "backup", ("migrateBackupVolume", "S3"), "copy the backup to a bucket of S3, and archive it there",
        _migrate_s3, (_BUCKET,), (_PREFIX, *_STORAGE_CLASS, _THREADS, NOTIFICATIONS), works_long=True,
    ),
)
