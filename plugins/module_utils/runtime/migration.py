# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another backup volume for a node, all that the backup holds copied to it first (R-288, R-289; reference, 2.2)."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..archive.port import Archive
from ..backup.repository import Repository
from ..model.errors import InvalidInput
from ..operations.notifications import INFORMATION
from ..restore.copy_record import DONE
from ..restore.idmap import ITEM_LOG
from ..scan.upload import UploadReport
from . import settings as settings_file
from .backups import is_initialised
from .call import Call
from .configuration import change_backup_volume, check_archive, volume_change, with_backup_volume
from .node import Node
from .operations import operation
from .settings import BackupVolume

OPERATION: Final = "Migrate Backup Volume"
THREADS: Final = 10

_NOTHING: Final = UploadReport(0, 0, 0, 0)


def migrate(
    node: Node, type_: str, path: str = "", bucket: str = "", volume_prefix: str = "", *, threads: int = THREADS,
    notifications: Sequence[str] = (), dry_run: bool = False,
) -> dict[str, Any]:
    """Copy the backup to another volume, then archive it there. What is in the former one stays.

    Everything is copied from the Backup Path, so the former volume need not answer. Until all is copied the backup is
    archived where it was; stopped or killed and run again, it goes on.

    :param type_: "default", "local" or "s3". :param path: the directory, for "local".
    :param bucket: id or label of its configuration, for "s3". :param threads: files on their way at once.
    :return: as of change_backup_volume(), with "upload" and "operation_id" where something was copied.
    :raises RestanteError: the volume cannot be used; it is not changed.
    """
    if threads < 1:
        raise InvalidInput(f"threads is {threads}; give at least 1.")
    settings = with_backup_volume(node, type_, path, bucket, volume_prefix)
    before = node.settings
    outcome = volume_change(before, settings)
    if not outcome["changed"]:
        return outcome
    target = Node(node.config_file, settings)
    check_archive(target, dry_run)
    if dry_run:
        return outcome
    with operation(node, OPERATION, {"backup_volume": outcome["backup_volume"], "threads": threads}) as running:
        sent = _NOTHING
        if is_initialised(node):
            with contextlib.closing(node.repository()) as repository:
                archive = target.archive(repository.server_id)
                if archive is not None:
                    sent = target.uploader(repository, archive, threads).sync(running)
                    _copy_maps(repository, archive)
        running.record.result = sent.totals()
        if not running.stopping():
            present = settings_file.load(node.config_file)  # something else may have been set meanwhile
            settings_file.save(
                node.config_file, dataclasses.replace(present, backup_volume=settings.backup_volume)
            )
    text = (
        f"The backup is archived in {_place(settings.backup_volume)} from now on. "
        f"Copied: {sent.commits} commits, {sent.packs} packs, {sent.bytes} bytes.\n\n"
        f"What is in {_place(before.backup_volume)} was left as it is. When no restore needs it any more, remove it by "
        "hand.\n"
    )
    node.notifications().notify(INFORMATION, f"{OPERATION}: ended", text, notifications)
    return {
        **outcome, "upload": sent.totals(), "warnings": list(sent.warnings), "operation_id": running.id,
    }


def _copy_maps(repository: Repository, archive: Archive) -> None:
    """Copy the records of restores, which are no part of any commit."""
    for name in _maps(repository):
        archive.put(name, repository.files.read(name))


def _maps(repository: Repository) -> Iterator[str]:
    files = repository.files
    for folder in ("", *(f"accounts/{account}/" for account in files.names("accounts"))):
        yield from (
            folder + name for name in files.names(folder) if name.startswith("map_") or name in (ITEM_LOG, DONE)
        )


def _place(volume: BackupVolume) -> str:
    """Return where a backup volume is, for people."""
    if volume.type == "local":
        return volume.path
    if volume.type == "s3":
        prefix = f" below {volume.volume_prefix}" if volume.volume_prefix else ""
        return f"the bucket configuration {volume.bucket_configuration_id}{prefix}"
    return "the Backup Path alone"


def answer(call: Call) -> dict[str, Any]:
    """Answer the module backup_volume."""
    node = call.node()
    volume = (call["type"], call["path"] or "", call["bucket_configuration_id"] or "", call["volume_prefix"])
    if not call["migrate"]:
        return change_backup_volume(node, *volume, call.check_mode)
    return migrate(
        node, *volume, threads=call["threads"], notifications=call["notifications"], dry_run=call.check_mode
    )
