# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disturb the work with a bucket for a time, and say what was tried, how often, and what was found.

    python -m tests.torture.s3 [--seconds 600 | --count N] [--seed N] [--job "first scan"] [--all]

A run without --all takes at random; one with it lets everything happen to every request once, and needs some hours.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .commandline import parser_of_jobs
from .crashes import Finding
from .report import lists
from .s3_jobs import S3_JOBS
from .s3_layer import Mishap, s3_layer
from .s3_rivals import NAME, rival, some_mishap
from .s3_trials import S3Trial
from .s3_worlds import S3World


def main() -> int:
    parser = parser_of_jobs("python -m tests.torture.s3", "Disturb the work with a bucket.", 600)
    parser.add_argument("--fault", action="append", default=[], help="only this mishap; may be given more than once")
    arguments = parser.parse_args()
    names = (*S3_JOBS, NAME)
    unknown = sorted(set(arguments.job) - set(names))
    if unknown:
        parser.error(f"there is no job {', '.join(unknown)}; there are {', '.join(names)}")
    print(f"seed {arguments.seed}", flush=True)
    chance = random.Random(arguments.seed)
    tried: Counter[tuple[str, str]] = Counter()
    findings: list[Finding] = []

    def note(job: str, mishap: Mishap, found: Iterator[Finding]) -> None:
        tried[job, mishap.kind()] += 1
        for finding in found:
            findings.append(finding)
            print(f"\nFOUND {finding.job}, {finding.disturbance}:\n{finding.what}\n", flush=True)

    def seed() -> int:
        return chance.randrange(10**6)

    with tempfile.TemporaryDirectory(prefix="restante-s3-") as scratch, s3_layer() as layer:
        world = S3World.begin(Path(scratch) / "world", layer)
        trials: dict[str, S3Trial] = {}

        def trial(name: str) -> S3Trial:
            if name not in trials:
                trials[name] = S3Trial(S3_JOBS[name], world, Path(scratch) / name)
            return trials[name]

        def wanted(name: str) -> list[Mishap]:
            return [one for one in trial(name).mishaps() if not arguments.fault or one.fault in arguments.fault]

        chosen = arguments.job or names
        if arguments.all and chosen == [NAME]:
            parser.error(f"the mishaps of {NAME} are not counted; disturb it with --count or --seconds")
        if arguments.fault:
            chosen = [name for name in chosen if name != NAME and wanted(name)]
            if not chosen:
                parser.error("this mishap can happen to no request of this work")
        for name in (name for name in chosen if arguments.all and name != NAME):
            for mishap in wanted(name):
                note(name, mishap, trial(name).disturb(mishap, seed()))
        end = time.monotonic() + arguments.seconds
        while not arguments.all and (
            tried.total() < arguments.count if arguments.count else time.monotonic() < end
        ):
            name = chance.choice(chosen)
            if name == NAME:
                mishap = some_mishap(chance)
                note(name, mishap, rival(world, Path(scratch), mishap, seed()))
                continue
            # By kind first: most requests can meet most kinds, and few those that are about listings.
            kind = chance.choice(sorted({mishap.kind() for mishap in wanted(name)}))
            mishap = chance.choice([one for one in wanted(name) if one.kind() == kind])
            note(name, mishap, trial(name).disturb(mishap, seed()))
    lists(tried, {name: f"{len(trials[name].requests)} requests" if name in trials else "" for name in chosen})
    print(f"{tried.total()} mishaps, {len(findings)} findings, seed {arguments.seed}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
