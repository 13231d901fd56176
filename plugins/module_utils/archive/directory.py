# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An archive in a directory: another disk, or a mounted file system."""

from __future__ import annotations

import errno
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from typing import IO

from ..model.durable import make_directories, sync_directory
from ..model.errors import InvalidInput, NotFound, Refused
from .files import Hashed, Readable, explained, reading, store
from .port import Archive, StoredFile

_INCOMING = ".incoming"
"""Holds unfinished files. A name of the archive never begins with a dot."""

_ABANDONED = 86400.0
"""Seconds after which an unfinished file belongs to nobody."""


class DirectoryArchive(Archive):
    """Files under a directory and a prefix in it.

    The directory itself is never created: where it is a mount point and the disk is not mounted, a backup must not
    fill the disk beneath.

    :param path: the directory, which exists.
    :param prefix: put before every name; its folders are made as needed.
    """

    has_own_clock = False
    """A file server has one, but the directory may as well be on a disk of this node."""

    def __init__(self, path: str, prefix: str = "") -> None:
        self._base = os.path.abspath(path)
        self._root = os.path.join(self._base, *_parts(prefix.strip("/"))) if prefix.strip("/") else self._base
        self._known: set[str] = set()

    def __repr__(self) -> str:
        return f"DirectoryArchive({self._root})"

    def describe(self) -> str:
        return f"directory {self._root}"

    def put(self, name: str, data: bytes) -> None:
        self._store(name, io.BytesIO(data), overwrite=True)

    def put_file(self, name: str, path: str, sha256: str) -> None:
        with reading(path) as file:
            source = Hashed(file, path)
            self._store(name, source, overwrite=True, complete=lambda: source.checked(sha256))

    def put_new(self, name: str, data: bytes) -> bool:
        return self._store(name, io.BytesIO(data), overwrite=False) or self.get(name) == data

    def get(self, name: str, most: int | None = None) -> bytes:
        with self._reading(name) as file:
            self.check_length(name, os.fstat(file.fileno()).st_size, most)
            return file.read()

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        with self._reading(name) as file:
            file.seek(offset)
            return file.read(length)

    def size(self, name: str) -> int | None:
        path = self._path(name)
        try:
            with explained("look for", path):
                return os.stat(path).st_size
        except NotFound:
            self._check_base()
            return None

    def list(self, prefix: str, after: str = "") -> Iterator[StoredFile]:
        self._check_base()
        return self._walk("", prefix, after)

    def folders(self) -> Sequence[str]:
        self._check_base()
        return [name[:-1] for name, entry in self._entries("") if entry.is_dir()]

    def stored_at(self, name: str) -> int | None:
        path = self._path(name)
        try:
            with explained("look for", path):
                return os.stat(path).st_mtime_ns // 1_000_000
        except NotFound:
            self._check_base()
            return None

    def now(self) -> int:
        self._check_base()
        with explained("write", self._root), tempfile.TemporaryFile(dir=self._base) as file:
            file.write(b".")
            file.flush()
            return os.fstat(file.fileno()).st_mtime_ns // 1_000_000

    def delete(self, name: str) -> None:
        path = self._path(name)
        with explained("delete", path), suppress(FileNotFoundError):
            os.unlink(path)
            sync_directory(os.path.dirname(path))

    def erase(self, name: str) -> bool:
        self.delete(name)
        return True

    def _walk(self, folder: str, prefix: str, after: str) -> Iterator[StoredFile]:
        for name, entry in self._entries(folder):
            if entry.is_dir():
                last = name + "\U0010ffff"  # sorts after all that can be in it
                if (name.startswith(prefix) or prefix.startswith(name)) and last > after:
                    yield from self._walk(name, prefix, after)
            elif name.startswith(prefix) and name > after:
                with suppress(FileNotFoundError):  # deleted a moment ago
                    found = entry.stat()
                    yield StoredFile(name, found.st_size, found.st_mtime_ns // 1_000_000)

    def _entries(self, folder: str) -> Sequence[tuple[str, os.DirEntry[str]]]:
        """Return what is in a folder by name, in the order of a listing by whole names."""
        path = os.path.join(self._root, folder)
        with explained("list", path):
            try:
                with os.scandir(path) as entries:
                    found = [entry for entry in entries if not entry.name.startswith(".")]
            except FileNotFoundError:
                return []
        return sorted((folder + entry.name + ("/" if entry.is_dir() else ""), entry) for entry in found)

    def _store(self, name: str, source: Readable, overwrite: bool, complete: Callable[[], object] = bool) -> bool:
        path = self._path(name)
        self._check_base()
        with explained("write", path):
            self._make(os.path.dirname(path))
            try:
                return store(source, path, self._incoming(), overwrite, complete)
            except OSError as error:
                if error.errno in (errno.EPERM, errno.EOPNOTSUPP) and not overwrite:
                    raise Refused(
                        f"Cannot write {path}: this file system has no hard links, without which two writers cannot "
                        "be kept apart. Choose another one for the archive."
                    ) from error
                raise

    def _incoming(self) -> str:
        path = os.path.join(self._root, _INCOMING)
        if path not in self._known:
            self._make(path)
            with os.scandir(path) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        if entry.stat().st_mtime < time.time() - _ABANDONED:
                            os.unlink(entry.path)
        return path

    def _make(self, directory: str) -> None:
        if directory not in self._known:
            make_directories(directory)
            self._known.add(directory)

    def _path(self, name: str) -> str:
        return os.path.join(self._root, *_parts(name))

    def _reading(self, name: str) -> AbstractContextManager[IO[bytes]]:
        self._check_base()
        return reading(self._path(name))

    def _check_base(self) -> None:
        if not os.path.isdir(self._base):
            raise NotFound(f"There is no directory {self._base}. Mount or create it.")


def _parts(name: str) -> Sequence[str]:
    parts = name.split("/")
    if any(not part or part.startswith(".") or "\0" in part for part in parts):
        raise InvalidInput(f"{name!r} cannot name a file of an archive.")
    return parts
