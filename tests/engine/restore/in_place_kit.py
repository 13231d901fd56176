# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single items and intervals restored into the mailbox that they are from."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.operations.report import RestoreReport
from ansible_collections.restante.carbonio.plugins.module_utils.restore.in_place import (
    InPlacePlan,
    Outstanding,
    outstanding,
    restore_in_place,
)
from ansible_collections.restante.carbonio.plugins.module_utils.restore.item import plan_item
from ansible_collections.restante.carbonio.plugins.module_utils.restore.undelete import Interval, plan_undelete
from copy_kit import Server
from restore_kit import NO_WAIT

ANNA, ACCOUNT, TRASH = "anna@example.com", "a-anna", "3"
TODAY = datetime(2026, 11, 24)
TAG = "undelete_24_11_26"


def change(server: Server, item_id: str, **fields: Any) -> None:
    """Change an item, and scan."""
    with server.changed() as store:
        store.update_item(ACCOUNT, store.item(ACCOUNT, item_id)._replace(**fields))


def delete(server: Server, *item_ids: str) -> None:
    """Delete items, and scan."""
    with server.changed() as store:
        store.delete_items(ACCOUNT, list(item_ids))


def tick() -> int:
    """Return a moment between two scans, UTC milliseconds."""
    time.sleep(0.003)
    now = time.time_ns() // 1_000_000
    time.sleep(0.003)
    return now


def item_plan(server: Server, item_id: str, **options: Any) -> InPlacePlan:
    with contextlib.closing(server.backup()) as source, contextlib.closing(server.store()) as store:
        return plan_item(source, store, server.backup_path, server.entry(ANNA), item_id, **options)


def restore_item(server: Server, item_id: str, **options: Any) -> RestoreReport:
    return apply(server, lambda source, store: plan_item(
        source, store, server.backup_path, server.entry(ANNA), item_id, **options
    ))


def undelete(server: Server, *interval: Any, today: datetime = TODAY, **options: Any) -> RestoreReport:
    """Undelete; without an interval all that there is."""
    return apply(
        server, lambda source, store: plan_undelete(source, server.entry(ANNA), Interval(*interval), today, **options)
    )


def left(server: Server, *interval: Any, today: datetime = TODAY, **options: Any) -> Outstanding:
    """What undelete() would write."""
    with contextlib.closing(server.backup()) as source, contextlib.closing(server.store()) as store:
        planned = plan_undelete(source, server.entry(ANNA), Interval(*interval), today, **options)
        return outstanding(source, store, server.backup_path, planned)


def apply(server: Server, planner: Any) -> RestoreReport:
    with contextlib.closing(server.backup()) as source, contextlib.closing(server.store()) as store:
        planned = planner(source, store)
        foretold = outstanding(source, store, server.backup_path, planned)
        report = restore_in_place(server.sides(), planned, patience=NO_WAIT)
    if not report.unrestored:
        assert dict(report.restored) == dict(foretold.items), "the plan did not say what the run has done"
    return report


def paths(server: Server, kind: str = "message", folder: str = "") -> list[str]:
    """Where the items of a kind are; with a folder, those in it and below."""
    states = server.states(ANNA)

    def path(item_id: str) -> str:
        state = states.get(item_id)
        return f"{path(state.folder)}/{state.name}" if state is not None and state.folder else ""

    found = sorted(path(state.folder) for state in states.values() if state.kind == kind)
    return [one for one in found if one.startswith(folder)]
