# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an archive must be able to do before anything is entrusted to it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from ..model.errors import Damaged, Locked, Refused
from .locked import LockedArchive
from .port import Archive

_FOLDER: Final = "probe"
_LOCK_SECONDS: Final = 60
"""How long the files of a probe are locked. They stay until the next probe, or the next purge."""
_WRITERS = 8
_ROUNDS = 4


def probe(archive: Archive) -> list[str]:
    """Make sure that an archive can hold a backup, and that it locks files where it is to do that.

    :returns: what is to be known of it, in sentences; nothing as a rule.
    :raises NotFound, Refused, Unavailable, Damaged: what fails, in a sentence.
    """
    if isinstance(archive, LockedArchive):
        archive = archive.briefly(_LOCK_SECONDS)
        remove_probes(archive)
    probe_connection(archive)
    probe_conditional_writes(archive)
    return probe_lock(archive) if isinstance(archive, LockedArchive) else []


def remove_probes(archive: Archive) -> None:
    """Remove what former probes have left because it was locked, so far as it is not any more."""
    if archive.retention:
        for file in list(archive.list(f"{_FOLDER}/")):
            _remove(archive, file.name)


def _remove(archive: Archive, name: str) -> None:
    if not archive.retention:
        archive.delete(name)
        return
    with suppress(Refused):
        archive.erase(name)


def probe_lock(archive: LockedArchive) -> list[str]:
    """Find out whether a locked file can be removed, or its lock made shorter (Object Lock).

    :param archive: one that locks for some seconds only, because what is written stays there so long.
    :returns: what is to be known of these locks, in sentences. :raises Refused: they hold nothing.
    """
    name = f"{_FOLDER}/{uuid.uuid4().hex}"
    until = int(time.time() * 1000) + archive.retention
    archive.put(name, b"locked")
    try:
        archive.erase(name)
    except Locked:
        if archive.locked_until(name) and not _is_shortened(archive, name, until - archive.retention // 2):
            archive.lock_until(name, until + archive.retention)
            return [_MAY_BYPASS.format(archive.describe())] if archive.gives_way(name) else []
        reason = "a lock could be made shorter"
    except Refused as error:
        raise Refused(f"It cannot be found out whether {archive.describe()} locks files. {error}") from error
    else:
        reason = "a locked file could be removed"
    raise Refused(
        f"{archive.describe()} does not enforce Object Lock: {reason}. Use a store that does, or no object_lock_mode."
    )


def _is_shortened(archive: LockedArchive, name: str, until: int) -> bool:
    try:
        archive.lock_until(name, until)
    except Refused:
        return False
    return True


_MAY_BYPASS: Final = (
    "{} locks files in GOVERNANCE mode, and the keys that are configured may bypass that: who steals them can remove "
    "the backup. Take s3:BypassGovernanceRetention from them, or use COMPLIANCE."
)


def probe_connection(archive: Archive) -> None:
    """Write, read and delete a small file (R-309).

    :raises NotFound, Refused, Unavailable, Damaged: what fails, in a sentence.
    """
    name = f"{_FOLDER}/{uuid.uuid4().hex}"
    content = uuid.uuid4().bytes * 64
    archive.put(name, content)
    try:
        if archive.get(name) != content or archive.get_range(name, 16, 32) != content[16:48]:
            raise Damaged(f"{archive.describe()} gives back other bytes than were written. Do not use it.")
    finally:
        _remove(archive, name)


def probe_conditional_writes(archive: Archive) -> None:
    """Find out whether two writers are kept apart: whether a write can be refused because the name is taken.

    Some stores ignore the condition (If-None-Match), and some honour it for one writer after the other but not at the
    same moment, so both are tried.

    :raises Refused: the store cannot be used, with the reason.
    """
    _probe(archive, [b"first"], [b"second"])
    for _unused in range(_ROUNDS):
        _probe(archive, [b"writer %d" % number for number in range(_WRITERS)])


def _probe(archive: Archive, *turns: Sequence[bytes]) -> None:
    """Write different bytes to one new name, turn after turn, those of one turn at once; exactly one may stay."""
    name = f"{_FOLDER}/{uuid.uuid4().hex}"
    winners: list[bytes] = []
    try:
        for contents in turns:
            start = threading.Barrier(len(contents))

            def write(content: bytes, start: threading.Barrier = start) -> bool:
                start.wait()
                return archive.put_new(name, content)

            with ThreadPoolExecutor(len(contents)) as pool:
                won = list(pool.map(write, contents))
            winners += [content for content, is_winner in zip(contents, won) if is_winner]
        if len(winners) != 1 or archive.get(name) != winners[0]:
            raise Refused(
                f"{archive.describe()} does not honour conditional writes (If-None-Match: *): {len(winners)} writers "
                "of one new file were told that theirs is stored. Two servers could overwrite each other's backup. "
                "Use another store, or a bucket without versioning: radosgw 16 ignores the condition in versioned ones."
            )
    finally:
        _remove(archive, name)
