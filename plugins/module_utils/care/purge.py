# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The purge: what retention does not ask to keep leaves the backup (R-232 to R-240; reference, section 2.5).

First a plan: what becomes of each journal, and what that comes to. Then packs are written anew (repack.py).
"""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any, NamedTuple

from ..backup.ended import began_after, was_switched_off
from ..backup.inventory import Inventory
from ..backup.repository import Repository
from ..backup.writer import Writer
from ..model.errors import Damaged
from ..model.state import ACCOUNT_ITEM, SERVER, Entry
from ..operations.progress import SILENT, Progress
from . import hold, retention
from .repack import MERGE_FROM, Repack, Repacked
from .retention import Ended, Retention, Verdict


class Journal(NamedTuple):
    """What becomes of the journal of one account, or of the server."""

    scope: str
    name: str
    """The address; empty for the server's."""
    verdict: Verdict
    transactions: int
    """How many states go."""
    items: int
    """How many items go with all their states."""

    def line(self) -> str:
        """Return it as a line of a plan."""
        who = self.name or "domains, classes of service and lists"
        if self.verdict.wholly:
            return f"{who}: the account goes ({self.verdict.reason}), {self.items} items"
        return f"{who}: {self.items} items and {self.transactions} states go"


class Plan(NamedTuple):
    """What a purge would do."""

    journals: list[Journal]
    """Those of which something goes."""
    held: list[str]
    """Addresses of the accounts that stay as they are because of a legal hold."""
    blobs: int
    """Contents that nothing refers to then."""
    blob_bytes: int

    @property
    def changes(self) -> bool:
        """Whether anything goes."""
        return bool(self.journals or self.blobs)

    def totals(self) -> dict[str, Any]:
        """Return what goes, in numbers."""
        accounts = sorted(journal.name for journal in self.journals if journal.verdict.wholly)
        return {
            "purged_accounts": accounts,
            "purged_items": sum(journal.items for journal in self.journals),
            "purged_states": sum(journal.transactions for journal in self.journals),
            "purged_blobs": self.blobs,
            "purged_bytes": self.blob_bytes,
            "held_accounts": self.held,
        }

    def lines(self) -> list[str]:
        """Return the plan as text."""
        lines = [journal.line() for journal in self.journals]
        return [*lines, f"{self.blobs} contents of {self.blob_bytes} bytes go"] if self.changes else lines


def plan(
    repository: Repository, asked: Retention | None, now: int, progress: Progress = SILENT
) -> tuple[Plan, Inventory]:
    """Find out what goes, without changing anything.

    :param asked: None to keep everything, and only look at what is no longer referred to.
    :param now: UTC milliseconds.
    :raises Damaged: something of the backup cannot be read, and it is not known what that refers to.
    """
    damages = repository.damages()
    if damages:
        raise Damaged(
            f"{repository.path} is damaged, and is left as it is: nobody can tell what the lost parts refer to. "
            f"{damages[0].file}: {damages[0].reason} Put it back from a copy or the archive, or have a coherency check "
            "take it out; then run this again."
        )
    on_hold = hold.held(repository)
    inventory = Inventory(repository.catalogue)
    journals, names = [], []
    scopes = repository.scopes()
    progress.phase("plan", len(scopes) + 1)

    @functools.cache
    def since(at: int) -> int:
        found = inventory.first_between(at, now)
        return retention.NEVER if found is None else found

    for scope in (SERVER, *scopes):
        entry = _last(repository, scope)
        name = entry.name if entry else scope if scope != SERVER else ""
        verdict = _verdict(repository, scope, asked, now, on_hold, since)
        gone = inventory.put(scope, verdict.keep())
        if gone.transactions:
            journals.append(Journal(scope, name, verdict, *gone))
        if scope in on_hold:
            names.append(name)
        progress.advance(1)
    return Plan(journals, sorted(names), *inventory.lost_blobs()), inventory


def purge(
    writer: Writer, asked: Retention | None, now: int, progress: Progress = SILENT, merge_from: int = MERGE_FROM
) -> tuple[Plan, Repacked]:
    """Purge a backup, and merge its small packs. Purging again changes nothing.

    It may be killed at any moment: until its one commit is made the backup is what it was.

    :param writer: one with nothing in hand. :param asked: None to keep everything and only merge.
    :param merge_from: how many small packs of a kind are merged; fewer are left alone.
    :raises Damaged: as plan. :raises Refused: the disk does not take it; nothing is changed.
    """
    planned, inventory = plan(writer.repository, asked, now, progress)
    return planned, Repack(writer, inventory, progress, merge_from).run()


def merge_is_due(repository: Repository, merge_from: int = MERGE_FROM) -> bool:
    """Return whether a backup has many small packs, of one kind; a damaged one is left as it is."""
    small = Counter(pack.kind for pack in repository.packs() if pack.size < repository.pack_size // 2)
    return max(small.values(), default=0) >= merge_from and not repository.damages()


def merge(writer: Writer, progress: Progress = SILENT, merge_from: int = MERGE_FROM) -> Repacked:
    """Write many small packs as few large ones; what the backup says stays the same. Errors as purge."""
    return purge(writer, None, 0, progress, merge_from)[1]


def _verdict(
    repository: Repository, scope: str, asked: Retention | None, now: int, on_hold: set[str], since: retention.Since
) -> Verdict:
    if asked is None:
        return Verdict(retention.RETENTION, None)
    if scope == SERVER:
        return retention.server(asked, now, bool(on_hold), since)
    ended = _ended(repository, scope)
    return retention.account(asked, now, ended, scope in on_hold, since, began_after(repository, scope))


def _ended(repository: Repository, scope: str) -> Ended | None:
    """Return since when an account is not backed up any more; None for one that is."""
    found = repository.state(scope, ACCOUNT_ITEM)
    if found is None or found.state is not None:
        return None
    return Ended(found.at, was_switched_off(repository, found), found.seq)


def _last(repository: Repository, scope: str) -> Entry | None:
    """Return the last that is known of an account."""
    entry = None
    for found in repository.history(scope, ACCOUNT_ITEM):
        entry = found.state if isinstance(found.state, Entry) else entry
    return entry
