# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has come, gone or become another in a directory, found by comparing all of it every now and then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from ...model import kinds
from ...model.errors import RestanteError
from ...model.state import Entry
from .directory import Directory

_SHARE: Final = 50
"""It is compared so seldom that this takes one part in so many of the time."""


class Difference(NamedTuple):
    """What is another than before: ids of accounts, and whether anything is but accounts."""

    come: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    others: bool = False


class KnownEntries:
    """The entries of a directory as they were last seen."""

    def __init__(self, directory: Directory, every: float, clock: Callable[[], float]) -> None:
        """:param every: seconds between two looks; more where a look takes long."""
        self._directory = directory
        self._every = every
        self._clock = clock
        self._due = 0.0
        self.accounts, self._others = self._read()

    def renew(self) -> None:
        """Look again when it is asked for next."""
        self._due = 0.0

    def difference(self) -> Difference:
        """Return what is another than when this was called before; nothing while nobody has looked again."""
        if self._clock() < self._due:
            return Difference()
        before, before_others = self.accounts, self._others
        try:
            self.accounts, self._others = self._read()
        except RestanteError:  # whoever asks the directory for something hears that
            return Difference()
        now = self.accounts
        both = [account for account in now if account in before]
        return Difference(
            tuple(account for account in now if account not in before),
            tuple(account for account in before if account not in now),
            tuple(account for account in both if before[account].name != now[account].name),
            tuple(account for account in both if before[account] != now[account]),
            before_others != self._others,
        )

    def _read(self) -> tuple[dict[str, Entry], list[Entry]]:
        began = self._clock()
        try:
            others = [
                entry for kind in kinds.ENTRY_KINDS if kind != kinds.ACCOUNT for entry in self._directory.entries(kind)
            ]
            return {entry.entry_id: entry for entry in self._directory.entries(kinds.ACCOUNT)}, others
        finally:
            now = self._clock()
            self._due = now + max(self._every, _SHARE * (now - began))
