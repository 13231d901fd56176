# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module, as a playbook runs it: check, run, check again, run again, all on one node in one playbook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from playbook_kit import Task, run_tasks
from recovery_kit import BUCKET, NodeA, make_bucket

CHECK, RUN, AGAIN = "check", "run", "again"
STEPS = (CHECK, RUN, f"{CHECK} {AGAIN}", f"{RUN} {AGAIN}")
CHANGING = (
    "backup_config", "command_line", "bucket", "backup_volume", "volume", "redo_log", "restore_tuning",
    "mailstore_import", "mailstore_export", "smartscan", "metadata_retrieve", "copied Backup Path", "external_restore",
    "deduplicate", "restored tuning", "deleted volume", "forgotten bucket",
)
READING = (
    "backup_config_info", "bucket_info", "volume_info", "backup_info", "operation_info", "restore_verify_info",
)


class Modules(NamedTuple):
    """What became of all tasks, by the name of the case and the step."""

    tasks: Mapping[tuple[str, str], Task]
    output: str


def cases(root: Path, node_a: NodeA) -> dict[str, dict[str, Any]]:
    """Return the tasks by the name of the case, in the order of the playbook."""
    s3 = {
        "provider": "CustomS3", "url": node_a.endpoint.url, "region": "us-east-1",
        "access_key": node_a.endpoint.access_key, "secret": node_a.endpoint.secret_key,
    }
    module = {
        "backup_config": {
            **{place: str(root / place) for place in ("backup_path", "cache_path", "state_path", "mailstore_path")},
            "mailstore_create": True, "time_zone": "Europe/Rome",
        },
        "command_line": {"path": str(root / "bin" / "restante")},
        "bucket": {"label": "new", "bucket_name": "new-bucket", **s3, "versioning": True, "notes": "for the tests"},
        "backup_volume": {"type": "s3", "bucket_configuration_id": "b"},
        "volume": {"name": "second", "path": str(root / "second"), "compression_threshold": 100},
        "redo_log": {"enabled": False},
        "restore_tuning": {"state": "tuned"},
        "mailstore_import": {
            "account": "ann@example.com", "source": str(root / "old.mbox"), "folder": "Archive/2019",
        },
        "mailstore_export": {"account": "ann@example.com", "destination": str(root / "export")},
        "smartscan": {},
        "metadata_retrieve": {
            "bucket_configuration_id": "a", "destination": str(root / "restore"), "server_id": node_a.server_id,
        },
        "copied Backup Path": {
            "source_type": "backup_path", "source": str(node_a.backup_path), "destination": str(root / "copy"),
        },
        "external_restore": {"source_path": str(root / "restore"), "blobs_archive": "a"},
        "deduplicate": {},
        "restored tuning": {"state": "original"},
        "deleted volume": {"name": "second", "state": "absent"},
        "forgotten bucket": {"label": "new", "state": "absent"},
        "backup_config_info": {},
        "bucket_info": {"test": "a"},
        "volume_info": {},
        "backup_info": {},
        "operation_info": {},
        "restore_verify_info": {"source_path": str(root / "restore")},
    }
    names = {
        "copied Backup Path": "metadata_retrieve", "restored tuning": "restore_tuning", "deleted volume": "volume",
        "forgotten bucket": "bucket",
    }
    return {case: {f"restante.carbonio.{names.get(case, case)}": options} for case, options in module.items()}


@pytest.fixture(scope="module")
def modules(node_a: NodeA, tmp_path_factory: pytest.TempPathFactory) -> Modules:
    root = tmp_path_factory.mktemp("modules")
    (root / "old.mbox").write_bytes(b"From x Thu Jan  1 00:00:00 2026\nSubject: old\n\nold mail\n")
    with_store = EmbeddedStore.create(str(root / "mailstore_path"))
    with_store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
    with_store.create_entry(Entry("a", kinds.ACCOUNT, "ann@example.com"))
    with_store.close()
    make_bucket(node_a.endpoint, "bucket-of-b")
    s3 = cases(root, node_a)["bucket"]["restante.carbonio.bucket"]
    known = {
        label: {**s3, "label": label, "bucket_name": bucket, "versioning": False}
        for label, bucket in (("a", BUCKET), ("b", "bucket-of-b"))
    }
    tasks = []
    for case, task in cases(root, node_a).items():
        if case == "backup_volume":  # what it needs has been made by then
            tasks += [{"name": label, "restante.carbonio.bucket": options} for label, options in known.items()]
        for step in STEPS if case in CHANGING else (RUN,):
            tasks.append({"name": f"{case}: {step}", **task, "check_mode": step.startswith(CHECK), "diff": True})
    done = run_tasks(tasks, root, config_file=root / "etc" / "restante.json")
    assert done.status == 0, done.output
    by_step = {tuple(task.name.split(": ")): task for task in done.tasks}
    return Modules(by_step, done.output)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CHANGING)
def test_a_module_changes_what_it_foretells_and_only_once(modules: Modules, case: str) -> None:
    told = {step: modules.tasks[case, step].changed for step in STEPS}
    assert told == {CHECK: True, RUN: True, f"{CHECK} {AGAIN}": False, f"{RUN} {AGAIN}": False}


@pytest.mark.parametrize("case", CHANGING)
def test_a_module_shows_the_difference_it_makes(modules: Modules, case: str) -> None:
    foretold, shown = (modules.tasks[case, step].result.get("diff") for step in (CHECK, RUN))
    assert foretold, "check mode shows no difference"
    assert shown, "a run shows no difference"
    again = modules.tasks[case, f"{CHECK} {AGAIN}"].result["diff"]
    assert again.get("prepared", "") == "" or "before" not in again or again["before"] == again["after"]


@pytest.mark.parametrize("case", READING)
def test_an_info_module_changes_nothing(modules: Modules, case: str) -> None:
    assert not modules.tasks[case, RUN].changed


def test_the_restore_is_proven_complete(modules: Modules, node_a: NodeA) -> None:
    verification = modules.tasks["restore_verify_info", RUN].result["verification"]
    assert verification["passed"], verification["differences"][:5]
    assert verification["verified"]["message"] > 0


def test_the_export_holds_what_was_imported(modules: Modules) -> None:
    assert modules.tasks["mailstore_import", RUN].result["report"]["imported"] == {"message": 1}
    assert modules.tasks["mailstore_export", RUN].result["report"]["exported"]["message"] == 1


def test_no_result_and_no_output_holds_the_secret(modules: Modules, node_a: NodeA) -> None:
    everything = modules.output + json.dumps([task.result for task in modules.tasks.values()], default=str)
    assert node_a.endpoint.secret_key not in everything


def test_a_connection_test_writes_and_reads(modules: Modules) -> None:
    """R-309."""
    assert modules.tasks["bucket_info", RUN].result["connection"] == "connection ok"


def test_operations_are_remembered_with_what_they_came_to(modules: Modules) -> None:
    operations = modules.tasks["operation_info", RUN].result["operations"]
    assert {"SmartScan", "External Restore", "Deduplicate"} <= {operation["type"] for operation in operations}
    assert all(operation["state"] == "successful" for operation in operations)
    assert all("total" in operation["seconds"] for operation in operations)
