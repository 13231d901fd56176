# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands: the vendor's names and parameters (reference, section 3), each one call of runtime/."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..archive.buckets import PROVIDERS, BucketRecord
from ..model import moment
from ..operations.records import UNFINISHED
from ..restore.idmap import read_map
from ..restore.options import ExternalOptions
from ..runtime import backups, buckets, configuration, operations, recovery, retrieval, volumes
from ..runtime.node import Node
from .grammar import BOOLEAN, INTEGER, LIST, PATH, TEXT, Command, Parameter, Type, choice

FROM_STDIN: Final = "-"
_START: Final = Parameter("action", choice("start"), "the word start")
_NOTIFICATIONS: Final = Parameter("notifications", LIST, "further addresses to notify", ())
_SERVER_ID: Final = Parameter("server_id", TEXT, "the server, where the archive has the backups of several", "")
_THREADS: Final = Parameter("threads", INTEGER, "requests in flight", 10)


# -- core --------------------------------------------------------------------------------------------------------------

_BUCKET: Final = (
    Parameter("bucket_name", TEXT, "as it is called at the provider"),
    Parameter("access_key"),
    Parameter("secret", TEXT, f"{FROM_STDIN} reads it from standard input, where no process list shows it"),
)
_URL: Final = Parameter("url", TEXT, "where the server is: https://...", "")
_LABEL: Final = Parameter("label", TEXT, "a name for people", "")
_PREFIX: Final = Parameter("prefix", TEXT, "folder before all files", "")
_REGION: Final = Parameter("region", TEXT, "", "")
_NOTES: Final = Parameter("notes", TEXT, "", "")
_SIGNATURE: Final = Parameter("signature_version", choice("v2", "v4"), "", "v4")

_BUCKET_KINDS: Final[Mapping[str, tuple[Sequence[Parameter], Sequence[Parameter], int]]] = {
    "S3": ((_LABEL,), (_REGION, _URL, _PREFIX, _NOTES), 1),
    "Alibaba": ((_LABEL,), (_URL, _PREFIX, _REGION, _NOTES), 0),
    "Ceph": ((_URL, _LABEL), (_PREFIX, _NOTES), 0),
    "Cloudian": ((_URL, _LABEL), (_PREFIX, _NOTES), 0),
    "CustomS3": ((_URL, _LABEL), (_PREFIX, _NOTES, _REGION, _SIGNATURE), 0),
    "EMC": ((_URL, _LABEL), (_PREFIX, _NOTES), 0),
    "MinIO": ((_URL, _LABEL), (_PREFIX, _NOTES, _SIGNATURE), 0),
    "ScalityS3": ((_URL, _LABEL), (_PREFIX, _NOTES), 0),
}
"""For each provider what comes after the secret, what is optional, and how much of that may come by position."""


def _create_bucket(provider: str, node: Node, **given: Any) -> Any:
    secret = given.pop("secret")
    if secret == FROM_STDIN:
        secret = getpass.getpass("secret: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    wanted = BucketRecord(
        bucket=given.pop("bucket_name"), secret_key=secret, endpoint=given.pop("url"), provider=provider, **given
    )
    return {"Bucket ID": buckets.add(node, wanted).id}


def _create_bucket_command(provider: str) -> Command:
    mandatory, optional, by_position = _BUCKET_KINDS[provider]

    def run(node: Node, **given: Any) -> Any:
        return _create_bucket(provider, node, **given)

    shown = ["https://s3.example.com" if parameter is _URL else "backup" for parameter in mandatory]
    return Command(
        "core", ("doCreateBucket", provider), f"keep the configuration of a bucket of {provider} under an id", run,
        (*_BUCKET, *mandatory), optional, by_position,
        example=" ".join(["doCreateBucket", provider, "carbonio-backup", "ACCESS_KEY", FROM_STDIN, *shown]),
    )


def _list_buckets(node: Node, provider: str, show_secrets: bool) -> Any:
    return [
        {
            "bucketName": bucket["bucket"],
            "label": bucket["label"],
            "storeType": bucket["provider"],
            "url": bucket["endpoint"],
            "region": bucket["region"],
            "destinationPath": bucket["prefix"],
            "accessKey": bucket["access_key"],
            **({"secret": bucket["secret_key"]} if show_secrets else {}),
            "notes": bucket["notes"],
            "uuid": bucket["id"],
            "usage in external backup": bucket["usage_in_external_backup"],
        }
        for bucket in buckets.listed(node, provider, show_secrets)
    ]


def _test_connection(node: Node, bucket_configuration_id: str) -> Any:
    buckets.test(node, bucket_configuration_id)
    return "connection ok"


def _notifications(node: Node, id: str) -> Any:
    found = [node.notifications().get(id)] if id else node.notifications().list()
    return [
        {
            "id": note.id, "server": note.node, "date": moment.vendor(note.at, node.settings.time_zone),
            "type": note.type, "subject": note.subject, **({"text": note.text} if id else {}),
        }
        for note in found
    ]


_CORE: Final = (
    *map(_create_bucket_command, _BUCKET_KINDS),
    Command(
        "core", ("testS3Connection",), "write, read and delete a file in a bucket", _test_connection,
        (Parameter("bucket_configuration_id", TEXT, "the Bucket ID that listBuckets shows"),),
    ),
    Command(
        "core", ("listBuckets",), "show the bucket configurations", _list_buckets,
        (Parameter("provider", choice("all", *PROVIDERS), "which ones"),),
        (Parameter("show_secrets", BOOLEAN, "", False),), example="listBuckets all",
    ),
    Command(
        "core", ("getNotification",), "list the notifications, or show one", _notifications,
        optional=(Parameter("id", TEXT, "the one to show", ""),),
    ),
)


# -- backup ------------------------------------------------------------------------------------------------------------

def _smart_scan(
    node: Node, action: str, notifications: Sequence[str], read_error_threshold: int, deep: bool,
    remote_metadata_upload: bool,
) -> Any:
    return backups.smart_scan(
        node, deep=deep, read_error_threshold=read_error_threshold, notifications=notifications
    )


def _retrieve(node: Node, archive_at: retrieval.ArchiveAt, **given: Any) -> Any:
    archive = retrieval.find_archive(node, archive_at, given["server_id"])
    return retrieval.retrieve_metadata(
        node, archive, given["destination"], threads=given["threads"], notifications=given["notifications"]
    )


def _retrieve_s3(node: Node, **given: Any) -> Any:
    return _retrieve(node, retrieval.in_bucket(retrieval.bucket_of(node, given), given["volume_prefix"]), **given)


def _retrieve_local(node: Node, source: str, **given: Any) -> Any:
    return _retrieve(node, retrieval.in_directory(source), **given)


def _external_restore(
    node: Node, source_path: str, blobs_archive: str, volume_prefix: str, notifications: Sequence[str], **given: Any
) -> Any:
    return recovery.restore(
        node, source_path, ExternalOptions(**given), blobs_archive=blobs_archive, volume_prefix=volume_prefix,
        notifications=notifications,
    )


_EXTERNAL_TYPES: Final[Mapping[type, Type]] = {bool: BOOLEAN, int: INTEGER, str: PATH, tuple: LIST}
_EXTERNAL_HELP: Final = {
    "accounts": "only these, by address or id, in this order",
    "input_file": "a text file with one account per line",
    "domains": "only these",
    "filter_deleted": "leave out what is deleted at the source",
    "max_file_size": "bytes; larger items are not restored; 0 for no limit",
    "concurrent_accounts": "how many at the same time",
    "force_as_external_restore": "also from a backup of this very server",
}


def _set_volume_default(node: Node, action: str) -> Any:
    configuration.change_backup_volume(node, "default")
    return "ok"


def _set_volume_local(node: Node, path: str) -> Any:
    configuration.change_backup_volume(node, "local", path=path)
    return "ok"


def _set_volume_bucket(node: Node, bucket_configuration_id: str, volume_prefix: str) -> Any:
    configuration.change_backup_volume(node, "s3", bucket=bucket_configuration_id, volume_prefix=volume_prefix)
    return "ok"


def _all_operations(node: Node, verbose: bool) -> Any:
    found = operations.shown(node, states=UNFINISHED)
    shown = ("id", "type", "queue", "state", "initiator", "submitted", "started", "phase")
    return found if verbose else [{name: record[name] for name in shown} for record in found]


def _monitor(node: Node, operation_uuid: str) -> Any:
    return operations.shown(node, operation_uuid)[0]


def _stop(node: Node, operation_uuid: str) -> Any:
    return "stop requested" if node.operations.request_stop(operation_uuid) else "the operation has ended already"


def _stop_all(node: Node) -> Any:
    return f"stop requested of {node.operations.stop_all()} operations"


def _get_map(node: Node, file_path: str) -> Any:
    return [row._asdict() for row in read_map(file_path)]


_BACKUP: Final = (
    Command(
        "backup", ("doSmartScan",), "bring the backup up to date; initialises it the first time", _smart_scan,
        (_START,),
        (
            _NOTIFICATIONS,
            Parameter("read_error_threshold", INTEGER, "give up after so many failed reads; 0 for never", 0),
            Parameter("deep", BOOLEAN, "look at everything, not only at what has changed", False),
            Parameter("remote_metadata_upload", BOOLEAN, "accepted; metadata is always uploaded", False),
        ),
        example="doSmartScan start notifications john@example.com,jane@example.com", works_long=True,
    ),
    Command(
        "backup", ("retrieveMetadataFromArchive", "S3"), "fetch the metadata of a backup from a bucket", _retrieve_s3,
        (Parameter("destination", PATH, "the restore directory"),),
        (
            Parameter("bucket_name", TEXT, "where the bucket has no configuration here", ""),
            Parameter("access_key", TEXT, "", ""),
            Parameter("secret", TEXT, "", ""),
            Parameter("volume_prefix", TEXT, "the one of the backup that wrote it", ""),
            Parameter("bucket_configuration_id", TEXT, "the Bucket ID that listBuckets shows", ""),
            _REGION, _URL, _PREFIX, _THREADS, _NOTIFICATIONS, _SERVER_ID,
        ),
        example="retrieveMetadataFromArchive S3 /opt/zextras/restore/ bucket_configuration_id <BUCKET_VOLUME_ID>",
        works_long=True,
    ),
    Command(
        "backup", ("retrieveMetadataFromArchive", "Local"), "fetch the metadata of a backup from a directory",
        _retrieve_local,
        (Parameter("source", PATH, "the archive"), Parameter("destination", PATH, "the restore directory")),
        (_THREADS, _NOTIFICATIONS, _SERVER_ID), works_long=True,
    ),
    Command(
        "backup", ("doExternalRestore",), "restore a backup that was made on another server", _external_restore,
        (Parameter("source_path", PATH, "a Backup Path, a copy of one, or a restore directory"),),
        (
            *(
                Parameter(name, _EXTERNAL_TYPES[type(default)], _EXTERNAL_HELP.get(name, ""), default)
                for name, default in ExternalOptions._field_defaults.items()
            ),
            _NOTIFICATIONS,
            Parameter("blobs_archive", TEXT, "the Bucket ID of the bucket to read blobs from", ""),
            Parameter("volume_prefix", TEXT, "the one of the backup that wrote to that bucket", ""),
        ),
        example="doExternalRestore /opt/zextras/restore/ blobs_archive <BUCKET_VOLUME_ID>", works_long=True,
    ),
    Command(
        "backup", ("setBackupVolume", "Default"), "keep the backup in the Backup Path alone", _set_volume_default,
        (_START,),
    ),
    Command(
        "backup", ("setBackupVolume", "Local"), "archive the backup in another directory", _set_volume_local,
        (Parameter("path", PATH),),
    ),
    *(
        Command(
            "backup", ("setBackupVolume", provider), f"archive the backup in a bucket of {provider}",
            _set_volume_bucket, (Parameter("bucket_configuration_id"),),
            (Parameter("volume_prefix", TEXT, "folder before the server id", ""),),
        )
        for provider in PROVIDERS
    ),
    Command(
        "backup", ("getBackupInfo",), "show what a backup holds", backups.info,
        optional=(Parameter("backup_path", PATH, "another one than this node's", ""),),
    ),
    Command(
        "backup", ("getAllOperations",), "show the running and queued operations", _all_operations,
        optional=(Parameter("verbose", BOOLEAN, "", False),),
    ),
    Command("backup", ("monitor",), "show an operation", _monitor, (Parameter("operation_uuid"),)),
    Command(
        "backup", ("doStopOperation",), "stop a running operation, or remove a queued one", _stop,
        (Parameter("operation_uuid"),),
    ),
    Command("backup", ("doStopAllOperations",), "stop what runs and empty the queues", _stop_all),
    Command(
        "backup", ("getMap",), "show what an External Restore has made of the entries of a backup", _get_map,
        (Parameter("file_path", PATH, "a file map_<server id> of a Backup Path"),),
    ),
)


# -- powerstore --------------------------------------------------------------------------------------------------------

def _all_volumes(node: Node) -> Any:
    return volumes.info(node)["volumes"]


def _deduplicate(node: Node, volume_name: Sequence[str], dry_run: bool) -> Any:
    return {name: volumes.deduplicate(node, name, dry_run)["deduplication"] for name in volume_name}


_POWERSTORE: Final = (
    Command("powerstore", ("getAllVolumes",), "show the volumes of this node", _all_volumes),
    Command(
        "powerstore", ("doDeduplicate",), "keep one of identical blobs of a volume", _deduplicate,
        (Parameter("volume_name", LIST),), (Parameter("dry_run", BOOLEAN, "only count them", False),),
        example="doDeduplicate message1", works_long=True,
    ),
)

COMMANDS: Final = (*_CORE, *_BACKUP, *_POWERSTORE)
"""All commands, module by module."""
