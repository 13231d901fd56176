# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words: what is said to the vendor's command (reference, section 3.0), made of a module's arguments. No I/O.

A form is the pattern of one of its commands: mandatory values by position, optional ones as pairs of name and value, as
the vendor's pages have them. A command is a form filled in. A value that the vendor's command has anyway is left out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..model import moment
from ..model.errors import InvalidInput

PROGRAM: Final = "carbonio"
HIDDEN: Final = "********"
"""What is shown for a secret."""

_DATE_WORDS: Final = ("all", "most_recent", "least_recent")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+=:,./~-]+")


class Command(NamedTuple):
    """One command, ready to be given."""

    words: tuple[str, ...]
    """Module, command, values."""
    secrets: frozenset[str] = frozenset()
    """Those of the words that nobody may see."""

    @property
    def module(self) -> str:
        """The vendor's module, whose queue its operation waits in."""
        return self.words[0]

    @property
    def shown(self) -> str:
        """The command line for people and records, without secrets."""
        return shlex.join([PROGRAM, *(HIDDEN if word in self.secrets else word for word in self.words)])

    @property
    def line(self) -> str:
        """The command as a line for the prompt, where no process list shows it.

        :raises InvalidInput: a value cannot be written down there.
        """
        return " ".join(map(_quoted, self.words)) + "\n"


def _quoted(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    if re.search(r'["\\\x00-\x1f]', word):
        raise InvalidInput(
            "An access key or a secret has a quotation mark, a backslash or a control character in it, which the "
            "prompt of carbonio cannot be told. Have the provider issue another key."
        )
    return f'"{word}"'


Writer = Callable[[Any, str], str]
"""Gives the word of a value; is told the time zone in which the command reads dates, empty for the node's own."""


def text(value: Any, time_zone: str) -> str:
    """Return the word of a text, a number, a truth value or a list; lists have commas and no blanks (R-301).

    :raises InvalidInput: an element of a list has a comma in it.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        broken = next((one for one in value if "," in one), None)
        if broken is not None:
            raise InvalidInput(f"{broken!r} has a comma in it; carbonio takes lists with commas between. Give its id.")
        return ",".join(value)
    return str(value)


def date(value: Any, time_zone: str) -> str:
    """Return the word of a moment: "dd/MM/yyyy HH:mm:ss" (R-299), first or last, or another word of the vendor's.

    :raises InvalidInput: it is no date.
    """
    if value in _DATE_WORDS:
        return str(value)
    found = moment.parse(value, time_zone)
    return moment.vendor(found, time_zone) if isinstance(found, int) else found


class Option(NamedTuple):
    """How an argument of a module becomes a parameter of a command."""

    name: str
    """Of the argument."""
    parameter: str = ""
    """The vendor's name for it; the same where it is empty."""
    usual: Any = None
    """What the command does when it is not told; such a value is left out. Empty ones always are."""
    write: Writer = text
    is_secret: bool = False

    @property
    def called(self) -> str:
        """The vendor's name."""
        return self.parameter or self.name


class Form(NamedTuple):
    """The pattern of a command."""

    command: str
    """Module and command, with a provider or a further word where the parameters depend on it."""
    mandatory: Sequence[Option] = ()
    optional: Sequence[Option] = ()
    fixed: Sequence[str] = ()
    """Words that stand before the mandatory values: an action, such as start."""
    added: Sequence[str] = ()
    """Pairs that are always given."""
    by_position: Sequence[Option] = ()
    """Optional ones that come without a name, after the mandatory ones, where they are given."""

    def takes(self) -> frozenset[str]:
        """Return the names of the arguments that it has words for."""
        return frozenset(option.name for option in (*self.mandatory, *self.by_position, *self.optional))

    def fill(self, arguments: Mapping[str, Any], time_zone: str = "") -> Command:
        """Return the command for a module's arguments.

        :raises InvalidInput: one of them cannot be told to carbonio.
        """
        words = [*self.command.split(), *self.fixed]
        secrets = set()
        for option in self.mandatory:
            words.append(_word(option, arguments.get(option.name), time_zone))
            secrets.update([words[-1]] if option.is_secret else [])
        for option in (*self.by_position, *self.optional):
            value = arguments.get(option.name)
            if value in (None, "", [], ()) or value == option.usual:
                continue
            words += [] if option in self.by_position else [option.called]
            words.append(_word(option, value, time_zone))
            secrets.update([words[-1]] if option.is_secret else [])
        return Command((*words, *self.added), frozenset(secrets))


def _word(option: Option, value: Any, time_zone: str) -> str:
    word = "" if value is None else option.write(value, time_zone)
    if not word.strip():
        raise InvalidInput(f"{option.name} is empty, and carbonio needs it; give it a value.")
    if word.startswith("--"):
        raise InvalidInput(f"{option.name} is {word!r}; carbonio would take it for an option of its own.")
    if re.search(r"[\x00-\x1f]", word):
        raise InvalidInput(f"{option.name} has control characters in it; carbonio takes none.")
    return word


def refuse_others(arguments: Mapping[str, Any], others: Mapping[str, Any], command: str) -> None:
    """Refuse arguments that a command has nothing for, where they ask for something: nothing is dropped silently.

    :param others: each by name, with the value that asks for nothing.
    :raises InvalidInput: one does ask.
    """
    asking = [
        name for name, usual in others.items()
        if arguments.get(name) not in (None, "", [], ()) and arguments[name] != usual
    ]
    if asking:
        raise InvalidInput(
            f"{PROGRAM} {command} has nothing for {', '.join(asking)}. This node works with the vendor's Carbonio "
            "Backup (engine: carbonio); leave that out."
        )
