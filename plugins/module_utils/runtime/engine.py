# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which engine answers a module on a node: this collection's own, or the vendor's Carbonio Backup.

The one place where that is decided, by the setting engine. What a module does on a node of the vendor's is looked up by
the module's name in carbonio/table.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..model.errors import Refused, RestanteError
from . import settings as settings_file
from .call import Call
from .settings import CARBONIO

Answer = Callable[[Call], Mapping[str, Any]]
"""Answers a module."""

EITHER: Final = frozenset({
    "archive_info", "backup_config", "backup_config_info", "command_line", "mailbox_log_info", "preflight_info",
})
"""Modules that do the same on every node."""


def chosen(module: str, call: Call, own: Answer) -> Answer:
    """Return what answers a module on the node of a call.

    :param module: its name, with or without that of the collection. :param own: this collection's engine.
    :raises Refused: the vendor's engine has nothing like it.
    """
    name = module.rpartition(".")[2]
    if name in EITHER or not is_the_vendors(call.config_file):
        return own
    from .carbonio.table import ANSWERS  # what other nodes need not load

    if name not in ANSWERS:
        raise Refused(
            f"The module {name} has no equivalent in the vendor's Carbonio Backup, and {call.config_file} says "
            "engine: carbonio. docs/vendor-engine.md lists what works with that engine."
        )
    return ANSWERS[name]


def is_the_vendors(config_file: str) -> bool:
    """Return whether a node's engine is the vendor's; settings that cannot be read are a matter for who needs them."""
    try:
        return settings_file.load(config_file).engine == CARBONIO
    except RestanteError:
        return False
