# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which backups an archive holds, how fresh they are, and whether one of them can be restored. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from ..archive.numbered import last_number
from ..archive.port import Archive
from ..backup import commits, packs
from ..backup.commits import Commit
from ..model import moment
from ..model.errors import Damaged, InvalidInput, NotABackup, NotFound
from ..restore.retrieve import THREADS, find_servers
from .call import Call
from .node import Node
from .retrieval import ArchiveAt, bucket_of, find_archive, in_bucket, in_directory, own_id
from .settings import Settings

_DEFAULT: Final = Settings()


def answer(call: Call) -> dict[str, Any]:
    """Answer the module archive_info."""
    node = _node(call)
    archive_at = _place(node, call.arguments)
    shared = archive_at("")
    try:
        folders = _folders(shared)
    except NotFound as error:
        return {
            "archive": shared.describe(), "exists": False, "backups": [], "chosen": "", "problem": str(error),
            "clock_skew_seconds": 0,
        }
    own = own_id(node)
    found = [_described(archive_at(folder)) for folder in folders]
    backups = [{**one, "own": one["server_id"] == own} for one in found]
    chosen, problem = "", ""
    if call["choose"]:
        try:
            archive = find_archive(node, archive_at, call["server_id"])
            chosen = commits.parse_format(archive.get(commits.FORMAT_FILE), archive.describe()).server
        except NotFound:
            problem = f"There is no backup of the server {call['server_id']} in {shared.describe()}."
        except (NotABackup, InvalidInput) as error:
            problem = str(error)
    return {
        "archive": shared.describe(), "exists": True, "backups": backups, "chosen": chosen, "problem": problem,
        "clock_skew_seconds": round((shared.now() - moment.now()) / 1000) if shared.has_own_clock else 0,
    }


def _node(call: Call) -> Node:
    """Return the node as its settings are, or as they are before anything is written."""
    try:
        return call.node()
    except NotFound:
        return Node(call.config_file, _DEFAULT)


def _place(node: Node, arguments: Mapping[str, Any]) -> ArchiveAt:
    """Return where to look: in the bucket or the directory that is named, or else where this node archives its own.

    :raises InvalidInput: nothing is named, and the node archives nowhere.
    """
    if arguments["source"]:
        return in_directory(arguments["source"])
    if arguments["bucket_configuration_id"] or arguments["bucket_name"]:
        return in_bucket(bucket_of(node, arguments), arguments["volume_prefix"])
    volume = node.settings.backup_volume
    if volume.type == "s3":
        return in_bucket(node.bucket(volume.bucket_configuration_id), volume.volume_prefix)
    if volume.type == "local":
        return in_directory(volume.path)
    raise InvalidInput("This node archives its backup nowhere; name a bucket or a directory.")


def _folders(shared: Archive) -> list[str]:
    """Return the folders that backups are in; an empty name for the archive itself, where that is one."""
    if shared.size(commits.FORMAT_FILE) is not None:
        return [""]
    return list(find_servers(shared))


def _described(archive: Archive) -> dict[str, Any]:
    """Return what is known of one backup without its key."""
    info = commits.parse_format(archive.get(commits.FORMAT_FILE), archive.describe())
    newest = last_number(lambda number: archive.size(commits.name(number)) is not None)
    stored = archive.stored_at(commits.name(newest)) if newest else None
    return {
        "server_id": info.server, "repository_id": info.repository, "encrypted": info.encrypted, "commit": newest,
        "last_commit": moment.iso(stored) if stored else "",
        **({"metadata_bytes": None, "blob_bytes": None} if info.encrypted else _sizes(archive, newest)),
    }


def _sizes(archive: Archive, newest: int) -> dict[str, int | None]:
    """Return the bytes of the packs that the newest commit reaches, by kind; None where that cannot be told."""
    def read(number: int) -> Commit | None:
        try:
            return commits.parse(archive.get(commits.name(number)), commits.name(number))
        except (NotFound, Damaged):
            return None

    last = read(newest) if newest else None
    if last is None:
        return {"metadata_bytes": None, "blob_bytes": None}
    sizes: dict[str, tuple[str, int]] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        for commit in (*pool.map(read, range(last.checkpoint, newest)), last):
            if commit is not None:
                sizes.update((pack.name, (pack.kind, pack.size)) for pack in commit.packs)
                for name in commit.removed:
                    sizes.pop(name, None)
    metadata = sum(size for kind, size in sizes.values() if kind == packs.METADATA)
    return {"metadata_bytes": metadata, "blob_bytes": sum(size for _kind, size in sizes.values()) - metadata}
