# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a Sieve script files mail to, and how to make it file into another folder (RFC 5228, RFC 3894, RFC 5490).

A script is never parsed into failure: what is no Sieve is left as it is, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    rb'(?P<skip>\s+|#[^\n]*|/\*.*?(?:\*/|\Z))'
    rb'|(?P<block>text:[ \t]*(?:#[^\n]*)?\r?\n.*?(?:^\.\r?$|\Z))'
    rb'|(?P<string>"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z))'
    rb'|(?P<word>:?[A-Za-z_][A-Za-z0-9_]*)'
    rb'|(?P<other>.)',
    re.DOTALL | re.MULTILINE,
)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)


class _String(NamedTuple):
    """A quoted string of a script."""

    start: int
    end: int
    value: bytes


def retarget(script: bytes, new_folder: Callable[[str], str | None]) -> bytes:
    """Return a script with the folders of its fileinto actions replaced.

    :param new_folder: given a folder as the script names it, returns what to name in its place, or None to leave it.
    """
    parts = []
    done = 0
    for folder in _filed_into(script):
        try:
            other = new_folder(folder.value.decode("utf-8"))
        except UnicodeDecodeError:
            continue
        if other is not None:
            quoted = other.replace("\\", "\\\\").replace('"', '\\"')
            parts += [script[done:folder.start], b'"', quoted.encode("utf-8"), b'"']
            done = folder.end
    return b"".join((*parts, script[done:]))


def _filed_into(script: bytes) -> Iterator[_String]:
    """Yield the last string of each fileinto action: the folder; tagged arguments may come before it."""
    inside = False
    folder = None
    for token in _TOKEN.finditer(script):
        kind = token.lastgroup
        if kind == "skip":
            continue
        if kind == "word":
            word = token.group().lower()
            if not word.startswith(b":"):
                inside = word == b"fileinto"
                folder = None
        elif kind == "string" and inside:
            folder = _String(token.start(), token.end(), _ESCAPED.sub(rb"\1", token.group()[1:-1]))
        elif kind == "other" and token.group() == b";":
            if inside and folder is not None:
                yield folder
            inside = False
