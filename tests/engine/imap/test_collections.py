# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Address books and calendars beside mail: a Dovecot and a Radicale that others use too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.dav import DavAccount
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.mirror import Mirror
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem, Written
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotFound, Refused, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState

from tests.conformance.imap_servers import WithDav, with_dav
from tests.servers import dovecot
from tests.servers import radicale as radicale_server
from tests.servers.needed import needed

ADDRESS = "anna@example.com"


def card(name: str, more: str = "") -> bytes:
    """Return a vCard as Radicale writes it."""
    return f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{name}\r\nFN:{name}\r\nN:{name};;;;\r\n{more}END:VCARD\r\n".encode()


def event(uid: str, component: str = "VEVENT") -> bytes:
    """Return an appointment or a task."""
    return (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:{component}\r\nUID:{uid}\r\n"
        "DTSTART:20260102T120000Z\r\nDTSTAMP:20260101T120000Z\r\nSUMMARY:Lunch\r\n"
        f"END:{component}\r\nEND:VCALENDAR\r\n"
    ).encode()


class Anna:
    """An account, as the engine sees it and as another client does."""

    def __init__(self, server: WithDav, path: Path) -> None:
        self.settings = server.settings()
        self.path = path
        self.store: ImapStore = ImapStore(str(path), self.settings)
        self.other = DavAccount(self.settings, ADDRESS)
        [(self.account, _token)] = self.store.tokens()

    def close(self) -> None:
        """Remove all, and end the connections."""
        self.store.changes(self.account)
        self.store.delete_items(self.account, [
            folder.item_id for folder in self.store.folders(self.account) if int(folder.item_id) >= 256
        ])
        self.store.close()
        self.other.close()

    def folders(self) -> dict[str, ItemState]:
        """Return the folders that are not the system's, by name."""
        return {one.name: one for one in self.store.folders(self.account) if int(one.item_id) >= 256}

    def write(self, kind: str, folder: str, blob: bytes | None = None, import_id: str = "", **fields: Any) -> Written:
        """Write one item."""
        state = ItemState("", kind, folder)._replace(**fields)
        written, = self.store.write_items(self.account, [NewItem("origin", state, blob)], import_id)
        return written

    def folder(self, name: str, view: str, **attrs: Any) -> str:
        """Make a folder; return its id."""
        written = self.write(kinds.FOLDER, "1", name=name, attrs={"view": view, **attrs})
        assert not written.error
        return written.item_id

    def since(self, token: str) -> tuple[dict[str, ItemState], list[str]]:
        """Return what has changed and what is gone since a token."""
        changes = self.store.changes(self.account, token)
        assert not changes.full
        return {one.item_id: one for one in changes.items}, list(changes.deleted)

    def token(self) -> str:
        """Return the present token."""
        return self.store.changes(self.account).token


@pytest.fixture(scope="module")
def server() -> Iterator[WithDav]:
    needed("Dovecot", dovecot.missing())
    needed("Radicale", radicale_server.missing())
    with with_dav() as server:
        server.add_account(ADDRESS)
        yield server


@pytest.fixture
def anna(server: WithDav, tmp_path: Path) -> Iterator[Anna]:
    anna = Anna(server, tmp_path / "mirror")
    yield anna
    anna.close()


# -- what others do ----------------------------------------------------------------------------------------------------

def test_what_another_client_does_is_told(anna: Anna) -> None:
    token = anna.token()
    book = anna.other.create_collection("Friends", kinds.CONTACT)
    one, two = f"{book.href}one.vcf", f"{book.href}two.vcf"
    anna.other.put_new(one, card("Anna"), kinds.CONTACT)
    anna.other.put_new(two, card("All", "X-ADDRESSBOOKSERVER-KIND:group\r\n"), kinds.CONTACT_GROUP)
    items, gone = anna.since(token)
    folder = anna.folders()["Friends"]
    assert (folder.folder, folder.attrs, gone) == ("1", {"view": "contact"}, [])
    assert sorted((item.kind, item.folder) for item in items.values()) == [
        ("contact", folder.item_id), ("contact_group", folder.item_id), ("folder", "1")
    ]
    [person] = [item for item in items.values() if item.kind == kinds.CONTACT]
    assert anna.store.read_blob(anna.account, person.item_id) == card("Anna")
    assert person.size == len(card("Anna"))

    token = anna.token()
    anna.other.put(one, card("Anna", "NOTE:new\r\n"), kinds.CONTACT)
    items, gone = anna.since(token)
    assert (list(items), gone) == ([person.item_id], [])
    assert items[person.item_id].digest != person.digest

    token = anna.token()
    anna.other.delete(one)
    assert anna.since(token) == ({}, [person.item_id])
    with pytest.raises(NotFound):
        anna.store.read_blob(anna.account, person.item_id)

    token = anna.token()
    anna.other.rename_collection(book.href, "Enemies")
    items, gone = anna.since(token)
    assert ([item.name for item in items.values()], gone) == (["Enemies"], [])

    token = anna.token()
    anna.other.delete_collection(book.href)
    items, gone = anna.since(token)
    assert (items, len(gone), folder.item_id in gone) == ({}, 2, True)


def test_nothing_is_told_or_read_again_where_nothing_has_changed(anna: Anna, monkeypatch: pytest.MonkeyPatch) -> None:
    calendar = anna.folder("Work", kinds.APPOINTMENT, color="#12AB9F")
    assert anna.folders()["Work"].attrs == {"view": "appointment", "color": "#12ab9f"}
    anna.write(kinds.APPOINTMENT, calendar, event("one"))
    token = anna.token()
    monkeypatch.setattr(DavAccount, "read", None)
    assert anna.since(token) == ({}, [])
    assert anna.store.changes(anna.account, token).token == token
    again = anna.store.changes(anna.account)  # looks at all of it
    assert (again.token, sum(one.kind == kinds.APPOINTMENT for one in again.items)) == (token, 1)


def test_what_is_gone_when_it_is_read_costs_no_other(anna: Anna) -> None:
    book = anna.folder("Friends", kinds.CONTACT)
    items = [anna.write(kinds.CONTACT, book, card(name)).item_id for name in ("Anna", "Berta", "Carla")]
    [collection] = anna.other.collections()
    [gone] = [href for href, _etag, content in anna.other.read(  # type: ignore[misc]
        [one.href for one in anna.other.resources(collection.href)]
    ) if b"Berta" in content]
    anna.other.delete(gone)
    first, second, third = anna.store.read_blobs(anna.account, items)
    assert (first, third) == (card("Anna"), card("Carla"))
    assert isinstance(second, NotFound)


def test_another_mirror_gives_the_same_ids(anna: Anna, tmp_path: Path) -> None:
    calendar = anna.folder("Work", kinds.APPOINTMENT)
    item = anna.write(kinds.APPOINTMENT, calendar, event("one")).item_id
    other = ImapStore(str(tmp_path / "other"), anna.settings)
    assert {calendar, item} <= {one.item_id for one in other.changes(anna.account).items}
    other.close()


def test_what_comes_again_at_its_place_is_there(anna: Anna) -> None:
    first = anna.token()
    for name in ("Once", "Twice"):
        book = anna.other.create_collection("Book", kinds.CONTACT)
        anna.other.put_new(f"{book.href}one.vcf", card(name), kinds.CONTACT)
        items, gone = anna.since(first)
        assert (sorted(item.kind for item in items.values()), gone) == (["contact", "folder"], [])
        second = anna.token()
        anna.other.delete_collection(book.href)
        assert sorted(anna.since(second)[1]) == sorted(items)


def test_a_home_that_is_gone_is_not_taken_for_deleted(anna: Anna, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: DavAccount, _before: object) -> None:
        raise NotFound("There is no such home.")

    anna.folder("Friends", kinds.CONTACT)
    token = anna.token()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(DavAccount, "collections", gone)
        [reason] = anna.store.changes(anna.account, token).unseen
        assert "were there before" in reason
    assert anna.since(token) == ({}, [])


# -- names -------------------------------------------------------------------------------------------------------------

def test_collections_of_one_name_are_two_folders(anna: Anna) -> None:
    for view in (kinds.CONTACT, kinds.CONTACT, kinds.TASK):
        anna.other.create_collection("Twin", view)
    assert sorted(anna.folders()) == ["Twin", "Twin (contacts)", "Twin (tasks)"]


def test_a_mail_folder_keeps_its_name_and_a_collection_of_that_name_makes_way(anna: Anna) -> None:
    anna.other.create_collection("Inbox", kinds.CONTACT)
    anna.other.create_collection("Later", kinds.APPOINTMENT)
    assert sorted(anna.folders()) == ["Inbox (contacts)", "Later"]
    calendar = anna.folders()["Later"]
    token = anna.token()
    elsewhere = ImapStore(str(anna.path.with_name("elsewhere")), anna.settings)
    opened = elsewhere._open(anna.account)
    opened.session.create(b"Later")  # by a client of mail
    elsewhere.close()
    items, gone = anna.since(token)
    assert (sorted(item.name for item in items.values()), gone) == (["Later", "Later (calendar)"], [])
    assert items[calendar.item_id].name == "Later (calendar)"
    for view in (kinds.MESSAGE, kinds.TASK):
        refused = anna.write(kinds.FOLDER, "1", name="Later", attrs={"view": view})
        assert "There is a folder named 'Later'" in refused.error


def test_a_calendar_is_renamed_and_colored_and_moves_nowhere(anna: Anna) -> None:
    item = anna.folder("Work", kinds.APPOINTMENT)
    state = anna.folders()["Work"]._replace(name="Fun", attrs={"color": "#00ff00"})
    anna.store.update_item(anna.account, state)
    assert anna.folders()["Fun"] == ItemState(
        item, kinds.FOLDER, "1", "Fun", attrs={"view": "appointment", "color": "#00ff00"}
    )
    with pytest.raises(Refused, match="lie in no other folder"):
        anna.store.update_item(anna.account, state._replace(folder="2"))


# -- writing -----------------------------------------------------------------------------------------------------------

def test_what_is_written_says_what_is_lost(anna: Anna) -> None:
    calendar = anna.folder("Work", kinds.APPOINTMENT)
    invitation = event("one").replace(b"VERSION:2.0\r\n", b"VERSION:2.0\r\nMETHOD:REQUEST\r\n")
    written = anna.write(kinds.APPOINTMENT, calendar, invitation, flags="u", date=5000, attrs={"uid": "one", "x": 1})
    assert set(written.lost) >= {"flag u", "date", "attribute x"} and "attribute uid" not in written.lost
    assert not {"rewritten by the server", "altered so that the server takes it"}.isdisjoint(written.lost)
    assert b"METHOD" not in anna.store.read_blob(anna.account, written.item_id)
    assert anna.store.held_blob(kinds.APPOINTMENT, invitation) == event("one")


def test_what_the_server_refuses_is_refused_in_its_words_and_stops_no_other(anna: Anna) -> None:
    calendar = anna.folder("Work", kinds.APPOINTMENT)
    state = ItemState("", kinds.APPOINTMENT, calendar)
    broken = event("broken").replace(b"DTSTART:20260102T120000Z", b"DTSTART:no time")
    first, bad, twin, last = anna.store.write_items(anna.account, [
        NewItem("1", state, event("one")), NewItem("2", state, broken), NewItem("3", state, event("one")),
        NewItem("4", state, event("four")),
    ], "import")
    assert not first.error and not last.error
    assert "it answers 4" in bad.error
    assert "takes a UID once" in twin.error
    assert [origin for origin, _item in anna.store.imported(anna.account, "import")] == ["1", "4"]


@pytest.mark.parametrize("kind", [kinds.CONTACT, kinds.CONTACT_GROUP, kinds.APPOINTMENT, kinds.TASK])
def test_what_is_no_mail_is_refused_by_a_folder_for_mail(anna: Anna, kind: str) -> None:
    assert anna.write(kind, "2", card("Anna")).error == (
        f"Its folder is for other items on this mail server, which keeps no {kind} there."
    )


def test_a_contact_is_refused_by_a_calendar_and_an_appointment_by_an_address_book(anna: Anna) -> None:
    calendar, book = anna.folder("Work", kinds.APPOINTMENT), anna.folder("Friends", kinds.CONTACT)
    assert "keeps no contact there" in anna.write(kinds.CONTACT, calendar, card("Anna")).error
    item = anna.write(kinds.TASK, calendar, event("one", "VTODO")).item_id
    state = anna.store.item(anna.account, item)
    assert state is not None
    with pytest.raises(Refused, match="keeps no task there"):
        anna.store.update_item(anna.account, state._replace(folder=book))
    assert anna.store.item(anna.account, item) == state


def test_mail_is_refused_by_a_calendar(anna: Anna) -> None:
    calendar = anna.folder("Work", kinds.APPOINTMENT)
    assert "keeps no mail in this folder" in anna.write(kinds.MESSAGE, calendar, b"Subject: x\r\n\r\nx\r\n").error
    assert "has no folders for mail" in anna.write(kinds.FOLDER, calendar, name="inside").error


def test_a_calendar_below_another_folder_is_made_below_the_root(anna: Anna) -> None:
    written = anna.write(kinds.FOLDER, anna.folder("Work", kinds.APPOINTMENT), name="Inner", attrs={"view": "task"})
    assert written.lost == ("the folder that it was in",)
    assert anna.folders()["Inner"].folder == "1"


# -- after a crash -----------------------------------------------------------------------------------------------------

def test_what_was_put_and_not_recorded_is_known_again(anna: Anna, monkeypatch: pytest.MonkeyPatch) -> None:
    book = anna.folder("Friends", kinds.CONTACT)
    batch = [NewItem(name, ItemState("", kinds.CONTACT, book), card(name)) for name in ("Anna", "Berta", "Carla")]
    with monkeypatch.context() as crash:
        crash.setattr(Mirror, "settle", None)
        with pytest.raises(TypeError):
            anna.store.write_items(anna.account, batch[:2], "import")
    assert list(anna.store.imported(anna.account, "import")) == []
    written = anna.store.write_items(anna.account, batch, "import")
    assert [(one.existed, one.error) for one in written] == [(True, ""), (True, ""), (False, "")]
    [collection] = anna.other.collections()
    assert len(anna.other.resources(collection.href)) == 3
    assert [anna.store.read_blob(anna.account, one.item_id) for one in written] == [new.blob for new in batch]
    assert len(list(anna.store.imported(anna.account, "import"))) == 3


def test_what_was_put_before_the_server_went_away_is_known_again(
    anna: Anna, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = anna.folder("Friends", kinds.CONTACT)
    put = DavAccount.put_new

    def lost(self: DavAccount, href: str, content: bytes, kind: str) -> str:
        put(self, href, content, kind)
        raise Unavailable("The server does not answer.")

    batch = [NewItem(name, ItemState("", kinds.CONTACT, book), card(name)) for name in ("Anna", "Berta")]
    with monkeypatch.context() as crash:
        crash.setattr(DavAccount, "put_new", lost)
        with pytest.raises(Unavailable):
            for _unused in range(2):  # it is tried once more by itself
                anna.store.write_items(anna.account, batch, "import")
    written = anna.store.write_items(anna.account, batch, "import")
    assert [(one.existed, one.error) for one in written] == [(True, ""), (True, "")]
    [collection] = anna.other.collections()
    assert len(anna.other.resources(collection.href)) == 2


def test_a_collection_that_was_made_and_not_recorded_is_known_again(
    anna: Anna, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = NewItem("7", ItemState("", kinds.FOLDER, "1", "Work", attrs={"view": kinds.APPOINTMENT}))
    with monkeypatch.context() as crash:
        crash.setattr(Mirror, "settle", None)
        with pytest.raises(TypeError):
            anna.store.write_items(anna.account, [new], "import")
    written, = anna.store.write_items(anna.account, [new], "import")
    assert (written.existed, written.item_id) == (True, anna.folders()["Work"].item_id)
    assert len(anna.other.collections()) == 1


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("seen", [False, True])
def test_a_move_that_was_cut_off_is_made_to_its_end(
    anna: Anna, monkeypatch: pytest.MonkeyPatch, moved: bool, seen: bool
) -> None:
    first, second = anna.folder("First", kinds.APPOINTMENT), anna.folder("Another", kinds.APPOINTMENT)
    item = anna.write(kinds.APPOINTMENT, first, event("one")).item_id
    state = anna.store.item(anna.account, item)
    assert state is not None
    token = anna.token()
    move = DavAccount.move

    def cut_off(self: DavAccount, href: str, to: str) -> None:
        if moved:
            move(self, href, to)
        raise MemoryError

    with monkeypatch.context() as crash:
        crash.setattr(DavAccount, "move", cut_off)
        with pytest.raises(MemoryError):
            anna.store.update_item(anna.account, state._replace(folder=second))
    if seen:
        items, gone = anna.since(token)
        assert (list(items), gone) == ([item] if moved else [], [])
    anna.store.update_item(anna.account, state._replace(folder=second))
    found = [one for one in anna.store.changes(anna.account).items if one.kind == kinds.APPOINTMENT]
    assert [(one.item_id, one.folder) for one in found] == [(item, second)]
    assert anna.store.read_blob(anna.account, item) == event("one")
    items, gone = anna.since(token)
    assert (list(items), gone) == ([item], [])


def test_a_move_that_the_server_refuses_changes_nothing(anna: Anna) -> None:
    first, second = anna.folder("First", kinds.APPOINTMENT), anna.folder("Another", kinds.APPOINTMENT)
    item, _twin = (anna.write(kinds.APPOINTMENT, folder, event("one")).item_id for folder in (first, second))
    state = anna.store.item(anna.account, item)
    assert state is not None
    token = anna.token()
    with pytest.raises(Refused):
        anna.store.update_item(anna.account, state._replace(folder=second))
    assert (anna.since(token), anna.store.item(anna.account, item)) == (({}, []), state)
