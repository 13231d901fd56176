# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node whose Realtime Scanner runs as a process of its own, as its unit would."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import realtime
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume, Settings

from tests.encrypted import MASTERS

COLLECTIONS = Path(__file__).resolve().parents[3] / "build" / "collections"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
CLI = "ansible_collections.restante.carbonio.plugins.module_utils.cli.main"
PATIENCE = 30.0


def until(true: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"{what} has not come"
        time.sleep(0.05)


class LiveNode:
    """A mail server with two accounts, archived in a directory, and its Realtime Scanner."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = str(path / "etc" / "restante.json")
        self.archive = path / "archive"
        self.archive.mkdir()
        places = {name: str(path / name) for name in ("backup_path", "cache_path", "state_path", "mailstore_path")}
        settings = Settings(**places, backup_volume=BackupVolume("local", str(self.archive)))
        if MASTERS:  # the process of the scanner finds the key as on any node
            key = path / "master.key"
            key.touch(mode=0o600)
            key.write_text(MASTERS[0].hex())
            settings = dataclasses.replace(settings, encryption_key_file=str(key))
        settings_file.save(self.config_file, settings)
        self.store: Any = EmbeddedStore.create(places["mailstore_path"])
        self.store.create_entry(Entry("d-1", kinds.DOMAIN, "example.com"))
        self.accounts = [
            str(self.store.create_entry(Entry(f"a-{name}", kinds.ACCOUNT, f"{name}@example.com")).entry_id)
            for name in ("anna", "bruno")
        ]
        self._scanner: subprocess.Popen[str] | None = None

    @property
    def node(self) -> Node:
        """The node, with its settings as they are."""
        return Node.load(self.config_file)

    def status(self) -> dict[str, Any]:
        """Return what the Realtime Scanner says."""
        return realtime.status(self.node)

    def mail(self, account: str, *contents: bytes) -> list[str]:
        """Put messages into an account's Inbox; return their ids."""
        state = ItemState("", kinds.MESSAGE, "2")
        return [one.item_id for one in self.store.write_items(account, [NewItem("", state, blob) for blob in contents])]

    # -- the process -----------------------------------------------------------------------------------------------

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of module backup."""
        return subprocess.run(
            [sys.executable, "-m", CLI, "--config-file", self.config_file, "backup", *words], env=ENVIRONMENT,
            capture_output=True, text=True, check=False, timeout=PATIENCE,
        )

    def start(self, *, follow: bool = True) -> subprocess.Popen[str]:
        """Start it; return when it follows."""
        self._scanner = subprocess.Popen(
            [sys.executable, "-m", CLI, "--config-file", self.config_file, "backup", "doRunService", realtime.SERVICE],
            env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        if follow:
            self.await_state("following")
        return self._scanner

    def await_state(self, state: str) -> None:
        """Wait until it does something."""
        until(lambda: self.status()["state"] == state, f"the state {state}")

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End it by a signal; return its exit status and what it has written to standard error."""
        assert self._scanner is not None
        self._scanner.send_signal(number)
        said = self._scanner.communicate(timeout=PATIENCE)[1]
        status, self._scanner = self._scanner.returncode, None
        return status, said

    def await_archived(self) -> None:
        """Wait until the archive holds what the mail server does."""
        def is_there() -> bool:
            status = self.status()
            return bool(status["archived_commit"] == status["last_commit"] and not status["gap"]) and self.is_complete()

        until(is_there, "all that has happened, in the archive")

    # -- what is held ----------------------------------------------------------------------------------------------

    def live(self, account: str) -> dict[str, dict[str, Any]]:
        """Return what the mail server holds of an account, by item id."""
        return {state.item_id: state.to_json() for state in self.store.changes(account).items}

    def remains(self) -> Path:
        """Return a copy of the archive as it is now: what is left when the node burns."""
        copy = self.path / f"remains-{time.monotonic_ns()}"
        shutil.copytree(self.archive / self.store.server_id(), copy)
        return copy

    def recorded(self, account: str, path: Path | None = None) -> dict[str, dict[str, Any]]:
        """Return what the backup, or the one in a directory, holds of an account, by item id."""
        with contextlib.closing(Repository.open(str(path or self.node.settings.backup_path))) as repository:
            found = {last.item_id: last.state for last in repository.states(account) if last.state is not None}
            if path is not None:
                for state in found.values():
                    assert not getattr(state, "digest", "") or repository.read_blob(state.digest)  # type: ignore[union-attr]
        return {item: state.to_json() for item, state in found.items()}

    def is_complete(self) -> bool:
        """Return whether the backup holds what the mail server does."""
        return all(self.recorded(account) == self.live(account) for account in self.accounts)

    def assert_nothing_twice(self) -> None:
        """Check that no item has two states, one after the other, that are the same."""
        with contextlib.closing(self.node.repository()) as repository:
            assert repository.damages() == []
            for account in self.accounts:
                for item in {last.item_id for last in repository.states(account, deleted=True)}:
                    states = [last.state and last.state.to_json() for last in repository.history(account, item)]
                    assert all(one != other for one, other in zip(states, states[1:])), f"{item} is recorded twice"

    def close(self) -> None:
        """End what runs."""
        if self._scanner is not None:
            self._scanner.kill()
            self._scanner.communicate()
        realtime.stop(self.node)
        self.store.close()
