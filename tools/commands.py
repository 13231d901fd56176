# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write docs/commands.md: every command with its parameters, from the grammar of the command line.

    PYTHONPATH=build/collections build/env-test/bin/python tools/commands.py
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.restante.carbonio.plugins.module_utils.cli.commands import COMMANDS
from ansible_collections.restante.carbonio.plugins.module_utils.cli.grammar import Command, Parameter
from ansible_collections.restante.carbonio.plugins.module_utils.cli.text import PROGRAM, plain

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"

HEAD = f"""\
# All commands

<!-- Written by `make commands` from the grammar of the command line; do not edit. -->

What `{PROGRAM}` understands ([command-line.md](command-line.md) says how). Mandatory values come by position, in this
order; optional ones as pairs of name and value, here with the default where there is one. What the vendor has and this
has not stands in [not-offered.md](not-offered.md).
"""

COLUMNS = """\
| command | mandatory | optional | what it does |
| --- | --- | --- | --- |"""


def page(commands: Sequence[Command]) -> str:
    """Return docs/commands.md."""
    lines = [HEAD.rstrip()]
    for module in dict.fromkeys(command.module for command in commands):
        lines += ["", f"## {module}", "", COLUMNS]
        lines += [_row(command) for command in commands if command.module == module]
    return "\n".join(lines) + "\n"


def _row(command: Command) -> str:
    mandatory = " ".join(f"`{parameter.name}`" for parameter in command.mandatory)
    optional = ", ".join(_optional(parameter) for parameter in command.optional if not parameter.hidden)
    return f"| `{' '.join(command.words)}` | {mandatory} | {optional} | {command.help} |".replace("|  |", "| |")


def _optional(parameter: Parameter) -> str:
    default = plain(parameter.default)
    return f"`{parameter.name}`" + (f" = {default}" if default else "")


if __name__ == "__main__":
    PAGE.write_text(page(COMMANDS), encoding="utf-8")
    sys.exit(0)
