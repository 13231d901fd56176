# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order in which files become durable, held against a recording (power.py) of the work that was done:

- a file has all its content on the disk before it gets its final name;
- a commit gets its name when all the packs that it names are on the disk, names and directories included;
- a mail store says that it has a mail when the mail's file is on the disk;
- when the work is reported as done, every file that it has published is on the disk, as it is.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, keys

from . import power
from .layer import LINK, RENAME, SYNC, TRUNCATE, WRITE
from .power import Disk, Step
from .worlds import MASTERS

PROMISED_NOTHING: Final = (
    "*/catalog.sqlite*", "*/open/*", "*/cache/*", "*/incoming/*", "*/.incoming/*", "*.part", "*.restored", "*.link",
    "*/state/operations/*", "*/state/notifications/*", "*-shm", "*-journal", "*/quota_lifted",
)
"""What may be lost or half written: it is made anew, was promised to nobody, or tells only of what was done."""


def breaches(steps: list[Step], start: Path) -> list[str]:
    """Return what is not as it must be. :param start: what there was before the recording."""
    found = [*_named_too_early(steps), *_not_there_in_the_end(steps, start)]
    for position, step in enumerate(steps):
        if step.kind in (LINK, RENAME) and _is_commit(step.other):
            found += _packs_missing(steps, position, start)
        elif step.kind == SYNC and fnmatch.fnmatch(step.path, "*/store.sqlite-wal"):
            found += _mail_missing(steps[:position + 1], start)
    return found


def _is_commit(name: str) -> bool:
    return fnmatch.fnmatch(name, "*/commits/*.json") and "/quarantine/" not in name


def _matters(name: str) -> bool:
    return not any(fnmatch.fnmatch(name, pattern) for pattern in PROMISED_NOTHING)


def _named_too_early(steps: list[Step]) -> Iterator[str]:
    for position, step in enumerate(steps):
        if step.kind in (LINK, RENAME) and _matters(step.other):
            kept = power.durable(steps[:position])
            for earlier in range(position):
                before = steps[earlier]
                if before.object == step.object and before.kind in (WRITE, TRUNCATE) and not kept[earlier]:
                    yield f"{step.other} has its name, and its content is not synced."
                    break


def _packs_missing(steps: list[Step], position: int, start: Path) -> Iterator[str]:
    whole, sure = _disks(steps[:position], start)
    step = steps[position]
    root = os.path.dirname(os.path.dirname(step.other))
    keyring = max((name for name in whole.names() if fnmatch.fnmatch(name, f"{root}/keys/*.json")), default="")
    if keyring and sure.content(keyring) != whole.content(keyring):
        yield f"{step.other} has its name, and the keyring {keyring} is not on the disk yet."
    for pack in _packs_named(whole, step.path, keyring):
        name = f"{root}/packs/{pack[:2]}/{pack}"
        # One that is missing or damaged is another matter: the metadata alone is retrieved, and a lost commit may come
        # back before its damaged pack.
        seems, is_there = (hashlib.sha256(disk.content(name)).hexdigest() == pack for disk in (whole, sure))
        if seems and not is_there:
            yield f"{step.other} has its name, and its pack {name} is not on the disk yet."


def _packs_named(disk: Disk, commit: str, keyring: str) -> list[str]:
    """Return the packs that a commit names. :param keyring: the one that opens it; empty where it is in the clear."""
    own = None
    if keyring:
        ring = keys.parse(disk.content(keyring), MASTERS, keyring)[0]
        own = keys.Keys(ring, lambda: ring)
    return [pack.name for pack in commits.parse(disk.content(commit), commit, own).packs]


def _mail_missing(steps: list[Step], start: Path) -> Iterator[str]:
    whole, sure = _disks(steps, start)
    writers = [name for name in whole.names() if fnmatch.fnmatch(name, "*/store/incoming/*")]
    if len(writers) > 1:
        return  # what another one is about to write, its rows do not name yet
    for name in whole.names():
        if name.endswith(".msg") and sure.content(name) != whole.content(name):
            yield f"{name} is not on the disk when the mail store's transaction is."


def _not_there_in_the_end(steps: list[Step], start: Path) -> Iterator[str]:
    whole, sure = _disks(steps, start)
    for name in whole.names():
        if _matters(name) and sure.content(name) != whole.content(name):
            yield f"{name} is not on the disk, or not as it was written, when the work is reported as done."
    for name in set(sure.names()) - set(whole.names()):
        if "/packs/" in name and _matters(name):
            yield f"{name} is removed, and a power failure brings it back when the work is reported as done."


def _disks(steps: list[Step], start: Path) -> tuple[Disk, Disk]:
    """Return the files as they seem to be after some operations, and those that no power failure can take."""
    whole, sure = Disk(start), Disk(start)
    for step, is_kept in zip(steps, power.durable(steps)):
        whole.apply(step)
        if is_kept:
            sure.apply(step)
    return whole, sure
