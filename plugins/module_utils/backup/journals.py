# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Journals: the transactions of one account (or of the server), as JSON lines (docs/format.md)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..model.errors import Damaged
from ..model.state import State

_PREFIX = 18  # two fields of eight hexadecimal digits, each followed by a space


class Line(NamedTuple):
    """One transaction, its state still as JSON."""

    seq: int
    at: int
    item_id: str
    kind: str
    state: dict[str, Any] | None


class Segment(NamedTuple):
    """The head of a sealed segment."""

    scope: str
    number: int
    previous: str
    """Digest of the segment before it; empty for the first."""
    first: int
    last: int


def line(seq: int, at: int, item_id: str, kind: str, state: State | None) -> bytes:
    """Return a transaction as a JSON line, without its end."""
    record = {
        "seq": seq, "at": at, "item": item_id, "kind": kind, "state": None if state is None else state.to_json(),
    }
    return json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def read_line(text: bytes) -> Line:
    """Read a JSON line. :raises Damaged: it is none."""
    try:
        record = json.loads(text)
        return Line(record["seq"], record["at"], record["item"], record["kind"], record["state"])
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged("A line of a journal cannot be read.") from error


def open_line(text: bytes) -> bytes:
    """Return a JSON line as the open journal keeps it: with its length and checksum before it."""
    return b"%08x %08x %s\n" % (len(text), zlib.crc32(text), text)


def good_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (end offset, JSON line) of an open journal up to the last good line; what follows was torn by a crash."""
    offset = 0
    while offset + _PREFIX <= len(data):
        try:
            length, checksum = int(data[offset: offset + 8], 16), int(data[offset + 9: offset + 17], 16)
        except ValueError:
            return
        end = offset + _PREFIX + length
        text = data[offset + _PREFIX: end]
        if data[end: end + 1] != b"\n" or zlib.crc32(text) != checksum:
            return
        offset = end + 1
        yield offset, text


def seal(segment: Segment, lines: Sequence[bytes]) -> bytes:
    """Return the content of a sealed segment."""
    head = json.dumps(segment._asdict(), separators=(",", ":")).encode("ascii")
    return b"\n".join((head, *lines)) + b"\n"


def read_head(content: bytes) -> tuple[Segment, int]:
    """Return a segment's head and the offset of its first line. :raises Damaged: it is no segment."""
    end = content.find(b"\n")
    try:
        return Segment(**json.loads(content[:end])), end + 1
    except (ValueError, TypeError) as error:
        raise Damaged("A journal segment has no head that can be read.") from error
