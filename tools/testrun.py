# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the phases of `make test`, all of them or those named, and close with one line of counts.

    build/env-test/bin/python tools/testrun.py [phase ...]

A check (ruff, mypy, ...) counts as one test. Two suites run at a time, as tests wait for servers and for processes that
they start: together they have more processes than there are processors, and where the one waits or comes to its end,
the other one works. The checks run beside them, one at a time, and take what the tests leave. What tests write to files
is in memory, where the machine has enough: on a disk they would wait for half of the time, since whatever keeps mail
safe waits for the disk. What a phase says is shown when it has ended, unless it is the only suite. A failed phase does
not hide the next one, but fails the run, and what has failed is told once more at the end. Where the environment
variable CI is set, a skipped test fails the run too: there, everything can be installed, so nothing is excused.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

CHECKOUT = Path(__file__).resolve().parent.parent
RESULTS = CHECKOUT / "build" / "test"
COLLECTIONS = CHECKOUT / "build" / "collections"
TOOLS = Path(sys.executable).parent

# The longest first: they are begun in this order.
CHECKS = {
    "sanity": ["python", "tools/sanity.py"],
    "ansible-lint": ["ansible-lint"],
    "site": ["python", "tools/docsite.py", "--check"],
    "mypy": ["mypy"],
    "docs": ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self", "."],
    "changelog": ["antsibull-changelog", "lint"],
    "ruff": ["ruff", "check", "."],
}
# These too, by what takes longest in them and cannot be divided; the last one is of many small tests that fill the end.
SUITES = {
    "fleet": ["tests/fleet"],
    "engine": ["tests/engine", "tests/conformance"],
    "playbooks": ["tests/playbooks"],
    "molecule": ["tests/molecule"],
    "versions": ["tests/versions"],
    "drill": ["tests/drill"],
    "bench": ["tests/bench"],
    "torture": ["tests/torture", "tests/fuzz"],
    "unit": ["tests/unit"],
}
# How many suites run at a time.
LANES = 2
# The suites that need servers which are not of Python alone.
SERVED = {"engine", "torture", "fleet"}
# What installs them.
PREPARING = "tests.servers.prepare"
# Of a check beside the suites: the tests go first, but with much more the checks would be all that is left at the end.
_NICENESS = 3
# Where files are in memory, and how many bytes have to be free there; twice as many in the machine.
MEMORY = Path("/dev/shm")
ENOUGH = 4 << 30
# How many lines of a failed check are told again, where none is marked as a finding.
_LAST = 40
# How tests are spread over processes, where it is not file by file.
SPREAD = {"drill": "load", "molecule": "load", "torture": "load", "versions": "load"}


class Counts(NamedTuple):
    """How many tests did what, and what the failed and skipped ones have to say."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: str = ""


def call(
    command: list[str], output: int | None = None, niceness: int = 0, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of the test environment from the checkout.

    :param output: as stdout of subprocess.run; None for where ours goes. :param niceness: as nice(1) takes it.
    :param variables: of its environment.
    """
    environment = dict(
        os.environ,
        PATH=f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
        ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS),
        **variables,
    )
    return subprocess.run(
        ["nice", "-n", str(niceness), str(TOOLS / command[0]), *command[1:]], cwd=CHECKOUT, env=environment,
        text=True, check=False, stdout=output, stderr=None if output is None else subprocess.STDOUT,
    )


def run_check(name: str, niceness: int) -> Counts:
    """Run one check; it passes or fails as a whole, and what it has to say is shown when it has ended."""
    started = time.monotonic()
    done = call(CHECKS[name], subprocess.PIPE, niceness)
    print(f"\n==== {name} ====\n{done.stdout}==== {name}: {time.monotonic() - started:.0f} s", flush=True)
    return Counts(failed=1, reasons=_findings(done.stdout)) if done.returncode else Counts(passed=1)


def _findings(output: str) -> str:
    """Return what a failed check has found: the lines that say so, or else the last ones."""
    lines = output.splitlines()
    return "\n".join([line for line in lines if line.startswith(("ERROR", "FATAL"))] or lines[-_LAST:])


def run_suite(name: str, workers: int, beside: bool = False) -> Counts:
    """Run one pytest suite and count by its JUnit file; a run that could not report has failed.

    :param workers: pytest processes; 0 for none but its own. :param beside: whether others have something to say, too.
    """
    started = time.monotonic()
    print(f"\n==== {name}{' has begun' if beside else ''} ====", flush=True)
    report = RESULTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    options = [f"--numprocesses={workers}", f"--dist={SPREAD.get(name, 'loadfile')}", "-q", f"--junitxml={report}"]
    output = subprocess.PIPE if beside else None
    done = call(["pytest", *SUITES[name], *options], output, niceness=0, **_place_of_files())
    said = f"\n==== {name} ====\n{done.stdout}" if beside else ""
    print(f"{said}==== {name}: {time.monotonic() - started:.0f} s", flush=True)
    if not report.is_file():
        return Counts(failed=1, reasons="it has written no report")
    results = ElementTree.parse(report).getroot()
    counts = [suite.attrib for suite in results.iter("testsuite")]
    failed = sum(int(suite["failures"]) + int(suite["errors"]) for suite in counts)
    skipped = sum(int(suite["skipped"]) for suite in counts)
    passed = sum(int(suite["tests"]) for suite in counts) - failed - skipped
    reasons = _reasons(results)
    if done.returncode and not failed:
        reasons = f"{reasons}\nit stopped before the end, or found no test (status {done.returncode})".lstrip()
        failed = 1
    return Counts(passed, failed, skipped, reasons)


def _place_of_files() -> dict[str, str]:
    """Return the variable that tells tests to have their files in memory, where that is of use and possible."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return {}
    place = os.statvfs(MEMORY)
    available = re.search(r"^MemAvailable: *(\d+) kB$", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    free = min(place.f_bavail * place.f_frsize, int(available[1]) * 1024 // 2 if available else 0)
    # Some tests run programs that they have written.
    return {} if place.f_flag & os.ST_NOEXEC or free < ENOUGH else {"TMPDIR": str(MEMORY)}


def prepare_servers() -> Counts:
    """Install the servers of the tests; what cannot be had is told by the tests that need it, and only a crash here."""
    done = call(["python", "-m", PREPARING], PYTHONPATH=str(COLLECTIONS))
    return Counts(failed=1, reasons=f"{PREPARING} has crashed, see above") if done.returncode else Counts()


def _reasons(results: ElementTree.Element) -> str:
    """Return a line for each test of a JUnit file that failed or was skipped."""
    return "\n".join(
        f"{outcome.tag}: {case.get('classname')}::{case.get('name')}: {_first_line(outcome.get('message', ''))}"
        for case in results.iter("testcase")
        for outcome in case if outcome.tag in ("failure", "error", "skipped")
    )


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the phases of the tests.")
    parser.add_argument("phases", nargs="*", metavar="phase", default=[], help=", ".join([*CHECKS, *SUITES]))
    parser.add_argument("--workers", type=int, default=(os.cpu_count() or 1) + 1, help="pytest processes")
    arguments = parser.parse_args()
    phases = arguments.phases or [*CHECKS, *SUITES]
    unknown = set(phases) - set(CHECKS) - set(SUITES)
    if unknown:
        parser.error(f"there is no phase {', '.join(sorted(unknown))}")

    RESULTS.mkdir(parents=True, exist_ok=True)
    checks = [name for name in CHECKS if name in phases]
    suites = [name for name in SUITES if name in phases]
    # Alone, the checks may have all there is.
    beside, niceness = (1, _NICENESS) if suites else (max(arguments.workers, 1), 0)
    lanes = max(1, min(LANES, len(suites)))
    each = -(-arguments.workers // lanes)  # rounded up: of what a suite has, some always wait
    with ThreadPoolExecutor(beside) as pool, ThreadPoolExecutor(lanes) as suite_pool:
        begun = {name: pool.submit(run_check, name, niceness) for name in checks}
        prepared = {"servers": prepare_servers()} if SERVED.intersection(suites) else {}
        begun.update({name: suite_pool.submit(run_suite, name, each, lanes > 1) for name in suites})
        results = {**{name: counts.result() for name, counts in begun.items()}, **prepared}

    counted = results.values()
    total = Counts(sum(one.passed for one in counted), sum(one.failed for one in counted),
                   sum(one.skipped for one in counted))
    print()
    for phase, counts in results.items():
        if counts.failed or counts.skipped:
            print(f"{phase}: {counts.failed} failed, {counts.skipped} skipped\n{counts.reasons}")
    excused = total.skipped == 0 or not os.environ.get("CI")
    if not excused:
        print("In CI a skipped test is a failure: install what it needs.")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 0 if total.failed == 0 and excused else 1


if __name__ == "__main__":
    sys.exit(main())
