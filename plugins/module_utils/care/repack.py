# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing packs anew: without what goes, and few large ones in the place of many small ones (docs/retention.md).

New packs get what stays of the old ones, then one commit names the new and takes away the old: before it the backup is
what it was, after it what it shall be. The files of the old packs stay for now; leftovers.py removes them later.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from ..backup import frames, packs
from ..backup.inventory import BlobPack, Inventory, MetadataPack
from ..backup.writer import Writer
from ..model.errors import Damaged, NotFound, Refused
from ..operations.progress import Progress
from .rewriting import Journals, journals_from, write

MERGE_FROM: Final = 16
"""How many small packs of a kind there are before they are merged."""

DEAD_SHARE: Final = 1 / 3
"""The part of a pack that nothing refers to from which on the rest is moved elsewhere."""

_PACK_OVERHEAD: Final = 184
_BLOB_OVERHEAD: Final = 57
"""What a pack has at most besides its frames: magic, its own index and footer (docs/format.md)."""


class Repacked(NamedTuple):
    """What was done."""

    removed_packs: int = 0
    removed_bytes: int = 0
    new_packs: int = 0
    new_bytes: int = 0
    unreadable: tuple[str, ...] = ()
    """Packs that could not be read and stay as they are, with the reason."""
    stopped: bool = False
    """It was told to stop, and changed nothing."""


class Repack:
    """Writes anew what an inventory says must not stay as it is."""

    def __init__(self, writer: Writer, inventory: Inventory, progress: Progress, merge_from: int) -> None:
        """
        :param writer: one with nothing in hand. :param inventory: all journals are in it.
        :param merge_from: how many small packs of a kind are merged; fewer are left alone.
        """
        self._writer = writer
        self._files = writer.repository.files
        self._small = writer.repository.pack_size // 2
        self._inventory = inventory
        self._progress = progress
        self._merge_from = merge_from
        self._failed: dict[str, set[bytes]] = {}
        """Blobs that could not be read, by pack; by their names in packs."""
        self._reasons: dict[str, str] = {}

    def run(self) -> Repacked:
        """Do it. :raises Refused: the disk does not take it; nothing is changed. :raises Damaged: a pack is altered."""
        every = self._inventory.blob_packs()
        moved = self._to_move(every)
        if not self._move(moved):
            return Repacked(stopped=True)
        gone = {pack.name: pack.size for pack in every if not pack.live}
        gone.update((pack.name, pack.size) for pack in moved if pack.name not in self._failed)
        staying = [pack for pack in every if pack.name not in gone]
        metadata = self._inventory.metadata_packs()
        outdated = {pack.index_pack for pack in staying if pack.live < pack.blobs or self._half_moved(pack)}
        small = [number for number, _name, size in metadata if size < self._small]
        anyhow = bool(gone or outdated or self._inventory.first_gone)  # what is written ends in a small one
        merged = set(small if len(small) + anyhow >= self._merge_from else ())
        journals = self._journals(merged)
        touched = journals.touched | merged | outdated | self._idle(metadata, staying)
        rewritten = {name: size for number, name, size in metadata if number in touched}
        if not gone and not rewritten:
            return Repacked(unreadable=tuple(self._reasons.values()))
        if not self._metadata(journals, rewritten, [pack.number for pack in staying if pack.index_pack in touched]):
            return Repacked(stopped=True)
        return self._commit({**gone, **rewritten})

    def _commit(self, gone: dict[str, int]) -> Repacked:
        tokens = dict.fromkeys(self._inventory.emptied, "")
        before = {pack.name for pack in self._writer.repository.packs()}
        commit = self._writer.commit(tokens, removed=list(gone))
        new = [pack for pack in commit.packs if pack.name not in before] if commit else []
        away = commit.removed if commit else ()
        return Repacked(
            len(away), sum(gone[name] for name in away), len(new), sum(pack.size for pack in new),
            tuple(self._reasons.values()),
        )

    def _idle(self, metadata: Collection[MetadataPack], staying: Collection[BlobPack]) -> set[int]:
        """Return the packs of metadata in which nothing is needed: only journals of forgotten accounts, say."""
        needed = {segment.pack for segment in self._inventory.segments()} | {pack.index_pack for pack in staying}
        return {pack.number for pack in metadata} - needed

    # -- blobs -----------------------------------------------------------------------------------------------------

    def _to_move(self, every: Collection[BlobPack]) -> list[BlobPack]:
        """Return the packs whose blobs are better off elsewhere, of those that are here."""
        live = [pack for pack in every if pack.live]
        # A content that only compression has made small would not share a pack with others anyhow.
        small = [pack for pack in live if max(pack.size, pack.blob_bytes) < self._small]
        chosen = {pack.number: pack for pack in live if self._dead(pack) > pack.size * DEAD_SHARE}
        if len(small) + bool(chosen) >= self._merge_from:  # what is moved ends in a small one
            chosen.update((pack.number, pack) for pack in small)
        return [pack for pack in chosen.values() if self._files.size(packs.file_name(pack.name)) == pack.size]

    @staticmethod
    def _dead(pack: BlobPack) -> int:
        """Return how many bytes of a pack are of no use, at least."""
        return pack.size - pack.live_bytes - _PACK_OVERHEAD - _BLOB_OVERHEAD * pack.live

    def _move(self, chosen: Collection[BlobPack]) -> bool:
        """Write the blobs of packs again, those of an account together; False when told to stop."""
        self._progress.phase(
            "contents", sum(pack.live for pack in chosen), sum(pack.live_bytes for pack in chosen)
        )
        repository = self._writer.repository
        for place in self._inventory.blobs_of([pack.number for pack in chosen]):
            if self._progress.stopping():
                return False
            name = packs.file_name(place.pack)
            raw = bytes.fromhex(place.digest)
            try:
                data = frames.decode(self._files.read_range(name, place.offset, place.length), raw, repository.keys)
            except (Damaged, NotFound, Refused) as error:
                self._failed.setdefault(place.pack, set()).add(repository.name_of(raw))
                self._reasons.setdefault(place.pack, f"{self._files.path(name)}: {error}")
                continue
            self._writer.put_blob(data, again=True)
            self._progress.advance(1, place.length)
        return True

    def _half_moved(self, pack: BlobPack) -> bool:
        return pack.name in self._failed and len(self._failed[pack.name]) < pack.live

    # -- metadata --------------------------------------------------------------------------------------------------

    def _journals(self, merged: Collection[int]) -> Journals:
        """Return which journals to write anew, and from where on.

        :param merged: the numbers of packs of metadata that are too small to stay.
        """
        starts = dict(self._inventory.first_gone)
        for scope, first in self._inventory.starts(merged).items():
            starts[scope] = min(first, starts.get(scope, first))
        return journals_from(self._inventory, starts)

    def _metadata(self, journals: Journals, rewritten: Collection[str], described: Collection[int]) -> bool:
        """Write anew what was in packs of metadata and stays; False when told to stop.

        :param rewritten: names of those packs. :param described: numbers of the packs of blobs whose index is there.
        """
        self._progress.phase("metadata", len(rewritten) + len(journals.after))
        if not write(self._writer, self._inventory, journals, rewritten, self._progress):
            return False
        for name, entries in self._inventory.indexes_of(described):
            failed = self._failed.get(name)
            left = entries if failed is None else [entry for entry in entries if entry.digest in failed]
            self._writer.keep_frame(frames.INDEX, packs.encode_index(name, left))
        return True
