# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make one page to print of a procedure in docs/, with the names of a site in its blanks and never a secret.

    python -m tools.printed docs/runbook-lost-node.md [--vars recovery.yml ...] [--output file.html]

A blank is a word in capitals that the page has in the form "Fill in beforehand", beside the variable that it is filled
from. The messages of docs/troubleshooting.md are numbered and appended: what is printed needs nothing else.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from markdown_it import MarkdownIt

from tools.site_values import Unusable, values_of

CHECKOUT: Final = Path(__file__).resolve().parent.parent
TROUBLESHOOTING: Final = "troubleshooting.md"
_STYLE: Final = Path(__file__).with_name("printed.css")
_ROW: Final = re.compile(r"^\|[^|]+\| `([A-Z][A-Z_]+)` \| `(\w+)` \|$", re.MULTILINE)
_QUOTE: Final = re.compile(r"^> (.+)$", re.MULTILINE)
_LINK: Final = re.compile(r'<a href="([^"#]*)(?:#[^"]*)?">(.*?)</a>', re.DOTALL)
_TYPED: Final = re.compile(r"^((?:<pre><code[^>]*>)?)((?:admin\$|root#|zextras\$|&gt;) (?:.*\\\n)*.*)$", re.MULTILINE)
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""


class Message(NamedTuple):
    """A message that the troubleshooting explains."""

    number: int
    text: str

    def says(self, quoted: str) -> bool:
        """Return whether a reference means this one: it quotes a part of it."""
        return quoted in self.text


def blanks_of(source: str) -> dict[str, str]:
    """Return the blanks of a page, each with the name of the variable that it is filled from."""
    return dict(_ROW.findall(source))


def render(source: str, troubleshooting: str, values: Mapping[str, str]) -> str:
    """Return the page, HTML.

    :param source: the procedure, :param troubleshooting: the messages, both Markdown.
    :param values: what is put into blanks, by their names; the others stay blank.
    :raises Unusable: a reference means no message, or several.
    """
    messages = [Message(number, text) for number, text in enumerate(_QUOTE.findall(troubleshooting), 1)]
    appendix = "".join(_explained(troubleshooting, messages))
    body = f'{"".join(_steps(source))}<section class="messages">{appendix}</section>'
    body = _LINK.sub(lambda found: _reference(found.group(1), found.group(2), messages), body)
    names = list(blanks_of(source))
    if names:
        blank = re.compile(rf"\b(?:{'|'.join(names)})\b")
        body = blank.sub(lambda found: _filled(found.group(), values), body)
    return _PAGE.format(title=_title(source), style=_STYLE.read_text(encoding="utf-8"), body=body)


def _title(source: str) -> str:
    return html.escape(source.partition("\n")[0].lstrip("# "))


def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _steps(source: str) -> Iterator[str]:
    """Yield a page part by part; each step is a part of its own, which is not torn apart by the end of a sheet."""
    parser = _markdown()
    for part in re.split(r"^(?=#{2,3} )", source, flags=re.MULTILINE):
        shown = _TYPED.sub(r"\1<kbd>\2</kbd>", parser.render(part))
        if part.startswith("### "):
            shown = shown.replace("<h3>", '<h3><span class="box"></span> ', 1)
            yield f'<section class="step">\n{shown}</section>\n'
        else:
            yield f"<section>\n{shown}</section>\n"


def _explained(troubleshooting: str, messages: Sequence[Message]) -> Iterator[str]:
    """Yield the troubleshooting, its messages numbered."""
    shown = _markdown().render(troubleshooting).replace("<h1>", "<h1>Appendix: ", 1)
    beginning, *parts = re.split(r"<blockquote>\n<p>", shown)
    yield beginning
    for message, part in zip(messages, parts):
        yield f'<blockquote id="m{message.number}">\n<p><b>[M{message.number}]</b> {part}'


def _reference(page: str, text: str, messages: Sequence[Message]) -> str:
    """Return what a link is on paper: the number of a message, or the name of another page."""
    if "://" in page or text == page:
        return text
    if page != TROUBLESHOOTING:
        return f"{text} (docs/{page})"
    quoted = html.unescape(re.sub("<[^>]+>", "", text))
    meant = [message.number for message in messages if message.says(quoted)]
    if len(meant) != 1:
        raise Unusable(f'The reference "{quoted}" means {len(meant)} messages of docs/{TROUBLESHOOTING}; quote one.')
    return f'<a href="#m{meant[0]}">{text}</a> <b>[M{meant[0]}]</b>'


def _filled(name: str, values: Mapping[str, str]) -> str:
    if name in values:
        return f'<b class="filled">{html.escape(values[name])}</b>'
    return f'<span class="blank">{name}</span>'


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; return the exit status."""
    parser = argparse.ArgumentParser(description="Make one page to print of a procedure in docs/.")
    parser.add_argument("page", type=Path, help="the procedure, Markdown")
    parser.add_argument("--vars", type=Path, nargs="*", default=[], help="files of variables, YAML, for its blanks")
    parser.add_argument("--output", type=Path, help="default: build/printed/<page>.html")
    given = parser.parse_args(arguments)
    output = given.output or CHECKOUT / "build" / "printed" / f"{given.page.stem}.html"
    try:
        source = given.page.read_text(encoding="utf-8")
        blanks = blanks_of(source)
        values = values_of(given.vars, blanks)
        troubleshooting = (CHECKOUT / "docs" / TROUBLESHOOTING).read_text(encoding="utf-8")
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(render(source, troubleshooting, values), encoding="utf-8")
    except (Unusable, OSError) as error:
        print(f"tools/printed.py: {error}", file=sys.stderr)
        return 1
    left = [f"{name} ({variable})" for name, variable in blanks.items() if name not in values]
    if left:
        print(f"To be filled in by hand: {', '.join(left)}.")
    print(output.resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
