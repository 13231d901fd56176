# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where items come back to once somebody has changed what an earlier run made, or ids are those of other items.

Each restore here also holds its plan against what it has done (in_place_kit.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput
from copy_kit import COPY, Server
from in_place_kit import ACCOUNT, ANNA, TAG, TRASH, change, delete, item_plan, left, paths, restore_item, tick, undelete
from restore_kit import INBOX, add, mail


def one_named(server: Server, kind: str, name: str) -> str:
    [found] = [one.item_id for one in server.kept(ANNA, kind) if one.name == name]
    return found


def tagged(server: Server, name: str) -> int:
    """How many messages have the tag of a name."""
    tag = one_named(server, kinds.TAG, name)
    return sum(tag in one.tags for one in server.kept(ANNA, kinds.MESSAGE))


@pytest.mark.parametrize("what", ["deleted", "renamed"])
def test_the_tag_of_the_day_is_made_again_when_somebody_has_taken_it_away(server: Server, what: str) -> None:
    """R-084, R-089: and what still has it under another name stays as it is."""
    with server.changed() as store:
        numbers = [mail(store, ACCOUNT, INBOX, number) for number in range(100, 103)]
    for number in numbers:
        delete(server, number)
        assert undelete(server).restored == {kinds.MESSAGE: 1, kinds.TAG: 1}
        assert tagged(server, TAG) == 1
        tag = one_named(server, kinds.TAG, TAG)
        delete(server, tag) if what == "deleted" else change(server, tag, name=f"done {number}")
    assert not left(server).items or what == "deleted"  # the tag that was deleted comes back itself


def test_a_tag_of_items_that_was_brought_back_and_deleted_again_is_made_again(server: Server) -> None:
    """R-040."""
    with server.changed() as store:
        tag = add(store, ACCOUNT, kinds.TAG, "", "mine")
        one, two = (mail(store, ACCOUNT, INBOX, number, tags=(tag,)) for number in (100, 101))
    delete(server, one, two, tag)
    restore_item(server, one)
    delete(server, one_named(server, kinds.TAG, "mine"))
    restore_item(server, two)
    assert tagged(server, "mine") == 1


@pytest.mark.parametrize("what", ["renamed", "into the Trash", "deleted"])
def test_a_folder_that_was_made_again_is_found_by_its_path(server: Server, what: str) -> None:
    """R-083, R-092."""
    with server.changed() as store:
        folder = add(store, ACCOUNT, kinds.FOLDER, INBOX, "Projects")
        one, two, three = (mail(store, ACCOUNT, folder, number) for number in (100, 101, 102))
    delete(server, one, two, three, folder)
    restore_item(server, one)
    restore_item(server, two)
    assert paths(server, folder="/Inbox/Projects") == ["/Inbox/Projects"] * 2
    made = one_named(server, kinds.FOLDER, "Projects")
    if what == "deleted":
        delete(server, made)
    else:
        change(server, made, **({"name": "Old"} if what == "renamed" else {"folder": TRASH}))
    restore_item(server, three)
    assert paths(server, folder="/Inbox/Projects") == ["/Inbox/Projects"]


def test_a_folder_named_for_a_restore_is_found_by_its_path(server: Server) -> None:
    """R-042."""
    with server.changed() as store:
        one, two = (mail(store, ACCOUNT, INBOX, number) for number in (100, 101))
    restore_item(server, one, restore_folder="/Found/here")
    change(server, one_named(server, kinds.FOLDER, "here"), name="there")
    restore_item(server, two, restore_folder="/Found/here")
    assert paths(server, folder="/Found") == ["/Found/here", "/Found/there"]


def test_one_folder_comes_back_at_each_path_that_it_had(server: Server) -> None:
    """R-092, R-096: the folder above it was renamed between two deletions."""
    with server.changed() as store:
        above = add(store, ACCOUNT, kinds.FOLDER, "1", "2021")
        folder = add(store, ACCOUNT, kinds.FOLDER, above, "deep", attrs={"color": 3})
        one, two = (mail(store, ACCOUNT, folder, number) for number in (100, 101))
    start = tick()
    delete(server, one)
    change(server, above, name="2022")
    delete(server, two, folder, above)
    undelete(server, start)
    assert paths(server, folder="/202") == ["/2021/deep", "/2022/deep"]
    assert [one.attrs.get("color") for one in server.kept(ANNA, kinds.FOLDER) if one.name == "deep"] == [3, 3]
    assert not undelete(server, start).changed


def test_one_folder_for_all_is_used_again_on_its_day(server: Server) -> None:
    """R-088."""
    with server.changed() as store:
        folder = add(store, ACCOUNT, kinds.FOLDER, "1", "Projects")
        numbers = [mail(store, ACCOUNT, folder, number) for number in (100, 101, 102)]
    start = tick()
    for number in numbers[:2]:
        delete(server, number)
        undelete(server, start, original_folder=False)
    assert paths(server, folder=f"/{TAG}") == [f"/{TAG}/Projects"] * 2
    delete(server, numbers[2])
    undelete(server, start, original_folder=False, today=datetime(2026, 11, 25))
    assert paths(server, folder="/undelete_25_11_26") == ["/undelete_25_11_26/Projects"]
    assert len(paths(server, folder=f"/{TAG}")) == 2


# -- ids that were given again -----------------------------------------------------------------------------------------


def reborn(server: Server) -> dict[str, Any]:
    """An account that was deleted and restored under its own id; what its mailbox was before."""
    with server.changed() as store:
        folder = add(store, ACCOUNT, kinds.FOLDER, "1", "Projects")
        for number in range(100, 110):
            mail(store, ACCOUNT, folder, number)
    before = server.states(ANNA)
    server.delete(ACCOUNT)
    server.account(ACCOUNT)
    with server.changed():
        pass
    return before


def test_what_went_with_the_account_is_not_undeleted(server: Server) -> None:
    """R-071, R-081: it has come back with the account, under another id."""
    before = reborn(server)
    after = server.states(ANNA)
    assert set(before) - set(after), "no id of the old mailbox is free"
    assert not undelete(server).changed
    number = server.kept(ANNA, kinds.MESSAGE)[0].item_id
    delete(server, number)
    assert undelete(server).restored == {kinds.MESSAGE: 1, kinds.TAG: 1}
    assert sorted(one.digest for one in server.kept(ANNA, kinds.MESSAGE)) == sorted(
        one.digest for one in after.values() if one.kind == kinds.MESSAGE
    )


def test_what_went_with_the_account_does_not_come_back_with_its_copies(server: Server) -> None:
    """R-059: what is deleted comes back too, and that is not."""
    reborn(server)
    server.new(ACCOUNT, undelete=True)
    assert sorted(one.digest for one in server.kept(COPY, kinds.MESSAGE)) == sorted(
        one.digest for one in server.kept(ANNA, kinds.MESSAGE)
    )


def test_an_item_of_the_old_mailbox_goes_to_the_path_of_its_folder(server: Server) -> None:
    """R-036, R-038: what has the id of that folder now is another one."""
    before = reborn(server)
    lost = next(one for one in before.values() if one.kind == kinds.MESSAGE and one.item_id not in server.states(ANNA))
    assert before[lost.folder].name == "Projects"
    with server.changed() as store:
        while lost.folder not in server.states(ANNA):
            add(store, ACCOUNT, kinds.FOLDER, "1", f"other {len(server.states(ANNA))}")
    count = len(paths(server, folder="/Projects"))
    restore_item(server, lost.item_id)
    assert len(paths(server, folder="/Projects")) == count + 1


def test_what_had_the_id_before_is_not_taken_for_the_item(server: Server) -> None:
    """R-082, R-091: it was deleted, and the backup knows another item of this id."""
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100)
    delete(server, number)
    start = tick()
    other = server.kept(ANNA, kinds.MESSAGE)[0]
    with server.backup().writer() as writer:
        writer.append(ACCOUNT, number, kinds.MESSAGE, other._replace(item_id=number, folder=TRASH, tags=()), start + 1)
        writer.append(ACCOUNT, number, kinds.MESSAGE, None, start + 2)
        writer.commit({})
    undelete(server, start)
    [back] = [one for one in server.kept(ANNA, kinds.MESSAGE) if one_named(server, kinds.TAG, TAG) in one.tags]
    assert (back.digest, back.folder) == (other.digest, TRASH)


# -- what a mailbox has one of -----------------------------------------------------------------------------------------


def test_a_folder_that_is_there_becomes_again_what_it_was(server: Server) -> None:
    """R-004, R-041: its path can be that of one folder alone."""
    with server.changed() as store:
        folder = add(store, ACCOUNT, kinds.FOLDER, INBOX, "Projects", attrs={"color": 4})
    start = tick()
    change(server, folder, attrs={"color": 7})
    before = server.states(ANNA)
    report = restore_item(server, folder, date=start)
    assert report.restored == {kinds.FOLDER: 1}
    assert server.states(ANNA) == {**before, folder: before[folder]._replace(attrs={"color": 4})}
    change(server, folder, attrs={"color": 8})
    assert not restore_item(server, folder, date=start).changed
    assert server.states(ANNA)[folder].attrs == {"color": 8}


def test_the_root_is_always_there(server: Server) -> None:
    """R-039."""
    for options in ({}, {"restore_folder": "/Inbox/copy"}):
        with pytest.raises(InvalidInput, match="is the root"):
            item_plan(server, "1", **options)


def test_a_way_into_another_mailbox_is_no_folder(server: Server) -> None:
    """R-038, R-042: the item is written into its owner's account."""
    leads_to = {"owner_id": "a-bruno", "owner_name": "bruno@example.com", "remote_id": INBOX, "view": "message"}
    with server.changed() as store:
        add(store, ACCOUNT, kinds.MOUNTPOINT, "1", "Bruno's", attrs=leads_to)
        number = mail(store, ACCOUNT, INBOX, 100)
    before = server.picture()
    with pytest.raises(InvalidInput, match="/Bruno's leads to another mailbox"):
        restore_item(server, number, restore_folder="/Bruno's/deep")
    assert server.picture() == before


@pytest.mark.parametrize(("kind", "view"), [
    (kinds.CONTACT, "contact"), (kinds.CONTACT_GROUP, "contact"), (kinds.APPOINTMENT, "appointment"),
    (kinds.DOCUMENT, "document"), (kinds.MESSAGE, "message"),
])
def test_a_folder_that_is_made_is_one_for_such_items(server: Server, kind: str, view: str) -> None:
    """R-039, R-042."""
    restore_item(server, server.kept(ANNA, kind)[0].item_id, restore_folder="/New")
    [made] = [one for one in server.kept(ANNA, kinds.FOLDER) if one.name == "New"]
    assert made.attrs.get("view") == view


def test_a_copy_that_was_deleted_is_named(server: Server) -> None:
    """R-036, R-040: it stays deleted; restoring it by its own id brings the item back."""
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100)
    delete(server, number)
    before = server.states(ANNA)
    restore_item(server, number)
    with server.changed():
        pass
    assert not item_plan(server, number).notes
    [copy] = set(server.states(ANNA)) - set(before)
    delete(server, copy)
    report = restore_item(server, number)
    assert not report.changed and f"as item {copy}, which somebody has deleted since" in report.text()
    assert restore_item(server, copy).restored == {kinds.MESSAGE: 1}


def test_a_copy_that_no_scan_has_seen_can_be_had_once_more(server: Server) -> None:
    """R-036, R-042."""
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100)
    delete(server, number)
    before = server.states(ANNA)
    restore_item(server, number)
    delete(server, *(set(server.states(ANNA)) - set(before)))
    report = restore_item(server, number)
    assert not report.changed and "give a restore_folder" in report.text()
    assert restore_item(server, number, restore_folder="/Inbox").restored == {kinds.MESSAGE: 1}
    assert paths(server).count("/Inbox") == sum(one.folder == INBOX for one in before.values() if one.digest) + 1
