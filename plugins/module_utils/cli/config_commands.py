# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands `config`: attributes of accounts, classes of service, domains and the node (reference, 3.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from ..runtime import attributes
from ..runtime.attributes import ACCOUNT, COS, DOMAIN, GLOBAL, LEVELS, SERVER
from ..runtime.node import Node
from .grammar import BOOLEAN, PATH, TEXT, Command, Parameter

_NAMES: Final = {
    ACCOUNT: "its address or id", COS: "its name or id", DOMAIN: "its name or id", SERVER: "this node, by name or id",
}
_ATTRIBUTE: Final = Parameter("attribute", TEXT, "case matters")


def _get(level: str) -> Callable[..., Any]:
    def run(node: Node, attribute: str, name: str = "") -> Any:
        return {f"{level} {name}".strip(): {"values": [attributes.get(node, level, name, attribute)]}}

    return run


def _change(level: str) -> Callable[..., Any]:
    def run(node: Node, attribute: str, name: str = "", value: str = "") -> Any:
        attributes.change(node, level, name, attribute, [value] if value else [])
        return "ok"

    return run


def _dump(level: str) -> Callable[..., Any]:
    def run(node: Node, name: str = "", show_inherited: bool = True, backup_path: str = "") -> Any:
        return attributes.dump(node, level, name, show_inherited=show_inherited, backup_path=backup_path)

    return run


def _commands() -> Iterator[Command]:
    for level in LEVELS:
        whose = (Parameter("name", TEXT, _NAMES[level]),) if level in _NAMES else ()
        of = f"of {level}" if level == GLOBAL else f"of a {level}"
        yield Command("config", ("get", level), f"show an attribute {of}", _get(level), (*whose, _ATTRIBUTE))
        if level != GLOBAL:
            yield Command(
                "config", ("set", level), f"give an attribute {of} a value", _change(level),
                (*whose, _ATTRIBUTE, Parameter("value")),
            )
            yield Command(
                "config", ("unset", level), f"take the value of an attribute {of} away; the inherited one shows again",
                _change(level), (*whose, _ATTRIBUTE),
            )
        optional = [Parameter("show_inherited", BOOLEAN, "also what it has from above", True)] if whose else []
        if level in (ACCOUNT, COS, DOMAIN):
            optional.append(Parameter("backup_path", PATH, "as this backup knows it, not the mail server", ""))
        yield Command(
            "config", ("dump", level), f"show all attributes {of}, to compare them before and after", _dump(level),
            whose, optional,
        )
    yield Command("config", ("info",), "tell what an attribute of the node is", _info, (_ATTRIBUTE,))


def _info(node: Node, attribute: str) -> Any:
    return attributes.describe(attribute)


COMMANDS: Final = tuple(_commands())
