# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories that survive a power failure: POSIX promises that of a name only when its directory was synced."""

from __future__ import annotations

import errno
import os


def make_directories(path: str, mode: int = 0o700) -> None:
    """Make a directory and those above it that are missing, all of one mode, durably.

    :param mode: for nobody but us, unless it is given. :raises OSError: it cannot be made.
    """
    path = os.path.abspath(path)
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    make_directories(parent, mode)
    try:
        os.mkdir(path, mode)
    except FileExistsError as error:
        if not os.path.isdir(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from error
        # Another writer was quicker, and may not have come to the next line yet.
    sync_directory(parent)


def sync_directory(path: str) -> None:
    """Make the names in a directory durable. :raises OSError: the disk does not take it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
