# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An encrypted node by playbook: its key from a vault, its recovery elsewhere, the refusal without it, its modules."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.recovery import prove
from playbook_kit import ANSIBLE, PLAYBOOKS, Run, Task, run, run_tasks
from recovery_kit import BUCKET, NodeA, make_bucket, recovery_variables

from tests.servers.endpoint import Endpoint

MASTER, OTHER = bytes(range(32)).hex(), bytes(range(1, 33)).hex()
STEPS = ("check", "run", "check again", "run again")


class Encrypted(NamedTuple):
    """A node that a playbook has set up, with a backup in a bucket; what became of that."""

    root: Path
    run: Run
    address: str
    """Of an account that was deleted on the mail server."""
    as_lost: NodeA

    @property
    def config_file(self) -> Path:
        return self.root / "etc" / "restante.json"


def vaulted(root: Path) -> list[str]:
    """Put the master key into a vault; return the options of ansible-playbook that open it."""
    password, vault = root / "password", root / "vault.json"
    password.write_text("open sesame\n", encoding="utf-8")
    vault.write_text(json.dumps({"vault_master_key": MASTER}), encoding="utf-8")
    subprocess.run(
        [str(ANSIBLE.with_name("ansible-vault")), "encrypt", "--vault-password-file", str(password), str(vault)],
        check=True, capture_output=True,
    )
    assert MASTER not in vault.read_text(encoding="utf-8")
    return ["--vault-password-file", str(password), "-e", f"@{vault}"]


def scan(root: Path, bucket: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tasks that set up the node and record its mail."""
    places = {f"backup_{place}_path": str(root / place) for place in ("cache", "state", "mailstore")}
    return [
        {"ansible.builtin.include_role": {"name": "restante.carbonio.backup"}, "vars": {
            "backup_config_file": str(root / "etc" / "restante.json"), "backup_path": str(root / "backup"), **places,
            "backup_command_path": "", "backup_encryption_key": "{{ vault_master_key }}",
            "backup_witness_path": str(root / "witness.json"),
        }},
        {"name": "bucket", "restante.carbonio.bucket": dict(bucket)},
        {"name": "volume", "restante.carbonio.backup_volume": {"type": "s3", "bucket_configuration_id": "of-a"}},
        {"name": "scan", "restante.carbonio.smartscan": {}},
        {"name": "settings", "restante.carbonio.backup_config_info": {}},
    ]


@pytest.fixture(scope="module")
def node(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Encrypted:
    root = tmp_path_factory.mktemp("encrypted")
    make_bucket(endpoint, BUCKET)
    with contextlib.closing(EmbeddedStore.create(str(root / "mailstore"))) as store:
        held = sample.fill(store, messages=20)
        server_id = store.server_id()
        address = next(entry.name for entry in store.entries(kinds.ACCOUNT))
    bucket = {
        "label": "of-a", "bucket_name": BUCKET, "provider": "CustomS3", "url": endpoint.url, "region": "us-east-1",
        "access_key": endpoint.access_key, "secret": endpoint.secret_key,
    }
    done = run_tasks(
        scan(root, bucket), root, "-vvv", *vaulted(root), config_file=root / "etc" / "restante.json"
    )
    return Encrypted(root, done, address, NodeA(server_id, root / "backup", endpoint, held))


def test_a_node_is_set_up_with_a_key_from_a_vault_and_its_backup_is_encrypted(node: Encrypted) -> None:
    assert node.run.status == 0, node.run.output
    assert [task.outcome for task in node.run.tasks if task.name in ("scan", "volume")] == ["ok", "ok"]
    own = Node.load(str(node.config_file))
    assert own.settings.encryption_key_file == str(node.root / "etc" / "master.key")
    with contextlib.closing(own.repository()) as repository:
        assert repository.info.encrypted and repository.damages() == [] and repository.scopes()
    assert json.loads((node.root / "witness.json").read_text())["server"] == node.as_lost.server_id


def test_the_key_is_in_its_file_alone_and_in_no_output(node: Encrypted) -> None:
    assert MASTER not in node.run.output
    assert not any(MASTER in json.dumps(task.result, default=str) for task in node.run.tasks)
    found = {file for file in node.root.rglob("*") if file.is_file() and MASTER.encode() in file.read_bytes()}
    assert found == {node.root / "etc" / "master.key"}
    assert (node.root / "etc" / "master.key").stat().st_mode & 0o777 == 0o600


# -- recovery ----------------------------------------------------------------------------------------------------------


def recover(node: Encrypted, root: Path, **variables: Any) -> Run:
    return run(PLAYBOOKS / "s3_recovery.yml", {
        **recovery_variables(node.as_lost, root), "s3_recovery_server_id": node.as_lost.server_id,
        "s3_recovery_backup_volume": False, **variables,
    }, root)


def test_another_node_recovers_it_with_the_key_and_the_witness(node: Encrypted, tmp_path: Path) -> None:
    done = recover(
        node, tmp_path, s3_recovery_encryption_key=MASTER, s3_recovery_witness=str(node.root / "witness.json"),
    )
    assert done.status == 0, done.output
    assert MASTER not in done.output
    recovered = Node.load(str(tmp_path / "etc" / "restante.json"))
    assert prove(recovered, str(tmp_path / "restore")).passed


@pytest.mark.parametrize(("given", "says"), [
    ({}, "is encrypted. Give its master key"), ({"s3_recovery_encryption_key": OTHER}, "the master key is not the one"),
    ({"s3_recovery_encryption_key": MASTER, "s3_recovery_witness": "later"}, "was put back to an older state"),
], ids=["without a key", "with another key", "with a witness of later"])
def test_a_recovery_is_refused(node: Encrypted, tmp_path: Path, given: dict[str, str], says: str) -> None:
    if "s3_recovery_witness" in given:
        seen = json.loads((node.root / "witness.json").read_text())
        (tmp_path / "later.json").write_text(json.dumps({**seen, "seq": seen["seq"] + 1}))
        given = {**given, "s3_recovery_witness": str(tmp_path / "later.json")}
    done = recover(node, tmp_path, **given)
    failed = [task for task in done.tasks if task.outcome == "failed"]
    assert done.status and [task.name.rpartition(" : ")[2] for task in failed[1:]] == ["Pass the verdict"]
    assert says in str(failed[0].result["msg"])
    assert "Traceback" not in done.output and MASTER not in done.output and OTHER not in done.output


# -- modules -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(node: Encrypted) -> Mapping[str, Task]:
    """What became of each task, by its name."""
    own = Node.load(str(node.config_file))
    with contextlib.closing(own.store()) as store:
        entry = store.find_entry(kinds.ACCOUNT, node.address)
        assert entry is not None
        store.delete_entry(kinds.ACCOUNT, entry.entry_id)
    new = node.root / "etc" / "new.key"
    new.write_text(f"{OTHER}\n")
    new.chmod(0o600)
    modules = {
        "forget": ("account_forget", {"accounts": [node.address]}),
        "change": ("master_key", {"encryption_key_file": str(new)}),
    }
    tasks: list[dict[str, Any]] = [
        {"name": "too early", "restante.carbonio.account_forget": {"accounts": [node.address]}, "ignore_errors": True},
        {"name": "scan", "restante.carbonio.smartscan": {}},
        *(
            {"name": f"{name}: {step}", f"restante.carbonio.{module}": arguments, "check_mode": "check" in step,
             "diff": True}
            for name, (module, arguments) in modules.items() for step in STEPS
        ),
        {"name": "no key", "restante.carbonio.master_key": {"encryption_key_file": "/nowhere"}, "ignore_errors": True},
        {"name": "scan again", "restante.carbonio.smartscan": {}},
    ]
    done = run_tasks(tasks, node.root, config_file=node.config_file)
    assert MASTER not in done.output and OTHER not in done.output
    return {task.name: task for task in done.tasks}


@pytest.mark.parametrize("name", ["forget", "change"])
def test_check_says_it_run_does_it_and_then_there_is_nothing_to_do(told: Mapping[str, Task], name: str) -> None:
    assert [told[f"{name}: {step}"].outcome for step in STEPS] == ["ok"] * 4
    assert [told[f"{name}: {step}"].changed for step in STEPS] == [True, True, False, False]
    assert told[f"{name}: check"].result["diff"] == told[f"{name}: run"].result["diff"]
    assert "operation_id" in told[f"{name}: run"].result
    assert "operation_id" not in told[f"{name}: check"].result


def test_what_was_forgotten_is_told_and_gone(told: Mapping[str, Task], node: Encrypted) -> None:
    assert [row["name"] for row in told["forget: run"].result["accounts"]] == [node.address]
    assert node.address in str(told["forget: run"].result["diff"])
    with contextlib.closing(Node.load(str(node.config_file)).repository()) as repository:
        gone = told["forget: run"].result["accounts"][0]["id"]
        assert gone not in repository.scopes() and repository.damages() == []


def test_the_other_key_is_named_and_opens_it(told: Mapping[str, Task], node: Encrypted) -> None:
    assert told["scan again"].outcome == "ok"
    own = Node.load(str(node.config_file)).settings
    assert own.encryption_key_file == str(node.root / "etc" / "new.key")
    Repository.open(own.backup_path, masters=[bytes.fromhex(OTHER)]).close()


def test_what_cannot_be_done_is_refused_in_a_sentence(told: Mapping[str, Task]) -> None:
    for name, says in (("too early", "is still there"), ("no key", "does not exist")):
        assert told[name].outcome == "failed" and says in told[name].result["msg"]
