# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the command line prints: trees of two columns, tables of parameters, help (reference, section 3.0)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from .grammar import Command, Parameter

PROGRAM: Final = "restante"
_INDENT: Final = "    "
_COLUMN: Final = 34
"""Width of the labels, those that are longer excepted."""

_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}
"""Names and subjects are chosen by whoever writes a mail: they must not drive the administrator's terminal."""

OPTIONS: Final = """\
options, before or after the command:
    --progress                 show how it goes on until the end; Ctrl+C leaves it to itself
    --sync                     wait for the end; exit status 0 successful, 1 failed, 2 stopped, 3 removed, 4 interrupted
    --json                     print JSON
    --config-file <path>       the node's settings
    --host <host>              accepted where it is this node; playbooks reach the others
"""


def tree(value: Any) -> str:
    """Return a value as a tree: label, padding, value; what is nested is indented."""
    return "\n".join(_lines(value, ""))


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for label, inner in value.items():
            yield from _labelled(str(label), inner, indent)
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            if number and isinstance(inner, Mapping):
                yield ""
            yield from _lines(inner, indent)
    else:
        yield indent + plain(value)


def _labelled(label: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, str) and "\n" in value:
        value = value.rstrip("\n").split("\n")
    if isinstance(value, (Mapping, list, tuple)) and value:
        yield indent + label
        yield from _lines(value, indent + _INDENT)
    else:
        yield f"{indent}{label:<{max(_COLUMN - len(indent), 1)}} {plain(value)}".rstrip()


def plain(value: Any) -> str:
    """Return a single value as text."""
    if value is None or (isinstance(value, (Mapping, list, tuple)) and not value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).translate(_CONTROLS)


def overview(commands: Sequence[Command]) -> str:
    """Return the help of the program: its modules."""
    modules = dict.fromkeys(command.module for command in commands)
    lines = [
        f"{PROGRAM} [options] <module> <command> [values...] [<name> <value>]...",
        f"{PROGRAM} [options]      asks for commands, or reads them from standard input, one a line",
        "", "modules:",
    ]
    lines += [f"{_INDENT}{module}" for module in modules]
    return "\n".join([*lines, "", OPTIONS + f"{PROGRAM} help <module> [<command>] tells more."])


def module_help(commands: Sequence[Command], module: str) -> str:
    """Return the help of a module: its commands."""
    known = [command for command in commands if command.module == module]
    names = [" ".join(command.words) for command in known]
    width = max(map(len, names)) + 2
    lines = [f"{_INDENT}{name:<{width}}{command.help}" for name, command in zip(names, known)]
    return "\n".join([f"{PROGRAM} {module} <command>", "", *lines])


def command_help(command: Command) -> str:
    """Return the help of a command: syntax, parameters with (M) or (O) (R-302), an example."""
    syntax = [PROGRAM, command.name, *(f"<{parameter.name}>" for parameter in command.mandatory)]
    if command.optional:
        syntax.append("[param VALUE[,VALUE]]")
    lines = [command.help, "", "Syntax:", f"{_INDENT}{' '.join(syntax)}"]
    rows = [(parameter, "(M)") for parameter in command.mandatory] + [
        (one, "(O)") for one in command.optional if not one.hidden
    ]
    if rows:
        lines += ["", "Parameters:"]
        names = max(len(parameter.name) for parameter, _mark in rows) + 3 + 2
        types = max(len(parameter.type.label) for parameter, _mark in rows) + 2
        lines += [f"{_INDENT}{_row(parameter, mark, names, types)}" for parameter, mark in rows]
        lines += ["", "(M) == mandatory parameter, (O) == optional parameter"]
    if command.example:
        lines += ["", "Example:", f"{_INDENT}{PROGRAM} {command.module} {command.example}"]
    return "\n".join(lines)


def _row(parameter: Parameter, mark: str, names: int, types: int) -> str:
    default = plain(parameter.default)
    note = f" (default: {default})" if default else ""
    return f"{parameter.name + mark:<{names}}{parameter.type.label:<{types}}{parameter.help}{note}".rstrip()
