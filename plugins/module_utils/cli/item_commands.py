# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that restore items into the mailbox they are from (reference, sections 3.3, 4.1 and 4.4)."""

from __future__ import annotations

from typing import Any, Final

from ..model import moment
from ..runtime import items
from ..runtime.node import Node
from .grammar import BOOLEAN, TEXT, Command, Parameter, Type
from .parameters import NOTIFICATIONS

_ACCOUNT: Final = Type("Account Name/ID", str)


def _item(
    node: Node, account: str, item_id: str, date: str, restore_folder: str, notifications: list[str]
) -> Any:
    return items.restore_item(
        node, account, item_id, date=moment.parse(date, node.settings.time_zone), restore_folder=restore_folder,
        notifications=notifications,
    )


def _undelete(
    node: Node, account: str, start_date: str, end_date: str, target_original_folder: bool, apply_hsm: bool,
    notifications: list[str],
) -> Any:
    return items.undelete(
        node, account, items.interval_of(node, start_date, end_date), target_original_folder=target_original_folder,
        apply_hsm=apply_hsm, notifications=notifications,
    )


COMMANDS: Final = (
    Command(
        "backup", ("doItemRestore",), "restore one item of a mailbox", _item,
        (
            Parameter("account", _ACCOUNT, "whose it is, or was"),
            Parameter("item_id", TEXT, "doItemSearch and the mailbox log tell it"),
        ),
        (
            Parameter("date", Type('"dd/MM/yyyy HH:mm:ss"|last', str), "as it was then", moment.LAST),
            Parameter("restore_folder", TEXT, "put it into this folder, such as /Inbox/Found", ""),
            NOTIFICATIONS,
        ),
        example="doItemRestore john@example.com 4784",
        works_long=True,
    ),
    Command(
        "backup", ("doUndelete",), "restore what was deleted from a mailbox in an interval", _undelete,
        (
            Parameter("account", _ACCOUNT, "whose it was"),
            Parameter("start_date", Type('"dd/MM/yyyy HH:mm:ss"|first', str), "deleted since then"),
            Parameter("end_date", Type('"dd/MM/yyyy HH:mm:ss"|last', str), "... until then"),
        ),
        (
            Parameter(
                "target_original_folder", BOOLEAN, "put it where it was; false: all into one folder of its own", True
            ),
            Parameter("apply_hsm", BOOLEAN, "have the mail server's policy move what was restored", False),
            NOTIFICATIONS,
        ),
        example='doUndelete john@example.com "08/10/2026 10:15:00" last',
        works_long=True,
    ),
)
