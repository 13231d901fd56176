# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/recovery_rehearsal.yml: the real backup in a scratch store, and its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playbook_kit import PLAYBOOKS, run
from recovery_kit import NodeA, recovery_variables

PLACES = ("restore", "cache", "backup", "state", "mailstore")


def drill_variables(node_a: NodeA, place: Path) -> dict[str, Any]:
    """Return the variables of a drill: those of the recovery without its paths."""
    given = recovery_variables(node_a, place)
    for name in (*(f"{place}_path" for place in PLACES), "config_file", "command_path", "mailstore_create",
                 "backup_volume"):
        given.pop(f"s3_recovery_{name}")
    return {**given, "drill_path": str(place)}


def test_the_rehearsal_restores_proves_and_reports(node_a: NodeA, tmp_path: Path) -> None:
    place = tmp_path / "scratch" / "drill"
    (place / "mailstore").mkdir(parents=True)
    (place / "mailstore" / "store.sqlite").write_text("left by an earlier drill")
    given = drill_variables(node_a, place)
    inventory = tmp_path / "place.json"
    inventory.write_text(json.dumps({"all": {"vars": {"drill_path": given.pop("drill_path")}}}), encoding="utf-8")
    done = run(PLAYBOOKS / "recovery_rehearsal.yml", given, tmp_path, "-i", str(inventory))
    assert done.status == 0, done.output
    report = json.loads((place / "report.json").read_text(encoding="utf-8"))
    assert report["passed"] is True
    assert report["expected"] == report["verified"]
    assert report["expected"]["message"] == report["restored"]["message"] == node_a.held["message"]
    assert report["unrestored"] == {} and report["differences"] == []
    assert report["rto_seconds"]["total"] > 0
    assert isinstance(report["rpo_seconds"], float), "how old the backup was, in seconds"


def test_the_rehearsal_refuses_to_write_anywhere_else(node_a: NodeA, tmp_path: Path) -> None:
    place, real = tmp_path / "scratch" / "drill", tmp_path / "real"
    given = {**drill_variables(node_a, place), "s3_recovery_mailstore_path": str(real)}
    done = run(PLAYBOOKS / "recovery_rehearsal.yml", given, tmp_path)
    assert done.status != 0
    assert "writes below" in done.output
    assert not real.exists() and not place.exists()
