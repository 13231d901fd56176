# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the strategies within one server have in common: the node's own backup, and its mail server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model.errors import NotABackup
from ..restore.blobs import ArchiveBlobs, Blobs, EitherBlobs, LocalBlobs
from ..restore.session import Sides
from .backups import is_initialised
from .node import Node
from .realtime import behind

NO_POLICY: Final = "The mail server has no policy by which items are moved: they are in its current volume."
"""What is said where apply_hsm is asked for (R-016)."""


@contextlib.contextmanager
def opened(node: Node) -> Iterator[tuple[Repository, MailStore]]:
    """Give the backup and the mail server, open. :raises NotABackup: nothing was ever scanned (R-011)."""
    if not is_initialised(node):
        raise NotABackup(f"{node.settings.backup_path} holds no backup yet; let a SmartScan fill it first.")
    with contextlib.closing(node.repository()) as source, contextlib.closing(node.store()) as store:
        yield source, store


def sides(node: Node) -> Sides:
    """Return how a restore opens them."""
    return Sides(node.repository, node.store, lambda source: _blobs(node, source), node.settings.backup_path)


def _blobs(node: Node, source: Repository) -> Blobs:
    """Return where contents of the backup are read from: its packs; what these have lost, its archive."""
    archive = node.archive(source.server_id)
    if archive is None:
        return LocalBlobs(source)
    return EitherBlobs(LocalBlobs(source), ArchiveBlobs(source, archive, node.settings.cache_path))


def scanned_first(node: Node, account: str) -> list[str]:
    """Return what a plan says of changes that are not recorded yet: a run scans them first, a check touches nothing."""
    if not behind(node, [account]):
        return []
    return ["What has happened in the mailbox since it was scanned last is scanned first, and not in this plan."]
