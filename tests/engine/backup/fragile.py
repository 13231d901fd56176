# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that fail where a test wants them to: the process is killed, the power goes, the disk is full."""

from __future__ import annotations

import errno
import os
import shutil

from ansible_collections.restante.carbonio.plugins.module_utils.backup.files import Files


class Interrupted(BaseException):
    """The end of the process. No program catches it."""


class UnsyncedFiles(Files):
    """Files without fsync, for tests that make many commits and no power failures."""

    def sync(self, descriptor: int) -> None:
        pass

    def sync_directory(self, name: str) -> None:
        pass


class FragileFiles(Files):
    """Counts the operations that change something, and ends at one of them.

    With power_failure, everything goes that no fsync had made durable before: contents, and names in directories.
    Otherwise the process is killed: what was written stays, the last write half done.
    """

    def __init__(self, root: str, end_at: int = 0, power_failure: bool = False) -> None:
        super().__init__(root)
        self.operations = 0
        self._end_at = end_at
        self._power_failure = power_failure
        self._durable: dict[int, int] = {}
        """Durable bytes by inode, of files that have more."""
        self._new_names: set[str] = set()
        """Names in directories that were not synced since."""

    def _operate(self) -> None:
        self.operations += 1
        if self.operations == self._end_at:
            if self._power_failure:
                self._lose()
            raise Interrupted

    def _lose(self) -> None:
        for folder, _folders, names in os.walk(self.root):
            for name in names:
                path = os.path.join(folder, name)
                durable = self._durable.get(os.stat(path).st_ino)
                if durable is not None:
                    os.truncate(path, durable)
        for name in self._new_names:
            if os.path.isdir(self.path(name)):
                shutil.rmtree(self.path(name))
            elif os.path.exists(self.path(name)):
                os.unlink(self.path(name))

    def make_directory(self, name: str) -> None:
        if name and not os.path.isdir(self.path(name)):
            self._operate()
            self._new_names.add(name)
        super().make_directory(name)

    def create(self, name: str) -> int:
        self._operate()
        if self.size(name) is None:
            self._new_names.add(name)
        descriptor = super().create(name)
        self._durable.setdefault(os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size)
        return descriptor

    def append(self, descriptor: int, data: bytes) -> None:
        try:
            self._operate()
        except Interrupted:
            if not self._power_failure:
                super().append(descriptor, data[: len(data) // 2])
            raise
        super().append(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._operate()
        self._durable.pop(os.fstat(descriptor).st_ino, None)

    def sync_directory(self, name: str) -> None:
        self._operate()
        self._new_names = {new for new in self._new_names if os.path.dirname(new) != name}

    def publish(self, source: str, name: str) -> None:
        self._operate()
        self._new_names.add(name)
        super().publish(source, name)

    def remove(self, name: str) -> None:
        self._operate()
        super().remove(name)


class FullDisk(Files):
    """A disk that has room for so many bytes."""

    def __init__(self, root: str, room: int) -> None:
        super().__init__(root)
        self.room = room

    def append(self, descriptor: int, data: bytes) -> None:
        if len(data) > self.room:
            super().append(descriptor, data[: self.room])
            self.room = 0
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(data)
        super().append(descriptor, data)
