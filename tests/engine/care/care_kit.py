# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup with a past, and what it must say of every day."""

from __future__ import annotations

import shutil
from pathlib import Path

from ansible_collections.restante.carbonio.plugins.module_utils.backup import packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.files import Files
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care.purge import Plan, purge
from ansible_collections.restante.carbonio.plugins.module_utils.care.repack import Repacked
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY, Retention
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ACCOUNT_ITEM, ItemState

from tests.engine.backup.conftest import ANNA, BOB, account, message, opened

NOW = 100 * DAY
RETENTION = Retention(10, 20)
WINDOW = range(90, 101)


def live(path: Path) -> None:
    """Record some thirty days in as many commits: every day a message comes, one is flagged and an old one goes."""
    Repository.create(str(path), "server-id").close()
    repository = opened(path)
    with repository.writer() as writer:
        for scope in (ANNA, BOB):
            account(writer, scope, 60 * DAY)
        for day in range(61, 99):
            scope = BOB if day % 4 == 0 else ANNA
            message(writer, scope, day, at=day * DAY)
            if day > 64:
                message(writer, BOB if (day - 4) % 4 == 0 else ANNA, day - 4, "f", at=day * DAY)
            if day > 70:
                gone = day - 10
                writer.append(BOB if gone % 4 == 0 else ANNA, str(gone), kinds.MESSAGE, None, day * DAY)
            writer.commit({scope: str(day)})
    repository.close()


def delete_bob(path: Path, day: int) -> None:
    """Record that Bob's account is no more."""
    with opened(path).writer() as writer:
        writer.append(BOB, ACCOUNT_ITEM, kinds.ACCOUNT, None, day * DAY)
        writer.commit({BOB: ""})


def run(
    path: Path, files: Files | None = None, merge_from: int = 4, now: int = NOW
) -> tuple[Plan, Repacked]:
    """Purge a backup."""
    repository = opened(path, files)
    try:
        with repository.writer() as writer:
            return purge(writer, RETENTION, now, merge_from=merge_from)
    finally:
        repository.close()


def told(repository: Repository, scopes: tuple[str, ...] = (ANNA, BOB)) -> dict[str, object]:
    """Return all that a backup says of the window, contents included."""
    said: dict[str, object] = {"token": repository.tokens(), "damages": repository.damages()}
    for scope in scopes:
        for day in WINDOW:
            states = sorted(repository.states(scope, day * DAY), key=lambda one: one.item_id)
            said[f"{scope} {day}"] = states
            for one in states:
                if isinstance(one.state, ItemState) and one.state.digest:
                    said[one.state.digest] = repository.read_blob(one.state.digest)
        said[f"{scope} deletions"] = list(repository.deleted_between(scope, WINDOW[0] * DAY + 1, NOW))
    return said


def unnamed_files_removed(path: Path, target: Path) -> Path:
    """Copy a backup, but for the files that no commit names: what it will be when the grace time has passed."""
    shutil.copytree(path, target)
    repository = opened(target)
    named = {packs.file_name(pack.name) for pack in repository.packs()}
    repository.close()
    for file in (target / "packs").rglob("*"):
        if file.is_file() and str(file.relative_to(target)) not in named:
            file.unlink()
    return target
