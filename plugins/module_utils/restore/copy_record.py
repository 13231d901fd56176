# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of an account that was made again: what was asked for, and whether it is done.

Beside the records of every import (idmap.py) in accounts/<destination id>/ of the Backup Path. The map is written
before the account is made, so an account without one was made by somebody else; the file restored says that nothing is
left to do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..backup.files import Files
from ..model import foreign
from ..model.errors import AlreadyExists, Damaged
from .idmap import account_directory, map_name, said_of

DONE: Final = "restored"
"""The file that says that nothing is left to do."""


class Said(NamedTuple):
    """What an earlier run has written."""

    request: Mapping[str, Any]
    """What was asked for."""
    at: int
    """The moment that was restored, UTC milliseconds."""
    done: Mapping[str, int] | None
    """What is there, by kind; None where something is left to do."""


class CopyRecord:
    """The record of one destination account."""

    def __init__(self, backup_path: str, server_id: str, account_id: str) -> None:
        self._where = (backup_path, server_id, account_id)
        self._files = Files(backup_path)
        self._map = map_name(server_id, account_id)
        self._done = f"{account_directory(account_id)}/{DONE}"

    def read(self) -> Said | None:
        """Return what an earlier run has written, None where there was none. :raises Damaged: it cannot be read."""
        said = said_of(*self._where)
        if said is None:
            return None
        try:
            done = foreign.parse(self._files.read(self._done)) if self._files.size(self._done) is not None else None
            request, at = said["request"], said["at"]
            if not (foreign.fits(request, dict) and foreign.fits(at, int) and foreign.fits(done or {}, dict[str, int])):
                raise ValueError("a value is not of its type")
            return Said(request, at, done)
        except (KeyError, ValueError) as error:
            raise Damaged(
                f"What {self._files.root} says of an earlier restore to the account {self._where[2]} cannot be read; "
                "restore to another address."
            ) from error

    def finish(self, present: Mapping[str, int]) -> None:
        """Remember that nothing is left to do. :param present: what is there, by kind."""
        try:
            self._files.write_new(self._done, json.dumps(present).encode("ascii"))
        except AlreadyExists:
            pass

    def forget(self) -> None:
        """Forget an account that is no more."""
        self._files.remove(self._done)
        self._files.remove(self._map)


def tidy(backup_path: str, account_id: str) -> None:
    """Remove what a killed run has left half written in the records of an account.

    :raises Refused: the disk does not take it.
    """
    Files(backup_path).clear_unfinished(account_directory(account_id))
