# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SmartScan, and the plain copy that a peer's download is completed with."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan

from . import main


def scan(store_path: str, backup_path: str) -> Mapping[str, Any]:
    """Run SmartScan, the first one or a later one."""
    store = EmbeddedStore.open(store_path)
    if os.path.exists(backup_path):
        repository = Repository.open(backup_path)
    else:
        repository = Repository.create(backup_path, store.server_id())
    with repository.writer() as writer:
        report = smart_scan(store, writer)
    return {"new_items": report.new_items}


def write_files(tree: str, target: str) -> Mapping[str, Any]:
    """Write the files of a tree anew and make them durable, with one syncfs for all: as cheaply as it can be done."""
    written = 0
    for folder, _names, files in os.walk(tree):
        there = Path(target) / Path(folder).relative_to(tree)
        there.mkdir(parents=True)
        for name in files:
            content = (Path(folder) / name).read_bytes()
            (there / name).write_bytes(content)
            written += len(content)
    directory = os.open(target, os.O_RDONLY)
    ctypes.CDLL(None).syncfs(directory)
    os.close(directory)
    return {"bytes": written}


if __name__ == "__main__":
    main(scan, write_files)
