# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mail server and its Backup Path, as the tests of the engine need them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import MailStore, NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.scan.report import ScanReport
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan

INBOX, TRASH = "2", "3"


class Node:
    """A mail server with one domain, and its Backup Path with tiny packs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store: Any = EmbeddedStore.create(str(path / "store"))
        self.repository = Repository.create(str(path / "backup"), self.store.server_id(), pack_size=16 * 1024)
        self.store.create_entry(Entry("d-1", kinds.DOMAIN, "example.com"))

    def account(self, name: str) -> str:
        """Create an account; return its id."""
        return str(self.store.create_entry(Entry(f"a-{name}", kinds.ACCOUNT, f"{name}@example.com")).entry_id)

    def mail(self, account: str, *contents: bytes, **fields: Any) -> list[str]:
        """Put messages into an account's Inbox; return their ids."""
        state = ItemState("", kinds.MESSAGE, INBOX, date=1_700_000_000_000, flags="u")._replace(**fields)
        return [
            written.item_id
            for written in self.store.write_items(account, [NewItem("", state, content) for content in contents])
        ]

    def scan(self, store: MailStore | None = None, **options: Any) -> ScanReport:
        """Scan the server, or a store that stands before it."""
        with self.repository.writer() as writer:
            report = smart_scan(store or self.store, writer, **options)
        self.repository.refresh()
        return report

    def live(self, account: str) -> dict[str, dict[str, Any]]:
        """Return what the mail server holds of an account, by item id."""
        return {state.item_id: state.to_json() for state in self.store.changes(account).items}

    def recorded(self, account: str, at: int | None = None) -> dict[str, dict[str, Any]]:
        """Return what the backup holds of an account, by item id."""
        return {
            last.item_id: last.state.to_json()
            for last in self.repository.states(account, at) if last.state is not None
        }

    def close(self) -> None:
        """Close both."""
        self.repository.close()
        self.store.close()


class Between:
    """A mail server of which single methods are replaced: what stands between a scan and the real one."""

    def __init__(self, store: MailStore, **methods: Callable[..., Any]) -> None:
        self._store = store
        self.calls: list[str] = []
        for name, method in methods.items():
            setattr(self, name, method)

    def read_blobs(self, account_id: str, item_ids: Sequence[str]) -> Iterator[bytes | Exception]:
        """As of a mail server that gives them one by one: what replaces read_blob is in between here too."""
        return MailStore.read_blobs(self, account_id, item_ids)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._store, name)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.close()


@pytest.fixture
def make_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Node]]:
    """Make nodes within one test, for the examples of Hypothesis."""
    nodes = []

    def make() -> Node:
        nodes.append(Node(tmp_path_factory.mktemp("node")))
        return nodes[-1]

    yield make
    for node in nodes:
        node.close()


@pytest.fixture
def between() -> type[Between]:
    return Between
