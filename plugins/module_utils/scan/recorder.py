# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a scan writes: only what is new, and a commit every so often, so that it can be uploaded while the scan runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from ..backup.commits import Commit
from ..backup.repository import Repository
from ..backup.writer import Writer
from ..model.errors import RestanteError
from ..model.state import State

MIB: Final = 1024 * 1024


class Cadence(NamedTuple):
    """When a scan commits; whichever comes first."""

    seconds: float = 5.0
    """Since the last commit."""
    pending: int = 512 * MIB
    """What the Writer has in hand (Writer.pending)."""


EVERY_FEW_SECONDS: Final = Cadence()

TURN: Final = 5.0
"""Seconds after which a long scan lets other writers have their turn, when it is between two mailboxes."""


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def fingerprint(state: State) -> int:
    """Return a number that two states share only when they are the same (within one process)."""
    return hash(_canonical(state.to_json()))


class Recorder:
    """A Writer that commits by a cadence and remembers the tokens of the mailboxes that are wholly in it."""

    def __init__(
        self, writer: Writer, cadence: Cadence, committed: Callable[[Commit], None],
        turn: Callable[[], Writer] | None = None,
    ) -> None:
        """:param turn: gives the writer up and returns another one when others have had their turn; None: it stays."""
        self.commits = 0
        self.new_blobs = 0
        self.new_bytes = 0
        self._writer = writer
        self._cadence = cadence
        self._committed = committed
        self._turn = turn
        self._tokens: dict[str, str] = {}
        self._last = self._turn_began = time.monotonic()

    @property
    def repository(self) -> Repository:
        """The backup that is written to, as of its last commit."""
        return self._writer.repository

    def missing(self, digests: Collection[str]) -> set[str]:
        """Return those contents that are neither in the backup nor on their way there."""
        return self._writer.missing(digests)

    def put_blob(self, data: bytes, repair: bool = False) -> str:
        """Write a content, once, and return its digest.

        :param repair: read the backup's own copy too, and write the content again where that cannot be read.
        """
        before = self._writer.pending()
        digest = self._writer.put_blob(data)
        if repair and not self._readable(digest):
            self._writer.put_blob(data, again=True)
        if self._writer.pending() > before:
            self.new_blobs += 1
            self.new_bytes += len(data)
        return digest

    def _readable(self, digest: str) -> bool:
        try:
            self.repository.read_blob(digest)
        except RestanteError:
            return False
        return True

    def record(self, scope: str, item_id: str, state: State) -> None:
        """Write a new state."""
        self._writer.append(scope, item_id, state.kind, state)

    def delete(self, scope: str, item_id: str, kind: str) -> None:
        """Write that an item is gone."""
        self._writer.append(scope, item_id, kind, None)

    def reached(self, scope: str, token: str) -> None:
        """Remember that all of a mailbox up to this token has been written; the next commit carries it."""
        self._tokens[scope] = token

    def tick(self) -> None:
        """Commit if it is time."""
        if time.monotonic() - self._last >= self._cadence.seconds or self._writer.pending() >= self._cadence.pending:
            self.commit()

    def commit(self) -> None:
        """Commit what is new, if anything is."""
        commit = self._writer.commit(self._tokens)
        self._tokens = {}
        self._last = time.monotonic()
        if commit is not None:
            self.commits += 1
            self._committed(commit)

    def give_way(self) -> None:
        """Let other writers have their turn, if it is time; what they have written is known afterwards."""
        if self._turn is not None and time.monotonic() - self._turn_began >= TURN:
            self.commit()
            self._writer = self._turn()
            self._turn_began = time.monotonic()
