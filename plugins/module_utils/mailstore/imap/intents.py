# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the mirror notes of an item that is about to be written (notes.py), as values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from ...model import kinds

PORTION: Final = "portion"
"""What a note is for that is of many messages: its origin says which."""
REPLACEMENT: Final = "replacement"
"""What an intent is for where a message was about to take the place of another one."""
UNSEEN: Final = "unseen"
"""What an intent is for where a message was sent and then looked for in vain: it may yet come to light."""


class Sent(NamedTuple):
    """Where a message that is sent will be, and what it is sent with."""

    first: int
    """The UIDNEXT of its folder before it is sent."""
    date: int | None = None
    """UTC milliseconds; None where it is not known."""
    words: tuple[str, ...] = ()
    """Flags and keywords."""

    def written(self) -> str:
        """Return it as the place of an intent."""
        return " ".join([str(self.first), *(() if self.date is None else (str(self.date), *self.words))])


class Intent(NamedTuple):
    """An item that was about to be written."""

    import_id: str
    origin: str
    """Of a replacement the item, and folder and UID of what was to be replaced."""
    kind: str
    folder: int
    place: str
    """Of a message what Sent has written; of others what the server was to call them."""
    digest: bytes = b""

    @property
    def sent(self) -> Sent:
        """What the place of a message says."""
        first, *rest = self.place.split(" ")
        return Sent(int(first), int(rest[0]) if rest else None, tuple(rest[1:]))


def packing(messages: Iterable[tuple[str, Sent, bytes]]) -> str:
    """Return messages as the origin of one note. :param messages: of each origin, what it is sent with, and digest."""
    return json.dumps([(origin, sent.written(), digest.hex()) for origin, sent, digest in messages])


def packed(import_id: str, origin: str, folder: int) -> Iterator[Intent]:
    """Yield what a note of many messages is of."""
    for one, place, digest in json.loads(origin):
        yield Intent(import_id, one, kinds.MESSAGE, folder, place, bytes.fromhex(digest))
