# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ours and other programs on the same mail: a first backup, a restore from a bucket, a second backup."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from . import peers
from .measure import Usage, in_turns, step
from .place import CORES, Place, at_most, expect
from .report import Row, faster, megabytes, seconds

COMPARED_MESSAGES = 50
"""In each account of the second backup."""


def first_scan(place: Place) -> Iterator[Row]:
    """A first backup of the mail."""
    def restic() -> Usage:
        peer = peers.Restic(str(place.new("restic-local")), place.work, {})
        peer.init()
        return peer.backup(place.tree())

    def borg() -> Usage:
        peer = peers.Borg(place.new("borg"), place.work)
        peer.init()
        return peer.create("first", place.tree())

    def loop() -> Usage:
        return step("loops", "pack_files", place.tree(), place.new("packed"))

    usage, theirs, others, limit = in_turns(place.scale.runs, place.scanned, restic, borg, loop)
    yield Row(
        "first SmartScan", usage, "not slower", at_most(1, usage, theirs), "restic backup", theirs,
        f"borg create of the same files: {seconds(others.seconds)}, {megabytes(others.peak)}.",
        f"a loop that reads, hashes, compresses and writes the files, and knows nothing of mail: "
        f"{seconds(limit.seconds)}",
    )


def bucket_to_mail(place: Place) -> Iterator[Row]:
    """The same mail out of the same bucket: ours, rclone and a plain copy, restic."""
    place.bucket("upload", "mail", place.backup())

    def ours() -> Usage:
        directory, target = place.new("retrieved"), place.new("recovered")
        target.mkdir()
        retrieved = place.bucket("fetch_metadata", "mail", directory)
        restored = place.bucket("restore", "mail", directory, target, str(CORES), group="recovery")
        return retrieved.then(expect(restored, "messages", place.scale.messages))

    def downloaded() -> Usage:
        return place.rclone.copy(f"s3:{peers.BUCKET}/mail", place.new("copied"))

    peer = peers.Restic(f"s3:{place.server.endpoint}/{peers.BUCKET}/restic", place.work, place.server.credentials)
    peer.init()
    peer.backup(place.tree())

    def restic() -> Usage:
        return peer.restore(place.new("restored"))

    def fetched() -> Usage:
        directory = place.new("retrieved")
        retrieved = place.bucket("fetch_metadata", "mail", directory)
        return retrieved.then(
            place.bucket("fetch_files", "mail", directory, place.new("fetched"), str(CORES), group="recovery")
        )

    usage, download, write, limit, theirs, least = in_turns(
        place.scale.runs, ours, downloaded, partial(place.written, 1), partial(place.written, CORES), restic, fetched
    )
    copied = download.then(write)
    yield Row(
        "bucket to mail readable", usage, "at most 1.25x", at_most(1.25, usage, copied),
        "rclone copy of the packs, then a plain write of the files", copied,
        f"the plain write of the files alone: {seconds(write.seconds)}, the start of Python included.",
        f"the same download, the check of each content and the write of the files by {CORES} processes, without "
        f"accounts, folders, database or records: {seconds(least.seconds)}",
    )
    yield Row(
        "bucket to mail readable", usage, "3x faster", at_most(1 / 3, usage, theirs),
        "restic restore from the same bucket", theirs, "",
        f"the plain write of the files by {CORES} processes, without download, database or records: "
        f"{seconds(limit.seconds)}, {faster(limit, theirs)}",
    )


def two_processes(place: Place) -> Iterator[Row]:
    """The same restore by one process and by two, without the S3 server, which would have to share their cores."""
    backup, messages, runs = place.backup(), place.scale.messages, place.scale.runs
    one, two, *written = in_turns(
        runs, *(partial(place.restored, backup, messages, workers) for workers in (1, CORES)),
        *(partial(place.written, processes) for processes in (1, CORES)),
    )
    yield Row(
        f"External Restore by {CORES} processes", two, "1.8x faster", at_most(1 / 1.8, two, one),
        "by one process", one, "",
        f"the plain write of the files by {CORES} processes: {seconds(written[1].seconds)}, by one: "
        f"{seconds(written[0].seconds)}, {faster(written[1], written[0])}. Of the restores, the engine's own part "
        f"takes {seconds(one.user)} of a processor by one process and {seconds(two.user)} by {CORES}; the kernel's, "
        f"which makes the files, {seconds(one.system)} and {seconds(two.system)}",
    )


def encryption(place: Place) -> Iterator[Row]:
    """The same restore from a backup that is encrypted and from one that is not, in turns."""
    plain, encrypted, messages = place.backup(), place.encrypted(), place.scale.messages
    sealed, opened = in_turns(
        place.scale.runs, lambda: place.restored(encrypted, messages, CORES, environment=place.key),
        lambda: place.restored(plain, messages, CORES),
    )
    yield Row(
        "External Restore of an encrypted backup", sealed, "at most 1.15x", at_most(1.15, sealed, opened),
        "of the same, not encrypted", opened,
    )


def unchanged_scan(place: Place) -> Iterator[Row]:
    """A second backup when nothing has changed, of many accounts."""
    count = place.scale.compared_accounts
    store, backup, tree = place.new("accounts"), place.new("accounts-backup"), place.new("accounts-mail")
    step("mail", "store_of_accounts", count, COMPARED_MESSAGES, store)
    step("mail", "tree_of_accounts", count, COMPARED_MESSAGES, tree)
    step("local", "scan", store, backup)
    restic = peers.Restic(str(place.new("restic-local")), place.work, {})
    restic.init()
    restic.backup(tree)
    borg = peers.Borg(place.new("borg"), place.work)
    borg.init()
    borg.create("first", tree)
    archives = iter(range(place.scale.runs))
    usage, second, another = in_turns(
        place.scale.runs, lambda: expect(step("local", "scan", store, backup), "new_items", 0),
        lambda: restic.backup(tree), lambda: borg.create(f"again-{next(archives)}", tree),
    )
    name = f"SmartScan, nothing changed, {count:,} accounts of {COMPARED_MESSAGES} messages"
    yield Row(name, usage, "under 1 s", usage.seconds < 1)
    for peer, theirs in (("restic backup, a second time", second), ("borg create, a second time", another)):
        yield Row(name, usage, "5x faster", at_most(1 / 5, usage, theirs), peer, theirs)
