# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a disk may hold after a power failure, from a recording of what a process did to it (faults.c).

The rules are those that POSIX gives, which are stricter than any one file system: the content of a file is durable when
the file was synced after it was written, a name when its directory was synced after it was made, changed or removed.
Whatever is not durable may be there or not, each piece for itself, and the last piece of a content by half.
"""

from __future__ import annotations

import hashlib
import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from .layer import CREATE, LINK, MARK, MKDIR, RENAME, RMDIR, SYNC, SYNCFS, TRUNCATE, UNLINK, WRITE

_HEADER: Final = struct.Struct("=QqIIII")
_SECTOR: Final = 512


class Step(NamedTuple):
    """One operation. Paths are relative to the directory that was recorded; object numbers never come twice."""

    kind: int
    path: str
    other: str = ""
    object: int = -1
    """The file that is meant; -1 where it is a directory, or all."""
    offset: int = 0
    data: bytes = b""


def read(recording: Path, root: Path, start: Path) -> list[Step]:
    """Return the operations of a recording.

    :param root: the directory that was recorded. :param start: a copy of what it held before.
    """
    return list(_Reader(root, start).steps(recording.read_bytes()))


class _Reader:
    def __init__(self, root: Path, start: Path) -> None:
        self._root = f"{root.resolve()}"
        self._names = _files(start)
        self._folders = _folders(start)
        self._next = len(self._names)
        self._inodes: dict[int, int] = {}

    def steps(self, data: bytes) -> Iterator[Step]:
        position = 0
        while position < len(data):
            inode, offset, kind, path_size, other_size, size = _HEADER.unpack_from(data, position)
            position += _HEADER.size
            path, other = data[position:position + path_size], data[position + path_size:][:other_size]
            position += path_size + other_size
            content = data[position:position + size]
            position += size
            yield self._step(kind, inode, self._relative(path), self._relative(other), offset, content)

    def _relative(self, path: bytes) -> str:
        text = os.fsdecode(path).removesuffix(" (deleted)")
        return os.path.normpath(os.path.relpath(text, self._root)) if text.startswith("/") else text

    def _step(self, kind: int, inode: int, path: str, other: str, offset: int, data: bytes) -> Step:
        names, number = self._names, -1
        if kind == CREATE:
            number = names[path] = self._inodes[inode] = self._next
            self._next += 1
        elif kind in (WRITE, TRUNCATE) or (kind == SYNC and path not in self._folders):
            number = self._inodes.setdefault(inode, names.get(path, -1))
        elif kind == MKDIR:
            self._folders.add(path)
        elif kind in (LINK, RENAME):
            number = names.get(path, -1)
            names[other] = number
        elif kind == UNLINK:
            number = names.get(path, -1)
        if kind in (RENAME, UNLINK):
            names.pop(path, None)
        return Step(kind, path, other, number, offset, data)


def _files(start: Path) -> dict[str, int]:
    """Return the files of a directory by path, each with its number."""
    names: dict[str, int] = {}
    inodes: dict[int, int] = {}
    for folder, _folders, files in sorted(os.walk(start)):
        for name in sorted(files):
            path = os.path.join(folder, name)
            number = inodes.setdefault(os.stat(path).st_ino, len(names))
            names[os.path.relpath(path, start)] = number
    return names


def _folders(start: Path) -> set[str]:
    """Return the directories in a directory, itself included, by path."""
    return {os.path.relpath(folder, start) for folder, _names, _files_ in os.walk(start)}


def durable(steps: list[Step]) -> list[bool]:
    """Return which operations nothing can undo any more, once all of them have been made."""
    kept = [False] * len(steps)
    everything, files, directories = False, set(), set()
    for position in range(len(steps) - 1, -1, -1):
        step = steps[position]
        if step.kind == SYNCFS:
            everything = True
        elif step.kind == SYNC and step.object < 0:
            directories.add(step.path)
        elif step.kind == SYNC:
            files.add(step.object)
        elif step.kind in (WRITE, TRUNCATE):
            kept[position] = everything or step.object in files
        elif step.kind != MARK:
            place = os.path.dirname(step.other or step.path) or "."
            kept[position] = everything or place in directories
    return kept


class Disk:
    """Files in memory, as they are after some operations."""

    def __init__(self, start: Path) -> None:
        self._names = _files(start)
        self._contents = {number: start / name for name, number in self._names.items()}
        self._changed: dict[int, bytearray] = {}
        self._folders = _folders(start)

    def apply(self, step: Step, part: int | None = None) -> None:
        """Make an operation. :param part: of what is written only so many bytes."""
        if step.kind == CREATE:
            self._names[step.path] = step.object
            self._changed.setdefault(step.object, bytearray())
        elif step.kind == WRITE and step.object >= 0:
            content = self._content(step.object)
            data = step.data if part is None else step.data[:part]
            content.extend(bytes(max(0, step.offset - len(content))))
            content[step.offset:step.offset + len(data)] = data
        elif step.kind == TRUNCATE and step.object >= 0:
            content = self._content(step.object)
            content.extend(bytes(max(0, step.offset - len(content))))
            del content[step.offset:]
        elif step.kind in (LINK, RENAME):
            if step.kind == RENAME and self._names.get(step.path) == step.object:
                del self._names[step.path]
            self._names[step.other] = step.object
        elif step.kind == UNLINK and self._names.get(step.path) == step.object:
            del self._names[step.path]
        elif step.kind == MKDIR:
            self._folders.add(step.path)
        elif step.kind == RMDIR:
            self._folders.discard(step.path)

    def _content(self, number: int) -> bytearray:
        if number not in self._changed:
            known = self._contents.get(number)
            self._changed[number] = bytearray(known.read_bytes() if known else b"")
        return self._changed[number]

    def names(self) -> list[str]:
        """Return the files, but those in directories that are gone."""
        return sorted(name for name in self._names if self._is_reached(os.path.dirname(name)))

    def content(self, name: str) -> bytes:
        """Return what is in a file; nothing where it is not there."""
        if name not in self._names or not self._is_reached(os.path.dirname(name)):
            return b""
        number = self._names[name]
        if number in self._changed:
            return bytes(self._changed[number])
        return self._contents[number].read_bytes() if number in self._contents else b""

    def _is_reached(self, folder: str) -> bool:
        while folder:
            if folder not in self._folders:
                return False
            folder = os.path.dirname(folder)
        return True

    def digest(self) -> str:
        """Return what is the same for two disks with the same in them."""
        contents = {number: hashlib.sha256(content).hexdigest() for number, content in self._changed.items()}
        files = sorted((name, contents.get(number, str(number))) for name, number in self._names.items())
        return hashlib.sha256(repr((files, sorted(self._folders))).encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Write the files to a new directory; what lies in a directory that is gone, is gone."""
        path.mkdir()
        for folder in sorted(self._folders - {"."}):
            if (path / folder).parent.is_dir():
                (path / folder).mkdir(mode=0o700)
        written: dict[int, Path] = {}
        for name, number in self._names.items():
            if number in written and (path / name).parent.is_dir():
                os.link(written[number], path / name)
            elif (path / name).parent.is_dir():
                written[number] = path / name
                descriptor = os.open(path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(self._content(number))
                if number in self._contents:
                    status = os.stat(self._contents[number])
                    os.utime(path / name, ns=(status.st_atime_ns, status.st_mtime_ns))


def after_failure(steps: list[Step], start: Path, chance: random.Random) -> tuple[Disk, str]:
    """Return one of the disks that a power failure after these operations may leave, and how it came about."""
    kept = durable(steps)
    pending = [position for position, is_kept in enumerate(kept) if not is_kept and _changes(steps[position])]
    way = chance.choice(("none", "some", "most", "all but one", "all"))
    share = {"none": 0.0, "some": 0.5, "most": 0.9, "all but one": 1.0, "all": 1.0}[way]
    there = {position for position in pending if chance.random() < share}
    if way == "all but one" and pending:
        there.discard(chance.choice(pending))
    last = max(there & _of_contents(steps), default=-1)
    torn = last if chance.random() < 0.5 else -1
    disk = Disk(start)
    for position, step in enumerate(steps):
        if kept[position] or position in there:
            part = len(step.data) // 2 // _SECTOR * _SECTOR if position == torn else None
            disk.apply(step, part)
    return disk, f"{way} of {len(pending)} unsynced operations there{', the last torn' if torn >= 0 else ''}"


def failures(
    steps: list[Step], start: Path, limit: int, drawn: int, chance: random.Random
) -> Iterator[tuple[Disk, str]]:
    """Yield all disks that a power failure after these operations may leave, and how each came about.

    What becomes of a catalogue, which is derived and is not synced on purpose, is drawn anew for each.

    :param limit: where there are more ways than this, some are drawn. :param drawn: how many.
    """
    kept = durable(steps)
    pending = [position for position, is_kept in enumerate(kept) if not is_kept and _changes(steps[position])]
    derived = [position for position in pending if "catalog.sqlite" in steps[position].path]
    pending = [position for position in pending if "catalog.sqlite" not in steps[position].path]
    if 2 << len(pending) <= limit:
        ways = [(mask, is_torn) for mask in range(1 << len(pending)) for is_torn in (False, True)]
    else:
        ways = [(chance.getrandbits(len(pending)), chance.random() < 0.5) for _number in range(drawn)]
    for mask, is_torn in ways:
        share = chance.random()
        there = {position for position in derived if chance.random() < share}
        there.update(position for bit, position in enumerate(pending) if mask >> bit & 1)
        last = max(there & _of_contents(steps), default=-1)
        if is_torn and last < 0:
            continue
        disk = Disk(start)
        for position, step in enumerate(steps):
            if kept[position] or position in there:
                disk.apply(step, len(step.data) // 2 // _SECTOR * _SECTOR if is_torn and position == last else None)
        yield disk, f"{mask:#x} of {len(pending)} unsynced operations there{', the last torn' if is_torn else ''}"


def _changes(step: Step) -> bool:
    return step.kind not in (SYNC, SYNCFS, MARK)


def _of_contents(steps: list[Step]) -> set[int]:
    return {position for position, step in enumerate(steps) if step.kind == WRITE}
