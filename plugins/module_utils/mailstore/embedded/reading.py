# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the mailboxes of the embedded store: the index, and with it the blobs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ...model.errors import Damaged, NotFound, RestanteError
from ..index.database import Database
from ..index.items import number_of
from ..index.reading import IndexReader, mailbox_number
from .blobs import Blobs, Place


class MailboxReader(IndexReader):
    """All mailboxes of one store, to be read."""

    def __init__(self, database: Database, blobs: Blobs, incarnation: str) -> None:
        super().__init__(database, incarnation)
        self._blobs = blobs

    def read_blob(self, account: str, item: str) -> bytes:
        """Return an item's content."""
        number = mailbox_number(self._database, account)
        tried: tuple[object, ...] = ()
        while True:
            row = self._database.execute(
                "SELECT kind, digest, volume, locator, size FROM items WHERE mailbox = ? AND id = ?",
                (number, number_of(item)),
            ).fetchone()
            if row is None:
                raise NotFound(f"Account {account} has no item {item}.")
            kind, digest, volume, locator, size = row
            if digest is None:
                raise NotFound(f"Item {item} of account {account} is a {kind}, which has no content.")
            try:
                return self._blobs.read(Place(volume, locator), digest, size)
            except (Damaged, NotFound) as error:
                # Another process may have replaced or deleted the item since the row was read.
                if row == tried:
                    raise Damaged(f"Item {item} of account {account} is damaged: {error}.") from error
                tried = row

    def read_blobs(self, account: str, items: Sequence[str]) -> Iterator[bytes | Exception]:
        """Yield the contents of items, read ahead in a thread."""
        number = mailbox_number(self._database, account)
        rows = {item: (Place(volume, locator), *known) for item, volume, locator, *known in self._database.execute(
            "SELECT id, volume, locator, digest, size FROM items "
            "WHERE mailbox = ? AND id IN (SELECT value FROM json_each(?)) AND digest IS NOT NULL",
            (number, json.dumps([number_of(item) for item in items])),
        )}
        wanted = [rows.get(number_of(item)) for item in items]
        for item, blob in zip(items, self._blobs.read_several(wanted)):
            try:
                # What was not found, or is no longer where it was, is looked for once more: that says why.
                yield self.read_blob(account, item) if blob is None else blob
            except RestanteError as error:
                yield error
