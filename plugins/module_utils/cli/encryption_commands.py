# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands about the keys of an encrypted backup; the vendor has none of the kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..runtime import encryption
from ..runtime.node import Node
from .grammar import LIST, PATH, TEXT, Command, Parameter
from .parameters import NOTIFICATIONS


def _forget(node: Node, accounts: Sequence[str], notifications: Sequence[str]) -> Any:
    return encryption.forget_accounts(node, accounts, notifications)


def _change(node: Node, **given: str) -> Any:
    return encryption.change_master_key(node, given)


COMMANDS: Final = (
    Command(
        "backup", ("forgetAccount",), "destroy the keys of deleted accounts, and with them all the backup has of them",
        _forget, (Parameter("accounts", LIST, "by address or id"),), (NOTIFICATIONS,),
        example="forgetAccount former.user@example.com", works_long=True,
    ),
    Command(
        "backup", ("changeMasterKey",), "put the backup under another master key", _change,
        optional=(
            Parameter("encryption_key_file", PATH, "the file with the new one", ""),
            Parameter("encryption_key_variable", TEXT, "the environment variable with the new one", ""),
            Parameter("encryption_key_command", TEXT, "the command that prints the new one", ""),
        ),
        example="changeMasterKey encryption_key_file /etc/restante/master-2027.key", works_long=True,
    ),
)
