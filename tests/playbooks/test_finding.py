# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding a lost item from a playbook: the log, the backup, its content out of a bucket; and bad input on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from playbook_kit import Task, run_tasks
from recovery_kit import BUCKET, NodeA

ACCOUNT = sample.ACCOUNTS[0]
MOVED = f"[qtp1] [name={ACCOUNT};mid=7;] mailop - moving Message (id=339) to Folder Trash (id=3)"
FAILING: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown account": ("item_info", {"account": "nobody@example.com", "item": "300"}, "knows no account"),
    "date before the first": ("account_info", {"account": ACCOUNT, "date": "1999-01-01"}, "begins at"),
    "content that is not here": ("item_info", {"account": ACCOUNT, "dump_path": "{root}/x"}, "not in the backup"),
    "file that is there": (
        "item_info", {"account": ACCOUNT, "dump_path": "{root}/mailbox.log", "blobs_archive": "a"}, "left alone",
    ),
    "binary log": ("mailbox_log_info", {"path": "{root}/binary"}, "no mailbox.log"),
    "no map": ("map_info", {"file_path": "{root}/mailbox.log"}, "is no map"),
}


@pytest.fixture(scope="module")
def tasks(node_a: NodeA, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Task]:
    root = tmp_path_factory.mktemp("finding")
    EmbeddedStore.create(str(root / "mailstore_path")).close()
    (root / "mailbox.log").write_text(f"2026-07-06 15:00:00,000 INFO  {MOVED}\n", encoding="utf-8")
    (root / "binary").write_bytes(bytes(range(256)) * 100)
    s3 = {
        "provider": "CustomS3", "url": node_a.endpoint.url, "region": "us-east-1", "bucket_name": BUCKET,
        "access_key": node_a.endpoint.access_key, "secret": node_a.endpoint.secret_key,
    }
    restore = str(root / "restore")
    message = "{{ found['items'][0].item_id }}"
    dump = {
        "account": ACCOUNT, "item": message, "backup_path": restore, "blobs_archive": "a",
        "dump_path": str(root / "lost.eml"),
    }
    played = [
        ("settings", "backup_config", {
            place: str(root / place) for place in ("backup_path", "cache_path", "state_path", "mailstore_path")
        }, {}),
        ("bucket", "bucket", {"label": "a", **s3}, {}),
        ("metadata", "metadata_retrieve", {
            "bucket_configuration_id": "a", "destination": restore, "server_id": node_a.server_id,
        }, {}),
        ("log", "mailbox_log_info", {"path": str(root / "mailbox.log"), "folder": "Trash"}, {}),
        ("accounts", "available_accounts_info", {"backup_path": restore, "hide_existing_accounts": True}, {}),
        ("account", "account_info", {"account": ACCOUNT, "backup_path": restore, "backupstats": True}, {}),
        ("search", "item_search_info", {
            "account": ACCOUNT, "backup_path": restore, "search_filter": "not_deleted", "limit": 1,
        }, {"register": "found"}),
        ("dump: check", "item_info", dump, {"check_mode": True}),
        ("dump: run", "item_info", dump, {}),
        ("dump: again", "item_info", dump, {}),
        *(
            (name, module, {
                **({"backup_path": restore} if "log" not in module and "map" not in module else {}),
                **({"item": message} if "dump_path" in options else {}),
                **{key: str(value).replace("{root}", str(root)) for key, value in options.items()},
            }, {"ignore_errors": True})
            for name, (module, options, _said) in FAILING.items()
        ),
    ]
    done = run_tasks(
        [{"name": name, f"restante.carbonio.{module}": options, **more} for name, module, options, more in played],
        root, config_file=root / "etc" / "restante.json",
    )
    assert done.status == 0, done.output
    assert (root / "lost.eml").stat().st_mode & 0o777 == 0o600
    return {"root": root, **{task.name: task for task in done.tasks}}  # type: ignore[dict-item]


def test_the_log_gives_the_id_of_a_lost_item(tasks: Mapping[str, Task]) -> None:
    """R-025."""
    (item,) = tasks["log"].result["items"]
    assert (item["item_id"], item["account"], item["last_folder"]) == ("339", ACCOUNT, "Trash")


def test_the_accounts_of_a_backup_are_listed_and_shown(tasks: Mapping[str, Task]) -> None:
    """R-254, R-258."""
    assert [one["name"] for one in tasks["accounts"].result["accounts"]] == sorted(sample.ACCOUNTS)
    account = tasks["account"].result["account"]
    assert account["name"] == ACCOUNT and account["backupstats"]["items"]["message"] > 0


def test_the_content_comes_from_the_bucket_into_a_file_and_nowhere_else(tasks: Mapping[str, Task]) -> None:
    """R-030, R-031."""
    assert [tasks[f"dump: {step}"].changed for step in ("check", "run", "again")] == [True, True, False]
    (found,) = tasks["search"].result["items"]
    lost = Path(str(tasks["root"])) / "lost.eml"
    assert lost.stat().st_size == found["size"] and tasks["search"].result["truncated"]
    body = lost.read_bytes().partition(b"\n\r\n")[2] or lost.read_bytes().partition(b"\n\n")[2]
    everything = json.dumps([task.result for name, task in tasks.items() if name != "root"], default=str)
    assert body.strip() and body.strip().decode("utf-8", "replace")[:40] not in everything


@pytest.mark.parametrize("case", ["log", "accounts", "account", "search"])
def test_looking_changes_nothing(tasks: Mapping[str, Task], case: str) -> None:
    assert not tasks[case].changed


@pytest.mark.parametrize("case", FAILING)
def test_bad_input_is_told_in_a_sentence(tasks: Mapping[str, Task], case: str) -> None:
    assert tasks[case].outcome == "failed"
    said = tasks[case].result["msg"]
    assert FAILING[case][2] in said and "Traceback" not in said and "fault in" not in said
