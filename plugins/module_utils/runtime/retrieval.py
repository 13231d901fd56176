# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bringing metadata from an archive into a restore directory (reference, section 5, step 5)."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from typing import Any, Final

from ..archive.buckets import BucketRecord, checked
from ..archive.directory import DirectoryArchive
from ..archive.port import Archive
from ..archive.s3 import S3Archive
from ..backup import commits
from ..backup.repository import Repository
from ..model import moment
from ..model.errors import InvalidInput, NotABackup
from ..operations.notifications import INFORMATION
from ..restore.retrieve import THREADS, RetrieveReport, find_servers, retrieve
from .module import Call
from .node import Node

OPERATION: Final = "Retrieve Metadata From Archive"

ArchiveAt = Callable[[str], Archive]
"""Gives the archive under a folder: the empty one for the prefix that servers share, or a server id."""


def in_bucket(record: BucketRecord, volume_prefix: str = "") -> ArchiveAt:
    """Return how to reach the backups in a bucket."""
    return lambda folder: S3Archive(record.settings(volume_prefix, folder))


def in_directory(source: str) -> ArchiveAt:
    """Return how to reach the backups in a directory: an archive of several servers, or a Backup Path itself."""
    if os.path.exists(os.path.join(source, "format.json")):
        return lambda folder: DirectoryArchive(source)
    return lambda folder: DirectoryArchive(source, folder)


def bucket_of(node: Node, arguments: dict[str, str]) -> BucketRecord:
    """Return the bucket that a retrieval names: a configuration by its id, or one given in full.

    :param arguments: bucket_configuration_id, or bucket_name with access_key, secret, region, url and prefix.
    :raises InvalidInput: neither, or both.
    """
    bucket_id, name = arguments.get("bucket_configuration_id") or "", arguments.get("bucket_name") or ""
    if bool(bucket_id) == bool(name):
        raise InvalidInput("Name the bucket either by its bucket_configuration_id or by its bucket_name, not by both.")
    if bucket_id:
        return node.buckets.get(bucket_id)
    url = arguments.get("url") or ""
    return checked(
        BucketRecord(
            bucket=name,
            provider="CustomS3" if url else "S3",
            endpoint=url,
            region=arguments.get("region") or "",
            prefix=arguments.get("prefix") or "",
            access_key=arguments.get("access_key") or "",
            secret_key=arguments.get("secret") or "",
        )
    )


def server_folder(archive_at: ArchiveAt, server_id: str = "") -> str:
    """Return the folder of the backup to take: the one of the named server, or the only one there is.

    :raises NotABackup: there is none. :raises InvalidInput: there are several and none was named.
    """
    shared = archive_at("")
    if server_id:
        return server_id
    if shared.size("format.json") is not None:
        return ""
    servers = find_servers(shared)
    if not servers:
        raise NotABackup(
            f"There is no backup in {shared.describe()}; check the bucket, its prefix and the volume_prefix."
        )
    if len(servers) > 1:
        raise InvalidInput(
            f"{shared.describe()} holds the backups of several servers; say which by server_id: {', '.join(servers)}."
        )
    return next(iter(servers))


def retrieve_metadata(
    node: Node, archive_at: ArchiveAt, destination: str, *, server_id: str = "", threads: int = THREADS,
    notifications: tuple[str, ...] = (), initiator: str = "",
) -> tuple[RetrieveReport, str]:
    """Fetch the metadata of a backup, as an operation.

    :param server_id: of the lost server; may be empty where the archive has one server's backup only.
    :return: what it came to, and the id of the operation.
    """
    folder = server_folder(archive_at, server_id)
    archive = archive_at(folder)
    parameters = {"source": archive.describe(), "destination": destination, "threads": threads}
    with node.operations.start(OPERATION, parameters, initiator) as operation:
        report = retrieve(archive, destination, threads, operation)
        operation.record.result = to_json(report)
    if report.changed:
        node.notifications().notify(
            INFORMATION, f"{OPERATION}: ended", f"{report.packs} packs are now in {destination}.", notifications
        )
    return report, operation.id


def to_json(report: RetrieveReport) -> dict[str, Any]:
    """Return a retrieval's report as a JSON object."""
    return {**report._asdict(), "damages": [damage._asdict() for damage in report.damages]}


def answer(call: Call) -> dict[str, Any]:
    """Answer the module metadata_retrieve."""
    node, destination = call.node(), call["destination"]
    if call["source_type"] == "backup_path":
        copied = copy_backup_path(call["source"], destination, call.check_mode)
        return {"changed": copied > 0, **_newest(destination), "report": {"files": copied}}
    archive_at = (
        in_bucket(bucket_of(node, call.arguments), call["volume_prefix"])
        if call["source_type"] == "s3"
        else in_directory(call["source"])
    )
    if call.check_mode:
        archive = archive_at(server_folder(archive_at, call["server_id"]))
        here = _newest(destination).get("newest_commit", 0)
        return {"changed": archive.size(commits.name(here + 1)) is not None}
    report, operation_id = retrieve_metadata(
        node, archive_at, destination, server_id=call["server_id"], threads=call["threads"],
        notifications=tuple(call["notifications"]), initiator=call.initiator,
    )
    for damage in report.damages:
        call.warn(f"{damage.file}: {damage.reason} {damage.consequence}")
    return {
        "changed": report.changed,
        "newest_commit": report.newest,
        "recovery_point": moment.iso(report.at),
        "report": to_json(report),
        "operation_id": operation_id,
    }


def _newest(destination: str) -> dict[str, Any]:
    if not os.path.exists(os.path.join(destination, commits.FORMAT_FILE)):
        return {}
    with contextlib.closing(Repository.open(destination)) as repository:
        head = repository.head()
    return {"newest_commit": head.seq, "recovery_point": moment.iso(head.at)} if head else {}


def copy_backup_path(source: str, destination: str, dry_run: bool = False) -> int:
    """Copy a Backup Path that is still there (the decommissioned node); return how many files had to be copied.

    Files are immutable and named by what they hold, so one that is there with its size need not be copied again. The
    commits go last: what was copied so far is whole at every moment (R-207).

    :raises NotABackup: the source is none. :raises InvalidInput: the destination holds another backup.
    """
    origin = Repository.open(source)
    repository_id = origin.repository_id
    origin.close()
    if os.path.exists(os.path.join(destination, "format.json")):
        present = Repository.open(destination)
        present.close()
        if present.repository_id != repository_id:
            raise InvalidInput(f"{destination} holds another backup already; name an empty directory.")
    copied = 0
    for name in _files(source):
        wanted, target = os.path.join(source, name), os.path.join(destination, name)
        if os.path.exists(target) and os.path.getsize(target) == os.path.getsize(wanted):
            continue
        copied += 1
        if dry_run:
            continue
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        temporary = f"{target}.part"
        shutil.copyfile(wanted, temporary)
        os.chmod(temporary, 0o600)
        os.replace(temporary, target)
    return copied


def _files(source: str) -> list[str]:
    names = []
    for folder, directories, files in os.walk(source):
        if folder == source:
            directories[:] = [name for name in directories if name != "open"]
        names += [os.path.relpath(os.path.join(folder, name), source) for name in files]
    kept = [name for name in names if not name.startswith("catalog.sqlite") and not name.endswith(".part")]
    return sorted(kept, key=lambda name: (name.startswith("commits/"), name))
