# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an archive must be able to do before anything is entrusted to it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ..model.errors import Damaged, Refused
from .port import Archive

_WRITERS = 8
_ROUNDS = 4


def probe_connection(archive: Archive) -> None:
    """Write, read and delete a small file (R-309).

    :raises NotFound, Refused, Unavailable, Damaged: what fails, in a sentence.
    """
    name = f"probe/{uuid.uuid4().hex}"
    content = uuid.uuid4().bytes * 64
    archive.put(name, content)
    try:
        if archive.get(name) != content or archive.get_range(name, 16, 32) != content[16:48]:
            raise Damaged(f"{archive.describe()} gives back other bytes than were written. Do not use it.")
    finally:
        archive.delete(name)


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
    name = f"probe/{uuid.uuid4().hex}"
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
        archive.delete(name)
