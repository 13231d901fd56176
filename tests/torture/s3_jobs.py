# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work that talks to a bucket: what it needs, how it is done, and what must be there in the end.

What work returns is what it tells of things that it could not do; an empty text means that it has done all of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from ansible_collections.restante.carbonio.plugins.module_utils.archive.bucket_admin import BucketState
from ansible_collections.restante.carbonio.plugins.module_utils.archive.buckets import BucketRecord
from ansible_collections.restante.carbonio.plugins.module_utils.backup import packs
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.restore.copy_source import CopyOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.undelete import Interval
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import (
    accounts,
    backups,
    blob_restore,
    buckets,
    care,
    coherency,
    following,
    inspection,
    items,
    migration,
    recovery,
    retrieval,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node

from tests.engine.restore.restore_kit import mail

from .jobs import COPY, changes, delete_anna, losses, no_backup, scanned, small_packs
from .s3_worlds import AGE, LABEL, S3World, the_clock
from .worlds import ANNA, INBOX, Broken, told

NEW_BUCKET: Final = "new bucket"
NUMBER: Final = 91
"""Of the message that comes while the Realtime Scanner follows."""
PATIENCE: Final = 20.0
"""Seconds that what follows may take to archive what has happened."""


class S3Job(NamedTuple):
    """One kind of work with a bucket."""

    name: str
    prepare: Callable[[S3World], object]
    run: Callable[[S3World], str]
    picture: Callable[[S3World], Any]
    """What there is afterwards, without what differs from one run to the next."""
    removes: bool = False
    """Whether the backup may say less afterwards than before."""
    mends: bool = False
    """Whether it puts right what is damaged before."""


def _nothing(_world: S3World) -> None:
    """Prepare nothing."""


def _then(*steps: Callable[[S3World], object]) -> Callable[[S3World], None]:
    def prepare(world: S3World) -> None:
        for step in steps:
            step(world)

    return prepare


def _warned(result: dict[str, Any]) -> str:
    return "\n".join(result["warnings"])


def _unrestored(result: dict[str, Any]) -> str:
    """Return what a restore says that it could not restore. Its warnings are about what mail servers cannot hold."""
    return "\n".join(map(str, result.get("report", result)["unrestored_items"]))


# -- into the bucket -------------------------------------------------------------------------------------------------


def _nothing_yet(world: S3World) -> None:
    no_backup(world)
    world.up()


def _scan(world: S3World) -> str:
    return _warned(backups.smart_scan(world.node("a")))


def _archived(world: S3World) -> Any:
    world.down()
    return scanned(world)


def _follow(world: S3World) -> str:
    """Be the Realtime Scanner until a message that comes meanwhile is in the archive, or that takes too long."""
    node, ended = world.node("a"), threading.Event()

    def status() -> following.Status:
        return following.read_status(node)

    def until(true: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not true() and time.monotonic() < end:
            time.sleep(0.02)

    def live() -> None:
        until(lambda: status().state == following.FOLLOWING)
        with world.store("a") as store:
            contents = {state.digest for state in store.changes(ANNA).items}
            number = mail(store, ANNA, INBOX, NUMBER)
            if {state.digest for state in store.changes(ANNA).items} == contents:  # an earlier run has written it
                store.delete_items(ANNA, [number])
        until(lambda: not status().situation.pending and _is_archived(status()))
        ended.set()

    threading.Thread(target=live, daemon=True).start()
    following.run(node, 0.1, ended=ended)
    return status().archive_error or ("" if _is_archived(status()) else "The archive lacks the newest commits.")


def _is_archived(status: following.Status) -> bool:
    return 0 < status.situation.last_commit <= status.archived


# -- out of the bucket -----------------------------------------------------------------------------------------------


def _retrieve(world: S3World) -> str:
    node = world.node("b")
    archive = retrieval.find_archive(node, retrieval.in_bucket(node.bucket(LABEL)))
    return _warned(retrieval.retrieve_metadata(node, archive, str(world.retrieved)))


def _external(world: S3World) -> str:
    return _unrestored(recovery.restore(world.node("b"), str(world.retrieved), ExternalOptions(), blobs_archive=LABEL))


def _new_account(world: S3World) -> str:
    options = CopyOptions(undelete=True)
    return _unrestored(accounts.restore_on_new_account(world.node("a"), ANNA, COPY, options=options))


def _account(world: S3World) -> str:
    return _unrestored(accounts.restore_account(world.node("a"), ANNA, options=CopyOptions()))


def _item(world: S3World) -> str:
    node = world.node("a")
    with contextlib.closing(node.repository()) as backup:
        known = [one.item_id for one in backup.deleted_between(ANNA, 0, 2**60) if one.kind == kinds.MESSAGE]
    return _unrestored(items.restore_item(node, ANNA, known[-1]))


def _undelete(world: S3World) -> str:
    return _unrestored(items.undelete(world.node("a"), ANNA, Interval()))


def _mailboxes(name: str) -> Callable[[S3World], Any]:
    return lambda world: world.mailboxes(name)


def _lose_blobs(world: S3World) -> None:
    """Take the contents of every second file out of the volume of node a."""
    for path in sorted((world.path / "a" / "store" / "volumes" / "message1").rglob("*"))[::2]:
        if path.is_file():
            path.unlink()


def _restore_blobs(world: S3World) -> str:
    return _unrestored(blob_restore.restore(world.node("a"), "message1", blobs_archive=LABEL, dry_run=False))


def _blobs(world: S3World) -> Any:
    with world.store("a") as store:
        return {"lost": len(list(store.missing_blobs("1"))), "mailboxes": world.mailboxes("a")}


def _look(world: S3World) -> str:
    """Read an item's content, and search in all contents."""
    node = world.node("b")
    where = {"backup_path": str(world.retrieved), "blobs_archive": LABEL}
    words = {"search_string": "to a-anna", "search_filter": "all", "in_content": True}
    found = inspection.search_items(node, ANNA, **words, **where)
    if found["warnings"]:
        return "\n".join(found["warnings"])
    shown = inspection.item(node, ANNA, found["items"][0]["item_id"], dump_blob=True, **where)
    if b"to a-anna" not in shown["blob"]:
        raise Broken("The content of an item is another.")
    return ""


# -- care ------------------------------------------------------------------------------------------------------------


def _earlier(step: Callable[[S3World], object]) -> Callable[[S3World], None]:
    """Prepare something some days ago."""
    def prepare(world: S3World) -> None:
        with the_clock(lambda: int(time.time() * 1000) - AGE):
            step(world)

    return prepare


def _without_grace(world: S3World) -> Node:
    """Return node a, whose purge removes files at once, as it would days later: the store counts in whole seconds."""
    node = world.node("a")
    return Node(node.config_file, dataclasses.replace(node.settings, purge_grace_days=-1))


def _purge(world: S3World) -> str:
    return _warned(care.purge(_without_grace(world)))


def _merge(world: S3World) -> str:
    """Let a scan merge small packs, and a purge without retention remove their files."""
    node = _without_grace(world)
    return "\n".join(filter(None, (_warned(backups.smart_scan(node)), _warned(care.purge(node, "0")))))


def _many_packs(world: S3World) -> None:
    small_packs(world)
    small_packs(world)


def _tidied(world: S3World) -> Any:
    """What the backup says, and that the bucket has no pack that it does not need."""
    with contextlib.closing(world.node("a").repository()) as backup:
        needed = {packs.file_name(pack.name) for pack in backup.packs()}
        there = {name for name in world.names(backup.server_id) if name.startswith("packs/")}
        current = {scope: sorted(str(one.state) for one in backup.states(scope)) for scope in backup.scopes()}
    return {"current": current, "missing": sorted(needed - there), "left": len(there - needed)}


def _migrate_here(world: S3World) -> str:
    migration.migrate(world.node("a"), "s3", bucket=LABEL, volume_prefix="moved")
    return ""


def _moved(world: S3World) -> Any:
    return {"prefix": world.node("a").settings.backup_volume.volume_prefix, "bucket": world.names()}


def _new_bucket(world: S3World) -> str:
    """Make a bucket, try it, and keep its configuration."""
    node, known = world.node("b"), world.node("b").bucket(LABEL)
    wanted = BucketRecord(
        world.prefix, NEW_BUCKET, "CustomS3", known.endpoint, known.region,
        access_key=known.access_key, secret_key=known.secret_key,
    )
    present = buckets.find(node, "", NEW_BUCKET)
    wanted = dataclasses.replace(wanted, id=present.id if present else "")
    return _warned(buckets.ensure(node, present, wanted, BucketState(versioning=False), True, dry_run=False))


def _has_bucket(world: S3World) -> Any:
    return [record.label for record in world.node("b").buckets.records()]


def _damage(world: S3World) -> None:
    """Alter a pack and a commit there, lose a pack there, and alter another one here."""
    with contextlib.closing(world.node("a").repository()) as backup:
        names = [packs.file_name(pack.name) for pack in backup.packs()]
        world.put(f"{backup.server_id}/{names[0]}", b"altered")
        world.delete(f"{backup.server_id}/{names[1]}")
        path = Path(backup.files.path(names[2]))
        path.write_bytes(path.read_bytes()[:-30])


def _mend(world: S3World) -> str:
    options = coherency.Options(fix=True, archive="contents")
    result = coherency.check(world.node("a"), options, fail_on_damage=False)
    return "\n".join([*result["warnings"], "" if result["coherent"] else result["stats"]]).strip()


def _coherent(world: S3World) -> Any:
    """What the backup says, and that the bucket has all of it. How many commits that took is another matter."""
    history = told(world.path / "a" / "backup")
    return {"history": history, "missing": _tidied(world)["missing"], "behind": _behind(world)}


def _behind(world: S3World) -> int:
    world.down()
    return world.not_archived()


S3_JOBS: Final = {job.name: job for job in (
    S3Job("first scan", _nothing_yet, _scan, _archived),
    S3Job("scan", changes, _scan, _archived),
    S3Job("realtime", changes, _follow, _archived),
    S3Job("retrieve", _nothing, _retrieve, lambda world: world.histories()["b/retrieved"]),
    S3Job("external restore", _retrieve, _external, _mailboxes("b")),
    S3Job("restore on new account", S3World.lose_contents, _new_account, _mailboxes("a")),
    S3Job("restore account", _then(delete_anna, S3World.lose_contents), _account, _mailboxes("a")),
    S3Job("item restore", _then(losses, S3World.lose_contents), _item, _mailboxes("a")),
    S3Job("undelete", _then(losses, S3World.lose_contents), _undelete, _mailboxes("a")),
    S3Job("restore blobs", _then(S3World.lose_contents, _lose_blobs), _restore_blobs, _blobs, mends=True),
    S3Job("search in contents", _retrieve, _look, _has_bucket),
    S3Job("purge", _earlier(small_packs), _purge, _tidied, removes=True),
    S3Job("merge", _earlier(_many_packs), _merge, _tidied),
    S3Job("migrate", _nothing, _migrate_here, _moved),
    S3Job("new bucket", _nothing, _new_bucket, _has_bucket),
    S3Job("coherency check", _damage, _mend, _coherent, mends=True),
)}
