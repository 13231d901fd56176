# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people type: command lines, files of commands, dates, sizes, retentions."""

from __future__ import annotations

import contextlib
import io
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from unittest import mock

from ansible_collections.restante.carbonio.plugins.module_utils.care import retention
from ansible_collections.restante.carbonio.plugins.module_utils.cli import grammar, shell, text
from ansible_collections.restante.carbonio.plugins.module_utils.cli.commands import COMMANDS
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings

from . import mutate
from .harness import Call, Target

_END: Final = b"\0"
"""Between the words of a command line."""


def _words(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Change words of a command line: cut, doubled, moved, misspelt, made strange."""
    words = data.split(_END)
    for _change in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(words) + 1)
        way = chance.randrange(8)
        if way == 0:
            del words[at : at + 1]
        elif way == 1:
            words[at:at] = words[at : at + chance.choice((1, 2))] * chance.choice((1, 2, 500))
        elif way == 2:
            chance.shuffle(words)
        elif way == 3:
            words[at:at] = [
                chance.choice(
                    (
                        b"--json",
                        b"--sync",
                        b"--progress",
                        b"--host",
                        b"--host=",
                        b"--host=localhost",
                        b"--config-file",
                        b"--config-file=",
                        b"--nothing",
                        b"-x",
                        b"--",
                        b"help",
                        b"HELP",
                        b"start",
                        b"true",
                        b"last",
                    )
                )
            ]
        elif way == 4:
            words[at : at + 1] = [chance.choice(mutate.TEXTS).encode("utf-8", "surrogatepass").replace(_END, b"")]
        elif way == 5:
            words[at : at + 1] = [str(chance.choice(mutate.NUMBERS)).encode()]
        elif way == 6:
            words[at:at] = chance.choice(seeds).split(_END)[-2:]
        elif at < len(words):
            words[at] = mutate.octets(chance, words[at], (b"x", b"26/03/2026 10:00:00", b"5GB"))[:100_000].replace(
                _END, b""
            )
    return _END.join(words)


def _typed() -> list[bytes]:
    """Return a command line for each command, with all of its parameters."""
    lines = []
    for command in COMMANDS:
        words = [command.module, *command.words]
        words += [_value(parameter) for parameter in command.mandatory]
        for parameter in command.optional:
            words += [parameter.name, _value(parameter)]
        lines.append(_END.join(word.encode() for word in words))
        lines.append(_END.join(word.encode() for word in words[: 1 + len(command.words) + len(command.mandatory)]))
    return lines


def _value(parameter: grammar.Parameter) -> str:
    for value in ("26/03/2026 10:00:00", "5", "true", *parameter.type.label.split("|"), "start"):
        with contextlib.suppress(InvalidInput):
            parameter.type.read(value)
            return value
    return "x"


def _grammar(_scratch: Path) -> Call:
    """A command line is understood, or a sentence says why not; nothing is carried out."""

    def read(data: bytes) -> None:
        words = [word.decode("utf-8", "surrogateescape") for word in data.split(_END)]
        shell.completions(COMMANDS, words)
        line = grammar.split(words)
        if line.words:
            command, rest = grammar.find(COMMANDS, line.words)
            text.command_help(command)
            text.tree(grammar.values(command, rest))

    return read


def _carried_out(scratch: Path) -> Call:
    """A command that only looks is carried out on a small node: it ends with a status and a sentence."""
    config = scratch / "etc" / "restante.json"
    config.parent.mkdir()
    places = {name: str(scratch / name) for name in ("backup_path", "cache_path", "state_path", "mailstore_path")}
    settings_file.save(str(config), Settings(**places))
    EmbeddedStore.create(places["mailstore_path"]).close()
    backups.smart_scan(Node.load(str(config)))

    def read(data: bytes) -> None:
        words = [word.decode("utf-8", "surrogateescape") for word in data.split(_END)]
        output, errors = (io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True) for _stream in range(2))
        with (
            mock.patch.object(sys, "stdin", io.StringIO("")),
            mock.patch.object(sys, "stdout", output),
            mock.patch.object(sys, "stderr", errors),
        ):
            if _looks(words):
                status = main(["--config-file", str(config), *words])
            else:
                status = main(["help", *words])
        said = errors.buffer.getvalue().decode()
        assert "fault in restante.carbonio" not in said, said
        assert status in range(5) and (status == 0 or said.strip()), (status, said)

    return read


def _looks(words: Sequence[str]) -> bool:
    """Return whether a command line starts nothing, as far as it can be understood."""
    try:
        line = grammar.split(words)
        command, _rest = grammar.find(COMMANDS, line.words)
    except (InvalidInput, IndexError):
        return True
    return (
        command.words[0].lower().startswith(("get", "list", "monitor", "help"))
        and not command.works_long
        and not line.options.config_file.startswith("--")
    )


def _looking() -> list[bytes]:
    return [line for line in _typed() if _looks(line.decode().split(_END.decode()))]


def _lines_of_commands(_scratch: Path) -> Call:
    """A file of commands is taken apart into words."""

    def read(data: bytes) -> None:
        lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="surrogateescape")
        told: list[Sequence[str]] = []
        shell.from_file(lines, lambda words: told.append(words) or 0, io.StringIO())

    return read


def _date(_scratch: Path) -> Call:
    """A date is read, and written as it was meant."""

    def read(data: bytes) -> None:
        word = data.decode("utf-8", "surrogateescape")
        for zone in ("", "UTC", "Europe/Rome"):
            found = moment.parse(word, zone)
            if isinstance(found, int):
                assert moment.parse(moment.iso(found)) == found
                moment.vendor(found, zone)

    return read


def _zone(_scratch: Path) -> Call:
    def read(data: bytes) -> None:
        moment.zone(data.decode("utf-8", "surrogateescape"))

    return read


def _number(_scratch: Path) -> Call:
    """Sizes, whole numbers, truth values, lists, retentions."""

    def read(data: bytes) -> None:
        word = data.decode("utf-8", "surrogateescape")
        for type_ in (grammar.SIZE, grammar.INTEGER, grammar.BOOLEAN, grammar.LIST):
            with contextlib.suppress(InvalidInput):
                type_.read(word)
        retention.days(word, "data_retention_days")

    return read


def _dates() -> list[bytes]:
    return [
        b"2026-03-28T09:29:49+01:00",
        b"2026-03-28 09:29:49.123456789Z",
        b"28/03/2026 09:29:49",
        b"first",
        b"LAST",
        b"2026-10-25T02:30",
        b"0001-01-01",
        b"9999-12-31T23:59:59.999-23:59",
        b"1970-01-01",
    ]


def _dated(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Change a date: mostly its digits and signs, so that it may still be one."""
    if chance.random() < 0.3:
        return mutate.octets(chance, data, seeds)
    changed = bytearray(data)
    for _change in range(chance.choice((1, 2, 3))):
        changed[chance.randrange(len(changed))] = chance.choice(b"0123456789-+:/ TZ.,")
    return bytes(changed)


TARGETS: Final = (
    Target("command line", _typed, _grammar, _words),
    Target("commands that look", _looking, _carried_out, _words),
    Target(
        "file of commands",
        lambda: [b"backup getBackupInfo 'a b' # x\nhelp \"core\" \\\nlist\n"],
        _lines_of_commands,
        mutate.few_lines,
    ),
    Target("date", _dates, _date, _dated),
    Target("time zone", lambda: [b"Europe/Rome", b"UTC", b"Etc/GMT+5", b"America/Argentina/Buenos_Aires"], _zone),
    Target("numbers", lambda: [b"5", b"10 GB", b"true", b"a, b,c", b"36500", b"0"], _number),
)
