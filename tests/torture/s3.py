# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disturb the work with a bucket for a time, and say what was tried, how often, and what was found.

    python -m tests.torture.s3 [--seconds 600 | --count N] [--seed N] [--job "first scan"] [--all]

A run without --all takes at random; one with it lets everything happen to every request once, and needs some hours.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .crashes import Finding
from .report import lists
from .s3_jobs import S3_JOBS
from .s3_layer import Mishap, s3_layer
from .s3_trials import S3Trial
from .s3_worlds import S3World


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.s3", description="Disturb the work with a bucket.")
    parser.add_argument("--seconds", type=float, default=600, help="how long (default: %(default)s)")
    parser.add_argument("--count", type=int, default=0, help="how many mishaps, however long that takes")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="repeat a run by it")
    parser.add_argument("--job", action="append", default=[], help="only this work; may be given more than once")
    parser.add_argument("--fault", action="append", default=[], help="only this mishap; may be given more than once")
    parser.add_argument("--all", action="store_true", help="every mishap at every request, once")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.job) - set(S3_JOBS))
    if unknown:
        parser.error(f"there is no job {', '.join(unknown)}; there are {', '.join(S3_JOBS)}")
    print(f"seed {arguments.seed}", flush=True)
    chance = random.Random(arguments.seed)
    tried: Counter[tuple[str, str]] = Counter()
    findings: list[Finding] = []

    def disturb(trial: S3Trial, mishap: Mishap) -> None:
        tried[trial.job.name, mishap.kind()] += 1
        for finding in trial.disturb(mishap, chance.randrange(10**6)):
            findings.append(finding)
            print(f"\nFOUND {finding.job}, {finding.disturbance}:\n{finding.what}\n", flush=True)

    with tempfile.TemporaryDirectory(prefix="restante-s3-") as scratch, s3_layer() as layer:
        world = S3World.begin(Path(scratch) / "world", layer)
        trials = [S3Trial(S3_JOBS[name], world, Path(scratch) / name) for name in arguments.job or S3_JOBS]
        wanted = {
            trial.job.name: [
                mishap for mishap in trial.mishaps() if not arguments.fault or mishap.fault in arguments.fault
            ] for trial in trials
        }
        if arguments.all:
            for trial in trials:
                for mishap in wanted[trial.job.name]:
                    disturb(trial, mishap)
        end = time.monotonic() + arguments.seconds
        while not arguments.all and (
            tried.total() < arguments.count if arguments.count else time.monotonic() < end
        ):
            trial = chance.choice(trials)
            # By kind first: most requests can meet most kinds, and few those that are about listings.
            kind = chance.choice(sorted({mishap.kind() for mishap in wanted[trial.job.name]}))
            disturb(trial, chance.choice([one for one in wanted[trial.job.name] if one.kind() == kind]))
    lists(tried, "requests", {trial.job.name: len(trial.requests) for trial in trials})
    print(f"{tried.total()} mishaps, {len(findings)} findings, seed {arguments.seed}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
