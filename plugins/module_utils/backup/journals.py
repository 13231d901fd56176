# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Journals: the transactions of one account (or of the server), as JSON lines (docs/format.md).

The lines are ASCII and their keys stand in one order, so that a whole segment can be taken apart by one regular
expression, several times as fast as by a JSON parser.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from ..model import foreign
from ..model.errors import Damaged
from ..model.state import State

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_quote = json.encoder.encode_basestring_ascii

_TEXT: Final = r'[^"\\]*(?:\\.[^"\\]*)*'  # what stands between the quotes of a JSON string
_LINE = re.compile(
    rf'^\{{"seq":(\d{{1,18}}),"at":(-?\d{{1,18}}),"item":"({_TEXT})","kind":"(\w+)","state":'
    rf'(?:null|(\{{"kind":"\w+"(?:,"folder":"{_TEXT}")?(?:,"name":"{_TEXT}")?(?:,"flags":"{_TEXT}")?'
    rf'(?:,"tags":\["{_TEXT}"(?:,"{_TEXT}")*\])?(?:,"date":(-?\d{{1,18}}))?.*\}}))\}}$',
    re.ASCII | re.MULTILINE,
)

_DIGEST = re.compile(r'"digest":"([0-9a-f]{64})"')

Row = tuple[str, str, str, str, str, str]
"""The texts of a transaction: seq, at, item key (see key), kind, state (empty for a deletion), date (empty for 0)."""


class Segment(NamedTuple):
    """The head of a sealed segment."""

    scope: str
    number: int
    """1 for the first segment of its journal."""
    previous: str
    """Digest of the segment before it; empty for the first."""
    first: int
    """Sequence number of its first transaction."""
    last: int


def digest_in(state: str) -> str:
    """Return the digest that the text of a state refers to; empty for none."""
    found = _DIGEST.search(state)
    return found[1] if found else ""


def line(seq: int, at: int, item_id: str, kind: str, state: State | None) -> bytes:
    """Return a transaction as a JSON line, without its end."""
    return line_of(seq, at, key(item_id), kind, None if state is None else _encode(state.to_json()))


def line_of(seq: int, at: int, item_key: str, kind: str, state: str | None) -> bytes:
    """Return a transaction as a JSON line, from the texts that read() gave of it; None for the state of a deletion."""
    return b'{"seq":%d,"at":%d,"item":"%b","kind":"%b","state":%b}' % (
        seq, at, item_key.encode("ascii"), kind.encode("ascii"), (state or "null").encode("ascii"),
    )


def key(item_id: str) -> str:
    """Return an item id as it stands between the quotes of a line: ASCII, whatever it is."""
    return _quote(item_id)[1:-1]


def item_id(item_key: str) -> str:
    """Return the item id of a key."""
    return str(json.loads(f'"{item_key}"')) if "\\" in item_key else item_key


def seal(segment: Segment, lines: Sequence[bytes]) -> bytes:
    """Return the content of a sealed segment."""
    return b"\n".join((_encode(segment._asdict()).encode("ascii"), *lines)) + b"\n"


def scope_of(content: bytes) -> str:
    """Return the journal that a sealed segment is of. :raises Damaged: it is no segment."""
    try:
        return str(json.loads(content.partition(b"\n")[0])["scope"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Damaged("A journal segment has no head that can be read.") from error


def read(content: bytes) -> tuple[Segment, list[Row]]:
    """Return a segment's head and its transactions. :raises Damaged: it is no segment, or not all of it can be read."""
    try:
        head, _newline, body = content.decode("ascii").partition("\n")
        segment = foreign.record(Segment, foreign.parse(head))
    except ValueError as error:
        raise Damaged("A journal segment has no head that can be read.") from error
    rows = _LINE.findall(body)
    if len(rows) != body.count("\n"):
        raise Damaged(f"Segment {segment.number} of the journal {segment.scope} has lines that cannot be read.")
    return segment, rows
