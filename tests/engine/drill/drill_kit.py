# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node that drills itself: two domains' worth of mail, a Backup Path, and an archive in a directory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, drill
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.drill_options import Options
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume, Settings
from ansible_collections.restante.carbonio.plugins.module_utils.scan import witness

PLACES = ("backup_path", "cache_path", "state_path", "mailstore_path")
KEY = "11" * 32
LARGE = 1_000_000


class Machine:
    """A node below a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config_file = str(root / "etc" / "restante.json")

    @property
    def node(self) -> Node:
        """The node, opened anew."""
        return Node.load(self.config_file)

    def place(self, name: str) -> Path:
        """Return one of its directories, such as "cache_path"."""
        return self.root / name

    @property
    def archive(self) -> Path:
        """The directory of its archive that has the backup in it."""
        (found,) = (self.root / "archive").iterdir()
        return found

    def settle(self, encrypted: bool, archived: bool = True) -> None:
        """Write its settings, and those of an archive."""
        (self.root / "archive").mkdir(parents=True, exist_ok=True)
        key = self.root / "etc" / "master.key"
        places = {name: str(self.place(name)) for name in PLACES}
        volume = BackupVolume("local", path=str(self.root / "archive")) if archived else BackupVolume()
        settings_file.save(self.config_file, Settings(
            **places, backup_volume=volume, encryption_key_file=str(key) if encrypted else "",
        ))
        if encrypted:
            key.touch(mode=0o600)
            key.write_text(KEY)

    def drill(self, **options: Any) -> dict[str, Any]:
        """Drill; the options are those of Options."""
        return drill.drill(self.node, Options(**options))

    def copy(self, root: Path) -> Machine:
        """Return another node that has all that this one has."""
        shutil.copytree(self.root, root)
        other = Machine(root)
        settings = self.node.settings
        other.settle(bool(settings.encryption_key_file), settings.backup_volume.type != "default")
        note = other.place("backup_path") / witness.FILE
        note.write_text(note.read_text("utf-8").replace(str(self.archive), str(other.archive)), "utf-8")
        return other

    def left(self) -> list[str]:
        """Return what drills have left in the scratch directory."""
        place = self.place("cache_path") / "drills"
        return sorted(one.name for one in place.iterdir()) if place.is_dir() else []

    def reports(self) -> list[Path]:
        """Return the directories of the reports, the oldest first."""
        place = self.place("state_path") / "drills" / "reports"
        return sorted(place.iterdir(), key=lambda path: path.stat().st_mtime_ns) if place.is_dir() else []


def make(root: Path, encrypted: bool = False, messages: int = 27) -> Machine:
    """Make a node with a small sample of everything, which has been backed up and archived."""
    machine = Machine(root)
    machine.settle(encrypted)
    with contextlib.closing(EmbeddedStore.create(str(machine.place("mailstore_path")))) as store:
        store.set_redo_log(False)
        sample.fill(store, messages=messages)
        for account in list(store.entries(kinds.ACCOUNT)):  # large messages would only take time here
            large = [one.item_id for one in store.changes(account.entry_id).items if one.size > LARGE]
            store.delete_items(account.entry_id, large)
    backups.smart_scan(machine.node)
    return machine


def picture(path: Path) -> dict[str, tuple[str, int]]:
    """Return the content and the time of every file below a directory."""
    return {str(one.relative_to(path)): (_digest(one), one.stat().st_mtime_ns) for one in _files(path)}


def _files(path: Path) -> Iterator[Path]:
    for directory, _names, files in os.walk(path):
        yield from (Path(directory) / name for name in files)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
