# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the benchmarks say can be believed: the meter and the table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import report
from bench.measure import Failed, Usage, last_json, median, run

MB = 1_000_000


def python(code: str) -> Usage:
    return run([sys.executable, "-c", code])


def test_the_time_is_that_of_the_whole_process() -> None:
    assert 0.3 < python("import time; time.sleep(0.3)").seconds < 10


def test_the_peak_is_that_of_the_program_though_it_gave_the_memory_back() -> None:
    assert 300 * MB < python("data = b'x' * 300_000_000; del data").peak < 350 * MB


def test_a_program_that_fails_is_no_measurement() -> None:
    with pytest.raises(Failed, match="(?s)ended with 3.*no such bucket"):
        python("print('no such bucket'); raise SystemExit(3)")


def test_the_facts_are_on_the_last_line() -> None:
    assert python("print('working'); print('{\"messages\": 5}')").facts == {"messages": 5}
    assert last_json("") == last_json("done") == {}


def test_the_median_takes_the_middle_time_and_the_largest_peak() -> None:
    usages = iter([Usage(3, 10), Usage(1, 30), Usage(2, 20)])
    assert median(3, lambda: next(usages))[:2] == (2, 30)


def test_one_after_the_other_adds_the_times_and_keeps_the_larger_peak() -> None:
    assert Usage(1, 30, {"a": 1}).then(Usage(2, 20, {"b": 2})) == Usage(3, 30, {"a": 1, "b": 2})


@pytest.mark.parametrize(("ours", "theirs", "text"), [
    (1, 60, "60.0x faster"), (4, 6, "1.50x faster"), (5, 4, "1.25x its time"),
])
def test_a_result_is_a_ratio_of_the_two(ours: float, theirs: float, text: str) -> None:
    assert report.Row("scan", Usage(ours, 0), "", True, "peer", Usage(theirs, 0)).result() == text


def test_a_missed_goal_is_seen_in_the_table() -> None:
    assert "| **no** |" in report.line(report.Row("scan", Usage(1, MB), "under 1 s", False))


def test_what_bounds_a_missed_goal_is_said_below_the_table() -> None:
    rows = [report.Row("scan", Usage(1, MB), "under 1 s", met, limit="a loop: 2.00 s") for met in (False, True)]
    assert report.table(rows).count("- **scan**, under 1 s: a loop: 2.00 s.") == 1


def test_the_document_keeps_what_is_not_between_the_markers(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    (begin, end), (other, its_end) = report.marks("imap"), report.marks("backup")
    before = f"# Benchmarks\n{other}\nmeasured before\n{its_end}\n"
    document.write_text(f"{before}{begin}\nold\n{end}\nWhy a goal is missed.\n")
    for _round in range(2):
        report.write(document, "imap", report.section([], "mail", "moto", {}, "2026-01-01"))
    text = document.read_text()
    assert text.startswith(before) and text.endswith("\nWhy a goal is missed.\n")
    assert "old" not in text and text.count(begin) == text.count(end) == 1
