# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup in a bucket with Object Lock from a playbook: check, run, check again, run again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from playbook_kit import Task, run_tasks

from tests.servers.endpoint import Endpoint
from tests.servers.needed import needed
from tests.servers.radosgw import missing, radosgw

PLACES = ("backup_path", "cache_path", "state_path", "mailstore_path")
STEPS = ("check", "run", "check again", "run again")


@pytest.fixture(scope="module")
def ceph() -> Iterator[Endpoint]:
    needed("radosgw", missing())
    with radosgw() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def told(ceph: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Task]:
    """What became of each task, by its name."""
    root = tmp_path_factory.mktemp("locked")
    with contextlib.closing(EmbeddedStore.create(str(root / "mailstore_path"))) as store:
        store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("ann", kinds.ACCOUNT, "ann@example.com"))
        state = ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000)
        store.write_items("ann", [NewItem("", state, b"Subject: x\n\nhello")])

    def bucket(**options: Any) -> dict[str, Any]:
        return {"restante.carbonio.bucket": {
            "bucket_name": "vault", "provider": "CustomS3", "url": ceph.url, "access_key": ceph.access_key,
            "secret": ceph.secret_key, **options,
        }}

    lock = {"object_lock_mode": "GOVERNANCE", "object_lock_days": 30}
    tasks: list[dict[str, Any]] = [
        {"name": "settings", "restante.carbonio.backup_config": {name: str(root / name) for name in PLACES}},
        *(
            {"name": f"bucket: {step}", **bucket(**lock), "check_mode": step.startswith("check"),
             "diff": True}
            for step in STEPS
        ),
        {"name": "found by another node", **bucket(label="as another node does")},
        {"name": "volume", "restante.carbonio.backup_volume": {"type": "s3", "bucket_configuration_id": "vault"}},
        {"name": "scan", "restante.carbonio.smartscan": {}},
        {"name": "lock: run", "restante.carbonio.archive_lock": {}},
        {"name": "longer", **bucket(object_lock_mode="COMPLIANCE", object_lock_days=90)},
        *(
            {"name": f"lock longer: {step}", "restante.carbonio.archive_lock": {}, "diff": True,
             "check_mode": step.startswith("check")}
            for step in STEPS
        ),
        {"name": "purge", "restante.carbonio.purge": {}},
    ]
    for task in tasks:
        task["vars"] = {"restante_progress_seconds": 0}
    config_file = root / "restante.json"
    done = run_tasks(tasks, root, config_file=config_file)
    assert done.status == 0, done.output
    return {task.name: task for task in done.tasks}


@pytest.mark.parametrize("case", ["bucket", "lock longer"])
def test_check_tells_what_run_does_and_the_second_time_changes_nothing(told: Mapping[str, Task], case: str) -> None:
    assert [told[f"{case}: {step}"].changed for step in STEPS] == [True, True, False, False]


def test_a_bucket_is_made_with_object_lock(told: Mapping[str, Task]) -> None:
    result = told["bucket: run"].result
    assert result["unsupported"] == {}
    assert any(step.startswith("object_lock: None -> ") for step in result["steps"])
    assert (result["bucket"]["object_lock_mode"], result["bucket"]["object_lock_days"]) == ("GOVERNANCE", 30)
    assert any("s3:BypassGovernanceRetention" in warning for warning in result["warnings"])


def test_another_node_learns_of_the_lock_from_the_bucket(told: Mapping[str, Task]) -> None:
    """So it restores the first version of every file, whatever was written over it."""
    bucket = told["found by another node"].result["bucket"]
    assert (bucket["object_lock_mode"], bucket["object_lock_days"]) == ("GOVERNANCE", 30)


def test_locks_are_looked_at_and_renewed_for_a_longer_time(told: Mapping[str, Task]) -> None:
    assert not told["lock: run"].changed, "a fresh backup is locked long enough"
    before, after = told["lock: run"].result["report"], told["lock longer: run"].result["report"]
    assert before["files"] == after["files"] == after["renewed"] > 3
    assert (before["refused"], before["overlaid"], after["refused"]) == (0, 0, 0)
    assert before["first_lock_ends"] < after["first_lock_ends"]
    assert "renewed: " in told["lock longer: check"].result["diff"]["prepared"]


def test_a_purge_goes_through_a_locked_archive(told: Mapping[str, Task]) -> None:
    assert told["purge"].result.get("warnings", []) == []
