# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drill from a playbook: check, run, when it is due; what is known of it; bad input; and its playbook."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from playbook_kit import PLAYBOOKS, Task, run, run_tasks

PLACES = ("backup_path", "cache_path", "state_path", "mailstore_path")
ACCOUNTS = [f"user{number}@example.com" for number in range(4)]
ALTER = "sed -i 's/FAILED/PASSED/' {path}/report.html"
BAD = {
    "no duration": ({"rto_target": "soon"}, "rto_target is 'soon'"),
    "no backup": ({"source": "backup_path", "source_path": "/nonexistent"}, "holds no backup"),
}


def fill(path: Path) -> None:
    """Make a mail store with a message in each mailbox."""
    with contextlib.closing(EmbeddedStore.create(str(path))) as store:
        store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        for number, name in enumerate(ACCOUNTS):
            store.create_entry(Entry(f"a-{number}", kinds.ACCOUNT, name))
            state = ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000, flags="u")
            store.write_items(f"a-{number}", [NewItem("", state, f"Subject: to {name}\r\n\r\n".encode())])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the node is."""
    return tmp_path_factory.mktemp("drilled")


@pytest.fixture(scope="module")
def told(root: Path) -> Mapping[str, Task]:
    """What became of each task, by its name."""
    (root / "archive").mkdir()
    fill(root / "mailstore_path")
    drill: dict[str, Any] = {"sample": "50%", "rto_target": "1h", "rpo_target": "1d"}
    tasks: list[dict[str, Any]] = [
        {"restante.carbonio.backup_config": {name: str(root / name) for name in PLACES}},
        {"restante.carbonio.backup_volume": {"type": "local", "path": str(root / "archive")}},
        {"restante.carbonio.smartscan": {}},
        {"name": "check", "restante.carbonio.drill": drill, "check_mode": True, "diff": True},
        {"name": "nothing yet", "restante.carbonio.drill_info": {}},
        {"name": "run", "restante.carbonio.drill": {**drill, "seed": "s"}, "register": "first", "diff": True},
        {"name": "check whether it is due", "restante.carbonio.drill": {**drill, "due_after_days": 7},
         "check_mode": True},
        {"name": "run where none is due", "restante.carbonio.drill": {**drill, "due_after_days": 7}},
        {"name": "miss", "restante.carbonio.drill": {**drill, "rto_target": "0.001s"}, "ignore_errors": True},
        {"name": "miss and go on", "register": "missed",
         "restante.carbonio.drill": {**drill, "rto_target": "0.001s", "fail_on_failure": False}},
        {"name": "genuine", "restante.carbonio.drill_info": {"verify": "{{ missed.report_path }}"}},
        {"ansible.builtin.command": ALTER.format(path="{{ missed.report_path }}")},
        {"name": "altered", "restante.carbonio.drill_info": {"verify": "{{ missed.report_path }}"}},
        *(
            {"name": name, "restante.carbonio.drill": given, "ignore_errors": True}
            for name, (given, _sentence) in BAD.items()
        ),
    ]
    done = run_tasks(tasks, root, config_file=root / "etc" / "restante.json")
    results = {task.name: task for task in done.tasks}
    assert set(results) >= {task["name"] for task in tasks if "name" in task}, done.output
    return results


def test_check_mode_says_what_the_run_does_and_touches_nothing(told: Mapping[str, Task]) -> None:
    checked = told["check"]
    assert checked.changed and "all accounts" not in checked.result["plan"][1]
    assert "a sample of 50% accounts" in checked.result["plan"][1] and checked.result["diff"]["prepared"]
    assert told["nothing yet"].result["drills"] == [] and told["nothing yet"].result["public_key"] == ""


def test_a_run_leaves_a_report_and_says_what_it_came_to(told: Mapping[str, Task], root: Path) -> None:
    done = told["run"]
    assert done.changed and done.result["passed"] and done.result["reasons"] == []
    report = json.loads((Path(done.result["report_path"]) / "report.json").read_text("utf-8"))
    assert report["passed"] and report["extent"]["seed"] == "s" and report["extent"]["accounts_restored"] == 2
    assert report["id"] == done.result["operation_id"] and "has passed" in done.result["diff"]["prepared"]
    assert list((root / "cache_path" / "drills").iterdir()) == []


def test_where_none_is_due_nothing_is_done(told: Mapping[str, Task]) -> None:
    for name in ("check whether it is due", "run where none is due"):
        assert not told[name].changed and told[name].result["report_path"] == told["run"].result["report_path"]


def test_a_failed_drill_fails_the_task_unless_that_is_not_wanted(told: Mapping[str, Task]) -> None:
    assert told["miss"].outcome == "failed"
    assert "The drill has failed. The recovery took longer" in told["miss"].result["msg"]
    assert "The report is /" in told["miss"].result["msg"]
    assert told["miss and go on"].outcome == "ok" and not told["miss and go on"].result["passed"]


def test_what_is_known_of_the_drills_can_be_asked(told: Mapping[str, Task]) -> None:
    known = told["genuine"].result
    assert [one["passed"] for one in known["drills"]] == [True, False, False]
    assert "BEGIN PUBLIC KEY" in known["public_key"] and "restante_last_drill_success 0.0" in known["metrics"]
    assert known["verification"]["genuine"] and known["verification"]["signed"]
    altered = told["altered"].result["verification"]
    assert not altered["genuine"] and altered["altered"] == ["report.html"]


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_a_sentence(told: Mapping[str, Task], case: str) -> None:
    task = told[case]
    assert task.outcome == "failed" and BAD[case][1] in task.result["msg"], task.result
    assert "Traceback" not in json.dumps(task.result)


def test_the_playbook_brings_reports_to_the_controller_before_it_fails(told: Mapping[str, Task], root: Path) -> None:
    evidence = root / "evidence"
    given = {
        "drill_become": False, "drill_config_file": str(root / "etc" / "restante.json"), "drill_sample": "1",
        "drill_fetch_path": str(evidence),
    }
    site = root / "site.yml"
    site.write_text(json.dumps([
        {"import_playbook": f"{PLAYBOOKS}/{name}.yml"} for name in ("status", "drill")
    ]), encoding="utf-8")
    of_both = {"restante_config_file": given["drill_config_file"], "restante_become": False}
    passed = run(site, {**given, **of_both, "drill_report_path": str(root / "passed")}, root)
    assert passed.status == 0, passed.output
    status, _unused, drill = passed.summary().partition("Drill:")
    assert "node: done" in status and "node: done" in drill, passed.output
    (report,) = (root / "passed").iterdir()
    assert f"The report: {report}" in passed.summary() and "has passed" in passed.summary()
    planned = run(PLAYBOOKS / "drill.yml", given, root, "--check")
    assert planned.status == 0 and "compare every item with the backup" in planned.summary(), planned.output
    lost = run(PLAYBOOKS / "drill.yml", {**given, "drill_config_file": str(root / "none.json")}, root)
    assert lost.status != 0 and not lost.named("Drill") and str(root / "none.json") in lost.summary(), lost.output
    shutil.rmtree(evidence)
    failed = run(PLAYBOOKS / "drill.yml", {**given, "drill_rto_target": "0.001s"}, root)
    assert failed.status != 0 and "The drill of node has failed. The recovery took longer" in failed.summary()
    (root / "archive").rename(root / "away")
    away = run(PLAYBOOKS / "drill.yml", given, root)
    assert away.status != 0 and "The drill of node has failed." in away.summary()
    reports = sorted((evidence / "node").iterdir())
    assert len(reports) == 2
    for report in reports:
        assert {"report.html", "report.json", "SHA256SUMS", "SHA256SUMS.sig"} <= {one.name for one in report.iterdir()}
        assert json.loads((report / "report.json").read_text("utf-8"))["passed"] is False
