# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands one after the other: at a prompt, from standard input, with what Tab completes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli import shell
from ansible_collections.restante.carbonio.plugins.module_utils.cli.commands import COMMANDS
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from hypothesis import given
from hypothesis import strategies as st


class Typist(io.StringIO):
    """A standard input that is a terminal, or not."""

    def __init__(self, text: str, is_terminal: bool) -> None:
        super().__init__(text)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    def run(text: str, *options: str, at_prompt: bool = False) -> int:
        monkeypatch.setattr(sys, "stdin", Typist(text, at_prompt))
        return main(options)

    return run


def test_commands_are_read_from_standard_input(
    typed: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """R-296."""
    assert typed("help backup\n\n# a remark\nHELP core listBuckets # and another\n") == 0
    output = capsys.readouterr().out
    assert output.index("doExternalRestore") < output.index("show_secrets(O)")


def test_the_first_command_that_fails_ends_a_file_of_commands(
    typed: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("help backup\nbackup nonsense\nhelp core\n") == 1
    told = capsys.readouterr()
    assert "doSmartScan" in told.out and "listBuckets" not in told.out
    assert "Line 2 has failed; what follows it was not carried out." in told.err


def test_a_line_that_does_not_end_is_told_with_its_number(
    typed: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("help\nbackup doItemSearch a 'b\n") == 1
    assert capsys.readouterr().err.startswith("Line 2: No closing quotation")


def test_nothing_to_read_is_no_error(typed: Callable[..., int]) -> None:
    assert typed("") == 0


@pytest.mark.parametrize("end", ["", "exit\n", "QUIT\nhelp core\n"])
def test_the_prompt_asks_until_its_end_whatever_is_typed(
    typed: Callable[..., int], capsys: pytest.CaptureFixture[str], end: str
) -> None:
    """R-296: restante> instead of carbonio>."""
    assert typed(f"backup nonsense\n\n'\nhelp backup doexternalrestore\n{end}", at_prompt=True) == 0
    told = capsys.readouterr()
    assert told.out.count("restante> ") == 5
    assert "blobs_archive(O)" in told.out and "listBuckets" not in told.out
    assert "no command 'nonsense'" in told.err and "No closing quotation" in told.err


def test_ctrl_c_gives_up_a_line_and_not_the_prompt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: list[Callable[[], str]] = [lambda: "one two", _interrupted, lambda: "three", _ended]
    monkeypatch.setattr("builtins.input", lambda prompt: answers.pop(0)())
    carried_out: list[Sequence[str]] = []
    assert shell.at_prompt(COMMANDS, lambda words: carried_out.append(words) or 1, sys.stderr) == 0
    assert carried_out == [["one", "two"], ["three"]]


def _interrupted() -> str:
    raise KeyboardInterrupt


def _ended() -> str:
    raise EOFError


def test_options_hold_for_every_line(typed: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("backup getBackupInfo\n", "--config-file", "/nowhere/restante.json") == 1
    assert "/nowhere/restante.json does not exist" in capsys.readouterr().err
    assert typed("help\n", "--config-file") == 1
    assert "needs the path" in capsys.readouterr().err


@pytest.mark.parametrize(("before", "among", "without"), [
    ([], ["help", "backup", "powerstore"], ["doSmartScan"]),
    (["help"], ["backup"], ["help"]),
    (["BACKUP"], ["doSmartScan", "setBackupVolume"], ["listBuckets"]),
    (["--json", "backup"], ["doSmartScan"], ["listBuckets"]),
    (["backup", "setbackupvolume"], ["Local", "S3"], ["doSmartScan"]),
    (["backup", "doSmartScan"], [], ["deep"]),
    (["backup", "doSmartScan", "start"], ["deep", "notifications"], []),
    (["backup", "doSmartScan", "start", "deep", "true"], ["notifications"], ["deep"]),
    (["backup", "doRestoreOnNewAccount", "a", "b", "last"], ["undelete"], ["restore_chat_buddies"]),
    (["nonsense"], [], ["backup"]),
])
def test_tab_completes_what_the_grammar_has(before: list[str], among: list[str], without: list[str]) -> None:
    found = shell.completions(COMMANDS, before)
    assert set(among) <= set(found) and not set(without) & set(found)


@given(st.lists(st.text(max_size=8), max_size=5))
def test_nothing_that_is_typed_breaks_the_completion(before: list[str]) -> None:
    shell.completions(COMMANDS, before)
