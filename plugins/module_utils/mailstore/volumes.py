# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes: where a mail store keeps its blobs. Offered by adapters whose capabilities say so."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from typing import NamedTuple

PRIMARY = "primary"
SECONDARY = "secondary"


class Volume(NamedTuple):
    """A place of live blobs (reference, section 1 "Volume")."""

    volume_id: str
    name: str
    """Case-sensitive (R-312)."""
    volume_type: str
    """PRIMARY or SECONDARY."""
    path: str
    compressed: bool = False
    compression_threshold: int = 4096
    """Bytes; smaller blobs are never compressed."""
    current: bool = False
    """New blobs go to the current primary volume; moved ones to the current secondary volume."""


class Deduplication(NamedTuple):
    """The counters that the vendor documents for doDeduplicate (reference, section 3.5)."""

    checked_mailboxes: int
    duplicated_blobs: int
    """Duplicates found; with dry_run False each has been replaced by a link."""
    already_deduplicated_blobs: int
    skipped_blobs: int
    """Unreadable or missing."""
    invalid_digests: int
    """The content is not what its digest says."""
    space_saved: int
    """Bytes; with dry_run what would be saved."""


class Usage(NamedTuple):
    """What a volume holds."""

    blobs: int
    """Items whose content is there."""
    size: int
    """Bytes of their contents, before compression."""


class MissingBlob(NamedTuple):
    """A blob that an item names and that its volume has lost."""

    account_id: str
    item_id: str
    kind: str
    """Of the item."""
    digest: str
    """SHA-256 of the content, in hexadecimal."""
    size: int
    """Bytes of the content."""
    path: str
    """Of the file, below the volume's."""


class Volumes(abc.ABC):
    """The administration of volumes. Implemented beside MailStore by the same adapter."""

    @abc.abstractmethod
    def volumes(self) -> list[Volume]:
        """Return all volumes, primary before secondary, by name."""

    @abc.abstractmethod
    def create_volume(self, volume: Volume, dry_run: bool = False) -> Volume:
        """Create a volume (its volume_id is ignored) and its directory; current is honoured.

        :param dry_run: only raise what can be told before, as with the two below.
        :raises InvalidInput: a property is none. :raises AlreadyExists: its name or its path is taken.
        :raises Refused: its directory cannot be made.
        """

    @abc.abstractmethod
    def update_volume(self, volume: Volume, dry_run: bool = False) -> bool:
        """Give the volume with volume.volume_id these properties; True if anything changed.

        Making one current makes the former one not current; a change of compression affects new blobs only.

        :raises Refused: another path, or none would be current.
        """

    @abc.abstractmethod
    def delete_volume(self, volume_id: str, dry_run: bool = False) -> None:
        """Delete an empty volume that is not current.

        :raises Refused: it is current or holds blobs.
        """

    @abc.abstractmethod
    def usage(self, volume_id: str) -> Usage:
        """Return what a volume holds. :raises NotFound: there is no such volume."""

    @abc.abstractmethod
    def deduplicate(self, volume_id: str | None = None, dry_run: bool = False) -> Deduplication:
        """Find identical blobs of a volume (or of all, each for itself) and keep one of each."""

    @abc.abstractmethod
    def missing_blobs(self, volume_id: str) -> Iterator[MissingBlob]:
        """Yield what the items of a volume name and the volume has lost: no file, or an empty one (R-314).

        :raises NotFound: there is no such volume. :raises Refused: its whole directory is not there.
        """

    @abc.abstractmethod
    def put_missing_blobs(
        self, volume_id: str, blobs: Sequence[tuple[MissingBlob, bytes]], compressed: bool | None = None
    ) -> list[bool]:
        """Write contents that the volume has lost where their items look for them, durably (R-315).

        :param compressed: whether to compress them; None as the volume does.
        :return: for each whether it was written; False for one that is there again, or whose item is gone.
        :raises Damaged: a content does not have its digest; nothing was written. :raises Refused: the disk refused.
        """

    @abc.abstractmethod
    def redo_log(self) -> bool:
        """Return whether each transaction is written to the redo log first."""

    @abc.abstractmethod
    def set_redo_log(self, enabled: bool) -> bool:
        """Switch the redo log; True if that was a change."""
