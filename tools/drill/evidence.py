# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of the drill behind `make drill`: the same page that the drills of a node leave."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.drill.record import (
    About,
    RecoveryPoint,
    Targets,
    record,
)
from ansible_collections.restante.carbonio.plugins.module_utils.drill.rehearsal import Findings
from ansible_collections.restante.carbonio.plugins.module_utils.drill.sample import choose
from ansible_collections.restante.carbonio.plugins.module_utils.evidence import report, seal
from ansible_collections.restante.carbonio.plugins.module_utils.evidence.history import History, summary
from ansible_collections.restante.carbonio.plugins.module_utils.model import moment
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.drill import configuration, versions
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.drill_options import Options
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node

from .recovery import Outcome

HOW = (
    "Node A was filled, backed up to a bucket, used until it was killed, and removed with all it had. Node B, which "
    "was empty, was recovered from the bucket by the playbook s3_recovery. Then it was compared with the backup, and "
    "with what node A had held when the last commit that reached the bucket was made."
)
TARGETS = Targets(rpo_seconds=300.0, rto_seconds=1800.0)
"""Fixed before anything is tried: what even a slow machine keeps to."""


def write(output: Path, died: int, committed: int, outcome: Outcome, faults: str) -> Path:
    """Write the report of a drill, and remember the drill for the trend of the next one.

    :param output: where everything of the drill is. :param died: when node A did, UTC milliseconds.
    :param committed: when its last commit in the bucket was made. :param faults: what node B lacks; empty for nothing.
    :return: the page.
    """
    node = Node.load(outcome.config_file)
    signer = seal.Signer(str(output / "signing.key")) if seal.HAS_CRYPTOGRAPHY else None
    about = About(
        id=str(uuid.uuid4()), node="node-a", ran_by=node.initiator or str(os.getuid()), source="archive",
        declared=died, began=outcome.began, targets=TARGETS, versions=versions(),
        configuration_sha256=configuration(node, Options()),
        signing_key=signer.fingerprint if signer else "", unsigned_because="" if signer else seal.WITHOUT_LIBRARY,
        how=HOW,
    )
    # Beside the directory of this drill, which the next one begins with removing.
    history = History(str(output.with_name(f"{output.name}-history")))
    made = record(about, _findings(node, output / "b", outcome), RecoveryPoint(committed), history.past(), faults)
    directory = output / "report"
    digest = report.write(made, str(directory), signer)
    history.add(summary(made, str(directory), digest))
    return directory / report.PAGE


def _findings(node: Node, root: Path, outcome: Outcome) -> Findings:
    found = Findings(backup={"where": "the bucket of node A"}, moments=dict(outcome.moments), proof=outcome.proof)
    if outcome.result:
        found.restored.merge(outcome.result)
    if outcome.proof is not None:
        found.extent = choose(list(outcome.proof.accounts), "", "")
        with contextlib.closing(node.repository(str(root / "restore"))) as source:
            found.backup.update(_described(source))
            found.damages = [damage._asdict() for damage in source.damages()]
    return found


def _described(source: Repository) -> Mapping[str, Any]:
    head, span = source.head(), source.span()
    return {
        "server_id": source.server_id, "repository_id": source.repository_id, "encrypted": source.keys is not None,
        "commit": head.seq if head else 0, "last_commit_at": moment.iso(head.at) if head else "",
        "last_transaction_at": moment.iso(span[1]) if span else "",
    }
