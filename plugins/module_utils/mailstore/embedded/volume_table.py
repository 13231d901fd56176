# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The volumes of the embedded store: which there are, and where."""

from __future__ import annotations

import os
from typing import Any, Final

from ...model.durable import make_directories
from ...model.errors import AlreadyExists, Damaged, InvalidInput, NotFound, Refused
from ..index.database import Database
from ..volumes import PRIMARY, SECONDARY, Usage, Volume

_COLUMNS: Final = "id, name, type, path, compressed, threshold, current"
_LARGEST: Final = 2**63 - 1
"""What SQLite can keep."""


class VolumeTable:
    """The volumes of one store.

    A path inside the store is kept relative to it, so that a copy of the store has volumes of its own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Volume]:
        """Return all volumes, primary before secondary, by name."""
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM volumes ORDER BY type, name")
        return [self._volume(row) for row in rows]

    def get(self, volume_id: str) -> Volume:
        """Return a volume by its id. :raises NotFound: there is none."""
        row = self._database.execute(f"SELECT {_COLUMNS} FROM volumes WHERE id = ?", (volume_id,)).fetchone()
        if row is None:
            raise NotFound(f"There is no volume with the id {volume_id!r}; list the volumes to see which there are.")
        return self._volume(row)

    def current(self) -> Volume:
        """Return the volume that new blobs go to."""
        row = self._database.execute(
            f"SELECT {_COLUMNS} FROM volumes WHERE type = ? AND current", (PRIMARY,)
        ).fetchone()
        return self._volume(row)

    def usage(self, volume_id: str) -> Usage:
        """Return what a volume holds. :raises NotFound: there is no such volume."""
        row = self._database.execute(
            "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM items WHERE volume = ?", (self.get(volume_id).volume_id,)
        ).fetchone()
        return Usage(*row)

    def check_new(self, volume: Volume) -> None:
        """Raise what would keep a volume from being created."""
        _check(volume)
        path = self._kept(volume.path)
        if self._database.execute("SELECT 1 FROM volumes WHERE name = ? OR path = ?", (volume.name, path)).fetchone():
            raise AlreadyExists(
                f"A volume with the name {volume.name!r} or the path {volume.path} exists already; choose another."
            )
        place = os.path.join(self._database.path, path)
        while not os.path.lexists(place):
            place = os.path.dirname(place)
        if not os.path.isdir(place):
            raise Refused(
                f"The directory {volume.path} of volume {volume.name!r} cannot be made: {place} is no directory. "
                "Choose another."
            )

    def create(self, volume: Volume) -> str:
        """Create a volume and its directory, in the transaction that is under way; return its id."""
        self.check_new(volume)
        path = self._kept(volume.path)
        try:
            make_directories(os.path.join(self._database.path, path))
        except OSError as error:
            raise Refused(
                f"The directory {volume.path} of volume {volume.name!r} cannot be made ({error.strerror}); "
                "choose another, or correct its rights."
            ) from error
        self._leave_current(volume)
        number = self._database.execute(
            "INSERT INTO volumes (name, type, path, compressed, threshold, current) VALUES (?, ?, ?, ?, ?, ?)",
            (volume.name, volume.volume_type, path, volume.compressed, volume.compression_threshold, volume.current),
        ).lastrowid
        return str(number)

    def changes(self, volume: Volume) -> bool:
        """Return whether a volume has other properties than these; raise what would keep it from getting them."""
        _check(volume)
        before = self.get(volume.volume_id)
        wanted = volume._replace(path=os.path.join(self._database.path, self._kept(volume.path)))
        if wanted.path != before.path:
            raise Refused(
                f"The path of volume {before.name!r} cannot change; create another volume and make that one current."
            )
        if before.current and before.volume_type == PRIMARY and not (wanted.current and wanted.volume_type == PRIMARY):
            raise Refused(f"Volume {before.name!r} is the current primary volume; make another one current first.")
        if any(one.name == wanted.name and one.volume_id != wanted.volume_id for one in self.all()):
            raise AlreadyExists(f"There is another volume with the name {wanted.name!r}; choose another.")
        return wanted != before

    def update(self, volume: Volume) -> bool:
        """Give a volume other properties, in the transaction that is under way; True if anything changed."""
        if not self.changes(volume):
            return False
        self._leave_current(volume)
        self._database.execute(
            "UPDATE volumes SET name = ?, type = ?, compressed = ?, threshold = ?, current = ? WHERE id = ?",
            (volume.name, volume.volume_type, volume.compressed, volume.compression_threshold, volume.current,
             volume.volume_id),
        )
        return True

    def deletable(self, volume_id: str) -> Volume:
        """Return a volume that can be deleted. :raises Refused: it is current, or holds blobs."""
        volume = self.get(volume_id)
        if volume.current:
            raise Refused(f"Volume {volume.name!r} is current and was not deleted; make another one current first.")
        if self._database.execute("SELECT 1 FROM items WHERE volume = ? LIMIT 1", (volume_id,)).fetchone():
            raise Refused(f"Volume {volume.name!r} still holds blobs and was not deleted.")
        return volume

    def delete(self, volume_id: str) -> Volume:
        """Delete an empty volume that is not current, in the transaction that is under way; its directory is left."""
        volume = self.deletable(volume_id)
        self._database.execute("DELETE FROM volumes WHERE id = ?", (volume_id,))
        return volume

    def _leave_current(self, volume: Volume) -> None:
        if volume.current:
            self._database.execute("UPDATE volumes SET current = 0 WHERE type = ?", (volume.volume_type,))

    def _kept(self, path: str) -> str:
        """Return how a path is kept: relative inside the store, else absolute."""
        root = self._database.path
        absolute = os.path.normpath(os.path.join(root, path))
        return os.path.relpath(absolute, root) if absolute.startswith(root + os.sep) else absolute

    def _volume(self, row: tuple[Any, ...] | None) -> Volume:
        if row is None or not all(isinstance(text, str) and "\0" not in text for text in row[1:4]):
            raise Damaged(
                f"The volumes of the mail store in {self._database.path} cannot be read; put back a copy of the store."
            )
        number, name, volume_type, path, compressed, threshold, current = row
        path = os.path.join(self._database.path, path)
        return Volume(str(number), name, volume_type, path, bool(compressed), threshold, bool(current))


def _check(volume: Volume) -> None:
    if volume.volume_type not in (PRIMARY, SECONDARY):
        raise InvalidInput(f"{volume.volume_type!r} is no type of volume; use {PRIMARY} or {SECONDARY}.")
    if "\0" in volume.name + volume.path:
        raise InvalidInput("A NUL can be in no name and no path of a volume.")
    if not volume.name or not volume.path or not 0 <= volume.compression_threshold <= _LARGEST:
        raise InvalidInput(
            f"A volume needs a name, a path, and a compression threshold from 0 to {_LARGEST} bytes."
        )
