# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The coherency check from a playbook: of a sound backup, of a damaged one, with fix in check mode and without."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from playbook_kit import Task, run_tasks

PLACES = ("backup_path", "cache_path", "state_path", "mailstore_path")
CHECK = "restante.carbonio.coherency_check"
INFO = "restante.carbonio.coherency_check_info"
BAD = {
    "a path without a backup": ({"backup_path": "/nonexistent"}, "holds no backup"),
    "an unknown account": ({"accounts": ["nobody@example.com"]}, "knows no account"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Task]:
    """What became of each task, by its name."""
    root = tmp_path_factory.mktemp("coherency")
    config = root / "etc" / "restante.json"
    (root / "archive").mkdir()
    with contextlib.closing(EmbeddedStore.create(str(root / "mailstore_path"))) as store:
        sample.fill(store, messages=10)
    before: list[dict[str, Any]] = [
        {"name": "configure", "restante.carbonio.backup_config": {name: str(root / name) for name in PLACES}},
        {"name": "archive", "restante.carbonio.backup_volume": {"type": "local", "path": str(root / "archive")}},
        {"name": "scan", "restante.carbonio.smartscan": {}},
        {"name": "sound", CHECK: {"fix": True, "archive": "contents", "compare_mailboxes": True}, "diff": True},
    ]
    first = run_tasks(before, root, config_file=config)
    assert first.status == 0, first.output
    largest = max((root / "backup_path").rglob("packs/*/*"), key=lambda path: path.stat().st_size)
    _flip(largest)
    fix: dict[str, Any] = {CHECK: {"fix": True}}
    after: list[dict[str, Any]] = [
        {"name": "damaged", CHECK: {}, "ignore_errors": True},
        {"name": "info damaged", INFO: {}},
        {"name": "fix: check", **fix, "check_mode": True, "diff": True},
        {"name": "fix: run", **fix, "diff": True},
        {"name": "fix: run again", **fix, "diff": True},
        *({"name": name, CHECK: given, "ignore_errors": True} for name, (given, _sentence) in BAD.items()),
    ]
    second = run_tasks(after, root, config_file=config)
    results = {task.name: task for task in (*first.tasks, *second.tasks)}
    assert {task["name"] for task in (*before, *after)} <= set(results), second.output
    return results


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_sound_backup_is_coherent_and_fix_changes_nothing(told: Mapping[str, Task]) -> None:
    """R-249, R-250."""
    assert told["sound"].outcome == "ok" and not told["sound"].changed and told["sound"].result["coherent"]
    assert told["sound"].result["report"]["mailbox_differences"] == 0


def test_damage_fails_the_task_and_is_told_to_whoever_asks(told: Mapping[str, Task]) -> None:
    assert told["damaged"].outcome == "failed" and "with fix" in told["damaged"].result["msg"]
    report = told["info damaged"].result["check"]["report"]
    assert report["faults"] == 1 and "@" in report["lost"][0]["account"]


def test_check_mode_says_what_fix_does_and_a_second_run_does_nothing(told: Mapping[str, Task]) -> None:
    """R-250."""
    steps = [told[f"fix: {step}"] for step in ("check", "run", "run again")]
    assert [step.outcome for step in steps] == ["ok"] * 3, steps
    assert [step.changed for step in steps] == [True, True, False]
    assert "is fetched from the archive" in steps[0].result["plan"][0]
    assert steps[1].result["report"]["mended"]["fetched_files"] == 1 and steps[1].result["diff"]


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_a_sentence(told: Mapping[str, Task], case: str) -> None:
    task = told[case]
    assert task.outcome == "failed" and BAD[case][1] in task.result["msg"], task.result
    assert "Traceback" not in json.dumps(task.result)
