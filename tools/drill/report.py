# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a drill leaves behind: build/drill/report.json for machines, a short table for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class DrillReport(NamedTuple):
    """The evidence of one drill. Counts are by item kind; times are seconds."""

    expected: Mapping[str, int]
    """What node A held at the last commit that had reached the bucket."""
    restored: Mapping[str, int]
    """What the restore says it wrote; directory entries included."""
    verified: Mapping[str, int]
    """What was found on node B exactly as node A had it, content hashed anew."""
    skipped: Mapping[str, int]
    unrestored: Mapping[str, int]
    lost_after_last_commit: Mapping[str, int]
    """What node A held when it was killed and the last commit did not: changed or new since."""
    missing: list[str]
    """Items of node A that node B lacks, or has otherwise; the first hundred, in words."""
    unexpected: list[str]
    """Items of node B that node A did not have; the first hundred, in words."""
    differences: list[str]
    """What the engine's own verification found; the first hundred."""
    rpo_seconds: float
    """From the last commit in the bucket to the death of node A."""
    rto_seconds: Mapping[str, float]
    """From the start of the recovery to the end of each phase; "total" is the end of the playbook."""
    passed: bool

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.write_text(json.dumps(self._asdict(), indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def table(self) -> str:
        """Return the report as a table of a terminal's width."""
        columns = ("expected", "restored", "verified", "skipped", "unrestored", "lost")
        counts = (
            self.expected, self.restored, self.verified, self.skipped, self.unrestored, self.lost_after_last_commit
        )
        names = sorted(set().union(*counts))
        rows = [f"{'':<18}" + "".join(f"{column:>12}" for column in columns)]
        rows += [f"{name:<18}" + "".join(f"{count.get(name, 0):>12}" for count in counts) for name in names]
        rows.append(f"{'total':<18}" + "".join(f"{sum(count.values()):>12}" for count in counts))
        rows += ["", f"{'RPO':<18}{self.rpo_seconds:>11.1f}s  from the last commit in the bucket to the loss of node A"]
        rows += [f"{'RTO':<18}{seconds:>11.1f}s  {phase}" for phase, seconds in self.rto_seconds.items()]
        rows += [f"{'missing':<18}  {line}" for line in self.missing[:10]]
        rows += [f"{'unexpected':<18}  {line}" for line in self.unexpected[:10]]
        rows += [f"{'different':<18}  {line}" for line in self.differences[:10]]
        rows += ["", "verdict: " + ("PASSED, every item is back" if self.passed else "FAILED")]
        return "\n".join(rows)
