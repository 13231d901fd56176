# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Give everything that reads what others wrote altered inputs, and say what came of it (docs/fuzzing.md).

    PYTHONPATH=build/collections build/env-test/bin/python -m tests.fuzz [--count 10000] [--seed N] [--target NAME]...

Exit status: 0 nothing found, 1 something found.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

from tests.conftest import CHECKOUT

from . import harness, seeds
from .targets import TARGETS

SAVED = CHECKOUT / "build" / "fuzz"


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="inputs for each target")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="of the inputs")
    parser.add_argument("--target", action="append", default=[], help="only this one; may be given more than once")
    parser.add_argument("--only", type=int, help="this input alone, by its number")
    parser.add_argument("--input", type=Path, action="append", default=[], help="a file to be read as the input")
    parser.add_argument("--corpus", type=Path, default=seeds.CORPUS, help="a folder with mail/, ics/, vcf/, sieve/")
    parser.add_argument("--list", action="store_true", help="say which targets there are")
    arguments = parser.parse_args()
    seeds.CORPUS = arguments.corpus
    unknown = sorted(set(arguments.target) - set(TARGETS))
    if unknown:
        parser.error(f"there is no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if arguments.list:
        print("\n".join(TARGETS))
        return 0
    print(f"seed {arguments.seed}", flush=True)
    first, count = (0, arguments.count) if arguments.only is None else (arguments.only, arguments.only + 1)
    given = [path.read_bytes() for path in arguments.input]
    width = max(map(len, arguments.target or TARGETS))
    print(f"{'':{width}}  inputs  refused  seconds  slowest ms  most MiB  findings", flush=True)
    began = time.monotonic()
    total = found = 0
    for name in arguments.target or TARGETS:
        done = harness.run(
            TARGETS[name], arguments.seed, count, SAVED, lambda text: print(text, flush=True), given, first
        )
        total += done.inputs
        found += len(done.findings)
        print(
            f"{name:{width}}  {done.inputs:6}  {done.refused:7}  {done.seconds:7.1f}  {done.slowest * 1000:10.0f}  "
            f"{done.largest / harness.MIB:8.1f}  {len(done.findings):8}",
            flush=True,
        )
    print(f"{total} inputs in {time.monotonic() - began:.0f} s, {found} findings, seed {arguments.seed}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
