# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deduplication: identical blobs of a volume become hard links to one file (R-168)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from itertools import groupby

from ...model.durable import sync_directory
from ..index.database import Database
from ..volumes import Deduplication, Volume
from .blobs import read_file

_MOST_LINKS = 30_000
"""Fewer than any file system of ours allows."""


def deduplicate(database: Database, volumes: Iterable[Volume], dry_run: bool) -> Deduplication:
    """Find identical blobs, volume by volume, and keep one file of each."""
    total = Deduplication(0, 0, 0, 0, 0, 0)
    touched: set[str] = set()
    for volume in volumes:
        with database.snapshot().reading() as snapshot:
            mailboxes = snapshot.execute(
                "SELECT count(DISTINCT mailbox) FROM items WHERE volume = ?", (volume.volume_id,)
            ).fetchone()[0]
            total = total._replace(checked_mailboxes=total.checked_mailboxes + mailboxes)
            alike = snapshot.execute(
                "SELECT digest, mailbox, id, locator, size FROM items WHERE volume = ?1 AND digest IN "
                "(SELECT digest FROM items WHERE volume = ?1 GROUP BY digest HAVING count(*) > 1) "
                "ORDER BY digest, locator",
                (volume.volume_id,),
            )
            for digest, rows in groupby(alike, key=lambda row: bytes(row[0])):
                # In a transaction, so that what is deleted meanwhile is removed after, and not linked to again.
                with database.transaction():
                    files = [(os.path.join(volume.path, row[3]), row[4]) for row in rows if _is_there(database, row)]
                    counted = _deduplicate_group(digest, files, dry_run)
                    touched.update(os.path.dirname(path) for path, _size in files if counted.duplicated_blobs)
                total = Deduplication(*(one + other for one, other in zip(total, counted)))
    if not dry_run:
        for directory in sorted(touched):  # what was told to be saved is saved after a power failure too
            with suppress(OSError):
                sync_directory(directory)
    return total


def _is_there(database: Database, row: tuple[bytes, int, int, str, int]) -> bool:
    _digest, mailbox, item, locator, _size = row
    found = database.execute("SELECT locator FROM items WHERE mailbox = ? AND id = ?", (mailbox, item)).fetchone()
    return found is not None and found[0] == locator


def _deduplicate_group(digest: bytes, blobs: list[tuple[str, int]], dry_run: bool) -> Deduplication:
    duplicated = already = skipped = invalid = saved = 0
    files = []
    for path, size in blobs:
        try:
            files.append((os.stat(path), path, size))
        except OSError:
            skipped += 1
    # The one with the most links is kept, so that what was linked once is not linked anew.
    files.sort(key=lambda file: -file[0].st_nlink)
    kept = ""
    links_kept = 0
    known: set[int] = set()
    links_left: dict[int, int] = {}
    for status, path, size in files:
        inode = status.st_ino
        if inode in known:
            already += 1
            continue
        try:
            if hashlib.sha256(read_file(path, size)).digest() != digest:
                invalid += 1
                continue
            if not kept or links_kept >= _MOST_LINKS:
                kept, links_kept = path, status.st_nlink
                known.add(inode)
                continue
            if not dry_run:
                _link_over(kept, path)
        except OSError:
            skipped += 1
            continue
        duplicated += 1
        links_kept += 1
        links_left[inode] = links_left.get(inode, status.st_nlink) - 1
        saved += status.st_size if not links_left[inode] else 0
    return Deduplication(0, duplicated, already, skipped, invalid, saved)


def _link_over(source: str, target: str) -> None:
    temporary = f"{target}.link"
    if os.path.lexists(temporary):
        os.unlink(temporary)  # left by a process that was killed here
    os.link(source, temporary)
    os.replace(temporary, target)
