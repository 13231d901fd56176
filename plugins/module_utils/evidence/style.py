# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The style sheet of a report: light, dark, and print, which is always light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LIGHT: Final[Mapping[str, str]] = {
    "page": "#ffffff", "panel": "#f6f8fa", "text": "#1f2328", "soft": "#57606a", "line": "#d0d7de",
    "good": "#116329", "good-panel": "#dafbe1", "bad": "#a40e26", "bad-panel": "#ffebe9",
    "work": "#0969da", "check": "#6639ba", "aim": "#8a4600", "link": "#0550ae",
}
DARK: Final[Mapping[str, str]] = {
    "page": "#0d1117", "panel": "#161b22", "text": "#e6edf3", "soft": "#9ea7b3", "line": "#30363d",
    "good": "#56d364", "good-panel": "#0f2e1a", "bad": "#ff9492", "bad-panel": "#3c1418",
    "work": "#4493f8", "check": "#ab7df8", "aim": "#f0a35e", "link": "#79b8ff",
}
"""Colours by what they are for: on a page and on a panel, text has a contrast of 4.5 or more (WCAG 2, AA)."""


def sheet() -> str:
    """Return the style sheet."""
    return (
        f":root {{ color-scheme: light dark; {_variables(LIGHT)} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}\n{_RULES}"
    )


def _variables(colours: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


_RULES: Final = """\
* { box-sizing: border-box }
body { margin: 0; overflow-wrap: break-word; background: var(--page); color: var(--text);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif }
main { max-width: 860px; margin: 0 auto; padding: 40px 24px 64px }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 4px; font-weight: 650; letter-spacing: -.01em }
h2 { font-size: 18px; margin: 44px 0 10px; padding-bottom: 6px; border-bottom: 1px solid var(--line); font-weight: 650 }
p { margin: 8px 0; max-width: 76ch }
.lead { color: var(--soft) }
.verdict { display: flex; gap: 18px; align-items: center; margin: 24px 0 18px; padding: 16px 20px; border-radius: 10px;
  border-left: 6px solid; background: var(--good-panel); border-color: var(--good) }
.verdict.failed { background: var(--bad-panel); border-color: var(--bad) }
.verdict b { font-size: 21px; letter-spacing: .05em; color: var(--good) }
.verdict.failed b { color: var(--bad) }
.verdict p { margin: 0; min-width: 0 }
.figures { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px; margin: 0 }
.figures div { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 13px 16px }
.figures dt { color: var(--soft); font-size: 13px; line-height: 1.35 }
.figures dd { margin: 0 }
.figures dd.value { font-size: 23px; font-weight: 650; line-height: 1.45; white-space: nowrap }
.figures dd.note { font-size: 13px; color: var(--soft); line-height: 1.4 }
.good { color: var(--good); fill: var(--good) }
.bad { color: var(--bad); fill: var(--bad) }
ul.reasons { padding-left: 22px; margin: 8px 0 20px }
ul.reasons li { margin: 6px 0; overflow-wrap: anywhere }
figure { margin: 14px 0 }
figure svg { width: 100%; height: auto; display: block }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 16px }
.pair figure { margin: 4px 0 }
svg text { font-family: inherit; font-size: 12.5px; fill: var(--text) }
svg .soft { fill: var(--soft); font-size: 11.5px }
svg .strong { font-weight: 650 }
svg .bad { fill: var(--bad) }
svg .aim { fill: var(--aim); font-size: 11.5px; font-weight: 600 }
svg .grid { stroke: var(--line); stroke-width: 1; fill: none }
svg .target { stroke: var(--aim); stroke-width: 1.6; stroke-dasharray: 5 4; fill: none }
svg .work { fill: var(--work) }
svg .check { fill: var(--check) }
svg .failed { fill: var(--page); stroke: var(--bad); stroke-width: 1.6 }
svg .cross { stroke: var(--bad); stroke-width: 2; fill: none; stroke-linecap: round }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; margin: 12px 0; font-size: 13.5px; line-height: 1.4 }
caption { text-align: left; color: var(--soft); padding: 0 0 6px; font-size: 13.5px }
th, td { text-align: left; vertical-align: top; unicode-bidi: isolate;
  padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line) }
th { font-weight: 600 }
thead th { color: var(--soft); font-size: 12.5px; vertical-align: bottom }
tbody th { font-weight: 500; white-space: nowrap }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
th:last-child, td:last-child { padding-right: 0 }
td.time { white-space: nowrap; font-variant-numeric: tabular-nums }
td.text, th.text { overflow-wrap: anywhere; min-width: 9em; white-space: normal }
tfoot th, tfoot td { font-weight: 650; border-bottom: 0 }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: 5px 22px; margin: 12px 0; font-size: 13.5px }
dl.facts dt { color: var(--soft) }
dl.facts dd { margin: 0; overflow-wrap: anywhere }
code, pre { font: 12.5px/1.5 ui-monospace, "SFMono-Regular", "DejaVu Sans Mono", monospace; overflow-wrap: anywhere }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px;
  white-space: pre-wrap; margin: 10px 0 }
footer { margin-top: 48px; padding-top: 12px; border-top: 1px solid var(--line); color: var(--soft); font-size: 13px }
@media screen and (max-width: 640px) {
  .figures { grid-template-columns: 1fr 1fr }
  .pair { grid-template-columns: 1fr }
  main { padding: 24px 16px 40px }
  dl.facts { grid-template-columns: 1fr; gap: 0 } dl.facts dd { margin-bottom: 8px }
}
@page { size: A4; margin: 16mm 15mm 18mm }
@media print {
  :root { color-scheme: light }
  body { font-size: 10.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact }
  main { max-width: none; padding: 0 }
  h2 { margin-top: 24px; break-after: avoid }
  figure, .verdict, .figures, pre, tr { break-inside: avoid }
  .scroll { overflow: visible }
  table { font-size: 9pt }
  th, td { padding-right: 9px }
  thead th.number { white-space: normal }
  thead { display: table-header-group }
  tfoot { display: table-row-group }
}
"""
