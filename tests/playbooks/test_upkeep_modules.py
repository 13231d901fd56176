# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Export, lost blobs, shares, attributes and the archive from a playbook: check, run, check again, run again."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import ImportMap, map_name
from playbook_kit import Task, run_tasks

STEPS = ("check", "run", "check again", "run again")
CHANGING = ("config", "backup_volume", "backup_export", "blob_restore", "share_fix")
PLACES = ("backup_path", "cache_path", "state_path", "mailstore_path")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Task]:
    """What became of each task, by its name: on a node that has lost a blob and has a broken share."""
    root = tmp_path_factory.mktemp("upkeep")
    (root / "archive").mkdir()
    with contextlib.closing(EmbeddedStore.create(str(root / "mailstore_path"))) as store:
        store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        for name in ("ann", "ben"):
            store.create_entry(Entry(name, kinds.ACCOUNT, f"{name}@example.com"))
        message = NewItem("", ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000), b"Subject: x\n\nhello")
        grant = {"grantee_id": "old", "grantee_type": "usr", "grantee_name": "ben@example.com", "rights": "r"}
        shared = NewItem("", ItemState("", kinds.FOLDER, "1", "Projects", attrs={"grants": [grant]}))
        store.write_items("ann", [message, shared])
    with contextlib.closing(ImportMap(str(root), "source")):
        map_file = root / map_name("source")
    given = {
        "config": {"level": "account", "name": "ann@example.com", "attribute": "displayName", "value": ["Ann"]},
        "backup_volume": {"type": "local", "path": str(root / "archive"), "migrate": True},
        "backup_export": {"destination": str(root / "export")},
        "blob_restore": {"volume": "message1"},
        "share_fix": {"import_idmap_file": str(map_file)},
    }
    volume = root / "mailstore_path" / "volumes"
    tasks = [
        {"name": "settings", "restante.carbonio.backup_config": {name: str(root / name) for name in PLACES}},
        {"name": "scan", "restante.carbonio.smartscan": {}},
        {"name": "lose a blob", "ansible.builtin.shell": f"find {volume} -name '*.msg' -delete"},
        {"name": "broken shares", "restante.carbonio.share_check_info": {}},
    ]
    for case in ("config", "backup_volume", "blob_restore", "backup_export", "share_fix"):
        tasks += [
            {
                "name": f"{case}: {step}", f"restante.carbonio.{case}": given[case],
                "check_mode": step.startswith("check"), "diff": True, "vars": {"restante_progress_seconds": 0},
            }
            for step in STEPS
        ]
    tasks += [
        {"name": "whole shares", "restante.carbonio.share_check_info": {}},
        {"name": "dump", "restante.carbonio.config_info": {"level": "account", "name": "ann"}},
        {"name": "export", "restante.carbonio.backup_info": {}},
    ]
    done = run_tasks(tasks, root, config_file=root / "etc" / "restante.json")
    assert done.status == 0, done.output
    return {task.name: task for task in done.tasks}


@pytest.mark.parametrize("case", CHANGING)
def test_a_module_changes_what_it_foretells_and_only_once(told: Mapping[str, Task], case: str) -> None:
    assert [told[f"{case}: {step}"].changed for step in STEPS] == [True, True, False, False]
    assert told[f"{case}: check"].result["diff"] and told[f"{case}: run"].result["diff"]


def test_the_node_is_whole_afterwards(told: Mapping[str, Task]) -> None:
    """R-315, R-316, R-317, R-318."""
    assert [one["problem"] for one in told["broken shares"].result["problems"]] == [
        "It is shared with ben@example.com, under an id that is not here."
    ]
    assert told["whole shares"].result["problems"] == []
    assert told["blob_restore: run"].result["restored"] == {"message": 1}
    assert told["backup_export: run"].result["export"]["accounts"] == ["ann@example.com", "ben@example.com"]
    assert told["backup_export: run"].result["report"]["failures"] == []
    assert told["dump"].result["attributes"]["displayName"] == "Ann"
