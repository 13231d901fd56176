# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""External Restore into a mail server that speaks IMAP, what bounds it, and SmartScan of one."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import from_json
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import LocalBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.external import external_restore
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.session import Sides
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan

from . import main
from .histories import identifier
from .loops import divided
from .raw_imap import AT_ONCE, Connection, accounts_of, settings_of


def store(server: str, mirror: str | Path) -> ImapStore:
    """Open a mail server. :param server: a file with its settings, as JSON."""
    return ImapStore(str(mirror), from_json(json.loads(Path(server).read_bytes()), server))


def restore(server: str, backup: str, target: str, concurrent_accounts: str) -> Mapping[str, Any]:
    """Run an External Restore from the packs of a backup.

    :param target: a directory for the mirror and the Backup Path.
    """
    sides = Sides(
        source=lambda: Repository.open(backup), store=lambda: store(server, Path(target) / "mirror"), blobs=LocalBlobs,
        backup_path=str(Path(target) / "backup"),
    )
    report = external_restore(sides, ExternalOptions(concurrent_accounts=int(concurrent_accounts)))
    return {"messages": report.restored["message"], "unrestored": len(report.unrestored)}


def append_backup(server: str, backup: str, processes: str) -> Mapping[str, Any]:
    """Unpack and check the messages of a backup and put them into the INBOX of each account; record nothing."""
    def work(addresses: Sequence[str]) -> None:
        with contextlib.closing(Repository.open(backup)) as source:
            blobs = LocalBlobs(source)
            for address in addresses:
                connection = Connection(settings_of(server), address)
                states = [one.state for one in source.states(identifier(address)) if isinstance(one.state, ItemState)]
                digests = [state.digest for state in states if state.digest]
                for start in range(0, len(digests), AT_ONCE):
                    read = [content for _digest, content in blobs.read(digests[start:start + AT_ONCE])]
                    connection.append([content for content in read if isinstance(content, bytes)])
                connection.close()

    divided(accounts_of(server), int(processes), work)
    return {}


def scan(server: str, mirror: str, backup: str) -> Mapping[str, Any]:
    """Run SmartScan, the first one or a later one."""
    mails = store(server, mirror)
    there = os.path.exists(backup)
    repository = Repository.open(backup) if there else Repository.create(backup, mails.server_id())
    with repository.writer() as writer:
        report = smart_scan(mails, writer)
    mails.close()
    return {"new_items": report.new_items, "new_blobs": report.new_blobs}


if __name__ == "__main__":
    main(restore, append_backup, scan)
