# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a coherency check has found, and what was done about it, in values and in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..backup.audit import Reference
from ..model import moment
from .ledger import ARCHIVE

# What a fault is of.
FORMAT: Final = "format"
KEYRING: Final = "keyring"
COMMIT: Final = "commit"
DOUBT: Final = "doubtful commit"
"""The newest one, of which the two sides have two versions."""
METADATA: Final = "metadata"
CONTENTS: Final = "contents"
JOURNAL: Final = "journal"
CATALOGUE: Final = "catalogue"

QUARANTINE: Final = "quarantine"
"""The folder of what was altered."""

BEHIND: Final = "commits_to_upload"
"""Under what is counted how many commits the archive does not have yet."""
NAMED: Final = 1000
"""How many faults and lost contents are named; all are counted."""


class Fault(NamedTuple):
    """Something that is not as it must be."""

    side: str
    """HERE or ARCHIVE."""
    kind: str
    file: str
    """Relative to the Backup Path or the archive's prefix; for a journal its name."""
    reason: str
    consequence: str = ""
    named_rightly: bool = False
    """Its bytes are those that its name promises: another copy would be no better."""

    def line(self) -> str:
        """Return it as a line of a report."""
        where = "archive: " if self.side == ARCHIVE else ""
        return f"{where}{self.file}: {self.reason} {self.consequence}".rstrip()


@dataclasses.dataclass
class Findings:
    """What a check saw."""

    faults: list[Fault] = dataclasses.field(default_factory=list)
    unneeded: list[tuple[str, int]] = dataclasses.field(default_factory=list)
    """Files of packs, with their sizes, that no commit names, and that no reader can be at work with."""
    lost: list[Reference] = dataclasses.field(default_factory=list)
    """The first NAMED states of items whose content cannot be read."""
    lost_states: int = 0
    lost_contents: int = 0
    double: list[Reference] = dataclasses.field(default_factory=list)
    """States whose content is compressed a second time."""
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    """How much was looked at."""
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Addresses by account id."""
    stopped: bool = False
    oldest: int = 0
    """Since when everything has been looked at, UTC milliseconds; 0 if something never was."""
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def is_coherent(self) -> bool:
        """Whether nothing is damaged."""
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            **self.counts,
            "coherent": self.is_coherent,
            "faults": len(self.faults),
            "damages": [
                {**fault._asdict(), "consequence": self._named(fault.consequence), "reason": self._named(fault.reason)}
                for fault in self.faults[:NAMED]
            ],
            "unneeded_files": len(self.unneeded),
            "unneeded_bytes": sum(size for _name, size in self.unneeded),
            "lost_contents": self.lost_contents,
            "lost_states": self.lost_states,
            "lost": [self._shown(one) for one in self.lost],
            "double_compressed": [self._shown(one) for one in self.double],
            "stopped": self.stopped,
            "all_checked_since": moment.iso(self.oldest) if self.oldest else "",
        }

    def _shown(self, one: Reference) -> dict[str, str]:
        return {
            "account": self.names.get(one.scope, one.scope), "account_id": one.scope, "item": one.item,
            "kind": one.kind, "since": moment.iso(one.at), "digest": one.digest,
        }

    def _named(self, sentence: str) -> str:
        """Return a sentence with addresses in the place of the ids of accounts."""
        for scope, name in self.names.items():
            if scope in sentence:
                sentence = sentence.replace(scope, f"{name} ({scope})")
        return sentence

    def text(self) -> str:
        """Return it as the text of a notification."""
        lines = [f"{name.replace('_', ' ').capitalize()}: {count}" for name, count in self.counts.items()]
        lines += [f"Damages: {len(self.faults)}", f"Contents that cannot be read: {self.lost_contents}"]
        if self.unneeded:
            lines.append(f"Files that nothing needs: {len(self.unneeded)}")
        since = moment.iso(self.oldest) if self.oldest else "not yet; the next checks go on"
        lines.append(f"All of it was checked since: {since}")
        if self.faults:
            lines += ["", "- damaged -", *(self._named(fault.line()) for fault in self.faults[:NAMED])]
        if self.lost:
            lines += ["", "- items whose content cannot be read -"]
            lines += [
                f"{self.names.get(one.scope, one.scope)}: {one.kind} {one.item}, as it was since {moment.iso(one.at)}"
                for one in self.lost
            ]
        if self.double:
            lines += ["", "- compressed twice -"]
            lines += [f"{self.names.get(one.scope, one.scope)}: {one.kind} {one.item}" for one in self.double]
        return "\n".join(lines) + "\n"


@dataclasses.dataclass
class Mended:
    """What was done."""

    fetched_files: int = 0
    """From the archive."""
    sent_files: int = 0
    """To the archive."""
    saved_contents: int = 0
    """Written anew, out of packs that are damaged here and there."""
    removed_packs: int = 0
    """Taken out of the backup."""
    set_aside: list[str] = dataclasses.field(default_factory=list)
    """Files that got a name below quarantine/."""
    rebuilt_catalogue: bool = False
    commits: int = 0
    left: list[Fault] = dataclasses.field(default_factory=list)
    """What could not be put right."""

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return bool(
            self.fetched_files or self.sent_files or self.set_aside or self.rebuilt_catalogue or self.commits
        )

    def add(self, other: Mended) -> None:
        """Add what was done then; what was left before is left no more, or left again."""
        for field in ("fetched_files", "sent_files", "saved_contents", "removed_packs", "commits"):
            setattr(self, field, getattr(self, field) + getattr(other, field))
        self.set_aside += other.set_aside
        self.rebuilt_catalogue |= other.rebuilt_catalogue
        self.left = other.left

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {**dataclasses.asdict(self), "set_aside": self.set_aside[:NAMED], "left": len(self.left)}

    def text(self) -> str:
        """Return it as text; empty where nothing was done."""
        if not self.changed:
            return ""
        shown = {**self.to_json(), "set_aside": len(self.set_aside)}
        lines = [f"{name.replace('_', ' ').capitalize()}: {value}" for name, value in shown.items()]
        return "\n".join(["", "- put right -", *lines, *self.set_aside[:NAMED]]) + "\n"
