# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verification is itself put to the test: a faithful copy passes, and every way of being unfaithful is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.restore.verify import verify

IMPORT = "import-1"
INBOX, CONTACTS = "2", "7"


class Recovery:
    """Two accounts with one item of each kind, their backup, and a copy of it on another server, made by hand."""

    def __init__(self, node: Any, path: Path) -> None:
        self.node = node
        self.fill()
        node.scan()
        # So that no id of the copy is the original's, its server has had accounts and items before.
        self.store: Any = EmbeddedStore.create(str(path / "recovered"))
        self.entries: dict[str, str] = {}
        self.items: dict[tuple[str, str], str] = {}
        self.copy()

    def add(
        self, account: str, kind: str, folder: str, name: str = "", blob: bytes | None = None, **fields: Any
    ) -> str:
        state = ItemState("", kind, folder, name, date=1_700_000_000_000)._replace(**fields)
        return str(self.node.store.write_items(account, [NewItem("", state, blob)])[0].item_id)

    def fill(self) -> None:
        store, add = self.node.store, self.add
        store.create_entry(Entry("c-1", kinds.COS, "staff", {"zimbraMailQuota": ("1000",)}))
        store.create_entry(Entry("c-2", kinds.COS, "unused"))
        for name in ("anna", "bruno"):
            store.create_entry(Entry(
                f"a-{name}", kinds.ACCOUNT, f"{name}@example.com",
                {"zimbraCOSId": ("c-1",), "displayName": (name,), "userPassword": ("{SSHA512}x",)},
                aliases=(f"{name}.alias@example.com",),
                signatures=({"id": "s-1", "name": "short", "type": "text/plain", "content": name},),
            ))
        store.create_entry(Entry("l-1", kinds.DISTRIBUTION_LIST, "all@example.com", members=("anna@example.com",)))
        grants = [{"grantee_id": "a-bruno", "grantee_type": "usr", "grantee_name": "bruno@example.com", "rights": "r"}]
        work = add("a-anna", kinds.FOLDER, INBOX, "work", attrs={"view": "message", "color": 3, "grants": grants})
        sub = add("a-anna", kinds.FOLDER, work, "a/b \u00fc")
        tag = add("a-anna", kinds.TAG, "", "urgent", attrs={"color": 5})
        add("a-anna", kinds.MESSAGE, work, blob=b"Subject: 1\r\n\r\n", flags="fu", tags=(tag,))
        add("a-anna", kinds.MESSAGE, sub, blob=b"Subject: 2\r\n\r\n")
        card = add("a-anna", kinds.CONTACT, CONTACTS, blob=b"BEGIN:VCARD\r\nFN:C\r\nEND:VCARD\r\n")
        other = add("a-bruno", kinds.CONTACT, CONTACTS, blob=b"BEGIN:VCARD\r\nFN:D\r\nEND:VCARD\r\n")
        members = [
            {"type": "contact", "value": card}, {"type": "contact", "value": f"a-bruno:{other}"},
            {"type": "email", "value": "x@example.org"},
        ]
        add("a-anna", kinds.CONTACT_GROUP, CONTACTS, "team", b"BEGIN:VCARD\r\nFN:team\r\nEND:VCARD\r\n",
            attrs={"members": members})
        add("a-anna", kinds.DOCUMENT, "16", "notes.txt", b"notes")
        add("a-anna", kinds.FILTER_SET, "", "incoming", b'require "fileinto";')
        add("a-anna", kinds.DATA_SOURCE, "", "old",
            attrs={"type": "imap", "host": "h", "folder": work, "password": "p"})
        add("a-bruno", kinds.MOUNTPOINT, "1", "work of Anna", attrs={
            "owner_id": "a-anna", "owner_name": "anna@example.com", "remote_id": work, "remote_path": "/Inbox/work",
        })

    def copy(self) -> None:
        """Restore everything, in the simplest way there is."""
        for kind in (kinds.DOMAIN, kinds.COS, kinds.DISTRIBUTION_LIST, kinds.ACCOUNT):
            for last in self.node.repository.entries(kind):
                entry = last.state
                self.entries[entry.entry_id] = f"new-{entry.entry_id}"
                attrs = {key: tuple(self.entries.get(value, value) for value in values)
                         for key, values in entry.attrs.items() if key != "zimbraId"}
                self.store.create_entry(entry._replace(entry_id=self.entries[entry.entry_id], attrs=attrs))
        for account in ("a-bruno", "a-anna"):
            for number in range(7 if account == "a-anna" else 0):
                self.written(account, "", ItemState("", kinds.FOLDER, "1", f"before {number}"), None, "")
        for kind in (*kinds.ITEM_KINDS[:-2], kinds.DATA_SOURCE, kinds.MOUNTPOINT):
            for account in ("a-bruno", "a-anna"):
                states = [last.state for last in self.node.repository.states(account, kinds=(kind,))]
                for state in sorted(states, key=lambda state: int(state.item_id)):
                    self.copy_item(account, state)

    def copy_item(self, account: str, state: ItemState) -> None:
        origin = state.item_id
        if int(origin) < 256:
            self.items[account, origin] = origin
            self.alter(self.store.item(self.entries[account], origin), account, date=state.date)
            return
        blob = self.node.repository.read_blob(state.digest) if state.digest else None
        new = state._replace(
            folder=self.items.get((account, state.folder), ""),
            tags=tuple(self.items[account, tag] for tag in state.tags),
            attrs=self.translated(account, dict(state.attrs)),
        )
        self.items[account, origin] = self.written(account, origin, new, blob, IMPORT)

    def written(self, account: str, origin: str, state: ItemState, blob: bytes | None, import_id: str) -> str:
        new = NewItem(origin, state, blob)
        return str(self.store.write_items(self.entries[account], [new], import_id)[0].item_id)

    def translated(self, account: str, attrs: dict[str, Any]) -> dict[str, Any]:
        if "remote_id" in attrs:
            attrs["remote_id"] = self.items[attrs["owner_id"], attrs["remote_id"]]
            attrs["owner_id"] = self.entries[attrs["owner_id"]]
        if "folder" in attrs:
            attrs["folder"] = self.items[account, attrs["folder"]]
        if "grants" in attrs:
            attrs["grants"] = [{**grant, "grantee_id": self.entries[grant["grantee_id"]]} for grant in attrs["grants"]]
        if "members" in attrs:
            attrs["members"] = [self.member(account, member) for member in attrs["members"]]
        return attrs

    def member(self, account: str, member: dict[str, str]) -> dict[str, str]:
        if member["type"] != "contact":
            return member
        owner, _unused, item = member["value"].rpartition(":")
        new = self.items[owner or account, item]
        return {**member, "value": f"{self.entries[owner]}:{new}" if owner else new}

    def find(self, kind: str, name: str = "", account: str = "a-anna") -> ItemState:
        """Return an item of the copy."""
        found = (state for state in self.store.changes(self.entries[account]).items if state.kind == kind)
        return next(state for state in found if name in ("", state.name) and int(state.item_id) >= 256)

    def alter(self, state: ItemState, account: str = "a-anna", blob: bytes | None = None, **fields: Any) -> None:
        self.store.update_item(self.entries[account], state._replace(**fields), blob)


@pytest.fixture
def recovery(node: Any, tmp_path: Path) -> Iterator[Recovery]:
    recovery = Recovery(node, tmp_path)
    yield recovery
    recovery.store.close()


def test_a_faithful_copy_passes(recovery: Recovery) -> None:
    report = verify(recovery.node.repository, recovery.store, IMPORT)
    assert report.differences == []
    assert report.passed
    assert report.verified[kinds.MESSAGE] == 2
    assert {*kinds.ITEM_KINDS} - {kinds.APPOINTMENT, kinds.TASK} <= set(report.verified)
    assert report.verified[kinds.COS] == 1, "a COS that no account uses is not restored (R-142)"
    assert report.foreign == {kinds.FOLDER: 7}


def test_named_accounts_are_compared_and_nothing_else(recovery: Recovery) -> None:
    report = verify(recovery.node.repository, recovery.store, IMPORT, accounts=["bruno@example.com"], directory=False)
    assert report.passed
    assert report.expected[kinds.ACCOUNT] == 1
    assert report.expected[kinds.DOMAIN] == report.expected[kinds.MESSAGE] == 0


def test_what_refers_to_an_account_that_was_not_to_be_restored_may_be_left_out(recovery: Recovery) -> None:
    domain = Entry("d-1", kinds.DOMAIN, "example.com", {"zimbraGalAccountId": ("a-galsync",), "zimbraACE": (
        "a-galsync usr viewGAL", "a-bruno usr viewGAL",
    )})
    recovery.node.account("galsync")
    recovery.node.store.update_entry(domain)
    recovery.node.scan()
    recovered = {"zimbraACE": (f"{recovery.entries['a-bruno']} usr viewGAL",)}
    recovery.store.update_entry(domain._replace(entry_id=recovery.entries["d-1"], attrs=recovered))
    names = ["anna@example.com", "a-bruno"]
    assert verify(recovery.node.repository, recovery.store, IMPORT, accounts=names).differences == []
    report = verify(recovery.node.repository, recovery.store, IMPORT)
    assert {difference.item_id for difference in report.differences} > {"galsync@example.com"}


def test_the_default_calendar_is_compared_by_its_path(recovery: Recovery) -> None:
    mine = recovery.add("a-anna", kinds.FOLDER, "10", "mine")
    attribute = {"zimbraPrefDefaultCalendarId": (mine,)}
    recovery.node.store.update_entry(Entry("a-anna", kinds.ACCOUNT, "anna@example.com", attribute))
    recovery.node.scan()
    recovery.copy_item("a-anna", recovery.node.store.item("a-anna", mine))
    copy = Entry(recovery.entries["a-anna"], kinds.ACCOUNT, "anna@example.com", {
        "zimbraPrefDefaultCalendarId": (recovery.items["a-anna", mine],)
    })
    recovery.store.update_entry(copy)
    assert verify(recovery.node.repository, recovery.store, IMPORT).passed
    recovery.store.update_entry(copy._replace(attrs=attribute))
    assert not verify(recovery.node.repository, recovery.store, IMPORT).passed


def test_a_folder_that_was_there_may_be_shared_with_more(recovery: Recovery) -> None:
    folder = recovery.find(kinds.FOLDER, "work")
    more = {"grantee_type": "pub", "grantee_id": "", "rights": "r"}
    recovery.alter(folder, attrs={**folder.attrs, "grants": [*folder.attrs["grants"], more]})
    assert verify(recovery.node.repository, recovery.store, IMPORT).passed


def grant(rights: str, grantee: str) -> dict[str, Any]:
    return {"grants": [{"grantee_id": grantee, "grantee_type": "usr", "rights": rights}]}


UNFAITHFUL: dict[str, tuple[str, str, Callable[[Recovery], None]]] = {
    "a flag": (kinds.MESSAGE, "flags", lambda it: it.alter(it.find(kinds.MESSAGE), flags="r")),
    "a date": (kinds.MESSAGE, "date", lambda it: it.alter(it.find(kinds.MESSAGE), date=5)),
    "a folder": (kinds.MESSAGE, "folder", lambda it: it.alter(it.find(kinds.MESSAGE), folder=INBOX)),
    "a tag": (kinds.MESSAGE, "tags", lambda it: it.alter(it.find(kinds.MESSAGE), tags=())),
    "a content": (kinds.DOCUMENT, "content", lambda it: it.alter(it.find(kinds.DOCUMENT), blob=b"nodes")),
    "a name": (kinds.DOCUMENT, "name", lambda it: it.alter(it.find(kinds.DOCUMENT), name="other.txt")),
    "a color": (kinds.TAG, "color", lambda it: it.alter(it.find(kinds.TAG), attrs={"color": 6})),
    "a grant's rights": (kinds.FOLDER, "grants", lambda it: it.alter(
        it.find(kinds.FOLDER, "work"), attrs={"view": "message", "color": 3, **grant("rw", it.entries["a-bruno"])})),
    "a grant to another": (kinds.FOLDER, "grants", lambda it: it.alter(
        it.find(kinds.FOLDER, "work"), attrs={"view": "message", "color": 3, **grant("r", it.entries["a-anna"])})),
    "a filter": (kinds.FILTER_SET, "content", lambda it: it.alter(it.find(kinds.FILTER_SET), blob=b"keep;")),
    "a missing message": (kinds.MESSAGE, "missing", lambda it: it.store.delete_items(
        it.entries["a-anna"], [it.find(kinds.MESSAGE).item_id])),
    "a mount of another folder": (kinds.MOUNTPOINT, "remote_id", lambda it: it.alter(
        it.find(kinds.MOUNTPOINT, account="a-bruno"), account="a-bruno",
        attrs={**it.find(kinds.MOUNTPOINT, account="a-bruno").attrs, "remote_id": INBOX})),
    "a data source into another folder": (kinds.DATA_SOURCE, "folder", lambda it: it.alter(
        it.find(kinds.DATA_SOURCE), attrs={**it.find(kinds.DATA_SOURCE).attrs, "folder": INBOX})),
    "a group with another member": (kinds.CONTACT_GROUP, "members", lambda it: it.alter(
        it.find(kinds.CONTACT_GROUP), attrs={"members": []})),
    "a password": (kinds.ACCOUNT, "userPassword", lambda it: it.store.update_entry(
        Entry(it.entries["a-anna"], kinds.ACCOUNT, "anna@example.com", {"userPassword": ("{SSHA512}y",)}))),
    "a class of service": (kinds.ACCOUNT, "zimbraCOSId", lambda it: it.store.update_entry(
        Entry(it.entries["a-anna"], kinds.ACCOUNT, "anna@example.com", {"zimbraCOSId": ("?",)}))),
    "a missing list": (kinds.DISTRIBUTION_LIST, "missing", lambda it: it.store.delete_entry(
        kinds.DISTRIBUTION_LIST, it.entries["l-1"])),
}


@pytest.mark.parametrize("way", UNFAITHFUL)
def test_an_unfaithful_copy_is_named(recovery: Recovery, way: str) -> None:
    kind, field, spoil = UNFAITHFUL[way]
    spoil(recovery)
    report = verify(recovery.node.repository, recovery.store, IMPORT)
    assert not report.passed
    assert {difference.kind for difference in report.differences} == {kind}
    assert field in {difference.field for difference in report.differences}
    assert report.missing[kind] + report.different[kind] == 1
    assert sum(report.expected.values()) == sum(report.verified.values()) + 1


def test_a_content_that_cannot_be_read_is_a_difference(recovery: Recovery, between: Any) -> None:
    broken = recovery.find(kinds.MESSAGE).item_id

    def read_blob(account_id: str, item_id: str) -> bytes:
        if item_id == broken:
            raise Damaged("altered on disk")
        return bytes(recovery.store.read_blob(account_id, item_id))

    report = verify(recovery.node.repository, between(recovery.store, read_blob=read_blob), IMPORT)
    assert [(difference.field, difference.found) for difference in report.differences] == [
        ("content", "(unreadable: altered on disk)"),
    ]


def test_bytes_that_are_not_what_the_server_says_are_found_out(recovery: Recovery, between: Any) -> None:
    report = verify(
        recovery.node.repository, between(recovery.store, read_blob=lambda account_id, item_id: b"x"), IMPORT
    )
    assert {difference.field for difference in report.differences} == {"content"}
    assert report.different[kinds.MESSAGE] == 2


def test_an_item_written_twice_is_named(recovery: Recovery, between: Any) -> None:
    account = recovery.entries["a-anna"]
    real = list(recovery.store.imported(account, IMPORT))
    origin, item = next(pair for pair in real if pair[1] == recovery.find(kinds.MESSAGE).item_id)
    copy = recovery.store.write_items(
        account, [NewItem("", recovery.store.item(account, item), recovery.store.read_blob(account, item))]
    )[0].item_id

    def imported(account_id: str, import_id: str) -> Iterator[tuple[str, str]]:
        yield from recovery.store.imported(account_id, import_id)
        if account_id == account:
            yield origin, copy

    report = verify(recovery.node.repository, between(recovery.store, imported=imported), IMPORT)
    assert [difference.field for difference in report.differences] == ["twice"]
    assert verify(recovery.node.repository, recovery.store, IMPORT).foreign[kinds.MESSAGE] == 1


def test_two_items_with_one_copy_are_named(recovery: Recovery, between: Any) -> None:
    message = recovery.find(kinds.MESSAGE).item_id
    messages = {item.item_id for item in recovery.store.changes(recovery.entries["a-anna"]).items
                if item.kind == kinds.MESSAGE}

    def imported(account_id: str, import_id: str) -> Iterator[tuple[str, str]]:
        for origin, item in recovery.store.imported(account_id, import_id):
            yield origin, message if item in messages else item

    report = verify(recovery.node.repository, between(recovery.store, imported=imported), IMPORT)
    assert "copy" in {difference.field for difference in report.differences}
    assert report.verified[kinds.MESSAGE] == 1


def test_a_missing_account_is_missing_with_all_it_had(recovery: Recovery) -> None:
    recovery.store.delete_entry(kinds.ACCOUNT, recovery.entries["a-anna"])
    report = verify(recovery.node.repository, recovery.store, IMPORT)
    assert (report.missing[kinds.ACCOUNT], report.missing[kinds.MESSAGE]) == (1, 2)
    assert not report.passed


def test_an_earlier_state_can_be_compared(recovery: Recovery) -> None:
    at = recovery.node.repository.span()[1]
    ids = [state.item_id for state in recovery.node.store.changes("a-anna").items if state.kind == kinds.MESSAGE]
    recovery.node.store.delete_items("a-anna", ids)
    recovery.node.scan()
    assert verify(recovery.node.repository, recovery.store, IMPORT, at=at).passed
    assert verify(recovery.node.repository, recovery.store, IMPORT).foreign[kinds.MESSAGE] == 2
