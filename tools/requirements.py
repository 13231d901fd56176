# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write docs/requirements.md: each requirement with the tests that hold it, or the reason why there is none.

    build/env-test/bin/python tools/requirements.py

What is required stands in docs/requirements-list.yml; which tests hold it, they say themselves: a docstring that begins
with "R-012" or "R-012, R-013 and R-014" names them. A range such as "R-012 to R-014" names nothing: whoever writes it
has not looked at each.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCE = CHECKOUT / "docs" / "requirements-list.yml"
PAGE = CHECKOUT / "docs" / "requirements.md"
TESTS = CHECKOUT / "tests"

NUMBER = re.compile(r"R-\d+")
_NAMED = re.compile(r"R-\d+(?:(?:, and |, | and )R-\d+)*\b(?! (?:to|through) R-|-| - R-)")

HEAD = """\
# Requirements

<!-- Written by `make requirements` from docs/requirements-list.yml and the docstrings of the tests; do not edit. -->

What a backup and its restores have to do, by number, and the tests that hold it. A test names its requirements at the
beginning of its docstring. **seed** marks what this project was begun for; the others follow from the documentation,
the release notes and field reports of the vendor's product. Where a requirement has no test, the reason stands in its
place.
"""

COLUMNS = """\
| number | seed | what is required | held by |
| --- | --- | --- | --- |"""


class Requirement(NamedTuple):
    """One of them."""

    number: str
    """As in R-012."""
    says: str
    section: str
    seed: bool = False
    note: str = ""
    """How ours differs, or does more."""
    not_applicable: str = ""
    """Why there is no test; empty where there has to be one."""


class Case(NamedTuple):
    """One test function or class."""

    name: str
    """File, below the checkout, and function: tests/unit/test_x.py::test_y."""
    docstring: str

    def named(self) -> Sequence[str]:
        """Return the requirements that the test holds."""
        found = _NAMED.match(self.docstring)
        return NUMBER.findall(found.group()) if found else []


def requirements(text: str) -> list[Requirement]:
    """Return the requirements of docs/requirements-list.yml, in its order."""
    return [
        Requirement(number, section=section["section"], **fields)
        for section in yaml.safe_load(text)
        for number, fields in section["requirements"].items()
    ]


def tests_in(source: str, file: str) -> Iterator[Case]:
    """Yield the tests of a test file, methods of classes included."""
    def inside(body: Sequence[ast.stmt], prefix: str) -> Iterator[Case]:
        for node in body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                yield Case(f"{prefix}::{node.name}", ast.get_docstring(node) or "")
            elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                yield from inside(node.body, f"{prefix}::{node.name}")

    return inside(ast.parse(source).body, file)


def tests(directory: Path) -> list[Case]:
    """Return all tests, by file."""
    return [
        test
        for file in sorted(directory.rglob("test_*.py"))
        for test in tests_in(file.read_text(encoding="utf-8"), str(file.relative_to(directory.parent)))
    ]


def traced(all_tests: Sequence[Case]) -> Mapping[str, list[str]]:
    """Return the names of the tests that hold each requirement, by its number."""
    found: dict[str, list[str]] = {}
    for test in all_tests:
        for number in test.named():
            found.setdefault(number, []).append(test.name)
    return found


def faults(required: Sequence[Requirement], all_tests: Sequence[Case]) -> list[str]:
    """Return what is wrong with the tracing, a sentence each."""
    held, known = traced(all_tests), {one.number for one in required}
    found = [
        f"{test.name} names {number}, which does not exist."
        for test in all_tests
        for number in NUMBER.findall(test.docstring)
        if number not in known
    ]
    for one in required:
        if one.number in held and one.not_applicable:
            found.append(f"{one.number} has a test, and a reason for having none in docs/requirements-list.yml.")
        elif one.number not in held and one.seed:
            found.append(f"{one.number} is a seed requirement and has no test.")
        elif one.number not in held and not one.not_applicable:
            where = "docs/requirements-list.yml"
            found.append(f"{one.number} has neither a test nor, in {where}, a reason for having none.")
    return found


def page(required: Sequence[Requirement], all_tests: Sequence[Case]) -> str:
    """Return docs/requirements.md."""
    held = traced(all_tests)
    with_test = sum(one.number in held for one in required)
    lines = [
        HEAD,
        f"{len(required)} requirements, {sum(one.seed for one in required)} of them seed: {with_test} with tests, "
        f"{len(required) - with_test} with a reason.",
    ]
    section = ""
    for one in required:
        if one.section != section:
            section = one.section
            lines += ["", f"## {section}", "", COLUMNS]
        proof = "<br>".join(f"`{name}`" for name in held.get(one.number, [])) or f"*no test:* {one.not_applicable}"
        says = f"{one.says} *{one.note}*" if one.note else one.says
        lines.append(f"| {one.number} | {'seed' if one.seed else ''} | {_cell(says)} | {_cell(proof)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    required, all_tests = requirements(SOURCE.read_text(encoding="utf-8")), tests(TESTS)
    PAGE.write_text(page(required, all_tests), encoding="utf-8")
    found = faults(required, all_tests)
    print("\n".join([*found, f"{PAGE.relative_to(CHECKOUT)} is written; {len(found)} faults."]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
