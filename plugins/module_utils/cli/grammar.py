# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The grammar of the command line (reference, section 3.0).

    restante [options] <module> <command> [mandatory values...] [<name> <value>]...

Mandatory values come by position, in the order of the help; optional ones as pairs of name and value (R-294). Case
does not matter in names. Nothing here runs a command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..model import moment
from ..model.errors import InvalidInput
from ..runtime.settings import DEFAULT_FILE

HELP: Final = "help"
FLAGS: Final = ("--progress", "--json", "--sync")
CONFIG_FILE: Final = "--config-file"
HOSTS: Final = ("--host", "--hostname")


class Type(NamedTuple):
    """What a value may be."""

    label: str
    """As the help shows it."""
    read: Callable[[str], Any]
    """Gives the value of a text; raises InvalidInput with what it may be."""


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise InvalidInput("it is true or false")
    return text.lower() == "true"


def _integer(text: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", text):
        raise InvalidInput(f"it is a whole number from 0 to {10**18 - 1}")
    return int(text)


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d{1,15}) *([KMGT]?)B?", text.strip(), re.ASCII | re.IGNORECASE)
    if found is None:
        raise InvalidInput("it is a number of bytes, with KB, MB or GB where that is meant")
    return int(found[1]) << 10 * " KMGT".index(found[2].upper() or " ")


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


TEXT: Final = Type("String", str)
PATH: Final = Type("Path", str)
BOOLEAN: Final = Type("true|false", _boolean)
INTEGER: Final = Type("Integer", _integer)
SIZE: Final = Type("Size", _size)
LIST: Final = Type("String[,..]", _list)
DATE: Final = Type('"dd/MM/yyyy HH:mm:ss"|last', moment.parse)


def choice(*words: str) -> Type:
    """Return the type of a value that is one of some words; it is read in the case that they are given here."""
    by_lower = {word.lower(): word for word in words}

    def read(text: str) -> str:
        if text.lower() not in by_lower:
            raise InvalidInput(f"it is one of {', '.join(words)}")
        return by_lower[text.lower()]

    return Type("|".join(words), read)


class Parameter(NamedTuple):
    """One parameter of a command."""

    name: str
    type: Type = TEXT
    help: str = ""
    default: Any = None
    """What an optional parameter has where it is not given."""
    hidden: bool = False
    """Whether the help says nothing of it: it is taken for the sake of old scripts."""


class Command(NamedTuple):
    """One command."""

    module: str
    words: tuple[str, ...]
    """Its name; further words, such as a provider, where the parameters depend on them."""
    help: str
    run: Callable[..., Any]
    """Does it: is given the context and the values."""
    mandatory: Sequence[Parameter] = ()
    optional: Sequence[Parameter] = ()
    by_position: int = 0
    """How many of the optional ones may also be given without their name, after the mandatory ones (C-12)."""
    example: str = ""
    works_long: bool = False
    """Whether it is an operation: it goes on in the background unless it is waited for."""
    follows: bool = False
    """Whether it shows an operation, named by operation_uuid, whose end --progress and --sync wait for."""

    @property
    def name(self) -> str:
        """Its full name."""
        return " ".join((self.module, *self.words))


class Options(NamedTuple):
    """What stands before or after the command."""

    progress: bool = False
    json: bool = False
    sync: bool = False
    config_file: str = DEFAULT_FILE
    host: str = ""
    """Where the command is to run; empty for here."""


class SyntaxFault(InvalidInput):
    """A command line that cannot be understood; help shows what could be."""

    def __init__(self, sentence: str, command: Command | None = None, module: str = "") -> None:
        super().__init__(sentence)
        self.command = command
        self.module = module


class Line(NamedTuple):
    """A command line, understood."""

    options: Options
    words: Sequence[str]
    """What is not an option."""


def split(arguments: Sequence[str]) -> Line:
    """Take the options out of a command line, wherever they stand (R-297).

    :raises SyntaxFault: an option is unknown, or lacks its value.
    """
    words: list[str] = []
    given: dict[str, Any] = {}
    rest = iter(arguments)
    for word in rest:
        name, equals, value = word.partition("=")
        if word in FLAGS:
            given[word[2:]] = True
        elif name in (CONFIG_FILE, *HOSTS):
            value = value if equals else next(rest, "")
            if not value:
                what = "the path of a settings file" if name == CONFIG_FILE else "the name of a host"
                raise SyntaxFault(f"{name} needs {what}.")
            given["config_file" if name == CONFIG_FILE else "host"] = value
        elif word.startswith("--") and len(words) < 2:
            raise SyntaxFault(
                f"There is no option {word}; there are {', '.join(FLAGS)}, {CONFIG_FILE} <path> and "
                f"{HOSTS[0]} <host>."
            )
        else:
            words.append(word)
    return Line(Options(**given), words)


def find(commands: Sequence[Command], words: Sequence[str]) -> tuple[Command, Sequence[str]]:
    """Return the command that words name, and the words behind its name. Case does not matter (R-298).

    :raises SyntaxFault: there is none.
    """
    module = words[0].lower()
    known = [command for command in commands if command.module == module]
    if not known:
        modules = dict.fromkeys(command.module for command in commands)
        raise SyntaxFault(f"There is no module {words[0]!r}; there are {', '.join(modules)}.")
    if len(words) < 2:
        raise SyntaxFault(f"Module {module} needs a command.", module=module)
    lower = tuple(word.lower() for word in words[1:])
    for command in known:
        name = tuple(word.lower() for word in command.words)
        if lower[:len(name)] == name:
            return command, words[1 + len(name):]
    variants = [command for command in known if command.words[0].lower() == lower[0]]
    if variants:
        kinds = ", ".join(" ".join(command.words[1:]) for command in variants)
        raise SyntaxFault(f"{module} {variants[0].words[0]} is followed by one of {kinds}.", variants[0])
    raise SyntaxFault(f"There is no command {words[1]!r} in module {module}.", module=module)


def values(command: Command, words: Sequence[str]) -> Mapping[str, Any]:
    """Return the values of a command's parameters, by name.

    :raises SyntaxFault: one is missing, unknown, twice there, or not of its type.
    """
    if len(words) < len(command.mandatory):
        raise SyntaxFault(f"command {command.name} requires more parameters", command)
    texts = dict(zip((parameter.name for parameter in command.mandatory), words))
    rest = list(words[len(command.mandatory):])
    names = {_plain(parameter.name): parameter.name for parameter in command.optional}
    for parameter in command.optional[:command.by_position]:
        if rest and _plain(rest[0]) not in names:
            texts[parameter.name] = rest.pop(0)
    if len(rest) % 2:
        last = rest[-1]
        if _plain(last) in names:
            raise SyntaxFault(f"{last} has no value.", command)
        raise SyntaxFault(f"{last!r} is too much, or lacks its name or its value.", command)
    for word, text in zip(rest[::2], rest[1::2]):
        name = names.get(_plain(word))
        if name is None:
            raise SyntaxFault(f"command {command.name} has no parameter {word!r}.", command)
        if name in texts:
            raise SyntaxFault(f"{name} is given twice.", command)
        texts[name] = text
    read = {parameter.name: parameter.default for parameter in command.optional}
    for parameter in (*command.mandatory, *command.optional):
        if parameter in command.mandatory and not texts[parameter.name].strip():  # as a script's variable without value
            raise SyntaxFault(f"{parameter.name} is empty.", command)
        if parameter.name in texts:
            read[parameter.name] = _read(parameter, texts[parameter.name], command)
    return read


def _read(parameter: Parameter, text: str, command: Command) -> Any:
    try:
        return parameter.type.read(text)
    except InvalidInput as error:
        raise SyntaxFault(f"{parameter.name} cannot be {text!r}: {str(error).rstrip('.')}.", command) from error


def _plain(name: str) -> str:
    """Return a parameter's name as it is compared: the vendor's own pages write it in several ways (C-13)."""
    return name.lower().replace("-", "_")
