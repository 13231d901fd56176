# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work on encrypted backups that is disturbed: scans, restores and purges once more, and what there is for keys."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any, Final

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Refused
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import encryption
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file

from . import jobs
from .jobs import Job
from .worlds import ANNA, MASTERS, World


def _write_key(path: Path, key: bytes) -> None:
    path.write_text(f"{key.hex()}\n", encoding="ascii")
    path.chmod(0o600)


def _key_file(world: World, name: str, of: str = "master") -> Path:
    return world.path / name / "etc" / f"{of}.key"


def _encrypt(world: World) -> None:
    """Let both nodes have a master key, and no backup yet."""
    jobs.no_backup(world)
    for name in ("a", "b"):
        _write_key(_key_file(world, name), MASTERS[0])
        node = world.node(name)
        settings_file.save(
            node.config_file, dataclasses.replace(node.settings, encryption_key_file=str(_key_file(world, name)))
        )


def _encrypted(world: World) -> None:
    _encrypt(world)
    world.scan()


def _changed(world: World) -> None:
    _encrypted(world)
    jobs.changes(world)


def _many(world: World) -> None:
    _encrypted(world)
    jobs.small_packs(world)


def _left(world: World) -> None:
    """Anna's account is deleted, and known to be."""
    _encrypted(world)
    jobs.delete_anna(world)


def _done(outcome: dict[str, Any]) -> None:
    """Take what the caller is warned of for what it is, also where the disk has not even taken the operation's record.

    :raises Refused: it is not all done.
    """
    if outcome["warnings"]:
        raise Refused("\n".join(outcome["warnings"]))


def _forget(world: World) -> None:
    _done(encryption.forget_accounts(world.node("a"), [ANNA]))


def _forgotten(world: World) -> Any:
    """Neither side says anything of Anna, and neither has another keyring than the newest."""
    places = [world.path / "a" / "backup", *world.archive.iterdir()]
    return {"told": list(world.histories().values()), "keyrings": [
        sorted(file.name for file in (place / "keys").iterdir()) for place in places
    ]}


def _with_another_key(world: World) -> None:
    _encrypted(world)
    _write_key(_key_file(world, "a", "other"), MASTERS[1])


def _change(world: World) -> None:
    _done(encryption.change_master_key(world.node("a"), {"encryption_key_file": str(_key_file(world, "a", "other"))}))


def _opens(world: World) -> Any:
    """Return the settings, and what each side says to who has the other key alone."""
    told = []
    for place in (world.path / "a" / "backup", *world.archive.iterdir()):
        with contextlib.closing(Repository.open(str(place), masters=[MASTERS[1]])) as backup:
            told.append({scope: len(list(backup.states(scope, deleted=True))) for scope in backup.scopes()})
    return {"key": Path(world.node("a").settings.encryption_key_file).name, "told": told}


JOBS: Final = (
    Job("encrypted first scan", _encrypt, jobs.scan, jobs.scanned),
    Job("encrypted scan", _changed, jobs.scan, jobs.scanned),
    Job("encrypted retrieve", _encrypted, jobs.retrieve, lambda world: world.histories()["b/retrieved"]),
    Job("encrypted external restore", _encrypted, jobs.external, lambda world: world.mailboxes("b")),
    Job("encrypted purge", _many, jobs._purge, lambda world: world.histories()["a/backup"], removes=True),
    Job("forget account", _left, _forget, _forgotten, removes=True),
    Job("change master key", _with_another_key, _change, _opens),
)
