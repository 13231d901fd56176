# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What mailboxes hold, held against what the backup says of them; nothing is recorded (checkZimbra)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds
from ..model.state import ItemState
from ..operations.progress import SILENT, Progress
from ..scan.directory import switch_of
from ..scan.recorder import fingerprint

NAMED: Final = 100
"""How many differences are named; all are counted."""


class Differences(NamedTuple):
    """Where a backup and a mail server do not say the same."""

    number: int
    first: list[str]


def compare(
    store: MailStore, repository: Repository, scopes: Collection[str] = (), progress: Progress = SILENT
) -> Differences:
    """Compare the mailboxes that are backed up, item by item.

    :param scopes: ids of the accounts to compare; all where it is empty.
    :raises RestanteError: the mail server cannot be asked.
    """
    count, first = 0, []
    is_on = switch_of(store).is_on
    accounts = [
        entry for entry in store.entries(kinds.ACCOUNT)
        if is_on(entry) and (not scopes or entry.entry_id in scopes)
    ]
    progress.phase("mailboxes", len(accounts))
    for account in accounts:
        if progress.stopping():
            break
        for line in _of_mailbox(store, repository, account.entry_id):
            count += 1
            if count <= NAMED:
                first.append(f"{account.name}: {line}")
        progress.advance(1)
    return Differences(count, first)


def _of_mailbox(store: MailStore, repository: Repository, account_id: str) -> Iterator[str]:
    known = {
        found.item_id: found.state for found in repository.states(account_id) if isinstance(found.state, ItemState)
    }
    for present in store.changes(account_id).items:
        before = known.pop(present.item_id, None)
        if before is None:
            yield f"{present.kind} {present.item_id} is not in the backup"
            continue
        if not present.digest:  # a mail server that does not know any
            present = present._replace(digest=before.digest, size=before.size)
        if fingerprint(before) != fingerprint(present):
            yield f"{present.kind} {present.item_id} is another in the backup"
    for item_id, state in known.items():
        yield f"{state.kind} {item_id} is in the backup, and not in the mailbox"
