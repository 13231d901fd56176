# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Purge and legal hold from a playbook: check, run, check again, run again, and with bad input."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from playbook_kit import Task, run_tasks

STEPS = ("check", "run", "check again", "run again")
PLACES = ("backup_path", "cache_path", "state_path", "mailstore_path")
BAD = {
    "a retention that is no number": ("purge", {"purge_days": "ten"}, "whole number of days"),
    "a negative retention": ("purge", {"purge_days": "-1"}, "whole number of days"),
    "a path without a backup": ("purge", {"backup_path": "/nonexistent"}, "holds no backup"),
    "an unknown account": ("legal_hold", {"accounts": ["nobody@example.com"]}, "knows no account"),
    "an unknown account to ask for": ("legal_hold_info", {"accounts": ["nobody"]}, "knows no account"),
    "a setting that is no retention": ("backup_config", {"data_retention_days": -5}, "data_retention_days is -5"),
}


def old_deletion(path: Path, store: EmbeddedStore) -> str:
    """Begin a backup with what came and went in one mailbox long ago; return its address."""
    account = next(entry for entry in store.entries(kinds.ACCOUNT))
    state = next(one for one in store.changes(account.entry_id).items if one.kind == kinds.MESSAGE)
    with contextlib.closing(Repository.create(str(path), store.server_id())) as repository:
        with repository.writer() as writer:
            for number in range(5):
                item, at = f"old-{number}", moment.now() - (50 - number) * 86_400_000
                writer.append(account.entry_id, item, kinds.MESSAGE, state._replace(item_id=item), at)
                writer.append(account.entry_id, item, kinds.MESSAGE, None, at + 1000)
            writer.commit()
    return account.name


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Task]:
    """What became of each task, by its name."""
    root = tmp_path_factory.mktemp("care")
    config = root / "etc" / "restante.json"
    (root / "archive").mkdir()
    with contextlib.closing(EmbeddedStore.create(str(root / "mailstore_path"))) as store:
        sample.fill(store, messages=10)
        address = old_deletion(root / "backup_path", store)
    first = run_tasks([
        {"restante.carbonio.backup_config": {name: str(root / name) for name in PLACES}},
        {"restante.carbonio.backup_volume": {"type": "local", "path": str(root / "archive")}},
        {"restante.carbonio.smartscan": {}},
    ], root, config_file=config)
    assert first.status == 0, first.output
    hold: dict[str, Any] = {"restante.carbonio.legal_hold": {"accounts": [address]}}
    lift: dict[str, Any] = {"restante.carbonio.legal_hold": {"accounts": ["all"], "state": "absent"}}
    # Between the old deletions and the scan nothing was recorded for weeks, as if the clock had leapt.
    purge: dict[str, Any] = {"restante.carbonio.purge": {"trust_clock": True}}
    tasks: list[dict[str, Any]] = []
    for name, task in (("hold", hold), ("purge on hold", purge), ("lift", lift), ("purge", purge)):
        for step in STEPS if name in ("hold", "purge") else STEPS[1:2]:
            tasks.append({"name": f"{name}: {step}", **task, "check_mode": step.startswith("check"), "diff": True})
        if task is purge:
            tasks.append({"name": f"after {name}", "restante.carbonio.legal_hold_info": {}})
    tasks += [
        {"name": name, f"restante.carbonio.{module}": given, "ignore_errors": True}
        for name, (module, given, _sentence) in BAD.items()
    ]
    done = run_tasks(tasks, root, config_file=config)
    results = {task.name: task for task in done.tasks}
    assert set(results) == {task["name"] for task in tasks}, done.output
    return results


@pytest.mark.parametrize("case", ["hold", "purge"])
def test_check_mode_says_what_the_run_does_and_a_second_run_does_nothing(told: Mapping[str, Task], case: str) -> None:
    steps = [told[f"{case}: {step}"] for step in STEPS]
    assert [step.outcome for step in steps] == ["ok"] * 4, steps
    assert [step.changed for step in steps] == [True, True, False, False]
    assert steps[0].result["diff"] and steps[1].result["diff"]


def test_a_hold_keeps_a_purge_away(told: Mapping[str, Task]) -> None:
    """R-242, R-243."""
    assert not told["purge on hold: run"].changed
    held = [row["name"] for row in told["after purge on hold"].result["accounts"] if row["held"]]
    assert held == told["purge on hold: run"].result["report"]["held_accounts"] and len(held) == 1
    assert told["lift: run"].changed and not any(row["held"] for row in told["after purge"].result["accounts"])


def test_a_purge_tells_what_went(told: Mapping[str, Task]) -> None:
    """R-233."""
    planned, done = told["purge: check"].result, told["purge: run"].result
    assert planned["report"]["purged_items"] == done["report"]["purged_items"] == 5
    assert "5 items" in planned["plan"][0] and "Purged items: 5" in done["stats"]


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_a_sentence(told: Mapping[str, Task], case: str) -> None:
    """R-240."""
    task = told[case]
    assert task.outcome == "failed" and BAD[case][2] in task.result["msg"], task.result
    assert "Traceback" not in json.dumps(task.result)
