# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line beside the vendor's: what it has is offered with the same words, or said to be left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.restante.carbonio.plugins.module_utils.cli.commands import COMMANDS
from ansible_collections.restante.carbonio.plugins.module_utils.cli.grammar import Command, find, split
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main

from tools import commands

DOCS = Path(__file__).resolve().parents[3] / "docs"
VENDOR: Mapping[str, Mapping[str, Any]] = {
    f"{module} {name}": fields
    for module, names in yaml.safe_load(Path(__file__).with_name("vendor_commands.yml").read_text("utf-8")).items()
    for name, fields in names.items()
}
OURS: Mapping[str, Command] = {command.name: command for command in COMMANDS}


def table(heading: str) -> Iterator[tuple[str, list[str], str]]:
    """Yield what a table of not-offered.md says: command, the parameters meant or none, and the reason."""
    text = (DOCS / "not-offered.md").read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    for row in re.findall(r"^\| (`.*`) \| (.*) \|$", text, re.MULTILINE):
        first, colon, rest = row[0].partition(": ")
        for name in re.findall("`(.*?)`", first):
            yield name, re.findall("`(.*?)`", rest) if colon else [], row[1]


LEFT_OUT = list(table("Not offered"))
COMMANDS_LEFT_OUT = {name for name, parameters, _why in LEFT_OUT if not parameters}
PARAMETERS_LEFT_OUT = {(name, parameter) for name, parameters, _why in LEFT_OUT for parameter in parameters}


def test_the_page_of_commands_is_as_the_grammar() -> None:
    assert commands.PAGE.read_text("utf-8") == commands.page(COMMANDS), "docs/commands.md is stale; run make commands"


@pytest.mark.parametrize("name", VENDOR)
def test_what_the_vendor_has_is_offered_or_said_to_be_left_out(name: str) -> None:
    assert (name in OURS) is not (name in COMMANDS_LEFT_OUT)


@pytest.mark.parametrize("name", [name for name in VENDOR if name in OURS])
def test_what_is_offered_has_the_same_parameters_and_values(name: str) -> None:
    """R-294."""
    theirs, ours = VENDOR[name], OURS[name]
    assert [parameter.name for parameter in ours.mandatory] == theirs.get("mandatory", [])
    optional = {parameter.name for parameter in ours.optional}
    for parameter in theirs.get("optional", []):
        # hyphens are as good as underscores
        assert (parameter.replace("-", "_") in optional) is not ((name, parameter) in PARAMETERS_LEFT_OUT), parameter
    types = {parameter.name: parameter.type for parameter in (*ours.mandatory, *ours.optional)}
    for parameter, words in theirs.get("values", {}).items():
        for word in words:
            if (name, f"{parameter} {word}") not in PARAMETERS_LEFT_OUT:
                types[parameter].read(word)


def test_what_is_left_out_exists_and_has_a_reason() -> None:
    for name, parameters, why in LEFT_OUT:
        known = VENDOR[name]
        assert why.endswith(".") and len(why) > 20
        for parameter in parameters:
            option, _space, word = parameter.partition(" ")
            assert word in known["values"][option] if word else option in known["optional"]


def test_what_is_ours_alone_is_said_to_be() -> None:
    assert {name for name, _parameters, _why in table("Ours")} == set(OURS) - set(VENDOR)


@pytest.mark.parametrize(("command", "module"), [
    ("doItemRestore", "item_restore"), ("doRestoreOnNewAccount", "new_account_restore"), ("doUndelete", "undelete"),
    ("doRestoreAccount", "account_restore"), ("doExternalRestore", "external_restore"),
])
def test_each_of_the_five_strategies_is_a_command_and_a_module(command: str, module: str) -> None:
    """R-001, R-002, R-003."""
    assert OURS[f"backup {command}"].works_long
    assert (DOCS.parent / "plugins" / "modules" / f"{module}.py").is_file()


@pytest.mark.parametrize("name", OURS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """R-295, R-302: before it and after it."""
    for words in (["help", *name.split()], [*name.split(), "help"]):
        assert main(words) == 0
        printed = capsys.readouterr().out
        assert printed.startswith(f"{OURS[name].help}\n") and f"restante {name}" in printed


@pytest.mark.parametrize("name", OURS)
def test_progress_is_accepted_by_every_command(name: str) -> None:
    """R-175."""
    line = split(["--progress", *name.split()])
    assert line.options.progress and find(COMMANDS, line.words)[0] is OURS[name]
    line = split([*name.split(), "--progress"])
    assert line.options.progress and find(COMMANDS, line.words)[0] is OURS[name]
