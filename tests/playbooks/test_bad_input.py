# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad input and faults, as an administrator meets them: a sentence that helps, never a traceback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from playbook_kit import Task, run_tasks
from recovery_kit import BUCKET, NodeA, make_bucket

from tests.servers.contrary_store import overwriting_store, refusing_store

CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "no settings": ("backup_info", {"config_file": "{root}/none.json"}, "does not exist; write it with"),
    "settings that are no JSON": ("backup_info", {"config_file": "{root}/broken.json"}, "is not JSON"),
    "unknown setting": ("backup_info", {"config_file": "{root}/unknown.json"}, "unknown settings: colour"),
    "relative path": ("backup_config", {"backup_path": "backup"}, "absolute path"),
    "unknown time zone": ("backup_config", {"time_zone": "Mars/Olympus"}, "The time zone 'Mars/Olympus' is not known"),
    "no mail server": ("smartscan", {"config_file": "{root}/storeless.json"}, "no embedded mail store"),
    "a source that is no backup": ("external_restore", {"source_path": "{root}/empty"}, "holds no backup"),
    "a source that is not there": ("external_restore", {"source_path": "{root}/nowhere"}, "holds no backup"),
    "a newer format": ("external_restore", {"source_path": "{root}/newer"}, "written by a newer version"),
    "the destination's own": ("external_restore", {"source_path": "{root}/backup"}, "own Backup Path"),
    "an unknown account": (
        "external_restore", {"source_path": "{root}/copy", "accounts": ["nobody@example.com"]}, "nobody@example.com",
    ),
    "an account with a strange name": (
        "external_restore", {"source_path": "{root}/copy", "accounts": ["o'hara/\n\"ä\"@example.com"]}, "no account",
    ),
    "an unknown domain": (
        "external_restore", {"source_path": "{root}/copy", "domains": ["nowhere.example"]}, "nowhere.example",
    ),
    "an input file that is not there": (
        "external_restore", {"source_path": "{root}/copy", "input_file": "{root}/none.txt"}, "cannot be read",
    ),
    "no worker": ("external_restore", {"source_path": "{root}/copy", "concurrent_accounts": 0}, "1 or more"),
    "an unknown bucket configuration": (
        "external_restore", {"source_path": "{root}/copy", "blobs_archive": "nonsense"}, "no bucket configuration",
    ),
    "a restore directory of another backup": (
        "metadata_retrieve", {"bucket_configuration_id": "a", "destination": "{root}/backup"}, "another backup",
    ),
    "no bucket named": ("metadata_retrieve", {"destination": "{root}/r"}, "either by its bucket_configuration_id"),
    "a server without backup": (
        "metadata_retrieve", {"bucket_configuration_id": "a", "destination": "{root}/r", "server_id": "nobody"},
        "There is no backup",
    ),
    "a missing bucket": (
        "bucket", {"bucket_name": "missing", "create": False, "{s3}": ""}, "There is no bucket missing",
    ),
    "refused credentials": (
        "bucket", {"bucket_name": "x", "{s3}": "", "url": "{refusing}"}, "Check the keys",
    ),
    "a store that overwrites": (
        "bucket", {"bucket_name": "x", "{s3}": "", "url": "{overwriting}"}, "does not honour conditional writes",
    ),
    "a server that does not answer": (
        "bucket", {"bucket_name": "x", "{s3}": "", "url": "http://127.0.0.1:9"}, "no answer|refused",
    ),
    "a prefix of another server": (
        "backup_volume", {"type": "s3", "bucket_configuration_id": "theirs"}, "belongs to server other",
    ),
    "an archive directory that is not there": (
        "backup_volume", {"type": "local", "path": "{root}/unmounted"}, "There is no directory",
    ),
    "an unknown account to scan": ("smartscan", {"accounts": ["nobody@example.com"]}, "no account 'nobody"),
    "an unknown volume": ("deduplicate", {"volume": "Message1"}, "case-sensitive"),
    "a volume without path": ("volume", {"name": "new"}, "give the path"),
    "the current volume deleted": ("volume", {"name": "message1", "state": "absent"}, "is current"),
    "an unknown operation": ("operation_info", {"operation_id": "../../etc/passwd"}, "no operation"),
    "an unreadable date": ("restore_verify_info", {"source_path": "{root}/copy", "at": "soon"}, "is not a date"),
    "a backup that was never restored": ("restore_verify_info", {"source_path": "{root}/copy"}, "never restored"),
    "an import into nobody's mailbox": (
        "mailstore_import", {"account": "nobody", "source": "{root}/copy"}, "There is no account 'nobody'",
    ),
    "an import of nothing": (
        "mailstore_import", {"account": "ann@example.com", "source": "{root}/nothing"}, "nothing",
    ),
    "an export that cannot be written": (
        "mailstore_export", {"account": "ann@example.com", "destination": "{root}/file/export"}, "{root}/file",
    ),
    "a full disk": ("metadata_retrieve", {"bucket_configuration_id": "a", "destination": "{full}/r"}, "space|full"),
}


@pytest.fixture(scope="module")
def full_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory on a file system without room."""
    directory = tmp_path_factory.mktemp("full")
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a small file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(directory)], check=True)
    try:
        with contextlib.suppress(OSError):
            (directory / "ballast").write_bytes(bytes(60 * 1024))
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)


@pytest.fixture(scope="module")
def told(node_a: NodeA, full_disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Task]]:
    """What each bad input led to, all in one playbook."""
    root = tmp_path_factory.mktemp("bad")
    for name in ("empty", "newer", "etc"):
        (root / name).mkdir()
    (root / "file").write_text("")
    (root / "broken.json").write_text("{")
    (root / "unknown.json").write_text('{"colour": "blue"}')
    (root / "storeless.json").write_text(json.dumps({"mailstore_path": str(root / "no-store")}))
    shutil.copytree(node_a.backup_path, root / "copy")
    record = json.loads((node_a.backup_path / "format.json").read_bytes())
    (root / "newer" / "format.json").write_text(json.dumps({**record, "format": 2}))
    s3 = {
        "provider": "CustomS3", "url": node_a.endpoint.url, "region": "us-east-1",
        "access_key": node_a.endpoint.access_key, "secret": node_a.endpoint.secret_key,
    }
    make_bucket(node_a.endpoint, "theirs")
    with contextlib.closing(EmbeddedStore.create(str(root / "store"))) as store:
        store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("a", kinds.ACCOUNT, "ann@example.com"))
        store.write_items("a", [NewItem("", ItemState("", kinds.MESSAGE, "2"), b"Subject: mail\n\n")])
        own_id = store.server_id()
    claim = S3Archive(S3Settings(
        "theirs", prefix=own_id, region="us-east-1", endpoint=node_a.endpoint.url,
        access_key=node_a.endpoint.access_key, secret_key=node_a.endpoint.secret_key,
    ))
    claim.put("format.json", json.dumps({**record, "server": "other"}).encode())
    with overwriting_store() as overwriting, refusing_store() as refusing:
        words = {"root": root, "full": full_disk, "overwriting": overwriting, "refusing": refusing}
        tasks = [*_preparation(root, s3), *(_task(case, s3, words) for case in CASES)]
        done = run_tasks(tasks, root, config_file=root / "etc" / "restante.json")
    results = {task.name: task for task in done.tasks}
    failed = [task.name for task in done.tasks if task.name not in CASES and task.outcome != "ok"]
    assert not failed, done.output
    yield results


def _preparation(root: Path, s3: Mapping[str, Any]) -> list[dict[str, Any]]:
    places = {name: str(root / place) for name, place in (
        ("backup_path", "backup"), ("cache_path", "cache"), ("state_path", "state"), ("mailstore_path", "store"),
    )}
    return [
        {"restante.carbonio.backup_config": places},
        {"restante.carbonio.smartscan": {}},
        {"restante.carbonio.bucket": {**s3, "label": "a", "bucket_name": BUCKET}},
        {"restante.carbonio.bucket": {**s3, "label": "theirs", "bucket_name": "theirs"}},
    ]


def _task(case: str, s3: Mapping[str, Any], words: Mapping[str, Any]) -> dict[str, Any]:
    module, options, _unused = CASES[case]
    given: dict[str, Any] = {}
    for key, value in options.items():
        if key == "{s3}":
            given.update(s3)
        else:
            given[key] = value.format(**words) if isinstance(value, str) else value
    return {"name": case, f"restante.carbonio.{module}": given, "ignore_errors": True}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_gets_a_sentence(told: Mapping[str, Task], case: str) -> None:
    task = told[case]
    message = str(task.result.get("msg", ""))
    assert task.outcome == "failed", task.result
    assert any(part.format_map({"root": ""}) in message for part in CASES[case][2].split("|")), message
    assert "Traceback" not in json.dumps(task.result)
    assert "fault in restante.carbonio" not in message


def test_bad_input_leaves_the_node_as_it_was(told: Mapping[str, Task]) -> None:
    assert all(not task.changed for name, task in told.items() if name in CASES)
