# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The forms of a report: a page that nothing can be put into, JUnit XML, Prometheus text; all of one record."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.drill.record import Targets
from ansible_collections.restante.carbonio.plugins.module_utils.drill.rehearsal import Findings
from ansible_collections.restante.carbonio.plugins.module_utils.drill.sample import choose
from ansible_collections.restante.carbonio.plugins.module_utils.evidence import (
    durations,
    history,
    junit,
    metrics,
    page,
    pictures,
    tables,
)
from ansible_collections.restante.carbonio.plugins.module_utils.evidence.style import DARK, LIGHT
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput
from drill_records import ANN, BOB, NASTY, broken, findings, told
from prometheus_client.parser import text_string_to_metric_families


class Read(HTMLParser):
    """What is in a page."""

    VOID = {"meta", "link", "path", "rect", "img", "br"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


RECORDS: Mapping[str, dict[str, Any]] = {
    "passed": told(), "failed": told(broken()), "with a trend": told(past=30),
    "of a sample": told(Findings(**{**vars(findings()), "extent": choose([ANN, BOB, "c@x"], "2", "s")})),
    "that came to nothing": told(Findings(), error="No."), "signed": told(signing_key="f" * 64),
}


# -- the page ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDS)
def test_a_page_is_well_formed_and_needs_nothing_else(name: str) -> None:
    text = page.render(RECORDS[name])
    read = Read(text)
    assert not {"script", "iframe", "object", "embed", "base", "form", "img"} & set(read.tags)
    assert all(not attribute.startswith("on") for _tag, attribute, _value in read.attributes)
    loaded = [value for _tag, attribute, value in read.attributes if attribute in ("src", "href", "data", "action")]
    assert loaded == ["data:,"], "the icon, so that no browser asks for one"
    assert "url(" not in text and "@import" not in text and "http" not in text.replace("http-equiv", "")


@pytest.mark.parametrize("name", RECORDS)
def test_a_page_can_be_read_by_everybody(name: str) -> None:
    read = Read(page.render(RECORDS[name]))
    assert read.tags.count("h1") == 1 and ("html", "lang", "en") in read.attributes
    assert read.tags.count("table") == read.tags.count("caption")
    headings = [value for tag, attribute, value in read.attributes if tag == "th" and attribute == "scope"]
    assert len(headings) == read.tags.count("th")
    pictures_ = read.tags.count("svg")
    assert pictures_ == read.tags.count("desc") and read.attributes.count(("svg", "role", "img")) == pictures_
    ids = [value for _tag, attribute, value in read.attributes if attribute == "id"]
    named = " ".join(value for tag, attribute, value in read.attributes if attribute == "aria-labelledby").split()
    assert sorted(ids) == sorted(named) and len(set(ids)) == len(ids)


def test_nothing_that_stems_from_mail_becomes_part_of_the_page() -> None:
    clean, nasty = Read(page.render(told(findings(missing=1)))), Read(page.render(told(broken())))
    assert {name for _tag, name, _value in nasty.attributes} == {name for _tag, name, _value in clean.attributes}
    assert nasty.text.count("<script>alert(1)</script>") >= 8, "it can be read, and that is all"


def test_a_page_says_why_and_names_what_is_missing() -> None:
    found = findings(missing=1)
    found.restored.add_unrestored(ANN, "290", "message", "broken item", "The content of the frame is altered.")
    text = Read(page.render(told(found))).text
    assert "FAILED" in text and "2 findings stand against it" in text
    for part in (ANN, "290", "broken item", "The content of the frame is altered."):
        assert part in text


def test_a_page_of_very_many_findings_says_that_there_are_more() -> None:
    found = findings()
    for number in range(tables.ROWS + 7):
        found.restored.add_unrestored(ANN, str(number), "message", "read error", "Gone.")
    text = page.render(told(found))
    assert text.count("<td class=\"text\">Gone.</td>") == tables.ROWS and "7 more are in report.json" in text


def test_the_trend_begins_with_the_second_drill() -> None:
    assert "the first drill" in page.render(told())
    text = page.render(told(past=1))
    assert "The last 2 drills" in text and text.count("<svg") == 3
    assert "The last 25 drills" in page.render(told(past=30))


def _luminance(colour: str) -> float:
    parts = (int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return sum(one * weight for one, weight in zip(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize(("colour", "on"), [
    ("text", "page"), ("text", "panel"), ("soft", "page"), ("soft", "panel"), ("good", "page"), ("good", "panel"),
    ("good", "good-panel"), ("text", "good-panel"), ("bad", "page"), ("bad", "panel"), ("bad", "bad-panel"),
    ("text", "bad-panel"), ("aim", "page"),
])
@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_told_from_what_is_behind_it(palette: Mapping[str, str], colour: str, on: str) -> None:
    """WCAG 2.2, 1.4.3."""
    light, dark = sorted((_luminance(palette[colour]), _luminance(palette[on])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


# -- pictures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("highest", [0.004, 0.5, 1, 3.08, 59, 61, 3599, 7200, 86_400, 2_000_000, 5e9])
def test_an_axis_has_few_lines_and_encloses_what_it_shows(highest: float) -> None:
    lines = pictures.ticks(highest)
    assert lines[0] == 0 and lines[-1] >= highest > lines[-2] and len(lines) <= 9


def test_a_timeline_shows_what_was_not_reached_and_where_the_target_is() -> None:
    found = findings()
    del found.moments["verified"], found.moments["complete"]
    picture = pictures.timeline(told(found))
    assert picture.count(">not reached<") == 2 and "Everything verified: not reached" in picture
    assert "far to the right" in picture, "ten minutes do not fit beside fifteen seconds"
    assert 'class="target"' in pictures.timeline(told(targets=Targets(None, 180.0)))


# -- durations ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "seconds"), [
    ("", None), ("90", 90), ("90s", 90), ("15m", 900), ("4h", 14_400), ("1.5 d", 129_600), ("2D", 172_800),
])
def test_a_duration_is_read(text: str, seconds: float | None) -> None:
    assert durations.parse(text, "rto_target") == seconds


@pytest.mark.parametrize("text", ["0", "-1h", "soon", "1w", "4 hours", "nan", "1e9"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="rto_target"):
        durations.parse(text, "rto_target")


@pytest.mark.parametrize(("seconds", "text"), [
    (0.1234, "0.12 s"), (9.949, "9.95 s"), (12.34, "12.3 s"), (59.96, "1 min 00 s"), (302, "5 min 02 s"),
    (3599.6, "1 h 00 min"), (3900, "1 h 05 min"), (172_800, "2 d 00 h"), (-5, "-5.00 s"),
])
def test_a_duration_is_told(seconds: float, text: str) -> None:
    assert durations.tell(seconds) == text


# -- JUnit -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDS)
def test_junit_is_xml_whose_numbers_are_right(name: str) -> None:
    root = ElementTree.fromstring(junit.render(RECORDS[name]))
    assert root.tag == "testsuites"
    for element in (root, *root):
        cases = list(element.iter("testcase"))
        assert int(element.attrib["tests"]) == len(cases)
        assert int(element.attrib["failures"]) == sum(case.find("failure") is not None for case in cases)
        assert int(element.attrib["skipped"]) == sum(case.find("skipped") is not None for case in cases)
        names = [(case.attrib["classname"], case.attrib["name"]) for case in cases]
        assert len(set(names)) == len(names)
    assert (root.attrib["failures"] == "0") is RECORDS[name]["passed"]


def test_junit_names_the_findings_of_an_account() -> None:
    root = ElementTree.fromstring(junit.render(told(broken())))
    failed = [case for case in root.iter("testcase") if case.find("failure") is not None]
    account = next(case for case in failed if case.attrib["classname"] == "restante.drill.accounts")
    failure = account.find("failure")
    assert failure is not None and failure.attrib["message"] == "20 of 21 items verified"
    assert "read error: Subject: " in (failure.text or "") and "<script>alert(1)</script>" in (failure.text or "")


# -- Prometheus --------------------------------------------------------------------------------------------------------


def _metrics(*records: dict[str, Any]) -> dict[str, float]:
    text = metrics.text(metrics.of_drills([history.summary(one) for one in records]))
    families = list(text_string_to_metric_families(text))
    assert all(family.type == "gauge" and family.documentation for family in families)
    return {
        sample.name + "".join(f" {label}" for label in sample.labels.values()): sample.value
        for family in families for sample in family.samples
    }


def test_prometheus_reads_what_a_drill_came_to() -> None:
    found = _metrics(told(), told(findings(missing=2), began=1_790_000_100_500))
    assert found["restante_last_drill_timestamp_seconds"] == 1_790_000_100.5
    assert found["restante_last_successful_drill_timestamp_seconds"] == 1_790_000_000.5
    assert found["restante_last_drill_success"] == 0
    assert found["restante_last_drill_rpo_seconds"] == 60 and found["restante_drill_rpo_target_seconds"] == 3600
    assert found["restante_last_drill_items message missing"] == 2
    assert found["restante_last_drill_items message verified"] == 28


def test_what_is_not_known_is_not_told() -> None:
    assert _metrics() == {}
    names = set(_metrics(told(Findings(), error="No.", targets=Targets())))
    assert names == {
        "restante_last_drill_timestamp_seconds", "restante_last_drill_success", "restante_last_drill_accounts",
        "restante_last_drill_rpo_seconds",
    }


def test_a_label_may_hold_anything() -> None:
    family = metrics.Family("restante_test", "A test.", [({"kind": f'a"b\\c\n{NASTY[:20]}'}, 1.5)])
    (read,) = text_string_to_metric_families(metrics.text([family]))
    assert read.samples[0].labels == {"kind": f'a"b\\c\n{NASTY[:20]}'} and read.samples[0].value == 1.5
