# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a round of a standby has done, counted by kind."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

from . import plan


@dataclasses.dataclass
class RoundReport:
    """What was done to the mail store here."""

    created: Counter[str] = dataclasses.field(default_factory=Counter)
    updated: Counter[str] = dataclasses.field(default_factory=Counter)
    deleted: Counter[str] = dataclasses.field(default_factory=Counter)
    adopted: Counter[str] = dataclasses.field(default_factory=Counter)
    """What was here already and is followed from now on; the standby never deletes it."""
    kept: Counter[str] = dataclasses.field(default_factory=Counter)
    """What is gone at the primary and was not the standby's to delete."""
    failed: Counter[str] = dataclasses.field(default_factory=Counter)
    """What could not be applied; the record says why."""
    not_held: Counter[str] = dataclasses.field(default_factory=Counter)
    """What this mail server cannot hold."""
    bytes: int = 0
    commit: int = 0
    """The newest commit that is applied now."""

    def count(self, action: str, kind: str) -> None:
        """Count one step that was carried out."""
        counter = {
            plan.CREATE: self.created, plan.UPDATE: self.updated, plan.DELETE: self.deleted, plan.ADOPT: self.adopted,
            plan.KEEP: self.kept, plan.LEAVE: self.failed,
        }.get(action)
        if counter is not None:
            counter[kind] += 1

    @property
    def changed(self) -> bool:
        """Whether the mail store was written to."""
        return bool(self.created or self.updated or self.deleted)

    def add(self, other: RoundReport) -> None:
        """Add what another round has done."""
        for field in dataclasses.fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if isinstance(mine, Counter):
                mine.update(theirs)
        self.bytes += other.bytes
        self.commit = max(self.commit, other.commit)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            name: dict(sorted(value.items())) if isinstance(value, Counter) else value
            for name, value in ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        }

    def text(self) -> str:
        """Return the report for people."""
        lines = [
            f"{name}: {', '.join(f'{count} {kind}' for kind, count in sorted(counter.items()))}"
            for name, counter in (
                ("created", self.created), ("updated", self.updated), ("deleted", self.deleted),
                ("adopted", self.adopted), ("kept", self.kept), ("failed", self.failed), ("not held", self.not_held),
            ) if counter
        ]
        return "".join(f"{line}\n" for line in lines)
