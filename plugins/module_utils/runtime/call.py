# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One call of a module: what a service is asked. It knows nothing of Ansible, so that services do not either."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..operations.operation import Operations
from .node import Node


@dataclasses.dataclass(frozen=True)
class Call:
    """The arguments of a module, and whether it may change anything."""

    arguments: Mapping[str, Any]
    check_mode: bool = False
    _nodes: list[Node] = dataclasses.field(default_factory=list)

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    @property
    def config_file(self) -> str:
        """The settings file of the node."""
        return str(self.arguments["config_file"])

    def node(self) -> Node:
        """Return the node that the settings file describes."""
        node = Node.load(self.config_file)
        node.operations = Operations(node.settings.state_path, next_id=self.arguments.get("operation_id") or "")
        node.initiator = self.arguments.get("initiator") or node.initiator
        self._nodes.append(node)
        return node

    def complaints(self) -> list[str]:
        """Return what the caller should know although the work has not failed for it."""
        return [sentence for node in self._nodes for sentence in node.notifications().failures]
