# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's settings: one JSON file that modules, roles and the command line share."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
from typing import Any, Final

from ..care.retention import MOST_DAYS, days
from ..mailstore.imap import settings as imap_settings
from ..mailstore.imap.settings import ImapSettings
from ..model import foreign, moment
from ..model.durable import make_directories, sync_directory
from ..model.errors import InvalidInput, NotFound, Refused
from ..operations.notifications import INFORMATION, LEVELS, PLAIN, SECURITIES
from ..vendor import runner

DEFAULT_FILE: Final = "/etc/restante/restante.json"
BUCKETS_FILE: Final = "buckets.json"
EMBEDDED: Final = "embedded"
IMAP: Final = "imap"
ADAPTERS: Final = (EMBEDDED, IMAP)
OWN: Final = "restante"
CARBONIO: Final = "carbonio"
ENGINES: Final = (OWN, CARBONIO)
ENCRYPTION_KEYS: Final = ("encryption_key_file", "encryption_key_variable", "encryption_key_command")
"""The settings that say where the master key comes from."""
VOLUME_TYPES: Final = ("default", "local", "s3")


@dataclasses.dataclass(frozen=True)
class BackupVolume:
    """Where the backup's files are archived, beside the Backup Path (reference, section 2.2)."""

    type: str = "default"
    """"default" (nowhere else), "local" (another directory) or "s3" (a bucket)."""
    path: str = ""
    """The directory, for local."""
    bucket_configuration_id: str = ""
    """Id of the bucket configuration, for s3."""
    volume_prefix: str = ""
    """Put before the server id in the bucket."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of one node, each with the vendor's default where the vendor has one."""

    engine: str = OWN
    """What backs up and restores on this node: this collection's engine, or the vendor's Carbonio Backup."""
    carbonio_command: str = runner.DEFAULT_PATH
    """The vendor's command, for the engine carbonio."""
    carbonio_user: str = runner.DEFAULT_USER
    """Who runs it; empty for whoever runs the module."""
    carbonio_timeout: int = runner.DEFAULT_SECONDS
    """Seconds after which one run of it is given up; operations go on beyond that."""
    backup_path: str = "/opt/zextras/backup/zextras"
    cache_path: str = "/opt/zextras/cache"
    state_path: str = "/var/lib/restante"
    mailstore_adapter: str = EMBEDDED
    mailstore_path: str = "/var/lib/restante/mailstore"
    """Of an embedded store; of another adapter, where it keeps what it last saw of the mail server."""
    imap: ImapSettings | None = None
    """How the mail server is reached, for the adapter imap."""
    backup_volume: BackupVolume = BackupVolume()
    realtime_scanner: bool = True
    data_retention_days: int = 30
    """Of items; 0 for ever (ZxBackup_DataRetentionDays)."""
    account_retention_days: int = 30
    """Of deleted accounts; 0 for ever (backupAccountsRetentionDays)."""
    purge_grace_days: int = 7
    """How long the files of packs stay that are no part of the backup any more: longer than any restore runs."""
    encryption_key_file: str = ""
    """The file with the master key of an encrypted backup. Where this or one of the next two is set, backups that are
    made are encrypted, and only encrypted ones are read."""
    encryption_key_variable: str = ""
    """The environment variable with the master key."""
    encryption_key_command: str = ""
    """A command, with its arguments, that prints the master key: how a key service is asked."""
    witness_path: str = ""
    """A file in another place, which is told what has arrived in the archive (scan/witness.py); empty for none."""
    time_zone: str = ""
    """IANA name; empty for the node's own."""
    administrator: str = ""
    """Who every notification goes to: an address, or several with commas between."""
    initiator_domain: str = ""
    """Where the users of this node have their mail: whoever starts an operation is told at <user>@<domain>."""
    notification_level: str = INFORMATION
    """The least urgent type of notification that is mailed."""
    smtp_host: str = ""
    """Empty: notifications are kept on the node and not mailed."""
    smtp_port: int = 25
    smtp_security: str = PLAIN
    smtp_ca_file: str = ""
    """The authorities that the server's certificate is checked against, a PEM file; empty for the system's."""
    smtp_username: str = ""
    smtp_password: str = dataclasses.field(default="", repr=False)
    smtp_sender: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a JSON object, secrets included."""
        return dataclasses.asdict(self)

    def public(self) -> dict[str, Any]:
        """Return the settings as a JSON object without secrets."""
        shown = {key: value for key, value in self.to_json().items() if key != "smtp_password"}
        return {**shown, "imap": None if self.imap is None else self.imap.public()}


def from_json(record: Any, where: str) -> Settings:
    """Return checked settings. :param where: the file, for messages. :raises InvalidInput: which setting is wrong."""
    if not isinstance(record, dict):
        raise InvalidInput(f"{where} is not a JSON object; write it with the backup_config module.")
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    unknown = sorted(set(record) - set(fields))
    if unknown:
        raise InvalidInput(f"{where} has unknown settings: {', '.join(unknown)}; known are {', '.join(fields)}.")
    volume = record.get("backup_volume", {})
    known = {field.name for field in dataclasses.fields(BackupVolume)}
    if not isinstance(volume, dict) or set(volume) - known or not all(map(foreign.is_text, volume.values())):
        raise InvalidInput(f"backup_volume in {where} is not understood; set it with the backup_volume module.")
    for name, value in record.items():
        if name not in ("backup_volume", "imap") and not foreign.fits(value, type(getattr(Settings, name))) or (
            isinstance(value, str) and not foreign.is_text(value)
        ):
            wanted = type(getattr(Settings, name)).__name__
            raise InvalidInput(f"{name} in {where} is {value!r}; it must be of the type {wanted}.")
    imap = record.get("imap")
    settings = Settings(**{
        **record, "backup_volume": BackupVolume(**volume),
        "imap": None if imap is None else imap_settings.from_json(imap, where),
    })
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """Refuse settings that cannot work. :raises InvalidInput: which one, and what it may be."""
    for name in ("backup_path", "cache_path", "state_path", "mailstore_path"):
        if not os.path.isabs(getattr(settings, name)) or "\0" in getattr(settings, name):
            raise InvalidInput(f"{name} is {getattr(settings, name)!r}; give an absolute path.")
    if settings.engine not in ENGINES:
        raise InvalidInput(f"engine is {settings.engine!r}; it may be {', '.join(ENGINES)}.")
    if not os.path.isabs(settings.carbonio_command) or "\0" in settings.carbonio_command:
        raise InvalidInput(f"carbonio_command is {settings.carbonio_command!r}; give an absolute path.")
    if settings.carbonio_timeout < 1:
        raise InvalidInput(f"carbonio_timeout is {settings.carbonio_timeout}; give at least 1 second.")
    if settings.mailstore_adapter not in ADAPTERS:
        raise InvalidInput(f"mailstore_adapter is {settings.mailstore_adapter!r}; it may be {', '.join(ADAPTERS)}.")
    if settings.imap is not None:
        imap_settings.check(settings.imap)
    elif settings.mailstore_adapter == IMAP:
        raise InvalidInput("mailstore_adapter is imap, and imap does not say how the mail server is reached.")
    for name in ("data_retention_days", "account_retention_days"):
        days(getattr(settings, name), name)
    if not 1 <= settings.purge_grace_days <= MOST_DAYS:
        raise InvalidInput(
            f"purge_grace_days is {settings.purge_grace_days}; give at least 1: restores that run need the files."
        )
    for name, known in (("smtp_security", SECURITIES), ("notification_level", LEVELS)):
        if getattr(settings, name) not in known:
            raise InvalidInput(f"{name} is {getattr(settings, name)!r}; it may be {', '.join(known)}.")
    named = [name for name in ENCRYPTION_KEYS if getattr(settings, name)]
    if len(named) > 1:
        raise InvalidInput(f"The master key is to come from {' and from '.join(named)}; set one of them alone.")
    for name in ("encryption_key_file", "witness_path"):
        path = getattr(settings, name)
        if path and (not os.path.isabs(path) or "\0" in path):
            raise InvalidInput(f"{name} is {path!r}; give an absolute path.")
    if settings.witness_path and _within(settings.witness_path, settings.backup_path):
        raise InvalidInput(
            f"witness_path {settings.witness_path} is in the Backup Path, and is lost with it; choose another place."
        )
    volume = settings.backup_volume
    if volume.type not in VOLUME_TYPES:
        raise InvalidInput(f"The backup volume's type is {volume.type!r}; it may be {', '.join(VOLUME_TYPES)}.")
    if volume.type == "local" and (not os.path.isabs(volume.path) or "\0" in volume.path):
        raise InvalidInput("A local backup volume needs an absolute path.")
    if volume.type == "local" and _within(volume.path, settings.backup_path):
        raise InvalidInput(
            f"The backup volume {volume.path} is in the Backup Path {settings.backup_path}, where no copy of it is "
            "safe; choose a directory elsewhere, best on another disk."
        )
    if volume.type == "s3" and not volume.bucket_configuration_id:
        raise InvalidInput("A backup volume in a bucket needs a bucket_configuration_id; listBuckets shows those.")
    moment.zone(settings.time_zone)


def _within(path: str, directory: str) -> bool:
    inner, outer = os.path.realpath(path), os.path.realpath(directory)
    return os.path.commonpath((inner, outer)) == outer


def load(path: str) -> Settings:
    """Read a settings file.

    :raises NotFound: there is none. :raises InvalidInput: it is no settings file. :raises Refused: no permission.
    """
    try:
        with open(path, encoding="utf-8") as file:
            record = foreign.parse(file.read())
    except FileNotFoundError as error:
        raise NotFound(f"{path} does not exist; write it with the backup_config module or name another.") from error
    except ValueError as error:
        raise InvalidInput(f"{path} is not JSON ({error}); write it with the backup_config module.") from error
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}); run this as the user that owns it.") from error
    return from_json(record, path)


def save(path: str, settings: Settings) -> None:
    """Write a settings file. :raises Refused: it cannot be written."""
    write(path, settings.to_json())


def write(path: str, record: Any) -> None:
    """Write a JSON file, whole or not at all, readable by its owner only.

    :raises Refused: it cannot be written.
    """
    temporary = f"{path}.{secrets.token_hex(4)}.part"
    try:
        make_directories(os.path.dirname(path))
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(record, file, indent=2, sort_keys=True)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_directory(os.path.dirname(path))
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise Refused(f"{path} cannot be written ({error.strerror}); check the directory's owner and space.") from error
