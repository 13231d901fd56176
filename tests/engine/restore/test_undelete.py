# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time-range Undelete: what comes back, where to, and only once."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from copy_kit import Server
from in_place_kit import ACCOUNT, ANNA, TAG, TODAY, TRASH, change, delete, left, paths, tick, undelete
from restore_kit import INBOX, add, mail


def tags_of(server: Server, kind: str = kinds.MESSAGE) -> list[tuple[str, ...]]:
    """The names of the tags of each item of a kind that has the tag of the run."""
    states = server.states(ANNA)
    named = [tuple(states[tag].name for tag in one.tags) for one in states.values() if one.kind == kind]
    return [names for names in named if any(name.startswith("undelete_") for name in names)]


def folder_named(server: Server, name: str) -> str:
    return next(one.item_id for one in server.kept(ANNA, kinds.FOLDER) if one.name == name)


def test_what_was_deleted_in_the_interval_comes_back_and_nothing_else(server: Server) -> None:
    """R-080, R-081, R-082, R-083, R-084, R-089, R-090, R-097."""
    with server.changed() as store:
        numbers = [mail(store, ACCOUNT, INBOX, 100 + number, flags="fu") for number in range(4)]
    delete(server, numbers[0])
    start = tick()
    change(server, numbers[1], flags="r")
    delete(server, numbers[1], numbers[2])
    end = tick()
    delete(server, numbers[3])
    before = server.states(ANNA)
    report = undelete(server, start, end)
    after = server.states(ANNA)
    back = {item_id: after[item_id] for item_id in set(after) - set(before)}
    messages = [one for one in back.values() if one.kind == kinds.MESSAGE]
    assert sorted((one.folder, one.flags) for one in messages) == [(INBOX, "fu"), (INBOX, "r")]
    assert tags_of(server) == [(TAG,), (TAG,)]
    assert {item_id: after[item_id] for item_id in before} == before, "something that was there is another"
    assert report.restored == {kinds.MESSAGE: 2, kinds.TAG: 1}
    assert not report.unrestored


def test_a_second_run_restores_nothing(server: Server) -> None:
    """R-097: of this interval, of a wider one, and on another day."""
    with server.changed() as store:
        first, second = (mail(store, ACCOUNT, INBOX, number) for number in (100, 101))
    start = tick()
    delete(server, first)
    end = tick()
    delete(server, second)
    assert undelete(server, start, end).restored[kinds.MESSAGE] == 1
    picture = server.picture()
    again = undelete(server, start, end, today=datetime(2026, 11, 25))
    assert not again.changed and again.skipped[kinds.MESSAGE] == 1
    assert server.picture() == picture
    assert not left(server, start, end).items
    wider = undelete(server, start, "last")
    assert wider.restored[kinds.MESSAGE] == 1 and wider.skipped[kinds.MESSAGE] == 1
    assert not undelete(server, start, "last").changed


def test_a_copy_that_was_deleted_again_comes_back_by_its_own_deletion(server: Server) -> None:
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100)
    start = tick()
    delete(server, number)
    end = tick()
    undelete(server, start, end)
    with server.changed() as store:
        copy = next(one for one in store.changes(ACCOUNT).items if one.kind == kinds.MESSAGE and len(one.tags) == 1
                    and store.item(ACCOUNT, one.tags[0]).name == TAG)
    delete(server, copy.item_id)
    assert not undelete(server, start, end).changed
    assert undelete(server, end, "last").restored[kinds.MESSAGE] == 1
    assert len(tags_of(server)) == 1


def test_what_was_in_the_trash_comes_back_to_where_it_was_before(server: Server) -> None:
    """R-083, R-091."""
    with server.changed() as store:
        moved, born = mail(store, ACCOUNT, INBOX, 100), mail(store, ACCOUNT, TRASH, 101)
        in_trash = add(store, ACCOUNT, kinds.FOLDER, TRASH, "old things")
        deep = mail(store, ACCOUNT, in_trash, 102)
    start = tick()
    change(server, moved, folder=TRASH)
    delete(server, moved, born, deep, in_trash)
    before = paths(server)
    undelete(server, start, "last")
    after = paths(server)
    for path in before:
        after.remove(path)
    assert after == ["/Inbox", "/Trash", "/Trash/old things"]


def test_a_tree_that_was_emptied_from_the_trash_is_there_again(server: Server) -> None:
    """R-009, R-085, R-086, R-096: with the colour that the folder had last."""
    with server.changed() as store:
        top = add(store, ACCOUNT, kinds.FOLDER, INBOX, "Projects", attrs={"color": 2})
        below = add(store, ACCOUNT, kinds.FOLDER, top, "2026", attrs={"color": 3})
        empty = add(store, ACCOUNT, kinds.FOLDER, below, "empty")
        one, two = mail(store, ACCOUNT, top, 100), mail(store, ACCOUNT, below, 101)
    with server.changed() as store:
        store.update_item(ACCOUNT, store.item(ACCOUNT, below)._replace(attrs={"color": 7}))
    start = tick()
    change(server, top, folder=TRASH)
    delete(server, one, two, empty, below, top)
    assert not paths(server, folder="/Inbox/Projects")
    assert left(server, start).folders == ["/Inbox/Projects", "/Inbox/Projects/2026", "/Inbox/Projects/2026/empty"]
    report = undelete(server, start)
    assert report.restored[kinds.FOLDER] == 3
    assert paths(server, folder="/Inbox/Projects") == ["/Inbox/Projects", "/Inbox/Projects/2026"]
    colors = {one.name: one.attrs.get("color") for one in server.kept(ANNA, kinds.FOLDER)}
    assert (colors["Projects"], colors["2026"]) == (2, 7)
    assert "empty" in colors


def test_a_folder_that_was_renamed_since_is_made_again_under_its_old_name(server: Server) -> None:
    """R-092."""
    with server.changed() as store:
        folder = add(store, ACCOUNT, kinds.FOLDER, "1", "Conference 2021")
        number = mail(store, ACCOUNT, folder, 100)
        kept = mail(store, ACCOUNT, folder, 101)
    start = tick()
    delete(server, number)
    with server.changed() as store:
        store.update_item(ACCOUNT, store.item(ACCOUNT, folder)._replace(name="Conference 2022"))
    undelete(server, start)
    assert paths(server, folder="/Conference") == ["/Conference 2021", "/Conference 2022"]
    assert server.states(ANNA)[kept].folder == folder


def test_a_folder_that_nothing_is_known_of_gets_a_name_of_its_own(server: Server) -> None:
    """R-087."""
    with server.changed() as store:
        lost = store.item(ACCOUNT, mail(store, ACCOUNT, INBOX, 100))
    start = tick()
    with server.backup().writer() as writer:  # a message that was in a folder which the backup never saw
        state = lost._replace(item_id="9000", folder="8999")
        writer.append(ACCOUNT, "9000", kinds.MESSAGE, state, start + 1)
        writer.append(ACCOUNT, "9000", kinds.MESSAGE, None, start + 2)
        writer.commit({})
    undelete(server, start)
    assert "/unknown_8999" in paths(server)


def test_everything_can_be_put_into_one_folder(server: Server) -> None:
    """R-005, R-088."""
    with server.changed() as store:
        folder = add(store, ACCOUNT, kinds.FOLDER, INBOX, "deep")
        numbers = [mail(store, ACCOUNT, INBOX, 100), mail(store, ACCOUNT, folder, 101)]
    start = tick()
    delete(server, *numbers, folder)
    inbox = paths(server, folder="/Inbox")
    undelete(server, start, original_folder=False)
    assert paths(server, folder=f"/{TAG}") == [f"/{TAG}/Inbox", f"/{TAG}/Inbox/deep"]
    assert paths(server, folder="/Inbox") == inbox
    assert not undelete(server, start, original_folder=False, today=datetime(2026, 11, 25)).changed


def test_the_flag_that_hides_an_item_is_removed(server: Server) -> None:
    """R-093."""
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100, flags="fx")
    start = tick()
    delete(server, number)
    undelete(server, start)
    assert any(one.flags == "f" and one.tags for one in server.kept(ANNA, kinds.MESSAGE))
    assert not any("x" in one.flags for one in server.kept(ANNA, kinds.MESSAGE))


def test_tags_and_members_of_groups_are_found_again(server: Server) -> None:
    """R-082: a tag that was deleted too, a contact that was deleted too, and one that is still there."""
    with server.changed() as store:
        tag = add(store, ACCOUNT, kinds.TAG, "", "mine", attrs={"color": 1})
        number = mail(store, ACCOUNT, INBOX, 100, tags=(tag,))
        gone, stays = (
            add(store, ACCOUNT, kinds.CONTACT, "7", blob=b"BEGIN:VCARD\r\nFN:%d\r\nEND:VCARD\r\n" % one)
            for one in range(2)
        )
        members = [{"type": "contact", "value": gone}, {"type": "contact", "value": stays}]
        group = add(store, ACCOUNT, kinds.CONTACT_GROUP, "7", "team", blob=b"group", attrs={"members": members})
    start = tick()
    delete(server, number, tag, gone, group)
    report = undelete(server, start)
    assert report.restored == {
        kinds.MESSAGE: 1, kinds.CONTACT: 1, kinds.CONTACT_GROUP: 1, kinds.TAG: 2,
    }, report.text()
    assert sorted(tags_of(server)[0]) == ["mine", TAG]
    states = server.states(ANNA)
    again = next(one for one in states.values() if one.kind == kinds.CONTACT_GROUP and one.name == "team")
    contacts = [states[member["value"]] for member in again.attrs["members"]]
    assert [one.kind for one in contacts] == [kinds.CONTACT] * 2 and contacts[1].item_id == stays
    assert contacts[0].item_id != gone


def test_settings_and_ways_into_other_mailboxes_do_not_come_back(server: Server) -> None:
    gone = [
        one.item_id for kind in (kinds.FILTER_SET, kinds.DATA_SOURCE, kinds.MOUNTPOINT)
        for one in server.kept(ANNA, kind)
    ]
    assert gone
    start = tick()
    delete(server, *gone)
    assert not undelete(server, start).changed


def test_an_interval_that_ends_before_it_starts_is_an_error(server: Server) -> None:
    with pytest.raises(InvalidInput, match="before it starts"):
        undelete(server, tick(), 1_000_000_000_000)


def test_an_interval_may_reach_beyond_the_backup(server: Server) -> None:
    """R-094."""
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100)
    delete(server, number)
    everything = left(server, "first", "last").items
    assert left(server, 0, tick() + 10**9).items == everything and everything[kinds.MESSAGE] >= 1


def test_of_a_backup_that_is_empty_still_nothing_comes_back(tmp_path: Path) -> None:
    """R-094."""
    server = Server.create(tmp_path)
    with contextlib.closing(server.store()) as store:
        store.create_entry(Entry("d-1", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry(ACCOUNT, kinds.ACCOUNT, ANNA))
    assert not left(server, "first", "last").items


def test_a_check_of_the_day_gives_the_tag(server: Server) -> None:
    assert left(server, today=TODAY).lines  # the plan has been made
    with server.changed() as store:
        number = mail(store, ACCOUNT, INBOX, 100)
    start = tick()
    delete(server, number)
    undelete(server, start, today=datetime(2021, 11, 15))
    assert tags_of(server) == [("undelete_15_11_21",)]
