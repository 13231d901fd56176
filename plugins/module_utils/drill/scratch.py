# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The place where a drill restores to: a directory of its own, which is gone when the drill is.

It holds mail in the clear for as long as the drill runs. A drill that was killed cannot remove it; the next one does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from typing import IO, Final

from ..model.durable import make_directories
from ..model.errors import Refused

PREFIX: Final = "restante-drill-"
_LOCK: Final = "lock"
_KEPT: Final = "kept"
"""A file that says that somebody wants to look at what is there."""


@contextlib.contextmanager
def scratch(parent: str, name: str, keep: bool = False) -> Iterator[str]:
    """Make a directory that only its owner can look into, and remove it with all in it when the with statement ends.

    What killed drills have left in the same place is removed first.

    :param parent: the directory to make it in, which is made too. :param name: what tells it from others.
    :param keep: leave it there. :raises Refused: it cannot be made.
    """
    path = os.path.join(os.path.abspath(parent), PREFIX + name)
    try:
        make_directories(os.path.dirname(path))
        _remove_left(os.path.dirname(path))
        os.mkdir(path, 0o700)
        lock = _locked(path)
    except OSError as error:
        raise Refused(
            f"{path} cannot be made ({error.strerror}); give the drill a directory of its own by scratch_path, which "
            "the service user may write to."
        ) from error
    with contextlib.closing(lock):
        if keep:
            open(os.path.join(path, _KEPT), "wb").close()
        try:
            yield path
        finally:
            if not keep:
                shutil.rmtree(path, ignore_errors=True)


def free(path: str) -> int:
    """Return how many bytes this user can still write to the disk of a directory."""
    return shutil.disk_usage(path).free


def _locked(path: str) -> IO[bytes]:
    lock = open(os.path.join(path, _LOCK), "ab")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def _remove_left(parent: str) -> None:
    """Remove the directories of drills that do not live any more: the kernel has let go of their locks."""
    for entry in os.scandir(parent):
        if not entry.name.startswith(PREFIX) or os.path.exists(os.path.join(entry.path, _KEPT)):
            continue
        with contextlib.suppress(OSError):  # it lives, or belongs to somebody else
            if not os.path.exists(os.path.join(entry.path, _LOCK)):
                os.rmdir(entry.path)  # as long as there is nothing in it
                continue
            with contextlib.closing(_locked(entry.path)):
                shutil.rmtree(entry.path, ignore_errors=True)
