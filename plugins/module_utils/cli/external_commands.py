# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of the recovery of a whole server (reference, sections 3.3 and 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..restore.options import ExternalOptions
from ..runtime import inspection, recovery, retrieval
from ..runtime.node import Node
from .grammar import BOOLEAN, INTEGER, LIST, PATH, TEXT, Command, Parameter, Type
from .parameters import NOTIFICATIONS, PREFIX, REGION, SERVER_ID, THREADS, URL, WITNESS
from .secret import SECRET


def _retrieve(node: Node, archive_at: retrieval.ArchiveAt, **given: Any) -> Any:
    archive = retrieval.find_archive(node, archive_at, given["server_id"])
    return retrieval.retrieve_metadata(
        node, archive, given["destination"], threads=given["threads"], notifications=given["notifications"],
        witness=given["witness"],
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


def _get_map(node: Node, file_path: str) -> Any:
    return inspection.map_rows(file_path)


COMMANDS: Final = (
    Command(
        "backup", ("retrieveMetadataFromArchive", "S3"), "fetch the metadata of a backup from a bucket", _retrieve_s3,
        (Parameter("destination", PATH, "the restore directory"),),
        (
            Parameter("bucket_name", TEXT, "where the bucket has no configuration here", ""),
            Parameter("access_key", TEXT, "", ""),
            SECRET._replace(default=""),
            Parameter("volume_prefix", TEXT, "the one of the backup that wrote it", ""),
            Parameter("bucket_configuration_id", TEXT, "the Bucket ID that listBuckets shows", ""),
            REGION, URL, PREFIX, THREADS, NOTIFICATIONS, SERVER_ID, WITNESS,
        ),
        example="retrieveMetadataFromArchive S3 /opt/zextras/restore/ bucket_configuration_id <BUCKET_VOLUME_ID>",
        works_long=True,
    ),
    Command(
        "backup", ("retrieveMetadataFromArchive", "Local"), "fetch the metadata of a backup from a directory",
        _retrieve_local,
        (Parameter("source", PATH, "the archive"), Parameter("destination", PATH, "the restore directory")),
        (THREADS, NOTIFICATIONS, SERVER_ID, WITNESS), works_long=True,
    ),
    Command(
        "backup", ("doExternalRestore",), "restore a backup that was made on another server", _external_restore,
        (Parameter("source_path", PATH, "a Backup Path, a copy of one, or a restore directory"),),
        (
            *(
                Parameter(name, _EXTERNAL_TYPES[type(default)], _EXTERNAL_HELP.get(name, ""), default)
                for name, default in ExternalOptions._field_defaults.items()
            ),
            NOTIFICATIONS,
            Parameter("blobs_archive", TEXT, "the Bucket ID of the bucket to read blobs from", ""),
            Parameter("volume_prefix", TEXT, "the one of the backup that wrote to that bucket", ""),
        ),
        example="doExternalRestore /opt/zextras/restore/ blobs_archive <BUCKET_VOLUME_ID>", works_long=True,
    ),
    Command(
        "backup", ("getMap",), "show what an External Restore has made of the entries of a backup", _get_map,
        (Parameter("file_path", PATH, "a file map_<server id> of a Backup Path"),),
    ),
)
