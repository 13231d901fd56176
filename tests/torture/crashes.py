# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work that is killed, whose disk fails or whose power goes at any of its file operations, and that is then done again.

Whenever it ends, what was there before is there; done again undisturbed, it ends as if nothing had happened.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import itertools
import pprint
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from . import order, power
from .jobs import Job
from .layer import (
    CREATE,
    FAIL_ON,
    FAIL_ONCE,
    KILL_AFTER,
    KILL_BEFORE,
    KILL_TORN,
    MKDIR,
    NO_FAULT,
    SYNC,
    SYNCFS,
    WRITE,
    Fault,
    perform,
)
from .worlds import Broken, History, World, remove

LIMIT: Final = 4096
"""Ways in which the power goes after one operation, where all of them are tried."""

FAULT, POWER, EVERY, ORDER = "fault", "power", "every", "order"
"""What a disturbance is called where it is to be repeated."""


class Finding(NamedTuple):
    """Something that must not be."""

    job: str
    disturbance: str
    what: str
    repeat: str = ""
    """What --repeat takes to do it again."""


class Trial:
    """A job and a world that is ready for it, and what the job ends with when nobody disturbs it."""

    def __init__(self, job: Job, world: World, scratch: Path) -> None:
        """:param world: it is left alone. :param scratch: a directory for copies of it.

        :raises Broken: the work does not even end well undisturbed.
        """
        self.job = job
        self._scratch = scratch
        scratch.mkdir()
        self.start = world.copy(scratch / "start")
        job.prepare(self.start)
        looked_at = self.start.copy(scratch / "looked at")
        self.before: dict[str, dict[str, History]] = {}
        if not job.removes:
            self.before = looked_at.histories(job.mends)
        self._lost = looked_at.lost()
        self._most = looked_at.contents()
        remove(looked_at.path)
        self._undisturbed = scratch / "undisturbed"
        undisturbed, recording = self.start.copy(self._undisturbed), scratch / "recording"
        outcome = perform(lambda: job.run(undisturbed), undisturbed.path, NO_FAULT, recording)
        if outcome.broken or outcome.refused:
            raise Broken(f"{job.name}, undisturbed: {outcome.broken or outcome.refused}")
        self._most |= undisturbed.contents()
        undisturbed.check(self.before, most=self._most)
        self.operations = outcome.operations
        self.expected: Any = job.picture(undisturbed)
        self.steps = power.read(recording, undisturbed.path, self.start.path)
        remove(undisturbed.path)

    def faults(self) -> list[Fault]:
        """Return all that can happen to a process and its disk: a kill or a failure at every operation."""
        return [
            fault for at in range(1, self.operations + 1) for fault in (
                Fault(at, KILL_BEFORE), Fault(at, KILL_AFTER), Fault(at, KILL_TORN),
                Fault(at, FAIL_ON, errno.ENOSPC, (CREATE, WRITE, MKDIR)),
                Fault(at, FAIL_ONCE, errno.ENOSPC, (CREATE, WRITE, MKDIR)),
                Fault(at, FAIL_ONCE, errno.EIO, (WRITE, SYNC, SYNCFS)),
                Fault(at, FAIL_ON, errno.EIO), Fault(at, FAIL_ON, errno.EROFS),
            )
        ]

    def breaches(self) -> Iterator[Finding]:
        """Yield what becomes durable too late when nobody disturbs the work."""
        for what in sorted(set(order.breaches(self.steps, self.start.path))):
            yield Finding(self.job.name, "undisturbed", what, ORDER)

    def repeat(self, code: str) -> Iterator[Finding]:
        """Do again what has led to a finding. :param code: its repeat. :raises ValueError: it is none of ours."""
        what, _unused, details = code.partition(":")
        if what == ORDER:
            yield from self.breaches()
        elif what == POWER:
            yield from self.cut_off(int(details))
        elif what == EVERY:
            end, seed, number = map(int, details.split(":"))
            disks = power.failures(self.steps[:end], self.start.path, LIMIT, random.Random(seed))
            yield from self._powerless(end, *next(itertools.islice(disks, number, None)), code)
        else:
            seed, details = details.split(":", 1)
            yield from self.disturb(Fault.decoded(details), int(seed))

    def disturb(self, fault: Fault, seed: int) -> Iterator[Finding]:
        """Do the work with a fault, and yield what is wrong afterwards.

        Now and then the work is killed again when it goes on.
        """
        chance, again = random.Random(seed), [fault]
        while chance.random() < 0.2:
            again.append(Fault(chance.randrange(1, self.operations + 1), KILL_BEFORE))
        world = self.start.copy(self._scratch / "disturbed")
        with self._watched(world, ", then ".join(map(str, again)), f"{FAULT}:{seed}:{fault.code()}") as findings:
            for one in again:
                self._attempt(world, one)
            self._finish(world)
        yield from findings

    def cut_off(self, seed: int) -> Iterator[Finding]:
        """Let the power go at some operation, or when all are done, and yield what is wrong afterwards."""
        chance = random.Random(seed)
        end = chance.choice((len(self.steps), chance.randrange(len(self.steps) + 1)))
        disk, way = power.after_failure(self.steps[:end], self.start.path, chance)
        yield from self._powerless(end, disk, way, f"{POWER}:{seed}")

    def cut_off_everywhere(self, seed: int) -> Iterator[Iterator[Finding]]:
        """Let the power go after every operation, in every way that leaves another disk; LIMIT ways at most for each.

        Yields for each what is wrong afterwards.
        """
        seen: set[tuple[str, bool]] = set()
        for end in range(len(self.steps), -1, -1):
            disks = power.failures(self.steps[:end], self.start.path, LIMIT, random.Random(seed))
            for number, (disk, way) in enumerate(disks):
                state = disk.digest(), end == len(self.steps)
                if state not in seen:
                    seen.add(state)
                    yield self._powerless(end, disk, way, f"{EVERY}:{end}:{seed}:{number}")

    def _powerless(self, end: int, disk: power.Disk, way: str, repeat: str) -> Iterator[Finding]:
        """Yield what is wrong with what a power failure has left, and with what becomes of it."""
        world = World(self._scratch / "cut")
        disk.write(world.path)
        world.moved_from(self.start.path, self._undisturbed)
        with self._watched(world, f"no power after operation {end}, {way}", repeat) as findings:
            self._check(world)
            if end == len(self.steps):
                self._compare(world, "What was reported as done is not there any more")
            self._finish(world)
        yield from findings

    @contextlib.contextmanager
    def _watched(self, world: World, disturbance: str, repeat: str) -> Iterator[list[Finding]]:
        """Note what goes wrong while the with statement lasts, and remove the world at its end."""
        findings: list[Finding] = []
        try:
            yield findings
        except Broken as error:
            findings.append(Finding(self.job.name, disturbance, str(error), repeat))
        except Exception as error:  # what is left cannot even be looked at
            findings.append(Finding(self.job.name, disturbance, f"{type(error).__name__}: {error}", repeat))
        finally:
            remove(world.path)

    def _attempt(self, world: World, fault: Fault) -> str:
        outcome = perform(lambda: self.job.run(world), world.path, fault)
        if outcome.broken:
            raise Broken(outcome.broken)
        self._check(world)
        return outcome.refused

    def _check(self, world: World) -> None:
        world.check(self.before, most=self._most, damaged=self.job.mends, lost=self._lost)

    def _finish(self, world: World) -> None:
        refused = self._attempt(world, NO_FAULT)
        if refused:
            raise Broken(f"It cannot be done again: {refused}")
        world.check(self.before, most=self._most)
        self._compare(world, "Done again, it does not end as undisturbed")

    def _compare(self, world: World, sentence: str) -> None:
        picture = self.job.picture(world)
        if picture != self.expected:
            raise Broken(f"{sentence}: {difference(self.expected, picture)}")


def difference(expected: Any, found: Any) -> str:
    """Return the first lines that differ."""
    wanted, there = (pprint.pformat(picture, width=400).splitlines() for picture in (expected, found))
    lines = [line for line in difflib.unified_diff(wanted, there, lineterm="", n=0) if line[:3] not in ("---", "+++")]
    return " ".join(lines[:8])
