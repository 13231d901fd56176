# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two nodes with their settings: a primary that is archived in a directory, and one that is to be its standby."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, standby
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume, Settings

PLACES = ("backup_path", "cache_path", "state_path", "mailstore_path")
ARGUMENTS: dict[str, Any] = {
    "state": "following", "service": False, "source_type": "local", "source": None, "bucket_configuration_id": None,
    "volume_prefix": "", "server_id": "", "witness": None, "metadata_path": None, "last_round": True, "timeout": 60,
    "operation_id": None, "initiator": None,
}


class Nodes:
    """The two of them. Nothing is open between the calls."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.archive = path / "archive"
        self.archive.mkdir()
        self._node("primary", backup_volume=BackupVolume("local", str(self.archive)))
        self._node("standby")

    def _node(self, name: str, **settings: Any) -> None:
        places = {place: str(self.path / name / place) for place in PLACES}
        settings_file.save(self.config_file(name), Settings(**places, **settings))
        EmbeddedStore.create(places["mailstore_path"]).close()

    def config_file(self, name: str) -> str:
        return str(self.path / name / "etc" / "restante.json")

    def node(self, name: str) -> Node:
        return Node.load(self.config_file(name))

    def change(self, name: str, **settings: Any) -> None:
        """Give a node other settings."""
        node = self.node(name)
        settings_file.save(node.config_file, dataclasses.replace(node.settings, **settings))

    @contextlib.contextmanager
    def primary(self) -> Iterator[Any]:
        """The primary's mail server, and a SmartScan with its upload when the work on it is done."""
        with contextlib.closing(self.node("primary").store()) as store:
            yield store
        backups.smart_scan(self.node("primary"))

    @contextlib.contextmanager
    def standby(self) -> Iterator[Any]:
        """The standby's mail server."""
        with contextlib.closing(self.node("standby").store()) as store:
            yield store

    def answer(self, check_mode: bool = False, **arguments: Any) -> dict[str, Any]:
        """Call the module standby on the node that is to be one."""
        given = {**ARGUMENTS, "source": str(self.archive), "config_file": self.config_file("standby"), **arguments}
        return standby.answer(Call(given, check_mode))

    def status(self) -> dict[str, Any]:
        return standby.status(self.node("standby"))

    def mail(self, name: str) -> dict[str, list[str]]:
        """The digests of the mail of each account of a node, by address."""
        with contextlib.closing(self.node(name).store()) as store:
            return {
                entry.name: sorted(
                    state.digest for state in store.changes(entry.entry_id).items if state.kind == kinds.MESSAGE
                ) for entry in store.entries(kinds.ACCOUNT)
            }
