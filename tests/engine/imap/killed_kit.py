# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written to a mail server while somebody is killed, processes that die, and what has to be there then."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState

ANNA, BERT = "anna@example.com", "bert@example.com"
COUNT = 12


def connect(server: Any, path: Path) -> ImapStore:
    """Connect, with the mirror at a path."""
    return ImapStore(str(path / "mirror"), server.settings(carddav_url="", caldav_url="", timeout=20))


def account(store: ImapStore, address: str = ANNA) -> str:
    """Return the id of an account."""
    return next(entry.entry_id for entry in store.entries(kinds.ACCOUNT) if entry.name == address)


def mail(number: int) -> bytes:
    """Return a message."""
    return b"Subject: %d\r\n\r\n" % number + b"x" * 3000


def messages() -> list[NewItem]:
    """Return messages for the Inbox, two of which are equal."""
    return [
        NewItem(f"m{number}", ItemState(
            "", kinds.MESSAGE, "2", flags="fu" if number % 2 else "r", date=1_500_000_000_000 + number * 1000
        ), mail(number or 1)) for number in range(COUNT)
    ]


def others() -> list[NewItem]:
    """Return a folder and a script."""
    return [
        NewItem("f", ItemState("", kinds.FOLDER, "1", "new folder", "*")),
        NewItem("s", ItemState("", kinds.FILTER_SET, "", "a script"), b"keep;\r\n"),
    ]


def write(store: ImapStore, address: str = ANNA) -> None:
    """Write all."""
    for batch in (messages()[:5], others(), messages()[5:]):
        for written in store.write_items(account(store, address), batch, "import"):
            assert not written.error, written


def check(store: ImapStore, address: str = ANNA) -> None:
    """Look whether all is there, once, as it was to be."""
    anna = account(store, address)
    items = {item.item_id: item for item in store.changes(anna).items}
    imported = dict(store.imported(anna, "import"))
    assert set(imported) == {new.origin for new in (*messages(), *others())}
    assert len(set(imported.values())) == len(imported)
    there = [item for item in items.values() if item.kind == kinds.MESSAGE]
    assert Counter(store.read_blob(anna, item.item_id) for item in there) == Counter(
        bytes(new.blob or b"") for new in messages()
    )
    for new in messages():
        item = items[imported[new.origin]]
        assert store.read_blob(anna, item.item_id) == new.blob
        # Of two equal messages either may be the one or the other.
        if new.origin not in ("m0", "m1"):
            assert (item.flags, item.date) == (new.state.flags, new.state.date)
    assert [item.name for item in items.values() if item.kind == kinds.FILTER_SET] == ["a script"]
    assert items[imported["f"]].name == "new folder"


def die(*_arguments: Any, **_keywords: Any) -> None:
    """End at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def after(owner: Any, name: str, times: int = 1) -> None:
    """Let the process die after so many calls of a method."""
    real = getattr(owner, name)
    calls: list[int] = []

    def work(*arguments: Any, **keywords: Any) -> Any:
        answer = real(*arguments, **keywords)
        calls.append(1)
        if len(calls) == times:
            die()
        return answer

    setattr(owner, name, work)


def child(work: Callable[[], None]) -> int:
    """Start a process; return its id."""
    process = os.fork()
    if not process:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return process
