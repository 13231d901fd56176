# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every requirement has a test or a reason, and docs/requirements.md says which."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import requirements
from tools.requirements import Case, Requirement

FILE = '''
"""R-001: a module's docstring is no test's."""

def test_one():
    """R-002, R-003 and R-004: as they are."""

class TestSome:
    def test_two(self):
        """R-005."""

def helper():
    """R-006."""
'''


@pytest.fixture(scope="module")
def required() -> list[Requirement]:
    return requirements.requirements(requirements.SOURCE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def present() -> list[Case]:
    return requirements.tests(requirements.TESTS)


def test_the_list_is_complete(required: list[Requirement]) -> None:
    assert [one.number for one in required] == [f"R-{number:03}" for number in range(1, 322)]
    assert sum(one.seed for one in required) == 107


def test_every_requirement_has_a_test_or_a_reason(required: list[Requirement], present: list[Case]) -> None:
    assert requirements.faults(required, present) == []


def test_the_page_is_as_the_tests_say(required: list[Requirement], present: list[Case]) -> None:
    written = requirements.PAGE.read_text(encoding="utf-8")
    assert written == requirements.page(required, present), "docs/requirements.md is stale; run make requirements"


def test_functions_and_methods_name_requirements_and_nothing_else_does() -> None:
    assert requirements.traced(list(requirements.tests_in(FILE, "tests/test_x.py"))) == {
        "R-002": ["tests/test_x.py::test_one"], "R-003": ["tests/test_x.py::test_one"],
        "R-004": ["tests/test_x.py::test_one"], "R-005": ["tests/test_x.py::TestSome::test_two"],
    }


@pytest.mark.parametrize(("docstring", "named"), [
    ("R-012.", ["R-012"]),
    ("R-012", ["R-012"]),
    ("R-012, and the goal.", ["R-012"]),
    ("R-012, R-013, and R-014 too.", ["R-012", "R-013", "R-014"]),
    ("R-012 to R-014: all of it.", []),
    ("R-012-R-014.", []),
    ("R-012 - R-014.", []),
    ("As R-012 wants it.", []),
    ("", []),
])
def test_only_a_list_at_the_beginning_counts(docstring: str, named: list[str]) -> None:
    assert Case("x", docstring).named() == named


@pytest.mark.parametrize(("requirement", "docstring", "fault"), [
    (Requirement("R-001", "", "", seed=True), "", "R-001 is a seed requirement and has no test."),
    (Requirement("R-001", "", "", seed=True, not_applicable="because"), "", "R-001 is a seed requirement"),
    (Requirement("R-001", "", ""), "", "R-001 has neither a test nor"),
    (Requirement("R-001", "", "", not_applicable="because"), "R-001.", "R-001 has a test, and a reason"),
    (Requirement("R-001", "", ""), "R-001: see R-999.", "x names R-999, which does not exist."),
])
def test_what_is_wrong_is_told(requirement: Requirement, docstring: str, fault: str) -> None:
    [told] = requirements.faults([requirement], [Case("x", docstring)])
    assert told.startswith(fault)


def test_a_requirement_is_held_or_explained() -> None:
    held = Requirement("R-001", "", "")
    assert requirements.faults([held], [Case("x", "R-001.")]) == []
    assert requirements.faults([held._replace(not_applicable="because")], []) == []


def test_the_page_shows_tests_reasons_and_notes() -> None:
    shown = requirements.page(
        [
            Requirement("R-001", "a|b", "First", seed=True, note="More."),
            Requirement("R-002", "c", "Second", not_applicable="because"),
        ],
        [Case("tests/test_x.py::test_one", "R-001."), Case("tests/test_x.py::test_two", "R-001.")],
    )
    assert "2 requirements, 1 of them seed: 1 with tests, 1 with a reason." in shown
    assert "| R-001 | seed | a\\|b *More.* | `tests/test_x.py::test_one`<br>`tests/test_x.py::test_two` |" in shown
    assert "## Second" in shown
    assert "| R-002 |  | c | *no test:* because |" in shown


def test_the_tool_writes_the_page_and_fails_on_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "requirements.yml"
    source.write_text("- section: One\n  requirements:\n    R-001:\n      says: what\n", encoding="utf-8")
    monkeypatch.setattr(requirements, "CHECKOUT", tmp_path)
    monkeypatch.setattr(requirements, "SOURCE", source)
    monkeypatch.setattr(requirements, "TESTS", tmp_path)
    monkeypatch.setattr(requirements, "PAGE", tmp_path / "requirements.md")
    assert requirements.main() == 1
    source.write_text(source.read_text(encoding="utf-8") + "      not_applicable: because\n", encoding="utf-8")
    assert requirements.main() == 0
    assert "*no test:* because" in (tmp_path / "requirements.md").read_text(encoding="utf-8")
