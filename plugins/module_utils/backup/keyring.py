# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keyring of a Backup Path as a file: the newest counts, and those before it are removed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from ..model.errors import AlreadyExists, Busy, Damaged, NotFound, Refused
from . import commits, keys
from .commits import FormatInfo
from .files import Files
from .keys import Identity, Keys, Ring


class Keyring:
    """Reads and writes the keyring files of one backup."""

    def __init__(self, files: Files, info: FormatInfo, masters: Sequence[bytes]) -> None:
        """:param masters: master keys: the first for what is new, any for what there is."""
        self._files = files
        self._identity = Identity(info.repository, info.server, info.created)
        self._masters = masters
        self._master = masters[0]

    def opened(self) -> Keys:
        """Return the keys of the backup. Errors as for load."""
        return Keys(self.load(), self.load)

    def newest(self) -> int:
        """Return the number of the newest keyring, 0 for none."""
        return newest(self._files)

    def load(self) -> Ring:
        """Return the newest keyring; one that is not kept yet for a backup in which nothing is.

        :raises Refused: the master key is another one. :raises Damaged: it is lost or altered.
        """
        while True:
            number = newest(self._files)
            if not number:
                if next(self._files.scan(commits.DIRECTORY), None) is None:
                    return keys.new_ring(self._identity)
                number = newest(self._files)  # once more: the first writer may have come between the two looks
            if not number:
                raise Damaged(
                    f"The keyring of the backup in {self._files.root} is lost: there is none in {keys.DIRECTORY}/. "
                    "Without it nothing can be read; put it back from the archive or from a copy."
                )
            name = keys.name(number)
            with contextlib.suppress(NotFound):  # a newer one has taken its place
                return self.read(self._files.read(name), number, self._files.path(name))

    def read(self, data: bytes, number: int, where: str) -> Ring:
        """Return what a file that says it is the keyring of this backup under some number holds.

        :param where: the file, for messages.
        :raises Refused: the master key is another one. :raises Damaged: it is altered, or another keyring.
        """
        ring, master = keys.parse(data, self._masters, where)
        if ring.identity != self._identity:
            raise Damaged(f"{where} is the keyring of another backup than {commits.FORMAT_FILE} says.")
        if ring.number != number:
            raise Damaged(f"{where} is the keyring {ring.number} under another name; somebody has put it there.")
        self._master = master
        return ring

    def wrap(self, master: bytes) -> None:
        """Keep what comes from now on under another master key."""
        self._masters = (master, *self._masters)
        self._master = master

    def keep(self, ring: Ring) -> None:
        """Write a keyring, durably, and remove those before it.

        :raises Busy: another writer has written one of this number. :raises Refused: the disk does not take it.
        """
        try:
            self._files.write_new(keys.name(ring.number), keys.encode(ring, self._master))
        except AlreadyExists as error:
            raise Busy(
                f"Another writer has changed the keyring of {self._files.root}; two hosts must not share a Backup "
                "Path. Stop one of them and run this again."
            ) from error
        remove_before(self._files, ring.number)


def newest(files: Files) -> int:
    """Return the number of the newest keyring in a directory, 0 for none."""
    return max(map(keys.number_of, files.scan(keys.DIRECTORY)), default=0)


def remove_before(files: Files, number: int) -> None:
    """Remove keyrings that a newer one has taken the place of, half written ones too: they may hold keys that were
    destroyed since.

    :raises Refused: it cannot be done.
    """
    before = files.names(keys.DIRECTORY)
    files.clear_unfinished(keys.DIRECTORY)
    for name in before:
        if 0 < keys.number_of(name) < number:
            files.remove(f"{keys.DIRECTORY}/{name}")
    if len(before) > 1:
        files.sync_directory(keys.DIRECTORY)  # or a power failure brings back the keys that were destroyed


def check(info: FormatInfo, masters: Sequence[bytes], where: str) -> None:
    """Refuse a backup whose encryption is not what the settings are for.

    :param masters: master keys; empty where the caller has none. :param where: the backup, for messages.
    :raises Refused: it is encrypted and there is no key; or it should be encrypted and is not.
    """
    if info.encrypted and not masters:
        raise Refused(
            f"The backup in {where} is encrypted, and no master key is named. Set encryption_key_file, "
            "encryption_key_variable or encryption_key_command in the settings of this node."
        )
    if masters and not info.encrypted:
        raise Refused(
            f"The backup in {where} is not encrypted, and the settings name a master key: somebody may have put it "
            "there in the place of one that is. If it is what you want, read it with settings without a master key."
        )


def opened(files: Files, info: FormatInfo, masters: Sequence[bytes]) -> Keyring | None:
    """Return the keyring of a backup; None for one that is not encrypted. Errors as check()."""
    check(info, masters, files.root)
    return Keyring(files, info, masters) if masters else None
