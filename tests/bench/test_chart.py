# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pictures show what was measured: where it was measured, on axes that hold it all."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.chart import Panel, draw, ticks
from bench.growth import Growth
from bench.measure import Usage

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("low", "high", "wanted"), [
    (1_000, 10_000_000, [1e3, 1e4, 1e5, 1e6, 1e7]),
    (0.12, 84, [0.1, 1, 10, 100]),
    (22, 118, [20, 50, 100, 200]),
    (5, 5, [5, 10]),
])
def test_ticks_are_round_and_enclose_all(low: float, high: float, wanted: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(wanted)


def test_a_tenfold_size_is_as_far_from_the_next_everywhere() -> None:
    root = ElementTree.fromstring(draw("Cost", "It grows.", "items", [
        Panel("time", "s", {"a < b": [(10, 0.1), (100, 1), (1_000, 10), (10_000, 100)]})
    ]))
    (line,) = root.iter(f"{SVG}polyline")
    across, up = zip(*(map(float, point.split(",")) for point in line.attrib["points"].split()))
    for places in (across, up):
        steps = [after - before for before, after in zip(places, places[1:])]
        assert steps == pytest.approx([steps[0]] * 3, abs=0.11)
    assert across[0] < across[-1] and up[0] > up[-1]  # more time is further up
    assert "a < b" in [text.text for text in root.iter(f"{SVG}text")]


def test_pictures_and_numbers_stand_beside_the_document(tmp_path: Path) -> None:
    growth = Growth()
    for size in (1_000, 10_000):
        growth.add("items", "restore", size, Usage(size / 1_000, 50_000_000))
    text = growth.write(tmp_path / "bench.md")
    assert "Restore: 1,000 in 1.00 s, 10,000 in 10 s." in text and "| 10,000 | 10 s, 50 MB |" in text
    assert "(bench-items.svg)" in text and (tmp_path / "bench-items.svg").is_file()
    assert growth.as_json()[1] == {
        "subject": "items", "done": "restore", "size": 10_000, "seconds": 10, "peak": 50_000_000,
    }
