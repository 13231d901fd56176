# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How cost grows with size: what was measured at several sizes, as pictures and as numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from .chart import Panel, draw
from .measure import Usage
from .report import megabytes, seconds

MB = 1_000_000


class Subject(NamedTuple):
    """Something that becomes more."""

    title: str
    unit: str
    """What is counted."""


SUBJECTS: Mapping[str, Subject] = {
    "accounts": Subject("How cost grows with the accounts of a server", "accounts of 10 messages each"),
    "items": Subject("How cost grows with the items of an account", "items of one account"),
    "history": Subject("How cost grows with the history", "transactions of a backup"),
}


class Growth:
    """Takes measurements by subject, by what was done and by size; each picture has the time and the memory."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[str, dict[int, Usage]]] = {}

    def add(self, subject: str, done: str, size: int, usage: Usage) -> Usage:
        """Take in, and return, what something took at a size."""
        self._lines.setdefault(subject, {}).setdefault(done, {})[size] = usage
        return usage

    def write(self, document: Path) -> str:
        """Write the pictures beside a document; return what is to stand in it."""
        parts = []
        for subject, lines in self._lines.items():
            picture = document.with_name(f"{document.stem}-{subject}.svg")
            picture.write_text(self._picture(SUBJECTS[subject], lines), encoding="utf-8")
            parts.append("\n".join((
                f"![{_alternative(SUBJECTS[subject], lines)}]({picture.name})", "",
                "<details><summary>The same in numbers</summary>", "",
                *_table(SUBJECTS[subject], lines), "", "</details>",
            )))
        return "\n\n".join(parts)

    def as_json(self) -> list[dict[str, object]]:
        """Return all measurements for programs."""
        return [
            {"subject": subject, "done": done, "size": size, "seconds": usage.seconds, "peak": usage.peak}
            for subject, lines in self._lines.items() for done, usages in lines.items()
            for size, usage in usages.items()
        ]

    def _picture(self, subject: Subject, lines: Mapping[str, Mapping[int, Usage]]) -> str:
        times = {name: [(size, usage.seconds) for size, usage in usages.items()] for name, usages in lines.items()}
        peaks = {name: [(size, usage.peak / MB) for size, usage in usages.items()] for name, usages in lines.items()}
        return draw(subject.title, _alternative(subject, lines), subject.unit, [
            Panel("time", "s", times), Panel("peak memory", "MB", peaks),
        ])


def _alternative(subject: Subject, lines: Mapping[str, Mapping[int, Usage]]) -> str:
    """Say in words what a picture shows."""
    return f"{subject.title}. " + " ".join(
        f"{name[0].upper()}{name[1:]}: {_ends(usages)}." for name, usages in lines.items()
    )


def _ends(usages: Mapping[int, Usage]) -> str:
    ends = sorted({min(usages), max(usages)})
    return ", ".join(f"{size:,} in {seconds(usages[size].seconds)}" for size in ends)


def _table(subject: Subject, lines: Mapping[str, Mapping[int, Usage]]) -> Iterator[str]:
    sizes = sorted({size for usages in lines.values() for size in usages})
    yield f"| {subject.unit} | " + " | ".join(lines) + " |"
    yield "|--:|" + "--:|" * len(lines)
    for size in sizes:
        yield f"| {size:,} | " + " | ".join(
            f"{seconds(usages[size].seconds)}, {megabytes(usages[size].peak)}" if size in usages else ""
            for usages in lines.values()
        ) + " |"
