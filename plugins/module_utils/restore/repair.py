# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out repairs of what is on a mail server; beside apply.py the only place that writes to one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..mailstore.port import MailStore
from ..mailstore.volumes import MissingBlob, Volumes
from ..model.errors import RestanteError, Unavailable
from ..model.state import ItemState
from ..operations.report import RestoreReport, cause_of


class VolumeApplier:
    """Writes blobs that a volume has lost."""

    def __init__(
        self, store: Volumes, volume_id: str, report: RestoreReport, address: Callable[[str], str],
        compressed: bool | None = None,
    ) -> None:
        """
        :param address: of the account with an id.
        :param compressed: whether to compress what is written; None as the volume does.
        """
        self._store = store
        self._volume_id = volume_id
        self._report = report
        self._address = address
        self._compressed = compressed

    def write(self, blobs: Sequence[tuple[MissingBlob, bytes]]) -> None:
        """Put contents back; count those that are there by now as skipped."""
        for (blob, _content), written in zip(
            blobs, self._store.put_missing_blobs(self._volume_id, blobs, self._compressed)
        ):
            (self._report.add_restored if written else self._report.add_skipped)(blob.kind)

    def leave(self, blob: MissingBlob, error: RestanteError) -> None:
        """Report a blob that cannot be restored."""
        self._report.add_unrestored(
            self._address(blob.account_id), blob.item_id, blob.kind, cause_of(error), str(error)
        )


class ShareApplier:
    """Writes what folders, mountpoints and contact groups say of others."""

    def __init__(self, store: MailStore, report: RestoreReport) -> None:
        self._store = store
        self._report = report

    def write(self, account_id: str, address: str, state: ItemState) -> None:
        """Give an item other attributes; one that the mail server refuses costs only itself.

        :raises Unavailable: the mail server does not answer.
        """
        try:
            self._store.update_item(account_id, state)
        except Unavailable:
            raise
        except RestanteError as error:
            self._report.add_unrestored(address, state.item_id, state.kind, cause_of(error), str(error))
        else:
            self._report.add_restored(state.kind)
