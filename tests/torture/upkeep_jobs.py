# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work on backups beside scans and restores that is disturbed: what is damaged is put right, accounts are held,
the catalogue is made anew, the archive is tidied up, backups are copied and exported, settings are changed."""

from __future__ import annotations

import contextlib
import random
import shutil
from typing import Any, Final

from ansible_collections.restante.carbonio.plugins.module_utils.archive.buckets import BucketRecord
from ansible_collections.restante.carbonio.plugins.module_utils.backup import packs
from ansible_collections.restante.carbonio.plugins.module_utils.care.coherency import EVERYTHING
from ansible_collections.restante.carbonio.plugins.module_utils.care.leftovers import remove_here, remove_there
from ansible_collections.restante.carbonio.plugins.module_utils.care.purge import purge
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY, Retention
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Refused
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import SILENT
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import (
    attributes,
    care,
    coherency,
    export,
    retrieval,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader

from tests.engine.care.coherency_kit import files_of, harm

from .jobs import Job, ready, small_packs
from .worlds import ANNA, ARCHIVE, BACKUP, World

_BUCKET: Final = "4f5c1c9e-0000-4000-8000-000000000001"


def _harmed(world: World) -> None:
    chance = random.Random(7)
    place = world.path / "a" / "backup"
    blobs, metadata, commits = (files_of(place, kind) for kind in (packs.BLOBS, packs.METADATA, "commits"))
    harm(blobs[0], "flip", chance)
    harm(metadata[0], "delete", chance)
    harm(metadata[1], "cut", chance)
    harm(commits[1], "empty", chance)
    for path in (blobs[0], metadata[1], commits[1]):
        path.chmod(0o600)


def _harmed_archive(world: World) -> None:
    chance = random.Random(7)
    place, there = world.path / "a" / "backup", next(world.archive.iterdir())
    blobs, metadata = (files_of(place, kind) for kind in (packs.BLOBS, packs.METADATA))
    harm(there / blobs[0].relative_to(place), "flip", chance)
    harm(there / metadata[0].relative_to(place), "delete", chance)
    harm(there / metadata[1].relative_to(place), "cut", chance)


def _mend(world: World) -> None:
    coherency.check(world.node("a"), coherency.Options(fix=True, archive=EVERYTHING))


def _mended(world: World) -> Any:
    found = coherency.preview(world.node("a"), coherency.Options(fix=True, archive=EVERYTHING))
    return {"coherent": found["coherent"], "plan": found["plan"], **world.histories()}


def _hold(world: World) -> None:
    care.set_hold(world.node("a"), [ANNA], held=True)


def _no_catalogue(world: World) -> None:
    for path in (world.path / "a" / "backup").glob("catalog.sqlite*"):
        path.write_bytes(b"no catalogue " * 100)


def _rebuild(world: World) -> None:
    with contextlib.closing(world.node("a").repository()) as backup:
        backup.rebuild()


def _catalogue(world: World) -> Any:
    with contextlib.closing(world.node("a").repository()) as backup:
        return {"counts": backup.counts(), "tokens": backup.tokens(), "damages": backup.damages()}


def _purge_with_archive(world: World) -> None:
    node = world.node("a")
    with contextlib.closing(node.repository()) as backup:
        head, archive = backup.head(), node.archive(backup.server_id)
        assert head is not None
        assert archive is not None
        now = head.at + 10 * DAY
        with backup.writer() as writer:
            purge(writer, Retention(1, 1), now, merge_from=4)
        newest = Uploader(backup, archive).sync().newest
        backup.refresh()
        there = remove_there(backup, archive, DAY, now, SILENT)
        if there.kept:
            raise Refused(there.reasons[0])
        remove_here(backup, DAY, now, newest)


def _tidied(world: World) -> Any:
    """Nothing is there, here or in the archive, that is not needed."""
    place, there = world.path / "a" / "backup", next(world.archive.iterdir())
    with contextlib.closing(world.node("a").repository()) as backup:
        needed = {pack.name for pack in backup.packs()}
    return {
        "not needed": {path.name for root in (place, there) for path in (root / "packs").rglob("*") if path.is_file()}
        - needed, "behind": world.not_archived(), **world.histories(),
    }


def _copy(world: World) -> None:
    retrieval.copy_backup_path(world.node("a"), str(world.path / "a" / "backup"), str(world.copied))


def _export(world: World) -> None:
    if world.exported.exists() and world.complaints():  # it is not complete, as it has said: another one is made
        shutil.rmtree(world.exported)
    export.answer(Call({
        "config_file": world.node("a").config_file, "destination": str(world.exported), "domains": [], "cos": [],
        "skip_items": False, "threshold": 0, "read_error_threshold": 0, "notifications": [],
    }))


def _exported(world: World) -> Any:
    """What the export says now; the moments of recording differ from one run to the next."""
    told = world.histories().get("exported", {})
    return {scope: {item: history[-1][2] for item, history in items.items()} for scope, items in told.items()}


def _bucket(world: World) -> None:
    world.node("a").buckets.add(BucketRecord(id=_BUCKET, bucket="mail", access_key="key", secret_key="secret"))


def _settings(world: World) -> None:
    node = world.node("a")
    attributes.change(node, attributes.SERVER, "", "ZxBackup_DataRetentionDays", ["365"])
    node.buckets.update(_BUCKET, label="spare")


def _set(world: World) -> Any:
    node = world.node("a")
    return {"days": node.settings.data_retention_days, "label": node.bucket(_BUCKET).label}


JOBS: Final = (
    Job("mend the backup", _harmed, _mend, _mended, mends=(BACKUP,)),
    Job("mend the archive", _harmed_archive, _mend, _mended, mends=(ARCHIVE,)),
    Job("legal hold", ready, _hold, lambda world: care.holds(world.node("a"))),
    Job("rebuild the catalogue", _no_catalogue, _rebuild, _catalogue),
    Job("purge with the archive", small_packs, _purge_with_archive, _tidied, removes=True),
    Job("copy the Backup Path", ready, _copy, lambda world: world.histories()["b/copied"]),
    Job("export", ready, _export, _exported),
    Job("settings", _bucket, _settings, _set),
)
