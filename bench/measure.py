# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a program as its own process, and say how long it took and how much memory it had."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent


class Usage(NamedTuple):
    """What one or several runs took."""

    seconds: float
    """Wall time of the whole process, from before its start until after its end."""
    peak: int
    """Largest resident set of the process, in bytes."""
    facts: Mapping[str, Any] = {}
    """What the program said of itself: the JSON object on its last line of output, if there is one."""
    user: float = 0.0
    """Seconds of a processor that the process and those it has waited for took for themselves."""
    system: float = 0.0
    """And those that the kernel took for them."""

    def then(self, other: Usage) -> Usage:
        """Return what two programs took, one after the other."""
        return Usage(
            self.seconds + other.seconds, max(self.peak, other.peak), {**self.facts, **other.facts},
            self.user + other.user, self.system + other.system,
        )


class Failed(Exception):
    """A measured program failed; the text holds its output."""


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Usage:
    """Run one command to its end.

    The kernel counts the memory of the process that starts another one as that one's until it executes its program:
    so whoever measures must be small, and loads nothing but the standard library.

    :param command: program and arguments.
    :param environment: variables on top of ours.
    :raises Failed: it ended with another status than 0.
    """
    started = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=CHECKOUT,
        env={**os.environ, **(environment or {})},
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        status, resources = os.wait4(process.pid, 0)[1:]
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    if process.returncode:
        raise Failed(f"{' '.join(command)} ended with {process.returncode}:\n{output}")
    return Usage(
        seconds, resources.ru_maxrss * 1024, last_json(output), resources.ru_utime, resources.ru_stime
    )


def last_json(output: str) -> Mapping[str, Any]:
    """Return the JSON object on the last line of an output, an empty one where there is none."""
    lines = output.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {}
    facts = json.loads(lines[-1])
    return facts if isinstance(facts, dict) else {}


def step(group: str, *arguments: str | int | Path, environment: Mapping[str, str] | None = None) -> Usage:
    """Run one step of a group in bench/steps/, the engine's side, as its own process."""
    return run([sys.executable, "-m", f"bench.steps.{group}", *map(str, arguments)], environment)


def median(runs: int, once: Callable[[], Usage]) -> Usage:
    """Do something several times; return the median of the times and the largest peak."""
    return middle([once() for _run in range(runs)])


def in_turns(runs: int, *things: Callable[[], Usage]) -> list[Usage]:
    """Do several things in turns, so that what changes on the machine meanwhile concerns all; return their medians.

    What one has left to the kernel to write is written before the next begins, and is not counted.
    """
    taken: list[list[Usage]] = [[] for _thing in things]
    for _run in range(runs):
        for usages, once in zip(taken, things):
            os.sync()
            usages.append(once())
    return list(map(middle, taken))


def middle(usages: Sequence[Usage]) -> Usage:
    """Return the medians of the times of several runs and the largest peak."""
    return Usage(
        statistics.median(usage.seconds for usage in usages), max(usage.peak for usage in usages), usages[-1].facts,
        statistics.median(usage.user for usage in usages), statistics.median(usage.system for usage in usages),
    )
