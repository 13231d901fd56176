# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody who follows a printed page: types what it says, where it says so, and sees whether it is as it says.

Nothing is known here of what the page is about. Its grammar is in docs/runbook-lost-node.md, How to read it.
"""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from tests.servers import chromium
from tools import printed

PROMPT = re.compile(r"(admin\$|root#|zextras\$) (.*)")
FILE = re.compile(r"# ([\w./-]+\.\w+)$")
CODE = """[...document.querySelectorAll("section")].map(section => ({
  part: section.querySelector("h2")?.innerText.trim() || "",
  title: section.querySelector("h3")?.innerText.trim() || "",
  blocks: [...section.querySelectorAll("pre")].map(block => block.innerText),
}))"""
_END = "--- what was typed has ended ---"
_REMARK = re.compile(r"\[(?:DEPRECATION )?WARNING\].*(?:\n(?=\S).*)*?\n")
"""What Ansible may say at any time."""


class Typed(NamedTuple):
    """What one types, and what one sees then."""

    prompt: str
    command: str
    answers: Sequence[str]
    seen: Sequence[str]


class Written(NamedTuple):
    """A file that one writes."""

    path: str
    content: str


class Step(NamedTuple):
    """A step of the page."""

    part: str
    number: int
    title: str
    does: Sequence[Typed | Written]


class Sheets(NamedTuple):
    """The page on paper."""

    steps: Sequence[Step]
    text: str
    """All of it, white space joined."""
    count: int
    """Of sheets."""


def print_page(page: Path, values: Mapping[str, str], directory: Path) -> Path:
    """Have the page made with the values of a site. :param directory: for it, and for the file of variables."""
    variables, output = directory / "site.yml", directory / f"{page.stem}.html"
    variables.write_text(yaml.safe_dump(dict(values)), encoding="utf-8")
    assert printed.main([str(page), "--vars", str(variables), "--output", str(output)]) == 0
    return output


def read(browser: chromium.Page, page: Path) -> Sheets:
    """Print a page, and read what has come out."""
    browser.open(page)
    browser.prefer("light", "print")
    sections = browser.value(CODE)
    pdf = browser.printed()
    steps, part = [], ""
    for section in sections:
        part = section["part"] or part
        number, _dot, title = section["title"].partition(". ")
        if number.isdigit():
            steps.append(Step(part, int(number), title, list(_parts(section["blocks"]))))
    return Sheets(steps, _joined(chromium.text(pdf)), chromium.sheets(pdf))


def lines(step: Step) -> Iterator[str]:
    """Yield what has to be legible on paper to follow a step."""
    for one in step.does:
        if isinstance(one, Written):
            yield from one.content.splitlines()
        else:
            yield from [*one.command.splitlines(), *one.seen]


def legible(line: str, sheets: Sheets) -> bool:
    """Return whether a line stands on paper, whole and on one line."""
    return _joined(line) in sheets.text


def _joined(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def _parts(blocks: Sequence[str]) -> Iterator[Typed | Written]:
    for block in blocks:
        shown = block.rstrip("\n").split("\n")
        named = FILE.match(shown[0])
        if named:
            yield Written(named.group(1), block)
        else:
            yield from _typed(shown)


def _typed(shown: Sequence[str]) -> Iterator[Typed]:
    starts = [number for number, line in enumerate(shown) if PROMPT.match(line)]
    assert starts and starts[0] == 0, f"this is neither typed nor a file: {shown}"
    for start, end in zip(starts, [*starts[1:], len(shown)]):
        first = PROMPT.match(shown[start])
        assert first is not None
        command, following = [first.group(2)], list(shown[start + 1:end])
        while command[-1].endswith("\\"):
            command.append(following.pop(0))
        answers = [line[2:] for line in following if line.startswith("> ")]
        yield Typed(first.group(1), "\n".join(command), answers,
                    [line for line in following if not line.startswith("> ")])


def is_as_said(said: Sequence[str], seen: str) -> bool:
    """Return whether one sees what the page says: … stands for anything, a line of it for any lines."""
    parts = []
    for line in said:
        joined = " ".join(line.split())
        inside = ".*".join(map(re.escape, joined.split("…")))
        parts.append("(?:.*\n)*?" if joined == "…" else f"{inside} ?\n")
    shown = "".join(f"{line}\n" for line in _joined(_REMARK.sub("", seen)).split("\n") if line)
    return re.fullmatch("".join(parts), shown) is not None


class Terminal:
    """A shell in which one types, for as long as the with statement lasts."""

    def __init__(self, shell: Sequence[str], directory: Path | None = None, **environment: str) -> None:
        self._shell = subprocess.Popen(
            shell, cwd=directory, env=environment or None, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_unused: object) -> None:
        self._shell.kill()
        self._shell.communicate()

    def type(self, command: str, answers: Sequence[str] = ()) -> str:
        """Type a command, and what it asks for; return what one sees until it has ended."""
        assert self._shell.stdin is not None and self._shell.stdout is not None
        words, asked = (base64.b64encode(text.encode()).decode() for text in (command, "".join(
            f"{answer}\n" for answer in answers
        )))
        self._shell.stdin.write(
            f'eval "$(base64 -d <<< {words})" < <(base64 -d <<< "{asked}") 2>&1; printf "\\n{_END}\\n"\n'
        )
        self._shell.stdin.flush()
        seen = []
        for line in self._shell.stdout:
            if line == f"{_END}\n":
                return "".join(seen)
            seen.append(line)
        raise AssertionError(f"the terminal was closed by: {command}\n{''.join(seen)}")


def follow(
    steps: Sequence[Step], terminals: Mapping[str, Terminal], directory: Path, by_hand: Mapping[str, str] | None = None
) -> None:
    """Do what steps say, one after the other, and compare what one sees.

    :param terminals: by the prompt. :param directory: where files are written.
    :param by_hand: what is on paper nowhere, such as a secret, by the word that stands for it.
    """
    for step in steps:
        for one in step.does:
            if isinstance(one, Written):
                file = directory / one.path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(_with(one.content, by_hand), encoding="utf-8")
                continue
            seen = terminals[one.prompt].type(
                _with(one.command, by_hand), [_with(answer, by_hand) for answer in one.answers]
            )
            said = "\n".join(one.seen)
            assert is_as_said(one.seen, seen), (
                f"Step {step.number}, {step.title}\n{one.prompt} {one.command}\n--- the page says\n{said}\n"
                f"--- one sees\n{seen}"
            )


def _with(text: str, by_hand: Mapping[str, str] | None) -> str:
    for word, value in (by_hand or {}).items():
        text = re.sub(rf"\b{word}\b", value.replace("\\", r"\\"), text)
    return text
