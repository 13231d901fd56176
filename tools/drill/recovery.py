# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recovery of node B by the collection's own playbook, and what came of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.restante.carbonio.plugins.module_utils.operations.operation import Operations
from ansible_collections.restante.carbonio.plugins.module_utils.restore.verify import VerifyReport
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import recovery as proof
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.drill_source import at
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.retrieval import RETRIEVE

from . import manifest
from .s3_server import S3Server

CHECKOUT = Path(__file__).resolve().parents[2]
PLAYBOOK = CHECKOUT / "playbooks" / "s3_recovery.yml"
_WORKERS = 2


class Outcome(NamedTuple):
    """Node B after the recovery."""

    status: int
    """Exit status of the playbook."""
    result: Mapping[str, Any]
    """Of the External Restore, as its operation recorded it."""
    held: Counter[manifest.Line]
    differences: list[str]
    """Between node B and the backup, by the engine's own verification."""
    rto_seconds: Mapping[str, float]
    began: int
    """UTC milliseconds, as all moments."""
    moments: Mapping[str, int] = {}
    """Of the timeline, by name."""
    proof: VerifyReport | None = None
    config_file: str = ""
    """Of node B."""


def recover(root: Path, server: S3Server, bucket: str, master_key: str) -> Outcome:
    """Make a fresh node B below a directory, and run the recovery playbook for it.

    :param master_key: of the backup, in hexadecimal; empty where it is not encrypted.
    """
    root.mkdir(parents=True)
    began = time.time_ns() // 1_000_000
    status = _playbook(root, _variables(root, server, bucket, master_key))
    ended = time.time_ns() // 1_000_000
    node = Node.load(str(root / "etc" / "restante.json"))
    done = {record.type: record for record in Operations(node.settings.state_path).list()}
    restore, retrieval = done.get(proof.OPERATION), done.get(RETRIEVE)
    if status or restore is None or retrieval is None:
        reason = f"The playbook failed; {root / 'playbook.log'} says why."
        return Outcome(status or 1, {}, Counter(), [reason], {}, began, config_file=node.config_file)
    rto = {phase["name"]: (phase["finished"] - began) / 1000 for phase in restore.phases}
    proven = proof.prove(node, str(root / "restore"))
    with contextlib.closing(node.store()) as store:
        held = Counter(manifest.lines(store))
    moments = {name: at(iso) for name, iso in restore.result["timeline"].items()}
    moments.update(metadata=retrieval.finished, verified=time.time_ns() // 1_000_000)
    return Outcome(
        status, restore.result, held, [str(difference) for difference in proven.differences],
        {**rto, "total": (ended - began) / 1000}, began, moments, proven, node.config_file,
    )


def _variables(root: Path, server: S3Server, bucket: str, master_key: str) -> dict[str, Any]:
    places = {"restore": "restore", "cache": "cache", "backup": "backup", "state": "state", "mailstore": "mailstore"}
    return {
        "s3_recovery_hosts": "node_b",
        "s3_recovery_become": False,
        "s3_recovery_config_file": str(root / "etc" / "restante.json"),
        **{f"s3_recovery_{name}_path": str(root / folder) for name, folder in places.items()},
        "s3_recovery_mailstore_create": True,
        "s3_recovery_command_path": str(root / "bin" / "restante"),
        "s3_recovery_bucket_name": bucket,
        "s3_recovery_bucket_provider": "CustomS3",
        "s3_recovery_bucket_url": server.endpoint,
        "s3_recovery_bucket_region": server.keys["region"],
        "s3_recovery_bucket_access_key": server.keys["access_key"],
        "s3_recovery_bucket_secret": server.keys["secret_key"],
        "s3_recovery_encryption_key": master_key,
        "s3_recovery_skip_system_accounts": False,
        "s3_recovery_concurrent_accounts": _WORKERS,
    }


def _playbook(root: Path, variables: Mapping[str, Any]) -> int:
    """Run the playbook with this interpreter on both sides; return its exit status."""
    inventory, given = root / "inventory.json", root / "variables.json"
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(json.dumps({"all": {"hosts": {"node_b": host}}}), encoding="utf-8")
    given.touch(mode=0o600)
    given.write_text(json.dumps(variables), encoding="utf-8")
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "build" / "collections"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_LOG_PATH": str(root / "playbook.log"),
        "ANSIBLE_LOCAL_TEMP": str(root / "tmp"),
        "ANSIBLE_REMOTE_TEMP": str(root / "tmp"),
        "LC_ALL": "C.UTF-8",
    }
    program = Path(sys.executable).parent / "ansible-playbook"
    command = [str(program), "-i", str(inventory), "-e", f"@{given}", str(PLAYBOOK)]
    return subprocess.run(command, env=environment, check=False).returncode
