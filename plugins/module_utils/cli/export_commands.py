# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command that exports the live system (reference, section 3.1)."""

from __future__ import annotations

from typing import Any, Final

from ..runtime import export
from ..runtime.node import Node
from .grammar import BOOLEAN, INTEGER, LIST, PATH, Command, Parameter
from .parameters import NOTIFICATIONS


def _export(node: Node, destination_path: str, **given: Any) -> Any:
    return export.export(node, destination_path, **given)


COMMANDS: Final = (
    Command(
        "backup", ("doExport",), "export the live system into an empty directory", _export,
        (Parameter("destination_path", PATH, "empty, or to be made"),),
        (
            Parameter("domains", LIST, "only these", ()),
            Parameter("cos", LIST, "only accounts of these classes of service", ()),
            NOTIFICATIONS,
            Parameter("threshold", INTEGER, "MB that have to stay free on its disk; 0 for no such bound", 0),
            Parameter("read_error_threshold", INTEGER, "give up after so many failed reads; 0 for never", 0),
            Parameter("skip_items", BOOLEAN, "the directory only, not the content of mailboxes", False),
        ),
        example="doExport /srv/export domains example.com,example.org", works_long=True,
    ),
)
