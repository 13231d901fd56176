# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that look through shares and mend them (reference, section 3.2)."""

from __future__ import annotations

from typing import Any, Final

from ..runtime import share_repair
from ..runtime.node import Node
from .grammar import PATH, Command, Parameter
from .parameters import START


def _check(node: Node, action: str) -> Any:
    return share_repair.check(node)


def _fix(node: Node, import_idmap_file: str) -> Any:
    return share_repair.fix(node, import_idmap_file)


COMMANDS: Final = (
    Command("backup", ("doCheckShares",), "list the broken shares of all accounts", _check, (START,)),
    Command(
        "backup", ("doFixShares",), "mend shares after an import", _fix,
        (Parameter("import_idmap_file", PATH, "a file map_<server id> of a Backup Path"),),
        example="doFixShares /opt/zextras/backup/zextras/map_<server_id>", works_long=True,
    ),
)
