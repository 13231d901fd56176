# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands `powerstore`: volumes (reference, section 3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..runtime import volumes
from ..runtime.node import Node
from .grammar import BOOLEAN, LIST, Command, Parameter


def _all_volumes(node: Node) -> Any:
    return volumes.info(node)["volumes"]


def _deduplicate(node: Node, volume_name: Sequence[str], dry_run: bool) -> Any:
    return {name: volumes.deduplicate(node, name, dry_run)["deduplication"] for name in volume_name}


COMMANDS: Final = (
    Command("powerstore", ("getAllVolumes",), "show the volumes of this node", _all_volumes),
    Command(
        "powerstore", ("doDeduplicate",), "keep one of identical blobs of a volume", _deduplicate,
        (Parameter("volume_name", LIST),), (Parameter("dry_run", BOOLEAN, "only count them", False),),
        example="doDeduplicate message1", works_long=True,
    ),
)
