# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pictures of a report, as SVG in its page: the timeline of a drill, and the trend over past ones. No I/O.

Colours come from the page's style sheet by class, so that they follow light, dark and print. What a picture says is
told once more for those who cannot see it, and nothing is told by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final, NamedTuple

from . import durations

WIDTH: Final = 760
_ROW: Final = 30
_LABELS: Final = 196
"""Width of what stands left of the bars of a timeline."""
_VALUES: Final = 92
"""Width of what stands right of them."""

STEPS: Final = (
    ("began", "declared", "Begun"),
    ("metadata", "began", "Metadata fetched"),
    ("provisioned", "metadata", "Accounts provisioned"),
    ("first_mailbox", "provisioned", "First mailbox usable"),
    ("newest_mail", "provisioned", "Newest mail everywhere"),
    ("complete", "provisioned", "Everything restored"),
    ("verified", "complete", "Everything verified"),
)
"""The bars of a timeline: the moment that one ends with, the one that it begins with, and what it is called."""

_TICKS: Final = (
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200,
    86400, 172800, 432000, 864000, 1728000, 4320000, 8640000,
)
"""Seconds between two lines of an axis, of which the smallest is taken that gives few lines."""


class Bar(NamedTuple):
    """One past drill in a trend."""

    label: str
    """Its date."""
    value: float | None
    """None where it has come to none."""
    passed: bool


def timeline(record: Mapping[str, Any]) -> str:
    """Return the timeline of a drill as a picture."""
    reached = {one["name"]: one["seconds"] for one in record["timeline"]}
    rows = [step for step in STEPS if step[0] != "began" or (reached["began"] or 0) > 1]
    longest = max([seconds for seconds in reached.values() if seconds is not None] or [0]) or 1.0
    target = record["targets"]["rto_seconds"]
    shown = target is not None and target <= 3 * longest
    lines = ticks(max(longest, target if shown else 0))
    top = 8 if target is None else 34
    height = top + _ROW * len(rows) + 26

    def x(seconds: float) -> float:
        return round(_LABELS + (WIDTH - _LABELS - _VALUES) * seconds / lines[-1], 1)

    bottom = top + _ROW * len(rows)
    parts = [_line(x(value), top, x(value), bottom, "grid") for value in lines]
    parts += [_text(x(value), bottom + 17, durations.short(value), "middle", "soft") for value in lines]
    for number, (name, before, label) in enumerate(rows):
        y = top + _ROW * number
        parts.append(_text(_LABELS - 12, y + 20, label, "end"))
        end, start = reached[name], reached[before]
        if end is None:
            parts.append(_text(x(start or 0) + 6, y + 20, "not reached", "start", "bad strong"))
            continue
        style = "check" if name == "verified" else "work"
        begin = x(min(start or 0, end))
        parts.append(_rect(begin, y + 7, max(x(end) - begin, 3), 16, style))
        parts.append(_text(WIDTH - _VALUES + 12, y + 20, durations.tell(end), "start", "strong"))
    if shown:
        parts.append(_line(x(target), top - 8, x(target), bottom, "target"))
        parts.append(_text(x(target) - 6, top - 12, f"RTO target {durations.short(target)}", "end", "aim"))
    elif target is not None:
        far = f"RTO target {durations.short(target)}, far to the right"
        parts.append(_text(WIDTH - _VALUES, top - 12, far, "end", "aim"))
    told = "; ".join(
        f"{label}: {'not reached' if reached[name] is None else durations.tell(reached[name])}"
        for name, _before, label in rows
    )
    aim = "" if target is None else f" The target of the recovery is {durations.short(target)}."
    return _svg(
        "timeline", height, "How long after its declaration the recovery had reached what", f"{told}.{aim}", parts,
    )


def trend(name: str, title: str, bars: Sequence[Bar], target: float | None) -> str:
    """Return how a duration has gone over past drills, the oldest first, as a picture of half the width.

    :param name: of the picture in the page. :param target: the one of the last drill; None for none.
    """
    width, height, left, right, top, bottom = 372, 190, 58, 10, 40, 26
    values = [one.value for one in bars if one.value is not None]
    lines = ticks(max([*values, target or 0, 0.01]), most=5)

    def y(seconds: float) -> float:
        return round(height - bottom - (height - bottom - top) * seconds / lines[-1], 1)

    parts = [_text(left, 20, title, "start", "strong")]
    for value in lines:
        parts.append(_line(left, y(value), width - right, y(value), "grid"))
        parts.append(_text(left - 8, y(value) + 4, durations.short(value), "end", "soft"))
    room = (width - left - right) / len(bars)
    thick = min(room * 0.64, 26)
    for number, one in enumerate(bars):
        middle = round(left + room * (number + 0.5), 1)
        if one.value is not None:
            high = max(y(0) - y(one.value), 2)
            style = "work" if one.passed else "failed"
            parts.append(_rect(middle - thick / 2, y(0) - high, thick, high, style))
        if not one.passed:
            parts.append(_cross(middle, (y(one.value) if one.value is not None else y(0)) - 9))
    for number in _labelled(len(bars)):
        middle = left + room * (number + 0.5)
        parts.append(_text(round(middle, 1), height - 8, bars[number].label, "middle", "soft"))
    if target is not None:
        parts.append(_line(left, y(target), width - right, y(target), "target"))
        parts.append(_text(width - right, y(target) - 5, f"target {durations.short(target)}", "end", "aim"))
    told = "; ".join(
        f"{one.label}: {'none' if one.value is None else durations.tell(one.value)}"
        f"{'' if one.passed else ', failed'}"
        for one in bars
    )
    return _svg(name, height, title, f"{told}.", parts, width)


def ticks(highest: float, most: int = 8) -> Sequence[float]:
    """Return round durations from 0 on that enclose one, at most so many."""
    step = next((one for one in _TICKS if highest / one <= most - 1), _TICKS[-1])
    if highest / step > most - 1:  # centuries
        step *= math.ceil(highest / step / (most - 1))
    return [number * step for number in range(max(math.ceil(round(highest / step, 9)), 1) + 1)]


def _labelled(count: int) -> Sequence[int]:
    """Return which bars of a trend get a label: the last one, and those before it that have the room."""
    every = math.ceil(count / 6)
    return range(count - 1, -1, -every)


def _svg(name: str, height: int, title: str, told: str, parts: Sequence[str], width: int = WIDTH) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-title {name}-told">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-told">{escape(told)}</desc>'
        + "".join(parts) + "</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str, style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<path class="{style}" d="M{x1:g} {y1:g}L{x2:g} {y2:g}"/>'


def _rect(x: float, y: float, width: float, height: float, style: str) -> str:
    return f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2"/>'


def _cross(x: float, y: float) -> str:
    return f'<path class="cross" d="M{x - 4:g} {y - 4:g}l8 8m0 -8l-8 8"/>'
