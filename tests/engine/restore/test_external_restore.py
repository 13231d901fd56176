# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""External Restore from one server to another: all of it, parts of it, again."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care.purge import purge
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import Retention
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.volumes import PRIMARY, Volume
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    InvalidInput,
    NotABackup,
    NotFound,
    RestanteError,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.restore import mailbox
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import LocalBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.preview import preview
from restore_kit import DAY, INBOX, YEAR_2024, World, add, mail

ANNA, BRUNO, HARA, GALSYNC = "anna@example.com", "bruno@example.com", "o'hara \"x\"@example.org", "galsync@example.com"


def accounts(world: World) -> list[str]:
    with world.b() as store:
        return [entry.name for entry in store.entries(kinds.ACCOUNT)]


def entry(world: World, kind: str, name: str) -> Entry:
    with world.b() as store:
        found = store.find_entry(kind, name)
    assert found is not None
    return found


def test_everything_is_restored_to_a_fresh_server(world: World) -> None:
    """R-100, R-102, R-105, R-127, R-140, R-149, R-160, R-188: the destination has no backup yet, and nothing is set up
    on it."""
    report = world.restore(skip_system_accounts=False)
    assert not report.unrestored
    assert not report.warnings
    verified = world.verify()
    assert verified.passed, verified.differences
    assert not verified.foreign
    assert report.restored[kinds.MESSAGE] == verified.expected[kinds.MESSAGE] == 19
    assert report.restored[kinds.ACCOUNT] == 4


def test_ids_at_the_destination_are_its_own(world: World) -> None:
    """R-021, R-103, R-134, R-150, R-153: whatever refers to something by its id still does."""
    with world.b() as store:  # entries of these names with other ids, and a mailbox that has had items
        store.create_entry(Entry("x-d", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("x-c", kinds.COS, "staff"))
        store.create_entry(Entry("x-l", kinds.DISTRIBUTION_LIST, "all@example.com"))
        for local in ("anna", "bruno"):
            store.create_entry(Entry(f"x-{local}", kinds.ACCOUNT, f"{local}@example.com"))
            for _unused in range(20):
                mail(store, f"x-{local}", INBOX, 3)
    report = world.restore(skip_system_accounts=False)
    assert not report.unrestored
    verified = world.verify()
    assert verified.passed, verified.differences
    assert entry(world, kinds.ACCOUNT, ANNA).attrs["zimbraCOSId"] == ("x-c",)
    assert entry(world, kinds.DOMAIN, "example.com").attrs["zimbraDomainDefaultCOSId"] == ("x-c",)
    assert entry(world, kinds.DISTRIBUTION_LIST, "all@example.com").attrs["zimbraACE"] == ("x-anna usr sendToDistList",)
    work = next(folder for folder in world.items(ANNA, kinds.FOLDER) if folder.name == "work")
    assert [grant["grantee_id"] for grant in work.attrs["grants"]] == ["x-bruno", "x-l"]
    assert work.attrs["color"] == 5, "R-021"
    mountpoint = world.items(BRUNO, kinds.MOUNTPOINT)[0]
    assert (mountpoint.attrs["owner_id"], mountpoint.attrs["remote_id"]) == ("x-anna", work.item_id)
    assert world.items(ANNA, kinds.DATA_SOURCE)[0].attrs["folder"] == work.item_id
    contact = world.items(ANNA, kinds.CONTACT)[0].item_id
    theirs = world.items(BRUNO, kinds.CONTACT)[0].item_id
    own, shared = world.items(ANNA, kinds.CONTACT_GROUP)
    assert [member["value"] for member in own.attrs["members"]] == [contact, "x@example.net"]
    assert [member["value"] for member in shared.attrs["members"]] == [contact, f"x-bruno:{theirs}", "x@example.net"]


def test_a_finished_restore_run_again_changes_nothing(world: World) -> None:
    """R-129, R-274: what is there is skipped, all of it."""
    first = world.restore()
    before = world.picture()
    second = world.restore()
    assert not second.changed
    assert not second.unrestored
    assert second.skipped == first.restored
    assert world.picture() == before


def test_what_is_new_at_the_source_is_added_and_nothing_else(world: World) -> None:
    """R-128, R-129: what was deleted or moved at the source since stays as it was restored."""
    world.restore()
    with world.a() as store:
        messages = [state for state in store.changes("a-bruno").items if state.kind == kinds.MESSAGE]
        store.delete_items("a-bruno", [messages[0].item_id])
        store.update_item("a-bruno", messages[1]._replace(folder="3"))
        mail(store, "a-bruno", INBOX, 99)
    report = world.restore()
    assert report.restored == {kinds.MESSAGE: 1}
    restored = world.items(BRUNO, kinds.MESSAGE)
    assert len(restored) == 6
    assert {state.folder for state in restored} == {INBOX}


def test_preferences_are_written_again(world: World) -> None:
    """R-130."""
    world.restore()
    with world.a() as store:
        store.update_entry(Entry("a-anna", kinds.ACCOUNT, ANNA, {"userPassword": ("{SSHA512}new",)}))
    with world.b() as store:
        anna = store.find_entry(kinds.ACCOUNT, ANNA)
        store.update_entry(Entry(anna.entry_id, kinds.ACCOUNT, ANNA, {"displayName": ("changed",), "cn": ("mine",)}))
    report = world.restore()
    assert report.restored == {kinds.ACCOUNT: 1}
    attrs = entry(world, kinds.ACCOUNT, ANNA).attrs
    assert attrs["userPassword"] == ("{SSHA512}new",)
    assert attrs["displayName"] == ("anna",)
    assert attrs["cn"] == ("mine",), "what only the destination has is left alone"


def test_the_newest_mail_comes_first(world: World) -> None:
    """Users can read what they need while the rest is being restored."""
    world.restore()
    dates = [state.date for state in world.items(ANNA, kinds.MESSAGE)]
    assert dates == sorted(dates, reverse=True)


def test_the_first_contents_of_a_mailbox_are_few_so_that_writing_begins_while_more_are_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    class Counting(LocalBlobs):
        def read(self, wanted: Sequence[str]) -> Iterator[tuple[str, bytes | RestanteError]]:
            asked.append(len(wanted))
            return super().read(wanted)

    monkeypatch.setattr(mailbox, "WINDOW_ITEMS", 4)
    world.restore(world.sides(blobs=Counting), accounts=(BRUNO,))
    assert asked == [1, 2, 3], "of its six contents; the third window would take four"
    assert len(world.items(BRUNO, kinds.MESSAGE)) == 5


def test_only_the_named_accounts_are_restored_in_the_order_given(world: World) -> None:
    """R-101, R-107, R-117, R-118, R-119."""
    listed = world.path / "accounts"
    listed.write_text(f"{HARA}\n")
    world.restore(accounts=["a-bruno"], input_file=str(listed))
    assert sorted(accounts(world)) == sorted([BRUNO, HARA])
    with world.b() as store:
        assert list(store.entries(kinds.DISTRIBUTION_LIST)) == []
    rows = (world.backup_path / f"map_{world.server_id}").read_text().splitlines()
    made = [row for row in rows if "account" in row]
    assert ["a-bruno" in made[0], "hara" in made[1]] == [True, True]


def test_named_domains_are_restored_whole(world: World) -> None:
    """R-101, R-112, R-113: with an account of another domain beside them, and without system accounts."""
    world.restore(domains=["example.com"], accounts=[HARA])
    assert sorted(accounts(world)) == sorted([ANNA, BRUNO, HARA])
    world.restore(domains=["example.com"], skip_system_accounts=False)
    assert GALSYNC in accounts(world)


def test_what_is_deleted_at_the_source_is_restored_only_when_asked_for(world: World) -> None:
    """R-114: with the state it had last; a deleted account too."""
    with world.a() as store:
        message = mail(store, "a-bruno", INBOX, 50, flags="f")
        folder = add(store, "a-bruno", kinds.FOLDER, INBOX, "old")
        mail(store, "a-bruno", folder, 51)
    with world.a() as store:
        store.delete_items("a-bruno", [message, folder])
        store.delete_entry(kinds.ACCOUNT, "a-o'hara \"x\"")
    world.restore()
    assert len(world.items(BRUNO, kinds.MESSAGE)) == 5
    assert HARA not in accounts(world)
    world.restore(filter_deleted=False)
    restored = {state.date: state for state in world.items(BRUNO, kinds.MESSAGE)}
    assert len(restored) == 7
    assert restored[YEAR_2024 + 50 * DAY].flags == "f"
    old = next(folder for folder in world.items(BRUNO, kinds.FOLDER) if folder.name == "old")
    assert restored[YEAR_2024 + 51 * DAY].folder == old.item_id
    assert len(world.items(HARA, kinds.MESSAGE)) == 1


def test_a_deleted_account_does_not_come_back_over_one_of_its_name(world: World) -> None:
    """R-114."""
    with world.a() as store:
        store.delete_entry(kinds.ACCOUNT, "a-bruno")
        store.create_entry(Entry("a-bruno-2", kinds.ACCOUNT, BRUNO, {"displayName": ("second",)}))
    world.restore(filter_deleted=False)
    assert entry(world, kinds.ACCOUNT, BRUNO).attrs["displayName"] == ("second",)
    assert world.items(BRUNO, kinds.MESSAGE) == []


@pytest.mark.parametrize(("option", "kind"), [
    ("skip_distribution_lists", kinds.DISTRIBUTION_LIST), ("skip_coses", kinds.COS),
])
def test_a_skipped_kind_is_not_created(world: World, option: str, kind: str) -> None:
    """R-115."""
    report = world.restore(**{option: True})
    with world.b() as store:
        assert list(store.entries(kind)) == []
        assert all(list(store.entries(other)) for other in kinds.ENTRY_KINDS if other != kind)
    assert not report.unrestored
    if kind == kinds.COS:
        assert any("zimbraCOSId" in warning for warning in report.warnings)


def test_only_classes_of_service_in_use_are_created(world: World) -> None:
    """R-142."""
    world.restore()
    with world.b() as store:
        assert [cos.name for cos in store.entries(kinds.COS)] == ["staff"]


def test_a_skipped_class_of_service_is_found_by_its_name(world: World) -> None:
    """R-115: skip_coses means that those of the destination are to be used as they are."""
    with world.b() as store:
        store.create_entry(Entry("x-c", kinds.COS, "staff", {"zimbraMailQuota": ("7",)}))
    world.restore(skip_coses=True)
    assert entry(world, kinds.ACCOUNT, ANNA).attrs["zimbraCOSId"] == ("x-c",)
    assert entry(world, kinds.COS, "staff").attrs["zimbraMailQuota"] == ("7",)


def test_aliases_can_be_left_out(world: World) -> None:
    """R-115."""
    world.restore(skip_aliases=True)
    assert entry(world, kinds.ACCOUNT, ANNA).aliases == ()
    assert entry(world, kinds.DISTRIBUTION_LIST, "all@example.com").aliases == ()
    world.restore()
    assert entry(world, kinds.ACCOUNT, ANNA).aliases == ("anna.alias@example.com",)


def test_without_account_provisioning_items_go_into_the_accounts_that_are_there(world: World) -> None:
    """R-115."""
    with world.b() as store:
        store.create_entry(Entry("d-x", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("x-anna", kinds.ACCOUNT, ANNA, {"displayName": ("mine",)}))
    report = world.restore(skip_account_provisioning=True)
    assert accounts(world) == [ANNA]
    assert entry(world, kinds.ACCOUNT, ANNA).attrs == {"displayName": ("mine",)}
    assert len(world.items(ANNA, kinds.MESSAGE)) == 12
    assert sorted(item.item_id for item in report.unrestored) == sorted([BRUNO, HARA])
    assert all("skip_account_provisioning" in item.reason for item in report.unrestored)


def test_without_domain_provisioning_the_domain_is_left_as_it_is(world: World) -> None:
    """R-108, R-109."""
    with world.b() as store:
        store.create_entry(Entry("x-d", kinds.DOMAIN, "example.com", {"description": ("mine",)}))
    world.restore(accounts=[ANNA, BRUNO], skip_domain_provisioning=True)
    assert entry(world, kinds.DOMAIN, "example.com").attrs == {"description": ("mine",)}
    assert entry(world, kinds.ACCOUNT, ANNA).attrs["displayName"] == ("anna",)
    with world.b() as store:
        assert list(store.entries(kinds.COS)) == list(store.entries(kinds.DISTRIBUTION_LIST)) == []
    assert len(world.items(ANNA, kinds.MESSAGE)) == 12


def test_without_domain_provisioning_a_missing_domain_is_an_error(world: World) -> None:
    """R-126."""
    with pytest.raises(NotFound, match=r"example\.com.*example\.org"):
        world.restore(skip_domain_provisioning=True)
    assert_nothing_was_written(world)


def test_provisioning_only_restores_no_content_and_a_later_run_does(world: World) -> None:
    """R-116, R-131: accounts are usable after phase 1."""
    report = world.restore(provisioning_only=True)
    assert set(report.restored) == set(kinds.ENTRY_KINDS)
    assert world.items(ANNA, kinds.MESSAGE) == []
    assert entry(world, kinds.ACCOUNT, ANNA).attrs["userPassword"] == ("{SSHA512}anna",)
    world.restore(skip_system_accounts=False)
    assert world.verify().passed


def test_larger_items_are_left_out_and_reported(world: World) -> None:
    """R-120, R-273, R-275."""
    with world.a() as store:
        large = add(store, "a-anna", kinds.MESSAGE, INBOX, blob=b"x" * 5001)
        add(store, "a-anna", kinds.MESSAGE, INBOX, blob=b"x" * 5000)
    report = world.restore(max_file_size=5000)
    assert [(item.account, item.item_id, item.cause) for item in report.unrestored] == [(ANNA, large, "invalid item")]
    assert "5001" in report.unrestored[0].reason
    assert f"account: {ANNA}\nunrestored items: {large}\n" in report.text()
    assert len(world.items(ANNA, kinds.MESSAGE)) == 13
    assert not world.restore().unrestored, "without the limit it is restored"
    assert len(world.items(ANNA, kinds.MESSAGE)) == 14


def test_data_sources_can_be_left_out(world: World) -> None:
    """R-121."""
    world.restore(restore_datasource=False)
    assert world.items(ANNA, kinds.DATA_SOURCE) == []
    assert world.items(BRUNO, kinds.MOUNTPOINT)
    world.restore()
    assert len(world.items(ANNA, kinds.DATA_SOURCE)) == 1


def test_the_mail_of_an_account_that_got_the_address_of_another_comes_beside_that_of_the_other(
    empty_world: World,
) -> None:
    """R-150: their items have the same ids at the source, and are not the same."""
    def make(entry_id: str, number: int) -> None:
        store.create_entry(Entry(entry_id, kinds.ACCOUNT, ANNA))
        folder = add(store, entry_id, kinds.FOLDER, INBOX, f"folder {number}")
        mail(store, entry_id, folder, number)

    with empty_world.a() as store:
        store.create_entry(Entry("d-1", kinds.DOMAIN, "example.com"))
        make("a-1", 1)
    empty_world.restore()
    with empty_world.a() as store:
        store.delete_entry(kinds.ACCOUNT, "a-1")
        make("a-2", 2)
        store.create_entry(Entry("a-x", kinds.ACCOUNT, BRUNO))
        add(store, "a-x", kinds.MOUNTPOINT, "1", "hers", attrs={
            "owner_id": "a-2", "owner_name": ANNA, "remote_id": "256", "remote_path": "/Inbox/folder 2",
        })
    empty_world.restore()
    folders = {state.item_id: state.name for state in empty_world.items(ANNA, kinds.FOLDER)}
    found = [(folders[state.folder], state.date) for state in empty_world.items(ANNA, kinds.MESSAGE)]
    assert found == [("folder 1", YEAR_2024 + DAY), ("folder 2", YEAR_2024 + 2 * DAY)]
    [mountpoint] = empty_world.items(BRUNO, kinds.MOUNTPOINT)
    assert folders[mountpoint.attrs["remote_id"]] == "folder 2"
    assert empty_world.verify().passed
    assert not empty_world.restore().changed


def restored_and_taken_away(world: World, deleted: bool) -> None:
    """Restore an account with one message; then delete it, or switch its backup off."""
    with world.a() as store:
        store.create_entry(Entry("d-1", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("a-1", kinds.ACCOUNT, ANNA))
        mail(store, "a-1", INBOX, 1)
    world.restore()
    with world.a() as store:
        if deleted:
            store.delete_entry(kinds.ACCOUNT, "a-1")
        else:
            store.update_entry(Entry("a-1", kinds.ACCOUNT, "", {"backupEnabled": ("FALSE",)}))


def come_back_with_other_mail(world: World, deleted: bool) -> None:
    """Make that account again, or switch its backup on, and let it get another message."""
    with world.a() as store:
        if deleted:
            store.create_entry(Entry("a-1", kinds.ACCOUNT, ANNA))
        else:
            store.update_entry(Entry("a-1", kinds.ACCOUNT, "", {"backupEnabled": ()}))
        mail(store, "a-1", INBOX, 2)


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "switched off"])
def test_the_new_mailbox_of_an_account_that_was_deleted_is_restored_beside_the_old_one(
    empty_world: World, deleted: bool
) -> None:
    """R-150, R-245: one whose backup was only switched off for a time has the mailbox that it had."""
    restored_and_taken_away(empty_world, deleted)
    come_back_with_other_mail(empty_world, deleted)
    for new in (1, 0):
        with contextlib.closing(empty_world.source()) as source, empty_world.b() as store:
            foretold = preview(source, store, str(empty_world.backup_path), ExternalOptions())
        assert foretold.items.get(ANNA, {}).get(kinds.MESSAGE, 0) == new
        assert empty_world.restore().restored[kinds.MESSAGE] == new
        assert [one.date for one in empty_world.items(ANNA, kinds.MESSAGE)] == [YEAR_2024 + DAY, YEAR_2024 + 2 * DAY]
        assert empty_world.verify().passed


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "switched off"])
def test_a_mailbox_is_known_to_be_another_one_also_where_a_purge_has_forgotten_the_first(
    empty_world: World, deleted: bool
) -> None:
    """The backup cannot tell then, but all that it knows of the mailbox is younger than the last restore."""
    restored_and_taken_away(empty_world, deleted)
    with contextlib.closing(empty_world.source()) as source, source.writer() as writer:
        purge(writer, Retention(1, 1), moment.now() + 2 * DAY)
        assert source.scopes() == []
    come_back_with_other_mail(empty_world, deleted)
    for new in (1, 0):
        with contextlib.closing(empty_world.source()) as source, empty_world.b() as store:
            foretold = preview(source, store, str(empty_world.backup_path), ExternalOptions())
        assert (foretold.items.get(ANNA, {}).get(kinds.MESSAGE, 0) >= new) and (new or not foretold.pending)
        assert empty_world.restore().restored[kinds.MESSAGE] == new
        assert [one.date for one in empty_world.items(ANNA, kinds.MESSAGE)] == [YEAR_2024 + DAY, YEAR_2024 + 2 * DAY]
        assert empty_world.verify().passed


def test_several_accounts_at_a_time_end_in_the_same_result(world: World) -> None:
    """R-166, R-167."""
    one = world.restore(skip_system_accounts=False)
    picture = world.picture()
    world.new_destination("c")
    several = world.restore(skip_system_accounts=False, concurrent_accounts=5)
    assert several.to_json() == one.to_json()
    assert world.verify().passed
    assert world.picture()["items"].keys() == picture["items"].keys()
    assert not world.restore(skip_system_accounts=False, concurrent_accounts=2).changed


def assert_nothing_was_written(world: World) -> None:
    with world.b() as store:
        assert all(list(store.entries(kind)) == [] for kind in kinds.ENTRY_KINDS)
    assert not world.backup_path.exists()


@pytest.mark.parametrize("options", [{"accounts": ["nobody@example.com"]}, {"domains": ["example.net"]}])
def test_an_unknown_account_or_domain_stops_it_before_it_begins(world: World, options: dict[str, Any]) -> None:
    with pytest.raises(NotFound, match=r"nobody|example\.net"):
        world.restore(**options)
    assert_nothing_was_written(world)


def test_a_directory_that_is_no_backup_is_refused(world: World) -> None:
    """R-124."""
    (world.path / "empty").mkdir()
    with pytest.raises(NotABackup):
        world.restore(world.sides(source=lambda: Repository.open(str(world.path / "empty"))))
    assert_nothing_was_written(world)


def test_a_backup_of_a_newer_format_is_refused(world: World) -> None:
    """R-124."""
    path = world.path / "backup-a" / "format.json"
    path.chmod(0o600)
    path.write_text(path.read_text().replace('"format":1', '"format":2').replace('"format": 1', '"format": 2'))
    with pytest.raises(NotABackup, match="newer"):
        world.restore()
    assert_nothing_was_written(world)


def test_the_destinations_own_backup_path_is_refused(world: World) -> None:
    """R-125: also under another name, and also when it is forced."""
    os.symlink(world.path / "backup-a", world.path / "link")
    with pytest.raises(InvalidInput, match="own Backup Path"):
        world.restore(world.sides(backup_path=str(world.path / "link")), force_as_external_restore=True)
    assert_nothing_was_written(world)


def test_a_backup_of_the_same_server_needs_to_be_forced_and_adds_what_is_missing(world: World) -> None:
    """R-104, R-122, R-138, R-321: what is on the server already is recognised, and not restored a second time."""
    shutil.copytree(world.path / "backup-a", world.path / "copy")
    with world.a() as store:
        everything = list(store.changes("a-anna").items)
        messages = [state for state in everything if state.kind == kinds.MESSAGE]
        own_group = next(state for state in everything if state.name == "own")
        store.delete_items("a-anna", [state.item_id for state in (*messages[:3], own_group)])
        store.update_item("a-anna", messages[4]._replace(folder="3", flags="f"))
    world.destination = "a"
    sides = world.sides(source=lambda: Repository.open(str(world.path / "copy")))
    before = world.picture()
    with pytest.raises(InvalidInput, match="force_as_external_restore"):
        world.restore(sides)
    assert world.picture() == before
    world.restore(sides, force_as_external_restore=True)
    after = world.picture()
    assert len(world.items(ANNA, kinds.MESSAGE)) == 12
    for address, items in before["items"].items():
        new = {item: state for item, state in after["items"][address].items() if item not in items}
        assert {item: state for item, state in after["items"][address].items() if item in items} == items
        expected = [kinds.CONTACT_GROUP] + [kinds.MESSAGE] * 3 if address == ANNA else []
        assert sorted(state["kind"] for state in new.values()) == expected
    contact = world.items(ANNA, kinds.CONTACT)[0].item_id
    own = next(state for state in world.items(ANNA, kinds.CONTACT_GROUP) if state.name == "own")
    assert own.attrs["members"][0]["value"] == contact


def test_the_source_need_not_be_writable(world: World) -> None:
    """R-106, R-123: read access is enough; its catalogue is then kept elsewhere."""
    source = world.path / "backup-a"
    os.unlink(source / "catalog.sqlite")
    names = [os.path.join(place, name) for place, folders, files in os.walk(source) for name in (*folders, *files)]
    for name in (*names, source):
        os.chmod(name, os.stat(name).st_mode & 0o555)
    try:
        world.restore(skip_system_accounts=False, concurrent_accounts=2)
        assert world.verify().passed
    finally:
        for name in (source, *names):
            os.chmod(name, os.stat(name).st_mode | 0o200)


def test_a_destination_that_keeps_its_mail_otherwise_gets_all_of_it(world: World) -> None:
    """R-132: other volumes, compressed, elsewhere."""
    with world.b() as store:
        volume = Volume("", "other", PRIMARY, str(world.path / "elsewhere"), True, 0, True)
        store.create_volume(volume)
        store.set_redo_log(True)
    assert not world.restore(skip_system_accounts=False).unrestored
    assert world.verify().passed
    assert any(path.is_file() for path in (world.path / "elsewhere").rglob("*"))
