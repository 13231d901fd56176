# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others wrote, or may have altered: JSON texts, records with fields of certain types, gzip streams.

All that can be wrong with it is a ValueError here; the caller says in a sentence what that means.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

Made = TypeVar("Made")

_PIECE: Final = 1 << 20
_FAR: Final = 1e18
"""Numbers with a fraction beyond this one, and those that are none, are nothing that anybody has measured."""


UNREADABLE: Final = (ValueError, KeyError, TypeError, AttributeError, OverflowError)
"""What taking apart a JSON value of a stranger may raise."""


def parse(text: str | bytes) -> Any:
    """Return the value of a JSON text. :raises ValueError: it is none, or is nested too deep."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def record(made: type[Made], values: Any) -> Made:
    """Make a data class or named tuple of a JSON object with its fields.

    Fields may be str, int, float, bool, and lists, tuples and mappings of these.

    :raises ValueError: it is no object, has other fields, or one of another type.
    """
    if not isinstance(values, dict):
        raise ValueError("it is no object")
    kind: Any = made
    hints: Mapping[str, Any] = _hints(kind)
    for name, value in values.items():
        if name not in hints:
            raise ValueError(f"it has a field {name!r}")
        if not fits(value, hints[name]):
            raise ValueError(f"{name} is not of its type")
    try:
        return made(**{
            name: tuple(value) if get_origin(hints[name]) is tuple else value for name, value in values.items()
        })
    except TypeError as error:  # a field is missing
        raise ValueError(str(error)) from error


@functools.cache
def _hints(made: Any) -> dict[str, Any]:
    return get_type_hints(made)


def fits(value: Any, wanted: Any) -> bool:
    """Return whether a JSON value is of a type; numbers are those of 64 bits."""
    inside = get_args(wanted)
    kind = get_origin(wanted) or wanted
    if kind is Any:
        return True
    if kind is str:
        return isinstance(value, str)
    if kind is int:
        return is_number(value) and -(2**63) <= value < 2**63
    if kind is float:
        return (is_number(value) or isinstance(value, float)) and -_FAR < value < _FAR
    if kind is tuple:
        return isinstance(value, (list, tuple)) and all(fits(one, inside[0]) for one in value)
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return isinstance(value, dict) and (not inside or all(fits(one, inside[1]) for one in value.values()))
    if kind is list:
        return isinstance(value, list) and all(fits(one, inside[0]) for one in value)
    return isinstance(value, kind)


def is_number(value: Any) -> bool:
    """Return whether a value is a whole number; True and False are none, though Python takes them for some."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_text(value: Any) -> bool:
    """Return whether a value is a text, all of it Unicode: JSON can name halves of characters, which no file takes."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def gunzip(data: bytes, most: int) -> bytes:
    """Return what is in a gzip file, all of its streams.

    :param most: bytes that may come out of it. :raises ValueError: it is damaged, cut short, or more comes out.
    """
    parts = []
    size = 0
    while data:
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            while not stream.eof:
                piece = stream.decompress(data, _PIECE)
                data = stream.unconsumed_tail
                size += len(piece)
                if size > most:
                    raise ValueError(f"more than {most} bytes come out of it")
                if not piece and not data and not stream.eof:
                    raise ValueError("it is cut short")
                parts.append(piece)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        data = stream.unused_data.lstrip(b"\0")  # padding, as gzip has it
    return b"".join(parts)
