# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Realtime Scanner, started and stopped by a playbook."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import realtime
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings
from playbook_kit import Task, run_tasks

STEPS = ("check", "run", "check again", "run again")


@pytest.fixture
def config_file(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "etc" / "restante.json"
    places = {name: str(tmp_path / name) for name in ("backup_path", "cache_path", "state_path", "mailstore_path")}
    settings_file.save(str(file), Settings(**places, realtime_scanner=False))
    EmbeddedStore.create(places["mailstore_path"]).close()
    yield file
    realtime.stop(Node.load(str(file)))


def test_a_playbook_starts_and_stops_it_once(config_file: Path, tmp_path: Path) -> None:
    """R-222."""
    def four_times(case: str, **options: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": f"{case}: {step}", "restante.carbonio.realtime_scanner": options,
                "check_mode": step.startswith("check"), "diff": True,
            }
            for step in STEPS
        ]

    follows = {
        "name": "follows", "restante.carbonio.realtime_scanner_info": {}, "register": "realtime",
        "until": "realtime.status.state == 'following'", "retries": 30, "delay": 1,
    }
    done = run_tasks(
        [*four_times("started", enabled=True), follows, *four_times("stopped", state="stopped")], tmp_path,
        config_file=config_file,
    )
    assert done.status == 0, done.output
    tasks: dict[str, Task] = {task.name: task for task in done.tasks}
    for case in ("started", "stopped"):
        assert [tasks[f"{case}: {step}"].changed for step in STEPS] == [True, True, False, False]
    assert tasks["started: check"].result["diff"] == {
        "before": {"enabled": False, "running": False}, "after": {"enabled": True, "running": True},
    }
    assert not tasks["follows"].changed
    status = tasks["follows"].result["status"]
    assert status["running"] and not status["gap"] and status["pid"] > 0
    status = tasks["stopped: run again"].result["status"]
    assert status["state"] == "stopped" and status["gap"] and status["enabled"]
