# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keyring of an encrypted backup in its archive: fetched from there, and the former ones removed."""

from __future__ import annotations

from typing import Final

from ..archive.port import Archive
from ..backup import keyring, keys
from ..backup.files import Files
from ..backup.keyring import Keyring
from ..model.errors import Damaged, NotFound, Refused, Unavailable

_ATTEMPTS: Final = 10


def numbers(archive: Archive) -> list[int]:
    """Return the numbers of the keyrings in an archive, in order: one, or a few."""
    names = [stored.name for stored in archive.list(f"{keys.DIRECTORY}/")]
    found = {name: keys.number_of(name.rpartition("/")[2]) for name in names}
    return sorted(number for name, number in found.items() if number and name == keys.name(number))


def fetch_keyring(archive: Archive, files: Files, own: Keyring) -> None:
    """Have the newest keyring of an archive in a directory, and none before it.

    :param own: opens it; what cannot be opened takes the place of nothing.
    :raises Damaged: there is none, or it is altered. :raises Refused: the master key is another one.
    :raises Refused, Unavailable: the archive cannot be read, or the disk takes none.
    """
    for _attempt in range(_ATTEMPTS):
        there = numbers(archive)
        if not there:
            raise Damaged(
                f"The backup in {archive.describe()} is encrypted, and its keyring is gone: there is none in "
                f"{keys.DIRECTORY}/. Without it nothing can be read; put it back from a copy of the Backup Path."
            )
        name = keys.name(there[-1])
        if not _is_whole(files, there[-1], own):
            try:
                data = archive.get(name)
            except NotFound:  # a newer one has taken its place
                continue
            own.read(data, there[-1], f"{name} in {archive.describe()}")
            files.overwrite(name, data)
        keyring.remove_before(files, there[-1])
        return
    raise Unavailable(
        f"{archive.describe()} lists keyrings in {keys.DIRECTORY}/ that it does not have; run this again when its "
        "listings are up to date."
    )


def _is_whole(files: Files, number: int, own: Keyring) -> bool:
    try:
        own.read(files.read(keys.name(number)), number, keys.name(number))
    except (NotFound, Damaged, Refused):
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
                if not archive.erase(keys.name(former)):
                    reasons.append(
                        f"{keys.name(former)} is deleted in {archive.describe()}, which keeps its former version: the "
                        "node's keys may not list versions (s3:ListBucketVersions). Delete that version."
                    )
            except Refused as error:  # locked for now
                reasons.append(str(error))
    return reasons
