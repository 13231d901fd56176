# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The care of a node's backup: purge, and legal hold."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any, Final

from ..archive.port import Archive
from ..backup.repository import Repository
from ..care import clock, hold
from ..care.clock import Present
from ..care.hold import Held
from ..care.leftovers import Removed, remove_here, remove_there
from ..care.purge import Plan, plan
from ..care.purge import purge as purge_backup
from ..care.repack import Repacked
from ..care.retention import DAY, Retention, days
from ..model import moment
from ..model.errors import InvalidInput, RestanteError
from ..operations.notifications import INFORMATION, WARNING
from ..operations.operation import Operation
from .backups import PATIENCE
from .call import Call
from .node import Node
from .operations import operation

OPERATION: Final = "Purge"


def purge(
    node: Node, purge_days: str = "", backup_path: str = "", notifications: Sequence[str] = (),
    trust_clock: bool = False,
) -> dict[str, Any]:
    """Purge the node's backup, or the one in a directory; upload the result and tidy up the archive.

    With a data retention of 0 nothing is purged (R-236); files that are not needed any more are removed all the same.

    :param purge_days: data retention in the place of the node's (R-238).
    :param backup_path: another Backup Path; it has no archive that is known here.
    :param trust_clock: take this node's clock for right, whatever the archive's clock or the newest commit says.
    :raises InvalidInput: purge_days is no number of days (R-240). :raises NotABackup: there is none.
    :raises Damaged: something of the backup cannot be read; it is left as it is.
    :return: changed, report, stats, warnings and operation_id.
    """
    asked = _retention(node, purge_days)
    with contextlib.closing(node.repository(backup_path)):
        pass  # what is wrong with it is said before it is queued
    parameters = {
        "purge_days": asked.data_days, "account_days": asked.account_days, "backup_path": backup_path,
        "trust_clock": trust_clock,
    }
    with operation(node, OPERATION, parameters) as running:
        with contextlib.closing(node.repository(backup_path)) as repository:
            archive = None if is_foreign(node, backup_path) else node.archive(repository.server_id)
            result = _purge(node, repository, archive, asked, _present(repository, archive, trust_clock), running)
        running.record.result = result
    troubled = bool(result["warnings"])
    if result["changed"] or troubled:
        text = "\n".join([result["stats"], *result["warnings"]])
        level = WARNING if troubled else INFORMATION
        node.notifications().notify(level, f"{OPERATION}: ended", text, notifications)
    return {**result, "operation_id": running.id}


def _purge(
    node: Node, repository: Repository, archive: Archive | None, asked: Retention, present: Present,
    running: Operation,
) -> dict[str, Any]:
    now, grace = present.at, node.settings.purge_grace_days * DAY
    planned, repacked = Plan([], [], 0, 0), Repacked()
    if asked.data_days:
        with repository.writer(PATIENCE) as writer:
            planned, repacked = purge_backup(writer, asked, now, running)
    there, archived, warnings = Removed(), None, list(repacked.unreadable)
    if archive is not None and not repacked.stopped:
        archived = 0
        try:
            sent = node.uploader(repository, archive).sync(running)
            archived = sent.newest
            warnings += sent.warnings
            repository.refresh()
            there = remove_there(repository, archive, grace, now, running)
        except RestanteError as error:
            warnings.append(f"The archive was not tidied up; the next purge does that. {error}")
    here = Removed() if repacked.stopped else remove_here(repository, grace, now, archived)
    warnings += [present.warning] if present.warning else []
    # That locked files wait is as it must be where this archive locks them, and told by the report alone.
    if there.kept > there.locked or (there.locked and archive is not None and not archive.retention):
        warnings.append(f"{there.kept} files stay in the archive for now: {there.reasons[0]}")
    report = {
        **(Plan([], planned.held, 0, 0) if repacked.stopped else planned).totals(),
        "removed_packs": repacked.removed_packs, "new_packs": repacked.new_packs,
        "deleted_files": here.files, "deleted_bytes": here.bytes,
        "deleted_in_archive": there.files, "locked_in_archive": there.locked,
        "locked_bytes_in_archive": there.locked_bytes, "refused_in_archive": there.kept - there.locked,
        "waiting_files": here.waiting + there.waiting,
    }
    changed = bool(repacked.removed_packs or here.files or there.files)
    return {"changed": changed, "report": report, "stats": _text(report, asked), "warnings": warnings}


def _present(repository: Repository, archive: Archive | None, trust_clock: bool) -> Present:
    """Return what is taken for the present."""
    if trust_clock:
        return Present(moment.now())
    there = None
    if archive is not None:
        with contextlib.suppress(RestanteError):  # it is told when the upload fails, too
            there = archive.now()
    tells_the_time = there is not None and archive is not None and archive.has_own_clock
    newest = None if tells_the_time else clock.believed(repository.recorded_back())
    return clock.present(moment.now(), there, newest)


def _text(report: dict[str, Any], asked: Retention) -> str:
    lines = [f"{key.replace('_', ' ').capitalize()}: {_shown(value)}" for key, value in report.items()]
    if not asked.data_days:
        lines.insert(0, "The data retention is 0: everything is kept for ever.")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    return (", ".join(value) or "none") if isinstance(value, list) else str(value)


def preview(
    node: Node, purge_days: str = "", backup_path: str = "", trust_clock: bool = False
) -> dict[str, Any]:
    """Return what a purge would take out of a backup, without changing anything: for check mode. Errors as purge."""
    asked = _retention(node, purge_days)
    if not asked.data_days:
        return {"changed": False, "plan": [], "report": Plan([], [], 0, 0).totals()}
    with contextlib.closing(node.repository(backup_path)) as repository:
        archive = None if is_foreign(node, backup_path) else node.archive(repository.server_id)
        present = _present(repository, archive, trust_clock)
        planned, _inventory = plan(repository, asked, present.at)
    return {
        "changed": planned.changes, "plan": planned.lines(), "report": planned.totals(),
        "warnings": [present.warning] if present.warning else [],
    }


def _retention(node: Node, purge_days: str) -> Retention:
    own = node.settings
    data = days(purge_days, "purgeDays") if purge_days else own.data_retention_days
    return Retention(data, own.account_retention_days)


def is_foreign(node: Node, backup_path: str) -> bool:
    """Return whether a path is another one than the node's own Backup Path."""
    return bool(backup_path) and os.path.realpath(backup_path) != os.path.realpath(node.settings.backup_path)


def answer(call: Call) -> dict[str, Any]:
    """Answer the module purge."""
    node, path = call.node(), call["backup_path"] or ""
    purge_days = "" if call["purge_days"] is None else str(call["purge_days"])
    if call.check_mode:
        found = preview(node, purge_days, path, call["trust_clock"])
        return {**found, "diff": {"prepared": "".join(f"{line}\n" for line in found["plan"])}}
    result = purge(node, purge_days, path, call["notifications"], call["trust_clock"])
    return {**result, "diff": {"prepared": result["stats"] if result["changed"] else ""}}


# -- legal hold ------------------------------------------------------------------------------------------------------


def holds(node: Node, accounts: Sequence[str] = (hold.ALL,)) -> list[dict[str, Any]]:
    """Return accounts of the backup and whether they are on hold (R-242).

    :raises NotFound: the backup knows no such account. :raises NotABackup: this node has no backup yet.
    """
    with contextlib.closing(node.repository()) as repository:
        return [_row(one) for one in hold.named(hold.accounts(repository), accounts)]


def set_hold(node: Node, accounts: Sequence[str], held: bool, dry_run: bool = False) -> dict[str, Any]:
    """Set or lift the legal hold of accounts; errors as holds.

    :return: changed, accounts (as they are then), and diff.
    """
    if not accounts:
        raise InvalidInput("Name the accounts, by address or id, or all.")
    with contextlib.closing(node.repository()) as repository:
        wanted = hold.named(hold.accounts(repository), accounts)
        changed = [one for one in wanted if one.held != held]
        if changed and not dry_run:
            with repository.writer(PATIENCE) as writer:
                hold.change(writer, wanted, held)
    return {
        "changed": bool(changed),
        "accounts": [_row(one._replace(held=held)) for one in wanted],
        "diff": {"before": _lines(changed, not held), "after": _lines(changed, held)},
    }


def _row(one: Held) -> dict[str, Any]:
    return {"name": one.name, "id": one.account_id, "held": one.held, "deleted": one.deleted}


def _lines(rows: Sequence[Held], held: bool) -> str:
    return "".join(f"{one.name} {one.account_id} {status(held)}\n" for one in rows)


def status(held: bool) -> str:
    """Return the vendor's word."""
    return "set" if held else "unset"


def answer_hold(call: Call) -> dict[str, Any]:
    """Answer the module legal_hold."""
    return set_hold(call.node(), call["accounts"], call["state"] == "present", call.check_mode)
