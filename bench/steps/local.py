# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine's work that stays on one machine."""

from __future__ import annotations

import ctypes
import os
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
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


def largest_account(repository: Repository) -> str:
    """Return the account that bench/steps/data.py filled most: user0."""
    for transaction in repository.entries(kinds.ACCOUNT):
        if transaction.state is not None and transaction.state.name.startswith("user0@"):
            return transaction.scope
    raise SystemExit("this Backup Path is none of bench/steps/data.py")


def state_at(backup_path: str) -> Mapping[str, Any]:
    """Ask for one item's state at a moment half a year back."""
    repository = Repository.open(backup_path)
    started = time.monotonic()
    account = largest_account(repository)
    first, last = repository.span() or (0, 0)
    found = repository.state(account, "300", (first + last) // 2)
    return {"found": found is not None, "asking": time.monotonic() - started}


def deleted_between(backup_path: str) -> Mapping[str, Any]:
    """Ask for what was deleted in the largest account within one day."""
    repository = Repository.open(backup_path)
    started = time.monotonic()
    account = largest_account(repository)
    first, last = repository.span() or (0, 0)
    day = random.Random(1).randrange(first, last - 86_400_000)
    found = sum(1 for _deletion in repository.deleted_between(account, day, day + 86_400_000))
    return {"found": found, "asking": time.monotonic() - started}


if __name__ == "__main__":
    main(scan, write_files, state_at, deleted_between)
