# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work that is disturbed, each with what must be there in the end: scans with their uploads, retrieval, the restore
strategies, purge, merging and migration."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.care.purge import merge, purge
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY, Retention
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Refused
from ansible_collections.restante.carbonio.plugins.module_utils.restore.copy_source import CopyOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.undelete import Interval
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import (
    accounts,
    backups,
    items,
    migration,
    recovery,
    retrieval,
)

from tests.engine.restore.restore_kit import add, mail

from .worlds import ANNA, INBOX, World

COPY: Final = "copy@example.com"


class Job(NamedTuple):
    """One kind of work. What it needs is made ready once; then it is done, disturbed, and done again."""

    name: str
    prepare: Callable[[World], object]
    run: Callable[[World], object]
    picture: Callable[[World], Any]
    """What there is afterwards, without what differs from one run to the next."""
    removes: bool = False
    """Whether the backup may say less afterwards than before."""
    mends: tuple[str, ...] = ()
    """What is damaged before, BACKUP or ARCHIVE, and need not be whole before the work has come to its end."""


def told(result: Mapping[str, Any]) -> None:
    """Fail where a result says that not everything was done: on a disk that takes nothing, only the result can say it.

    :raises Refused: as a module's fail_on_unrestored has it.
    """
    report = {**result, **result.get("report", {})}
    if any(report.get(key) for key in ("unrestored_items", "failures", "read_errors", "damages")):
        raise Refused(f"{result.get('stats', '')} {report.get('failures', '')} {report.get('damages', '')}")


def ready(world: World) -> None:
    """Prepare nothing."""


def scan(world: World) -> None:
    result = backups.smart_scan(world.node("a"))
    told(result)
    if result["warnings"]:
        raise Refused(" ".join(result["warnings"]))


def no_backup(world: World) -> None:
    for path in (world.path / "a" / "backup", world.archive):
        for folder, _folders, names in os.walk(path, topdown=False):
            for name in names:
                os.unlink(os.path.join(folder, name))
            if folder != str(world.archive):
                os.rmdir(folder)


def changes(world: World) -> None:
    """Let mail come, go and be moved."""
    with world.store("a") as store:
        numbers = [mail(store, ANNA, INBOX, number) for number in range(70, 76)]
        store.delete_items(ANNA, numbers[:2])
        first = next(one for one in store.changes(ANNA).items if one.item_id == numbers[2])
        store.update_item(ANNA, first._replace(flags="f", folder="3"))


def scanned(world: World) -> Any:
    """The backup says what the mail server holds, and the archive holds the backup."""
    with world.store("a") as store:
        live = {
            entry.entry_id: sorted(str(one.to_json()) for one in store.changes(entry.entry_id).items)
            for entry in store.entries(kinds.ACCOUNT)
        }
    recorded = {scope: items for scope, items in world.recorded().items() if scope in live}
    return {"equal": recorded == live, "live": live, "behind": world.not_archived()}


def retrieve(world: World) -> None:
    """Fetch the metadata for node b."""
    node = world.node("b")
    archive = retrieval.find_archive(node, retrieval.in_directory(str(world.archive)))
    told(retrieval.retrieve_metadata(node, archive, str(world.retrieved)))


def external(world: World) -> None:
    """Restore the backup of node a to node b."""
    told(recovery.restore(world.node("b"), str(world.path / "a" / "backup"), ExternalOptions()))


def mailboxes(world: World) -> Any:
    """What is in the mailboxes of node a."""
    return world.mailboxes("a")


def _new_account(world: World) -> None:
    told(accounts.restore_on_new_account(world.node("a"), ANNA, COPY, options=CopyOptions(undelete=True)))


def delete_anna(world: World) -> None:
    with world.store("a") as store:
        store.delete_entry(kinds.ACCOUNT, ANNA)
    world.scan()


def _account(world: World) -> None:
    told(accounts.restore_account(world.node("a"), ANNA, options=CopyOptions()))


def losses(world: World) -> None:
    """Delete a folder with mail in it, and remember the item that is asked for."""
    with world.store("a") as store:
        folder = add(store, ANNA, kinds.FOLDER, INBOX, "lost")
        numbers = [mail(store, ANNA, folder, number) for number in range(60, 66)]
    world.scan()
    with world.store("a") as store:
        store.delete_items(ANNA, [*numbers, folder])
    world.scan()


def _item(world: World) -> None:
    node = world.node("a")
    with contextlib.closing(node.repository()) as backup:
        known = [one.item_id for one in backup.deleted_between(ANNA, 0, 2**60) if one.kind == kinds.MESSAGE]
    told(items.restore_item(node, ANNA, known[-1]))


def _undelete(world: World) -> None:
    told(items.undelete(world.node("a"), ANNA, Interval()))


def small_packs(world: World) -> None:
    """Scan after each new mail."""
    for number in range(80, 88):
        with world.store("a") as store:
            mail(store, ANNA, INBOX, number)
        world.scan()


def _merge(world: World) -> None:
    with contextlib.closing(world.node("a").repository()) as backup, backup.writer() as writer:
        merge(writer, merge_from=4)


def _purge(world: World) -> None:
    with contextlib.closing(world.node("a").repository()) as backup, backup.writer() as writer:
        head = backup.head()
        assert head is not None
        purge(writer, Retention(1, 1), head.at + 10 * DAY, merge_from=4)


def _another_disk(world: World) -> None:
    (world.path / "archive2").mkdir()


def _migrate(world: World) -> None:
    migration.migrate(world.node("a"), "local", str(world.path / "archive2"))


def _moved(world: World) -> Any:
    volume = world.node("a").settings.backup_volume
    place = DirectoryArchive(str(world.path / "archive2"))
    # A probe that was killed leaves its file, whose name is another each time.
    files = [file.name for file in place.list("") if "/probe/" not in file.name]
    return {"in its place": volume.path.endswith("archive2"), "files": files}


JOBS: Final = {job.name: job for job in (
    Job("first scan", no_backup, scan, scanned),
    Job("scan", changes, scan, scanned),
    Job("retrieve", ready, retrieve, lambda world: world.histories()["b/retrieved"]),
    Job("external restore", ready, external, lambda world: world.mailboxes("b")),
    Job("restore on new account", ready, _new_account, mailboxes),
    Job("restore account", delete_anna, _account, mailboxes),
    Job("item restore", losses, _item, mailboxes),
    Job("undelete", losses, _undelete, mailboxes),
    Job("merge", small_packs, _merge, lambda world: world.histories()["a/backup"]),
    Job("purge", small_packs, _purge, lambda world: world.histories()["a/backup"], removes=True),
    Job("migrate", _another_disk, _migrate, _moved),
)}
