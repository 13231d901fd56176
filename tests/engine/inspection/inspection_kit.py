# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node whose mail server was scanned while users moved and deleted things."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan

INBOX, TRASH = "2", "3"
DAY = 86_400_000
YEAR_2026 = 1_767_225_600_000
"""2026-01-01T00:00Z."""


class Office:
    """A node with a mail server and its backup."""

    def __init__(self, root: Path) -> None:
        self.root = root
        places = {name: str(root / name) for name in ("backup_path", "cache_path", "state_path", "mailstore_path")}
        self.config_file = str(root / "etc" / "restante.json")
        settings_file.save(self.config_file, Settings(**places, time_zone="Europe/Rome"))
        self.node = Node.load(self.config_file)
        self.store: Any = EmbeddedStore.create(places["mailstore_path"])
        self.store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        Repository.create(places["backup_path"], self.store.server_id(), pack_size=16 * 1024).close()

    def account(self, name: str, account_id: str = "", **fields: Any) -> str:
        """Create an account."""
        entry = Entry(account_id or f"a-{name}", kinds.ACCOUNT, f"{name}@example.com", **fields)
        return str(self.store.create_entry(entry).entry_id)

    def write(self, account: str, content: bytes | None = None, **fields: Any) -> str:
        """Put one item into a mailbox; return its id."""
        state = ItemState("", kinds.MESSAGE, INBOX, date=YEAR_2026)._replace(**fields)
        (written,) = self.store.write_items(account, [NewItem("", state, content)])
        assert written.item_id, written
        return str(written.item_id)

    def scan(self) -> int:
        """Scan; return the moment after it, before which nothing further is recorded."""
        with contextlib.closing(self.source()) as repository, repository.writer() as writer:
            smart_scan(self.store, writer)
        time.sleep(0.002)  # the next scan records at another millisecond
        return moment.now()

    def source(self) -> Repository:
        """Open the backup."""
        return self.node.repository()
