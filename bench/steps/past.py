# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions to the catalogue about the past."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.restore.search import ALL, Criteria, search

from . import main
from .histories import DAY, YEAR, YEAR_START, account


def state_at(backup_path: str) -> Mapping[str, Any]:
    """Ask for one item's state at a moment half a year back."""
    repository = Repository.open(backup_path)
    started = time.monotonic()
    largest = account(0).entry_id
    found = repository.state(largest, "300", YEAR_START + YEAR // 2)
    return {"found": found is not None, "asking": time.monotonic() - started}


def deleted_between(backup_path: str) -> Mapping[str, Any]:
    """Ask for what was deleted in the largest account within one day."""
    repository = Repository.open(backup_path)
    started = time.monotonic()
    largest = account(0).entry_id
    start = YEAR_START + 200 * DAY
    found = sum(1 for _deletion in repository.deleted_between(largest, start, start + DAY))
    return {"found": found, "asking": time.monotonic() - started}


def text_search(backup_path: str) -> Mapping[str, Any]:
    """Look for a text among the items of the largest account, deleted ones too: each of them is looked at."""
    repository = Repository.open(backup_path)
    started = time.monotonic()
    largest = account(0).entry_id
    found = sum(1 for _match in search(repository, largest, Criteria(text="Message 77 of", filter=ALL)))
    return {"found": found, "asking": time.monotonic() - started, "of": ", in the largest account, of a tenth of all"}


if __name__ == "__main__":
    main(state_at, deleted_between, text_search)
