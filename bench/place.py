# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the measures are made: how large the data are, where they lie, and the mail that several of them share."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import peers
from .growth import Growth
from .measure import Failed, Usage, step
from .report import megabytes
from .steps import MASTER_KEY

CORES = 2
"""Accounts that are restored at the same time when a whole server is, and processes of the plain write."""


class Scale(NamedTuple):
    """How large the data are. Of what grows, the sizes that are measured; goals are for the size that they name."""

    messages: int
    runs: int
    """How often what takes seconds is measured; what takes minutes is measured once."""
    accounts: Sequence[int]
    compared_accounts: int
    """Of the SmartScan with nothing changed that others are held against."""
    items: Sequence[int]
    """Of one account."""
    history: Sequence[int]
    """Transactions."""
    retrieved: int
    """Transactions of the metadata retrieval that others are held against; one of `history`."""
    json_files: int
    """Of the peer's JSON files, how many are really there; its time is multiplied up to `retrieved`."""


SCALES = {
    "full": Scale(
        20_000, 3, (10, 100, 1_000, 10_000), 1_000, (1_000, 10_000, 100_000, 1_000_000),
        (1_000, 10_000, 100_000, 1_000_000, 10_000_000), 1_000_000, 20_000,
    ),
    "small": Scale(100, 2, (10,), 10, (200, 2_000), (5_000,), 5_000, 40),
}


def at_most(factor: float, ours: Usage, theirs: Usage) -> bool:
    """Return whether ours took at most so many times as long as theirs."""
    return ours.seconds <= factor * theirs.seconds


def expect(usage: Usage, name: str, value: Any) -> Usage:
    """Return a measurement if the program said this of its work.

    :raises Failed: it did something else, so its time says nothing.
    """
    if usage.facts.get(name) != value:
        raise Failed(f"expected {name} to be {value!r}, and it is {usage.facts.get(name)!r}")
    return usage


class Place:
    """The data and the places that the measures share."""

    def __init__(self, work: Path, scale: Scale, server: peers.Server, corpus: Path | None) -> None:
        self.scale = scale
        self.work = work
        self.server = server
        self.rclone = peers.Rclone(server)
        self.growth = Growth()
        self.key = {MASTER_KEY: secrets.token_hex(32)}
        """The environment in which a step makes and opens backups that are encrypted."""
        self._corpus = corpus
        self._count = itertools.count(1)
        self._tree = self.new("mail")
        self._store = self.new("store")
        self._backup: Path | None = None
        self._mail: Mapping[str, Any] = {}
        self.bucket("create_bucket", "")

    def describe(self) -> str:
        """Say what mail the comparisons are made on."""
        facts = self._made()
        origin = "a corpus of real mail" if self._corpus else "the generated mailbox"
        return (
            f"{facts['messages']:,} messages, {megabytes(facts['bytes'])}: the {facts['originals']:,} of {origin}, "
            "over and over, each with headers of its own"
        )

    def tree(self) -> Path:
        """Return the mail as a tree of files."""
        self._made()
        return self._tree

    def scanned(self) -> Usage:
        """Make a first SmartScan of a mail store that holds the mail."""
        self._made()
        self._backup = self.new("backup")
        return step("local", "scan", self._store, self._backup)

    def encrypted(self) -> Path:
        """Return a backup of the mail that is encrypted with the key; a new one."""
        self._made()
        backup = self.new("encrypted")
        step("local", "scan", self._store, backup, environment=self.key)
        return backup

    def backup(self) -> Path:
        """Return the backup of the mail."""
        if self._backup is None:
            self.scanned()
        assert self._backup is not None
        return self._backup

    def bucket(self, name: str, prefix: str, *more: str | Path, group: str = "bucket") -> Usage:
        """Run a step on a prefix of the bucket and what else it takes."""
        place = (self.server.endpoint, peers.BUCKET, prefix)
        return step(group, name, *place, *more, environment=self.server.credentials)

    def restored(
        self, backup: Path, messages: int, workers: int, target: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Usage:
        """Restore all of a backup from its own packs to a new mail store.

        :param target: where the mail store is to be, with what else a restore makes.
        :param environment: the key of a backup that is encrypted.
        """
        target = target or self.new("restored")
        target.mkdir()
        arguments = ("", "", "", backup, target, workers)
        return expect(step("recovery", "restore", *arguments, environment=environment), "messages", messages)

    def written(self, processes: int) -> Usage:
        """Write the files of the mail, and do nothing else: no restore that keeps a file for each message is faster."""
        return step("loops", "write_files", self.tree(), self.new("written"), processes)

    def new(self, name: str) -> Path:
        """Return a path at which nothing is.

        Nothing is removed before the end: ext4 avoids the inodes of files that were deleted in the last half minute,
        and whoever writes many files then waits for that.
        """
        return self.work / f"{name}-{next(self._count)}"

    def _made(self) -> Mapping[str, Any]:
        """Make the tree of mail and a store that holds it, once; return what is to be known of it."""
        if not self._mail:
            self._tree.mkdir()
            self._mail = step("mail", "mail", self._corpus or "", self.scale.messages, self._tree).facts
            step("mail", "store_of_mail", self._tree, self._store)
        return self._mail
