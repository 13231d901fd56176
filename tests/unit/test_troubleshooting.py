# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/troubleshooting.md quotes messages that the code has."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = [line[2:] for line in PAGE.splitlines() if line.startswith("> ")]


def texts(source: Path) -> Iterator[str]:
    """Yield the strings of a source file, with … for what is put into them."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


MESSAGES = {text for source in (CHECKOUT / "plugins").rglob("*.py") for text in texts(source)}


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_message_is_one_that_the_code_has(quoted: str) -> None:
    assert any(message.startswith(quoted) for message in MESSAGES)


def test_no_message_is_explained_twice() -> None:
    assert len(set(QUOTED)) == len(QUOTED) > 25
