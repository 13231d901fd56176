# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's engine, opened from its settings."""

from __future__ import annotations

import getpass
import importlib
import os
import platform
from collections.abc import Sequence

from ..archive.buckets import BucketRecord, BucketRegistry
from ..archive.directory import DirectoryArchive
from ..archive.port import Archive
from ..backup.repository import Repository
from ..mailstore.embedded import EmbeddedStore
from ..mailstore.port import MailStore
from ..model.errors import InvalidInput, NotABackup
from ..operations.notifications import MailSettings, Notifications
from ..operations.operation import Operations
from ..scan import alive
from ..scan.upload import THREADS as UPLOADS
from ..scan.upload import Uploader
from ..scan.witness import Witness
from . import master_key
from . import settings as settings_file
from .settings import EMBEDDED, IMAP, Settings


class Node:
    """What a settings file stands for. Each call opens anew; the caller closes."""

    def __init__(self, config_file: str, settings: Settings) -> None:
        self.config_file = config_file
        self.settings = settings
        self.buckets = BucketRegistry(os.path.join(os.path.dirname(config_file), settings_file.BUCKETS_FILE))
        self.operations = Operations(settings.state_path)
        self.initiator = _user()
        """Who starts operations: an address, or the name of a user of this node."""
        self._notifications: Notifications | None = None
        self._masters: Sequence[bytes] | None = None

    @classmethod
    def load(cls, config_file: str) -> Node:
        """Read the settings of a node. :raises NotFound, InvalidInput, Refused: they cannot be used."""
        return cls(config_file, settings_file.load(config_file))

    def store(self) -> MailStore:
        """Open the mail store. :raises NotFound: there is none."""
        own = self.settings
        if own.mailstore_adapter == IMAP and own.imap is not None:
            from ..mailstore.imap.store import ImapStore  # with its libraries, which others need not load

            return ImapStore(own.mailstore_path, own.imap)
        return EmbeddedStore.open(own.mailstore_path)

    def store_with_volumes(self) -> EmbeddedStore:
        """Open the mail store where that has volumes. :raises InvalidInput: it has none. :raises NotFound: as store."""
        if self.settings.mailstore_adapter != EMBEDDED:
            raise InvalidInput(
                f"The mail server of this node is reached by {self.settings.mailstore_adapter}: it has no volumes, no "
                "redo log and no deduplication that this could work on."
            )
        return EmbeddedStore.open(self.settings.mailstore_path)

    def repository(self, path: str = "") -> Repository:
        """Open a backup for reading: the node's own, or the one in a directory. :raises NotABackup: there is none."""
        return Repository.open(path or self.settings.backup_path, masters=self.masters())

    def masters(self) -> Sequence[bytes]:
        """Return the master keys: the first for backups that are made, any for those that are read. Empty where
        nothing is encrypted. Errors as master_key.of()."""
        if self._masters is None:
            self._masters = master_key.of(self.settings)
        return self._masters

    def initialised(self, server_id: str) -> Repository:
        """Open the node's own backup, which is made where there is none.

        :raises InvalidInput: the Backup Path belongs to another server (R-203).
        """
        path = self.settings.backup_path
        try:
            repository = self.repository()
        except NotABackup:
            if os.path.exists(os.path.join(path, "format.json")):
                raise
            return Repository.create(path, server_id, masters=self.masters())
        if repository.server_id != server_id:
            repository.close()
            raise InvalidInput(
                f"{path} is the Backup Path of the server {repository.server_id}, this one is {server_id}; choose a "
                "directory of its own for this node."
            )
        return repository

    def archive(self, server_id: str) -> Archive | None:
        """Return where the node's backup is archived; None where it is not."""
        volume = self.settings.backup_volume
        if volume.type == "local":
            return DirectoryArchive(volume.path, server_id)
        if volume.type == "s3":
            from ..archive.locked import bucket_archive  # with boto3, which others need not load

            record = self.bucket(volume.bucket_configuration_id)
            return bucket_archive(record.settings(volume.volume_prefix, server_id))
        return None

    def uploader(self, repository: Repository, archive: Archive, threads: int = UPLOADS) -> Uploader:
        """Return what sends the node's own backup to its archive, writes down what has arrived, and gives signs of
        life."""
        witness = Witness(repository.files, archive, self.settings.witness_path)
        return Uploader(repository, archive, threads, witness, sign_every=alive.EVERY)

    def bucket(self, name: str) -> BucketRecord:
        """Return the bucket configuration with an id or a label. :raises NotFound: there is none."""
        return self.buckets.find(name) or self.buckets.get(name)

    def notifications(self) -> Notifications:
        """Return the node's notifications, mailed where an SMTP server is set; the same ones at each call."""
        if self._notifications is None:
            own = self.settings
            self._notifications = Notifications(own.state_path, self._mail() if own.smtp_host else None)
        return self._notifications

    def _mail(self) -> MailSettings:
        own = self.settings
        administrators = [address.strip() for address in own.administrator.split(",")]
        return MailSettings(
            host=own.smtp_host,
            sender=own.smtp_sender or administrators[0] or f"restante@{platform.node()}",
            recipients=(*administrators, self._initiators_address()),
            port=own.smtp_port,
            security=own.smtp_security,
            ca_file=own.smtp_ca_file,
            username=own.smtp_username,
            password=own.smtp_password,
            level=own.notification_level,
        )

    def _initiators_address(self) -> str:
        """Return the address of who starts operations, empty where none is known (R-006)."""
        domain = self.settings.initiator_domain
        if self.initiator and domain and "@" not in self.initiator:
            return f"{self.initiator}@{domain}"
        return self.initiator if "@" in self.initiator else ""


def import_adapters() -> None:
    """Import all that a node imports when it is wanted first.

    For a process that outlives the task which starts it: the file that Ansible runs a task from is gone with it, and
    with that all that is not imported.
    """
    for name in ("mailstore.imap.store", "archive.locked"):
        importlib.import_module(f"..{name}", __package__)


def check_host(name: str) -> None:
    """Refuse the name of another host than this one. :raises InvalidInput: it is one."""
    own = platform.node().lower()
    if name.lower() not in ("", "localhost", "127.0.0.1", own, own.partition(".")[0]):
        raise InvalidInput(
            f"This is {own}, and a command works where it is typed: type this command on {name}, or use a playbook."
        )


def _user() -> str:
    """Return who runs this, even where that is done as another user."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return ""
