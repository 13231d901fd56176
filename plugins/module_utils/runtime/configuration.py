# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changing a node's settings."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from ..archive.directory import DirectoryArchive
from ..archive.probe import probe_connection
from ..mailstore.embedded import EmbeddedStore
from ..model.errors import NotFound
from . import settings as settings_file
from .node import Node
from .settings import BackupVolume, Settings

_STORE_FILE = "store.sqlite"


def change(config_file: str, wanted: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
    """Give the settings of a node new values; those that are None or absent are left alone.

    :param wanted: settings by name, and mailstore_create.
    :return: changed, settings without secrets, and the difference.
    """
    try:
        before: Settings | None = settings_file.load(config_file)
    except NotFound:
        before = None
    names = {field.name for field in dataclasses.fields(Settings)} - {"backup_volume"}
    values = {name: value for name, value in wanted.items() if name in names and value is not None}
    after = dataclasses.replace(before or Settings(), **values)
    settings_file.check(after)
    changed = after != before
    create = bool(wanted.get("mailstore_create")) and not _has_store(after)
    if not dry_run:
        if changed:
            settings_file.save(config_file, after)
        if create:
            EmbeddedStore.create(after.mailstore_path).close()
    return {
        "changed": changed or create,
        "settings": after.public(),
        "diff": {"before": before.public() if before else {}, "after": after.public()},
    }


def change_backup_volume(node: Node, wanted: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
    """Choose where the backup is archived.

    :raises NotFound: no such bucket configuration. :raises Refused: the directory cannot be written to.
    """
    volume = BackupVolume(
        type=wanted["type"],
        path=wanted["path"] or "" if wanted["type"] == "local" else "",
        bucket_configuration_id=wanted["bucket_configuration_id"] or "" if wanted["type"] == "s3" else "",
        volume_prefix=wanted["volume_prefix"].strip("/") if wanted["type"] == "s3" else "",
    )
    after = dataclasses.replace(node.settings, backup_volume=volume)
    settings_file.check(after)
    changed = after != node.settings
    if volume.type == "s3":
        node.buckets.get(volume.bucket_configuration_id)
    if changed and not dry_run:
        if volume.type == "local":
            os.makedirs(volume.path, mode=0o700, exist_ok=True)
            probe_connection(DirectoryArchive(volume.path))
        settings_file.save(node.config_file, after)
    before = dataclasses.asdict(node.settings.backup_volume)
    shown = dataclasses.asdict(volume)
    return {"changed": changed, "backup_volume": shown, "diff": {"before": before, "after": shown}}


def _has_store(settings: Settings) -> bool:
    return os.path.exists(os.path.join(settings.mailstore_path, _STORE_FILE))
