# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a valid input: bytes, lines, JSON values or words of it are cut, doubled, moved and made strange."""

from __future__ import annotations

import contextlib
import functools
import gzip
import json
import random
import re
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import zstandard

Mutator = Callable[[random.Random, bytes, Sequence[bytes]], bytes]
"""Given chance, a seed and all seeds, returns an input."""

MOST: Final = 1 << 20
"""Bytes of the largest inputs, compressed ones apart."""
_FEW: Final = 1 << 16

NUMBERS: Final = (
    0,
    1,
    -1,
    7,
    127,
    255,
    256,
    999,
    65535,
    2**31 - 1,
    2**31,
    -(2**31),
    2**32,
    2**53,
    2**53 + 1,
    2**62,
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    2**64 - 1,
    2**64,
    10**18,
    253_402_300_800_000,
    -62_135_596_800_001,
    10**40,
    10**400,
)
TEXTS: Final = (
    "",
    " ",
    "\0",
    "a\0b",
    "/",
    "..",
    "../../../etc/passwd",
    "/etc/passwd",
    ".",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "\x0b\x0c\x1c",
    "\x85",
    "\u2028\u2029",
    "\ufeff",
    "\ud800",
    "\udfff\ud800",
    "\U0010ffff",
    "e\u0301" * 50,
    "\u202e",
    "\ufdfa" * 20,
    "\x1b[2J\x1b]0;x\x07",
    "%s%n%d",
    "{0}{x}",
    "${x}",
    "'; DROP TABLE items; --",
    '"',
    "\\",
    "\\u0000",
    "\\ud800",
    "9" * 30,
    "9" * 5000,
    "x" * 300,
    "y" * 70_000,
    "None",
    "null",
    "true",
    "-",
    "--help",
    "1e999",
    "NaN",
    "I\u0307",
    "\u00df",
    "\u0661\u0662",
    "first",
    "last",
    "account",
    "server",
    "message",
    "2026-02-30",
    "31/02/2026 25:61:61",
    "0" * 64,
    "f" * 64,
)
STRANGE: Final = (
    b"[" * 5_000,
    b"[" * 200_000,
    b'{"a":' * 5_000,
    b"(" * 5_000,
    b"1e999",
    b"-1e999",
    b"NaN",
    b"Infinity",
    b'"',
    b"-",
    b"null",
    b"\0",
    b"\0" * 512,
    b"\xff" * 8,
    b"\xff" * 200,
    b"9" * 5_000,
    b"\r",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"\x0b",
    b"\x0c",
    b"\x1c",
    b"\x85",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xa9",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xc0\x80",
    b"\xf4\x90\x80\x80",
    b"\xfe\xff",
    b"\x1f\x8b\x08",
    b"(\xb5/\xfd",
    b"RSTF",
    b"RSTPACK1",
    b"From ",
    b"\nFrom x\n",
    b":",
    b";",
    b"=",
    b"/*",
    b"*/",
    b"text:\n",
    b"\n.\n",
    b"BEGIN:VCALENDAR\r\n",
    b"END:VCALENDAR\r\n",
    b"BEGIN:VCARD\n",
    b"END:VCARD\n",
    b"SQLite format 3\0",
    b"ustar\0",
    b"x" * 100_000,
    b" " * 100_000,
    b"\t" * 50_000,
    b"\n" * 100_000,
    b"a:" * 50_000,
    b"\\" * 20_000,
    b'"\\' * 20_000,
    b"\n \n\t" * 10_000,
    b"",
)


def octets(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Change bytes, one to four times."""
    for _change in range(chance.choice((1, 1, 2, 4))):
        data = chance.choice(_OCTETS)(chance, data, seeds)
    return data if len(data) <= MOST else data[:MOST]


def _span(chance: random.Random, data: bytes) -> tuple[int, int]:
    """Return a part of some bytes: mostly a small one."""
    start = chance.randrange(len(data) + 1)
    reach = chance.choice((1, 4, 16, 256, len(data) + 1))
    return start, min(start + chance.randrange(reach + 1), len(data))


def _cut(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    start, end = _span(chance, data)
    return data[:start] + data[end:]


def _end(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _doubled(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    start, end = _span(chance, data)
    times = chance.choice((2, 3, 20, 1000))
    return data[:start] + data[start:end] * (times if times * (end - start) < MOST // 4 else 2) + data[end:]


def _noise(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    start, end = _span(chance, data)
    return data[:start] + chance.randbytes(end - start) + data[end:]


def _flipped(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _bit in range(chance.choice((1, 1, 3, 30))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _strange(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    start, end = _span(chance, data)
    return data[:start] + chance.choice(STRANGE) + data[chance.choice((start, end)) :]


def _text(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    start, end = _span(chance, data)
    return data[:start] + chance.choice(TEXTS).encode("utf-8", "surrogatepass") + data[end:]


def _spliced(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    other = chance.choice(seeds)
    start, end = _span(chance, data)
    first, last = _span(chance, other)
    return data[:start] + other[first:last] + data[end:]


def _number(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Put another number in the place of one that is written in digits."""
    found = list(re.finditer(rb"\d+", data[:65536]))
    if not found:
        return _binary(chance, data, seeds)
    one = chance.choice(found)
    return data[: one.start()] + str(chance.choice(NUMBERS)).encode() + data[one.end() :]


def _binary(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Put another number in the place of one that is written in bytes."""
    start = chance.randrange(len(data) + 1)
    width = chance.choice((1, 2, 4, 8))
    value = (chance.choice(NUMBERS) % (1 << 8 * width)).to_bytes(width, chance.choice(("big", "little")))
    return data[:start] + value + data[start + width :]


_OCTETS: Final = (
    _cut,
    _end,
    _doubled,
    _noise,
    _flipped,
    _flipped,
    _strange,
    _text,
    _spliced,
    _number,
    _number,
    _binary,
)


def lines(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Change lines: their order, number, ends, length, folding; and at times bytes."""
    if chance.random() < 0.25:
        return octets(chance, data, seeds)
    parts = data.splitlines(keepends=True)
    for _change in range(chance.choice((1, 2, 5))):
        at = chance.randrange(len(parts) + 1)
        some = parts[at : at + chance.choice((1, 1, 3, 20))] or [b"\n"]
        way = chance.randrange(9)
        if way == 0:
            del parts[at : at + len(some)]
        elif way == 1:
            times = chance.choice((1, 2, 50, 5000))
            parts[at:at] = some * (times if times * sum(map(len, some)) < MOST // 4 else 1)
        elif way == 2:
            chance.shuffle(some)
            parts[at : at + len(some)] = some
        elif way == 3:
            end = chance.choice((b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\0\n", b"\x85", b"\xe2\x80\xa8", b""))
            parts[at : at + len(some)] = [line.rstrip(b"\r\n") + end for line in some]
        elif way == 4:
            parts[at:at] = [
                b"X-Long: "
                + chance.choice((b"a", b"a b ", b"=?utf-8?q?", b"<", b"(", b'"')) * chance.choice((50, 5_000, 40_000))
                + b"\n"
            ]
        elif way == 5:
            fold = chance.choice((b"\n ", b"\r\n\t", b"\n\t \n "))
            parts[at:at] = [some[0].rstrip(b"\r\n") + fold * chance.choice((3, 1_000, 50_000)) + b"\n"]
        elif way == 6:
            nested = chance.choice(
                (
                    b"Content-Type: multipart/mixed; boundary=x\n\n--x\n",
                    b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n",
                    b"BEGIN:VCARD\n",
                    b"Content-Type: message/rfc822\n\n",
                    b"if true { ",
                    b"anyof(",
                    b"From a b\n",
                    b"text:\n",
                    b"/*\n",
                )
            )
            parts[at:at] = [nested * chance.choice((3, 200, 5_000))]
        elif way == 7:
            parts[at:at] = chance.choice(seeds).splitlines(keepends=True)[:200]
        else:
            parts[at : at + 1] = [octets(chance, some[0], seeds)]
    return b"".join(parts)[:MOST]


def few_lines(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Change lines of what is read slowly; the result is small."""
    return lines(chance, data, seeds)[:_FEW]


def values(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Change values of a JSON text, or of one of its lines; and at times bytes."""
    if chance.random() < 0.2:
        return octets(chance, data, seeds)
    whole = data.splitlines(keepends=True)
    at = chance.randrange(len(whole)) if whole else 0
    try:
        json.loads(data)
        before, text, after = b"", data, b""
    except ValueError:
        before, text, after = b"".join(whole[:at]), whole[at] if whole else b"", b"".join(whole[at + 1 :])
    try:
        value = json.loads(text)
    except ValueError:
        return octets(chance, data, seeds)
    for _change in range(chance.choice((1, 1, 2, 3))):
        value = changed_value(chance, value)
    changed = before + _written(chance, value) + after
    return changed if len(changed) <= MOST else octets(chance, data, seeds)


def _written(chance: random.Random, value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=chance.random() < 0.7, separators=chance.choice(((",", ":"), (", ", ": "))))
    if chance.random() < 0.05 and isinstance(value, dict) and value:  # a key that is there twice
        key = chance.choice(list(value))
        text = text[:-1] + f", {json.dumps(key)}: {json.dumps(odd_value(chance))}}}"
    return text.encode("utf-8", "surrogatepass") + b"\n"


def odd_value(chance: random.Random) -> Any:
    """Return a value that is probably not what was expected."""
    return chance.choice(
        (
            lambda: chance.choice(NUMBERS),
            lambda: chance.choice(TEXTS),
            lambda: None,
            lambda: chance.random() < 0.5,
            list,
            dict,
            lambda: [odd_value(chance)],
            lambda: {chance.choice(TEXTS): odd_value(chance)},
            lambda: chance.choice((0.5, 1e300, float("inf"), float("nan"))),
            lambda: [[]] * 100,
            lambda: functools.reduce(lambda inner, _n: [inner], range(chance.choice((10, 300))), None),
        )
    )()


def table(chance: random.Random, database: sqlite3.Connection) -> str:
    """Return the name of a table of a database."""
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall()
    return str(chance.choice(names)[0])


def database(chance: random.Random, data: bytes, statement: Callable[[sqlite3.Connection], str]) -> bytes:
    """Return an SQLite database after one statement, or a few; one that SQLite does not take changes nothing.

    :param statement: gives one for what the database is by then.
    """
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with contextlib.closing(sqlite3.connect(file.name)) as opened:
            opened.execute("PRAGMA journal_mode = DELETE")
            for _change in range(chance.choice((1, 1, 3))):
                with contextlib.suppress(sqlite3.Error):
                    opened.executescript(statement(opened))
        return Path(file.name).read_bytes()


def changed_value(chance: random.Random, value: Any) -> Any:
    """Return a JSON value of which one part was changed."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        changed = dict(value)
        key = chance.choice(list(changed))
        way = chance.random()
        if way < 0.15:
            del changed[key]
        elif way < 0.25:
            changed[chance.choice(TEXTS)] = odd_value(chance)
        elif way < 0.32:
            changed[chance.choice(TEXTS)] = changed.pop(key)
        else:
            changed[key] = changed_value(chance, changed[key])
        return changed
    if isinstance(value, list) and value and chance.random() < 0.8:
        copied = list(value)
        at = chance.randrange(len(copied))
        way = chance.random()
        if way < 0.2:
            del copied[at]
        elif way < 0.4:
            copied *= chance.choice((2, 100)) if len(copied) < 1000 else 1
        elif way < 0.5:
            copied.insert(at, odd_value(chance))
        else:
            copied[at] = changed_value(chance, copied[at])
        return copied
    if isinstance(value, str) and chance.random() < 0.4:
        return octets(chance, value.encode("utf-8", "surrogatepass"), (b"x",)).decode("utf-8", "surrogateescape")
    return odd_value(chance)


def named(inner: Callable[[str], Mutator]) -> Mutator:
    """Return what changes the content behind the first line of an input, which is a name.

    :param inner: gives what changes contents of that name.
    """

    def change(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
        name, _newline, content = data.partition(b"\n")
        contents = [seed.partition(b"\n")[2] for seed in seeds]
        return name + b"\n" + inner(name.decode())(chance, content, contents)

    return change


def packed(
    pack: Callable[[bytes], bytes],
    unpack: Callable[[bytes], bytes],
    inner: Mutator,
    bombs: Callable[[], Sequence[bytes]],
) -> Mutator:
    """Return what changes compressed inputs: as they are, or what is in them, or that gives a bomb for them."""

    def change(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
        way = chance.random()
        if way < 0.01:
            return octets(chance, chance.choice(bombs()), seeds) if chance.random() < 0.3 else chance.choice(bombs())
        if way < 0.4:
            return octets(chance, data, seeds)
        return pack(inner(chance, unpack(data), [unpack(seed) for seed in seeds[:20]]))

    return change


def gzipped(data: bytes) -> bytes:
    """Return some bytes as a gzip stream; the same for the same."""
    return gzip.compress(data, 1, mtime=0)


@functools.cache
def zeros_gzipped(size: int) -> bytes:
    """Return a gzip stream of zeros."""
    return gzip.compress(bytes(size), 9, mtime=0)


@functools.cache
def zeros_zstd(size: int, stated: bool) -> bytes:
    """Return a zstd frame of zeros. :param stated: whether it says how many bytes are in it."""
    compressor = zstandard.ZstdCompressor(level=1, write_content_size=stated)
    return compressor.compress(bytes(size))


@functools.cache
def gzip_bombs() -> tuple[bytes, ...]:
    """Return gzip streams that unpack to a thousand times their size: zeros, lines, a stream in a stream, a row."""
    zeros = zeros_gzipped(300 << 20)
    lines_ = gzip.compress(b"a\n" * (50 << 20), 9, mtime=0)
    return (
        zeros,
        lines_,
        gzip.compress(zeros, 9, mtime=0),
        zeros_gzipped(20 << 20) * 15,
        gzip.compress(b"From a b\n\n" * (5 << 20), 9, mtime=0),
    )


@functools.cache
def zstd_bombs() -> tuple[bytes, ...]:
    """Return the same in zstd, with and without a stated size."""
    zeros = zeros_zstd(300 << 20, True)
    return zeros, zeros_zstd(300 << 20, False), zstandard.compress(zeros), zeros_zstd(20 << 20, True) * 15
