# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that care for a backup: purge and legal hold (reference, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..runtime import care
from ..runtime.node import Node
from .grammar import LIST, PATH, TEXT, Command, Parameter

_ACCOUNTS: Final = Parameter("accounts", LIST, "by address or id, or the word all")


def _purge(node: Node, purgeDays: str, backup_path: str) -> Any:
    return care.purge(node, purgeDays, backup_path)


def _get(node: Node, accounts: Sequence[str]) -> Any:
    return [f"{row['name']} {row['id']} {care.status(row['held'])}" for row in care.holds(node, accounts)]


def _set(node: Node, accounts: Sequence[str]) -> Any:
    care.set_hold(node, accounts, True)
    return _get(node, accounts)


def _unset(node: Node, accounts: Sequence[str]) -> Any:
    care.set_hold(node, accounts, False)
    return _get(node, accounts)


COMMANDS: Final = (
    Command(
        "backup", ("doPurge",), "take out of the backup what is older than the retention", _purge,
        optional=(
            Parameter("purgeDays", TEXT, "data retention in days in the place of this node's; 0 for ever", ""),
            Parameter("backup_path", PATH, "another one than this node's", ""),
        ),
        example="doPurge purgeDays 30", works_long=True,
    ),
    Command("backup", ("legalHold", "get"), "show which accounts are on hold", _get, (_ACCOUNTS,)),
    Command(
        "backup", ("legalHold", "set"), "never purge anything of accounts", _set, (_ACCOUNTS,),
        example="legalHold set john@example.com,jane@example.com",
    ),
    Command("backup", ("legalHold", "unset"), "let the retention hold for accounts again", _unset, (_ACCOUNTS,)),
)
