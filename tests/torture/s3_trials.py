# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work with a bucket that meets a mishap at any of its requests, and is then done again.

However it ends, all that was there before is there, what it says of its end is true, and done again undisturbed it ends
as if nothing had happened.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import botocore.retries.standard
from ansible_collections.restante.carbonio.plugins.module_utils.archive import buckets
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings

from .crashes import Finding, difference
from .s3_jobs import S3Job
from .s3_layer import KINDS, NO_MISHAP, ONCE, Mishap, concerns
from .s3_worlds import S3World
from .working import Ended, in_child
from .worlds import Broken, History, remove

_OMIT: Final = ("unlisted", "missing")
"""Lies by which a store hides what it has."""
DEADLINE: Final = 60.0
"""Seconds in which any of the work has ended, one way or another."""


class S3Trial:
    """A job and a world that is ready for it, and what the job ends with when nobody disturbs it."""

    def __init__(self, job: S3Job, world: S3World, scratch: Path) -> None:
        """:param world: it is left alone. :param scratch: a directory for copies of it.

        :raises Broken: the work does not even end well undisturbed.
        """
        self.job = job
        self._scratch = scratch
        scratch.mkdir()
        self.start = world.copy(scratch / "start")
        world.layer.plan(NO_MISHAP)
        job.prepare(self.start)
        self.start.down()
        self.before: dict[str, dict[str, History]] = {} if job.removes or job.mends else self.start.histories()
        undisturbed = self.start.copy(scratch / "undisturbed")
        ended = self._perform(undisturbed, NO_MISHAP)
        self.requests = undisturbed.layer.seen()
        self.expected: Any = None
        if any(ended):
            raise Broken(f"{job.name}, undisturbed: {ended}")
        undisturbed.check(self.before)
        self.expected = job.picture(undisturbed)
        remove(undisturbed.path)

    def mishaps(self) -> list[Mishap]:
        """Return all that can happen: of every kind, from each request on that it can happen to."""
        return [
            Mishap(at, fault, times) for at, (method, path) in enumerate(self.requests, 1) for fault, times in KINDS
            if concerns(fault, method, path)
        ]

    def disturb(self, mishap: Mishap, seed: int) -> Iterator[Finding]:
        """Do the work with a mishap, now and then with another one when it goes on, and yield what is wrong."""
        chance = random.Random(seed)
        again = [mishap]
        while chance.random() < 0.2:
            again.append(chance.choice(self.mishaps())._replace(times=ONCE))
        world = self.start.copy(self._scratch / "disturbed")
        try:
            for one in again:
                self._attempt(world, one, seed)
            ended = self._attempt(world, NO_MISHAP, seed)
            if ended.refused or ended.told:
                raise Broken(f"It cannot be done again: {ended.refused or ended.told}")
            world.check(self.before)
        except Broken as error:
            yield self._finding(again, seed, str(error))
        except Exception as error:  # what is left cannot even be looked at
            yield self._finding(again, seed, f"{type(error).__name__}: {error}")
        finally:
            remove(world.path)

    def _finding(self, again: list[Mishap], seed: int, what: str) -> Finding:
        return Finding(self.job.name, f"{', then '.join(map(str, again))}, seed {seed}", what)

    def _attempt(self, world: S3World, mishap: Mishap, seed: int) -> Ended:
        ended = self._perform(world, mishap, seed)
        if ended.broken:
            raise Broken(ended.broken)
        world.partial = bool(ended.told) or (world.partial and any(ended))
        if not self.job.mends:
            world.check(self.before)
        if not any(ended):
            found = self.job.picture(world)
            if mishap.fault in _OMIT and isinstance(found, dict) and "left" in found:
                # What a store does not tell of, nobody removes; the next time it does.
                found = {**found, "left": self.expected["left"]}
            if found != self.expected:
                raise Broken(f"It tells of success, and it is not so: {difference(self.expected, found)}")
        return ended

    def _perform(self, world: S3World, mishap: Mishap, seed: int = 0) -> Ended:
        return in_child(
            lambda: self.job.run(world), lambda group: world.layer.plan(mishap, group, seed), impatient, DEADLINE
        )


def impatient() -> None:
    """Let this process ask less often, and wait less before it asks again."""
    given = buckets.BucketRecord.settings

    def settings(record: buckets.BucketRecord, *folders: str) -> S3Settings:
        return dataclasses.replace(given(record, *folders), attempts=3, connect_timeout=15, read_timeout=15)

    buckets.BucketRecord.settings = settings
    backoff = botocore.retries.standard.ExponentialBackoff
    backoff.delay_amount = lambda _self, _context: 0.01
