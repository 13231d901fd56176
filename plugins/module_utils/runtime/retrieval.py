# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bringing metadata, or a whole Backup Path, into a restore directory (reference, section 5, step 5)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..archive.bucket_admin import BucketAdmin
from ..archive.buckets import BucketRecord, checked
from ..archive.directory import DirectoryArchive
from ..archive.files import explained
from ..archive.locked import bucket_archive
from ..archive.numbered import last_number
from ..archive.port import Archive
from ..backup import commits
from ..backup.repository import Repository
from ..model import moment
from ..model.durable import make_directories
from ..model.errors import InvalidInput, NotABackup, NotFound
from ..operations.notifications import INFORMATION, WARNING
from ..operations.progress import SILENT, Progress
from ..restore.retrieve import THREADS, find_servers, retrieve
from ..scan.upload import Uploader, UploadReport
from ..scan.witness import load as load_witness
from .buckets import with_lock
from .call import Call
from .node import Node
from .operations import operation

RETRIEVE: Final = "Retrieve Metadata From Archive"
COPY: Final = "Copy Backup Path"

ArchiveAt = Callable[[str], Archive]
"""Gives the archive under a folder: the empty one for the prefix that servers share, or a server id."""


def in_bucket(record: BucketRecord, volume_prefix: str = "") -> ArchiveAt:
    """Return how to reach the backups in a bucket."""
    return lambda folder: bucket_archive(record.settings(volume_prefix, folder))


def in_directory(source: str) -> ArchiveAt:
    """Return how to reach the backups in a directory: an archive of several servers, or a Backup Path itself."""
    if os.path.exists(os.path.join(source, commits.FORMAT_FILE)):
        return lambda folder: DirectoryArchive(source)
    return lambda folder: DirectoryArchive(source, folder)


def bucket_of(node: Node, arguments: Mapping[str, Any]) -> BucketRecord:
    """Return the bucket that a retrieval names: a configuration by its id or label, or one given in full.

    :param arguments: bucket_configuration_id, or bucket_name with access_key, secret, region, url and prefix; and with
        provider, profile and ca_file where that is known.
    :raises InvalidInput: neither, or both.
    """
    bucket_id, name = arguments.get("bucket_configuration_id") or "", arguments.get("bucket_name") or ""
    if bool(bucket_id) == bool(name):
        raise InvalidInput("Name the bucket either by its bucket_configuration_id or by its bucket_name, not by both.")
    if bucket_id:
        return node.bucket(bucket_id)
    url = arguments.get("url") or ""
    record = checked(
        BucketRecord(
            bucket=name,
            provider=arguments.get("provider") or ("CustomS3" if url else "S3"),
            endpoint=url,
            region=arguments.get("region") or "",
            prefix=arguments.get("prefix") or "",
            access_key=arguments.get("access_key") or "",
            secret_key=arguments.get("secret") or "",
            profile=arguments.get("profile") or "",
            ca_file=arguments.get("ca_file") or "",
        )
    )
    there = BucketAdmin(record.settings()).present()
    return record if there is None else with_lock(record, there)


def find_archive(node: Node, archive_at: ArchiveAt, server_id: str = "") -> Archive:
    """Return the archive of one server: of the one that is named, or of the only one that is not this node itself.

    :raises NotABackup: there is none. :raises InvalidInput: there are several, and none was named.
    """
    shared = archive_at("")
    if server_id:
        return archive_at(server_id)
    if shared.size(commits.FORMAT_FILE) is not None:
        return shared
    servers = find_servers(shared)
    others = {folder: server for folder, server in servers.items() if server != own_id(node)}
    if not others:
        raise NotABackup(
            f"There is no backup of another server in {shared.describe()}. Check the bucket, its prefix and the "
            "volume_prefix."
        )
    if len(others) > 1:
        raise InvalidInput(
            f"{shared.describe()} holds the backups of several servers; say which by server_id: {', '.join(others)}."
        )
    return archive_at(next(iter(others)))


def own_id(node: Node) -> str:
    """Return the id of the node's mail server; empty where there is none yet."""
    try:
        with contextlib.closing(node.store()) as store:
            return store.server_id()
    except NotFound:  # no mail server here yet
        return ""


def retrieve_metadata(
    node: Node, archive: Archive, destination: str, *, threads: int = THREADS, notifications: Sequence[str] = (),
    witness: str = "",
) -> dict[str, Any]:
    """Fetch the metadata of a backup, as an operation.

    :param archive: of the lost server. :param witness: a file that its uploads have written; empty for none.
    :raises Refused: the archive does not hold what it held by then.
    :return: "changed", "newest_commit", "recovery_point", "report" and "operation_id".
    """
    if threads < 1:
        raise InvalidInput(f"threads is {threads}; give how many requests may be in flight, 1 or more.")
    seen = load_witness(witness) if witness else None
    parameters = {"source": archive.describe(), "destination": destination, "threads": threads}
    here = _newest(node, destination).get("newest_commit", 0)
    with operation(node, RETRIEVE, parameters) as running:
        report = retrieve(archive, destination, threads, running, node.masters(), seen)
        damages = [damage._asdict() for damage in report.damages]
        result = {**report._asdict(), "damages": damages}
        running.record.result = result
    warnings = [f"{damage.file}: {damage.reason} {damage.consequence}" for damage in report.damages]
    if report.changed or warnings:
        text = f"{destination} now holds the metadata of server {report.server} as of {moment.iso(report.at)}.\n"
        node.notifications().notify(
            WARNING if warnings else INFORMATION, f"{RETRIEVE}: ended", "\n".join([text, *warnings]), notifications
        )
    return {
        "changed": report.changed, "newest_commit": report.newest, "recovery_point": moment.iso(report.at),
        "report": result, "operation_id": running.id, "warnings": warnings,
        "diff": _difference(node, destination, here),
    }


def copy_backup_path(node: Node, source: str, destination: str, progress: Progress = SILENT) -> UploadReport:
    """Copy a Backup Path that can still be read, mail included: it is an upload into a directory.

    It may be ended at any moment and run again; the copy is whole at every moment (R-207).

    :raises NotABackup: the source is none. :raises InvalidInput: the destination holds another backup.
    """
    with contextlib.closing(node.repository(source)) as origin:
        _check_copy(node, origin, destination)
        with explained("make", destination):
            make_directories(os.path.abspath(destination))
        return Uploader(origin, DirectoryArchive(destination)).sync(progress)


def _check_copy(node: Node, origin: Repository, destination: str) -> None:
    if os.path.realpath(origin.path) == os.path.realpath(destination):
        raise InvalidInput(f"{destination} is the Backup Path itself; name another directory.")
    if os.path.exists(os.path.join(destination, commits.FORMAT_FILE)):
        with contextlib.closing(node.repository(destination)) as present:
            if present.repository_id != origin.repository_id:
                raise InvalidInput(f"{destination} holds another backup than {origin.path}; name an empty directory.")


def preview(node: Node, archive: Archive, destination: str) -> dict[str, Any]:
    """Return whether there is something to fetch, without fetching it: for check mode.

    :raises NotABackup: there is no backup in the archive.
    """
    try:
        there = commits.parse_format(archive.get(commits.FORMAT_FILE), archive.describe())
    except NotFound as error:
        archive.size(commits.FORMAT_FILE)  # says so where the bucket itself is missing
        raise NotABackup(f"There is no backup in {archive.describe()}. Check the prefix and the server id.") from error
    here = _newest(node, destination).get("newest_commit", 0)
    newest = last_number(lambda number: archive.size(commits.name(number)) is not None, max(here, 1))
    if here:
        with contextlib.closing(node.repository(destination)) as present:
            if present.repository_id != there.repository:
                raise InvalidInput(
                    f"{destination} holds another backup than {archive.describe()}. Choose an empty directory."
                )
    return {"changed": newest > here, "diff": _difference(node, destination, here, newest)}


def _difference(node: Node, destination: str, before: int, after: int = 0) -> dict[str, str]:
    """Return what a restore directory holds, before and after; it is looked at where after is not given."""
    after = after or _newest(node, destination).get("newest_commit", 0)
    return {"before": _contents(destination, before), "after": _contents(destination, after)}


def _contents(destination: str, commit: int) -> str:
    return f"{destination}: commit {commit}\n" if commit else ""


def _newest(node: Node, destination: str) -> dict[str, Any]:
    if not os.path.exists(os.path.join(destination, commits.FORMAT_FILE)):
        return {}
    with contextlib.closing(node.repository(destination)) as repository:
        head = repository.head()
    return {"newest_commit": head.seq, "recovery_point": moment.iso(head.at)} if head else {}


def answer(call: Call) -> dict[str, Any]:
    """Answer the module metadata_retrieve."""
    if call["source_type"] == "backup_path":
        return _answer_copy(call)
    node, destination = call.node(), call["destination"]
    archive_at = (
        in_bucket(bucket_of(node, call.arguments), call["volume_prefix"])
        if call["source_type"] == "s3"
        else in_directory(call["source"])
    )
    archive = find_archive(node, archive_at, call["server_id"])
    if call.check_mode:
        return preview(node, archive, destination)
    return retrieve_metadata(
        node, archive, destination, threads=call["threads"], notifications=call["notifications"],
        witness=call["witness"] or "",
    )


def _answer_copy(call: Call) -> dict[str, Any]:
    node, source, destination = call.node(), call["source"], call["destination"]
    here = _newest(node, destination).get("newest_commit", 0)
    with contextlib.closing(node.repository(source)) as origin:
        _check_copy(node, origin, destination)
    if call.check_mode:
        return preview(node, DirectoryArchive(source), destination)
    with operation(node, COPY, {"source": source, "destination": destination}) as running:
        report = copy_backup_path(node, source, destination, running)
        running.record.result = report.totals()
    return {
        "changed": report.changed, **_newest(node, destination), "report": report.totals(), "operation_id": running.id,
        "diff": _difference(node, destination, here),
    }
