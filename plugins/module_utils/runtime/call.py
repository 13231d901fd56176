# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One call of a module: what a service is asked. It knows nothing of Ansible, so that services do not either."""

from __future__ import annotations

import dataclasses
import getpass
from collections.abc import Mapping
from typing import Any

from .node import Node


@dataclasses.dataclass(frozen=True)
class Call:
    """The arguments of a module, and whether it may change anything."""

    arguments: Mapping[str, Any]
    check_mode: bool = False

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    @property
    def config_file(self) -> str:
        """The settings file of the node."""
        return str(self.arguments["config_file"])

    def node(self) -> Node:
        """Return the node that the settings file describes."""
        return Node.load(self.config_file)


def initiator() -> str:
    """Return who runs this, for the record of an operation."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return ""
