# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that care for a backup: purge, legal hold and coherency check (reference, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..care.coherency import DEPTHS, NAMES
from ..runtime import care, coherency, locks
from ..runtime.node import Node
from .grammar import BOOLEAN, INTEGER, LIST, PATH, TEXT, Command, Parameter, choice
from .parameters import NOTIFICATIONS

_ACCOUNTS: Final = Parameter("accounts", LIST, "by address or id, or the word all")


def _purge(node: Node, purgeDays: str, backup_path: str, trust_clock: bool) -> Any:
    return care.purge(node, purgeDays, backup_path, trust_clock=trust_clock)


def _get(node: Node, accounts: Sequence[str]) -> Any:
    return [f"{row['name']} {row['id']} {care.status(row['held'])}" for row in care.holds(node, accounts)]


def _set(node: Node, accounts: Sequence[str]) -> Any:
    care.set_hold(node, accounts, True)
    return _get(node, accounts)


def _unset(node: Node, accounts: Sequence[str]) -> Any:
    care.set_hold(node, accounts, False)
    return _get(node, accounts)


def _check(
    node: Node, backup_path: str, accountIds: Sequence[str], checkZimbra: bool, fixBackup: bool,
    notifications: Sequence[str], fixDoubleGzip: str, archive: str, max_minutes: int, accounts: Sequence[str],
) -> Any:
    options = coherency.Options(
        backup_path, [*accountIds, *accounts], fixBackup, archive, max_minutes, checkZimbra, fixDoubleGzip
    )
    return coherency.check(node, options, notifications)


def _renew_locks(node: Node, notifications: Sequence[str]) -> Any:
    return locks.renew(node, notifications)


COMMANDS: Final = (
    Command(
        "backup", ("doPurge",), "take out of the backup what is older than the retention", _purge,
        optional=(
            Parameter("purgeDays", TEXT, "data retention in days in the place of this node's; 0 for ever", ""),
            Parameter("backup_path", PATH, "another one than this node's", ""),
            Parameter("trust_clock", BOOLEAN, "take this node's clock for right, whatever the archive's says", False),
        ),
        example="doPurge purgeDays 30", works_long=True,
    ),
    Command(
        "backup", ("doRenewLocks",), "lock anew in the bucket what the backup needs, where half of a lock is over",
        _renew_locks, optional=(NOTIFICATIONS,), example="doRenewLocks", works_long=True,
    ),
    Command("backup", ("legalHold", "get"), "show which accounts are on hold", _get, (_ACCOUNTS,)),
    Command(
        "backup", ("legalHold", "set"), "never purge anything of accounts", _set, (_ACCOUNTS,),
        example="legalHold set john@example.com,jane@example.com",
    ),
    Command("backup", ("legalHold", "unset"), "let the retention hold for accounts again", _unset, (_ACCOUNTS,)),
    Command(
        "backup", ("doCoherencyCheck",), "read and verify everything in a backup, and put right what is damaged",
        _check, (Parameter("backup_path", PATH, "this node's, or another one"),),
        (
            Parameter("accountIds", LIST, "only the contents of these accounts", ()),
            Parameter("checkZimbra", BOOLEAN, "also compare with the mail server", False),
            Parameter("fixBackup", BOOLEAN, "put right what can be, and move what is damaged aside", False),
            NOTIFICATIONS,
            Parameter(
                "fixDoubleGzip", choice(*coherency.DOUBLE), "look for contents that are compressed twice",
                coherency.SKIP,
            ),
            Parameter("archive", choice(*DEPTHS), "how much of the archive is checked", NAMES),
            Parameter("max_minutes", INTEGER, "read contents for so long; the next check goes on; 0 until the end", 0),
            Parameter("accounts", LIST, "", (), hidden=True),  # the former name of accountIds
        ),
        example="doCoherencyCheck /opt/zextras/backup/zextras fixBackup true", works_long=True,
    ),
)
