# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disturb the engine's work for a time, and say what was tried, how often, and what was found.

    python -m tests.torture [--seconds 1800 | --count N] [--seed N] [--job "first scan"] [--all]

A run without --all takes at random; one with it takes every fault at every operation once, and needs some hours.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from . import layer


def main() -> int:
    parser = argparse.ArgumentParser(prog="make torture", description="Disturb the engine's work.")
    parser.add_argument("--seconds", type=float, default=1800, help="how long (default: %(default)s)")
    parser.add_argument("--count", type=int, default=0, help="how many disturbances, however long that takes")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="repeat a run by it")
    parser.add_argument("--job", action="append", default=[], help="only this work; may be given more than once")
    parser.add_argument("--all", action="store_true", help="every fault at every operation, once")
    parser.add_argument("--machine", action="store_true", help="instead of single jobs: all of it in random order")
    parser.add_argument("--steps", type=int, default=60, help="of each machine (default: %(default)s)")
    parser.add_argument("--unreduced", action="store_true", help="do not look for the fewest steps that fail")
    arguments = parser.parse_args()
    try:
        layer.begin()
    except layer.Unavailable as error:
        print(error)
        return 2
    # From here on the library is loaded, and with it what is imported.
    from .crashes import Finding, Trial
    from .jobs import JOBS
    from .report import table
    from .worlds import World

    unknown = sorted(set(arguments.job) - set(JOBS))
    if unknown:
        parser.error(f"there is no job {', '.join(unknown)}; there are {', '.join(JOBS)}")
    print(f"seed {arguments.seed}", flush=True)
    if arguments.machine:
        from .machine import run

        return 1 if run.run(
            arguments.seed, seconds=arguments.seconds, examples=arguments.count, steps=arguments.steps,
            reduce=not arguments.unreduced,
        ) else 0
    chance = random.Random(arguments.seed)
    tried: Counter[tuple[str, str]] = Counter()
    findings: list[Finding] = []

    def note(job: str, kind: str, found: Iterator[Finding]) -> None:
        tried[job, kind] += 1
        for finding in found:
            findings.append(finding)
            print(f"\nFOUND {finding.job}, {finding.disturbance}:\n{finding.what}\n", flush=True)

    with tempfile.TemporaryDirectory(prefix="restante-torture-") as scratch:
        world = World.create(Path(scratch) / "world")
        trials = [Trial(JOBS[name], world, Path(scratch) / name) for name in arguments.job or JOBS]
        if arguments.all:
            for trial in trials:
                for fault in trial.faults():
                    note(trial.job.name, fault.kind(), trial.disturb(fault, chance))
        end = time.monotonic() + arguments.seconds
        while not arguments.all and (
            tried.total() < arguments.count if arguments.count else time.monotonic() < end
        ):
            trial = chance.choice(trials)
            if chance.random() < 0.3:
                note(trial.job.name, "power failure", trial.cut_off(chance))
            else:
                fault = chance.choice(trial.faults())
                note(trial.job.name, fault.kind(), trial.disturb(fault, chance))
    table(tried, "operations", {trial.job.name: trial.operations for trial in trials})
    print(f"{sum(tried.values())} disturbances, {len(findings)} findings, seed {arguments.seed}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
