# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a standby takes: for all there is, for what happens while it follows, and to take over.

    PYTHONPATH=build/collections build/env-test/bin/python -m bench.standby --accounts 50 --messages 200 --seconds 60
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import standby, standing_by
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan


class Primary:
    """A mail server that is in use, and its backup, which each commit goes to at once."""

    def __init__(self, path: Path, accounts: int, messages: int) -> None:
        self.store = EmbeddedStore.create(str(path / "primary"))
        self.store.set_redo_log(False)
        self.backup = Repository.create(str(path / "backup"), self.store.server_id())
        self.accounts = [f"a-{number}" for number in range(accounts)]
        self.store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        for number, account in enumerate(self.accounts):
            self.store.create_entry(Entry(account, kinds.ACCOUNT, f"user{number}@example.com"))
            self.write(account, messages)
        self.commit()

    def write(self, account: str, messages: int) -> list[str]:
        """Let mail arrive."""
        batch = [NewItem("", ItemState("", kinds.MESSAGE, "2", flags="u", date=moment.now()), _mail(account, number))
                 for number in range(messages)]
        return [one.item_id for one in self.store.write_items(account, batch)]

    def commit(self) -> None:
        """Record what has happened."""
        with self.backup.writer() as writer:
            smart_scan(self.store, writer)
        self.backup.refresh()

    def live(self, seconds: float) -> int:
        """Let mail arrive, be read, moved and deleted, with a commit a second; return how many changes that were."""
        until, changes = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            began = time.monotonic()
            for account in self.accounts[::5]:
                new = self.write(account, 3)
                state = self.store.item(account, new[0])
                assert state is not None
                self.store.update_item(account, state._replace(flags="", folder="3"))
                self.store.delete_items(account, new[1:2])
                changes += 5
            self.commit()
            time.sleep(max(0.0, 1 - (time.monotonic() - began)))
        return changes


def _mail(account: str, number: int) -> bytes:
    return b"Subject: %d\r\n\r\nto %s\r\n" % (number, account.encode()) + b"x" * (2000 + number * 997 % 20_000)


def _delays(node: Node, ended: threading.Event, found: list[float]) -> None:
    """Note of each commit that is applied how long ago it was made."""
    seen = 0
    while not ended.wait(0.02):
        status: dict[str, Any] = standby.status(node)
        if status.get("applied_commit", 0) > seen:
            seen = status["applied_commit"]
            found.append((_ms(status["applied_at"]) - _ms(status["applied_commit_at"])) / 1000)


def _ms(text: str) -> int:
    at = moment.parse(text)
    return at if isinstance(at, int) else 0


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("accounts", 50), ("messages", 200), ("seconds", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place)
        primary = Primary(path, given.accounts, given.messages)
        names = ("backup_path", "cache_path", "state_path", "mailstore_path")
        places: dict[str, Any] = {name: str(path / name) for name in names}
        settings_file.save(str(path / "restante.json"), Settings(**places))
        EmbeddedStore.create(places["mailstore_path"]).close()
        node = Node.load(str(path / "restante.json"))
        standby.set_up(node, standing_by.Source("local", str(path / "backup")))
        began = time.monotonic()
        standby.once(node)
        first = time.monotonic() - began
        ended, delays = threading.Event(), list[float]()
        process = threading.Thread(target=standing_by.run, args=(node, 1.0, lambda sentence: None, ended))
        watch = threading.Thread(target=_delays, args=(node, ended, delays))
        process.start()
        watch.start()
        changes = primary.live(given.seconds)
        ended.set()
        for thread in (process, watch):
            thread.join()
        promoted = standby.promote(node)
        with contextlib.closing(node.store()) as store:
            equal = all(_count(store, one) == _count(primary.store, one) for one in primary.accounts)
    items = given.accounts * given.messages
    print(f"{given.accounts} accounts, {items} messages: all of it in {first:.1f} s ({items / first:.0f} messages/s)")
    print(
        f"{changes / given.seconds:.0f} changes a second for {given.seconds} s, a commit a second: applied after "
        f"{statistics.median(delays[1:]):.2f} s (median), {max(delays[1:]):.2f} s (worst)"
    )
    print(f"promotion: {promoted['seconds']:.2f} s, lost {promoted['lost_commits']} commits; as the primary: {equal}")


def _count(store: Any, account: str) -> int:
    return sum(1 for _state in store.changes(account).items)


if __name__ == "__main__":
    main()
