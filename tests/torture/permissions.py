# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files whose permissions are wrong, or that belong to another user; and the permissions of what is written.

As root, work is done as an unprivileged user to whom everything belongs but the one file or directory; as another user,
who may not give files away, permissions are taken away only.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

UNREADABLE, UNWRITABLE, FOREIGN = "unreadable", "unwritable", "of another user"
WAYS: Final = (UNREADABLE, UNWRITABLE, FOREIGN) if os.geteuid() == 0 else (UNREADABLE, UNWRITABLE)
"""What can be done here."""

SERVICE: Final = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
"""Who does the work."""


class Forbidden(NamedTuple):
    """One file or directory that is not as it should be."""

    name: str
    """Below the world."""
    way: str

    def __str__(self) -> str:
        return f"{self.name} {self.way}"

    def apply(self, world: Path) -> None:
        """Take the permission away."""
        path = world / self.name
        mode = stat.S_IMODE(path.stat().st_mode)
        if self.way == FOREIGN:
            os.chown(path, 0, 0)
        else:
            path.chmod(0 if self.way == UNREADABLE else mode & ~0o222)

    def is_named(self, sentence: str, world: Path) -> bool:
        """Return whether a sentence says which file is meant: itself, what is in it, or the directory that it is in."""
        path = world / self.name
        places = (path, path.parent, path.parent.parent)
        return path.name in sentence or any(str(place) in sentence for place in places if place != world)


def everything(world: Path) -> list[Forbidden]:
    """Return all that can be wrong below a world: each file and directory, one way after the other."""
    names = sorted(str(path.relative_to(world)) for path in world.rglob("*"))
    return [Forbidden(name, way) for name in names if name not in ("a", "b") for way in WAYS]


def hand_over(world: Path) -> None:
    """Give everything below a world to who does the work."""
    if os.geteuid() == 0:
        for folder, _folders, names in os.walk(world):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                os.lchown(path, SERVICE.pw_uid, SERVICE.pw_gid)


def as_service(work: Callable[[], object], umask: int = 0o022) -> None:
    """Do work as who it belongs to. For a process of its own: there is no way back."""
    os.umask(umask)
    if os.geteuid() == 0:
        os.environ.pop("SUDO_USER", None)
        os.setgroups([])
        os.setgid(SERVICE.pw_gid)
        os.setuid(SERVICE.pw_uid)
    work()


def too_open(world: Path, before: Path) -> list[str]:
    """Return what others may read or write of what was written since, and what its owner may not, with the modes."""
    found = []
    for path in sorted(world.rglob("*")):
        name = path.relative_to(world)
        mode = stat.S_IMODE(path.lstat().st_mode)
        wanted = 0o700 if path.is_dir() else 0o600
        if mode != wanted and not (before / name).exists():
            found.append(f"{name} has the mode {mode:o} and not {wanted:o}.")
    return found
