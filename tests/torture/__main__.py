# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disturb the engine's work for a time, and say what was tried, how often, and what was found.

    python -m tests.torture [--seconds 1800 | --count N] [--seed N] [--job "first scan"] [--all] [--repeat CODE]
    python -m tests.torture --machine [--seconds 1800 | --count N] [--seed N] [--steps 60] [--unreduced]

A run without --all takes at random; one with it takes every fault at every operation once, and every power failure up
to a bound, and needs many hours. The report is in build/torture-report.txt and .json too. With --machine, all of it
happens in random order, and is held against a model (machine/).
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import layer
from .commandline import parser_of_jobs

if TYPE_CHECKING:
    from .crashes import Trial
    from .report import Report

FOLDER = layer.BUILD.parent
"""Where the report goes."""


def main() -> int:
    parser = parser_of_jobs("make torture", "Disturb the engine's work.", 1800)
    parser.add_argument("--machine", action="store_true", help="instead of single jobs: all of it in random order")
    parser.add_argument("--steps", type=int, default=60, help="of each machine (default: %(default)s)")
    parser.add_argument("--unreduced", action="store_true", help="do not look for the fewest steps that fail")
    parser.add_argument("--repeat", default="", help="only what has led to a finding, as the report says it")
    parser.add_argument("--report", type=Path, default=FOLDER, help="the directory for the report (%(default)s)")
    arguments = parser.parse_args()
    try:
        layer.begin()
    except layer.Unavailable as error:
        print(error)
        return 2
    # From here on the library is loaded, and with it what is imported.
    from .crashes import Trial
    from .every_job import JOBS
    from .report import Report
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
    report = Report(arguments.seed)
    chance = random.Random(arguments.seed)
    if os.geteuid():
        print("This is not root: no file is given to another user; permissions are only taken away.")
    with tempfile.TemporaryDirectory(prefix="restante-torture-") as scratch:
        os.chmod(scratch, 0o711)  # work is done as another user too
        world = World.create(Path(scratch) / "world")
        trials = [Trial(JOBS[name], world, Path(scratch) / name) for name in arguments.job or JOBS]
        report.operations = {trial.job.name: trial.operations for trial in trials}
        try:
            if arguments.repeat:
                for trial in trials:
                    report.note(trial.job.name, "repeated", trial.repeat(arguments.repeat))
            elif arguments.all:
                _everything(trials, report, chance)
            else:
                _at_random(trials, report, chance, arguments.count, arguments.seconds)
        except KeyboardInterrupt:
            print("Ended before its time.")
        finally:
            report.save(arguments.report)
    print(f"\n{report.text()}", end="")
    return 1 if report.findings else 0


def _everything(trials: list[Trial], report: Report, chance: random.Random) -> None:
    for trial in trials:
        report.note(trial.job.name, "order", trial.breaches())
        for fault in trial.faults():
            report.note(trial.job.name, fault.kind(), trial.disturb(fault, chance.randrange(2**32)))
        report.note(trial.job.name, "modes", trial.modes())
        for forbidden in trial.forbidden():
            report.note(trial.job.name, forbidden.way, trial.forbid(forbidden))
        for found in trial.cut_off_everywhere(chance.randrange(2**32)):
            report.note(trial.job.name, "power failure", found)
        print(f"{trial.job.name}: done", flush=True)


def _at_random(trials: list[Trial], report: Report, chance: random.Random, count: int, seconds: float) -> None:
    """Disturb so often, or for so many seconds where the count is 0."""
    for trial in trials:
        report.note(trial.job.name, "order", trial.breaches())
        report.note(trial.job.name, "modes", trial.modes())
    end, before = time.monotonic() + seconds, report.tried.total()
    while report.tried.total() - before < count if count else time.monotonic() < end:
        trial, seed = chance.choice(trials), chance.randrange(2**32)
        way = chance.random()
        if way < 0.3:
            report.note(trial.job.name, "power failure", trial.cut_off(seed))
        elif way < 0.5:
            forbidden = chance.choice(trial.forbidden())
            report.note(trial.job.name, forbidden.way, trial.forbid(forbidden))
        else:
            fault = chance.choice(trial.faults())
            report.note(trial.job.name, fault.kind(), trial.disturb(fault, seed))


if __name__ == "__main__":
    sys.exit(main())
