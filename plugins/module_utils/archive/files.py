# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files on a local disk, written so that they survive a power failure, with errors in sentences."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Protocol

from ..model.durable import sync_directory
from ..model.errors import Damaged, NotFound, Refused, RestanteError, Unavailable


@contextmanager
def reading(path: str) -> Iterator[IO[bytes]]:
    """Open a file for reading; what fails inside the with statement on this file is an error of ours.

    :raises NotFound: it is not there. :raises Refused: no permission. :raises Damaged: the disk cannot read it.
    """
    with explained("read", path), open(path, "rb") as file:
        yield file


class Hashed:
    """A file being read, and the SHA-256 of what was read."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        self._file = file
        self._path = path
        self._hash = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Read on."""
        piece = self._file.read(size)
        self._hash.update(piece)
        return piece

    def checked(self, sha256: str) -> bytes:
        """Return the digest of what was read.

        :raises Damaged: it is not the given one.
        """
        if self._hash.hexdigest() != sha256:
            raise Damaged(f"{self._path} is altered or cut short: its bytes do not match its digest. Check the disk.")
        return self._hash.digest()


class Readable(Protocol):
    """What has bytes to be read."""

    def read(self, size: int) -> bytes:
        """Read on; nothing at the end."""


@contextmanager
def explained(doing: str, path: str) -> Iterator[None]:
    """Turn an OSError raised inside the with statement into an error of ours."""
    try:
        yield
    except OSError as error:
        raise _meaning(error, doing, path) from error


def _meaning(error: OSError, doing: str, path: str) -> RestanteError:
    what = f"Cannot {doing} {path}"
    reason = error.strerror or str(error)
    if isinstance(error, FileNotFoundError):
        return NotFound(f"{what}: it is not there.")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(f"{what}: {reason}. Make room and run it again; nothing is lost.")
    if error.errno == errno.EIO:
        return Damaged(f"{what}: {reason}. Check the disk.")
    if isinstance(error, (PermissionError, IsADirectoryError, NotADirectoryError)) or error.errno == errno.EROFS:
        return Refused(f"{what}: {reason}. Check its owner and mode.")
    return Unavailable(f"{what}: {reason}.")


def store(
    source: Readable, target: str, incoming: str, overwrite: bool, complete: Callable[[], object] = bool
) -> bool:
    """Write a file so that it is there whole and for good when this returns, or not at all.

    :param source: where its bytes come from.
    :param target: its path; the directory is there.
    :param incoming: a directory of the same file system for the unfinished file.
    :param overwrite: whether it may replace a file; else an existing one is left alone.
    :param complete: called when all is read, before anything shows; what it raises ends it.
    :returns: False when there is such a file and it was not to be replaced.
    :raises OSError: nothing was changed.
    """
    unfinished = os.path.join(incoming, uuid.uuid4().hex)
    try:
        with open(unfinished, "xb", opener=_private) as file:
            for piece in iter(lambda: source.read(1 << 20), b""):
                file.write(piece)
            complete()
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            os.replace(unfinished, target)
        else:
            try:
                os.link(unfinished, target)
            except FileExistsError:
                return False
        sync_directory(os.path.dirname(target))
        return True
    finally:
        with suppress(FileNotFoundError):
            os.unlink(unfinished)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
