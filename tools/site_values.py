# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site calls its nodes and buckets, from its files of variables; what is secret in them is let out nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

_SECRET: Final = re.compile(
    r"secret|passw|token|vault|credential|(?:access|encryption|private|master|api)_?key", re.IGNORECASE
)
_SHORT: Final = 4
"""A text of fewer characters is found in others by chance."""
_DEPTH: Final = 8
"""How often a variable may refer to another one that refers to another one."""


class Unusable(Exception):
    """A page cannot be made; the text says why and what to do."""


class _Loader(yaml.SafeLoader):
    """Reads what Ansible reads; what is encrypted there has no value here."""


_Loader.add_multi_constructor("!", lambda _loader, _tag, _node: None)


def values_of(files: Sequence[Path], blanks: Mapping[str, str]) -> dict[str, str]:
    """Return the values of a page's blanks; those that the files say nothing of are left out.

    :param files: of variables, YAML, a later one before an earlier one. :param blanks: the variable of each.
    :raises Unusable: a file cannot be read, or a value would show a secret.
    """
    given: dict[str, Any] = {}
    for file in files:
        given.update(_read(file))
    secrets = set(_secrets(given))
    open_ones = {name: value for name, value in given.items() if not _SECRET.search(name)}
    values = {}
    for blank, variable in blanks.items():
        value = _value(variable, open_ones)
        if value is None:
            continue
        if any(secret in value for secret in secrets) or _has_password(value):
            raise Unusable(f"The value of {variable} has a secret in it, which is not put on paper. Take it out.")
        values[blank] = value
    return values


def _read(file: Path) -> dict[str, Any]:
    text = file.read_text(encoding="utf-8")
    if text.startswith("$ANSIBLE_VAULT;"):
        raise Unusable(f"{file} is encrypted as a whole. Name the files with the names of nodes and buckets alone.")
    try:
        read = yaml.load(text, _Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise Unusable(f"{file} is no YAML: {error}. Correct it.") from error
    if not isinstance(read or {}, dict):
        raise Unusable(f"{file} has no variables in it; give a file as group_vars has them.")
    return read or {}


def _secrets(value: Any, *, secret: bool = False) -> Iterator[str]:
    """Yield all texts whose name says that they are secret, however deep they lie."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _secrets(inner, secret=secret or bool(_SECRET.search(str(name))))
    elif isinstance(value, list):
        for inner in value:
            yield from _secrets(inner, secret=secret)
    elif secret and value is not None and len(str(value)) >= _SHORT and "{{" not in str(value):
        yield str(value)


def _value(variable: str, given: Mapping[str, Any]) -> str | None:
    """Return a variable as text, what it refers to put in; None where that is not known."""
    value = given.get(variable)
    environment = SandboxedEnvironment(undefined=StrictUndefined)
    for _unused in range(_DEPTH):
        if not isinstance(value, str) or "{{" not in value:
            break
        try:
            value = environment.from_string(value).render(given)
        except TemplateError:
            return None
    return str(value) if isinstance(value, (str, int)) and "{{" not in str(value) else None


def _has_password(value: str) -> bool:
    try:
        return bool(urlsplit(value).password)
    except ValueError:
        return False
