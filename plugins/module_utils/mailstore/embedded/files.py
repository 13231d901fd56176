# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files and directories of the embedded store, made private and durable."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterable
from typing import Final

# Before Linux 5.8 syncfs says nothing of data that could not be written; there each file is synced for itself.
_SYNCFS: Final = (
    getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2]) >= (5, 8) else None
)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of the data, however little the system takes at a time."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def write_new(directory: int, contents: Iterable[tuple[str, bytes]]) -> None:
    """Write new files of a directory, given as a descriptor; all are durable when this returns.

    Where there is syncfs, one call does for all of them what fsync does for one, at the same price.
    """
    names = []
    for name, data in contents:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=directory)
        try:
            write_all(descriptor, data)
        finally:
            os.close(descriptor)
        names.append(name)
    _sync(directory, names)


def _sync(directory: int, names: list[str]) -> None:
    if _SYNCFS:
        if _SYNCFS(directory) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return
    for name in names:
        descriptor = os.open(name, os.O_RDONLY, dir_fd=directory)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    os.fsync(directory)


def remove(paths: Iterable[str]) -> None:
    """Remove files; those that are gone already, or cannot be removed, are left."""
    for path in paths:
        try:
            os.unlink(path)
        except OSError:
            continue


def remove_empty(path: str) -> None:
    """Remove a directory and those in it, as far as they are empty: what else lies there is not ours."""
    for directory, _directories, _files in os.walk(path, topdown=False):
        try:
            os.rmdir(directory)
        except OSError:
            continue
