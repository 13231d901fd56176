# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes of the embedded store: files that hold blobs, one each."""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import gzip
import hashlib
import os
import secrets
import shutil
import sqlite3
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from ...model.errors import AlreadyExists, Damaged, InvalidInput, NotFound, Refused
from ..volumes import PRIMARY, SECONDARY, Deduplication, Volume
from .database import Transaction

_GZIP_MAGIC = b"\x1f\x8b"
_COLUMNS = "id, name, type, path, compressed, threshold, current"
_LIBC = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)


class Place(NamedTuple):
    """Where a blob was put."""

    volume: int
    locator: str


class BlobVolumes:
    """The volumes of one store."""

    def __init__(self, database: sqlite3.Connection, root: str) -> None:
        self._database = database
        self._root = root

    # -- administration --------------------------------------------------------------------------------------------

    def volumes(self) -> list[Volume]:
        """Return all volumes, primary before secondary, by name."""
        return [_volume(row) for row in self._database.execute(f"SELECT {_COLUMNS} FROM volumes ORDER BY type, name")]

    def create(self, volume: Volume) -> Volume:
        """Create a volume and its directory."""
        _check(volume)
        path = self._absolute(volume.path)
        os.makedirs(path, mode=0o700, exist_ok=True)
        try:
            with Transaction(self._database) as database:
                if volume.current:
                    database.execute("UPDATE volumes SET current = 0 WHERE type = ?", (volume.volume_type,))
                number = database.execute(
                    "INSERT INTO volumes (name, type, path, compressed, threshold, current) VALUES (?, ?, ?, ?, ?, ?)",
                    (volume.name, volume.volume_type, path, volume.compressed, volume.compression_threshold,
                     volume.current),
                ).lastrowid
        except sqlite3.IntegrityError as error:
            raise AlreadyExists(
                f"A volume with the name {volume.name!r} or the path {path} exists already; choose another."
            ) from error
        return self.volume(str(number))

    def volume(self, volume_id: str) -> Volume:
        """Return a volume by its id. :raises NotFound: there is none."""
        row = self._database.execute(f"SELECT {_COLUMNS} FROM volumes WHERE id = ?", (volume_id,)).fetchone()
        if row is None:
            raise NotFound(f"There is no volume with the id {volume_id!r}; list the volumes to see which there are.")
        return _volume(row)

    def update(self, volume: Volume) -> bool:
        """Give a volume other properties; True if anything changed."""
        _check(volume)
        before = self.volume(volume.volume_id)
        wanted = volume._replace(path=self._absolute(volume.path))
        if wanted == before:
            return False
        if wanted.path != before.path:
            raise Refused(f"The path of volume {before.name!r} cannot change; create a volume and move the blobs.")
        if before.current and before.volume_type == PRIMARY and not (wanted.current and wanted.volume_type == PRIMARY):
            raise Refused(f"Volume {before.name!r} is the current primary volume; make another one current first.")
        try:
            with Transaction(self._database) as database:
                if wanted.current:
                    database.execute("UPDATE volumes SET current = 0 WHERE type = ?", (wanted.volume_type,))
                database.execute(
                    "UPDATE volumes SET name = ?, type = ?, compressed = ?, threshold = ?, current = ? WHERE id = ?",
                    (wanted.name, wanted.volume_type, wanted.compressed, wanted.compression_threshold, wanted.current,
                     wanted.volume_id),
                )
        except sqlite3.IntegrityError as error:
            raise AlreadyExists(f"There is another volume with the name {wanted.name!r}; choose another.") from error
        return True

    def delete(self, volume_id: str) -> None:
        """Delete an empty volume that is not current."""
        volume = self.volume(volume_id)
        with Transaction(self._database) as database:
            used = database.execute("SELECT 1 FROM items WHERE volume = ? LIMIT 1", (volume_id,)).fetchone()
            if volume.current or used:
                reason = "is current" if volume.current else "still holds blobs"
                raise Refused(f"Volume {volume.name!r} {reason} and was not deleted.")
            database.execute("DELETE FROM volumes WHERE id = ?", (volume_id,))
        shutil.rmtree(volume.path, ignore_errors=True)

    # -- blobs -----------------------------------------------------------------------------------------------------

    def write(self, mailbox: int, blobs: Sequence[bytes]) -> list[Place]:
        """Put blobs into the current primary volume, durable when this returns.

        They belong to nothing until a row names them: after a crash they are never seen.
        """
        if not blobs:
            return []
        row = self._database.execute(
            f"SELECT {_COLUMNS} FROM volumes WHERE type = ? AND current = 1", (PRIMARY,)
        ).fetchone()
        volume = _volume(row)
        batch = secrets.token_hex(8)
        directory = os.path.join(str(mailbox), "msg", batch[:2])
        places: list[Place] = []
        try:
            os.makedirs(os.path.join(volume.path, directory), mode=0o700, exist_ok=True)
            handle = os.open(os.path.join(volume.path, directory), os.O_RDONLY | os.O_DIRECTORY)
            try:
                for index, blob in enumerate(blobs):
                    name = f"{batch}-{index}.msg"
                    places.append(Place(int(volume.volume_id), os.path.join(directory, name)))
                    compressed = volume.compressed and len(blob) >= volume.compression_threshold
                    # A blob that looks compressed already is wrapped, so that reading never has to guess.
                    if compressed or blob[:2] == _GZIP_MAGIC:
                        blob = gzip.compress(blob, 6, mtime=0)
                    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=handle)
                    try:
                        view = memoryview(blob)
                        while view:
                            view = view[os.write(descriptor, view):]
                    finally:
                        os.close(descriptor)
                _sync_filesystem(handle)
            finally:
                os.close(handle)
        except OSError as error:
            self.discard(places)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Refused(f"Volume {volume.name!r} is full ({volume.path}); make room and run this again.") from error
            raise Refused(f"Volume {volume.name!r} cannot be written to ({error}); check {volume.path}.") from error
        return places

    def discard(self, places: Sequence[Place]) -> None:
        """Remove blobs that nothing names any more."""
        paths = {volume.volume_id: volume.path for volume in self.volumes()}
        for place in places:
            try:
                os.unlink(os.path.join(paths[str(place.volume)], place.locator))
            except (OSError, KeyError):
                continue  # it is gone already, or its volume is

    def read(self, place: Place, digest: bytes) -> bytes:
        """Return a blob. :raises Damaged: it is gone, unreadable or altered."""
        volume = self.volume(str(place.volume))
        path = os.path.join(volume.path, place.locator)
        try:
            with open(path, "rb") as file:
                data = file.read()
            if data[:2] == _GZIP_MAGIC:
                data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise Damaged(f"its blob {path} cannot be read ({error})") from error
        if hashlib.sha256(data).digest() != digest:
            raise Damaged(f"its blob {path} is altered: it does not have the digest {digest.hex()}")
        return data

    def deduplicate(self, volume_id: str | None, dry_run: bool) -> Deduplication:
        """Replace identical blobs of a volume by links to one of them."""
        checked = duplicated = already = skipped = invalid = saved = 0
        for volume in [self.volume(volume_id)] if volume_id else self.volumes():
            counted = self._database.execute(
                "SELECT count(DISTINCT mailbox) FROM items WHERE volume = ?", (volume.volume_id,)
            ).fetchone()
            checked += counted[0]
            rows = self._database.execute(
                "SELECT digest, locator FROM items WHERE volume = ? AND digest IN (SELECT digest FROM items "
                "WHERE volume = ? GROUP BY digest HAVING count(DISTINCT locator) > 1) ORDER BY digest, locator",
                (volume.volume_id, volume.volume_id),
            )
            first: tuple[bytes, str, int] | None = None
            for digest, locator in rows.fetchall():
                path = os.path.join(volume.path, locator)
                try:
                    status = os.stat(path)
                    if first and first[0] == digest and first[2] == status.st_ino:
                        already += 1
                        continue
                    self.read(Place(int(volume.volume_id), locator), digest)
                except OSError:
                    skipped += 1
                    continue
                except Damaged as error:
                    invalid += "altered" in str(error)
                    skipped += "altered" not in str(error)
                    continue
                if first is None or first[0] != digest:
                    first = (digest, path, status.st_ino)
                    continue
                duplicated += 1
                saved += status.st_size
                if not dry_run:
                    _link_over(first[1], path)
        return Deduplication(checked, duplicated, already, skipped, invalid, saved)

    def _absolute(self, path: str) -> str:
        return os.path.normpath(os.path.join(self._root, path))


def _check(volume: Volume) -> None:
    if volume.volume_type not in (PRIMARY, SECONDARY):
        raise InvalidInput(f"{volume.volume_type!r} is no type of volume; use {PRIMARY} or {SECONDARY}.")
    if not volume.name or not volume.path or volume.compression_threshold < 0:
        raise InvalidInput("A volume needs a name, a path, and a compression threshold of 0 bytes or more.")


def _volume(row: tuple[int, str, str, str, int, int, int]) -> Volume:
    number, name, volume_type, path, compressed, threshold, current = row
    return Volume(str(number), name, volume_type, path, bool(compressed), threshold, bool(current))


def _link_over(source: str, target: str) -> None:
    temporary = f"{target}.{secrets.token_hex(4)}"
    os.link(source, temporary)
    os.replace(temporary, target)


def _sync_filesystem(descriptor: int) -> None:
    """Make all that was written to the file system of a descriptor durable: one call for a whole batch."""
    if _LIBC.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
