# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What bounds a scan and a restore: loops that do the same to files, and know nothing of mail."""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.restante.carbonio.plugins.module_utils.backup.compression import compress

from . import main

Part = TypeVar("Part")

_TOGETHER = 64
"""Files that a thread takes at once."""


def write_files(tree: str, target: str, processes: str) -> Mapping[str, Any]:
    """Write the files of a tree of folders anew and make them durable, with one syncfs for all.

    It does as little for them as can be done.
    """
    def copy(folders: Sequence[Path]) -> None:
        _copy(folders, Path(target))

    Path(target).mkdir()
    divided(sorted(Path(tree).iterdir()), int(processes), copy)
    sync(target)
    return {}


def divided(parts: Sequence[Part], processes: int, work: Callable[[Sequence[Part]], None]) -> None:
    """Do the work by so many processes, this one among them."""
    children = [_forked(work, parts[number::processes]) for number in range(1, processes)]
    work(parts[::processes])
    if any(os.waitpid(child, 0)[1] for child in children):
        raise SystemExit("a process that wrote files has failed")


def _forked(work: Callable[[Sequence[Part]], None], parts: Sequence[Part]) -> int:
    """Do a part of the work in a process of its own; return its id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work(parts)
        status = 0
    finally:
        os._exit(status)


def sync(target: str) -> None:
    """Make all of a file system durable that a directory is in."""
    directory = os.open(target, os.O_RDONLY)
    ctypes.CDLL(None).syncfs(directory)
    os.close(directory)


def _copy(folders: Sequence[Path], target: Path) -> None:
    for folder in folders:
        there = target / folder.name
        there.mkdir()
        for name in os.listdir(folder):
            (there / name).write_bytes((folder / name).read_bytes())


def pack_files(tree: str, target: str) -> Mapping[str, Any]:
    """Read, hash and compress the files of a tree of folders by two threads, and write them into one file, durably."""
    files = [folder / name for folder in sorted(Path(tree).iterdir()) for name in os.listdir(folder)]
    parts = [files[start:start + _TOGETHER] for start in range(0, len(files), _TOGETHER)]
    whole = hashlib.sha256()
    with open(target, "wb") as file, ThreadPoolExecutor(2) as pool:
        for packed in pool.map(_packed, parts):
            whole.update(packed)
            file.write(packed)
        os.fsync(file.fileno())
    return {}


def _packed(files: Sequence[Path]) -> bytes:
    packed = []
    for file in files:
        content = file.read_bytes()
        packed += [hashlib.sha256(content).digest(), compress(content)]
    return b"".join(packed)


if __name__ == "__main__":
    main(write_files, pack_files)
