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
import mailbox
import os
import re
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import IO, Any, Final, NamedTuple, Union

from ..backup import compression
from ..model import kinds
from ..model.errors import InvalidInput, RestanteError

LARGEST: Final = 256 * 1024 * 1024
"""Bytes of the largest file, or member of an archive, that is read; what is larger is a problem."""

_CALENDAR: Final = (".ics", ".ical")
_CARD: Final = (".vcf", ".vcard")
_SIEVE: Final = (".sieve", ".siv")
_TAR: Final = (".tar", ".tar.gz", ".tgz", ".tar.zst")
_MAILDIR_FLAGS: Final = {"F": "f", "R": "r", "P": "w", "D": "d", "T": "x"}
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
        yield Problem(source or path, f"The folder cannot be read ({error.strerror}).")
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
            yield from _folder(below, where, (*names, *entry[1:].split(".")))
        else:
            yield from _folder(below, where, (*names, entry))


def _on_disk(path: str, source: str, names: tuple[str, ...]) -> Iterator[Read]:
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            yield Problem(source, "It is no regular file; links, devices and pipes are left out.")
            return
        with open(path, "rb") as stream:
            file = _File(os.path.basename(path), source, names, stream, status.st_size, int(status.st_mtime * 1000))
            yield from _contents(file)
    except OSError as error:
        yield Problem(source, f"It cannot be read ({error.strerror or error}).")


def _contents(file: _File) -> Iterator[Read]:
    """Yield what one file holds, by its name, and by its first line where the name says nothing."""
    name = file.name.lower()
    try:
        if name.endswith(_TAR):
            yield from _tar(file)
        elif name.endswith((".mbox", ".mbx", ".mbox.gz")):
            yield from _mbox(file)
        elif file.size > LARGEST:
            yield Problem(file.source, f"It has {file.size} bytes; files over {LARGEST} are not imported.")
        else:
            yield from _single(file, file.stream.read())
    except (OSError, EOFError, zlib.error, tarfile.TarError, mailbox.Error, RestanteError) as error:
        yield Problem(file.source, f"It is damaged or cut short ({error}).")


def _single(file: _File, content: bytes) -> Iterator[Read]:
    name = file.name.lower()
    if name.endswith(_CALENDAR):
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
    """Split an mbox where the standard library does: at lines that begin with "From "; nothing is unescaped."""
    stream = gzip.GzipFile(fileobj=file.stream) if file.name.lower().endswith(".gz") else file.stream
    with tempfile.NamedTemporaryFile() as copy:
        _copy(stream, copy, LARGEST * 16)
        copy.flush()
        box = mailbox.mbox(copy.name, create=False)
        folder = (*file.folder, re.sub(r"\.mbox(\.gz)?$|\.mbx$", "", file.name, flags=re.IGNORECASE))
        try:
            for number, key in enumerate(box.keys(), 1):
                yield _message(file._replace(folder=folder), box.get_bytes(key), number)
        finally:
            box.close()


def _copy(source: Any, target: Any, limit: int) -> None:
    copied = 0
    for chunk in iter(lambda: source.read(1 << 20), b""):
        copied += len(chunk)
        if copied > limit:
            raise InvalidInput(f"it unpacks to more than {limit} bytes")
        target.write(chunk)


def _tar(file: _File) -> Iterator[Read]:
    """Read a tar archive as a stream; members keep the folders of their names, wherever those would lead."""
    stream: Any = file.stream
    if file.name.lower().endswith(".zst"):
        stream = compression.reader(file.stream)
    elif file.name.lower().endswith(("gz",)):
        stream = gzip.GzipFile(fileobj=file.stream)
    stem = re.sub(r"\.(tar(\.gz|\.zst)?|tgz)$", "", file.name, flags=re.IGNORECASE)
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            source = f"{file.source}/{member.name}"
            if member.isdir():
                continue
            data = archive.extractfile(member) if member.isreg() else None
            if data is None:
                yield Problem(source, "It is no regular file; links, devices and pipes are left out.")
                continue
            if member.size > LARGEST:
                yield Problem(source, f"It has {member.size} bytes; files over {LARGEST} are not imported.")
                continue
            parts = [part for part in member.name.split("/") if part not in ("", ".", "..")]
            folders = tuple(part for part in parts[:-1] if part not in ("cur", "new"))
            content = data.read()
            yield from _single(
                _File(
                    parts[-1] if parts else "", source, (*file.folder, stem, *folders), io.BytesIO(content),
                    member.size, int(member.mtime) * 1000,
                ),
                content,
            )


def _blocks(file: _File, content: bytes, what: bytes, kind: str) -> Iterator[Found]:
    """Cut a file into its outermost BEGIN ... END blocks; what has none is one item as a whole."""
    begin, end = re.compile(rb"^begin:" + what + rb"\b", re.I | re.M), re.compile(
        rb"^end:" + what + rb"[ \t]*(\r\n|\n|\r|\Z)", re.I | re.M
    )
    pieces = []
    depth = start = 0
    marks = sorted([(m.start(), m.end(), 1) for m in begin.finditer(content)]
                   + [(m.start(), m.end(), -1) for m in end.finditer(content)])
    for first, last, step in marks:
        if step == 1 and depth == 0:
            start = first
        depth = max(0, depth + step)
        if step == -1 and depth == 0 and last > start:
            pieces.append(content[start:last])
            start = last
    for number, piece in enumerate(pieces or [content], 1):
        upper = piece.upper()
        actual = kind
        if kind == kinds.APPOINTMENT and b"BEGIN:VTODO" in upper and b"BEGIN:VEVENT" not in upper:
            actual = kinds.TASK
        if kind == kinds.CONTACT and re.search(rb"^KIND:GROUP", upper, re.M):
            actual = kinds.CONTACT_GROUP
        yield Found(actual, f"{file.source}#{number}", file.folder, piece, file.name, date=file.modified)
