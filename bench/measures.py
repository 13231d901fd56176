# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The seven measures. Each makes its data, measures, checks that the work was done, and returns a row of the table."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from . import peers
from .measure import Failed, Usage, median, step
from .report import Row, megabytes, seconds

MB = 1_000_000
WORKERS = "2"
"""Accounts that are restored at the same time when a whole server is."""


class Scale(NamedTuple):
    """How large the data are."""

    messages: int
    runs: int
    """How often what takes seconds is measured; what takes minutes is measured once."""
    accounts: int
    """Of the SmartScan with nothing changed."""
    retrieved: int
    """Transactions of the metadata retrieval."""
    json_files: int
    """Of the peer's JSON files, how many are really there; its time is multiplied up to `retrieved`."""
    history: int
    """Transactions of the questions about the past."""
    large_account: int
    """Items of the account that is restored under a bound on memory."""


SCALES = {
    "full": Scale(20_000, 3, 1_000, 1_000_000, 20_000, 10_000_000, 1_000_000),
    "small": Scale(100, 1, 10, 5_000, 40, 20_000, 2_000),
}


MEASURES = ("first_scan", "bucket_to_mail", "unchanged_scan", "retrieval", "past", "large_account")
"""The methods of Bench that measure."""


def at_most(factor: float, ours: Usage, theirs: Usage) -> bool:
    return ours.seconds <= factor * theirs.seconds


def expect(usage: Usage, name: str, value: Any) -> Usage:
    """Return a measurement if the program said this of its work.

    :raises Failed: it did something else, so its time says nothing.
    """
    if usage.facts.get(name) != value:
        raise Failed(f"expected {name} to be {value!r}, and it is {usage.facts.get(name)!r}")
    return usage


class Bench:
    """The data and the places that the measures share."""

    def __init__(self, work: Path, scale: Scale, server: peers.Server, corpus: Path | None) -> None:
        self.scale = scale
        self._work = work
        self._server = server
        self._corpus = corpus
        self._rclone = peers.Rclone(server)
        self._count = itertools.count(1)
        self._tree = self._new("mail")
        self._store = self._new("store")
        self._mail: Mapping[str, Any] = {}
        self._bucket("create_bucket", "")

    def mail(self) -> str:
        """Say what mail the comparisons are made on."""
        facts = self._made_mail()
        origin = "a corpus of real mail" if self._corpus else "the generated mailbox"
        return (
            f"{facts['messages']:,} messages, {megabytes(facts['bytes'])}: the {facts['originals']:,} of {origin}, "
            "over and over, each with headers of its own"
        )

    def measures(self, only: Collection[str] = ()) -> Iterator[Row]:
        """Yield the rows of the measures named, or of all of them, one after the other."""
        for name in MEASURES:
            if not only or name in only:
                yield from getattr(self, name)()

    def first_scan(self) -> Iterator[Row]:
        self._made_mail()

        def restic() -> Usage:
            peer = peers.Restic(str(self._new("restic-local")), self._work, {})
            peer.init()
            return peer.backup(self._tree)

        def borg() -> Usage:
            return peers.borg_create(self._new("borg"), self._work, self._tree)

        usage, theirs, others = (median(self.scale.runs, once) for once in (self._scanned, restic, borg))
        yield Row(
            "first SmartScan", usage, "not slower", at_most(1, usage, theirs), "restic backup", theirs,
            f"borg create of the same files: {seconds(others.seconds)}, {megabytes(others.peak)}.",
        )

    def bucket_to_mail(self) -> Iterator[Row]:
        """The same mail out of the same bucket: ours, rclone and a plain copy, restic."""
        self._made_mail()
        self._scanned()
        self._bucket("upload", "mail", self._backup)

        def ours() -> Usage:
            directory, place = self._new("retrieved"), self._new("recovered")
            place.mkdir()
            retrieved = self._bucket("fetch_metadata", "mail", directory)
            restored = self._bucket("restore", "mail", directory, place, WORKERS, group="recovery")
            return retrieved.then(expect(restored, "messages", self.scale.messages))

        writes: list[float] = []

        def copied() -> Usage:
            copy = self._rclone.copy(f"s3:{peers.BUCKET}/mail", self._new("copied"))
            write = step("local", "write_files", self._tree, self._new("written"))
            writes.append(write.seconds)
            return copy.then(write)

        peer = peers.Restic(f"s3:{self._server.endpoint}/{peers.BUCKET}/restic", self._work, self._server.credentials)
        peer.init()
        peer.backup(self._tree)

        def restic() -> Usage:
            return peer.restore(self._new("restored"))

        usage, rclone, theirs = (median(self.scale.runs, once) for once in (ours, copied, restic))
        name = "bucket to mail readable"
        peer_name = "rclone copy of the packs, then a plain write of the files"
        alone = seconds(statistics.median(writes))
        note = f"the plain write of the files alone: {alone}, the start of Python included."
        yield Row(name, usage, "at most 1.25x", at_most(1.25, usage, rclone), peer_name, rclone, note)
        peer_name = "restic restore from the same bucket"
        yield Row(name, usage, "3x faster", at_most(1 / 3, usage, theirs), peer_name, theirs)

    def unchanged_scan(self) -> Iterator[Row]:
        store, backup = self._new("accounts"), self._new("accounts-backup")
        step("mail", "store_of_accounts", self.scale.accounts, store)
        step("local", "scan", store, backup)
        usage = median(self.scale.runs, lambda: expect(step("local", "scan", store, backup), "new_items", 0))
        yield Row(
            f"SmartScan, nothing changed, {self.scale.accounts:,} accounts", usage, "under 1 s", usage.seconds < 1
        )

    def retrieval(self) -> Iterator[Row]:
        """Ours fetches all there is; the peer's JSON files are a part, since making a million objects takes an hour."""
        scale = self.scale
        backup, files = self._new("history"), self._new("json")
        step("histories", "history", backup, scale.retrieved, 100)
        self._bucket("upload", "history", backup)
        step("histories", "json_files", scale.json_files, files)
        self._rclone.copy(files, f"s3:{peers.BUCKET}/json")

        def ours() -> Usage:
            return self._bucket("fetch_metadata", "history", self._new("retrieved"))

        def copied() -> Usage:
            return self._rclone.copy(f"s3:{peers.BUCKET}/json", self._new("copied"))

        usage, part = median(scale.runs, ours), median(scale.runs, copied)
        whole = Usage(part.seconds * scale.retrieved / scale.json_files, part.peak)
        yield Row(
            f"metadata retrieval, {scale.retrieved:,} transactions", usage, "50x faster", at_most(1 / 50, usage, whole),
            "rclone copy of one JSON file per item", whole,
            f"rclone took {seconds(part.seconds)} for {scale.json_files:,} files; its time is that, multiplied; its "
            "peak is that of the part.",
        )

    def past(self) -> Iterator[Row]:
        backup = self._new("past")
        step("histories", "history", backup, self.scale.history, 1_000)
        (backup / "catalog.sqlite").unlink()
        built = step("past", "state_at", backup)  # makes it anew
        for name, question in (("state of one item at T", "state_at"), ("deleted within a day", "deleted_between")):
            usage = median(self.scale.runs, partial(step, "past", question, backup))
            yield Row(
                f"{name}, {self.scale.history:,} transactions", usage, "1 s, under 200 MB",
                usage.seconds < 1 and usage.peak < 200 * MB,
                note=f"the question itself took {usage.facts['asking'] * 1000:.1f} ms; making the catalogue, once, "
                f"took {seconds(built.seconds)} and {megabytes(built.peak)}.",
            )

    def large_account(self) -> Iterator[Row]:
        def restored(items: int) -> Usage:
            source, target = self._new("large-source"), self._new("large-target")
            target.mkdir()
            step("histories", "large_account", source, items)
            return expect(step("recovery", "restore", "", "", "", source, target, 1), "messages", items)

        tenth, usage = restored(self.scale.large_account // 10), restored(self.scale.large_account)
        yield Row(
            f"restoring an account of {self.scale.large_account:,} items", usage, "under 300 MB, flat",
            usage.peak < min(300 * MB, 1.25 * tenth.peak),
            note=f"an account of a tenth of that: {seconds(tenth.seconds)}, {megabytes(tenth.peak)}.",
        )

    def _scanned(self) -> Usage:
        """Make a first SmartScan of the mail; the last one made is what is uploaded."""
        self._backup = self._new("backup")
        return step("local", "scan", self._store, self._backup)

    def _made_mail(self) -> Mapping[str, Any]:
        """Make the tree of mail and a store that holds it, once; return what is to be known of it."""
        if not self._mail:
            self._tree.mkdir()
            self._mail = step("mail", "mail", self._corpus or "", self.scale.messages, self._tree).facts
            step("mail", "store_of_mail", self._tree, self._store)
        return self._mail

    def _bucket(self, name: str, prefix: str, *more: str | Path, group: str = "bucket") -> Usage:
        """Run a step on a prefix of the bucket and what else it takes."""
        place = (self._server.endpoint, peers.BUCKET, prefix)
        return step(group, name, *place, *more, environment=self._server.credentials)

    def _new(self, name: str) -> Path:
        """Return a path at which nothing is.

        Nothing is removed before the end: ext4 avoids the inodes of files that were deleted in the last half minute,
        and whoever writes many files then waits for that.
        """
        return self._work / f"{name}-{next(self._count)}"
