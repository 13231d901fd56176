# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keyring of an encrypted backup in its archive: fetched from there, and the former ones removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..archive.port import Archive
from ..backup import commits, keyring, keys
from ..backup.catalogue import Damage
from ..backup.files import Files
from ..backup.keyring import Keyring
from ..backup.keys import Keys, Ring
from ..model.errors import Damaged, NotABackup, NotFound, Refused, RestanteError, Unavailable

_ATTEMPTS: Final = 10
_PASSED_OVER: Final = "The newest keyring that can be opened was taken; what needs a newer one cannot be restored."


def numbers(archive: Archive) -> list[int]:
    """Return the numbers of the keyrings in an archive, in order: one, or a few."""
    names = [stored.name for stored in archive.list(f"{keys.DIRECTORY}/")]
    found = {name: keys.number_of(name.rpartition("/")[2]) for name in names}
    return sorted(number for name, number in found.items() if number and name == keys.name(number))


def fetch_keyring(archive: Archive, files: Files, own: Keyring) -> Sequence[Damage]:
    """Have the newest keyring of an archive that can be opened in a directory, and none before it.

    Anybody who can write to the archive can put something behind the keyring there. Nobody can have an older one taken
    for the newest by that: commits name the number of the keyring that they need.

    :param own: opens it; what cannot be opened takes the place of nothing.
    :return: what has a higher number and cannot be opened.
    :raises Damaged: there is none, or none that can be opened and opens the newest commit in the directory.
    :raises Refused: the master key is another one.
    :raises Refused, Unavailable: the archive cannot be read, or the disk takes none.
    """
    for _attempt in range(_ATTEMPTS):
        there = numbers(archive)
        if not there:
            raise Damaged(
                f"The backup in {archive.describe()} is encrypted, and its keyring is gone: there is none in "
                f"{keys.DIRECTORY}/. Without it nothing can be read; put it back from a copy of the Backup Path."
            )
        errors: dict[str, RestanteError] = {}
        for number in reversed(there):
            name = keys.name(number)
            if not _is_whole(files, number, own):
                try:
                    data = archive.get(name)
                    ring = own.read(data, number, f"{name} in {archive.describe()}")
                except NotFound:  # a newer one has taken its place
                    break
                except (Damaged, NotABackup, Refused) as error:
                    errors[name] = error
                    continue
                if errors and not _opens_the_newest(files, ring):
                    continue
                files.overwrite(name, data)
            keyring.remove_before(files, number)
            return [Damage(bad, str(error), _PASSED_OVER) for bad, error in errors.items()]
        else:
            raise next(iter(errors.values()))
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


def _opens_the_newest(files: Files, ring: Ring) -> bool:
    """Return whether the newest commit of a directory, if there is any, can be read with a keyring."""
    newest = max(filter(None, map(commits.number, files.scan(commits.DIRECTORY))), default=0)
    try:
        return not newest or bool(
            commits.parse(files.read(commits.name(newest)), commits.name(newest), Keys(ring, lambda: ring))
        )
    except (NotFound, Damaged, NotABackup, Refused):
        return False


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
