# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of a report in HTML; all that they hold is escaped. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

ROWS: Final = 500
"""Rows of a table, at most; report.json has all."""


class Column(NamedTuple):
    """A column of a table."""

    title: str
    style: str = ""
    """"number", "time" or "text"; empty for a short word."""


class Marked(str):
    """A value of a table that is to be noticed."""


def table(
    caption: str, columns: Sequence[Column], rows: Sequence[Sequence[str]], total: Sequence[str] = ()
) -> str:
    """Return a table.

    :param rows: the first cell of each is its heading. :param total: a last row; empty for none.
    """
    head = "".join(f'<th scope="col"{_class(column.style)}>{escape(column.title)}</th>' for column in columns)
    body = "".join(f"<tr>{_cells(columns, row)}</tr>" for row in rows[:ROWS])
    foot = f"<tfoot><tr>{_cells(columns, total)}</tr></tfoot>" if total else ""
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody>{foot}</table></div>{left_out(len(rows))}"
    )


def left_out(count: int) -> str:
    """Return what is said below a list that has more than is shown of it."""
    return f"<p>{count - ROWS:,} more are in report.json.</p>" if count > ROWS else ""


def _cells(columns: Sequence[Column], row: Sequence[str]) -> str:
    cells = [f'<th scope="row"{_class(columns[0].style)}>{escape(row[0])}</th>']
    for column, value in zip(columns[1:], row[1:]):
        style = f"{column.style} bad" if isinstance(value, Marked) else column.style
        cells.append(f"<td{_class(style.strip())}>{escape(value)}</td>")
    return "".join(cells)


def _class(style: str) -> str:
    return f' class="{style}"' if style else ""
