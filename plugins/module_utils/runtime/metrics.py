# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What monitoring is told of a node: how old its backup is, how far its archive is behind, and its last drill."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any

from ..backup.repository import Repository
from ..evidence import report
from ..evidence.history import History
from ..evidence.metrics import Family, gauge, of_drills, text
from ..model import moment
from ..model.errors import Damaged, InvalidInput, NotABackup, NotFound
from ..scan.witness import Witness
from .node import Node


def collect(node: Node) -> str:
    """Return the metrics of a node as Prometheus text. No request goes to the archive.

    :raises RestanteError: the backup cannot be read.
    """
    drills = History(os.path.join(node.settings.state_path, "drills", "history")).past()
    return text([*_of_backup(node), *of_drills(drills)])


def write(node: Node, path: str) -> dict[str, Any]:
    """Write the metrics of a node to a file for the textfile collector, whole or not at all. Errors as collect()."""
    if not os.path.isabs(path):
        raise InvalidInput(f"The file for the metrics is {path!r}; give an absolute path that ends in .prom.")
    report.replace(path, collect(node))
    return {"metrics_path": path}


def _of_backup(node: Node) -> Sequence[Family]:
    try:
        with contextlib.closing(node.repository()) as repository:
            return _of_repository(node, repository)
    except NotABackup:
        return ()


def _of_repository(node: Node, repository: Repository) -> Sequence[Family]:
    head = repository.head()
    last = gauge(
        "restante_last_commit_timestamp_seconds", "When the newest commit of the backup was made.",
        head.at / 1000 if head else None,
    )
    archive = node.archive(repository.server_id)
    if archive is None or head is None:
        return (last,)
    arrived = min(Witness(repository.files, archive).last(), head.seq)
    waiting = _made(repository, arrived + 1) if arrived < head.seq else None
    return (
        last,
        gauge(
            "restante_last_archived_commit_timestamp_seconds", "When the newest commit in the archive was made.",
            _made(repository, arrived),
        ),
        gauge("restante_archive_lag_commits", "Commits that have not arrived in the archive.", head.seq - arrived),
        gauge(
            "restante_archive_lag_seconds", "How long the oldest of them has been waiting.",
            0.0 if waiting is None else max(moment.now() / 1000 - waiting, 0.0),
        ),
    )


def _made(repository: Repository, number: int) -> float | None:
    """Return when a commit was made, in seconds; None where nobody knows any more."""
    try:
        return repository.commit(number).at / 1000 if number else None
    except (NotFound, Damaged):
        return None
