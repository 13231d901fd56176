# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changing a node's settings."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import sys
from collections.abc import Mapping
from typing import Any, Final

from ..archive.probe import probe
from ..backup import commits
from ..backup.files import Files
from ..mailstore.embedded import EmbeddedStore
from ..mailstore.imap.settings import LDAP, ImapSettings
from ..model.errors import InvalidInput, NotABackup, NotFound, Refused
from . import master_key
from . import settings as settings_file
from .call import Call
from .node import Node
from .settings import CARBONIO, EMBEDDED, ENCRYPTION_KEYS, IMAP, BackupVolume, Settings

LIBRARIES: Final = ("boto3", "zstandard")
"""What the Python of a node needs."""

IMAP_LIBRARIES: Final = ("imapclient",)
"""What it needs besides for a mail server that speaks IMAP; and, where its accounts are in LDAP, that."""
LDAP_LIBRARIES: Final = ("ldap",)

ENCRYPTION_LIBRARIES: Final = ("cryptography",)
"""What it needs besides where the backup is encrypted."""


def change(call: Call) -> dict[str, Any]:
    """Answer the module backup_config: give the settings of a node new values; those that are None are left alone."""
    try:
        before: Settings | None = settings_file.load(call.config_file)
    except NotFound:
        before = None
    names = {field.name for field in dataclasses.fields(Settings)} - {"backup_volume", "imap"}
    given = {name: call[name] for name in names if call[name] is not None}
    if call["imap"] is not None:
        given["imap"] = _imap(before, call["imap"])
    after = dataclasses.replace(before or Settings(), **given)
    settings_file.check(after)
    _check_encryption(after)
    changed = after != before
    wanted: tuple[str, ...] = LIBRARIES
    if any(getattr(after, name) for name in ENCRYPTION_KEYS):
        wanted += ENCRYPTION_LIBRARIES
    if after.mailstore_adapter == IMAP and after.imap is not None:
        wanted += IMAP_LIBRARIES + (LDAP_LIBRARIES if after.imap.directory == LDAP else ())
    if after.engine == CARBONIO:
        wanted = ()  # the vendor's command needs nothing of the node's Python
    create = call["mailstore_create"] and after.mailstore_adapter == EMBEDDED and not _has_store(after)
    if not call.check_mode:
        if changed:
            settings_file.save(call.config_file, after)
        if create:
            EmbeddedStore.create(after.mailstore_path).close()
    return {
        "changed": changed or create,
        "settings": after.public(),
        "python": sys.executable,
        "missing_libraries": [name for name in wanted if importlib.util.find_spec(name) is None],
        "diff": {"before": before.public() if before else {}, "after": after.public()},
    }


def _imap(before: Settings | None, given: Mapping[str, Any]) -> ImapSettings:
    """Return how the mail server is reached: what is given, and besides what was so before."""
    known = before.imap if before is not None and before.imap is not None else ImapSettings()
    return dataclasses.replace(known, **{name: value for name, value in given.items() if value is not None})


def _check_encryption(settings: Settings) -> None:
    """Make sure that the Backup Path, if there is a backup in it, is encrypted or not as the settings want it.

    :raises InvalidInput: it is not. Errors of the master key as master_key.of().
    """
    wanted = bool(master_key.of(settings))
    try:
        data = Files(settings.backup_path).read(commits.FORMAT_FILE)
        present = commits.parse_format(data, settings.backup_path).encrypted
    except (NotFound, NotABackup, Refused):
        return
    if wanted != present:
        raise InvalidInput(
            f"{settings.backup_path} holds a backup that is {'encrypted' if present else 'not encrypted'}, and the "
            f"settings name {'a' if wanted else 'no'} master key. A backup stays what it was made as: choose another "
            "backup_path for a new one, and keep the old one until its time is over."
        )


def read(call: Call) -> dict[str, Any]:
    """Answer the module backup_config_info."""
    return {"settings": call.node().settings.public()}


def change_backup_volume(
    node: Node, type_: str, path: str = "", bucket: str = "", volume_prefix: str = "", dry_run: bool = False
) -> dict[str, Any]:
    """Choose where the backup is archived.

    :param path: the directory, for type "local". :param bucket: id or label of its configuration, for type "s3".
    :raises NotFound: there is no such bucket configuration. :raises Refused: the archive cannot be written to, lets
        two writers overwrite each other, or belongs to another server.
    """
    settings = with_backup_volume(node, type_, path, bucket, volume_prefix)
    if settings != node.settings:
        check_archive(Node(node.config_file, settings), dry_run)
        if not dry_run:
            settings_file.save(node.config_file, settings)
    return volume_change(node.settings, settings)


def with_backup_volume(
    node: Node, type_: str, path: str = "", bucket: str = "", volume_prefix: str = ""
) -> Settings:
    """Return a node's settings with another backup volume; the parameters are those of change_backup_volume().

    :raises NotFound: there is no such bucket configuration. :raises InvalidInput: it cannot be one.
    """
    volume = BackupVolume(type_)
    if type_ == "local":
        volume = BackupVolume(type_, path=path)
    elif type_ == "s3":
        volume = BackupVolume(
            type_, bucket_configuration_id=node.bucket(bucket).id, volume_prefix=volume_prefix.strip("/")
        )
    settings = dataclasses.replace(node.settings, backup_volume=volume)
    settings_file.check(settings)
    return settings


def volume_change(before: Settings, after: Settings) -> dict[str, Any]:
    """Return what another backup volume changes, as modules return it."""
    old, new = dataclasses.asdict(before.backup_volume), dataclasses.asdict(after.backup_volume)
    return {"changed": old != new, "backup_volume": new, "diff": {"before": old, "after": new}}


def check_archive(node: Node, dry_run: bool) -> None:
    """Make sure that this node's backup can go where its settings say."""
    with contextlib.closing(node.store()) as store:
        server_id = store.server_id()
    archive = node.archive(server_id)
    if archive is None:
        return
    try:
        claim = commits.parse_format(archive.get(commits.FORMAT_FILE), archive.describe())
    except NotFound:
        archive.list("")  # says so where the bucket or the directory itself is missing
    else:
        if claim.server != server_id:
            raise Refused(f"{archive.describe()} belongs to server {claim.server}. Give each server its own prefix.")
    if not dry_run:
        probe(archive)


def _has_store(settings: Settings) -> bool:
    try:
        EmbeddedStore.open(settings.mailstore_path).close()
    except NotFound:
        return False
    return True
