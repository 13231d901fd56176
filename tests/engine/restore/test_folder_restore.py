# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folder restore, mountpoints, shares, filters and quotas: what is there already meets what comes back."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import account_directory
from restore_kit import INBOX, World, add, mail

ANNA, BRUNO = "anna@example.com", "bruno@example.com"
QUOTA = "zimbraMailQuota"


@pytest.fixture
def ready(world: World) -> World:
    """Phase 1 is done: mail arrives, and filters file it."""
    world.restore(provisioning_only=True)
    return world


def folder(world: World, address: str, name: str, kind: str = kinds.FOLDER) -> ItemState:
    found = [state for state in world.items(address, kind) if state.name == name]
    assert len(found) == 1, found
    return found[0]


def test_items_join_those_of_a_folder_of_the_same_path(ready: World) -> None:
    """R-152, R-153, R-154."""
    with ready.b() as store:
        there = add(store, "a-anna", kinds.FOLDER, INBOX, "work", attrs={
            "color": 1, "view": "message",
            "grants": [{"grantee_id": "x", "grantee_type": "guest", "grantee_name": "x@y", "rights": "r"}],
        })
        arrived = mail(store, "a-anna", there, 77)
    report = ready.restore()
    assert not report.unrestored
    work = folder(ready, ANNA, "work")
    assert work.item_id == there
    inside = [state for state in ready.items(ANNA, kinds.MESSAGE) if state.folder == there]
    assert len(inside) == 5
    assert arrived in {state.item_id for state in inside}
    assert work.attrs["color"] == 5, "R-021"
    assert {grant["grantee_id"] for grant in work.attrs["grants"]} == {"x", "a-bruno", "l-1"}
    assert not ready.restore().changed


def filtered(world: World, script: bytes) -> str:
    """What bruno's filter does before phase 2: it makes a plain folder in the place of the mountpoint."""
    with world.b() as store:
        add(store, "a-bruno", kinds.FILTER_SET, "", "incoming", script)
        there = add(store, "a-bruno", kinds.FOLDER, "1", "Anna's work")
        below = add(store, "a-bruno", kinds.FOLDER, there, "below")
        for number in range(3):
            mail(store, "a-bruno", there, 70 + number)
        mail(store, "a-bruno", below, 80)
    return there


def assert_the_mountpoint_took_the_place_of_the_folder(world: World) -> None:
    mountpoint = folder(world, BRUNO, "Anna's work", kinds.MOUNTPOINT)
    work = folder(world, ANNA, "work")
    assert (mountpoint.attrs["owner_id"], mountpoint.attrs["remote_id"]) == ("a-anna", work.item_id)
    moved = [state for state in world.items(ANNA, kinds.MESSAGE) if state.folder == work.item_id]
    assert len(moved) == 4 + 3, "R-156"
    below = folder(world, ANNA, "below")
    assert below.folder == work.item_id
    assert [state.folder for state in world.items(ANNA, kinds.MESSAGE)].count(below.item_id) == 1
    assert len(world.items(BRUNO, kinds.MESSAGE)) == 5
    assert not [state.name for state in world.items(BRUNO, kinds.FOLDER) if "restore" in state.name], "R-159"
    assert not [state.name for state in world.items(BRUNO, kinds.FOLDER) if "Anna" in state.name]


def test_a_mountpoint_takes_the_place_of_a_folder_that_a_filter_made(ready: World) -> None:
    """R-155, R-156, R-157, R-159: its items go to where the mountpoint leads, and so does the filter."""
    filtered(ready, b'require "fileinto";\r\nfileinto "/anna\'s Work";\r\n# fileinto "anna\'s Work"\r\n')
    report = ready.restore()
    assert not report.unrestored
    assert_the_mountpoint_took_the_place_of_the_folder(ready)
    with ready.b() as store:
        script = store.read_blob("a-bruno", ready.items(BRUNO, kinds.FILTER_SET)[0].item_id)
    assert script == b'require "fileinto";\r\nfileinto "Anna\'s work";\r\n# fileinto "anna\'s Work"\r\n'
    assert not ready.restore().changed


def test_a_filter_that_delivers_while_the_restore_is_down_is_caught_up_with(ready: World) -> None:
    """R-159: a helper that a killed run has left, and a folder that the filter has made again since."""
    there = filtered(ready, b"keep;")
    with ready.b() as store:
        state = store.item("a-bruno", there)
        store.update_item("a-bruno", state._replace(name="Anna's work (mountpoint-restore)"))
        again = add(store, "a-bruno", kinds.FOLDER, "1", "Anna's work")
        store.update_item("a-bruno", ready.items(BRUNO, kinds.MESSAGE)[0]._replace(folder=again))
    ready.restore()
    assert_the_mountpoint_took_the_place_of_the_folder(ready)


def test_a_folder_in_the_place_of_a_mountpoint_to_nowhere_keeps_its_items(ready: World) -> None:
    """R-155: where the target is not on this server nothing can be moved, and nothing is lost."""
    with ready.a() as store:
        add(store, "a-bruno", kinds.MOUNTPOINT, "1", "Far", attrs={
            "owner_id": "elsewhere", "owner_name": "z@example.net", "remote_id": "300", "remote_path": "/Far",
        })
    with ready.b() as store:
        there = add(store, "a-bruno", kinds.FOLDER, "1", "Far")
        arrived = mail(store, "a-bruno", there, 70)
    report = ready.restore()
    assert folder(ready, BRUNO, "Far", kinds.MOUNTPOINT).attrs["owner_id"] == "elsewhere"
    kept = folder(ready, BRUNO, "Far (local)")
    assert kept.item_id == there
    assert [state.item_id for state in ready.items(BRUNO, kinds.MESSAGE) if state.folder == there] == [arrived]
    assert any("z@example.net" in warning for warning in report.warnings)
    assert any("Far (local)" in warning for warning in report.warnings)


def test_a_mountpoint_that_is_there_is_used(ready: World) -> None:
    """R-158."""
    with ready.b() as store:
        there = add(store, "a-bruno", kinds.MOUNTPOINT, "1", "Anna's work", attrs={"owner_id": "q", "remote_id": "2"})
    report = ready.restore()
    assert [state.item_id for state in ready.items(BRUNO, kinds.MOUNTPOINT)] == [there]
    assert report.skipped[kinds.MOUNTPOINT] == 1


def test_a_folder_in_whose_place_there_is_a_mountpoint_gets_another_name(ready: World) -> None:
    with ready.b() as store:
        add(store, "a-anna", kinds.MOUNTPOINT, INBOX, "work", attrs={"owner_id": "a-bruno", "remote_id": "2"})
    report = ready.restore()
    assert not report.unrestored
    restored = folder(ready, ANNA, "work (restored)")
    assert [state.folder for state in ready.items(ANNA, kinds.MESSAGE)].count(restored.item_id) == 4
    assert not ready.restore().changed


def test_a_tag_that_is_there_is_used(ready: World) -> None:
    with ready.b() as store:
        there = add(store, "a-anna", kinds.TAG, "", "urgent", attrs={"color": 9})
    ready.restore()
    assert [(tag.item_id, tag.attrs) for tag in ready.items(ANNA, kinds.TAG)] == [(there, {"color": 9})]
    assert sum(state.tags == (there,) for state in ready.items(ANNA, kinds.MESSAGE)) == 6


def test_a_data_source_that_is_there_is_used(ready: World) -> None:
    with ready.b() as store:
        there = add(store, "a-anna", kinds.DATA_SOURCE, "", "old", attrs={
            "type": "imap", "host": "imap.example.net", "username": "anna", "password": "changed",
        })
    report = ready.restore()
    assert [state.item_id for state in ready.items(ANNA, kinds.DATA_SOURCE)] == [there]
    assert report.skipped[kinds.DATA_SOURCE] == 1


def test_the_filters_of_the_backup_take_the_place_of_others(ready: World) -> None:
    """They are preferences (R-130); that it happened is reported."""
    with ready.b() as store:
        add(store, "a-anna", kinds.FILTER_SET, "", "incoming", b"keep;")
    report = ready.restore()
    assert len(ready.items(ANNA, kinds.FILTER_SET)) == 1
    assert ready.verify().different[kinds.FILTER_SET] == 0
    assert any("filters were replaced" in warning for warning in report.warnings)


def test_a_folder_that_a_user_removed_after_a_restore_is_made_again_for_new_mail(world: World) -> None:
    """R-154: however often it is removed."""
    world.restore()
    for number in range(3):
        with world.b() as store:
            store.delete_items("a-anna", [folder(world, ANNA, "work").item_id])
        with world.a() as store:
            work = next(state for state in store.folders("a-anna") if state.name == "work")
            mail(store, "a-anna", work.item_id, 60 + number)
        report = world.restore()
        assert report.restored[kinds.MESSAGE] == 1, report.text()
        again = folder(world, ANNA, "work")
        assert [state.folder for state in world.items(ANNA, kinds.MESSAGE)].count(again.item_id) == 1
        assert not world.restore().changed
        assert folder(world, ANNA, "work") == again


def test_a_tag_that_a_user_removed_after_a_restore_is_made_again_for_new_mail(world: World) -> None:
    """R-004: however often it is removed."""
    world.restore()
    with world.a() as store:
        [tag] = [one.item_id for one in store.changes("a-anna").items if one.kind == kinds.TAG]
    for number in range(3):
        with world.b() as store:
            store.delete_items("a-anna", [world.items(ANNA, kinds.TAG)[0].item_id])
        with world.a() as store:
            mail(store, "a-anna", INBOX, 60 + number, tags=(tag,))
        report = world.restore()
        assert (report.restored[kinds.TAG], report.restored[kinds.MESSAGE]) == (1, 1), report.text()
        [made] = world.items(ANNA, kinds.TAG)
        assert [state.tags for state in world.items(ANNA, kinds.MESSAGE)].count((made.item_id,)) == 1
        assert not world.restore().changed


def test_what_lies_in_a_folder_that_the_backup_lacks_is_not_lost(empty_world: World) -> None:
    with empty_world.a() as store:
        store.create_entry(Entry("d-1", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("a-anna", kinds.ACCOUNT, ANNA))
        outer = add(store, "a-anna", kinds.FOLDER, INBOX, "outer")
        inner = add(store, "a-anna", kinds.FOLDER, outer, "inner")
        mail(store, "a-anna", outer, 1)
        mail(store, "a-anna", inner, 2)
    with contextlib.closing(empty_world.source()) as source, source.writer() as writer:
        writer.append("a-anna", outer, kinds.FOLDER, None)
        writer.commit()
    report = empty_world.restore()
    assert not report.unrestored
    assert any(f"unknown_{outer}" in warning for warning in report.warnings)
    substitute = folder(empty_world, ANNA, f"unknown_{outer}")
    assert folder(empty_world, ANNA, "inner").folder == substitute.item_id
    assert len(empty_world.items(ANNA, kinds.MESSAGE)) == 2
    assert not empty_world.restore().changed


def test_shares_with_whom_is_restored_later_are_settled_then(world: World) -> None:
    """R-103: the first run reports them; the one that brings the other account corrects them."""
    report = world.restore(accounts=[ANNA])
    assert any(BRUNO in warning and "shared" in warning for warning in report.warnings)
    assert {grant["grantee_id"] for grant in folder(world, ANNA, "work").attrs["grants"]} == {"a-bruno", "l-1"}
    with world.b() as store:
        store.create_entry(Entry("x-bruno", kinds.ACCOUNT, BRUNO))
    world.restore()
    assert {grant["grantee_id"] for grant in folder(world, ANNA, "work").attrs["grants"]} == {"x-bruno", "l-1"}
    assert not world.restore().changed


def test_shares_are_with_accounts_that_were_there_before(world: World) -> None:
    """R-103: an account that is not restored, but is at the destination under its name."""
    with world.b() as store:
        store.create_entry(Entry("x-d", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("x-anna", kinds.ACCOUNT, ANNA))
        work = add(store, "x-anna", kinds.FOLDER, INBOX, "work")
    world.restore(accounts=[BRUNO])
    mountpoint = folder(world, BRUNO, "Anna's work", kinds.MOUNTPOINT)
    assert (mountpoint.attrs["owner_id"], mountpoint.attrs["remote_id"]) == ("x-anna", work)


def test_a_mountpoint_to_whom_is_restored_later_is_settled_then(world: World) -> None:
    """R-103: at first it leads to the ids it had, and that is reported; then to what they became."""
    report = world.restore(accounts=[BRUNO])
    assert any(ANNA in warning and "mountpoint" in warning for warning in report.warnings)
    assert folder(world, BRUNO, "Anna's work", kinds.MOUNTPOINT).attrs["owner_id"] == "a-anna"
    assert world.restore(skip_system_accounts=False).restored[kinds.MOUNTPOINT] == 1
    verified = world.verify()
    assert verified.passed, verified.differences
    assert not world.restore(skip_system_accounts=False).changed


def test_the_default_calendar_is_the_restored_one(world: World) -> None:
    with world.a() as store:
        calendar = add(store, "a-anna", kinds.FOLDER, "1", "Team calendar", attrs={"view": "appointment"})
        store.update_entry(Entry("a-anna", kinds.ACCOUNT, ANNA, {"zimbraPrefDefaultCalendarId": (calendar,)}))
    for _unused in range(2):
        world.restore()
        with world.b() as store:
            attrs = store.find_entry(kinds.ACCOUNT, ANNA).attrs
        assert attrs["zimbraPrefDefaultCalendarId"] == (folder(world, ANNA, "Team calendar").item_id,)


class Watched:
    """A store that notes the quota of the account at each write of items."""

    def __init__(self, store: Any, seen: list[Any]) -> None:
        self._store = store
        self._seen = seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write_items(self, account: str, *arguments: Any) -> Any:
        self._seen.append(self._store.find_entry(kinds.ACCOUNT, account).attrs.get(QUOTA))
        return self._store.write_items(account, *arguments)


@pytest.mark.parametrize("quota", [("500",), ()])
def test_the_quota_is_lifted_while_items_are_restored_and_put_back(world: World, quota: tuple[str, ...]) -> None:
    """R-018."""
    with world.a() as store:
        store.update_entry(Entry("a-anna", kinds.ACCOUNT, ANNA, {QUOTA: quota}))
    seen: list[Any] = []
    plain = world.sides()
    world.restore(plain._replace(store=lambda: Watched(plain.store(), seen)), accounts=[ANNA])
    assert seen
    assert set(seen) == {("0",)}
    with world.b() as store:
        assert store.find_entry(kinds.ACCOUNT, ANNA).attrs.get(QUOTA, ()) == quota


def test_a_quota_that_a_killed_restore_has_lifted_is_put_back_by_the_next(ready: World) -> None:
    """R-018: also where nothing is left to be restored, and account attributes are none of its business."""
    ready.restore()
    note = ready.backup_path / account_directory("a-anna") / "quota_lifted"
    note.write_text(json.dumps(["777"]))
    with ready.b() as store:
        store.update_entry(Entry("a-anna", kinds.ACCOUNT, ANNA, {QUOTA: ("0",)}))
    ready.restore(skip_account_provisioning=True)
    with ready.b() as store:
        assert store.find_entry(kinds.ACCOUNT, ANNA).attrs[QUOTA] == ("777",)
    assert not note.exists()
