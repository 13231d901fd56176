# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node lacks for a piece of work, all of it at once and before anything is touched. Nothing is written."""

from __future__ import annotations

import contextlib
import grp
import importlib.util
import os
import pwd
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .call import Call

_PACKAGES = {"boto3": "python3-boto3", "zstandard": "python3-zstandard", "cryptography": "python3-cryptography",
             "imapclient": "python3-imapclient", "ldap": "python3-ldap"}
"""Debian's names of the libraries."""


class User(NamedTuple):
    """Who is to do the work."""

    name: str
    uid: int
    groups: frozenset[int]

    def may(self, found: os.stat_result, wanted: int) -> bool:
        """Return whether the mode of a file gives this user rights. :param wanted: of rwx, as 4, 2 and 1 together."""
        if self.uid == 0:
            return True
        shift = 6 if found.st_uid == self.uid else 3 if found.st_gid in self.groups else 0
        return (found.st_mode >> shift) & wanted == wanted


def answer(call: Call) -> dict[str, Any]:
    """Answer the module preflight_info."""
    missing = [*_libraries(call["libraries"])]
    user = _user(call["service_user"])
    if user is None:
        missing.append(
            f"There is no user {call['service_user']}. Install the mail server, or have the role service make the user."
        )
    if call["service_group"] and not _has_group(call["service_group"]):
        missing.append(f"There is no group {call['service_group']}.")
    for path in call["directories"]:
        missing += _of_directory(path, user, makes=True)
    for path in call["sources"]:
        missing += _of_directory(path, user, makes=False)
    for path in call["mounts"]:
        if not os.path.ismount(path):
            missing.append(f"Nothing is mounted at {path}. Mount what belongs there.")
    missing += _space(call["space"])
    return {"missing": missing, "python": sys.executable, "python_version": ".".join(map(str, sys.version_info[:3]))}


def _libraries(names: Sequence[str]) -> Iterator[str]:
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    if absent:
        yield (
            f"The Python {sys.executable} lacks {' and '.join(absent)}. Install "
            f"{' '.join(_PACKAGES.get(name, name) for name in absent)}, or name another Python by "
            "ansible_python_interpreter."
        )


def _user(name: str) -> User | None:
    """Return a user by name, the one that runs this where it is empty; None where there is none."""
    if not name:
        return User("", os.geteuid(), frozenset((os.getegid(), *os.getgroups())))
    with contextlib.suppress(KeyError):
        found = pwd.getpwnam(name)
        return User(name, found.pw_uid, frozenset(os.getgrouplist(name, found.pw_gid)))
    return None


def _has_group(name: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(grp.getgrnam(name))
    return False


def _of_directory(path: str, user: User | None, *, makes: bool) -> Iterator[str]:
    """Yield what keeps a directory from being used by the service user.

    :param makes: whether it is made, and given to that user, where this runs as root.
    """
    nearest = _nearest(path)
    if not makes and nearest != path:
        yield f"{path} does not exist. Mount or copy it there, or name another directory."
        return
    if not os.path.isdir(nearest):
        yield f"{nearest} is no directory, and {path} is to be one. Name another, or move away what is there."
        return
    if makes and os.statvfs(nearest).f_flag & os.ST_RDONLY:
        yield f"{path} is on a file system that is mounted for reading only."
    if user is None:
        return
    who = user.name or pwd.getpwuid(user.uid).pw_name
    passed = [*_parents(nearest), *([] if nearest == path else [nearest])]
    outer = next((one for one in passed if not user.may(os.stat(one), 1)), "")
    if outer:
        yield f"{who} cannot enter {outer}, which {path} lies in: its owner or its mode keep that user out."
    elif (not makes or os.geteuid() != 0) and not user.may(os.stat(nearest), 7 if makes else 5):
        yield f"{who} cannot {'write to' if makes else 'read'} {nearest}. Give it to that user (chown -R {who})."


def _nearest(path: str) -> str:
    """Return the nearest of a path and what it lies in that is there."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _parents(path: str) -> Iterator[str]:
    """Yield what a path lies in, the outermost first."""
    if os.path.dirname(path) != path:
        yield from _parents(os.path.dirname(path))
        yield os.path.dirname(path)


def _space(wanted: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the file systems that are too small for what is to come. What lies there already counts as come."""
    by_device: dict[int, list[Mapping[str, Any]]] = {}
    for one in wanted:
        by_device.setdefault(os.stat(_nearest(one["path"])).st_dev, []).append(one)
    for together in by_device.values():
        disk = os.statvfs(_nearest(together[0]["path"]))
        free, needs = disk.f_bavail * disk.f_frsize, sum(one["bytes"] for one in together)
        if needs > free and needs > free + sum(_used(one["path"]) for one in together):
            yield (
                f"The file system of {', '.join(one['path'] for one in together)} has {_shown(free)} free, and the "
                f"restore needs {_shown(needs)}. Make room, or name a directory on another."
            )


def _used(path: str) -> int:
    """Return the bytes that a directory takes; asked only where there seems to be too little room."""
    total = 0
    for folder, _folders, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                found = os.lstat(os.path.join(folder, name))
                total += found.st_blocks * 512 if stat.S_ISREG(found.st_mode) else 0
    return total


def _shown(size: int) -> str:
    """Return bytes for people."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size = -(-size // 1024)
    return f"{size} {unit}"
