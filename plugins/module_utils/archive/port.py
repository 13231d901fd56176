# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The archive port: a remote place for named, mostly immutable files (a bucket or a directory).

Names are relative, with slashes, without a leading one; the archive puts its own prefix before them.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class StoredFile(NamedTuple):
    """One file of a listing."""

    name: str
    size: int


class Archive(abc.ABC):
    """A store of named files. Safe for use by several threads.

    Methods raise NotFound (the bucket or the file does not exist), Refused (credentials, policy), Unavailable (no
    answer after the retries), Damaged (the bytes do not match their checksum); each with a sentence that names the
    endpoint, the bucket and the file.
    """

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
    def get(self, name: str) -> bytes:
        """Return the whole content.

        :raises NotFound: there is no such file.
        """

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
    def delete(self, name: str) -> None:
        """Remove a file; no error where there is none."""

    @abc.abstractmethod
    def erase(self, name: str) -> None:
        """Remove a file with all the versions of it that the store keeps; no error where there is none.

        :raises Refused: it is locked (Object Lock), the message says until when, or there is no permission. What was
            removed of its versions stays removed; the rest can be tried again later.
        """
