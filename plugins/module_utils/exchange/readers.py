# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading mail, calendars, cards and scripts from files (docs/exchange.md).

Contents are taken byte for byte and never parsed into failure: where a file is split, it is cut at lines and nothing
is written anew.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
import tarfile
import zlib
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import IO, Any, Final, NamedTuple, Union

from ..backup import compression
from ..model import kinds
from ..model.errors import InvalidInput, RestanteError

LARGEST: Final = 256 * 1024 * 1024
"""Bytes of the largest file, message of an mbox or member of an archive that is read; what is larger is a problem."""

_HEADERS: Final = 16 * 1024 * 1024
"""Bytes that an archive may spend on the headers of one member; tarfile would take them into memory unasked."""
_UNSUSPICIOUS: Final = 32 * 1024 * 1024
_EXPANSION: Final = 250
"""Times that a compressed file may grow when it is unpacked, once it is no longer small. Mail shrinks to a third."""
_ENDS: Final = 64
"""Times that tarfile may read on at the end of a file: it skips a member that is said to be huge piece by piece."""
_LINE: Final = 1024 * 1024
_LAST_DATE: Final = 253_402_300_799
"""The end of the year 9999 in seconds, after which no calendar goes on."""

_CALENDAR: Final = (".ics", ".ical")
_CARD: Final = (".vcf", ".vcard")
_SIEVE: Final = (".sieve", ".siv")
_TAR: Final = (".tar", ".tar.gz", ".tgz", ".tar.zst")
_MAILDIR_FLAGS: Final = {"F": "f", "R": "r", "P": "w", "D": "d", "T": "x"}
_MBOX: Final = (".mbox", ".mbx", ".mbox.gz")
_NUMBERED = re.compile(r"\d+\.?")
_HEADER = re.compile(rb"\A(?:From |>From |[!-9;-~]+[ \t]*:)")
_DATE = re.compile(rb"^date[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class Found(NamedTuple):
    """One thing that was read."""

    kind: str
    source: str
    """Where it was: the path below the imported one, and its number in the file."""
    folder: tuple[str, ...]
    """Names of the folders it lay in."""
    content: bytes
    name: str = ""
    """The file's name, for scripts."""
    flags: str = ""
    date: int = 0
    """UTC milliseconds; 0 where nothing tells it."""


class Problem(NamedTuple):
    """Something that could not be read, or is nothing that can be imported."""

    source: str
    reason: str


Read = Union[Found, Problem]


class _File(NamedTuple):
    """A file, on disk or in an archive."""

    name: str
    source: str
    folder: tuple[str, ...]
    stream: IO[bytes]
    size: int
    modified: int


def read(path: str) -> Iterator[Read]:
    """Yield what a file or folder holds. A file that cannot be read is a Problem and never stops the others.

    :raises InvalidInput: the path does not exist.
    """
    if not os.path.exists(path):
        raise InvalidInput(f"{path} does not exist; name a file or folder of mail on this node.")
    if os.path.isdir(path):
        yield from _folder(path, "", ())
    else:
        yield from _on_disk(path, os.path.basename(path), ())


def _folder(path: str, source: str, names: tuple[str, ...]) -> Iterator[Read]:
    try:
        entries = sorted(os.listdir(path))
    except OSError as error:
        yield Problem(printable(source or path), f"The folder cannot be read ({error.strerror}).")
        return
    maildir = "cur" in entries and "new" in entries
    for entry in entries:
        below, where = os.path.join(path, entry), f"{source}/{entry}".lstrip("/")
        if not os.path.isdir(below) or os.path.islink(below):
            yield from _on_disk(below, where, names)
        elif maildir and entry in ("cur", "new"):
            yield from _folder(below, where, names)
        elif maildir and entry == "tmp":
            continue  # what is still being delivered
        elif maildir and entry.startswith("."):
            yield from _folder(below, where, (*names, *_subfolder(entry)))
        else:
            yield from _folder(below, where, (*names, printable(entry)))


def printable(name: str) -> str:
    r"""Return a name of a file system or archive as text: bytes that are not UTF-8 become \xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _subfolder(name: str) -> tuple[str, ...]:
    """Return the folders that a Maildir++ directory stands for."""
    return tuple(part for part in printable(name).split(".") if part)


def _on_disk(path: str, source: str, names: tuple[str, ...]) -> Iterator[Read]:
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            yield _irregular(printable(source))
            return
        with open(path, "rb") as stream:
            name, modified = printable(os.path.basename(path)), _moment(status.st_mtime)
            yield from _contents(_File(name, printable(source), names, stream, status.st_size, modified))
    except OSError as error:
        yield Problem(printable(source), f"It cannot be read ({error.strerror or error}).")


def _irregular(source: str) -> Problem:
    return Problem(source, "It is no regular file; links, devices and pipes are left out.")


def _empty(source: str) -> Problem:
    return Problem(source, "It is empty.")


def _too_large(source: str, size: int) -> Problem:
    return Problem(source, f"It has {size} bytes; what is over {LARGEST} is not imported.")


def _moment(seconds: float) -> int:
    """Return UTC milliseconds, or 0 for what is no moment that a mailbox can hold."""
    return int(seconds * 1000) if 0 <= seconds <= _LAST_DATE else 0


def _contents(file: _File) -> Iterator[Read]:
    """Yield what one file holds, by its name, and by its first line where the name says nothing."""
    name = file.name.lower()
    try:
        if name.endswith(_TAR):
            yield from _tar(file)
        elif name.endswith(_MBOX):
            yield from _mbox(file)
        elif file.size > LARGEST:
            yield _too_large(file.source, file.size)
        else:
            yield from _single(file, file.stream.read())
    except (
        OSError, EOFError, ValueError, ArithmeticError, RecursionError, zlib.error, compression.ZstdError,
        tarfile.TarError, RestanteError,
    ) as error:
        yield Problem(file.source, f"It is damaged or cut short ({error}).")


def _single(file: _File, content: bytes) -> Iterator[Read]:
    name = file.name.lower()
    if not content:
        yield _empty(file.source)
    elif name.endswith(_CALENDAR):
        yield from _blocks(file, content, b"VCALENDAR", kinds.APPOINTMENT)
    elif name.endswith(_CARD):
        yield from _blocks(file, content, b"VCARD", kinds.CONTACT)
    elif name.endswith(_SIEVE):
        yield Found(kinds.FILTER_SET, file.source, file.folder, content, file.name, date=file.modified)
    elif _is_mail(file, content):
        yield _message(file, content, 0)
    else:
        yield Problem(file.source, "It is neither mail nor calendar, card or script by its name and first line.")


def _is_mail(file: _File, content: bytes) -> bool:
    name = file.name.lower()
    in_maildir = os.path.basename(os.path.dirname(file.source)) in ("cur", "new")
    return name.endswith(".eml") or in_maildir or bool(_NUMBERED.fullmatch(name)) or (
        "." not in name and bool(_HEADER.match(content))
    )


def _message(file: _File, content: bytes, number: int) -> Found:
    flags = ""
    parent = os.path.basename(os.path.dirname(file.source))
    if parent in ("cur", "new"):
        given = file.name.rpartition(":2,")[2] if ":2," in file.name else ""
        flags = "".join(sorted({_MAILDIR_FLAGS[flag] for flag in given if flag in _MAILDIR_FLAGS}))
        flags += "" if "S" in given else "u"
    source = f"{file.source}#{number}" if number else file.source
    return Found(kinds.MESSAGE, source, file.folder, content, "", flags, _date(content) or file.modified)


def _date(content: bytes) -> int:
    head = re.split(rb"\r?\n\r?\n", content[:65536], maxsplit=1)[0]
    match = _DATE.search(head)
    if match is None:
        return 0
    try:
        return max(0, int(parsedate_to_datetime(match.group(1).decode("ascii", "replace")).timestamp() * 1000))
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return 0


def _mbox(file: _File) -> Iterator[Read]:
    """Split an mbox at lines that begin with "From ", as Python's mailbox does; nothing is unescaped."""
    stream: Any = file.stream
    if file.name.lower().endswith(".gz"):
        unpacked: Any = _Unpacked(gzip.GzipFile(fileobj=file.stream), file.size)
        stream = io.BufferedReader(unpacked, _LINE)
    folder = (*file.folder, re.sub(r"\.mbox(\.gz)?$|\.mbx$", "", file.name, flags=re.IGNORECASE))
    file = file._replace(folder=folder)
    number = size = 0
    content = bytearray()
    fresh = True  # whether the next bytes begin a line, as those after a part of an endless line do not
    for line in iter(lambda: stream.readline(_LINE), b""):
        if fresh and line.startswith(b"From "):
            yield from _mbox_message(file, content, size, number)
            number, size, content = number + 1, 0, bytearray()
        else:
            size += len(line)
            if size <= LARGEST:
                content += line
            else:
                content = bytearray()
        fresh = line.endswith(b"\n")
    yield from _mbox_message(file, content, size, number)


def _mbox_message(file: _File, content: bytearray, size: int, number: int) -> Iterator[Read]:
    if number == 0:
        if size:
            yield Problem(file.source, f'Its first {size} bytes come before the first "From " line, in no message.')
    elif size > LARGEST:
        yield _too_large(f"{file.source}#{number}", size)
    elif not size:
        yield _empty(f"{file.source}#{number}")
    else:
        # The empty line before the next "From " belongs to the mbox, not to the message.
        if content.endswith(b"\n\n") or content == b"\n":
            del content[-1:]
        yield _message(file, bytes(content), number)


class _Unpacked(io.RawIOBase):
    """What is in a compressed file, as long as that is not a bomb."""

    def __init__(self, stream: Any, packed: int) -> None:
        """:param packed: bytes of the compressed file."""
        self._stream = stream
        self._left = _UNSUSPICIOUS + _EXPANSION * packed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read on. :raises InvalidInput: it is a bomb."""
        data: bytes = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise InvalidInput(f"it expands more than {_EXPANSION} fold, as no mail does")
        buffer[:len(data)] = data
        return len(data)


class _Metered:
    """A stream that gives no more than it has been allowed."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.left = _HEADERS
        self._ends = 0

    def read(self, size: int) -> bytes:
        """Read some bytes. :raises InvalidInput: they are more than is left. :raises EOFError: there are no more."""
        data: bytes = self._stream.read(size)
        self.left -= len(data)
        self._ends += not data
        if self._ends > _ENDS:
            raise EOFError("a member is longer than the file")
        if self.left < 0:
            raise InvalidInput("a member has more headers, or unpacks to more, than any mail needs")
        return data


def _tar(file: _File) -> Iterator[Read]:
    """Read a tar archive as a stream; members keep the folders of their names, wherever those would lead."""
    name = file.name.lower()
    plain: Any = file.stream
    if name.endswith(".zst"):
        plain = _Unpacked(compression.reader(file.stream), file.size)
    elif name.endswith("gz"):
        plain = _Unpacked(gzip.GzipFile(fileobj=file.stream), file.size)
    stream: Any = _Metered(plain)
    stem = re.sub(r"\.(tar(\.gz|\.zst)?|tgz)$", "", file.name, flags=re.IGNORECASE)
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            stream.left = _HEADERS + min(member.size, 16 * LARGEST)
            if not member.isdir():
                yield from _member(file, archive, member, (*file.folder, stem))
        # An archive ends with two empty blocks. At a damaged header tarfile ends as well, and without a word.
        if archive.fileobj is None or archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            yield Problem(file.source, "It is damaged or cut short: what follows its last readable member is lost.")


def _member(file: _File, archive: tarfile.TarFile, member: tarfile.TarInfo, names: tuple[str, ...]) -> Iterator[Read]:
    source = f"{file.source}/{printable(member.name)}"
    data = archive.extractfile(member) if member.isreg() and not member.issparse() else None
    if data is None:
        yield _irregular(source) if not member.issparse() else Problem(source, "It has holes, as no mail has.")
        return
    *above, name = [part for part in printable(member.name).split("/") if part not in ("", ".", "..")] or [""]
    if name.lower().endswith(_TAR):
        yield Problem(source, "It is an archive in an archive; unpack it and import what it holds.")
    elif member.size > LARGEST:
        yield _too_large(source, member.size)
    else:
        if above and above[-1] in ("cur", "new"):
            above.pop()
            if above and above[-1].startswith("."):
                above[-1:] = _subfolder(above[-1])
        yield from _contents(_File(name, source, (*names, *above), data, member.size, _moment(member.mtime)))


def _blocks(file: _File, content: bytes, what: bytes, kind: str) -> Iterator[Found]:
    """Cut a file after each outermost BEGIN ... END block; the pieces together are the whole file."""
    marks = re.compile(rb"^(?:\xef\xbb\xbf)?(begin|end):" + what + rb"\b[^\r\n]*(?:\r\n|\r|\n|\Z)", re.I | re.M)
    pieces: list[bytes] = []
    depth = start = 0
    for mark in marks.finditer(content):
        if mark.group(1).lower() == b"begin":
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                pieces.append(content[start:mark.end()])
                start = mark.end()
    if depth or not pieces:
        pieces.append(content[start:])
    else:
        pieces[-1] += content[start:]
    for number, piece in enumerate(pieces, 1):
        upper = piece.upper()
        actual = kind
        if kind == kinds.APPOINTMENT and b"BEGIN:VTODO" in upper and b"BEGIN:VEVENT" not in upper:
            actual = kinds.TASK
        if kind == kinds.CONTACT and re.search(rb"^(X-ADDRESSBOOKSERVER-)?KIND:GROUP", upper, re.M):
            actual = kinds.CONTACT_GROUP
        yield Found(actual, f"{file.source}#{number}", file.folder, piece, file.name, date=file.modified)
