# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts restored from a playbook: check, run, check again, run again, and with bad input."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from playbook_kit import Task, run_tasks

STEPS = ("check", "run", "check again", "run again")
PLACES = ("backup_path", "cache_path", "state_path", "mailstore_path")
GIVEN: Mapping[str, Mapping[str, Any]] = {
    "new_account_restore": {
        "source_account": "ann@example.com", "destination_account": "copy@example.com", "hide_in_gal": True,
        "undelete": True,
    },
    "account_restore": {"account": "ben@example.com"},
}
NEW = GIVEN["new_account_restore"]
BAD: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "an unknown account": ("new_account_restore", {**NEW, "source_account": "nobody"}, "knows no account 'nobody'"),
    "no date": ("new_account_restore", {**NEW, "date": "yesterday"}, "is not a date"),
    "an account that is not deleted": ("account_restore", {"account": "ann@example.com"}, "is not deleted"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Task]:
    """What became of each task, by its name: an account has lost a message, another is deleted."""
    root = tmp_path_factory.mktemp("accounts")
    config = root / "etc" / "restante.json"
    message = NewItem("", ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000), b"Subject: x\n\nhello")
    with contextlib.closing(EmbeddedStore.create(str(root / "mailstore_path"))) as store:
        store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        for name in ("ann", "ben"):
            store.create_entry(Entry(name, kinds.ACCOUNT, f"{name}@example.com", {"displayName": (name,)}))
            written = store.write_items(name, [message])
    first = run_tasks([
        {"restante.carbonio.backup_config": {name: str(root / name) for name in PLACES}},
        {"restante.carbonio.smartscan": {}},
    ], root, config_file=config)
    assert first.status == 0, first.output
    with contextlib.closing(EmbeddedStore.open(str(root / "mailstore_path"))) as store:
        store.delete_items("ann", [written[0].item_id])
        store.delete_entry(kinds.ACCOUNT, "ben")
    tasks: list[dict[str, Any]] = [
        {"name": name, f"restante.carbonio.{module}": given, "ignore_errors": True}
        for name, (module, given, _sentence) in BAD.items()
    ]
    tasks += [
        {
            "name": f"{module}: {step}", f"restante.carbonio.{module}": given,
            "check_mode": step.startswith("check"), "diff": True, "vars": {"restante_progress_seconds": 0},
        }
        for module, given in GIVEN.items() for step in STEPS
    ]
    tasks += [
        {"name": name, "restante.carbonio.config_info": {"level": "account", "name": f"{name}@example.com"}}
        for name in ("ann", "ben", "copy")
    ]
    done = run_tasks(tasks, root, config_file=config)
    results = {task.name: task for task in done.tasks}
    assert set(results) == {task["name"] for task in tasks}, done.output
    return results


@pytest.mark.parametrize("module", GIVEN)
def test_check_mode_says_what_the_run_does_and_a_second_run_does_nothing(
    told: Mapping[str, Task], module: str
) -> None:
    """R-044, R-071."""
    steps = [told[f"{module}: {step}"] for step in STEPS]
    assert [step.outcome for step in steps] == ["ok"] * 4, steps
    assert [step.changed for step in steps] == [True, True, False, False]
    check, run, _check, again = (step.result for step in steps)
    assert check["diff"] and run["diff"] and check["plan"][0].startswith("create account ")
    assert "restore 1 x message" in check["plan"] and run["report"]["restored"]["message"] == 1
    assert again["report"]["skipped"]["message"] == 1 and not again["report"]["restored"] and not again["operation_id"]
    assert run["stats"].startswith("- stats -\n") and run["operation_id"]


def test_the_accounts_are_what_they_were(told: Mapping[str, Task]) -> None:
    """R-012, R-046, R-049, R-071: seen by a dump of their attributes."""
    assert told["account_restore: run"].result["account"] == {"id": "ben", "name": "ben@example.com"}
    copy = told["new_account_restore: run"].result["account"]
    assert copy["name"] == "copy@example.com" and copy["id"] != "ann"
    dumped = {name: told[name].result["attributes"] for name in ("ann", "ben", "copy")}
    assert dumped["copy"] == {**dumped["ann"], "zimbraHideInGal": "TRUE"}
    assert dumped["ben"]["displayName"] == "ben"


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_a_sentence(told: Mapping[str, Task], case: str) -> None:
    """R-063, R-064."""
    task = told[case]
    assert task.outcome == "failed" and BAD[case][2] in task.result["msg"], task.result
    assert "Traceback" not in json.dumps(task.result)
