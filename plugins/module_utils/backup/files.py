# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File operations of the Backup Path, all in one place, so that tests can make any of them fail.

Files are published by link and not by rename: a rename would silently overwrite. A failed fsync is fatal and never
tried again, because the kernel may have dropped the data that it could not write.
"""

from __future__ import annotations

import errno
import os
import secrets

from ..model.errors import AlreadyExists, NotFound, Refused


class Files:
    """Plain files below one directory, by relative names with slashes. Directories 0700, files 0600."""

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, name: str) -> str:
        """Return where a name lies."""
        return os.path.join(self.root, name)

    def read(self, name: str) -> bytes:
        """Return a whole file.

        :raises NotFound: there is none. :raises Refused: it cannot be read.
        """
        try:
            with open(self.path(name), "rb") as file:
                return file.read()
        except FileNotFoundError as error:
            raise NotFound(f"{self.path(name)} does not exist.") from error
        except OSError as error:
            raise Refused(f"{self.path(name)} cannot be read ({error.strerror}); check its owner and the disk.") from error

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """Return length bytes from offset, fewer where the file ends."""
        try:
            with open(self.path(name), "rb") as file:
                return os.pread(file.fileno(), length, offset)
        except FileNotFoundError as error:
            raise NotFound(f"{self.path(name)} does not exist.") from error
        except OSError as error:
            raise Refused(f"{self.path(name)} cannot be read ({error.strerror}); check its owner and the disk.") from error

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, None where there is none."""
        try:
            return os.stat(self.path(name)).st_size
        except OSError:
            return None

    def make_directory(self, name: str) -> None:
        """Make a directory and its parents below the root, durably."""
        if name and not os.path.isdir(self.path(name)):
            parent = os.path.dirname(name)
            self.make_directory(parent)
            try:
                os.mkdir(self.path(name), 0o700)
            except FileExistsError:
                return
            self.sync_directory(parent)

    def create(self, name: str) -> int:
        """Create a file for appending and reading and return its descriptor; one that is there is opened."""
        self.make_directory(os.path.dirname(name))
        return os.open(self.path(name), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    def append(self, descriptor: int, data: bytes) -> None:
        """Write all of data at the end of an open file."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view):]

    def sync(self, descriptor: int) -> None:
        """Make an open file durable."""
        os.fsync(descriptor)

    def sync_directory(self, name: str) -> None:
        """Make the names in a directory durable."""
        descriptor = os.open(self.path(name), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def publish(self, source: str, name: str) -> None:
        """Give a complete and synced file its final name, durably; the old name goes.

        :raises AlreadyExists: the final name is taken.
        """
        self.make_directory(os.path.dirname(name))
        try:
            os.link(self.path(source), self.path(name))
        except FileExistsError as error:
            raise AlreadyExists(f"{self.path(name)} exists already.") from error
        self.sync_directory(os.path.dirname(name))
        self.remove(source)

    def write_new(self, name: str, data: bytes) -> None:
        """Write a whole new file, durably and all or nothing.

        :raises AlreadyExists: there is a file of that name.
        """
        self.make_directory(os.path.dirname(name))
        temporary = f"{name}.{secrets.token_hex(4)}.part"
        descriptor = self.create(temporary)
        try:
            self.append(descriptor, data)
            self.sync(descriptor)
        except OSError as error:
            self.remove(temporary)
            raise full_or_refused(self.path(name), error) from error
        finally:
            os.close(descriptor)
        try:
            self.publish(temporary, name)
        except AlreadyExists:
            self.remove(temporary)
            raise

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut an open file back to a size."""
        os.ftruncate(descriptor, size)

    def remove(self, name: str) -> None:
        """Remove a file; none is no error."""
        try:
            os.unlink(self.path(name))
        except FileNotFoundError:
            pass

    def names(self, directory: str) -> list[str]:
        """Return the sorted names in a directory, none where it does not exist."""
        try:
            return sorted(os.listdir(self.path(directory)))
        except FileNotFoundError:
            return []


def full_or_refused(path: str, error: OSError) -> Refused:
    """Return a sentence for a failed write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refused(f"{path} could not be written: the disk is full. Make room and run it again; nothing is lost.")
    return Refused(f"{path} could not be written ({error.strerror}); check the disk and the owner, and run it again.")
