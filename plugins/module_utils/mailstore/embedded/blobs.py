# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blobs of the embedded store: one file each, in the volumes.

A file is written and made durable before a row of the database names it, and it is removed after none does. So no
item is ever seen without its blob, and a crash leaves at most files that nothing names: of the batch that was being
written (incoming.py remembers which) and of what was just deleted (the garbage table). The next writer removes them.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

from ...model import foreign
from ...model.durable import make_directories
from ...model.errors import Damaged, NotFound, Refused, RestanteError
from ..index.database import Database
from ..volumes import Volume
from .files import remove, write_new
from .incoming import Batch, Incoming
from .volume_table import VolumeTable

_GZIP_MAGIC: Final = b"\x1f\x8b"
_LEVEL: Final = 6
_CHUNK: Final = 1000
_PART: Final = 32
"""Blobs that are read ahead together."""
_SHELF: Final = 4096
"""Items of which the blobs lie in one directory, as with Carbonio."""


class Place(NamedTuple):
    """Where a blob lies."""

    volume: int
    locator: str
    """Path below the volume's."""


class Blobs:
    """The blobs of one store."""

    def __init__(self, database: Database, volumes: VolumeTable) -> None:
        self._database = database
        self._volumes = volumes
        self._incoming = Incoming(os.path.join(database.path, "incoming"))
        self._tidied = False
        self._readers: ThreadPoolExecutor | None = None

    @contextmanager
    def put(self, mailbox: int, contents: Sequence[bytes]) -> Iterator[list[Place]]:
        """Write blobs into the current primary volume; inside the block they are durable and rows may name them.

        What no row names when the block raises is removed again.
        :raises Refused: the volume is full, or cannot be written to.
        """
        if not self._tidied:
            self.tidy()
        if not contents:
            yield []
            return
        volume = self._volumes.current()
        with self._incoming.batch(int(volume.volume_id), mailbox, self._shelf(mailbox), len(contents)) as batch:
            try:
                _write(volume, batch, contents)
            except BaseException as error:
                remove(os.path.join(volume.path, locator) for locator in batch.locators())
                if isinstance(error, OSError):
                    raise _refused(volume, batch, error) from error
                raise
            try:
                yield [Place(batch.volume, locator) for locator in batch.locators()]
            except BaseException:
                self._undo(batch)
                raise

    def read(self, place: Place, digest: bytes, size: int) -> bytes:
        """Return a blob. :param size: its bytes. :raises Damaged: it is gone, unreadable or altered."""
        path = os.path.join(self._volumes.get(str(place.volume)).path, str(place.locator))
        try:
            data = read_file(path, size)
        except (OSError, ValueError) as error:  # ValueError: a database that was altered names what no path can be
            reason = getattr(error, "strerror", None) or error
            raise Damaged(f"its blob {path} cannot be read ({reason})") from error
        if hashlib.sha256(data).digest() != digest:
            raise Damaged(f"its blob {path} was altered: it does not have the digest {digest.hex()}")
        return data

    def read_several(self, wanted: Sequence[tuple[Place, bytes, int] | None]) -> Iterator[bytes | None]:
        """Yield blobs, given as place, digest and size; None for one that is not there, or is not what it should be.

        A thread reads the next ones while the caller is busy with those before.
        """
        paths = {int(volume.volume_id): volume.path for volume in self._volumes.all()}
        files = [
            (os.path.join(paths[each[0].volume], str(each[0].locator)), *each[1:])
            if each is not None and each[0].volume in paths else None
            for each in wanted
        ]
        if self._readers is None:
            self._readers = ThreadPoolExecutor(1, "read-blobs")
        parts = [
            self._readers.submit(_read_verified, files[start:start + _PART]) for start in range(0, len(files), _PART)
        ]
        for part in parts:
            yield from part.result()

    def discard(self, places: Iterable[Place]) -> None:
        """Remove blobs that were put, and that no row names."""
        paths = {int(volume.volume_id): volume.path for volume in self._volumes.all()}
        remove(os.path.join(paths[place.volume], place.locator) for place in places if place.volume in paths)

    def collect_garbage(self) -> None:
        """Remove the blobs of what was deleted."""
        while True:
            rows = self._database.execute(
                "SELECT id, volume, locator FROM garbage ORDER BY id LIMIT ?", (_CHUNK,)
            ).fetchall()
            if not rows:
                return
            self.discard(Place(volume, locator) for _id, volume, locator in rows)
            with self._database.transaction():
                self._database.execute("DELETE FROM garbage WHERE id <= ?", (rows[-1][0],))

    def tidy(self) -> None:
        """Remove what writers left behind that were killed."""
        for batch in self._incoming.abandoned():
            self._settle(batch)
        self.collect_garbage()
        self._tidied = True

    def close(self) -> None:
        """Say that this writer has finished."""
        if self._readers is not None:
            self._readers.shutdown(cancel_futures=True)
        self._incoming.close()

    def _shelf(self, mailbox: int) -> int:
        row = self._database.execute("SELECT next_id FROM mailboxes WHERE number = ?", (mailbox,)).fetchone()
        return row[0] // _SHELF if row and isinstance(row[0], int) else 0

    def _undo(self, batch: Batch) -> None:
        """Remove the blobs of a batch that no row names, now or, where the database cannot be written, by and by."""
        try:
            self._settle(batch)
            self.collect_garbage()
        except RestanteError:
            self._incoming.abandon()
            self._tidied = False

    def _settle(self, batch: Batch) -> None:
        """Throw away the blobs of a batch that no row names.

        That is a transaction: where the one before has failed in its COMMIT, what it had written may come to life
        again, rows and all, with whoever opens the database next. Once another one has taken its place it cannot.
        """
        try:
            volume = self._volumes.get(str(batch.volume))
        except NotFound:
            return  # it was empty and was deleted
        with self._database.transaction():
            rows = self._database.execute(
                "SELECT locator FROM items WHERE mailbox = ? AND volume = ?", (batch.mailbox, batch.volume)
            )
            named = {row[0] for row in rows}
            self._database.executemany(
                "INSERT INTO garbage (volume, locator) VALUES (?, ?)",
                [(batch.volume, locator) for locator in batch.found(volume.path) if locator not in named],
            )


def _refused(volume: Volume, batch: Batch, error: OSError) -> Refused:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        reason = "is full; make room and run this again"
    else:
        directory = os.path.join(volume.path, batch.directory)
        reason = f"cannot be written to ({error.strerror}); check the disk and the rights of the directory {directory}"
    return Refused(f"Volume {volume.name!r} ({volume.path}) {reason}.")


def read_file(path: str, size: int) -> bytes:
    """Return the blob in a file.

    :param size: the bytes that it should have. :raises OSError: it is gone, or its compressed form is broken or larger.
    """
    with open(path, "rb") as file:
        data = file.read()
    if data[:2] != _GZIP_MAGIC:
        return data
    try:
        return foreign.gunzip(data, size)
    except ValueError as error:
        raise OSError(str(error)) from error


def _read_verified(files: Sequence[tuple[str, bytes, int] | None]) -> list[bytes | None]:
    """Return the blobs in files, given with their digests and sizes; None for each that is gone or altered."""
    blobs: list[bytes | None] = []
    for file in files:
        blob = None
        if file is not None:
            with suppress(OSError, ValueError):
                data = read_file(file[0], file[2])
                blob = data if hashlib.sha256(data).digest() == file[1] else None
        blobs.append(blob)
    return blobs


def _write(volume: Volume, batch: Batch, contents: Sequence[bytes]) -> None:
    os.stat(volume.path)  # a volume whose disk is not mounted is not made anew
    path = os.path.join(volume.path, batch.directory)
    make_directories(path)
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        write_new(directory, zip(batch.names(), (stored(volume, content) for content in contents)))
    finally:
        os.close(directory)


def stored(volume: Volume, content: bytes) -> bytes:
    """Return what a volume writes for a blob. One that looks compressed is wrapped, so that reading need not guess."""
    if (volume.compressed and len(content) >= volume.compression_threshold) or content[:2] == _GZIP_MAGIC:
        return gzip.compress(content, _LEVEL, mtime=0)
    return content
