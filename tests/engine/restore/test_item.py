# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single Item Restore: every kind of item, as it was at any moment, once."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup import packs
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput, NotFound, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import (
    ArchiveBlobs,
    EitherBlobs,
    LocalBlobs,
)
from ansible_collections.restante.carbonio.plugins.module_utils.restore.in_place import restore_in_place
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader
from copy_kit import Server
from in_place_kit import ACCOUNT, ANNA, TRASH, change, delete, item_plan, paths, restore_item, tick, undelete
from restore_kit import INBOX, NO_WAIT, add, mail

KINDS = [kind for kind in kinds.ITEM_KINDS if kind != kinds.FOLDER]


def new_items(server: Server, before: dict[str, Any]) -> list[Any]:
    """What the mailbox has now and had not before; what it had is as it was."""
    after = server.states(ANNA)
    assert {item_id: after[item_id] for item_id in before} == before, "something that was there is another"
    return [after[item_id] for item_id in after if item_id not in before]


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_of_any_kind_that_was_deleted_comes_back_as_it_was(server: Server, kind: str) -> None:
    """R-036, R-038, R-039, R-040."""
    if kind == kinds.MOUNTPOINT:
        leads_to = {"owner_id": "a-bruno", "owner_name": "bruno@example.com", "remote_id": INBOX, "view": "message"}
        with server.changed() as store:
            add(store, ACCOUNT, kind, "1", "Bruno's", attrs=leads_to)
    was = server.kept(ANNA, kind)[0]
    delete(server, was.item_id)
    before = server.states(ANNA)
    report = restore_item(server, was.item_id)
    assert not report.unrestored, report.text()
    [found] = new_items(server, before)
    assert found._replace(item_id=was.item_id) == was
    assert sum(report.restored.values()) == 1
    again = restore_item(server, was.item_id)
    assert not again.changed
    assert new_items(server, before) == [found]


def test_a_folder_comes_back_without_what_was_in_it(server: Server) -> None:
    """R-036, R-039: exactly one item."""
    with server.changed() as store:
        folder = add(store, ACCOUNT, kinds.FOLDER, INBOX, "Projects", attrs={"color": 4})
        number = mail(store, ACCOUNT, folder, 100)
    delete(server, number, folder)
    before = server.states(ANNA)
    restore_item(server, folder)
    [found] = new_items(server, before)
    assert (found.kind, found.name, found.folder, found.attrs.get("color")) == (kinds.FOLDER, "Projects", INBOX, 4)
    assert not restore_item(server, folder).changed


def test_a_missing_folder_is_made_again_for_the_item(server: Server) -> None:
    """R-038, R-040."""
    with server.changed() as store:
        folder = add(store, ACCOUNT, kinds.FOLDER, INBOX, "Projects", attrs={"color": 4})
        number, other = mail(store, ACCOUNT, folder, 100), mail(store, ACCOUNT, folder, 101)
    change(server, number, folder=TRASH)
    delete(server, number, other, folder)
    restore_item(server, number)
    assert paths(server, folder="/Inbox/Projects") == ["/Inbox/Projects"]
    assert paths(server, kinds.FOLDER, "/Inbox/Projects") == []
    restore_item(server, other)
    assert paths(server, folder="/Inbox/Projects") == ["/Inbox/Projects"] * 2


def test_the_folder_is_the_same_one_under_its_new_name(server: Server) -> None:
    with server.changed() as store:
        folder = add(store, ACCOUNT, kinds.FOLDER, INBOX, "Projects")
        number = mail(store, ACCOUNT, folder, 100)
    delete(server, number)
    change(server, folder, name="Old projects")
    restore_item(server, number)
    assert paths(server, folder="/Inbox/Old projects") == ["/Inbox/Old projects"]
    assert not paths(server, folder="/Inbox/Projects")


def test_a_former_state_comes_back_beside_the_present_one(server: Server) -> None:
    """R-004, R-041, R-013, R-014."""
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100, flags="u")
    first = tick()
    change(server, number, flags="f", folder=TRASH)
    second = tick()
    change(server, number, flags="r", folder=INBOX)
    before = server.states(ANNA)
    restore_item(server, number, date=first)
    [one] = new_items(server, before)
    assert (one.folder, one.flags) == (INBOX, "u")
    before = server.states(ANNA)
    restore_item(server, number, date=second)
    [two] = new_items(server, before)
    assert (two.folder, two.flags) == (TRASH, "f")
    assert not restore_item(server, number, date=first).changed


def test_an_item_that_is_there_as_it_was_is_left_alone(server: Server) -> None:
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100)
    before = server.states(ANNA)
    assert not restore_item(server, number).changed
    assert new_items(server, before) == []
    assert item_plan(server, number).notes


def test_it_can_be_put_into_any_folder_which_is_made(server: Server) -> None:
    """R-005, R-042."""
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100)
    restore_item(server, number, restore_folder="/Inbox/work/Found/deep")
    restore_item(server, number, restore_folder="Found")
    assert paths(server, folder="/Inbox/work/Found") == ["/Inbox/work/Found/deep"]
    assert paths(server, folder="/Found") == ["/Found"]
    assert not restore_item(server, number, restore_folder="/Found/").changed


def test_what_an_undelete_has_brought_back_is_not_brought_back_again(server: Server) -> None:
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100)
    start = tick()
    change(server, number, folder=TRASH)
    delete(server, number)
    assert undelete(server, start).changed
    assert not restore_item(server, number).changed
    with server.changed() as store:
        other = mail(store, ACCOUNT, INBOX, 101)
    delete(server, other)
    assert restore_item(server, other).changed
    assert not undelete(server, start).changed


def test_filters_of_the_past_take_the_place_of_the_present_ones(server: Server) -> None:
    """R-039: a mailbox has one set of each name."""
    was = server.kept(ANNA, kinds.FILTER_SET)[0]
    first = tick()
    with server.changed() as store:
        store.update_item(ACCOUNT, store.item(ACCOUNT, was.item_id), b"# other filters\r\nkeep;\r\n")
    assert server.states(ANNA)[was.item_id].digest != was.digest
    report = restore_item(server, was.item_id, date=first)
    assert server.states(ANNA)[was.item_id].digest == was.digest
    assert "were replaced" in report.text()


def test_what_cannot_be_done_is_said(server: Server) -> None:
    """R-041, R-042."""
    with pytest.raises(NotFound, match="knows no item 99999"):
        restore_item(server, "99999")
    early = tick()
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100)
    with pytest.raises(InvalidInput, match="did not exist at"):
        restore_item(server, number, date=early)
    with pytest.raises(InvalidInput, match="is no folder"):
        restore_item(server, number, restore_folder="/Inbox/../x")
    tag = server.kept(ANNA, kinds.TAG)[0].item_id
    with pytest.raises(InvalidInput, match="lies in no folder"):
        restore_item(server, tag, restore_folder="/Inbox")


def lose_packs(server: Server) -> None:
    shutil.rmtree(Path(server.backup_path) / "packs")
    (Path(server.backup_path) / "packs").mkdir()


def test_a_lost_content_is_told_and_nothing_is_written(server: Server) -> None:
    """R-020."""
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100)
    delete(server, number)
    picture = server.picture()
    lose_packs(server)
    report = restore_item(server, number)
    assert [(one.kind, one.item_id) for one in report.unrestored] == [(kinds.MESSAGE, number)]
    assert server.picture() == picture


def test_the_nearest_state_that_can_be_restored_is_named(server: Server) -> None:
    """R-014, R-020: a draft, of which the last content is lost."""
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100)
    for text in (b"Subject: second\n\nbody", b"Subject: third\n\nbody"):
        kept = server.now()
        with server.changed() as store:
            store.update_item(ACCOUNT, store.item(ACCOUNT, number), text)
    lost = server.states(ANNA)[number].digest
    delete(server, number)
    with contextlib.closing(server.backup()) as backup:
        Path(backup.files.path(packs.file_name(backup.locate([lost])[lost].pack))).unlink()
    report = restore_item(server, number)
    assert [one.item_id for one in report.unrestored] == [number]
    assert f"is that of {moment.iso(kept)}" in report.text()
    assert restore_item(server, number, date=kept).restored == {kinds.MESSAGE: 1}
    lose_packs(server)
    assert "No other state of item" in restore_item(server, number).text()


def test_a_content_that_the_backup_has_lost_is_had_from_the_archive(server: Server, tmp_path: Path) -> None:
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100)
    delete(server, number)
    (tmp_path / "archive").mkdir()
    archive = DirectoryArchive(str(tmp_path / "archive"))
    with contextlib.closing(server.backup()) as backup:
        Uploader(backup, archive).sync()
    planned = item_plan(server, number)
    lose_packs(server)
    sides = server.sides(blobs=lambda source: EitherBlobs(LocalBlobs(source), ArchiveBlobs(source, archive)))
    report = restore_in_place(sides, planned, patience=NO_WAIT)
    assert report.restored == {kinds.MESSAGE: 1}


class _Silent(DirectoryArchive):
    """An archive that does not answer."""

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        raise Unavailable("The archive does not answer.")


def test_an_archive_that_does_not_answer_costs_only_what_the_backup_has_lost(server: Server, tmp_path: Path) -> None:
    """R-020: the item is listed, with what is wrong here, and the restore comes to its end."""
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100)
    delete(server, number)
    planned = item_plan(server, number)
    lose_packs(server)
    (tmp_path / "archive").mkdir()
    silent = _Silent(str(tmp_path / "archive"))
    sides = server.sides(blobs=lambda source: EitherBlobs(LocalBlobs(source), ArchiveBlobs(source, silent)))
    report = restore_in_place(sides, planned, patience=NO_WAIT)
    assert [(one.kind, one.item_id) for one in report.unrestored] == [(kinds.MESSAGE, number)]
    assert "does not answer" not in report.unrestored[0].reason
