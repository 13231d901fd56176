# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a coherency check has found, in values and in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..backup.audit import Reference
from ..model import moment
from .ledger import ARCHIVE

# What a fault is of.
FORMAT: Final = "format"
COMMIT: Final = "commit"
DOUBT: Final = "doubtful commit"
"""The newest one, of which the two sides have two versions."""
METADATA: Final = "metadata"
CONTENTS: Final = "contents"
JOURNAL: Final = "journal"
CATALOGUE: Final = "catalogue"

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
