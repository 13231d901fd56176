# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files on a local disk, written so that they survive a power failure, with errors in sentences."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from ..model.errors import Damaged, NotFound, Refused, RestanteError, Unavailable


@contextmanager
def reading(path: str) -> Iterator[IO[bytes]]:
    """Open a file for reading; what fails inside the with statement on this file is an error of ours.

    :raises NotFound: it is not there. :raises Refused: no permission. :raises Damaged: the disk cannot read it.
    """
    with explained("read", path), open(path, "rb") as file:
        yield file


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


def store(source: IO[bytes], target: str, incoming: str, overwrite: bool) -> bool:
    """Write a file so that it is there whole and for good when this returns, or not at all.

    :param source: where its bytes come from.
    :param target: its path; the directory is there.
    :param incoming: a directory of the same file system for the unfinished file.
    :param overwrite: whether it may replace a file; else an existing one is left alone.
    :returns: False when there is such a file and it was not to be replaced.
    :raises OSError: nothing was changed.
    """
    unfinished = os.path.join(incoming, uuid.uuid4().hex)
    try:
        with open(unfinished, "xb", opener=_private) as file:
            shutil.copyfileobj(source, file, 1 << 20)
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


def make_directories(path: str) -> None:
    """Create a directory and its missing parents, for their owner alone, and make them survive a power failure."""
    if not os.path.isdir(path):
        parent = os.path.dirname(path)
        make_directories(parent)
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
        sync_directory(parent)


def sync_directory(path: str) -> None:
    """Make the names in a directory survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
