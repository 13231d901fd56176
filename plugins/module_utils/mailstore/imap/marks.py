# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Flags and keywords of IMAP, and the flags and tags of the model that they stand for."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Final, NamedTuple

_LETTERS: Final = {
    b"\\flagged": "f", b"\\answered": "r", b"\\draft": "d", b"\\deleted": "x",
    b"$forwarded": "w", b"$mdnsent": "n", b"$hasattachment": "a", b"$important": "!", b"$muted": "(",
}
_WORDS: Final = {
    "f": "\\Flagged", "r": "\\Answered", "d": "\\Draft", "x": "\\Deleted", "w": "$Forwarded", "n": "$MDNSent",
    "a": "$HasAttachment", "!": "$Important", "(": "$Muted",
}
_SEEN: Final = b"\\seen"
UNREAD: Final = "u"
HELD: Final = frozenset((*_WORDS, UNREAD))
"""The letters that IMAP can hold (docs/model.md): system flags, and keywords that are registered with IANA."""


class Marks(NamedTuple):
    """What a message is marked with."""

    flags: str
    """Sorted letters of the model."""
    keywords: tuple[str, ...]
    """Keywords that stand for tags, sorted."""


@functools.lru_cache(maxsize=1024)
def read(words: tuple[bytes, ...]) -> Marks:
    """Return what the flags of a message say; \\Recent, and system flags that nobody knows, say nothing."""
    letters = {UNREAD}
    keywords = set()
    for word in words:
        low = word.lower()
        if low == _SEEN:
            letters.discard(UNREAD)
        elif low in _LETTERS:
            letters.add(_LETTERS[low])
        elif not word.startswith(b"\\"):
            keywords.add(word.decode("latin-1"))
    return Marks("".join(sorted(letters)), tuple(sorted(keywords)))


def written(letters: str, keywords: Iterable[str]) -> list[str]:
    """Return the flags that a message gets for letters of the model and for keywords."""
    words = [_WORDS[letter] for letter in letters if letter in _WORDS]
    if UNREAD not in letters:
        words.append("\\Seen")
    return [*words, *keywords]


def held(letters: str) -> str:
    """Return those letters that IMAP can hold."""
    return "".join(letter for letter in letters if letter in HELD)
