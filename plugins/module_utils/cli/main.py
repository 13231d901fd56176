# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line (`restante`, or python -m ansible_collections.restante.carbonio.plugins.module_utils.cli.main)."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, Final

from ..model.errors import Refused, RestanteError
from ..operations.narrator import Narrator
from ..operations.operation import Operations
from ..operations.records import EXIT_CODES, FAILED, INTERRUPTED, SUCCESSFUL
from ..runtime.engine import is_the_vendors
from ..runtime.node import Node, check_host
from . import secret, shell, text
from .background import Background, Failed
from .commands import COMMANDS
from .grammar import HELP, Command, Options, SyntaxFault, find, split, values

_POLL_SECONDS: Final = 0.3


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line, or several from a prompt or standard input where it has no words.

    :param arguments: without the program's name; those of the process where there are none.
    :return: the exit status: 0 successful, 1 failed, 2 stopped, 3 removed, 4 interrupted.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names that its encoding has not are written out
            stream.reconfigure(errors="backslashreplace")
    if not _is_without_words(given):
        return _carry_out(given)
    if sys.stdin.isatty():
        return shell.at_prompt(COMMANDS, lambda words: _carry_out([*given, *words]), sys.stderr)
    return shell.from_file(sys.stdin, lambda words: _carry_out([*given, *words]), sys.stderr)


def _open_what_is_closed() -> None:
    """Let what was closed by who has started this, as with `>&-`, go nowhere, and not into the next file opened."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))


def _is_without_words(arguments: Sequence[str]) -> bool:
    try:
        return not split(arguments).words
    except SyntaxFault:  # said when it is carried out
        return False


def _carry_out(arguments: Sequence[str]) -> int:
    """Carry out one command line; return its exit status."""
    try:
        return _run(arguments, sys.stdout, sys.stderr)
    except SyntaxFault as error:
        _say(sys.stderr, error)
        if error.command is not None:
            _say(sys.stderr, "\n" + text.command_help(error.command))
        elif error.module:
            _say(sys.stderr, "\n" + text.module_help(COMMANDS, error.module))
        else:
            _say(sys.stderr, f"{text.PROGRAM} {HELP} shows what there is.")
    except RestanteError as error:
        _say(sys.stderr, error)
    except OSError as error:
        _say(sys.stderr, f"{error.filename or 'The system'}: {error.strerror or error}.")
    except Exception as error:
        _say(sys.stderr, f"This is a fault in restante.carbonio, not in your input: {error!r}. Please report it.")
    except KeyboardInterrupt:
        _say(sys.stderr, "Interrupted.")
    return EXIT_CODES[FAILED]


def _run(arguments: Sequence[str], output: IO[str], errors: IO[str]) -> int:
    line = split(arguments)
    words = list(line.words)
    asked = [word for word in words[:1] + words[-1:] if word.lower() == HELP]
    if asked or not words:
        _say(output, _help([word for word in words if word.lower() != HELP]))
        return 0
    command, rest = find(COMMANDS, words)
    given = secret.told(values(command, rest))
    check_host(line.options.host)
    if command.works_long:
        return _work(command, given, line.options, output, errors)
    node = _node(line.options)
    if command.follows and (line.options.sync or line.options.progress):
        return _follow(command, given, node, line.options, output, errors)
    _show(command.run(node, **given), line.options, output)
    return 0


def _node(options: Options) -> Node:
    """Return the node of a command line. :raises Refused: its engine is the vendor's, which has a command line too."""
    if is_the_vendors(options.config_file):
        raise Refused(
            f"{options.config_file} says engine: carbonio: on this node the vendor's command has the backup. Type "
            "carbonio with the same words."
        )
    return Node.load(options.config_file)


def _help(words: Sequence[str]) -> str:
    if not words:
        return text.overview(COMMANDS)
    if len(words) == 1 and words[0].lower() in {command.module for command in COMMANDS}:
        return text.module_help(COMMANDS, words[0].lower())
    try:
        return text.command_help(find(COMMANDS, words)[0])
    except SyntaxFault as error:
        if error.command is None:
            raise
        name = (error.command.module, error.command.words[0])
        variants = [command for command in COMMANDS if (command.module, command.words[0]) == name]
        return "\n\n".join(map(text.command_help, variants))


def _work(command: Command, given: Mapping[str, Any], options: Options, output: IO[str], errors: IO[str]) -> int:
    node = _node(options)

    def work(announce: Callable[[str], None]) -> Mapping[str, Any]:
        node.operations = Operations(node.settings.state_path, announce)
        result: Mapping[str, Any] = command.run(node, **given)
        failures = node.notifications().failures
        return {**result, "warnings": [*result.get("warnings", ()), *failures]} if failures else result

    background = Background(work)
    operation_id = ""
    try:
        operation_id = background.await_id()
        if operation_id and not (options.sync or options.progress):
            _show({"operationId": operation_id}, options, output)
            return 0
        _wait(background.ended, node, operation_id, errors if options.progress else None)
    except KeyboardInterrupt:
        if not operation_id:
            raise
        return _left(operation_id, errors)
    except Failed as error:
        _say(errors, error)
        return EXIT_CODES[error.state]
    if background.result is None:
        what = f"The operation {operation_id}" if operation_id else command.name
        _say(errors, f"{what} was interrupted: its process was killed. Run it again.")
        return EXIT_CODES[INTERRUPTED]
    state = node.operations.get(operation_id).state if operation_id else SUCCESSFUL
    _show({"operationId": operation_id, "state": state, **background.result}, options, output)
    return EXIT_CODES[state]


def _follow(
    command: Command, given: Mapping[str, Any], node: Node, options: Options, output: IO[str], errors: IO[str]
) -> int:
    operation_id = given["operation_uuid"]
    command.run(node, **given)  # says what is wrong with it

    def ended(seconds: float) -> bool:
        time.sleep(seconds)
        return node.operations.get(operation_id).state in EXIT_CODES

    try:
        _wait(ended, node, operation_id, errors if options.progress else None)
    except KeyboardInterrupt:
        return _left(operation_id, errors)
    _show(command.run(node, **given), options, output)
    return EXIT_CODES[node.operations.get(operation_id).state]


def _left(operation_id: str, errors: IO[str]) -> int:
    _say(errors, f"\nThe operation goes on; backup monitor {operation_id} shows it.")
    return 0


def _wait(ended: Callable[[float], bool], node: Node, operation_id: str, told: IO[str] | None) -> None:
    """Wait for the end, which ended() looks for during some seconds, and tell how far it is."""
    narrator = Narrator()
    over = False
    while not over:
        over = ended(_POLL_SECONDS)
        if told is not None and operation_id:
            for line in narrator.lines(node.operations.get(operation_id)):
                _say(told, line)


def _show(result: Any, options: Options, output: IO[str]) -> None:
    if options.json:
        output.write(json.dumps(result, indent=2, default=str) + "\n")
    else:
        _say(output, text.tree(result))


def _say(output: IO[str], said: object) -> None:
    output.write(f"{text.plain(said)}\n")
    output.flush()


if __name__ == "__main__":
    raise SystemExit(main())
