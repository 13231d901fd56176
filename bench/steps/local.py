# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SmartScan."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan

from . import main, masters


def scan(store_path: str, backup_path: str) -> Mapping[str, Any]:
    """Run SmartScan, the first one or a later one."""
    store = EmbeddedStore.open(store_path)
    if os.path.exists(backup_path):
        repository = Repository.open(backup_path, masters=masters())
    else:
        repository = Repository.create(backup_path, store.server_id(), masters=masters())
    with repository.writer() as writer:
        report = smart_scan(store, writer)
    return {"new_items": report.new_items}


if __name__ == "__main__":
    main(scan)
