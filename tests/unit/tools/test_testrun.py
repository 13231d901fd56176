# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The counts that close `make test`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import testrun

MIXED = """
import pytest

def test_one(): pass
def test_two(): pass
def test_three(): assert False
@pytest.mark.skip(reason="not today")
def test_four(): pass
"""

WAIT = """
import pathlib, sys, time
end = time.monotonic() + 60
while not pathlib.Path(sys.argv[1]).exists():
    if time.monotonic() > end: raise SystemExit("it has not begun")
    time.sleep(0.05)
"""
"""A program that ends when a file is there."""


@pytest.fixture(autouse=True)
def results_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testrun, "RESULTS", tmp_path)
    monkeypatch.setattr(testrun, "CHECKS", {})
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty suite, the only one."""
    folder = tmp_path / "suite"
    folder.mkdir()
    monkeypatch.setattr(testrun, "SUITES", {"suite": [str(folder)]})
    return folder


def run(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["testrun.py", "--workers", "0"])
    return testrun.main()


def closing_lines(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return capfd.readouterr().out.rpartition("\n\n")[2].splitlines()


def test_every_outcome_is_counted(suite: Path) -> None:
    (suite / "test_mixed.py").write_text(MIXED)
    assert testrun.run_suite("suite", 0)[:3] == (2, 1, 1)


def test_a_suite_without_tests_has_failed(suite: Path) -> None:
    counts = testrun.run_suite("suite", 0)
    assert counts[:3] == (0, 1, 0) and "found no test" in counts.reasons


def test_a_suite_that_cannot_be_imported_has_failed(suite: Path) -> None:
    (suite / "test_broken.py").write_text("import nothing_of_this_name\n")
    assert testrun.run_suite("suite", 0).failed == 1


def test_a_skipped_test_is_counted_and_excused_at_home(
    suite: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (suite / "test_skip.py").write_text(MIXED.replace("assert False", "pass"))
    assert run(monkeypatch) == 0
    assert closing_lines(capfd)[-1] == "3 passed, 0 failed, 1 skipped"


def test_a_skipped_test_fails_the_run_in_ci(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (suite / "test_skip.py").write_text(MIXED.replace("assert False", "pass"))
    monkeypatch.setenv("CI", "true")
    assert run(monkeypatch) == 1


def test_a_failed_check_fails_the_run_and_does_not_hide_the_tests(
    suite: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (suite / "test_one.py").write_text("def test_one(): pass\n")
    monkeypatch.setattr(testrun, "CHECKS", {"check": ["python", "-c", "raise SystemExit(3)"]})
    assert run(monkeypatch) == 1
    assert closing_lines(capfd)[-1] == "1 passed, 1 failed, 0 skipped"


def test_servers_are_prepared_before_a_suite_that_needs_them_and_a_crash_there_fails_the_run(
    suite: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (suite / "test_one.py").write_text("def test_one(): pass\n")
    monkeypatch.setattr(testrun, "SERVED", {"suite"})
    monkeypatch.setattr(testrun, "PREPARING", "nothing_of_this_name")
    assert run(monkeypatch) == 1
    assert "nothing_of_this_name has crashed" in capfd.readouterr().out
    monkeypatch.delenv("PYTHONPATH", raising=False)
    imported = ["python", "-c", "import tests.servers.prepare"]
    assert testrun.call(imported, PYTHONPATH=str(testrun.COLLECTIONS)).returncode == 0


def test_what_has_failed_or_was_skipped_is_told_once_more_at_the_end(
    suite: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (suite / "test_mixed.py").write_text(MIXED)
    says = "print('all is well'); print('ERROR: but for this'); raise SystemExit(3)"
    monkeypatch.setattr(testrun, "CHECKS", {
        "check": ["python", "-c", says], "quiet": ["python", "-c", "raise SystemExit('no more')"],
    })
    assert run(monkeypatch) == 1
    check, finding, quiet, last, suite_line, failure, skip, total = closing_lines(capfd)
    assert (check, finding) == ("check: 1 failed, 0 skipped", "ERROR: but for this")
    assert (quiet, last) == ("quiet: 1 failed, 0 skipped", "no more")
    assert suite_line == "suite: 1 failed, 1 skipped"
    assert failure.startswith("failure: ") and failure.endswith("test_mixed::test_three: assert False")
    assert skip.startswith("skipped: ") and skip.endswith("test_mixed::test_four: not today")
    assert total == "2 passed, 3 failed, 1 skipped"


def test_the_tests_run_beside_the_checks(
    suite: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The check ends when the test has begun."""
    begun = suite / "begun"
    (suite / "test_one.py").write_text(f"import pathlib\ndef test_one(): pathlib.Path({str(begun)!r}).touch()\n")
    monkeypatch.setattr(testrun, "CHECKS", {"check": ["python", "-c", WAIT, str(begun)]})
    assert run(monkeypatch) == 0
    assert closing_lines(capfd) == ["2 passed, 0 failed, 0 skipped"]


def test_two_suites_run_at_a_time_and_neither_hides_or_interrupts_what_the_other_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The first ends when the second has begun."""
    begun = tmp_path / "begun"
    command = ["python", "-c", WAIT, str(begun)]
    for name, content in {
        "first": f"import subprocess\ndef test_it(): subprocess.run({command}, check=True)\n",
        "second": f"import pathlib\ndef test_it():\n    pathlib.Path({str(begun)!r}).touch()\n    assert False\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / f"test_{name}.py").write_text(content)
    monkeypatch.setattr(testrun, "SUITES", {name: [str(tmp_path / name)] for name in ("first", "second")})
    assert run(monkeypatch) == 1
    said = capfd.readouterr().out
    assert said.endswith("\n1 passed, 1 failed, 0 skipped\n")
    first, second = (
        said.partition(f"==== {name} ====\n")[2].partition(f"==== {name}: ")[0] for name in ("first", "second")
    )
    assert "1 passed" in first and "1 failed" not in first
    assert "1 failed" in second and "1 passed" not in second


@pytest.mark.parametrize(("enough", "said", "is_there"), [(0, "", True), (1 << 60, "", False), (0, "/var/tmp", False)])
def test_files_of_the_tests_are_in_memory_where_there_is_room_and_nothing_else_is_said(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enough: int, said: str, is_there: bool
) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(testrun, "MEMORY", memory)
    monkeypatch.setattr(testrun, "ENOUGH", enough)
    monkeypatch.delenv("TMPDIR", raising=False)
    if said:
        monkeypatch.setenv("TMPDIR", said)
    (suite / "test_one.py").write_text(
        f"import tempfile\ndef test_one(): assert (tempfile.gettempdir() == {str(memory)!r}) is {is_there}\n"
    )
    assert testrun.run_suite("suite", 0)[:3] == (1, 0, 0)
