# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same work at several sizes: more accounts, more items in one, a longer history."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from . import peers
from .measure import Usage, median, step
from .place import CORES, Place, at_most, expect
from .report import Row, megabytes, seconds

MB = 1_000_000
MESSAGES = 10
"""In each of many accounts; growth.SUBJECTS says so too."""
RESTORED_ACCOUNTS = 1_000
"""The most accounts that are restored: more take minutes."""
TRANSACTIONS_PER_ACCOUNT = 10_000
FEWEST_ACCOUNTS = 10
"""Of a history: a tenth of all of it lies in one of them."""


def accounts(place: Place) -> Iterator[Row]:
    """Servers of more and more accounts; only a picture."""
    for size in place.scale.accounts:
        store, backup = place.new("accounts"), place.new("accounts-backup")
        step("mail", "store_of_accounts", size, MESSAGES, store)
        place.growth.add("accounts", "first SmartScan", size, step("local", "scan", store, backup))
        place.growth.add("accounts", "SmartScan, nothing changed", size, median(
            place.scale.runs, partial(_unchanged, store, backup)
        ))
        if size <= RESTORED_ACCOUNTS:
            place.growth.add(
                "accounts", f"External Restore by {CORES} processes", size,
                place.restored(backup, size * MESSAGES, CORES),
            )
    yield from ()


def items(place: Place) -> Iterator[Row]:
    """One account of more and more items: restored, and what was restored is scanned."""
    restored: dict[int, Usage] = {}
    for size in place.scale.items:
        source, target, backup = place.new("large-source"), place.new("large-target"), place.new("large-backup")
        step("histories", "large_account", source, size)
        restored[size] = place.growth.add("items", "External Restore", size, place.restored(source, size, 1, target))
        store = target / "store"
        place.growth.add("items", "first SmartScan", size, step("local", "scan", store, backup))
        place.growth.add("items", "SmartScan, nothing changed", size, median(
            place.scale.runs, partial(_unchanged, store, backup)
        ))
    tenth, largest = sorted(restored)[-2:]
    usage, smaller = restored[largest], restored[tenth]
    yield Row(
        f"restoring an account of {largest:,} items", usage, "under 300 MB, flat",
        usage.peak < min(300 * MB, 1.25 * smaller.peak),
        note=f"an account of {tenth:,}: {seconds(smaller.seconds)}, {megabytes(smaller.peak)}.",
    )


def history(place: Place) -> Iterator[Row]:
    """Backups of a longer and longer history: their metadata retrieved from a bucket, and questions about the past."""
    for size in place.scale.history:
        backup = place.new("history")
        step("histories", "history", backup, size, max(FEWEST_ACCOUNTS, size // TRANSACTIONS_PER_ACCOUNT))
        prefix = f"history-{size}"
        place.bucket("upload", prefix, backup)
        retrieved = place.growth.add("history", "metadata retrieval", size, median(
            place.scale.runs, partial(_retrieved, place, prefix)
        ))
        if size == place.scale.retrieved:
            yield _retrieval(place, retrieved)
        (backup / "catalog.sqlite").unlink()
        built = place.growth.add("history", "making the catalogue", size, step("past", "state_at", backup))
        for name, question in QUESTIONS.items():
            usage = place.growth.add("history", name, size, median(
                place.scale.runs, partial(step, "past", question, backup)
            ))
            if size == max(place.scale.history):
                yield Row(
                    f"{name}, {size:,} transactions", usage, "1 s, under 200 MB",
                    usage.seconds < 1 and usage.peak < 200 * MB,
                    note=f"the question itself took {usage.facts['asking'] * 1000:.1f} ms{usage.facts.get('of', '')}; "
                    f"making the catalogue, once, took {seconds(built.seconds)} and {megabytes(built.peak)}.",
                )


QUESTIONS = {
    "state of one item at T": "state_at",
    "deleted within a day": "deleted_between",
    "a text among the items of an account": "text_search",
}
"""What is asked of the past, and the step that asks it."""


def _retrieval(place: Place, usage: Usage) -> Row:
    """Ours fetches all there is; the peer's JSON files are a part, since making a million objects takes an hour."""
    scale = place.scale
    files = place.new("json")
    step("histories", "json_files", scale.json_files, files)
    place.rclone.copy(files, f"s3:{peers.BUCKET}/json")
    part = median(scale.runs, lambda: place.rclone.copy(f"s3:{peers.BUCKET}/json", place.new("copied")))
    whole = Usage(part.seconds * scale.retrieved / scale.json_files, part.peak)
    return Row(
        f"metadata retrieval, {scale.retrieved:,} transactions", usage, "50x faster", at_most(1 / 50, usage, whole),
        "rclone copy of one JSON file per item", whole,
        f"rclone took {seconds(part.seconds)} for {scale.json_files:,} files; its time is that, multiplied; its "
        "peak is that of the part.",
    )


def _retrieved(place: Place, prefix: str) -> Usage:
    return place.bucket("fetch_metadata", prefix, place.new("retrieved"))


def _unchanged(store: Path, backup: Path) -> Usage:
    return expect(step("local", "scan", store, backup), "new_items", 0)
