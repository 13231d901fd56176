# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the machine, for a time or a number of times, and says what was tried and how often."""

from __future__ import annotations

import os
import time
import traceback
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from .machine import Machine

EXAMPLES = 10
"""Machines that are run under one seed."""
MEMORY = Path("/dev/shm")


def run(first_seed: int, *, seconds: float, examples: int, steps: int, reduce: bool) -> int:
    """Run machines, and report. A failure is printed with the fewest steps that lead to it.

    :param first_seed: a run is repeated by it; each further one has the next number.
    :param seconds: how long. :param examples: how many machines, however long that takes; 0 for that long.
    :param steps: of each machine. :param reduce: find the fewest steps that lead to a failure: that takes minutes.
    :return: how many failures were found.
    """
    Machine.place = str(MEMORY) if os.access(MEMORY, os.W_OK) else None  # a kill needs no disk, and it is quicker
    tried = Machine.tried = Counter()
    findings = machines = 0
    until = time.monotonic() + seconds
    number = first_seed
    while machines < examples if examples else time.monotonic() < until:
        count = min(EXAMPLES, examples - machines) if examples else EXAMPLES
        error = _failure(number, count, steps, [Phase.generate])
        if error is not None:
            findings += 1
            if reduce:
                Machine.tried = Counter()  # what is done to find the fewest steps does not count
                error = _failure(number, count, steps, [Phase.generate, Phase.shrink]) or error
            said = "".join(traceback.format_exception(error))
            print(f"\nFOUND seed {number}, {steps} steps:\n{said}\n", flush=True)
            Machine.tried = tried
        machines += count
        number += 1
    _report(tried)
    print(f"{machines} machines of {steps} steps, {findings} findings, seed {first_seed}")
    return findings


def _failure(number: int, count: int, steps: int, phases: list[Phase]) -> Exception | None:
    """Run some machines under a seed; return what one has failed with."""
    options = settings(
        max_examples=count, stateful_step_count=steps, phases=phases, deadline=None, database=None, print_blob=True,
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )
    try:
        run_state_machine_as_test(seed(number)(type("Machine", (Machine,), {})), settings=options)
    except Exception as error:  # whatever it is: it is a finding
        return error
    return None


def _report(tried: Counter[str]) -> None:
    by_step: dict[str, Counter[str]] = {}
    for name, count in sorted(tried.items()):
        step, _unused, outcome = name.partition(": ")
        by_step.setdefault(step, Counter())[outcome or "done"] += count
    outcomes = ("done", "killed", "refused", "nothing")
    width = max(map(len, by_step), default=0)
    print(f"\n{'':{width}}  " + "  ".join(f"{outcome:>8}" for outcome in outcomes))
    for step, counts in by_step.items():
        print(f"{step:{width}}  " + "  ".join(f"{counts[outcome]:8}" for outcome in outcomes))
    print()
