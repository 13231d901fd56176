# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore on New Account on the embedded store: what comes back, what is left alone, what is told and what refused."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    Damaged,
    InvalidInput,
    NotFound,
    RestanteError,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import Silent
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import LocalBlobs
from copy_kit import COPY, Server
from restore_kit import INBOX, YEAR_2024, add, mail

ANNA, BRUNO = "anna@example.com", "bruno@example.com"
TRASH = "3"


def move(store: Any, account: str, item_id: str, folder: str) -> None:
    store.update_item(account, store.item(account, item_id)._replace(folder=folder))


def subjects(server: Server, account: str, kind: str = kinds.MESSAGE) -> dict[str, str]:
    """The path of the folder of each item, by what it is."""
    states = server.states(account)

    def path(folder: str) -> str:
        return f"{path(states[folder].folder)}/{states[folder].name}" if states[folder].folder else ""

    return {state.digest[:8] or state.name: path(state.folder) for state in states.values() if state.kind == kind}


def undeleted(server: Server, account: str, since: int) -> set[str]:
    """The messages of a mailbox that would come back with what was deleted since a moment."""
    with contextlib.closing(server.backup()) as source:
        scope = server.plan_new(account, undelete=True, undelete_start_date=since).scope(source)
        return {state.item_id for state in scope.states((kinds.MESSAGE,))}


# -- what comes back ---------------------------------------------------------------------------------------------------


def test_a_new_account_has_all_that_the_source_has_and_nothing_else_is_touched(server: Server) -> None:
    """R-010, R-045, R-046, R-047, R-051, R-052, R-068."""
    before = server.picture()
    report = server.new(ANNA)
    assert report.changed and not report.unrestored
    after = server.picture()
    assert {name: after[name] for name in before} == before and set(after) - set(before) == {COPY}
    assert server.content(COPY) == server.content(ANNA)
    copy, source = server.entry(COPY), server.entry(ANNA)
    assert copy.entry_id != source.entry_id
    assert copy.signatures == source.signatures and copy.aliases == ()
    assert {name: copy.first(name) for name in source.attrs} == {name: source.first(name) for name in source.attrs}


def test_the_mailbox_is_that_of_the_moment_to_the_millisecond(server: Server) -> None:
    """R-004, R-009, R-013, R-055: folder, flags and tags as they were; R-012: the configuration too."""
    then, content = server.now(), server.content(ANNA)
    with server.changed() as store:
        for state in list(store.changes("a-anna").items):
            if state.kind == kinds.MESSAGE:
                store.update_item("a-anna", state._replace(flags="", folder=TRASH, tags=()))
        mail(store, "a-anna", INBOX, 500)
        store.update_entry(Entry("a-anna", kinds.ACCOUNT, ANNA, {"displayName": ("Other",)}))
    changed, later = server.content(ANNA), server.now()
    assert not server.new(ANNA, date=then).unrestored
    assert server.content(COPY) == content != changed
    assert server.entry(COPY).first("displayName") == "anna"
    server.new(ANNA, "later@example.com", date=later)
    assert server.content("later@example.com") == changed
    assert server.entry("later@example.com").first("displayName") == "Other"


def test_the_last_moment_of_an_emptied_mailbox_is_an_empty_one(server: Server) -> None:
    """R-056, R-048."""
    full = server.now()
    with server.changed() as store:
        store.delete_items("a-bruno", [one.item_id for one in store.changes("a-bruno").items if one.kind == "message"])
    server.new(BRUNO)
    assert server.kept(COPY, kinds.MESSAGE) == []
    server.new(BRUNO, "full@example.com", date=full)
    assert len(server.kept("full@example.com", kinds.MESSAGE)) == 5


def test_a_deleted_account_comes_back_also_without_its_domain_and_its_class_of_service(server: Server) -> None:
    """R-050, R-065, R-066."""
    content, name = server.content(ANNA), "anna@gone.example"
    with server.changed() as store:
        store.create_entry(Entry("d-3", kinds.DOMAIN, "gone.example"))
        store.create_entry(Entry("c-3", kinds.COS, "gone"))
        store.create_entry(Entry("a-gone", kinds.ACCOUNT, name, {"zimbraCOSId": ("c-3",)}))
        mail(store, "a-gone", INBOX, 7)
    with server.changed() as store:
        store.delete_entry(kinds.ACCOUNT, "a-gone")
        store.delete_entry(kinds.ACCOUNT, "a-anna")
        store.delete_entry(kinds.DOMAIN, "d-3")
        store.delete_entry(kinds.COS, "c-3")
    report = server.new(name)
    assert not report.unrestored and any("zimbraCOSId names c-3" in sentence for sentence in report.warnings)
    assert len(server.kept(COPY, kinds.MESSAGE)) == 1 and "zimbraCOSId" not in server.entry(COPY).attrs
    server.new("a-anna", ANNA)
    assert server.content(ANNA) == content and server.entry(ANNA).entry_id != "a-anna"
    with pytest.raises(NotFound, match="no domain gone.example, and a restore does not make one"):
        server.plan_new("a-anna", name)


def test_each_of_several_accounts_of_one_address_can_be_chosen(server: Server) -> None:
    """R-067."""
    for number in (1, 2):
        with server.changed() as store:
            store.create_entry(Entry(f"x-{number}", kinds.ACCOUNT, "x@example.com"))
            mail(store, f"x-{number}", INBOX, number)
        server.delete(f"x-{number}")
    for account, destination in (("x-1", "one@example.com"), ("x-2", "two@example.com"), ("x@example.com", COPY)):
        server.new(account, destination)
    one, two, newest = (subjects(server, name) for name in ("one@example.com", "two@example.com", COPY))
    assert one != two == newest


def test_options_hide_the_account_and_leave_data_sources_out(server: Server) -> None:
    """R-049, R-058."""
    server.new(ANNA)
    assert server.entry(COPY).first("zimbraHideInGal") == "" and len(server.kept(COPY, kinds.DATA_SOURCE)) == 1
    server.new(ANNA, "hidden@example.com", hide_in_gal=True, restore_datasource=False)
    assert server.entry("hidden@example.com").first("zimbraHideInGal") == "TRUE"
    assert server.kept("hidden@example.com", kinds.DATA_SOURCE) == []


def test_an_account_that_is_to_be_hidden_is_so_from_its_first_moment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Entry] = []
    create = EmbeddedStore.create_entry
    monkeypatch.setattr(EmbeddedStore, "create_entry", lambda self, entry: made.append(entry) or create(self, entry))
    server.new(ANNA, hide_in_gal=True)
    assert [entry.first("zimbraHideInGal") for entry in made] == ["TRUE"]


def test_an_administrator_comes_back_as_a_user_and_the_addresses_stay_with_the_source(server: Server) -> None:
    """R-069."""
    attrs = {
        "zimbraIsDelegatedAdminAccount": ("TRUE",), "zimbraPrefFromAddress": (ANNA,), "zimbraPrefLocale": ("it",),
    }
    with server.changed() as store:
        store.update_entry(Entry("a-anna", kinds.ACCOUNT, ANNA, attrs))
    report = server.new(ANNA)
    assert set(attrs) & set(server.entry(COPY).attrs) == {"zimbraPrefLocale"}
    assert f"{ANNA} was an administrator; {COPY} is none." in report.warnings


def test_a_calendar_of_somebody_else_as_the_default_does_no_harm(server: Server) -> None:
    """R-070."""
    with server.changed() as store:
        store.update_entry(Entry("a-bruno", kinds.ACCOUNT, BRUNO, {"zimbraPrefDefaultCalendarId": ("a-anna:257",)}))
    report = server.new(BRUNO)
    assert not report.unrestored and any("default calendar a-anna:257" in sentence for sentence in report.warnings)


# -- what was deleted --------------------------------------------------------------------------------------------------


def test_deleted_items_come_back_where_they_were_before_the_trash(server: Server) -> None:
    """R-059, R-060, R-061."""
    with server.changed() as store:
        folder = add(store, "a-bruno", kinds.FOLDER, INBOX, "project")
        sub = add(store, "a-bruno", kinds.FOLDER, folder, "sub")
        ids = [mail(store, "a-bruno", place, number, flags="x") for number, place in (
            (101, folder), (102, sub), (103, TRASH), (104, INBOX), (105, INBOX),
        )]
        expected = dict(zip(
            [store.item("a-bruno", one).digest[:8] for one in ids],
            ["/Inbox/project", "/Inbox/project/sub", "/Trash", "/Inbox", "/Trash"],
        ))
    with server.changed() as store:
        move(store, "a-bruno", ids[4], TRASH)  # in the Trash, and not deleted
        move(store, "a-bruno", ids[0], TRASH)
    with server.changed() as store:
        store.delete_items("a-bruno", [ids[3]])
    early = server.now()
    assert undeleted(server, BRUNO, early - 1) == undeleted(server, BRUNO, early) >= {ids[3]}
    with server.changed() as store:
        move(store, "a-bruno", folder, TRASH)
    with server.changed() as store:
        store.delete_items("a-bruno", [folder, ids[0], ids[2]])
    server.new(BRUNO)
    assert not set(expected) - {server.states(BRUNO)[ids[4]].digest[:8]} & set(subjects(server, COPY))
    server.new(BRUNO, "everything@example.com", undelete=True)
    found = subjects(server, "everything@example.com")
    assert {one: found.get(one) for one in expected} == expected
    flags = {state.digest[:8]: state.flags for state in server.kept("everything@example.com", kinds.MESSAGE)}
    assert [flags[one] for one in expected] == ["", "", "", "", "x"]
    server.new(BRUNO, "since@example.com", undelete=True, undelete_start_date=early + 1)
    since = subjects(server, "since@example.com")
    assert {one for one in expected if one not in since} == {list(expected)[3]}
    assert {one: since[one] for one in expected if one in since} == {
        one: place for one, place in expected.items() if one in since
    }


def test_a_folder_that_was_deleted_long_ago_comes_back_with_what_was_deleted_out_of_it_lately(server: Server) -> None:
    """R-061."""
    with server.changed() as store:
        outer = add(store, "a-bruno", kinds.FOLDER, "1", "outer")
        inner = add(store, "a-bruno", kinds.FOLDER, outer, "inner")
        add(store, "a-bruno", kinds.FOLDER, "1", "of no use")
        item = mail(store, "a-bruno", inner, 101)
    with server.changed() as store:
        move(store, "a-bruno", item, TRASH)
        names = {folder.name: folder.item_id for folder in store.folders("a-bruno")}
    with server.changed() as store:
        store.delete_items("a-bruno", [outer, names["of no use"]])
    start = server.now() + 1
    with server.changed() as store:
        digest = store.item("a-bruno", item).digest[:8]
        store.delete_items("a-bruno", [item])
    server.new(BRUNO, undelete=True, undelete_start_date=start)
    assert subjects(server, COPY)[digest] == "/outer/inner"
    assert "of no use" not in {folder.name for folder in server.kept(COPY, kinds.FOLDER)}


def test_settings_that_were_deleted_do_not_come_back(server: Server) -> None:
    with server.changed() as store:
        there = {state.kind: state.item_id for state in store.changes("a-anna").items}
        store.delete_items("a-anna", [there[kinds.FILTER_SET], there[kinds.DATA_SOURCE]])
        there = {state.kind: state.item_id for state in store.changes("a-bruno").items}
        store.delete_items("a-bruno", [there[kinds.MOUNTPOINT]])
    server.new(ANNA, undelete=True)
    server.new(BRUNO, "bruno2@example.com", undelete=True)
    assert not server.kept(COPY, kinds.FILTER_SET) and not server.kept(COPY, kinds.DATA_SOURCE)
    assert not server.kept("bruno2@example.com", kinds.MOUNTPOINT)


# -- what cannot be kept -----------------------------------------------------------------------------------------------


def test_shares_that_cannot_be_kept_are_named(server: Server) -> None:
    """R-053."""
    report = server.new(BRUNO)
    assert report.warnings == [
        f"The mountpoint \"Anna's work\" leads to a folder of {ANNA} that is shared with {BRUNO}, and not with {COPY}."
    ]
    there, here = (server.kept(name, kinds.MOUNTPOINT)[0].attrs for name in (BRUNO, COPY))
    assert here == there
    assert server.new(ANNA, "anna2@example.com").warnings == [
        f"The folder 'work' is shared with {BRUNO}, all@example.com, whose mountpoints lead to the folder that {ANNA} "
        "had and not to this one."
    ]


def test_a_deleted_folder_in_the_place_of_a_mountpoint_stays_out_of_the_mailbox_of_others(server: Server) -> None:
    """R-047: nothing is moved to where a mountpoint leads."""
    with server.changed() as store:
        folder = add(store, "a-bruno", kinds.FOLDER, "1", "Anna")
        mail(store, "a-bruno", folder, 101)
    with server.changed() as store:
        store.delete_items("a-bruno", [folder])
    with server.changed() as store:
        shared = next(one for one in store.folders("a-anna") if one.name == "work").item_id
        attrs = {"owner_id": "a-anna", "owner_name": ANNA, "remote_id": shared}
        add(store, "a-bruno", kinds.MOUNTPOINT, "1", "Anna", attrs=attrs)
    before = server.content(ANNA)
    report = server.new(BRUNO, undelete=True)
    assert server.content(ANNA) == before and not report.unrestored
    assert {"Anna", "Anna (local)"} <= {
        state.name for state in server.states(COPY).values() if state.kind in (kinds.FOLDER, kinds.MOUNTPOINT)
    }


def test_an_item_whose_content_is_lost_costs_only_itself_and_comes_with_a_later_run(server: Server) -> None:
    """R-020."""
    lost = server.kept(BRUNO, kinds.MESSAGE)[0]

    class Lossy(LocalBlobs):
        def read(self, wanted: Any) -> Any:
            for digest, blob in super().read(wanted):
                yield digest, Damaged("gone") if digest == lost.digest else blob

    report = server.restore(server.plan_new(BRUNO), server.sides(blobs=Lossy))
    assert [item.item_id for item in report.unrestored] == [lost.item_id]
    assert len(server.kept(COPY, kinds.MESSAGE)) == 4
    report = server.new(BRUNO)
    assert dict(report.restored) == {kinds.MESSAGE: 1} and not report.unrestored
    assert len(server.kept(COPY, kinds.MESSAGE)) == 5
    assert not server.new(BRUNO).changed


# -- again -------------------------------------------------------------------------------------------------------------


def test_a_finished_restore_that_is_run_again_changes_nothing_whatever_happened_since(server: Server) -> None:
    first = server.new(ANNA)
    with server.changed() as store:
        copy = server.entry(COPY)
        store.delete_items(copy.entry_id, [one.item_id for one in store.folders(copy.entry_id) if one.name == "work"])
        store.update_entry(copy._replace(attrs={"displayName": ("Changed",)}, signatures=(), aliases=()))
        mail(store, "a-anna", INBOX, 600)  # what "last" means is what it meant the first time
    before = server.picture()
    planned = server.plan_new(ANNA)
    assert planned.lines({}) == []
    report = server.restore(planned)
    assert server.picture() == before
    assert not report.changed and report.skipped == first.restored + first.skipped


def test_a_stopped_restore_goes_on_at_the_moment_at_which_it_began(server: Server) -> None:
    class Stopped(Silent):
        """Stops when the items have begun."""

        asked = 0

        def stopping(self) -> bool:
            self.asked += 1
            return self.asked > 1

    content = server.content(ANNA)
    server.restore(server.plan_new(ANNA), progress=Stopped())
    assert server.content(COPY) != content
    with server.changed() as store:
        mail(store, "a-anna", INBOX, 600)
        store.update_entry(server.entry(COPY)._replace(attrs={"displayName": ("Changed",)}))
    assert server.new(ANNA).changed
    assert server.content(COPY) == content
    assert server.entry(COPY).first("displayName") == "Changed"


def test_an_account_that_is_there_is_left_alone(server: Server) -> None:
    server.new(ANNA)
    with pytest.raises(AlreadyExists, match=f"The account {BRUNO} is there already, and is left alone"):
        server.plan_new(ANNA, BRUNO)
    for options in ({"date": server.now()}, {"undelete": True}, {"hide_in_gal": True}):
        with pytest.raises(AlreadyExists, match="another restore has made it, of the account a-anna"):
            server.plan_new(ANNA, **options)
    with pytest.raises(AlreadyExists, match="another restore has made it"):
        server.plan_new(BRUNO)
    assert server.plan_new(ANNA, COPY.upper()).target.done


def test_a_copy_that_was_deleted_can_be_made_again(server: Server) -> None:
    server.new(ANNA)
    server.delete(server.entry(COPY).entry_id)
    assert server.new(ANNA, undelete=True).changed
    assert server.content(COPY)


def test_a_mail_server_that_gives_ids_of_its_own_gets_the_account_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    able, create = EmbeddedStore.capabilities, EmbeddedStore.create_entry
    monkeypatch.setattr(
        EmbeddedStore, "capabilities", lambda self: able(self)._replace(keeps_entry_ids=False)
    )
    monkeypatch.setattr(
        EmbeddedStore, "create_entry", lambda self, entry: create(self, entry._replace(entry_id=f"own-{entry.name}"))
    )
    report = server.new(ANNA)
    assert any("one of its own" in sentence for sentence in report.warnings)
    assert server.content(COPY) == server.content(ANNA)
    assert not server.new(ANNA).changed


def test_people_are_told_of_start_and_end(server: Server) -> None:
    """R-006, R-007."""
    told: list[tuple[str, str]] = []
    server.restore(server.plan_new(ANNA), notify=lambda _type, subject, text: told.append((subject, text)))
    assert [subject for subject, _text in told] == [
        "Restore on New Account: Operation Started", "Restore on New Account: Operation Ended",
    ]
    assert told[0][1].startswith(f"{ANNA} as it was at ") and told[0][1].endswith(f", to {COPY}.")
    assert "shared with bruno@example.com" in told[1][1]


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "error", "sentence"), [
    ({"account": "nobody@example.com"}, NotFound, "knows no account 'nobody@example.com'"),
    ({"date": YEAR_2024}, InvalidInput, "begins at"),
    ({"date": moment.now() + 86_400_000}, InvalidInput, "is in the future"),
    ({"destination": "x@nowhere.example"}, NotFound, "no domain nowhere.example"),
    ({"destination": "no address"}, InvalidInput, "is no address"),
    ({"destination": "two@x@example.com"}, InvalidInput, "is no address"),
    ({"destination": "<x>@example.com"}, InvalidInput, "is no address"),
    ({"destination": "one,two@example.com"}, InvalidInput, "is no address"),
    ({"destination": "\x1b]2;x@example.com"}, InvalidInput, "is no address"),
    ({"destination": "all@example.com"}, AlreadyExists, "is taken by all@example.com"),
    ({"destination": "anna.alias@example.com"}, AlreadyExists, f"is taken by {ANNA}"),
    ({"destination": "everybody@example.com"}, AlreadyExists, "is taken by all@example.com"),
    ({"undelete_start_date": YEAR_2024}, InvalidInput, "of no use without undelete"),
    ({"undelete": True, "undelete_start_date": moment.LAST}, InvalidInput, "must be earlier"),
    ({"undelete": True, "undelete_start_date": YEAR_2024}, InvalidInput, "begins at"),
], ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "")
def test_bad_input_is_refused_before_anything_is_written(
    server: Server, given: dict[str, Any], error: type[RestanteError], sentence: str
) -> None:
    """R-063, R-064."""
    before = server.picture()
    with pytest.raises(error, match=sentence):
        server.plan_new(**{"account": ANNA, **given})
    assert server.picture() == before


def test_a_moment_before_the_account_is_refused(server: Server) -> None:
    """R-064."""
    then = server.now()
    with server.changed() as store:
        store.create_entry(Entry("a-late", kinds.ACCOUNT, "late@example.com"))
    with pytest.raises(InvalidInput, match="late@example.com did not exist at .*: the backup knows it from"):
        server.plan_new("late@example.com", date=then)


def test_a_moment_after_the_deletion_means_the_deletion(server: Server) -> None:
    content = server.content(BRUNO)
    server.delete("a-bruno")
    deleted = server.now()
    with server.changed() as store:
        mail(store, "a-anna", INBOX, 600)
    report = server.new(BRUNO, date=server.now())
    assert server.content(COPY) == content
    assert f"{BRUNO} was deleted at {moment.iso(deleted)}; it is restored as it was then." in report.warnings


def test_an_account_is_found_by_the_address_that_it_had(server: Server) -> None:
    with server.changed() as store:
        store.create_entry(Entry("a-old", kinds.ACCOUNT, "old@example.com"))
        mail(store, "a-old", INBOX, 1)
    server.delete("a-old")
    with server.changed() as store:
        store.create_entry(Entry("a-old", kinds.ACCOUNT, "new@example.com"))
    report = server.new("old@example.com")
    assert "old@example.com had another address at that moment: new@example.com." in report.warnings
