# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a drill in a real browser: it is shown as it is meant, asks nobody for anything, and can be printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.evidence import page as pages
from drill_kit import Machine

from tests.servers import chromium
from tests.servers.needed import needed

HARM = '"><script>document.title="taken"</script><img src=http://127.0.0.1:9/x onerror=alert(1)><style>*{display:none}'
"""What somebody may have written who wants the page to do something."""

CONTRAST = """(() => {
  const channel = (one) => { one /= 255; return one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4 };
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parts(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const seen = [];
  for (const one of document.querySelectorAll("h1, h2, p, b, td, th, dt, dd, li, caption, code, pre, footer, text")) {
    const style = getComputedStyle(one);
    const [high, low] = [light(parts(one.tagName === "text" ? style.fill : style.color)), light(behind(one))].sort()
      .reverse();
    seen.push((high + 0.05) / (low + 0.05));
  }
  return Math.min(...seen);
})()"""
"""The least contrast between a text and what is behind it."""

PAPER = 680
"""The width of a sheet of A4 between its margins, in pixels of CSS."""

BESIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
"""How far the page reaches beyond the window."""


@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Page]:
    needed("A browser", chromium.missing())
    with chromium.browser() as page:
        yield page


@pytest.fixture(scope="module")
def reports(original: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of a drill that has passed, and of one that has failed, all of whose texts mean harm."""
    machine = original.copy(tmp_path_factory.mktemp("drilled") / "node")
    for _unused in range(2):
        result = machine.drill(rpo_target="24h", rto_target="1h", sample="2")
    passed = Path(result["report_path"]) / "report.html"
    record = json.loads(passed.with_name("report.json").read_text("utf-8"))
    failed = passed.parents[4] / "failed.html"
    failed.write_text(pages.render(_spoiled(record)), "utf-8")
    return {"passed": passed, "failed": failed}


def _spoiled(record: dict[str, Any]) -> dict[str, Any]:
    left = {"account": HARM, "item_id": HARM, "kind": "message", "cause": "read error", "reason": f"Subject: {HARM}"}
    wrong = {**left, "field": "flags", "expected": HARM, "found": HARM}
    return {
        **record, "passed": False, "reasons": [HARM] * 3, "unrestored_items": [left] * 40, "differences": [wrong] * 40,
        "damages": [{"file": HARM, "reason": HARM, "consequence": HARM}], "warnings": [HARM], "node": HARM,
        "accounts": [{**one, "address": HARM, "whole": False} for one in record["accounts"]],
    }


@pytest.mark.parametrize("name", ["passed", "failed"])
def test_a_page_is_shown_without_a_complaint_and_asks_nobody_for_anything(
    browser: chromium.Page, reports: dict[str, Path], name: str
) -> None:
    browser.open(reports[name])
    assert browser.requested() == [reports[name].as_uri()]
    assert browser.complaints() == [] and browser.dialogs() == []
    assert browser.value("document.scripts.length") == 0 and name in browser.value("document.title")
    text = browser.value("document.body.innerText")
    assert name.upper() in text and "What came back" in text and "Messages" in text
    shown = "[...document.querySelectorAll('svg')].every(one => one.getBoundingClientRect().height > 100)"
    assert browser.value("document.querySelectorAll('svg').length") == 3 and browser.value(shown)


def test_what_means_harm_can_only_be_read(browser: chromium.Page, reports: dict[str, Path]) -> None:
    browser.open(reports["failed"])
    assert HARM in browser.value("document.body.innerText")
    assert "taken" not in browser.value("document.title.slice(0, 10)")
    assert browser.value("document.querySelectorAll('img, body style').length") == 0


def test_a_page_would_run_and_load_nothing_even_where_something_had_got_into_it(
    browser: chromium.Page, reports: dict[str, Path], tmp_path: Path
) -> None:
    text = reports["passed"].read_text("utf-8")
    (tmp_path / "taken.html").write_text(text.replace("<main>", f"<main>{HARM.partition('<style')[0]}"), "utf-8")
    browser.open(tmp_path / "taken.html")
    assert browser.value("document.title") != "taken"
    assert len(browser.complaints()) >= 2 and all("Content Security Policy" in one for one in browser.complaints())


@pytest.mark.parametrize("name", ["passed", "failed"])
def test_light_and_dark_differ_and_both_can_be_read(
    browser: chromium.Page, reports: dict[str, Path], name: str
) -> None:
    browser.open(reports[name])
    seen = {}
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        colour = browser.value("getComputedStyle(document.body).backgroundColor")
        seen[scheme] = (colour, browser.picture())
        assert browser.value(CONTRAST) >= 4.5, scheme
    browser.prefer("light")
    assert seen["light"][0] == "rgb(255, 255, 255)" and seen["light"] != seen["dark"]
    assert seen["light"][1] != seen["dark"][1]


@pytest.mark.parametrize("name", ["passed", "failed"])
def test_a_page_fits_a_narrow_window(browser: chromium.Page, reports: dict[str, Path], name: str) -> None:
    browser.open(reports[name])
    for pixels in (400, chromium.WIDTH):
        browser.width(pixels)
        assert browser.value(BESIDE) == 0, pixels


def test_it_is_printed_on_a_few_sheets_light_whatever_the_screen_is(
    browser: chromium.Page, reports: dict[str, Path]
) -> None:
    browser.open(reports["passed"])
    browser.prefer("dark", "print")
    assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.value(CONTRAST) >= 4.5
    browser.width(PAPER)
    wide = "[...document.querySelectorAll('table')].filter(one => one.offsetWidth > innerWidth).length"
    assert browser.value(wide) == 0
    browser.width(chromium.WIDTH)
    browser.prefer("dark")
    passed = browser.printed()
    browser.prefer("light")
    browser.open(reports["failed"])
    failed = browser.printed()
    assert passed.startswith(b"%PDF-") and 3 <= chromium.sheets(passed) <= 5
    assert chromium.sheets(failed) > chromium.sheets(passed), "its findings are on paper as well"
