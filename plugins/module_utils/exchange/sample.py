# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sample mail server for drills and tests: filled from a seed or from a folder of real mail, then used."""

from __future__ import annotations

import base64
import hashlib
import random
import uuid
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from typing import Any, Final

from ..mailstore.port import MailStore, NewItem, Written
from ..model import kinds
from ..model.errors import Refused
from ..model.state import Entry, ItemState
from . import compose
from .importer import import_path

DOMAINS: Final = ("harbour.example", "orchard.example", "mühle.example")
ACCOUNTS: Final = (
    "ann@harbour.example", "bob@harbour.example", "carla.o'neil@harbour.example", "dai@orchard.example",
    "émile@orchard.example", "fatima@orchard.example", "günther@mühle.example", "hana+lists@mühle.example",
)
SYSTEM_ACCOUNT: Final = "galsync.k3x9@harbour.example"
MESSAGES: Final = 2200
_FIRST_DATE: Final = 1_690_000_000_000
_BATCH_BYTES: Final = 8 * 1024 * 1024
_INBOX, _TRASH, _SENT, _CONTACTS, _CALENDAR, _TASKS, _BRIEFCASE, _ROOT = "2", "3", "5", "7", "10", "15", "16", "1"
_FLAGS: Final = ("", "u", "r", "fu", "w", "f", "au", "rs")


def fill(store: MailStore, seed: int = 1, messages: int = MESSAGES) -> dict[str, int]:
    """Fill an empty mail store with a whole small infrastructure.

    :param seed: the same seed gives the same mail. :param messages: how many, the large ones not counted.
    :return: how many items of each kind there are now, by kind.
    """
    chance = random.Random(seed)
    accounts = provision(store, chance)
    ids = {entry.name: entry.entry_id for entry in accounts}
    counts: dict[str, int] = {}
    for number, entry in enumerate(accounts):
        mailbox = _Mailbox(store, entry, chance, counts)
        mailbox.furnish(number)
        mailbox.mail(messages // len(accounts) + (number < messages % len(accounts)))
    first = _Mailbox(store, accounts[0], chance, counts)
    for size in (compose.LARGE, 5_000_000, 1_200_000):
        first.add(kinds.MESSAGE, _INBOX, compose.large_message(chance, ACCOUNTS[1], ACCOUNTS[0], size))
    share(store, ids)
    return counts


def fill_from_folder(store: MailStore, folder: str, seed: int = 1) -> dict[str, int]:
    """Fill an empty mail store with the same infrastructure, and the mail, cards and calendars in a folder.

    :raises Refused: nothing in the folder could be imported.
    """
    counts = fill(store, seed, messages=80)
    account = next(entry for entry in store.entries(kinds.ACCOUNT) if entry.name == ACCOUNTS[0])
    report = import_path(store, account.entry_id, folder, "Imported")
    if not report.changed:
        raise Refused(f"Nothing in {folder} could be imported; the first problem: {report.problems[0].reason}")
    for kind, count in report.imported.items():
        counts[kind] = counts.get(kind, 0) + count
    return counts


def provision(store: MailStore, chance: random.Random) -> list[Entry]:
    """Create domains, classes of service, lists and accounts; return the accounts."""
    coses = [
        store.create_entry(Entry(_uuid(chance), kinds.COS, name, {"zimbraMailQuota": (str(quota),)}))
        for name, quota in (("staff", 10**10), ("students", 2 * 10**9), ("unused", 1))
    ]
    for name in DOMAINS:
        attrs = {"zimbraDomainDefaultCOSId": (coses[0].entry_id,), "zimbraGalMaxResults": ("100",)}
        store.create_entry(Entry(_uuid(chance), kinds.DOMAIN, name, attrs))
    accounts = []
    for number, name in enumerate((*ACCOUNTS, SYSTEM_ACCOUNT)):
        local, _at, domain = name.partition("@")
        system = name == SYSTEM_ACCOUNT
        attrs = {
            "displayName": (f"{local.title()} of {domain}",),
            "userPassword": (_password_hash(f"secret {number}"),),
            "zimbraCOSId": (coses[number % 2].entry_id,),
            "zimbraPrefLocale": ("en",),
            "zimbraMailQuota": ("0",),
            **({"zimbraIsSystemAccount": ("TRUE",)} if system else {}),
            **({"zimbraHideInGal": ("TRUE",)} if system else {}),
        }
        signature = {
            "id": _uuid(chance), "name": "Default", "type": "text/html",
            "content": f"<p>– {local}, \u201c{domain}\u201d</p>",
        }
        entry = Entry(
            _uuid(chance), kinds.ACCOUNT, name, attrs, aliases=() if system else (f"{local}.alias@{domain}",),
            signatures=() if system else (signature,),
        )
        accounts.append(store.create_entry(entry))
    members = tuple(entry.name for entry in accounts[:4])
    store.create_entry(Entry(_uuid(chance), kinds.DISTRIBUTION_LIST, "crew@harbour.example", {}, (), members))
    attrs = {"displayName": ("Everyone \u201chere\u201d",), "zimbraHideInGal": ("TRUE",)}
    lists = ("crew@harbour.example", "outside@elsewhere.example")
    aliases = ("everyone@orchard.example",)
    store.create_entry(Entry(_uuid(chance), kinds.DISTRIBUTION_LIST, "all@orchard.example", attrs, aliases, lists))
    return accounts


def share(store: MailStore, ids: dict[str, str]) -> None:
    """Let each account share a folder with the next one, which mounts it."""
    for owner, other in zip(ACCOUNTS, ACCOUNTS[1:]):
        folder = _folder(store, ids[owner], "Projects")
        grant = {"grantee_type": "usr", "grantee_id": ids[other], "grantee_name": other, "rights": "rwidx"}
        public = {"grantee_type": "pub", "grantee_id": "", "grantee_name": "", "rights": "r"}
        store.update_item(ids[owner], folder._replace(attrs={**folder.attrs, "grants": [grant, public]}))
        attrs = {
            "owner_id": ids[owner], "owner_name": owner, "remote_id": folder.item_id, "remote_path": "/Projects",
            "view": "message", "color": 3,
        }
        state = ItemState("", kinds.MOUNTPOINT, _ROOT, f"Projects of {owner.partition('@')[0]}", attrs=attrs)
        _id_of(store.write_items(ids[other], [NewItem("mountpoint", state)])[0])


def churn(store: MailStore, seed: int, steps: int) -> None:
    """Use a filled mail store for a while: new mail, moves, flags, tags, deletions."""
    chance = random.Random(seed)
    accounts = [entry for entry in store.entries(kinds.ACCOUNT) if entry.name != SYSTEM_ACCOUNT]
    for step in range(steps):
        entry = chance.choice(accounts)
        items = [item for item in store.changes(entry.entry_id).items if item.kind == kinds.MESSAGE]
        action = chance.choice(("deliver", "move", "flag", "tag", "trash", "delete"))
        if action == "deliver" or not items:
            _Mailbox(store, entry, chance, {}).mail(chance.randint(1, 3), first=seed * 1000 + step * 10)
            continue
        item = chance.choice(items)
        if action == "delete":
            store.delete_items(entry.entry_id, [item.item_id])
        elif action == "tag":
            tags = [tag.item_id for tag in store.changes(entry.entry_id).items if tag.kind == kinds.TAG]
            store.update_item(entry.entry_id, item._replace(tags=tuple(sorted(chance.sample(tags, min(2, len(tags)))))))
        elif action == "flag":
            store.update_item(entry.entry_id, item._replace(flags=chance.choice(_FLAGS)))
        else:
            target = _TRASH if action == "trash" else chance.choice(_mail_folders(store, entry.entry_id))
            store.update_item(entry.entry_id, item._replace(folder=target))


class _Mailbox:
    """One mailbox that is being filled."""

    def __init__(self, store: MailStore, entry: Entry, chance: random.Random, counts: dict[str, int]) -> None:
        self._store = store
        self._entry = entry
        self._chance = chance
        self._counts = counts

    def add(self, kind: str, folder: str, blob: bytes | None, name: str = "", **fields: Any) -> str:
        """Add one item; return its id."""
        return self.add_all([_new(kind, folder, blob, name, **fields)])[0]

    def add_all(self, batch: Sequence[NewItem]) -> list[str]:
        """Add items; return their ids."""
        for new in batch:
            self._counts[new.state.kind] = self._counts.get(new.state.kind, 0) + 1
        return [_id_of(written) for written in self._store.write_items(self._entry.entry_id, batch)]

    def furnish(self, number: int) -> None:
        """Add folders, tags, cards, appointments, tasks, documents, a filter set and a data source."""
        view = {"view": "message"}
        parent = _ROOT
        for name in ("Projects", "2026", 'A "quoted" name', "Überraschung", "深い"):
            parent = self.add(kinds.FOLDER, parent, None, name, attrs={**view, "color": number % 8})
        self.add(kinds.FOLDER, _INBOX, None, "Lists\\harbour", attrs=view)
        cards = self.add_all([_new(kinds.CONTACT, _CONTACTS, compose.card(n, "Lantern")) for n in range(6)])
        members = [{"type": "contact", "value": card} for card in cards[:3]]
        members.append({"type": "email", "value": "outside@elsewhere.example"})
        group = compose.group(number, [member["value"] for member in members])
        document = self._chance.randbytes(3000 + number)
        source = {
            "type": "imap", "host": "imap.elsewhere.example", "port": 993, "username": self._entry.name,
            "password": "not a secret", "folder": _INBOX, "enabled": False,
        }
        self.add_all([
            *(_new(kinds.TAG, "", None, name, attrs={"color": 1 + number % 7})
              for name in ("urgent", "später", f"tag {number}")),
            _new(kinds.CONTACT_GROUP, _CONTACTS, group, attrs={"members": members}),
            *(_event(kinds.APPOINTMENT, _CALENDAR, "VEVENT", f"{number}-{day}@sample.example", day)
              for day in range(8)),
            _event(kinds.TASK, _TASKS, "VTODO", f"task-{number}@sample.example", number),
            _new(kinds.DOCUMENT, _BRIEFCASE, document, "plan/änderung.bin", attrs={"content_type": "application/pdf"}),
            _new(kinds.FILTER_SET, "", compose.script("Inbox/Lists\\harbour"), "incoming"),
            _new(kinds.DATA_SOURCE, "", None, f"elsewhere {number}", attrs=source),
        ])

    def mail(self, count: int, first: int = 0) -> None:
        """Add messages to the mail folders."""
        account = self._entry.entry_id
        folders = _mail_folders(self._store, account)
        tags = [item.item_id for item in self._store.changes(account).items if item.kind == kinds.TAG]
        batch: list[NewItem] = []
        size = 0
        for new in self._messages(range(first, first + count), [*folders, _TRASH, _INBOX, _INBOX], tags):
            batch.append(new)
            size += len(new.blob or b"")
            if size > _BATCH_BYTES or len(batch) == 256:
                self._write(batch)
                batch, size = [], 0
        self._write(batch)

    def _messages(self, numbers: Sequence[int], folders: Sequence[str], tags: Sequence[str]) -> Iterator[NewItem]:
        chance = self._chance
        for number in numbers:
            date = _FIRST_DATE + number * 3_600_000 + chance.randrange(3_600_000)
            sender, recipient = chance.choice(ACCOUNTS), self._entry.name
            text = compose.message(
                chance, number, f"sender{number}@elsewhere.example", "someone@harbour.example", formatdate(date // 1000)
            )
            state = ItemState(
                "", kinds.MESSAGE, chance.choice(folders), flags=chance.choice(_FLAGS),
                tags=tuple(sorted(chance.sample(tags, number % 3 if tags else 0))), date=date,
                attrs={"subject": f"{sender} to {recipient}"},
            )
            yield NewItem(str(number), state, text)

    def _write(self, batch: list[NewItem]) -> None:
        if batch:
            self.add_all(batch)


def _mail_folders(store: MailStore, account: str) -> list[str]:
    folders = store.folders(account)
    return [item.item_id for item in folders if item.kind == kinds.FOLDER and item.attrs.get("view") == "message"]


def _new(kind: str, folder: str, blob: bytes | None, name: str = "", **fields: Any) -> NewItem:
    return NewItem("sample", ItemState("", kind, folder, name, date=_FIRST_DATE, **fields), blob)


def _event(kind: str, folder: str, component: str, uid: str, day: int) -> NewItem:
    return _new(kind, folder, compose.calendar(component, uid, compose.SUMMARY, day), attrs={"uid": uid})


def _id_of(written: Written) -> str:
    if written.error:
        raise Refused(f"The sample could not be written: {written.error}")
    return written.item_id


def _folder(store: MailStore, account: str, name: str) -> ItemState:
    return next(folder for folder in store.folders(account) if folder.name == name)


def _uuid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _password_hash(password: str) -> str:
    salt = hashlib.sha256(password.encode()).digest()[:8]
    digest = hashlib.sha512(password.encode() + salt).digest() + salt
    return "{SSHA512}" + base64.b64encode(digest).decode("ascii")
