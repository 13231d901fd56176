# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a SmartScan: the counters of its final notification (R-282)."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, NamedTuple

MAX_FAILURES: Final = 1000
"""How many read failures are named; all are counted."""


class ReadFailure(NamedTuple):
    """Something that the mail server did not give."""

    account: str
    """Address of the account; empty for the server's own entries."""
    item_id: str
    """Empty where it was the mailbox as a whole."""
    reason: str


@dataclasses.dataclass
class ScanReport:
    """What a scan saw and wrote."""

    new_accounts: int = 0
    """Accounts seen for the first time."""
    updated_accounts: int = 0
    """Accounts known before whose mailbox or entry had changed."""
    deleted_accounts: int = 0
    unchanged_accounts: int = 0
    """Accounts that were not looked into, because nothing had changed."""
    checked_items: int = 0
    """Items, and entries of the directory, that were looked at."""
    new_items: int = 0
    """Items seen for the first time ("new metadata")."""
    updated_items: int = 0
    """Items known before that got a new state."""
    deleted_items: int = 0
    """Items, and entries that are no accounts, that are gone."""
    new_blobs: int = 0
    """Contents written ("new files"): each once, however many items have it."""
    new_bytes: int = 0
    """Their bytes."""
    skipped_items: int = 0
    """Items that were looked at and left: unchanged, vanished meanwhile, or unreadable."""
    read_errors: int = 0
    """Reads that failed ("I/O read exceptions"). What failed is tried again by the next scan."""
    failures: list[ReadFailure] = dataclasses.field(default_factory=list)
    """The first MAX_FAILURES of them."""
    commits: int = 0
    seconds: float = 0.0
    stopped: bool = False
    """It was told to stop; the next scan goes on where it was."""
    gave_up: bool = False
    """It gave up because more reads had failed than the threshold allows."""

    @property
    def changed(self) -> bool:
        """Whether anything was written to the backup."""
        return self.commits > 0

    @property
    def items_per_second(self) -> float:
        """Checked items by the time it took."""
        return round(self.checked_items / self.seconds, 1) if self.seconds else 0.0

    def fail(self, account: str, item_id: str, reason: str) -> None:
        """Count a read that failed."""
        self.read_errors += 1
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(ReadFailure(account, item_id, reason))

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        record = dataclasses.asdict(self)
        record["failures"] = [failure._asdict() for failure in self.failures]
        return {**record, "changed": self.changed, "items_per_second": self.items_per_second}

    def text(self) -> str:
        """Return the report as the text of a notification."""
        lines = [
            f"New accounts: {self.new_accounts}",
            f"Accounts updated: {self.updated_accounts}",
            f"Accounts deleted: {self.deleted_accounts}",
            f"Items updated: {self.updated_items}",
            f"Items deleted: {self.deleted_items}",
            f"New metadata: {self.new_items}",
            f"New files: {self.new_blobs}",
            f"Checked items: {self.checked_items}",
            f"Skipped items: {self.skipped_items}",
            f"I/O read exceptions: {self.read_errors}",
            f"Items/sec: {self.items_per_second}",
        ]
        if self.stopped:
            lines.append("The scan was stopped; the next one goes on where it was.")
        if self.gave_up:
            lines.append("The scan gave up: more reads failed than read_error_threshold allows.")
        if self.failures:
            lines += ["", "- unreadable -"]
            lines += [
                " ".join(part for part in (failure.account or "directory", failure.item_id) if part)
                + f": {failure.reason}"
                for failure in self.failures
            ]
        return "\n".join(lines) + "\n"
