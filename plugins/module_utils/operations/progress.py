# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Progress: what long work tells of itself while it runs, and how it hears that it should stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol


class Progress(Protocol):
    """What a scan or a restore reports to. Its methods may be called from several threads, and often: they are cheap.

    Work that has heard stopping() answer True finishes what is in its hands, leaves everything so that it can be
    run again, and returns what it has reached; the operation around it then counts as stopped.
    """

    def phase(self, name: str, items: int = 0, bytes_: int = 0) -> None:
        """Begin a phase; items and bytes are what it expects to do, 0 where that is not known."""

    def advance(self, items: int = 0, bytes_: int = 0) -> None:
        """Add to what the present phase has done."""

    def stopping(self) -> bool:
        """Return True once someone has asked for the work to stop."""


class Silent:
    """A Progress that tells nobody and is never stopped."""

    def phase(self, name: str, items: int = 0, bytes_: int = 0) -> None:
        """Begin a phase."""

    def advance(self, items: int = 0, bytes_: int = 0) -> None:
        """Add to what the present phase has done."""

    def stopping(self) -> bool:
        """Return False."""
        return False


SILENT: Final = Silent()


class Until(Silent):
    """A Progress that tells nobody and is stopped as soon as something is so."""

    def __init__(self, ended: Callable[[], bool]) -> None:
        """:param ended: whether it is."""
        self._ended = ended

    def stopping(self) -> bool:
        """Return whether it is."""
        return self._ended()
