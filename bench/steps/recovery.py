# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""External Restore, and what bounds it from a bucket. Credentials come from the environment, as boto3 takes them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import ArchiveBlobs, Blobs, LocalBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.external import external_restore
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.session import Sides

from . import main, masters
from .bucket import archive
from .loops import divided, sync


def restore(
    endpoint: str, bucket: str, prefix: str, directory: str, target: str, concurrent_accounts: str
) -> Mapping[str, Any]:
    """Run an External Restore into a new, empty mail server, its redo log off as the recovery playbook has it.

    :param bucket: where the contents are; empty: in the directory itself.
    :param target: a directory for the mail server, the Backup Path and the cache.
    """
    store_path = str(Path(target) / "store")
    store = EmbeddedStore.create(store_path)
    store.set_redo_log(False)
    store.close()

    def blobs(source: Repository) -> Blobs:
        if not bucket:
            return LocalBlobs(source)
        return ArchiveBlobs(source, archive(endpoint, bucket, prefix), str(Path(target) / "cache"))

    sides = Sides(
        source=lambda: Repository.open(directory, masters=masters()),
        store=lambda: EmbeddedStore.open(store_path),
        blobs=blobs,
        backup_path=str(Path(target) / "backup"),
    )
    report = external_restore(sides, ExternalOptions(concurrent_accounts=int(concurrent_accounts)))
    return {"messages": report.restored["message"], "unrestored": len(report.unrestored)}


def fetch_files(
    endpoint: str, bucket: str, prefix: str, directory: str, target: str, processes: str
) -> Mapping[str, Any]:
    """Fetch the contents of a backup from a bucket as a restore does, unpack and check them, write each into a file,
    and make them durable.

    :param directory: the retrieved metadata of the backup.
    """
    def write(accounts: Sequence[str]) -> None:
        with contextlib.closing(Repository.open(directory)) as backup:
            blobs = ArchiveBlobs(backup, archive(endpoint, bucket, prefix))
            for account in accounts:
                there = Path(target) / account
                there.mkdir()
                states = [one.state for one in backup.states(account) if isinstance(one.state, ItemState)]
                for digest, content in blobs.read([state.digest for state in states if state.digest]):
                    if isinstance(content, Exception):
                        raise content
                    (there / digest).write_bytes(content)

    Path(target).mkdir()
    with contextlib.closing(Repository.open(directory)) as whole:
        accounts = whole.scopes()
    divided(accounts, int(processes), write)
    sync(target)
    return {}


if __name__ == "__main__":
    main(restore, fetch_files)
