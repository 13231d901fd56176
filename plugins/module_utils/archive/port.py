# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The archive port: a remote place for named, mostly immutable files (a bucket or a directory).

Names are relative, with slashes, without a leading one; the archive puts its own prefix before them.
"""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ..model.errors import Damaged, Refused

LARGEST: Final = 512 << 20
"""Bytes of a file that is read whole and of which nobody knows the size: all but packs. None of a backup is as large:
the full commit of a million accounts takes half of it."""


class StoredFile(NamedTuple):
    """One file of a listing."""

    name: str
    size: int
    at: int = 0
    """When it came to be there, UTC milliseconds by the archive's clock."""


class Archive(abc.ABC):
    """A store of named files. Safe for use by several threads.

    Some archives lock what is written, so that nobody can remove or alter it for a time: see retention.

    Methods raise NotFound (the bucket or the file does not exist), Refused (credentials, policy), Unavailable (no
    answer after the retries), Damaged (the bytes do not match their checksum); each with a sentence that names the
    endpoint, the bucket and the file.
    """

    retention = 0
    """Milliseconds for which a file is locked when it is written; 0 where nothing is locked."""
    has_own_clock = True
    """Whether its clock is another than this node's."""

    @abc.abstractmethod
    def describe(self) -> str:
        """Return where this is, for messages: never with secrets."""

    @abc.abstractmethod
    def put(self, name: str, data: bytes) -> None:
        """Store bytes under a name, durable when this returns. Overwrites: use it for content-addressed names only."""

    @abc.abstractmethod
    def put_file(self, name: str, path: str, sha256: str) -> None:
        """Store a local file under a name, streaming it; overwrites.

        :param sha256: the SHA-256 that the file must have, in hexadecimal.
        :raises Damaged: it has another one, or the disk cannot read it; nothing was stored.
        """

    @abc.abstractmethod
    def put_new(self, name: str, data: bytes) -> bool:
        """Store bytes under a name that must not exist yet; atomically.

        Returns False when the name is taken by other bytes. A retry that meets its own earlier success (the same
        bytes are there) returns True.
        """

    @abc.abstractmethod
    def get(self, name: str, most: int | None = None) -> bytes:
        """Return the whole content.

        :param most: bytes that it may have; LARGEST where nothing is known of it.
        :raises NotFound: there is no such file. :raises Damaged: it has more.
        """

    def put_note(self, name: str, data: bytes) -> None:
        """Store bytes under a name that is written over and over, of which the last ones count and no lock is long."""
        self.put(name, data)

    def get_note(self, name: str, most: int) -> bytes:
        """Return what was stored there last. Parameters and errors as get."""
        return self.get(name, most)

    @abc.abstractmethod
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return length bytes from offset; fewer only where the file ends."""

    @abc.abstractmethod
    def size(self, name: str) -> int | None:
        """Return the size in bytes, None where there is no such file (one HEAD request)."""

    @abc.abstractmethod
    def list(self, prefix: str, after: str = "") -> Iterator[StoredFile]:
        """Yield the files whose name starts with prefix and sorts after another, by name.

        Listing all of it is for checks and garbage collection only: a prefix can hold millions of commits.
        """

    @abc.abstractmethod
    def folders(self) -> Sequence[str]:
        """Return the names of the folders at the top, sorted: where servers share a prefix, their ids."""

    @abc.abstractmethod
    def stored_at(self, name: str) -> int | None:
        """Return when a file came to be here, UTC milliseconds by the archive's clock; None where there is none."""

    @abc.abstractmethod
    def now(self) -> int:
        """Return the present by the archive's clock, UTC milliseconds."""

    @abc.abstractmethod
    def delete(self, name: str) -> None:
        """Remove a file; no error where there is none."""

    @abc.abstractmethod
    def erase(self, name: str) -> bool:
        """Remove a file with all the versions of it that the store keeps; no error where there is none.

        :return: whether nothing of it is left; False where the store keeps versions and does not let them be listed.
        :raises Locked: Object Lock keeps it, the message says until when. :raises Refused: there is no permission.
            What was removed of its versions stays removed; the rest can be tried again later.
        """

    def locked_until(self, name: str) -> int | None:
        """Return until when the store keeps a file from being removed, UTC milliseconds; None where there is no file.

        0 for a file that is not locked. The store is asked, and nothing remembered (one request).
        """
        return None if self.size(name) is None else 0

    def lock_until(self, name: str, until: int) -> None:
        """Lock a file until a time, UTC milliseconds, that is not before that of the lock it has.

        :raises Refused: the archive locks nothing, or not so.
        """
        raise Refused(f"{self.describe()} locks no files: set up a bucket with Object Lock.")

    def is_overlaid(self, name: str) -> bool:
        """Return whether other bytes, or a deletion, lie over a locked file, which is read all the same.

        Costs no request after a listing that has told of the file.
        """
        return False

    def later_versions(
        self, name: str, offset: int = 0, length: int | None = None, most: int | None = None
    ) -> Iterator[bytes]:
        """Yield a file, or a range of it, as it is in what was written over it later: for when its bytes are wrong.

        :param most: as for get; what has more bytes is left out.
        """
        yield from ()

    def check_length(self, name: str, size: int, most: int | None = None) -> None:
        """Refuse to read what would take the memory of the node: who can write here must not be able to do that.

        :param size: bytes that it has, or that have come already. :param most: as for get.
        :raises Damaged: they are more than that.
        """
        bound = LARGEST if most is None else most
        if size > bound:
            raise Damaged(
                f"{name} in {self.describe()} is larger than {bound} bytes, which the right file is not: somebody has "
                "put something else there. Find out who, and put the right file back (an older version of the object, "
                "another copy)."
            )

    def get_checked(self, name: str, sha256: str, most: int | None = None) -> bytes:
        """Return the whole content that has a digest; where nothing has it, that which get returns. Errors as get."""
        later = self.later_versions(name, most=most)
        right = (one for one in later if hashlib.sha256(one).hexdigest() == sha256)
        try:
            first = self.get(name, most)
        except Damaged:
            for one in right:
                return one
            raise
        return first if hashlib.sha256(first).hexdigest() == sha256 else next(right, first)
