# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of results, written into docs/benchmarks.md between two markers."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .measure import Usage


def marks(part: str) -> tuple[str, str]:
    """Return what stands in the document before and behind the results of a part of the measures."""
    return f"<!-- written by make bench, {part}: begin -->", f"<!-- written by make bench, {part}: end -->"


class Row(NamedTuple):
    """One comparison, or one measure that stands alone."""

    name: str
    """What was done, as the heading of the row."""
    ours: Usage
    goal: str
    """In words, as the table shows it."""
    met: bool
    peer: str = ""
    """What it is held against; empty where the goal is a number of its own."""
    theirs: Usage | None = None
    note: str = ""
    limit: str = ""
    """What was measured of what no program can go below; shown where the goal is missed."""

    def result(self) -> str:
        """Say how ours stands to the peer's: as a multiple of its time, or as how many times faster."""
        if self.theirs is None:
            return ""
        return faster(self.ours, self.theirs)


def faster(ours: Usage, theirs: Usage) -> str:
    """Say how one time stands to another: as a multiple of it, or as how many times faster."""
    ratio = ours.seconds / theirs.seconds
    return f"{ratio:.2f}x its time" if ratio > 0.95 else f"{1 / ratio:.{1 if ratio < 0.5 else 2}f}x faster"


def seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:,.0f} s"


def megabytes(value: int) -> str:
    return f"{value / 1e6:,.0f} MB"


def line(row: Row) -> str:
    """Return one row as a line of the table."""
    peer = row.theirs
    return "| " + " | ".join([
        row.name, seconds(row.ours.seconds), megabytes(row.ours.peak), row.peer,
        seconds(peer.seconds) if peer else "", megabytes(peer.peak) if peer else "",
        row.result(), row.goal, "yes" if row.met else "**no**",
    ]) + " |"


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, their notes below it."""
    lines = [
        "| measure | ours | peak | against | its time | its peak | result | goal | met |",
        "|---|--:|--:|---|--:|--:|--:|---|---|",
        *map(line, rows),
    ]
    notes = [f"- **{row.name}**: {row.note}" for row in rows if row.note]
    missed = [f"- **{row.name}**, {row.goal}: {row.limit or 'no limit was measured'}." for row in rows if not row.met]
    if missed:
        missed = ["Goals that are missed, and what was measured in the same run of what bounds them:", "", *missed]
    return "\n\n".join("\n".join(part) for part in (lines, notes, missed) if part)


def machine() -> str:
    """Say in one line what this was measured on."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", cpuinfo, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({model.group(1) if model else platform.machine()}), {memory:.0f} GiB, "
        f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}"
    )


def section(
    rows: Sequence[Row], data: str, server: str, versions: Mapping[str, str], date: str, growth: str = ""
) -> str:
    """Return all that goes between the marks of a part.

    :param server: which one all have worked with. :param growth: what is to stand below the table.
    """
    return "\n".join([
        f"Measured on {date}: {machine()}.", "",
        f"{server}. Peers: {', '.join(versions.values())}.", "",
        f"Mail: {data}.", "",
        table(rows), "",
        *([growth, ""] if growth else []),
    ])


def write(document: Path, part: str, text: str) -> None:
    """Replace what lies between the marks of a part in a document."""
    begin, end = marks(part)
    before, rest = document.read_text(encoding="utf-8").split(begin)
    document.write_text(f"{before}{begin}\n\n{text}\n{end}{rest.split(end)[1]}", encoding="utf-8")


def as_json(rows: Sequence[Row], growth: Sequence[object] = ()) -> str:
    """Return the rows, and how cost grows, for programs."""
    return json.dumps({
        "rows": [
            {**row._asdict(), "ours": row.ours._asdict(), "theirs": row.theirs._asdict() if row.theirs else None}
            for row in rows
        ],
        "growth": list(growth),
    }, indent=2)
