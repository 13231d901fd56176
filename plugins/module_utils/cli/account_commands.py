# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that restore a whole account of this server (reference, sections 3.3, 4.2 and 4.3)."""

from __future__ import annotations

from typing import Any, Final

from ..model import moment
from ..runtime import accounts
from ..runtime.node import Node
from .grammar import BOOLEAN, TEXT, Command, Parameter, Type
from .parameters import NOTIFICATIONS

_ACCOUNT: Final = Type("Account Name/ID", str)
_DATE: Final = Type('"dd/MM/yyyy HH:mm:ss"|last', str)
_DATASOURCE: Final = Parameter("restore_datasource", BOOLEAN, "restore external data sources", True)
_HSM: Final = Parameter("apply_hsm", BOOLEAN, "have the mail server's policy move what was restored", False)


def _on_new_account(
    node: Node, source_account: str, destination_account: str, apply_hsm: bool, notifications: list[str],
    restore_chat_buddies: bool, undelete_start_time: str, **given: Any,
) -> Any:
    if undelete_start_time:  # the vendor's example has another name for it than its table (C-13)
        given["undelete_start_date"] = undelete_start_time
    return accounts.restore_on_new_account(
        node, source_account, destination_account, options=accounts.options_of(node, given), apply_hsm=apply_hsm,
        notifications=notifications,
    )


def _account(node: Node, account: str, domain: str, apply_hsm: bool, notifications: list[str], **given: Any) -> Any:
    return accounts.restore_account(
        node, account, domain=domain, options=accounts.options_of(node, given), apply_hsm=apply_hsm,
        notifications=notifications,
    )


COMMANDS: Final = (
    Command(
        "backup", ("doRestoreOnNewAccount",), "restore an account as it was at a moment on a new one", _on_new_account,
        (
            Parameter("source_account", _ACCOUNT, "also one that is deleted"),
            Parameter("destination_account", TEXT, "the address of the new one"),
            Parameter("date", _DATE, "as it was then"),
        ),
        (
            _HSM, NOTIFICATIONS, _DATASOURCE,
            Parameter("undelete", BOOLEAN, "also what was deleted by then", False),
            Parameter("undelete_start_date", Type('"dd/MM/yyyy HH:mm:ss"|first', str), "... since", moment.FIRST),
            Parameter("hide_in_gal", BOOLEAN, "leave it out of the address list", False),
            Parameter("undelete_start_time", TEXT, "", "", hidden=True),
            Parameter("restore_chat_buddies", BOOLEAN, "", False, hidden=True),
        ),
        example='doRestoreOnNewAccount john@example.com john.restored@example.com "28/03/2026 09:29:49"',
        works_long=True,
    ),
    Command(
        "backup", ("doRestoreAccount",), "restore a deleted account with its own id", _account,
        (Parameter("account", _ACCOUNT, "the deleted one"),),
        (
            Parameter("date", _DATE, "as it was then; last: at its deletion", moment.LAST),
            Parameter("domain", TEXT, "put it into this one", ""),
            _HSM, NOTIFICATIONS, _DATASOURCE,
        ),
        example="doRestoreAccount john@example.com domain example.org", works_long=True,
    ),
)
