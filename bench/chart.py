# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines on two logarithmic axes as SVG, for light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 440, 330
"""Of a panel, in pixels."""
LEFT, RIGHT, TOP, BOTTOM = 66, 42, 70, 54
"""Around the lines of a panel."""
LEGEND = 20
"""Height of a line of the legend."""

_LIGHT = ("#ffffff", "#1f2328", "#d5dae0", "#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989")
_DARK = ("#0d1117", "#e6edf3", "#30363d", "#58a6ff", "#f0883e", "#3fb950", "#bc8cff", "#ff7bc2")
"""Colours of the page, the text, the grid and each of the lines."""


class Panel(NamedTuple):
    """One picture of several lines."""

    title: str
    unit: str
    """Of the values."""
    lines: Mapping[str, Sequence[tuple[float, float]]]
    """Points by size, smallest first: both numbers above 0."""


def draw(title: str, description: str, sizes: str, panels: Sequence[Panel]) -> str:
    """Return panels beside each other, with one legend for all, which all have the same lines.

    :param description: for those who cannot see it. :param sizes: what the sizes count.
    """
    names = list(panels[0].lines)
    width, height = WIDTH * len(panels), HEIGHT + LEGEND * math.ceil(len(names) / 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{_quoted(title)}">',
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc><style>{_style()}</style>",
        f'<rect class="page" width="{width}" height="{height}" rx="6"/>', _text(LEFT, 28, title, "start", "title"),
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate({number * WIDTH} 0)">', *_panel(panel, sizes), "</g>"]
    for number, name in enumerate(names):
        x, y = LEFT + number % 2 * WIDTH, HEIGHT + number // 2 * LEGEND
        parts += [f'<circle class="l{number}" cx="{x}" cy="{y}" r="5"/>', _text(x + 12, y + 4, name, "start")]
    return "\n".join((*parts, "</svg>", ""))


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers that enclose an interval: powers of ten, or 1, 2 and 5 of each where those are few."""
    for steps in ((1,), (1, 2, 5)):
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        found = [step * 10.0 ** power for power in range(first, last + 1) for step in steps]
        begin = max(number for number, value in enumerate(found) if value <= low * (1 + 1e-9))
        end = min(number for number, value in enumerate(found) if value >= high * (1 - 1e-9))
        if end - begin > 2:
            break
    return found[begin:max(end, begin + 1) + 1]


def _style() -> str:
    # Colours are written out for both: not every program that shows an SVG knows variables of CSS.
    return (
        "text { font: 12px system-ui, sans-serif } .title { font-size: 15px; font-weight: 600 } "
        f"polyline {{ fill: none }} {_colours(*_LIGHT)} "
        f"@media (prefers-color-scheme: dark) {{ {_colours(*_DARK)} }}"
    )


def _colours(page: str, text: str, grid: str, *lines: str) -> str:
    return f".page {{ fill: {page} }} text {{ fill: {text} }} .grid {{ stroke: {grid} }} " + " ".join(
        f"circle.l{number} {{ fill: {line} }} polyline.l{number} {{ stroke: {line} }}"
        for number, line in enumerate(lines)
    )


def _panel(panel: Panel, sizes: str) -> list[str]:
    points = [point for line in panel.lines.values() for point in line]
    across, up = (ticks(min(values), max(values)) for values in zip(*points))

    def place(value: float, scale: Sequence[float], start: float, end: float) -> float:
        return start + (end - start) * math.log(value / scale[0]) / math.log(scale[-1] / scale[0])

    def x(value: float) -> float:
        return round(place(value, across, LEFT, WIDTH - RIGHT), 1)

    def y(value: float) -> float:
        return round(place(value, up, HEIGHT - BOTTOM, TOP), 1)

    parts = [_text(LEFT, TOP - 14, panel.title, "start"), _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 18, sizes)]
    for value in across:
        parts.append(f'<path class="grid" d="M{x(value)} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(_text(x(value), HEIGHT - BOTTOM + 17, f"{value:,.0f}"))
    for value in up:
        parts.append(f'<path class="grid" d="M{LEFT} {y(value)}H{WIDTH - RIGHT}"/>')
        parts.append(_text(LEFT - 8, y(value) + 4, f"{value:,.6g} {panel.unit}", "end"))
    for number, line in enumerate(panel.lines.values()):
        route = " ".join(f"{x(size)},{y(value)}" for size, value in line)
        thick = 4.5 - number * 0.75  # what lies upon another leaves its edges to be seen
        parts.append(f'<polyline class="l{number}" stroke-width="{thick}" points="{route}"/>')
        parts += [
            f'<circle class="l{number}" cx="{x(size)}" cy="{y(value)}" r="{thick + 1.5}"/>' for size, value in line
        ]
    return parts


def _text(x: float, y: float, text: str, anchor: str = "middle", style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'


def _quoted(text: str) -> str:
    return escape(text, {'"': "&quot;"})
