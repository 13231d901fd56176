# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is being written: each writer's note of the batch of blob files that no row of the database names yet.

A writer holds a lock on its note for as long as it lives. A note that nobody locks is of a writer that was killed; the
files of its last batch are then found without looking through whole volumes.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

from ...model.durable import make_directories
from ...model.errors import Refused
from .files import remove

_WIDTH: Final = 100
_NOTE: Final = re.compile(rb"([0-9a-f]{16}) (\d{1,18}) (\d{1,18}) (\d{1,18}) (\d{1,18}) *")


class Batch(NamedTuple):
    """Blob files that are written together."""

    name: str
    volume: int
    mailbox: int
    shelf: int
    """A directory of the mailbox. Files that are written one after the other lie in one, as far as it has room."""
    files: int

    @property
    def directory(self) -> str:
        """Return the directory of the files, below the volume's."""
        return f"{self.mailbox}/msg/{self.shelf}"

    def names(self) -> list[str]:
        """Return the names of the files."""
        return [f"{self.name}-{index}.msg" for index in range(self.files)]

    def found(self, directory: str) -> list[str]:
        """Return the paths, below the volume's, of those files that are there. :param directory: the volume's."""
        try:
            there = os.listdir(os.path.join(directory, self.directory))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [f"{self.directory}/{name}" for name in there if name.startswith(f"{self.name}-")]

    def locators(self) -> list[str]:
        """Return the paths of the files, below the volume's."""
        return [f"{self.directory}/{name}" for name in self.names()]


class Incoming:
    """The notes of one store, files of a directory, of which one is this writer's."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._own = ""
        self._descriptor = -1

    @contextmanager
    def batch(self, volume: int, mailbox: int, shelf: int, files: int) -> Iterator[Batch]:
        """Name a batch and keep a note of it until the block is left, or after that if abandon() is called in it.

        :raises Refused: it cannot be noted.
        """
        batch = Batch(secrets.token_hex(8), volume, mailbox, shelf, files)
        try:
            if self._descriptor < 0:
                self._open()
            os.pwrite(self._descriptor, " ".join(map(str, batch)).ljust(_WIDTH).encode("ascii"), 0)
        except OSError as error:
            raise self._refused(error) from error
        try:
            yield batch
        finally:
            if self._descriptor >= 0:
                with suppress(OSError):  # a note that stays too long is of files that rows name by now, and that stay
                    os.pwrite(self._descriptor, b" " * _WIDTH, 0)

    def abandoned(self) -> Iterator[Batch]:
        """Yield the batches of writers that were killed; each is forgotten when the next one is asked for.

        :raises Refused: the notes cannot be read.
        """
        try:
            names = sorted(os.listdir(self._directory))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._refused(error) from error
        for name in names:
            path = os.path.join(self._directory, name)
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue  # its writer has closed it
            except OSError:
                continue  # another user's: it waits for one who may read it
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                noted = _NOTE.fullmatch(os.read(descriptor, _WIDTH))
                if noted:
                    yield Batch(noted[1].decode("ascii"), *(int(noted[number]) for number in range(2, 6)))
                os.unlink(path)
            except OSError:
                continue  # its writer is at work, another has dealt with it, or may do so
            finally:
                os.close(descriptor)

    def abandon(self) -> None:
        """Leave this writer's note to whoever looks for abandoned ones next."""
        os.close(self._descriptor)
        self._descriptor = -1

    def close(self) -> None:
        """Remove this writer's note."""
        if self._descriptor >= 0:
            remove([self._own])
            os.close(self._descriptor)
            self._descriptor = -1

    def _refused(self, error: OSError) -> Refused:
        return Refused(
            f"Nothing can be written in {self._directory} ({error.strerror}); make room, or correct its rights."
        )

    def _open(self) -> None:
        make_directories(self._directory)
        while True:
            self._own = os.path.join(self._directory, secrets.token_hex(8))
            self._descriptor = os.open(self._own, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            if os.fstat(self._descriptor).st_nlink:
                return
            os.close(self._descriptor)  # before it was locked, another writer took it for an abandoned one
