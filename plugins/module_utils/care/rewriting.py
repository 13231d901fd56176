# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Journals written anew from some transaction on, in the place of what packs of metadata held (docs/format.md)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from ..backup import frames, packs
from ..backup.commits import Head
from ..backup.inventory import Inventory
from ..backup.keys import Forgotten
from ..backup.writer import Writer
from ..model.errors import Damaged, RestanteError
from ..operations.progress import Progress


class Journals(NamedTuple):
    """Journals that are written anew."""

    after: dict[str, Head | None]
    """By journal, the segment after which it goes on anew; None where it begins anew."""
    replaced: set[str]
    """Digests of the segments whose place the new ones take."""
    touched: set[int]
    """Numbers of the packs that these lie in, and that therefore cannot stay."""


def journals_from(inventory: Inventory, starts: Mapping[str, int]) -> Journals:
    """Return what it means to write journals anew.

    :param starts: by journal, the first transaction from which on it is written anew.
    """
    journals = Journals(dict.fromkeys(sorted(starts)), set(), set())
    for segment in inventory.segments() if starts else ():
        start = starts.get(segment.scope)
        if start is None:
            continue
        if segment.last < start:
            journals.after[segment.scope] = Head(segment.digest, segment.number, segment.last)
        else:
            journals.replaced.add(segment.digest)
            journals.touched.add(segment.pack)
    return journals


def write(
    writer: Writer, inventory: Inventory, journals: Journals, rewritten: Collection[str], progress: Progress
) -> bool:
    """Write journals anew, and what else was in packs of metadata, but for the indexes; False when told to stop.

    :param rewritten: names of those packs, which will be removed.
    :raises Damaged: one of them cannot be read.
    """
    for name in rewritten:
        if progress.stopping():
            return False
        _keep_segments(writer, name, journals.replaced)
        progress.advance(1)
    for scope, after in journals.after.items():
        if progress.stopping():
            return False
        writer.rewrite_journal(scope, after)
        for seq, line in inventory.lines(scope, after.last if after else 0):
            writer.keep(scope, seq, line)
        progress.advance(1)
    return True


def _keep_segments(writer: Writer, pack: str, replaced: Collection[str]) -> None:
    """Copy the segments of a pack that are not replaced."""
    files, keys = writer.repository.files, writer.repository.keys
    data = files.read(packs.file_name(pack))
    for offset, header in packs.frames_of(data):
        if header.kind == frames.SEGMENT:
            try:
                digest, content = frames.content(memoryview(data)[offset: offset + header.length], keys=keys)
            except Forgotten:
                continue
            except RestanteError as error:
                raise Damaged(
                    f"{files.path(packs.file_name(pack))} at {offset}: {error} Nothing was changed; let a coherency "
                    "check with fix put it right, then run this again."
                ) from error
            if digest.hex() not in replaced:
                writer.keep_frame(frames.SEGMENT, content)
