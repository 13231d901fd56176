# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the command line prints."""

from __future__ import annotations

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli import text
from ansible_collections.restante.carbonio.plugins.module_utils.cli.commands import COMMANDS
from ansible_collections.restante.carbonio.plugins.module_utils.cli.grammar import Command
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main


def test_a_tree_has_labels_padding_and_values() -> None:
    printed = text.tree({"name": "a", "usage": {"server": "b", "used": True}, "list": [{"x": 1}, {"x": 2}], "none": []})
    assert printed.splitlines() == [
        f"{'name':<34} a",
        "usage",
        f"    {'server':<30} b",
        f"    {'used':<30} true",
        "list",
        f"    {'x':<30} 1",
        "",
        f"    {'x':<30} 2",
        "none",
    ]


def test_a_text_of_several_lines_is_indented_below_its_label() -> None:
    assert text.tree({"stats": "one\ntwo\n"}).splitlines() == ["stats", "    one", "    two"]


def test_a_plain_value_is_printed_as_it_is() -> None:
    assert text.tree("connection ok") == "connection ok"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_marks_what_is_mandatory_and_what_is_not(command: Command) -> None:
    """R-302, R-062: what is taken for the sake of old scripts alone is not in the help."""
    printed = text.command_help(command)
    for parameter in command.mandatory:
        assert f"{parameter.name}(M)" in printed and f"<{parameter.name}>" in printed
    for parameter in command.optional:
        assert (f"{parameter.name}(O)" in printed) is not parameter.hidden


def test_help_has_three_levels(capsys: pytest.CaptureFixture[str]) -> None:
    """R-295."""
    assert main(["help"]) == 0
    assert "backup" in capsys.readouterr().out
    assert main(["help", "backup"]) == 0
    assert "doExternalRestore" in capsys.readouterr().out
    assert main(["help", "backup", "doexternalrestore"]) == 0
    assert "blobs_archive(O)" in capsys.readouterr().out
    assert main(["core", "doCreateBucket", "S3", "help"]) == 0
    assert "region(O)" in capsys.readouterr().out
    assert main(["help", "core", "doCreateBucket"]) == 0
    assert "MinIO" in capsys.readouterr().out


def test_a_line_that_is_not_understood_is_answered_with_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """R-295."""
    assert main(["backup", "doExternalRestore"]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("command backup doExternalRestore requires more parameters")
    assert "source_path(M)" in told.err and told.out == ""
    assert main(["backup", "nonsense"]) == 1
    assert "doSmartScan" in capsys.readouterr().err
