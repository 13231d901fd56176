# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backing a mail server up, restoring it, and proving it, whatever opens it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import MailStore
from ansible_collections.restante.carbonio.plugins.module_utils.operations.report import RestoreReport
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import LocalBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.external import external_restore
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import map_name, read_import
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.session import Sides
from ansible_collections.restante.carbonio.plugins.module_utils.restore.verify import VerifyReport, verify
from ansible_collections.restante.carbonio.plugins.module_utils.scan.report import ScanReport
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan

Open = Callable[[], MailStore]


def scanned(store: Open, path: Path) -> ScanReport:
    """Back a mail server up."""
    with contextlib.closing(store()) as opened:
        if not (path / "format.json").exists():
            Repository.create(str(path), opened.server_id()).close()
        with contextlib.closing(Repository.open(str(path))) as repository, repository.writer() as writer:
            return smart_scan(opened, writer)


def restored(source: Path, store: Open, backup_path: Path, **options: Any) -> RestoreReport:
    """Restore a backup to a mail server. :param options: besides that of restoring system accounts too."""
    sides = Sides(lambda: Repository.open(str(source)), store, LocalBlobs, str(backup_path))
    return external_restore(sides, ExternalOptions(skip_system_accounts=False, **options))


def proven(source: Path, store: Open, backup_path: Path) -> VerifyReport:
    """Compare a mail server with what was restored to it."""
    with contextlib.closing(Repository.open(str(source))) as backup, contextlib.closing(store()) as opened:
        import_id, rows = read_import(str(backup_path / map_name(backup.server_id)))
        return verify(backup, opened, import_id, ids={row.source_id: row.destination_id for row in rows})
