# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of mailboxes: from what IMAP calls them to the paths of the model, and back.

A name in the model may be any text. A mailbox cannot be called everything: the hierarchy separator, control characters
and, on most servers, "." and ".." are no part of a name. What cannot be is written as its UTF-8 bytes, each as "=XX";
so is a "=" that would otherwise be taken for that. A mailbox whose name was not made so is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from . import library

Path = tuple[str, ...]
"""Names from the top down; that of the root is empty."""

_ESCAPED: Final = re.compile("((?:=[0-9A-F]{2})+)")
_AMBIGUOUS: Final = re.compile("=(?=[0-9A-F]{2})")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_RESERVED_FIRST: Final = "~#&"
_OUTER_SPACE: Final = re.compile(r"\A | \Z")
_DOUBTFUL: Final = re.compile("[^\\w $'()+,\\-.!:=?@]")
"""What some server or other has in no name: Cyrus has none of % " \\ { } | < > ; ` ^."""


def decoded(raw: bytes) -> str:
    """Return a name as IMAP writes it (modified UTF-7, RFC 3501 section 5.1.3) as text.

    One that is invalid stays as it is written, its bytes as characters: there is a mailbox of that name, and it can be
    asked for only so.
    """
    try:
        text: str = library.imap_utf7.decode(raw)
        text.encode()
    except (ValueError, LookupError):
        return raw.decode("latin-1")
    return text if library.imap_utf7.encode(text) == raw else raw.decode("latin-1")


def part(name: str, delimiter: str, careful: bool = False) -> bytes:
    """Return how IMAP calls a folder of the model within its parent.

    :param careful: for a server that has refused the other name. :raises UnicodeEncodeError: it is no text.
    """
    name.encode()
    text = _AMBIGUOUS.sub("=3D", name)
    text = _CONTROL.sub(_escape, text)
    if careful:
        text = _OUTER_SPACE.sub(_escape, _DOUBTFUL.sub(_escape, text))
    if delimiter:
        text = text.replace(delimiter, _bytes(delimiter))
    if text in (".", ".."):
        text = _bytes(text)
    if text[:1] and text[0] in _RESERVED_FIRST:
        text = _bytes(text[0]) + text[1:]
    written: bytes = library.imap_utf7.encode(text)
    return written


def name_of(raw: bytes, delimiter: str) -> str:
    """Return what the model calls a folder that IMAP calls so within its parent."""
    text = decoded(raw)
    try:
        name = _unescaped(text)
        return name if raw in (part(name, delimiter), part(name, delimiter, careful=True)) else text
    except ValueError:
        return text


def join(parts: Sequence[bytes], prefix: bytes, delimiter: str) -> bytes:
    """Return the name of a mailbox of its parts from the top down. :param prefix: of the personal namespace."""
    return prefix + delimiter.encode("latin-1").join(parts)


def split(raw: bytes, prefix: bytes, delimiter: str) -> tuple[bytes, ...]:
    """Return the parts of a mailbox's name from the top down."""
    inside = raw[len(prefix):] if raw.startswith(prefix) else raw
    return tuple(inside.split(delimiter.encode("latin-1"))) if delimiter else (inside,)


def keyword(name: str) -> str:
    """Return the IMAP keyword that stands for a tag: an atom (RFC 3501 section 9), written as mailbox names are."""
    text = library.imap_utf7.encode(_CONTROL.sub(_escape, _AMBIGUOUS.sub("=3D", name))).decode("ascii")
    return _NO_ATOM.sub(_escape, text)


def tag_name(word: str) -> str:
    """Return the name of the tag that a keyword stands for."""
    try:
        name = _unescaped(library.imap_utf7.decode(_unescaped_atom(word).encode("ascii")))
        return name if keyword(name) == word else word
    except (ValueError, LookupError):
        return word


def _unescaped(text: str) -> str:
    """:raises ValueError: what is escaped is no UTF-8."""
    return _ESCAPED.sub(lambda found: bytes.fromhex(found[1].replace("=", "")).decode(), text)


def _unescaped_atom(word: str) -> str:
    return _ESCAPED_ATOM.sub(lambda found: chr(int(found[1], 16)), word)


_NO_ATOM: Final = re.compile(r"""[^!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|~]""")
_ESCAPED_ATOM: Final = re.compile("=(2[0258-9A]|5[BCD]|7[BD])")
"""Those of the characters that an atom cannot have which modified UTF-7 leaves as they are."""


def _escape(found: re.Match[str]) -> str:
    return _bytes(found[0])


def _bytes(text: str) -> str:
    return "".join(f"={byte:02X}" for byte in text.encode())
