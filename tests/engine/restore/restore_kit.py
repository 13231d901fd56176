# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mail server with everything in it, its backup, and a fresh server to restore to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.operations.report import RestoreReport
from ansible_collections.restante.carbonio.plugins.module_utils.restore.apply import Patience
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import LocalBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.external import external_restore
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import map_name, read_import
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.session import Sides
from ansible_collections.restante.carbonio.plugins.module_utils.restore.verify import VerifyReport, verify
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan

INBOX, CONTACTS, CALENDAR = "2", "7", "10"
DAY = 86_400_000
YEAR_2024 = 1_704_067_200_000
NO_WAIT = Patience(delays=(0, 0))


class World:
    """Server A with its Backup Path, and server B. Nothing is open while a restore runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        store = EmbeddedStore.create(str(path / "a"))
        store.set_redo_log(False)
        self.server_id = store.server_id()
        Repository.create(str(path / "backup-a"), self.server_id, pack_size=16 * 1024).close()
        store.close()
        self.new_destination()

    def new_destination(self, name: str = "b") -> None:
        """Make another destination, and go on with it."""
        self.destination = name
        store = EmbeddedStore.create(str(self.path / name))
        store.set_redo_log(False)
        store.close()

    @property
    def backup_path(self) -> Path:
        """The destination's Backup Path."""
        return self.path / f"backup-{self.destination}"

    @contextlib.contextmanager
    def a(self) -> Iterator[Any]:
        """Server A, and a scan when the work on it is done."""
        with contextlib.closing(EmbeddedStore.open(str(self.path / "a"))) as store:
            yield store
            with contextlib.closing(self.source()) as repository, repository.writer() as writer:
                smart_scan(store, writer)

    @contextlib.contextmanager
    def b(self) -> Iterator[Any]:
        """Server B."""
        with contextlib.closing(EmbeddedStore.open(str(self.path / self.destination))) as store:
            yield store

    def source(self) -> Repository:
        return Repository.open(str(self.path / "backup-a"), pack_size=16 * 1024)

    def sides(self, **replaced: Any) -> Sides:
        return Sides(
            self.source, lambda: EmbeddedStore.open(str(self.path / self.destination)), LocalBlobs,
            str(self.backup_path),
        )._replace(**replaced)

    def restore(self, sides: Sides | None = None, progress: Any = None, **options: Any) -> RestoreReport:
        extra = {} if progress is None else {"progress": progress}
        return external_restore(sides or self.sides(), ExternalOptions(**options), patience=NO_WAIT, **extra)

    def verify(self) -> VerifyReport:
        import_id, rows = read_import(str(self.backup_path / map_name(self.server_id)))
        with contextlib.closing(self.source()) as source, self.b() as store:
            return verify(source, store, import_id, ids={row.source_id: row.destination_id for row in rows})

    def picture(self) -> dict[str, Any]:
        """All that server B holds: entries, and items by account, with their ids."""
        with self.b() as store:
            entries = {
                (kind, entry.name): entry.to_json() for kind in kinds.ENTRY_KINDS for entry in store.entries(kind)
            }
            items = {
                account.name: {state.item_id: state.to_json() for state in store.changes(account.entry_id).items}
                for account in store.entries(kinds.ACCOUNT)
            }
        return {"entries": entries, "items": items}

    def items(self, address: str, kind: str) -> list[ItemState]:
        """The items of a kind in an account of server B, in the order in which they were written."""
        with self.b() as store:
            account = store.find_entry(kinds.ACCOUNT, address)
            found = [state for state in store.changes(account.entry_id).items if state.kind == kind]
        return sorted(found, key=lambda state: int(state.item_id))


def add(
    store: Any, account: str, kind: str, folder: str, name: str = "", blob: bytes | None = None, **fields: Any
) -> str:
    """Write an item; return its id."""
    state = ItemState("", kind, folder, name, date=YEAR_2024)._replace(**fields)
    written = store.write_items(account, [NewItem("", state, blob)])[0]
    assert not written.error, written.error
    return str(written.item_id)


def mail(store: Any, account: str, folder: str, number: int, **fields: Any) -> str:
    """Write a message, a day younger for each number."""
    content = b"Subject: %d\r\n\r\nto %s\r\n" % (number, account.encode()) + b"." * (number * 37 % 900)
    state: dict[str, Any] = {"date": YEAR_2024 + number * DAY, "flags": "u", **fields}
    return add(store, account, kinds.MESSAGE, folder, blob=content, **state)


def fill(store: Any) -> None:
    """Three accounts, one of them of the system, with items of every kind that refer to each other."""
    store.create_entry(Entry("c-1", kinds.COS, "staff", {"zimbraMailQuota": ("100000",)}))
    store.create_entry(Entry("c-2", kinds.COS, "unused"))
    store.create_entry(Entry("d-1", kinds.DOMAIN, "example.com", {
        "zimbraDomainDefaultCOSId": ("c-1",), "zimbraGalAccountId": ("a-galsync",), "description": ("main",),
    }))
    store.create_entry(Entry("d-2", kinds.DOMAIN, "example.org"))
    accounts = ("anna@example.com", "bruno@example.com", "galsync@example.com", "o'hara \"x\"@example.org")
    for address in accounts:
        local = address.partition("@")[0]
        store.create_entry(Entry(
            f"a-{local}", kinds.ACCOUNT, address,
            {"zimbraCOSId": ("c-1",), "displayName": (local,), "userPassword": ("{SSHA512}" + local,),
             "zimbraPrefDefaultCalendarId": (CALENDAR,)},
            aliases=(f"{local}.alias@example.com",),
            signatures=({"id": f"s-{local}", "name": "short", "type": "text/plain", "content": local},),
        ))
    store.create_entry(Entry(
        "l-1", kinds.DISTRIBUTION_LIST, "all@example.com", {"zimbraACE": ("a-anna usr sendToDistList",)},
        aliases=("everybody@example.com",), members=("anna@example.com", "bruno@example.com"),
    ))
    anna, bruno = "a-anna", "a-bruno"
    grants = [
        {"grantee_id": bruno, "grantee_type": "usr", "grantee_name": "bruno@example.com", "rights": "rw"},
        {"grantee_id": "l-1", "grantee_type": "grp", "grantee_name": "all@example.com", "rights": "r"},
    ]
    # So that no item keeps its id: the destination's mailboxes have not had this one.
    store.delete_items(anna, [add(store, anna, kinds.TAG, "", "gone")])
    sub = add(store, anna, kinds.FOLDER, INBOX, "work", attrs={"color": 5, "grants": grants}, flags="*")
    deep = add(store, anna, kinds.FOLDER, sub, "a/b \u00fc\n'")
    tag = add(store, anna, kinds.TAG, "", "urgent", attrs={"color": 4})
    for number in range(12):
        mail(store, anna, (INBOX, sub, deep)[number % 3], number, tags=(tag,) if number % 2 else ())
    card = add(store, anna, kinds.CONTACT, CONTACTS, blob=b"BEGIN:VCARD\r\nFN:C\r\nEND:VCARD\r\n")
    theirs = add(store, bruno, kinds.CONTACT, CONTACTS, blob=b"BEGIN:VCARD\r\nFN:D\r\nEND:VCARD\r\n")
    for name, members in (("own", [card]), ("shared", [card, f"{bruno}:{theirs}"])):
        add(store, anna, kinds.CONTACT_GROUP, CONTACTS, name, b"BEGIN:VCARD\r\nFN:G\r\nEND:VCARD\r\n", attrs={
            "members": [{"type": "contact", "value": value} for value in members]
            + [{"type": "email", "value": "x@example.net"}],
        })
    event = b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"
    add(store, anna, kinds.APPOINTMENT, CALENDAR, blob=event, attrs={"uid": "u-1"})
    add(store, anna, kinds.TASK, "15", blob=event + b"\r\n", attrs={"uid": "u-2"})
    add(store, anna, kinds.DOCUMENT, "16", "notes.txt", b"", attrs={"content_type": "text/plain"})
    add(store, anna, kinds.FILTER_SET, "", "incoming", b'require "fileinto"; fileinto "Inbox/work";')
    add(store, anna, kinds.DATA_SOURCE, "", "old", attrs={
        "type": "imap", "host": "imap.example.net", "username": "anna", "password": "secret", "folder": sub,
    })
    add(store, bruno, kinds.MOUNTPOINT, "1", "Anna's work", attrs={
        "owner_id": anna, "owner_name": "anna@example.com", "remote_id": sub, "remote_path": "/Inbox/work", "color": 2,
    })
    for number in range(5):
        mail(store, bruno, INBOX, number)
    mail(store, "a-galsync", INBOX, 1)
    mail(store, 'a-o\'hara "x"', INBOX, 1, flags="fr")
