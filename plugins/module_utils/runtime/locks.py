# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The locks of a node's archive: renewed by its scans, and on demand."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from typing import Any, Final

from ..archive.port import Archive
from ..backup.repository import Repository
from ..care.locks import Renewal
from ..care.locks import renew as renew_locks
from ..model import moment
from ..model.errors import InvalidInput, RestanteError
from ..operations.notifications import WARNING
from ..operations.progress import Progress
from .call import Call
from .node import Node
from .operations import operation
from .settings import write

OPERATION: Final = "Renew Locks"
_LOOKS: Final = 8
"""How often scans look at all locks while one of them lasts: enough for some nights to be missed."""
_FILE: Final = "locks.json"


def renew(node: Node, notifications: Sequence[str] = ()) -> dict[str, Any]:
    """Look at all locks of the node's archive, and renew those of which half is over.

    :raises InvalidInput: the node's archive locks nothing. :raises NotABackup: it has no backup yet.
    :return: changed, report, warnings and operation_id.
    """
    with contextlib.closing(node.repository()) as repository:
        archive = _locked(node, repository)
        with operation(node, OPERATION, {"archive": archive.describe()}) as running:
            done = renew_locks(repository, archive, moment.now(), running)
            _note(node, archive, done, running)
            running.record.result = done.to_json()
    warnings = done.warnings()
    if warnings:
        node.notifications().notify(WARNING, f"{OPERATION}: ended", "\n".join(warnings), notifications)
    return {"changed": done.renewed > 0, "report": done.to_json(), "warnings": warnings, "operation_id": running.id}


def preview(node: Node) -> dict[str, Any]:
    """Return what a renewal would do, without doing it: for check mode. Errors as renew."""
    with contextlib.closing(node.repository()) as repository:
        found = renew_locks(repository, _locked(node, repository), moment.now(), dry_run=True)
    return {"changed": found.renewed > 0, "report": found.to_json(), "warnings": found.warnings()}


def renew_when_due(
    node: Node, repository: Repository, archive: Archive | None, progress: Progress
) -> tuple[Renewal, Sequence[str]]:
    """Renew the locks of an archive unless they were looked at lately; as a part of a scan, which goes on in any case.

    When that was is remembered in the node's state directory. Where that is lost, they are looked at again.

    :return: what was done, and warnings.
    """
    if archive is None or not archive.retention:
        return Renewal(), []
    looked = _looked(node).get(archive.describe(), 0)
    # One that lies in the future is of a clock that was wrong.
    if looked <= moment.now() < looked + archive.retention // _LOOKS:
        return Renewal(), []
    try:
        done = renew_locks(repository, archive, moment.now(), progress)
    except RestanteError as error:
        return Renewal(), [f"The locks of the archive were not renewed; the next scan does that. {error}"]
    _note(node, archive, done, progress)
    return done, done.warnings()


def _locked(node: Node, repository: Repository) -> Archive:
    archive = node.archive(repository.server_id)
    if archive is None or not archive.retention:
        raise InvalidInput(
            "The backup volume of this node locks no files: give its bucket configuration object_lock_mode and "
            "object_lock_days."
        )
    return archive


def _looked(node: Node) -> dict[str, int]:
    """Return when all locks of an archive were looked at, UTC milliseconds, by archive."""
    try:
        with open(os.path.join(node.settings.state_path, _FILE), encoding="utf-8") as file:
            found = json.load(file)
        return {name: at for name, at in found.items() if isinstance(at, int)}
    except (OSError, ValueError, AttributeError):
        return {}


def _note(node: Node, archive: Archive, done: Renewal, progress: Progress) -> None:
    """Remember that all locks were looked at; where some could not be renewed, the next scan looks again."""
    if progress.stopping() or done.refused:
        return
    # Of this archive alone: a node has one, and looks at all locks of another one at once.
    write(os.path.join(node.settings.state_path, _FILE), {archive.describe(): moment.now()})


def answer(call: Call) -> dict[str, Any]:
    """Answer the module archive_lock."""
    node = call.node()
    found = preview(node) if call.check_mode else renew(node, call["notifications"])
    lines = "".join(f"{name}: {value}\n" for name, value in found["report"].items())
    return {**found, "diff": {"prepared": lines if found["changed"] else ""}}
