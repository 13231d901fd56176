# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the two scenarios of the S3 recovery have in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROLE = Path(__file__).resolve().parents[3] / "roles" / "s3_recovery"


def steps() -> Iterator[dict[str, Any]]:
    """Yield the tasks of the role, in their order, those of blocks too."""
    def flat(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for task in tasks:
            yield task
            for part in ("block", "rescue", "always"):
                yield from flat(task.get(part, []))

    return flat(yaml.safe_load((ROLE / "tasks" / "main.yml").read_text(encoding="utf-8")))


def test_the_scenarios_differ_only_in_where_metadata_and_mail_come_from() -> None:
    """R-171."""
    asked = {
        step["name"]: [name for name, value in step.get("vars", {}).items() if "s3_recovery_scenario" in str(value)]
        for step in steps()
    }
    assert {name: variables for name, variables in asked.items() if variables} == {
        "Bring the metadata": ["metadata_retrieve_scenario"], "Restore": ["external_restore_bucket"],
    }
    assert not [step["name"] for step in steps() if "s3_recovery_scenario" in str(step.get("when", ""))]


@pytest.mark.parametrize(("scenario", "bucket"), [("unavailable_node", "a"), ("decommissioned_node", "")])
def test_the_bucket_is_asked_for_mail_only_where_the_backup_path_is_lost(scenario: str, bucket: str) -> None:
    """R-171, R-183."""
    [restore] = [step for step in steps() if step["name"] == "Restore"]
    given = jinja2.Template(restore["vars"]["external_restore_bucket"]).render(
        s3_recovery_scenario=scenario, s3_recovery_bucket_label="a"
    )
    assert given == bucket
