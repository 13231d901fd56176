# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single Item Restore and Undelete on a node, as operations with notifications; and their plans."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds, moment
from ..model.errors import NotFound
from ..model.moment import Moment
from ..model.state import Entry
from ..restore.accounts import find_account
from ..restore.in_place import InPlacePlan, Outstanding, outstanding, restore_in_place
from ..restore.item import plan_item
from ..restore.undelete import Interval, plan_undelete
from .call import Call
from .node import Node
from .operations import operation, seconds
from .realtime import settle
from .recovery import answered
from .same_server import NO_POLICY, opened, scanned_first, sides

Planner = Callable[[Repository, MailStore, Entry], InPlacePlan]


def restore_item(
    node: Node, account: str, item_id: str, *, date: Moment = moment.LAST, restore_folder: str = "",
    notifications: Sequence[str] = (),
) -> dict[str, Any]:
    """Restore one item into its owner's mailbox (R-036 to R-043).

    :param account: id, address or alias. :param date: as it was then. :param restore_folder: a path; empty for its own.
    :return: "changed", "report", "stats" (the report as text), "seconds" by phase and "operation_id".
    :raises NotFound, InvalidInput: it cannot be done; nothing has been written to the mail server.
    """
    return _restore(node, account, _item(node, item_id, date, restore_folder), notifications)


def undelete(
    node: Node, account: str, interval: Interval, *, target_original_folder: bool = True, apply_hsm: bool = False,
    notifications: Sequence[str] = (),
) -> dict[str, Any]:
    """Restore what was deleted from a mailbox in an interval (R-080 to R-098). As restore_item().

    :param target_original_folder: put it where it was; else all into one folder.
    :param apply_hsm: move what was restored by the mail server's policy; one that has none says so.
    """
    return _restore(node, account, _undelete(node, interval, target_original_folder), notifications, apply_hsm)


def _item(node: Node, item_id: str, date: Moment, restore_folder: str) -> Planner:
    path = node.settings.backup_path
    return lambda source, store, account: plan_item(source, store, path, account, item_id, date, restore_folder)


def _undelete(node: Node, interval: Interval, original_folder: bool) -> Planner:
    today = datetime.now(moment.zone(node.settings.time_zone))
    return lambda source, store, account: plan_undelete(source, account, interval, today, original_folder)


def _restore(
    node: Node, account: str, planner: Planner, notifications: Sequence[str], apply_hsm: bool = False
) -> dict[str, Any]:
    with _opened(node, account) as (_source, _store, entry):
        pass  # what is wrong with the node or the account is said before anything is scanned
    settle(node, [entry.entry_id])
    planned, _unused = _planned(node, account, planner)
    told = node.notifications()
    with operation(node, planned.strategy, {"account": planned.account.name, "what": planned.title}) as running:
        planned, left = _planned(node, account, planner)  # it may have waited for long
        report = restore_in_place(
            sides(node), planned, progress=running, expected=sum(left.items.values()),
            notify=lambda type_, subject, text: told.notify(type_, subject, text, notifications),
        )
        if apply_hsm:
            report.warn(NO_POLICY)
        running.record.result = report.to_json()
    return {
        "changed": report.changed, "report": report.to_json(), "stats": report.text(), "tag": planned.tag,
        "seconds": seconds(running.record), "operation_id": running.id,
    }


def _planned(node: Node, account: str, planner: Planner) -> tuple[InPlacePlan, Outstanding]:
    with _opened(node, account) as (source, store, entry):
        planned = planner(source, store, entry)
        return planned, outstanding(source, store, node.settings.backup_path, planned)


@contextlib.contextmanager
def _opened(node: Node, account: str) -> Iterator[tuple[Repository, MailStore, Entry]]:
    with opened(node) as (source, store):
        entry = store.find_entry(kinds.ACCOUNT, account.strip())
        if entry is None:
            with contextlib.suppress(NotFound):  # by an alias
                entry = store.find_entry(kinds.ACCOUNT, find_account(source, account).entry.entry_id)
        if entry is None:
            raise NotFound(
                f"The mail server has no account {account!r}; check the spelling. One that was deleted is restored as "
                "a whole: doRestoreAccount, or doRestoreOnNewAccount."
            )
        yield source, store, entry


def answer_item(call: Call) -> dict[str, Any]:
    """Answer the module item_restore."""
    node = call.node()
    date, folder = moment.parse(call["date"], node.settings.time_zone), call["restore_folder"] or ""
    if call.check_mode:
        return _shown(node, call["account"], _item(node, call["item_id"], date, folder))
    return answered(call, restore_item(
        node, call["account"], call["item_id"], date=date, restore_folder=folder, notifications=call["notifications"]
    ))


def answer_undelete(call: Call) -> dict[str, Any]:
    """Answer the module undelete."""
    node = call.node()
    interval, original = interval_of(node, call["start_date"], call["end_date"]), call["target_original_folder"]
    if call.check_mode:
        return _shown(node, call["account"], _undelete(node, interval, original))
    return answered(call, undelete(
        node, call["account"], interval, target_original_folder=original, apply_hsm=call["apply_hsm"],
        notifications=call["notifications"],
    ))


def interval_of(node: Node, start: str, end: str) -> Interval:
    """Return an interval of two dates as text. :raises InvalidInput: one cannot be read."""
    zone = node.settings.time_zone
    return Interval(moment.parse(start, zone), moment.parse(end, zone))


def _shown(node: Node, account: str, planner: Planner) -> dict[str, Any]:
    planned, left = _planned(node, account, planner)
    lines = left.lines(planned)
    return {
        "changed": bool(left.items), "plan": [*lines, *scanned_first(node, planned.account.entry_id)],
        "diff": {"prepared": "".join(f"{line}\n" for line in lines) if left.items else ""},
    }
