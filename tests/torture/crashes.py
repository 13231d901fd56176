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
import functools
import itertools
import pprint
import random
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from . import order, permissions, power
from .jobs import Job
from .layer import (
    CREATE,
    FAIL_ON,
    FAIL_ONCE,
    KILL_AFTER,
    KILL_BEFORE,
    KILL_TORN,
    LINK,
    MKDIR,
    NO_FAULT,
    RENAME,
    SYNC,
    SYNCFS,
    WRITE,
    Fault,
    perform,
)
from .permissions import Forbidden, as_service
from .worlds import RETRIEVED, Broken, History, World, remove

LIMIT: Final = 4096
"""Up to how many ways in which the power may go after one operation all of them are tried."""
DRAWN: Final = 16
"""How many are drawn where there are more."""

FAULT, POWER, EVERY, ORDER, PERMISSION, MODES = "fault", "power", "every", "order", "permission", "modes"
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
        self._loaded = False
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
                Fault(at, FAIL_ON, errno.EDQUOT, (CREATE, WRITE, MKDIR, LINK, RENAME, SYNC, SYNCFS)),
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
        elif what == MODES:
            yield from self.modes()
        elif what == PERMISSION:
            yield from self.forbid(Forbidden(*details.split(":", 1)[::-1]))
        elif what == EVERY:
            end, seed, number = map(int, details.split(":"))
            disks = power.failures(self.steps[:end], self.start.path, LIMIT, DRAWN, random.Random(seed))
            for disk, way in itertools.islice(disks, number, number + 1):
                yield from self._powerless(end, disk, way, code)
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
        """Let the power go after every operation, in every way that leaves another disk, or in some.

        Yields for each what is wrong afterwards.
        """
        seen: set[tuple[str, bool]] = set()
        for end in range(len(self.steps), -1, -1):
            disks = power.failures(self.steps[:end], self.start.path, LIMIT, DRAWN, random.Random(seed))
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

    def forbidden(self) -> list[Forbidden]:
        """Return all that can be wrong with the permissions of what there is before."""
        return permissions.everything(self.start.path)

    def forbid(self, forbidden: Forbidden) -> Iterator[Finding]:
        """Do the work while a file or a directory cannot be used, and again when it can; yield what is wrong.

        Either the work ends with a sentence that names it, or as undisturbed, or its report says what is missing.
        """
        self._load()
        world = self.start.copy(self._scratch / "forbidden")
        repeat = f"{PERMISSION}:{forbidden.way}:{forbidden.name}"
        with self._watched(world, f"with {forbidden}", repeat) as findings:
            permissions.hand_over(world.path)
            mode = stat.S_IMODE((world.path / forbidden.name).stat().st_mode)
            forbidden.apply(world.path)
            outcome = perform(lambda: as_service(lambda: self.job.run(world)), world.path)
            path = world.path / forbidden.name
            if path.exists():
                path.chmod(mode)
            permissions.hand_over(world.path)
            if outcome.broken:
                raise Broken(outcome.broken)
            if outcome.refused and not forbidden.is_named(outcome.refused, world.path):
                raise Broken(f"The sentence does not name the file: {outcome.refused}")
            complaints = world.complaints()
            # Metadata that could not be read is missing where it was retrieved to, and the report says so.
            self._check(world, (RETRIEVED,) if complaints else ())
            if not outcome.refused and not complaints:
                self._compare(world, "It says that all is well, and does not end as undisturbed")
            permissions.hand_over(world.path)
            again = perform(lambda: as_service(lambda: self.job.run(world)), world.path)
            if again.broken or again.refused:
                raise Broken(f"It cannot be done again: {again.broken or again.refused}")
            world.check(self.before, most=self._most)
            self._compare(world, "Done again, it does not end as undisturbed")
        yield from findings

    def modes(self) -> Iterator[Finding]:
        """Do the work with the widest and with the narrowest umask, and yield what is not private afterwards."""
        self._load()
        for umask in (0, 0o077):
            world = self.start.copy(self._scratch / "modes")
            with self._watched(world, f"with umask {umask:03o}", MODES) as findings:
                permissions.hand_over(world.path)
                work = functools.partial(self.job.run, world)
                outcome = perform(functools.partial(as_service, work, umask), world.path)
                found = permissions.too_open(world.path, self.start.path)
                if outcome.broken or outcome.refused or found:
                    raise Broken(outcome.broken or outcome.refused or " ".join(found))
            yield from findings

    def _load(self) -> None:
        """Import all that the work needs, which another user may not be able to read."""
        if not self._loaded:
            self._loaded = True
            world = self.start.copy(self._scratch / "loaded")
            self.job.run(world)
            remove(world.path)

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
        complaints = world.complaints()
        self._check(world, (RETRIEVED,) if complaints else ())
        if not (outcome.killed or outcome.refused or complaints):
            self._compare(world, "It says that all is well, and does not end as undisturbed")
        return outcome.refused

    def _check(self, world: World, unfinished: tuple[str, ...] = ()) -> None:
        world.check(self.before, most=self._most, damaged=(*self.job.mends, *unfinished), lost=self._lost)

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
