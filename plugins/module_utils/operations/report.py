# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a restore: what was restored, what was skipped, what could not be restored and why.

Skipped is what had been restored before (or is there already); unrestored is what failed; the two are never mixed
(R-274). An entry of the directory (an account, a domain, ...) counts as an item too.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..model.errors import Damaged, InvalidInput, Refused
from .timeline import Timeline

READ_ERROR: Final = "read error"
"""Its bytes or its metadata could not be read from the backup (R-275)."""
BROKEN_ITEM: Final = "broken item"
"""It was read, but its content is corrupt (R-275)."""
INVALID_ITEM: Final = "invalid item"
"""It is sound, but the mail server refused it (R-275)."""


def cause_of(error: Exception) -> str:
    """Return the cause, in the documentation's words, that an error stands for."""
    if isinstance(error, Damaged):
        return BROKEN_ITEM
    if isinstance(error, (Refused, InvalidInput)):
        return INVALID_ITEM
    return READ_ERROR


class Unrestored(NamedTuple):
    """One item that could not be restored."""

    account: str
    """Address of its account; empty for an entry of the directory."""
    item_id: str
    """Its id in the backup; the name for an entry of the directory."""
    kind: str
    cause: str
    """READ_ERROR, BROKEN_ITEM or INVALID_ITEM."""
    reason: str
    """What went wrong, as a sentence."""


class RestoreReport:
    """Counts by kind, the unrestored items, and warnings. Workers of one restore may share it between threads."""

    def __init__(self) -> None:
        self.restored: Counter[str] = Counter()
        """What this run has restored, by kind."""
        self.skipped: Counter[str] = Counter()
        """What was there already, by kind."""
        self.unrestored: list[Unrestored] = []
        self.not_held: Counter[tuple[str, str]] = Counter()
        """What restored items had and the mail server cannot hold, by kind and what it is."""
        self.warnings: list[str] = []
        """What the administrator should know although nothing failed, as sentences; each once."""
        self.timeline = Timeline()
        """Of the restore of a whole server: when it had reached what."""
        self._lock = threading.Lock()

    def add_restored(self, kind: str, count: int = 1) -> None:
        """Count restored items of a kind."""
        with self._lock:
            self.restored[kind] += count

    def add_skipped(self, kind: str, count: int = 1) -> None:
        """Count items of a kind that were there already."""
        with self._lock:
            self.skipped[kind] += count

    def add_unrestored(self, account: str, item_id: str, kind: str, cause: str, reason: str) -> None:
        """Note an item that could not be restored; the parameters are Unrestored's."""
        with self._lock:
            self.unrestored.append(Unrestored(account, item_id, kind, cause, reason))

    def add_not_held(self, kind: str, what: str, count: int = 1) -> None:
        """Count what items of a kind had and the mail server cannot hold."""
        with self._lock:
            self.not_held[kind, what] += count

    def warn(self, sentence: str) -> None:
        """Note what the administrator should know."""
        with self._lock:
            if sentence not in self.warnings:
                self.warnings.append(sentence)

    def merge(self, part: Mapping[str, Any]) -> None:
        """Add what another report's to_json has returned."""
        for kind, count in part["restored"].items():
            self.add_restored(kind, count)
        for kind, count in part["skipped"].items():
            self.add_skipped(kind, count)
        for item in part["unrestored_items"]:
            self.add_unrestored(**item)
        for kind, counts in part["not_held"].items():
            for what, count in counts.items():
                self.add_not_held(kind, what, count)
        for sentence in part["warnings"]:
            self.warn(sentence)

    def unrestored_by_kind(self) -> Counter[str]:
        """Return how many items of each kind could not be restored."""
        return Counter(item.kind for item in self.unrestored)

    @property
    def changed(self) -> bool:
        """Whether the restore changed anything at the destination."""
        return any(self.restored.values())

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object, as modules return it and drills keep it."""
        return {
            "restored": dict(sorted(self.restored.items())),
            "skipped": dict(sorted(self.skipped.items())),
            "unrestored": dict(sorted(self.unrestored_by_kind().items())),
            "unrestored_items": [item._asdict() for item in self.unrestored],
            "not_held": self._not_held_by_kind(),
            "warnings": list(self.warnings),
        }

    def to_result(self) -> dict[str, Any]:
        """Return the report as the result of a module has it."""
        return as_result(self.to_json())

    def _not_held_by_kind(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for (kind, what), count in sorted(self.not_held.items()):
            found.setdefault(kind, {})[what] = count
        return found

    def text(self) -> str:
        """Return the final report in the documented form (R-272, R-273), followed by the reasons and the warnings.

        The ids of an account's unrestored items are comma-separated, so that they can be pasted into a search for
        "item: 856,13339".
        """
        lines = [
            "- stats -",
            f"Restored Items: {sum(self.restored.values())}",
            f"Skipped Items:  {sum(self.skipped.values())}",
            f"Unrestored Items: {len(self.unrestored)}",
        ]
        by_account: dict[str, list[str]] = {}
        for item in self.unrestored:
            by_account.setdefault(item.account, []).append(item.item_id)
        if by_account:
            lines += ["", "- unrestored items -"]
            for account, ids in by_account.items():
                if account:
                    lines += [f"account: {account}", f"unrestored items: {','.join(ids)}"]
                else:
                    lines += ["directory", f"unrestored entries: {','.join(ids)}"]
            lines += ["", "- reasons -"]
            lines += [
                f"{item.account or 'directory'} {item.kind} {item.item_id}: {item.cause}: {item.reason}"
                for item in self.unrestored
            ]
        if self.not_held:
            lines += ["", "- what the mail server cannot hold -"]
            lines += [f"{kind}: {what}: {count}" for (kind, what), count in sorted(self.not_held.items())]
        if self.warnings:
            lines += ["", "- warnings -", *self.warnings]
        return "\n".join(lines) + "\n"


def as_result(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report of JSON as the result of a module: there, ``skipped`` says to Ansible that nothing was done."""
    return {("already_there" if name == "skipped" else name): value for name, value in told.items()}
