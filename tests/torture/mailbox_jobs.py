# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work on mailboxes beside the common restores that is disturbed: the Realtime Scanner, restores of lost blobs, of
folders and from retrieved metadata, import and export of files, shares, volumes and the proof of a restore."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Final

from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.exchange.exporter import export_account
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput, Refused
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import ArchiveBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.external import external_restore
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.session import Sides
from ansible_collections.restante.carbonio.plugins.module_utils.restore.undelete import Interval
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import (
    blob_restore,
    exchange,
    items,
    recovery,
    share_repair,
    volumes,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.scan.realtime import RealtimeScanner, Situation
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader

from tests.engine.restore.restore_kit import add, mail

from .jobs import Job, changes, external, losses, mailboxes, ready, retrieve, scanned, told
from .worlds import ANNA, INBOX, World

BRUNO: Final = "a-bruno"


def _realtime(world: World) -> None:
    """Close the gap, follow what happens, end, and send it to the archive."""
    node, looks = world.node("a"), iter(range(3))
    with world.store("a") as store, contextlib.closing(node.repository()) as backup:
        situation = Situation(gap_since=-1)
        scanner = RealtimeScanner(store, backup, situation, commit_every=0)

        def pause(seconds: float) -> bool:
            if not seconds:
                return False
            look = next(looks)
            if look == 1:
                with world.store("a") as other:
                    other.delete_items(BRUNO, [_newest(other, BRUNO)])
            return look == 2

        scanner.run(pause)
        if situation.unreadable:
            raise Refused(situation.unreadable[0])
        archive = node.archive(backup.server_id)
        assert archive is not None
        Uploader(backup, archive).sync()


def _newest(store: Any, account: str) -> str:
    """Return the message that is there for sure: each run deletes one."""
    return max((one.item_id for one in store.changes(account).items if one.kind == kinds.MESSAGE), key=int)


def _followed(world: World) -> Any:
    """As of a scan; how many messages are left depends on how often it was begun anew."""
    found = scanned(world)
    return {"equal": found["equal"], "behind": found["behind"], "anna": found["live"][ANNA]}


def _lost_blobs(world: World) -> None:
    with world.store("a") as store:
        volume = store.volumes()[0]
    files = sorted(path for path in Path(volume.path).rglob("*.msg"))
    for path in files[::3]:
        path.unlink()
    files[1].write_bytes(b"")


def _restore_blobs(world: World) -> None:
    node = world.node("a")
    with world.store("a") as store:
        volume = store.volumes()[0]
    told(blob_restore.restore(node, volume.volume_id, dry_run=False))


def _nothing_lost(world: World) -> Any:
    return {"lost": world.lost(), **mailboxes(world)}


def _folder(world: World) -> None:
    with contextlib.closing(world.node("a").repository()) as backup:
        folder = next(one for one in backup.deleted_between(ANNA, 0, 2**60) if one.kind == kinds.FOLDER)
    told(items.restore_item(world.node("a"), ANNA, folder.item_id))


def _undelete_apart(world: World) -> None:
    told(items.undelete(world.node("a"), ANNA, Interval(), target_original_folder=False))


def _from_the_archive(world: World) -> None:
    node = world.node("b")

    def blobs(source: Repository) -> ArchiveBlobs:
        archive = DirectoryArchive(str(world.archive), source.server_id)
        return ArchiveBlobs(source, archive, node.settings.cache_path, threads=2)

    report = external_restore(
        Sides(lambda: Repository.open(str(world.retrieved)), node.store, blobs, node.settings.backup_path),
        ExternalOptions(),
    )
    if report.unrestored:
        raise Refused(report.text())


def _prove(world: World) -> None:
    report = recovery.prove(world.node("b"), str(world.path / "a" / "backup"), system_accounts=False)
    if not report.passed:
        raise InvalidInput(f"It is not proven: {report.differences[:3]}")


def _files(world: World) -> None:
    with world.store("a") as store:
        export_account(store, ANNA, str(world.path / "files"))


def _import(world: World) -> None:
    exchange.import_files(Call({
        "config_file": world.node("a").config_file, "account": "bruno@example.com",
        "source": str(world.path / "files"), "folder": "imported",
    }))


def _export(world: World) -> None:
    exchange.export_files(Call({
        "config_file": world.node("a").config_file, "account": ANNA, "destination": str(world.path / "files"),
    }))


def _written(world: World) -> Any:
    place = world.path / "files"
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


def _broken_share(world: World) -> None:
    external(world)
    with world.store("a") as store:
        work = next(one.item_id for one in store.folders(ANNA) if one.name == "work")
    with world.store("b") as store:
        bruno = store.find_entry(kinds.ACCOUNT, "bruno@example.com")
        assert bruno is not None
        add(store, bruno.entry_id, kinds.MOUNTPOINT, "1", "Broken", attrs={
            "owner_id": ANNA, "owner_name": "anna@example.com", "remote_id": work, "remote_path": "/Inbox/work",
        })


def _fix_shares(world: World) -> None:
    place = world.path / "b" / "backup"
    share_repair.fix(world.node("b"), str(next(place.glob("map_*"))))


def _shares(world: World) -> Any:
    return {"problems": share_repair.check(world.node("b"))["problems"], **world.mailboxes("b")}


def _twins(world: World) -> None:
    with world.store("a") as store:
        for number in (90, 90, 91, 91, 91):
            mail(store, ANNA, INBOX, number)
    world.scan()


def _volumes(world: World) -> None:
    node = world.node("a")
    volumes.ensure(Call({
        "config_file": node.config_file, "name": "second", "state": "present", "volume_type": None,
        "path": str(world.path / "a" / "store" / "second"), "compressed": True, "compression_threshold": 100,
        "current": True,
    }))
    done = volumes.deduplicate(node, "", dry_run=False)["deduplication"]
    if done["skipped_blobs"]:  # the result only counts them
        files = (world.path / "a" / "store" / "volumes").rglob("*")
        unreadable = [str(file) for file in files if not os.access(file, os.R_OK)]
        raise Refused(f"{done['skipped_blobs']} files could not be linked. {' '.join(unreadable)}")


def _linked(world: World) -> Any:
    with world.store("a") as store:
        found = store.deduplicate(None, dry_run=True)
        volume = next((one for one in store.volumes() if one.name == "second"), None)
        return {"alike": found.duplicated_blobs, "current": volume is not None and volume.current}


JOBS: Final = (
    Job("follow in real time", changes, _realtime, _followed),
    Job("restore blobs", _lost_blobs, _restore_blobs, _nothing_lost),
    Job("folder restore", losses, _folder, mailboxes),
    Job("undelete into one folder", losses, _undelete_apart, mailboxes),
    Job("restore from the archive", retrieve, _from_the_archive, lambda world: world.mailboxes("b")),
    Job("prove a restore", external, _prove, lambda world: world.mailboxes("b")),
    Job("import files", _files, _import, mailboxes),
    Job("export files", ready, _export, _written),
    Job("fix shares", _broken_share, _fix_shares, _shares),
    Job("volumes", _twins, _volumes, _linked),
)
