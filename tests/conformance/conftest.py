# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The adapters that have to pass the conformance suite, each with an empty mail server for every test."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import MailStore, NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState

from tests.conformance.imap_servers import CYRUSES, DOVECOTS, DOVECOTS_WITH_DAV, MAILDIRS, MailServers

DOMAIN = "example.com"


class Adapter(NamedTuple):
    """How the suite gets at a mail server."""

    create: Callable[[Path], MailStore]
    """Make an empty server that keeps its things at a path, and connect to it."""
    connect: Callable[[Path], MailStore]
    """Connect to it once more, also from another process."""
    snapshot: Callable[[Path], object]
    """Keep the server as it is; nobody is connected."""
    put_back: Callable[[Path], object]
    """Make it again what it was at the snapshot; nobody is connected."""
    stop: Callable[[Path], object] = lambda path: None
    """Stop it; nobody is connected."""
    folders: frozenset[str] = frozenset(("Inbox", "Trash", "Junk", "Sent", "Drafts", "Contacts", "Calendar"))
    """Some of those that every account has."""
    lacks: frozenset[str] = frozenset()
    """What it declares that it cannot hold, and what its protocol has no room for, in the words of the tests' marks."""
    only: frozenset[str] = frozenset()
    """Where not empty: the kinds whose tests it has to pass, and the names of further tests; all others it passes as an
    adapter of the same server that is among these too."""
    mirrored: bool = False
    """Whether it looks at a server that counts its own changes: they have no order among folders then, a token is not
    what it was when the server is, and a mirror takes its share of memory."""


def put_back_embedded(path: Path) -> None:
    """Replace the files of an embedded store by those of its snapshot."""
    shutil.rmtree(path / "store")
    shutil.copytree(path / "snapshot", path / "store")


NO_PLACE_FOR = frozenset((
    kinds.CONTACT, kinds.CONTACT_GROUP, kinds.APPOINTMENT, kinds.TASK, kinds.DOCUMENT, kinds.MOUNTPOINT,
    kinds.DATA_SOURCE, "volumes", "a message without content", "a name of 5000 letters", "mail in the root",
    "a line break in an address", "a percent sign in an address",
))
"""What no mail server that speaks IMAP and has no DAV can hold."""
CYRUS_LACKS = frozenset(("mail without a header", "more than ASCII letters in an address"))
"""It refuses what has no header, and accounts that are called so."""

IN_COLLECTIONS = frozenset((kinds.CONTACT, kinds.CONTACT_GROUP, kinds.APPOINTMENT, kinds.TASK))
TESTS_OF_ALL = frozenset((
    "test_what_an_adapter_declares_are_kinds", "test_a_new_account_has_the_folders_that_every_account_has",
    "test_deleting_a_folder_deletes_all_in_it", "test_changes_since_a_token_are_what_changed_since",
    "test_a_token_of_a_mailbox_that_was_deleted_and_made_again_gives_all",
    "test_tokens_differ_exactly_for_the_mailboxes_that_changed", "test_two_of_one_name_in_one_place_are_refused",
))
"""What address books and calendars could disturb."""


def over_imap(servers: MailServers, lacks: frozenset[str] = NO_PLACE_FOR) -> Adapter:
    """Return how the suite gets at a mail server that speaks IMAP."""
    return Adapter(
        servers.create, servers.connect, servers.snapshot, servers.put_back, servers.stop,
        folders=frozenset(("Inbox", "Trash", "Junk", "Sent", "Drafts")), lacks=lacks, mirrored=True,
    )


ADAPTERS = {
    "embedded": Adapter(
        lambda path: EmbeddedStore.create(str(path / "store")), lambda path: EmbeddedStore.open(str(path / "store")),
        lambda path: shutil.copytree(path / "store", path / "snapshot"), put_back_embedded,
    ),
    "dovecot": over_imap(DOVECOTS),
    "dovecot with DAV": over_imap(DOVECOTS_WITH_DAV, NO_PLACE_FOR - IN_COLLECTIONS)._replace(
        only=IN_COLLECTIONS | TESTS_OF_ALL
    ),
    "cyrus": over_imap(CYRUSES, NO_PLACE_FOR | CYRUS_LACKS),
    "dovecot with Maildir": over_imap(MAILDIRS),
}


class Server:
    """An empty mail server with one domain, and what the tests do with it."""

    def __init__(self, adapter: Adapter, path: Path) -> None:
        self.adapter = adapter
        self.path = path
        self.store: Any = adapter.create(path)
        self.store.create_entry(Entry("domain-1", kinds.DOMAIN, DOMAIN))

    def connect(self) -> MailStore:
        """Connect once more."""
        return self.adapter.connect(self.path)

    def snapshot(self) -> None:
        """Keep the server as it is now."""
        self.store.close()
        self.adapter.snapshot(self.path)
        self.store = self.connect()

    def put_back(self) -> None:
        """Make the server again what it was at the snapshot."""
        self.store.close()
        self.adapter.put_back(self.path)
        self.store = self.connect()

    def stop(self) -> None:
        """End the connection and the server."""
        self.store.close()
        self.adapter.stop(self.path)

    def account(self, name: str = "anna") -> str:
        """Create an account; return its id."""
        return str(self.store.create_entry(Entry(f"id-{name}", kinds.ACCOUNT, f"{name}@{DOMAIN}")).entry_id)

    def ordered(self, items: list[str]) -> list[str]:
        """Return ids for a comparison: as they came from an adapter that promises an order, else sorted."""
        return sorted(items) if self.adapter.mirrored else items

    def add(self, account: str, kind: str, name: str = "", blob: bytes | None = None, **fields: Any) -> str:
        """Add one item; return its id. It lies in the Inbox unless told otherwise."""
        state = ItemState("", kind, self.inbox(account), name)._replace(**fields)
        written, = self.store.write_items(account, [NewItem("", state, blob)])
        assert not written.error
        return str(written.item_id)

    def folder(self, account: str, name: str, parent: str = "") -> str:
        """Add a folder, below the root unless told otherwise; return its id."""
        return self.add(account, kinds.FOLDER, name, folder=parent or self.root(account))

    def place(self, account: str, kind: str) -> str:
        """Return the id of a folder that items of a kind can be in: the Inbox, or a new one that is made for them."""
        view = kinds.CONTACT if kind == kinds.CONTACT_GROUP else kind
        if kind not in IN_COLLECTIONS:
            return self.inbox(account)
        return self.add(account, kinds.FOLDER, f"for {kind}", folder=self.root(account), attrs={"view": view})

    def root(self, account: str) -> str:
        """Return the id of an account's root folder."""
        return str(next(folder.item_id for folder in self.store.folders(account) if not folder.folder))

    def inbox(self, account: str) -> str:
        """Return the id of an account's Inbox."""
        return str(next(folder.item_id for folder in self.store.folders(account) if folder.name == "Inbox"))

    def all(self, account: str) -> dict[str, ItemState]:
        """Return all items of an account but the folders that every account has."""
        first = {folder.item_id for folder in self.store.folders(account) if self.is_system(folder)}
        return {item.item_id: item for item in self.store.changes(account).items if item.item_id not in first}

    @staticmethod
    def is_system(folder: ItemState) -> bool:
        """Return whether a folder is one that cannot be removed."""
        return folder.kind == kinds.FOLDER and folder.item_id.isdecimal() and int(folder.item_id) < 256

    def beside(self, work: Callable[[MailStore, Callable[[str], None]], None]) -> Worker:
        """Let another process work on the server: with a connection of its own, and a function to say a line with."""
        self.store.close()  # a connection does not survive a fork
        worker = Worker(self.connect, work)
        self.store = self.connect()
        return worker


class Worker:
    """Another process that works on a server."""

    def __init__(
        self, connect: Callable[[], MailStore], work: Callable[[MailStore, Callable[[str], None]], None]
    ) -> None:
        self._output, end = os.pipe()
        self._child = os.fork()
        if not self._child:
            status = 1
            try:
                store = connect()
                work(store, lambda line: void(os.write(end, line.encode() + b"\n")))
                store.close()
                status = 0
            finally:
                os._exit(status)
        os.close(end)
        self._said = b""

    def wait_for(self, lines: int) -> None:
        """Wait until it has said so many lines, or has finished."""
        while self._said.count(b"\n") < lines and (more := os.read(self._output, 65536)):
            self._said += more

    def kill(self) -> list[str]:
        """Kill it where it stands; return all the lines it said."""
        os.kill(self._child, signal.SIGKILL)
        self._end()
        return self._said.decode().splitlines()

    def finish(self) -> list[str]:
        """Let it work to its end; return all the lines it said."""
        assert self._end() == 0, "the work failed"
        return self._said.decode().splitlines()

    def _end(self) -> int:
        while more := os.read(self._output, 65536):
            self._said += more
        os.close(self._output)
        return os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])


def void(_value: object) -> None:
    """Take a value and return none."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the tests of what an adapter declares that it cannot hold, and of what another one of it shows."""
    wanted = [item for item in items if not _needs(item) & _lacks(item) and _is_wanted(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted


def _needs(item: pytest.Item) -> set[str]:
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    kind = parameters.get("kind") or getattr(parameters.get("entry"), "kind", "")
    return {kind, *(word for mark in item.iter_markers("needs") for word in mark.args)}


def _lacks(item: pytest.Item) -> frozenset[str]:
    adapter = _adapter_of(item)
    return adapter.lacks if adapter else frozenset()


def _is_wanted(item: pytest.Item) -> bool:
    adapter = _adapter_of(item)
    only = adapter.only if adapter else frozenset()
    return not only or bool({*_needs(item), getattr(item, "originalname", "")} & only)


def _adapter_of(item: pytest.Item) -> Adapter | None:
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return ADAPTERS.get(parameters.get("adapter", ""))


@pytest.fixture(scope="session", autouse=True)
def _end_of_servers() -> Iterator[None]:
    yield
    for servers in (DOVECOTS, DOVECOTS_WITH_DAV, MAILDIRS, CYRUSES):
        servers.end()


@pytest.fixture(params=sorted(ADAPTERS))
def adapter(request: pytest.FixtureRequest) -> Adapter:
    return ADAPTERS[request.param]


@pytest.fixture
def server(adapter: Adapter, tmp_path: Path) -> Iterator[Server]:
    server = Server(adapter, tmp_path)
    yield server
    server.stop()


@pytest.fixture
def make_server(adapter: Adapter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Server]]:
    """Make servers within one test, one after the other, for the examples of Hypothesis."""
    servers: list[Server] = []

    def make() -> Server:
        while servers:
            servers.pop().stop()
        servers.append(Server(adapter, tmp_path_factory.mktemp("server")))
        return servers[-1]

    yield make
    for made in servers:
        made.stop()
