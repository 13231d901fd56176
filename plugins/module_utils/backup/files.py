# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File operations of the Backup Path, all in one place, so that tests can make any of them fail.

Files are published by link and not by rename: a rename would silently overwrite. A failed fsync is fatal and never
tried again, because the kernel may have dropped the data that it could not write.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from typing import Final

from ..model.errors import AlreadyExists, NotFound, Refused

_UNFINISHED: Final = ".part"
"""The end of the names of files that are being written."""

_OF_THE_FILE: Final = frozenset({
    errno.EIO, errno.EUCLEAN, errno.EBADMSG, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP,
    errno.EINVAL,  # a place in it that there cannot be
})


class Files:
    """Plain files below one directory, by relative names with slashes. Directories 0700, files 0600.

    What takes a descriptor, and create, raise OSError; everything else raises our errors.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, name: str) -> str:
        """Return where a name lies."""
        return os.path.join(self.root, name)

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self, name: str) -> bytes:
        """Return a whole file.

        :raises NotFound: there is none. :raises Refused: it cannot be read.
        """
        with reading(self.path(name)), open(self.path(name), "rb") as file:
            return file.read()

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """Return length bytes from offset, fewer where the file ends. Errors as for read."""
        with reading(self.path(name)), open(self.path(name), "rb", buffering=0) as file:
            # What says how long it is may be damaged, and memory is taken before anything is read.
            length = max(min(length, os.fstat(file.fileno()).st_size - offset), 0)
            file.seek(offset)
            data = file.read(length)
            while data and len(data) < length:  # one call gives at most 2 GiB
                more = file.read(length - len(data))
                if not more:
                    break
                data += more
            return data

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, None where there is none."""
        try:
            return os.stat(self.path(name)).st_size
        except OSError:
            return None

    def version(self, name: str) -> str:
        """Return what changes when a file is put back, replaced or altered, or when its owner or permissions are.

        Empty where there is none.
        """
        try:
            status = os.stat(self.path(name))
        except OSError:
            return ""
        return f"{status.st_size} {status.st_ctime_ns} {status.st_ino}"

    def scan(self, directory: str) -> Iterator[str]:
        """Yield the names in a directory in no order, and none where it does not exist."""
        try:
            with reading(self.path(directory)), os.scandir(self.path(directory)) as entries:
                for entry in entries:
                    yield entry.name
        except NotFound:
            return

    def names(self, directory: str) -> list[str]:
        """Return the sorted names in a directory, none where it does not exist."""
        return sorted(self.scan(directory))

    def writable(self, name: str) -> bool:
        """Return whether a file in an existing directory can be made, or changed where there is one."""
        path = self.path(name)
        return os.access(os.path.dirname(path), os.W_OK) and (not os.path.exists(path) or os.access(path, os.W_OK))

    # -- writing ---------------------------------------------------------------------------------------------------

    def make_directory(self, name: str) -> None:
        """Make a directory and its parents below the root, durably. :raises Refused: it cannot be made."""
        if name and not os.path.isdir(self.path(name)):
            parent = os.path.dirname(name)
            self.make_directory(parent)
            with writing(self.path(name)):
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

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut an open file back to a size."""
        os.ftruncate(descriptor, size)

    def sync_directory(self, name: str) -> None:
        """Make the names in a directory durable. :raises Refused: the disk does not take it."""
        with writing(self.path(name)):
            descriptor = os.open(self.path(name), os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def publish(self, source: str, name: str) -> None:
        """Give a complete and synced file its final name, durably; the old name goes.

        :raises AlreadyExists: the final name is taken. :raises Refused: the disk does not take it.
        """
        self.make_directory(os.path.dirname(name))
        with writing(self.path(name)):
            try:
                os.link(self.path(source), self.path(name))
            except FileExistsError as error:
                raise AlreadyExists(f"{self.path(name)} exists already.") from error
        self.sync_directory(os.path.dirname(name))
        self.remove(source)

    def write_new(self, name: str, data: bytes) -> None:
        """Write a whole new file, durably and all or nothing.

        :raises AlreadyExists: there is a file of that name. :raises Refused: the disk does not take it.
        """
        temporary = f"{name}.{secrets.token_hex(4)}{_UNFINISHED}"
        try:
            with writing(self.path(name)):
                descriptor = self.create(temporary)
                try:
                    self.append(descriptor, data)
                    self.sync(descriptor)
                finally:
                    os.close(descriptor)
            self.publish(temporary, name)
        except (AlreadyExists, Refused):
            self.remove(temporary)
            raise

    def clear_unfinished(self, directory: str) -> None:
        """Remove what killed writes have left in a directory that nobody else is writing to.

        :raises Refused: the disk does not take it.
        """
        for name in self.names(directory):
            if name.endswith(_UNFINISHED):
                self.remove(f"{directory}/{name}")

    def overwrite(self, name: str, data: bytes) -> None:
        """Put a whole file in the place of one that is altered, or of none; durably, and at no moment is there none.

        :raises Refused: the disk does not take it.
        """
        temporary = f"{name}.{secrets.token_hex(4)}{_UNFINISHED}"
        self.write_new(temporary, data)
        with writing(self.path(name)):
            os.replace(self.path(temporary), self.path(name))
        self.sync_directory(os.path.dirname(name))

    def link(self, name: str, target: str) -> None:
        """Give a file a second name, durably; where there is that one already, it stays as it is.

        :raises Refused: the disk does not take it, or there is no such file.
        """
        self.make_directory(os.path.dirname(target))
        with writing(self.path(target)), contextlib.suppress(FileExistsError):
            os.link(self.path(name), self.path(target))
        self.sync_directory(os.path.dirname(target))

    def remove(self, name: str) -> None:
        """Remove a file; none is no error. :raises Refused: the disk does not take it."""
        with writing(self.path(name)), contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(name))


def is_of_the_disk(error: Exception) -> bool:
    """Return whether an error of reading is the disk's, and not one of permissions: what it has is lost."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EIO


def is_of_the_file(error: Exception) -> bool:
    """Return whether an error of reading lies in what there is on the disk, permissions included, and lasts until that
    is changed. Any other may be gone the next moment: too many open files, no memory, a server that does not answer.
    """
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _OF_THE_FILE


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """Say in a sentence what failed while a file was read."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"{path} does not exist.") from error
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}); check its owner and the disk.") from error


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
    """Say in a sentence what failed while a file was written."""
    try:
        yield
    except OSError as error:
        raise full_or_refused(path, error) from error


def full_or_refused(path: str, error: OSError) -> Refused:
    """Return a sentence for a failed write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refused(f"{path} could not be written: the disk is full. Make room and run it again; nothing is lost.")
    return Refused(f"{path} could not be written ({error.strerror}); check the disk and the owner, and run it again.")
