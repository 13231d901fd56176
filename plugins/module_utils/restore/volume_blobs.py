# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore of blobs: what a volume of the mail store has lost is put back from a backup (R-315; reference, 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from ..backup.repository import Repository
from ..mailstore.volumes import MissingBlob
from ..model.errors import NotFound, RestanteError
from ..operations.progress import SILENT, Progress
from .blobs import Blobs
from .repair import VolumeApplier

_PORTION: Final = 1000
"""Blobs that are looked up, and asked for, together."""
_TOGETHER: Final = 16 * 1024 * 1024
"""Bytes that are put back together."""


class Step(NamedTuple):
    """What becomes of one blob that a volume has lost."""

    blob: MissingBlob
    restorable: bool
    """Whether the backup has its content."""


def plan(lost: Iterable[MissingBlob], source: Repository) -> Iterator[Step]:
    """Yield what becomes of each lost blob."""
    blobs = iter(lost)
    while portion := list(islice(blobs, _PORTION)):
        places = source.locate([blob.digest for blob in portion])
        yield from (Step(blob, blob.digest in places) for blob in portion)


def restore_blobs(steps: Iterable[Step], blobs: Blobs, applier: VolumeApplier, progress: Progress = SILENT) -> None:
    """Put back what the backup has, and report what it has not."""
    rest = iter(steps)
    while not progress.stopping() and (portion := list(islice(rest, _PORTION))):
        by_digest: dict[str, list[MissingBlob]] = {}
        for step in portion:
            if step.restorable:
                by_digest.setdefault(step.blob.digest, []).append(step.blob)
            else:
                applier.leave(step.blob, NotFound(f"The backup has no blob {step.blob.digest}."))
                progress.advance(1)
        in_hand: list[tuple[MissingBlob, bytes]] = []
        for digest, content in blobs.read(list(by_digest)):
            for blob in by_digest[digest]:
                if isinstance(content, RestanteError):
                    applier.leave(blob, content)
                else:
                    in_hand.append((blob, content))
                progress.advance(1, blob.size)
            if sum(len(content) for _blob, content in in_hand) >= _TOGETHER:
                applier.write(in_hand)
                in_hand = []
        applier.write(in_hand)
