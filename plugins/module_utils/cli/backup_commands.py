# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that make a backup and say what it holds (reference, sections 3.1 and 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..runtime import backups
from ..runtime.node import Node
from .grammar import BOOLEAN, INTEGER, PATH, Command, Parameter, Type
from .parameters import NOTIFICATIONS, START


def _smart_scan(
    node: Node, action: str, notifications: Sequence[str], read_error_threshold: int, deep: bool,
    remote_metadata_upload: bool, create_fake_blob: bool,
) -> Any:
    return backups.smart_scan(
        node, deep=deep, read_error_threshold=read_error_threshold, notifications=notifications
    )


def _account_scan(
    node: Node, account: str, deep: bool, notifications: Sequence[str], remote_metadata_upload: bool
) -> Any:
    return backups.smart_scan(node, deep=deep, accounts=[account], notifications=notifications)


def _cluster(node: Node, action: str, remote_metadata_upload: bool) -> Any:
    return backups.smart_scan(node, mailboxes=False)


_DEEP: Final = Parameter("deep", BOOLEAN, "look at everything, not only at what has changed", False)
_UPLOAD: Final = Parameter("remote_metadata_upload", BOOLEAN, "accepted; metadata is always uploaded", False)

COMMANDS: Final = (
    Command(
        "backup", ("doSmartScan",), "bring the backup up to date; initialises it the first time", _smart_scan,
        (START,),
        (
            NOTIFICATIONS,
            Parameter("read_error_threshold", INTEGER, "give up after so many failed reads; 0 for never", 0),
            _DEEP, _UPLOAD,
            Parameter("create_fake_blob", BOOLEAN, "accepted; lost content is reported, never made up", False),
        ),
        example="doSmartScan start notifications john@example.com,jane@example.com", works_long=True,
    ),
    Command(
        "backup", ("doAccountScan",), "bring the backup of one account up to date", _account_scan,
        (Parameter("account", Type("Account Name/ID", str)),), (_DEEP, NOTIFICATIONS, _UPLOAD),
        example="doAccountScan john@example.com deep true", works_long=True,
    ),
    Command(
        "backup", ("doBackupCluster",), "record domains, classes of service, lists and accounts, and no mailbox",
        _cluster, (START,), (_UPLOAD,), works_long=True,
    ),
    Command(
        "backup", ("getBackupInfo",), "show what a backup holds", backups.info,
        optional=(Parameter("backup_path", PATH, "another one than this node's", ""),),
    ),
)
