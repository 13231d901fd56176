# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was found whole and when, so that a check with little time begins with what was not looked at for longest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ..model import foreign

VERSION: Final = 1

HERE: Final = "backup_path"
ARCHIVE: Final = "archive"


class Part(NamedTuple):
    """What is looked at as one."""

    side: str
    """HERE or ARCHIVE."""
    name: str
    """Of a file, relative to the Backup Path or the archive's prefix; or a folder and a range of files."""
    size: int = 0
    """Bytes."""

    @property
    def key(self) -> str:
        """How the ledger calls it."""
        return f"{self.side}:{self.name}"


class Ledger:
    """When each part of one backup was last found whole, and what the last check came to."""

    def __init__(self, repository_id: str, path: str) -> None:
        """Begin anew. :param path: of the backup: a copy has a ledger of its own."""
        self._repository_id = repository_id
        self._path = path
        self._whole: dict[str, int] = {}
        self.last: dict[str, Any] = {}
        """The report of the last check."""

    def read(self, record: Any) -> None:
        """Take over what was written down; nothing where that is of another backup, or cannot be understood."""
        if not isinstance(record, dict) or record.get("version") != VERSION:
            return
        whole: Any = record.get("whole")
        last: Any = record.get("last")
        if [record.get("repository"), record.get("path")] != [self._repository_id, self._path]:
            return
        if foreign.fits(whole, dict[str, int]) and isinstance(last, dict) and foreign.fits(last.get("at", 0), int):
            self._whole, self.last = dict(whole), last

    def to_json(self) -> dict[str, Any]:
        """Return what is to be written down."""
        return {
            "version": VERSION, "repository": self._repository_id, "path": self._path, "whole": self._whole,
            "last": self.last,
        }

    def by_age(self, parts: Iterable[Part]) -> list[Part]:
        """Return parts, those first that were not found whole for longest, or never."""
        return sorted(parts, key=lambda part: (self._whole.get(part.key, 0), part.key))

    def whole(self, part: Part, at: int) -> None:
        """Note that a part was found whole. :param at: UTC milliseconds."""
        self._whole[part.key] = at

    def faulty(self, part: Part) -> None:
        """Note that a part is not whole: it comes first the next time."""
        self._whole.pop(part.key, None)

    def keep(self, parts: Iterable[Part], side: str) -> None:
        """Forget the parts of a side that are not there any more."""
        keys = {part.key for part in parts}
        self._whole = {
            key: at for key, at in self._whole.items() if key in keys or not key.startswith(f"{side}:")
        }

    def oldest(self, parts: Iterable[Part]) -> int:
        """Return since when all of some parts have been looked at, UTC milliseconds; 0 where one never was."""
        return min((self._whole.get(part.key, 0) for part in parts), default=0)
