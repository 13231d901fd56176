# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keyring of an encrypted backup in its archive: fetched from there, and the former ones removed."""

from __future__ import annotations

from ..archive.port import Archive
from ..backup import keyring, keys
from ..backup.files import Files
from ..model.errors import Damaged, NotFound, Refused


def numbers(archive: Archive) -> list[int]:
    """Return the numbers of the keyrings in an archive, in order: one, or a few."""
    names = (stored.name.rpartition("/")[2] for stored in archive.list(f"{keys.DIRECTORY}/"))
    return sorted(filter(None, map(keys.number_of, names)))


def fetch_keyring(archive: Archive, files: Files) -> None:
    """Have the newest keyring of an archive in a directory, and none before it.

    :raises Damaged: there is none. :raises Refused, Unavailable: the archive cannot be read, or the disk takes none.
    """
    while True:
        there = numbers(archive)
        if not there:
            raise Damaged(
                f"The backup in {archive.describe()} is encrypted, and its keyring is gone: there is none in "
                f"{keys.DIRECTORY}/. Without it nothing can be read; put it back from a copy of the Backup Path."
            )
        name = keys.name(there[-1])
        if keyring.newest(files) < there[-1] or not _is_whole(files, name):
            try:
                data = archive.get(name)
            except NotFound:  # a newer one has taken its place
                continue
            keys.identity_of(data, f"{name} in {archive.describe()}")
            files.overwrite(name, data)
            keyring.remove_before(files, there[-1])
        return


def _is_whole(files: Files, name: str) -> bool:
    try:
        keys.identity_of(files.read(name), name)
    except (NotFound, Damaged):
        return False
    return True


def remove_keyrings(archive: Archive, number: int) -> list[str]:
    """Remove from an archive the keyrings before one of them; return why that was not possible where it was not.

    :raises NotFound, Unavailable: the archive does not answer.
    """
    reasons = []
    for former in numbers(archive):
        if former < number:
            try:
                archive.erase(keys.name(former))
            except Refused as error:  # locked for now
                reasons.append(str(error))
    return reasons
