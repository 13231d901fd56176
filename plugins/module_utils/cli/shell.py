# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands one after the other: typed at a prompt, or read from standard input (R-296; reference, section 3.0)."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Final

from ..model.errors import InvalidInput
from .grammar import HELP, Command
from .text import PROGRAM

try:
    import readline
except ImportError:  # a Python without it: lines are typed without history and completion
    HAS_READLINE = False
else:
    HAS_READLINE = True

PROMPT: Final = f"{PROGRAM}> "
_END: Final = ("exit", "quit")


def at_prompt(commands: Sequence[Command], carry_out: Callable[[Sequence[str]], int], errors: IO[str]) -> int:
    """Carry out what is typed until Ctrl+D, or the word exit; return 0.

    :param carry_out: is given the words of a line; says itself what is wrong with them.
    """
    if HAS_READLINE:
        readline.set_completer(_completer(commands))
        readline.set_completer_delims(" ")
        readline.parse_and_bind("tab: complete")
    while True:
        try:
            words = _words(input(PROMPT))
        except EOFError:
            return 0
        except KeyboardInterrupt:  # of a line that was begun
            errors.write("\n")
            continue
        except InvalidInput as error:
            errors.write(f"{error}\n")
            continue
        if words and words[0].lower() in _END:
            return 0
        if words:
            carry_out(words)


def from_file(lines: IO[str], carry_out: Callable[[Sequence[str]], int], errors: IO[str]) -> int:
    """Carry out one command a line; the first that fails ends it, and its exit status is returned."""
    for number, line in enumerate(iter(lines.readline, ""), 1):
        try:
            words = _words(line)
        except InvalidInput as error:
            errors.write(f"Line {number}: {error}\n")
            return 1
        status = carry_out(words) if words else 0
        if status:
            errors.write(f"Line {number} has failed; what follows it was not carried out.\n")
            return status
    return 0


def _words(line: str) -> Sequence[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise InvalidInput(f"{error}: end what was begun, or put a backslash before it.") from error


def completions(commands: Sequence[Command], before: Sequence[str]) -> Sequence[str]:
    """Return what may come next, from the grammar alone. Pure.

    :param before: the words of the line so far, without the one that is being typed.
    """
    words = [word.lower() for word in before if not word.startswith("--")]
    if words[:1] == [HELP]:
        words = words[1:]
    found = [] if words or before[:1] == [HELP] else [HELP]
    for command in commands:
        name = [word.lower() for word in (command.module, *command.words)]
        if len(words) < len(name) and name[:len(words)] == words:
            found.append((command.module, *command.words)[len(words)])
        elif name == words[:len(name)] and len(words) - len(name) >= len(command.mandatory):
            found += [
                parameter.name for parameter in command.optional
                if not parameter.hidden and parameter.name.lower() not in words
            ]
    return list(dict.fromkeys(found))


def _completer(commands: Sequence[Command]) -> Callable[[str, int], str | None]:
    def matching(typed: str) -> Iterator[str]:
        before = readline.get_line_buffer()[:readline.get_begidx()].split()
        return (f"{word} " for word in completions(commands, before) if word.lower().startswith(typed.lower()))

    return lambda typed, number: dict(enumerate(matching(typed))).get(number)
