# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that writes to a mail server is killed at every step, and so is the server: all is there, and once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.filters import Filters
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.message_writing import MessageWriter
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.mirror import Mirror
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.session import Session
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.sync import Synchroniser
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import RestanteError
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState

from tests.engine.imap.killed_kit import (
    ANNA,
    BERT,
    account,
    after,
    check,
    child,
    connect,
    die,
    mail,
    messages,
    others,
    write,
)
from tests.servers import cyrus as cyrus_server
from tests.servers import dovecot as dovecot_server
from tests.servers.needed import needed


@pytest.fixture(params=["dovecot", "cyrus"])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = {"dovecot": dovecot_server, "cyrus": cyrus_server}[request.param]
    needed(request.param.title(), made.missing())
    with getattr(made, request.param)(in_memory=True) as server:
        server.add_account(ANNA)
        server.add_account(BERT)
        yield server


def in_a_literal() -> None:
    """Let the process die when it has sent half of what it sends with a message."""
    real = Session.append

    def work(session: Session, *arguments: Any) -> Any:
        imap = session._client._imap

        def send(data: bytes) -> None:
            if len(data) > 3000:
                imap.sock.sendall(data[:len(data) // 2])
                die()
            imap.sock.sendall(data)

        imap.send = send
        return real(session, *arguments)

    Session.append = work  # type: ignore[method-assign]


STEPS: dict[str, Callable[[], None]] = {
    "after the first intent": lambda: after(Mirror, "intend"),
    "after the intent of the folder": lambda: after(Mirror, "intend", 2),
    "after an append": lambda: after(Session, "append"),
    "after the second append": lambda: after(Session, "append", 2),
    "in a literal": in_a_literal,
    "before what was written is recorded": lambda: setattr(MessageWriter, "_record", die),
    "within what records it": lambda: after(Synchroniser, "take_in_all"),
    "after a folder was made": lambda: after(Session, "create"),
    "after a folder was subscribed to": lambda: after(Session, "subscribe"),
    "after a script was put": lambda: after(Filters, "put"),
    "after it was settled": lambda: after(Mirror, "settle"),
}


@pytest.mark.usefixtures("hurried")
def test_a_writer_that_is_killed_is_followed_by_another(server: Any, tmp_path: Path) -> None:
    for number, (name, prepare) in enumerate(STEPS.items()):
        address = f"of-step-{number}@example.com"
        server.add_account(address)

        def work(address: str = address, prepare: Callable[[], None] = prepare) -> None:
            prepare()
            write(connect(server, tmp_path), address)

        assert os.WTERMSIG(os.waitpid(child(work), 0)[1]) == signal.SIGKILL, name
        with contextlib.closing(connect(server, tmp_path)) as store:
            write(store, address)
            check(store, address)


REPLACING: dict[str, Callable[[], None]] = {
    "after the intent": lambda: after(Mirror, "intend"),
    "after the append": lambda: after(Session, "append"),
    "when it was taken in": lambda: after(Synchroniser, "take_in"),
    "when it was put in place": lambda: after(Mirror, "replace"),
    "before the old one is removed": lambda: setattr(Session, "expunge", die),
    "after the old one was removed": lambda: after(Session, "expunge"),
    "after it was settled": lambda: after(Mirror, "settle"),
}


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("seen", [False, True], ids=["at once", "after a scan"])
def test_a_message_that_is_replaced_as_a_process_is_killed_is_there_once(
    server: Any, tmp_path: Path, seen: bool
) -> None:
    for number, (name, prepare) in enumerate(REPLACING.items()):
        address = f"of-step-{number}@example.com"
        server.add_account(address)
        with contextlib.closing(connect(server, tmp_path)) as store:
            written = store.write_items(account(store, address), messages()[:4], "import")
            folder, = store.write_items(account(store, address), others()[:1], "import")
            first, *rest = [one.item_id for one in written]

        def wanted(store: ImapStore, place: str = folder.item_id, item: str = first, of: str = address) -> ItemState:
            before = store.item(account(store, of), item)
            assert before is not None
            return before._replace(folder=place, flags="f", date=1_600_000_000_000)

        def work(prepare: Callable[[], None] = prepare, address: str = address, wanted: Any = wanted) -> None:
            store = connect(server, tmp_path)
            state = wanted(store)
            prepare()
            store.update_item(account(store, address), state, mail(77))

        assert os.WTERMSIG(os.waitpid(child(work), 0)[1]) == signal.SIGKILL, name
        with contextlib.closing(connect(server, tmp_path)) as store:
            anna = account(store, address)
            if seen:
                list(store.changes(anna).items)
            assert set(dict(store.imported(anna, "import")).values()) == {first, *rest, folder.item_id}, name
            there = {item.item_id for item in store.changes(anna).items if item.kind == kinds.MESSAGE}
            assert there == {first, *rest}, name
            assert store.read_blob(anna, first) == mail(1 if name == "after the intent" else 77), name
            store.update_item(anna, wanted(store), mail(77))
            items = {item.item_id: item for item in store.changes(anna).items if item.kind == kinds.MESSAGE}
            assert items.keys() == {first, *rest}, name
            assert (items[first].folder, items[first].flags, items[first].date) == (
                folder.item_id, "f", 1_600_000_000_000
            ), name
            assert [store.read_blob(anna, item) for item in (first, *rest)] == [
                mail(77), *(bytes(new.blob or b"") for new in messages()[1:4])
            ], name


def test_a_server_that_is_killed_while_it_is_written_to(server: Any, tmp_path: Path) -> None:
    ended = threading.Event()

    def torment() -> None:
        for pause in (0.15, 0.3, 0.5):
            time.sleep(pause)
            server.kill()
            server.start()
        ended.set()

    tormentor = threading.Thread(target=torment)
    tormentor.start()
    with contextlib.closing(connect(server, tmp_path)) as store:
        while True:
            with contextlib.suppress(RestanteError):
                write(store)
                if ended.is_set():
                    break
            time.sleep(0.02)
        tormentor.join()
        check(store)


def test_two_processes_write_to_two_accounts_with_one_mirror(server: Any, tmp_path: Path) -> None:
    processes = [child(lambda address=address: write(connect(server, tmp_path), address)) for address in (ANNA, BERT)]
    assert [os.waitpid(process, 0)[1] for process in processes] == [0, 0]
    with contextlib.closing(connect(server, tmp_path)) as store:
        for address in (ANNA, BERT):
            check(store, address)


def test_flags_that_another_client_changes_while_mail_is_written_stay(server: Any, tmp_path: Path) -> None:
    with contextlib.closing(connect(server, tmp_path)) as store:
        anna = account(store)
        first, = store.write_items(anna, messages()[:1], "import")
        other = Session(server.settings(), ANNA)
        other.store(b"INBOX", 1, ["\\Flagged", "theirs"])
        store.write_items(anna, messages()[1:], "import")
        other.close()
        item = next(item for item in store.changes(anna).items if item.item_id == first.item_id)
        assert item.flags == "fu" and len(item.tags) == 1


def test_a_folder_that_another_client_deletes_before_it_is_written_to(server: Any, tmp_path: Path) -> None:
    with contextlib.closing(connect(server, tmp_path)) as store:
        anna = account(store)
        folder, = store.write_items(anna, others()[:1], "import")
        other = Session(server.settings(), ANNA)
        other.delete(b"new folder")
        other.close()
        state = ItemState("", kinds.MESSAGE, folder.item_id)
        refused, good = store.write_items(anna, [NewItem("1", state, mail(1)), messages()[2]], "import")
        assert refused.error and not good.error
        assert "new folder" not in [folder.name for folder in store.folders(anna)]
