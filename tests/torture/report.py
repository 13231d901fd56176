# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a torture run has tried, how often, and what it has found: as text for people and as JSON."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .crashes import Finding


class Report:
    """The course of one run."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.tried: Counter[tuple[str, str]] = Counter()
        """By job and kind of disturbance."""
        self.operations: dict[str, int] = {}
        """Of each job, undisturbed."""
        self.findings: list[Finding] = []
        self._begun = time.monotonic()

    def note(self, job: str, kind: str, found: Iterator[Finding]) -> None:
        """Count a disturbance, and tell at once what it has found."""
        self.tried[job, kind] += 1
        for finding in found:
            self.findings.append(finding)
            print(f"\n{_told(finding)}\n", flush=True)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "seed": self.seed, "seconds": round(time.monotonic() - self._begun, 1), "disturbances": self.tried.total(),
            "jobs": {
                job: {
                    "operations": count,
                    "tried": {kind: number for (name, kind), number in sorted(self.tried.items()) if name == job},
                }
                for job, count in self.operations.items()
            },
            "findings": [{**finding._asdict(), "command": command(finding)} for finding in self.findings],
        }

    def text(self) -> str:
        """Return the report for people: a line for each job, the findings, and the sum."""
        kinds = sorted({kind for _job, kind in self.tried})
        width = max(map(len, self.operations), default=0)
        lines = [f"{'':{width}}  operations  " + "  ".join(kinds)]
        for job, count in self.operations.items():
            cells = "  ".join(f"{self.tried[job, kind]:{len(kind)}}" for kind in kinds)
            lines.append(f"{job:{width}}  {count:10}  {cells}")
        lines += ["", *map(_told, self.findings)]
        spent = time.monotonic() - self._begun
        lines.append(
            f"{self.tried.total()} disturbances, {len(self.findings)} findings, seed {self.seed}, {spent:.0f} s"
        )
        return "\n".join(lines) + "\n"

    def save(self, folder: Path) -> None:
        """Write both forms into a directory: torture-report.json and torture-report.txt."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "torture-report.json").write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")
        (folder / "torture-report.txt").write_text(self.text(), encoding="utf-8")


def command(finding: Finding) -> str:
    """Return what repeats a finding, to be typed in the checkout."""
    options = shlex.join(["--job", finding.job, "--repeat", finding.repeat])
    return f"PYTHONPATH=build/collections build/env-test/bin/python -m tests.torture {options}"


def _told(finding: Finding) -> str:
    return f"FOUND {finding.job}, {finding.disturbance}:\n{finding.what}\nAgain: {command(finding)}"


def lists(tried: Counter[tuple[str, str]], jobs: dict[str, str]) -> None:
    """Print how often each job was disturbed, and how often each kind of disturbance was tried.

    :param tried: by job and kind. :param jobs: something to be told of each.
    """
    for job, what in jobs.items():
        times = sum(count for (one, _kind), count in tried.items() if one == job)
        print(f"{job}{', ' if what else ''}{what}: {times}")
    by_kind: Counter[str] = Counter()
    for (_job, kind), times in tried.items():
        by_kind[kind] += times
    print("; ".join(f"{kind}: {times}" for kind, times in sorted(by_kind.items())))
