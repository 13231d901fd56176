# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup with an archive, ways to harm both, and what must be true after they were put right."""

from __future__ import annotations

import random
import shutil
from collections.abc import Collection
from pathlib import Path

from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.port import Archive
from ansible_collections.restante.carbonio.plugins.module_utils.backup import packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.files import Files
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care.coherency import EVERYTHING, Asked, Check
from ansible_collections.restante.carbonio.plugins.module_utils.care.findings import Findings, Mended
from ansible_collections.restante.carbonio.plugins.module_utils.care.ledger import Ledger
from ansible_collections.restante.carbonio.plugins.module_utils.care.mending import mend
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, NotFound
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState

from tests.engine.backup.conftest import ANNA, BOB, opened

DEEP = Asked(archive=EVERYTHING)
HARMS = ("flip", "cut", "empty", "delete", "swap")


def check(path: Path, archive: Archive | None = None, asked: Asked = DEEP, ledger: Ledger | None = None) -> Findings:
    """Check a backup."""
    repository = opened(path)
    try:
        return Check(repository, archive, ledger or Ledger(repository.repository_id, str(path)), asked).run()
    finally:
        repository.close()


def fix(path: Path, archive: Archive | None = None, files: Files | None = None, folder: str = "now") -> Mended:
    """Check a backup and put it right."""
    repository = opened(path, files)
    try:
        def look() -> Findings:
            return Check(repository, archive, Ledger(repository.repository_id, str(path)), DEEP).run()

        return mend(repository, archive, look(), look, folder)[1]
    finally:
        repository.close()


def harm(path: Path, how: str, chance: random.Random, other: Path | None = None) -> None:
    """Do something to a file."""
    data = bytearray(path.read_bytes())
    if how == "flip":
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif how == "cut":
        del data[chance.randrange(len(data)):]
    elif how == "empty":
        data.clear()
    elif how == "swap":
        assert other is not None
        first, second = path.read_bytes(), other.read_bytes()
        path.write_bytes(second)
        other.write_bytes(first)
        return
    path.unlink()
    if how != "delete":
        path.write_bytes(data)


def files_of(path: Path, kind: str) -> list[Path]:
    """Return the files of a kind that the backup consists of: commits, blobs or metadata."""
    repository = opened(path)
    try:
        if kind == "commits":
            head = repository.head()
            assert head is not None
            return [path / f"commits/{seq:020d}.json" for seq in range(head.checkpoint, head.seq + 1)]
        return [path / packs.file_name(pack.name) for pack in repository.packs() if pack.kind == kind]
    finally:
        repository.close()


def contents(repository: Repository, scopes: Collection[str] = (ANNA, BOB)) -> dict[str, bytes]:
    """Return all contents that can be read, by digest; each is verified by being read."""
    found = {}
    for scope in scopes:
        for one in repository.states(scope, deleted=True):
            if isinstance(one.state, ItemState) and one.state.digest:
                try:
                    found[one.state.digest] = repository.read_blob(one.state.digest)
                except (Damaged, NotFound):
                    continue
    return found


def histories(repository: Repository, scopes: Collection[str] = (ANNA, BOB)) -> dict[str, object]:
    """Return all that happened to the messages."""
    return {
        f"{scope} {one.item_id}": list(repository.history(scope, one.item_id))
        for scope in scopes for one in repository.states(scope, deleted=True, kinds=[kinds.MESSAGE])
    }


def archive_of(path: Path) -> DirectoryArchive:
    path.mkdir()
    return DirectoryArchive(str(path))


def copy(path: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(path, target))
