# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blobs that items of the embedded store name and that their volume has lost: finding them, and putting them back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

from ...model.durable import make_directories, sync_directory
from ...model.errors import Damaged, Refused
from ..index.database import Database
from ..volumes import MissingBlob, Volume
from .blobs import stored
from .files import write_new

_ENDING = ".restored"
"""Of a file that is being written; the next attempt removes one that a killed process has left."""


def missing(database: Database, volume: Volume) -> Iterator[MissingBlob]:
    """Yield the blobs of a volume whose file is not there, or is empty though the blob is not.

    :raises Refused: the directory of the volume is not there: then its disk is, rather than its blobs; or a directory
        cannot be read.
    """
    _require(volume)
    with database.snapshot().reading() as snapshot:
        rows = snapshot.execute(
            "SELECT m.account, i.id, i.kind, i.digest, i.size, i.locator FROM items i "
            "JOIN mailboxes m ON m.number = i.mailbox WHERE i.volume = ? ORDER BY i.mailbox, i.id",
            (volume.volume_id,),
        )
        for account, item, kind, digest, size, locator in rows:
            path = os.path.join(volume.path, locator)
            try:
                lost = _is_lost(path, size)
            except OSError as error:  # it may be there all the same
                raise Refused(
                    f"{path} of volume {volume.name!r} cannot be looked for ({error.strerror}); check the disk and the "
                    "rights of its directories."
                ) from error
            if lost:
                yield MissingBlob(account, str(item), kind, bytes(digest).hex(), size, locator)


def put_back(database: Database, volume: Volume, blobs: Sequence[tuple[MissingBlob, bytes]]) -> list[bool]:
    """Write lost blobs where their items look for them, durably.

    :return: for each whether it was written; not one that has come back meanwhile, or whose item is gone.
    :raises Damaged: a content is not that of its blob; nothing was written. :raises Refused: the disk refused.
    """
    _require(volume)
    for blob, content in blobs:
        if hashlib.sha256(content).hexdigest() != blob.digest:
            raise Damaged(f"The content for {blob.path} of volume {volume.name!r} does not have its digest.")
    done = []
    with database.transaction():  # so that no item is deleted, and its file removed, between the look and the write
        try:
            for blob, content in blobs:
                path = os.path.join(volume.path, blob.path)
                wanted = _names(database, volume, blob) and _is_lost(path, blob.size)
                if wanted:
                    _write(path, stored(volume, content))
                done.append(wanted)
        except OSError as error:
            raise Refused(
                f"Volume {volume.name!r} ({volume.path}) does not take its blobs back ({error.strerror}); check the "
                "disk and the rights of the directory, then run this again."
            ) from error
    return done


def _require(volume: Volume) -> None:
    if not os.path.isdir(volume.path):
        raise Refused(
            f"The directory {volume.path} of volume {volume.name!r} is not there. Mount its disk; or, where that is "
            "lost, make the directory, so that its blobs can be restored into it."
        )


def _is_lost(path: str, size: int) -> bool:
    try:
        return os.stat(path).st_size == 0 < size
    except FileNotFoundError:
        return True


def _names(database: Database, volume: Volume, blob: MissingBlob) -> bool:
    """Return whether the item still has this blob there."""
    row = database.execute(
        "SELECT i.volume, i.locator, i.digest FROM items i JOIN mailboxes m ON m.number = i.mailbox "
        "WHERE m.account = ? AND i.id = ?",
        (blob.account_id, blob.item_id),
    ).fetchone()
    return row is not None and (str(row[0]), row[1], bytes(row[2] or b"").hex()) == (
        volume.volume_id, blob.path, blob.digest,
    )


def _write(path: str, data: bytes) -> None:
    directory, name = os.path.split(path)
    make_directories(directory)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(FileNotFoundError):
            os.unlink(name + _ENDING, dir_fd=descriptor)
        write_new(descriptor, [(name + _ENDING, data)])
        os.replace(name + _ENDING, name, src_dir_fd=descriptor, dst_dir_fd=descriptor)
    finally:
        os.close(descriptor)
    sync_directory(directory)
