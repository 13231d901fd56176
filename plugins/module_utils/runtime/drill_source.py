# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a drill has its backup from, and how new that is: of the node itself it only reads what lies there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..archive.directory import DirectoryArchive
from ..archive.numbered import last_number
from ..archive.port import Archive
from ..backup import commits
from ..backup.files import Files
from ..drill import record as records
from ..drill.record import RecoveryPoint
from ..drill.rehearsal import Findings
from ..model import moment
from ..model.errors import Damaged, InvalidInput, NotABackup, NotFound, RestanteError
from ..operations.records import SUCCESSFUL
from ..restore.retrieve import find_servers
from ..scan import witness
from . import backups
from .drill_options import ARCHIVE, BACKUP_PATH, Options
from .following import read_status
from .node import Node
from .retrieval import ArchiveAt, in_bucket, in_directory


class Source(NamedTuple):
    """Where the backup of a drill is."""

    kind: str
    archive: Callable[[], Archive]
    seen: witness.Seen | None


def find(node: Node, options: Options) -> Source:
    """Return what is restored. :raises InvalidInput, NotFound, NotABackup: there is none, or it is not said which."""
    volume, chosen = node.settings.backup_volume, kind(node, options)
    if chosen == BACKUP_PATH:
        path = options.source_path or node.settings.backup_path
        if not os.path.exists(os.path.join(path, commits.FORMAT_FILE)):
            raise NotABackup(f"{path} holds no backup: there is no {commits.FORMAT_FILE} in it.")
        return Source(chosen, lambda: DirectoryArchive(path), None)
    if options.bucket_configuration_id:
        archive_at = in_bucket(node.bucket(options.bucket_configuration_id), options.volume_prefix)
    elif options.source_path:
        archive_at = in_directory(options.source_path)
    elif volume.type == "s3":
        archive_at = in_bucket(node.bucket(volume.bucket_configuration_id), volume.volume_prefix)
    elif volume.type == "local":
        archive_at = in_directory(volume.path)
    else:
        raise InvalidInput(
            "This node has no archive beside its Backup Path; set one up with backup_volume, name a bucket by its "
            "bucket_configuration_id or a directory by source_path, or drill with source backup_path."
        )
    server = _server(node, archive_at, options.server_id)
    seen = witness.load(options.witness) if options.witness else _own_witness(node, archive_at(server))
    return Source(chosen, lambda: archive_at(server), seen)


def kind(node: Node, options: Options) -> str:
    """Return what kind of source is meant: ARCHIVE or BACKUP_PATH."""
    has_archive = node.settings.backup_volume.type != "default" and not options.source_path
    return options.source or (ARCHIVE if options.bucket_configuration_id or has_archive else BACKUP_PATH)


def _server(node: Node, archive_at: ArchiveAt, named: str) -> str:
    """Return the folder of the backup in an archive: the one that is named, the node's own, or the only one."""
    shared = archive_at("")
    if named or shared.size(commits.FORMAT_FILE) is not None:
        return named
    own = _own_id(node)
    if own and archive_at(own).size(commits.FORMAT_FILE) is not None:
        return own
    servers = find_servers(shared)
    if not servers:
        raise NotABackup(f"There is no backup in {shared.describe()}. Check the bucket, its prefix and volume_prefix.")
    if len(servers) > 1:
        raise InvalidInput(
            f"{shared.describe()} holds the backups of several servers; say which by server_id: {', '.join(servers)}."
        )
    return next(iter(servers))


def _own_id(node: Node) -> str:
    """Return the server id of the node by its Backup Path; empty where that is gone."""
    path = node.settings.backup_path
    try:
        return commits.parse_format(Files(path).read(commits.FORMAT_FILE), path).server
    except RestanteError:
        return ""


def _own_witness(node: Node, archive: Archive) -> witness.Seen | None:
    """Return what the node's own uploads have noted of its archive; None where they have noted nothing of this one."""
    path = os.path.join(node.settings.backup_path, witness.FILE)
    try:
        seen = witness.load(path)
    except NotFound:
        return None
    except InvalidInput as error:  # not by whoever has asked: it is a finding
        raise Damaged(
            f"{error} Without it nobody can tell whether the archive was put back to an older state."
        ) from error
    return seen if seen.archive == archive.describe() else None


def newest(archive: Archive, hint: int = 1) -> int:
    """Return the number of the newest commit in an archive, 0 where there is none."""
    return last_number(lambda number: archive.size(commits.name(number)) is not None, hint)


def lag(node: Node, source: Source) -> dict[str, Any] | None:
    """Return how far the archive is behind the node's own Backup Path; None where it is another's, or that is gone."""
    own, path = _own_id(node), node.settings.backup_path
    if not own or source.kind != ARCHIVE:
        return None
    try:
        archive, here = source.archive(), DirectoryArchive(path)
        if archive.get(commits.FORMAT_FILE) != here.get(commits.FORMAT_FILE):
            return None
        last = newest(here)
        archived = min(newest(archive, last), last)
        since = here.stored_at(commits.name(archived + 1)) if archived < last else None
    except RestanteError:  # the drill will say what is wrong with it
        return None
    waiting = max(moment.now() - since, 0) / 1000 if since is not None else 0.0
    return {"commits": last - archived, "seconds": round(waiting, 3)}


def recovery_point(node: Node, findings: Findings, declared: int) -> RecoveryPoint:
    """Return up to when the backup is known to have everything, by what the node has written down itself."""
    committed = findings.backup.get("last_commit_at")
    if not committed:
        return RecoveryPoint(0)
    best = RecoveryPoint(at(committed))
    try:
        own = _own_id(node) == findings.backup["server_id"]
        if own and newest(DirectoryArchive(node.settings.backup_path)) <= findings.backup["commit"]:
            points = [point for point in _looked_through(node) if best.at < point.at <= declared]
            best = max([best, *points], key=lambda point: point.at)
    except RestanteError:  # what cannot be read tells nothing
        pass
    return best


def _looked_through(node: Node) -> Iterator[RecoveryPoint]:
    """Yield moments at which it was known that there was nothing newer than what was committed."""
    until = read_status(node).situation.complete_until
    if until > 0:
        yield RecoveryPoint(until, records.REALTIME)
    for done in node.operations.list():
        if done.type == backups.OPERATION and done.state == SUCCESSFUL and not done.parameters.get("accounts"):
            if not done.result.get("read_errors"):
                yield RecoveryPoint(done.started, records.SCAN)


def at(iso: str) -> int:
    """Return the UTC milliseconds of a date that we have written."""
    parsed = moment.parse(iso)
    return parsed if isinstance(parsed, int) else 0
