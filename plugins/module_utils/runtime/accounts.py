# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore on New Account and Restore Account on a node, as operations with notifications; and their plans."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds, moment
from ..model.errors import NotFound
from ..model.state import ACCOUNT_ITEM
from ..operations.report import RestoreReport
from ..restore.account import plan_account
from ..restore.copies import CopyPlan, outstanding
from ..restore.copy_source import CopyOptions
from ..restore.copying import restore_copy
from ..restore.idmap import map_name
from ..restore.new_account import plan_new_account
from .call import Call
from .node import Node
from .operations import operation, seconds
from .realtime import settle
from .recovery import answered
from .same_server import NO_POLICY, opened, scanned_first, sides

Planner = Callable[[Repository, MailStore], CopyPlan]


def restore_on_new_account(
    node: Node, source_account: str, destination_account: str, *, options: CopyOptions, apply_hsm: bool = False,
    notifications: Sequence[str] = (),
) -> dict[str, Any]:
    """Restore an account of the node's own backup, as it was at a moment, on a new account (R-044 to R-070).

    :param source_account: id, address or alias. :param destination_account: the address of the new one.
    :param apply_hsm: move what was restored by the mail server's policy; one that has none says so.
    :return: "changed", "report", "stats" (the report as text), "account", "date", "map_file", "seconds" by phase and
        "operation_id", which is empty where an earlier run had finished.
    :raises NotFound, InvalidInput, AlreadyExists: it cannot be done; nothing has been written to the mail server.
    """
    return _restore(
        node, source_account, _new_account(node, source_account, destination_account, options), apply_hsm, notifications
    )


def restore_account(
    node: Node, account: str, *, domain: str = "", options: CopyOptions, apply_hsm: bool = False,
    notifications: Sequence[str] = (),
) -> dict[str, Any]:
    """Restore a deleted account of the node's own backup under its own id (R-071 to R-078).

    :param account: id, address or alias. :param domain: that it is to be in; empty for its own. Else as above.
    """
    return _restore(node, account, _account(node, account, domain, options), apply_hsm, notifications)


def _new_account(node: Node, account: str, destination: str, options: CopyOptions) -> Planner:
    path = node.settings.backup_path
    return lambda source, store: plan_new_account(source, store, path, account, destination, options)


def _account(node: Node, account: str, domain: str, options: CopyOptions) -> Planner:
    path = node.settings.backup_path
    return lambda source, store: plan_account(source, store, path, account, domain, options)


def _restore(
    node: Node, account: str, planner: Planner, apply_hsm: bool, notifications: Sequence[str]
) -> dict[str, Any]:
    planned = _settled(node, account, planner)
    if planned.target.done is not None:
        return _told(node, planned, restore_copy(sides(node), planned))
    told = node.notifications()
    with operation(node, planned.strategy, {**planned.request, "apply_hsm": apply_hsm}) as running:
        planned, items = _planned(node, planner)  # it may have waited for long
        report = restore_copy(
            sides(node), planned, progress=running, expected=sum(items.values()),
            notify=lambda type_, subject, text: told.notify(type_, subject, text, notifications),
        )
        if apply_hsm:
            report.warn(NO_POLICY)
        running.record.result = report.to_json()
    return {**_told(node, planned, report), "seconds": seconds(running.record), "operation_id": running.id}


def _settled(node: Node, account: str, planner: Planner) -> CopyPlan:
    """Refuse what can be refused, then bring the backup up to date, and return the plan."""
    try:
        planned = _plan(node, planner)
    except NotFound:
        if not _is_new(node, account):
            raise
    else:
        if planned.target.done is not None:
            return planned
    settle(node, [account])
    return _plan(node, planner)


def _is_new(node: Node, account: str) -> bool:
    """Return whether the mail server has an account that the backup does not know yet."""
    with opened(node) as (source, store):
        present = store.find_entry(kinds.ACCOUNT, account)
        return present is not None and source.entry(present.entry_id, ACCOUNT_ITEM) is None


def _plan(node: Node, planner: Planner) -> CopyPlan:
    with opened(node) as (source, store):
        return planner(source, store)


def _planned(node: Node, planner: Planner) -> tuple[CopyPlan, Counter[str]]:
    with opened(node) as (source, store):
        planned = planner(source, store)
        return planned, outstanding(source, store, node.settings.backup_path, planned)


def _told(node: Node, planned: CopyPlan, report: RestoreReport) -> dict[str, Any]:
    with contextlib.closing(node.store()) as store:
        made = store.find_entry(kinds.ACCOUNT, planned.target.address)
        name = map_name(store.server_id(), made.entry_id if made else planned.target.entry_id)
    return {
        "changed": report.changed,
        "report": report.to_json(),
        "stats": report.text(),
        "account": {"id": made.entry_id, "name": made.name} if made else {},
        "date": moment.iso(planned.source.at),
        "map_file": os.path.join(node.settings.backup_path, name),
        "seconds": {},
        "operation_id": "",
    }


def options_of(node: Node, given: Mapping[str, Any]) -> CopyOptions:
    """Return options of what a caller gives: dates as text, what is not given left out or None.

    :raises InvalidInput: a date cannot be read.
    """
    options: dict[str, Any] = {
        name: given[name] for name in CopyOptions._fields if given.get(name) is not None
    }
    for name in ("date", "undelete_start_date"):
        if name in options:
            options[name] = moment.parse(options[name], node.settings.time_zone)
    return CopyOptions(**options)


def answer_new_account(call: Call) -> dict[str, Any]:
    """Answer the module new_account_restore."""
    node = call.node()
    options = options_of(node, call.arguments)
    source, destination = call["source_account"], call["destination_account"]
    if call.check_mode:
        return _shown(node, _new_account(node, source, destination, options))
    return answered(call, restore_on_new_account(
        node, source, destination, options=options, apply_hsm=call["apply_hsm"], notifications=call["notifications"]
    ))


def answer_account(call: Call) -> dict[str, Any]:
    """Answer the module account_restore."""
    node = call.node()
    options = options_of(node, call.arguments)
    account, domain = call["account"], call["domain"]
    if call.check_mode:
        return _shown(node, _account(node, account, domain, options))
    return answered(call, restore_account(
        node, account, domain=domain, options=options, apply_hsm=call["apply_hsm"], notifications=call["notifications"]
    ))


def _shown(node: Node, planner: Planner) -> dict[str, Any]:
    planned, items = _planned(node, planner)
    lines = [*planned.lines(items), *scanned_first(node, planned.source.entry.entry_id)]
    changed = bool(items) or not planned.target.resumed
    return {
        "changed": changed, "plan": lines, "date": moment.iso(planned.source.at),
        "diff": {"prepared": "".join(f"{line}\n" for line in lines)},
    }
