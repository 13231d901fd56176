# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Items restored into their mailbox from a playbook: check, run, check again, run again, and with bad input."""

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
ANN = {"account": "ann@example.com"}
ALL = {**ANN, "start_date": "first", "end_date": "last"}
BAD: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "an unknown account": ("undelete", {**ALL, "account": "nobody"}, "no account 'nobody'"),
    "an unknown item": ("item_restore", {**ANN, "item_id": "999999"}, "knows no item 999999"),
    "no date": ("undelete", {**ALL, "end_date": "tomorrow"}, "is not a date"),
    "no folder": ("item_restore", {**ANN, "item_id": "257", "restore_folder": "/../x"}, "is no folder"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Task]:
    """What became of each task, by its name: a mailbox has lost three messages."""
    root = tmp_path_factory.mktemp("items")
    config = root / "etc" / "restante.json"
    messages = [
        NewItem("", ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000), b"Subject: %d\n\nhello" % number)
        for number in range(3)
    ]
    with contextlib.closing(EmbeddedStore.create(str(root / "mailstore_path"))) as store:
        store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("ann", kinds.ACCOUNT, "ann@example.com"))
        ids = [written.item_id for written in store.write_items("ann", messages)]
    first = run_tasks([
        {"restante.carbonio.backup_config": {name: str(root / name) for name in PLACES}},
        {"restante.carbonio.smartscan": {}},
    ], root, config_file=config)
    assert first.status == 0, first.output
    with contextlib.closing(EmbeddedStore.open(str(root / "mailstore_path"))) as store:
        store.delete_items("ann", ids)
    given = {"item_restore": {**ANN, "item_id": ids[0]}, "undelete": ALL}
    tasks: list[dict[str, Any]] = [
        {
            "name": f"{module}: {step}", f"restante.carbonio.{module}": arguments,
            "check_mode": step.startswith("check"), "diff": True,
        }
        for module, arguments in given.items() for step in STEPS
    ]
    tasks += [
        {"name": name, f"restante.carbonio.{module}": arguments, "ignore_errors": True}
        for name, (module, arguments, _sentence) in BAD.items()
    ]
    done = run_tasks(tasks, root, config_file=config)
    results = {task.name: task for task in done.tasks}
    assert set(results) == {task["name"] for task in tasks}, done.output
    return results


@pytest.mark.parametrize(("module", "messages"), [("item_restore", 1), ("undelete", 2)])
def test_check_mode_says_what_the_run_does_and_a_second_run_does_nothing(
    told: Mapping[str, Task], module: str, messages: int
) -> None:
    """R-036, R-037, R-080, R-090: the undelete leaves out what the item restore has brought back."""
    steps = [told[f"{module}: {step}"] for step in STEPS]
    assert [step.outcome for step in steps] == ["ok"] * 4, steps
    assert [step.changed for step in steps] == [True, True, False, False]
    check, run, check_again, again = (step.result for step in steps)
    assert f"restore {messages} x message" in check["plan"] and check["diff"]["prepared"]
    assert run["report"]["restored"]["message"] == messages and run["diff"]["prepared"] == run["stats"]
    if module == "item_restore":  # the deletions are not recorded yet
        assert "is scanned first" in check["plan"][-1]
    assert not check_again["diff"]["prepared"] and not again["diff"]["prepared"]
    assert not again["report"]["restored"] and again["report"]["skipped"]["message"] >= 1


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_a_sentence(told: Mapping[str, Task], case: str) -> None:
    task = told[case]
    assert task.outcome == "failed" and BAD[case][2] in task.result["msg"], task.result
    assert "Traceback" not in json.dumps(task.result)
