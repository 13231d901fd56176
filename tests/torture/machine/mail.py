# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random changes of a mail server, each a few small numbers, so that a sequence of them can be made smaller."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import RestanteError
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from hypothesis import strategies as st

from tests.engine.restore.restore_kit import fill
from tests.torture.machine.model import COMES_BACK, TRASH

DOMAIN: Final = "example.com"
MOST_ACCOUNTS: Final = 7
INBOX: Final = "2"
PLACES: Final = {
    kinds.CONTACT: "7", kinds.CONTACT_GROUP: "7", kinds.APPOINTMENT: "10", kinds.TASK: "15", kinds.DOCUMENT: "16",
}
FLAGS: Final = ("", "u", "f", "fu", "r", "x")
NAMES: Final = ("one", "two", "a/b", "Tr\u00e4sh")


class Change(NamedTuple):
    """One change; the numbers choose among what there is."""

    verb: str
    account: int = 0
    item: int = 0
    number: int = 0


class Server:
    """A mail server that changes."""

    def __init__(self, store: EmbeddedStore) -> None:
        self.store = store

    def do(self, change: Change) -> str:
        """Do it; return what came of it: done, nothing, or refused."""
        try:
            return "done" if VERBS[change.verb](self, change) is not False else "nothing"
        except RestanteError:
            return "refused"

    # -- the directory ---------------------------------------------------------------------------------------------

    def accounts(self) -> list[Entry]:
        return list(self.store.entries(kinds.ACCOUNT))

    def _fresh(self, kind: str) -> str:
        """Return an id that nothing has had."""
        return f"{kind[0]}-{self.store.last_transaction()}"

    def make_account(self, change: Change) -> object:
        if len(self.accounts()) >= MOST_ACCOUNTS:
            return False
        domains = [entry.name for entry in self.store.entries(kinds.DOMAIN)]
        coses = [entry.entry_id for entry in self.store.entries(kinds.COS)]
        attrs = {"zimbraCOSId": (coses[change.number % len(coses)],)} if coses and change.number % 2 else {}
        domain = domains[change.number % len(domains)]
        # Of few names, so that the name of a deleted account is given again.
        name = f"user{change.item % 5}@{domain}"
        return self.store.create_entry(Entry(self._fresh("account"), kinds.ACCOUNT, name, attrs))

    def drop_account(self, change: Change) -> object:
        accounts = self.accounts()
        if len(accounts) < 2:
            return False
        return self.store.delete_entry(kinds.ACCOUNT, accounts[change.account % len(accounts)].entry_id)

    def set_account(self, change: Change) -> object:
        account = self._account(change)
        values = ((f"name {change.number}",), ("",), ())
        attrs = {"displayName": values[change.item % 3]}
        alias = (f"alias{change.number}@{DOMAIN}",) if change.item % 4 == 3 else ()
        return self.store.update_entry(Entry(account.entry_id, kinds.ACCOUNT, "", attrs, alias))

    def switch(self, change: Change) -> object:
        coses = list(self.store.entries(kinds.COS))
        value = {"backupEnabled": (("FALSE",), ("TRUE",), ())[change.number % 3]}
        if change.item % 4 == 3 and coses:
            return self.store.update_entry(Entry(coses[0].entry_id, kinds.COS, "", value))
        return self.store.update_entry(Entry(self._account(change).entry_id, kinds.ACCOUNT, "", value))

    def directory(self, change: Change) -> object:
        """Make, change or delete a domain, a class of service or a list."""
        kind = kinds.ENTRY_KINDS[change.account % 3]
        entries = [entry for entry in self.store.entries(kind) if entry.name != DOMAIN]
        if change.item % 3 == 0 or not entries:
            names = {kinds.DOMAIN: f"domain{change.number}.org", kinds.COS: f"cos{change.number}"}
            name = names.get(kind, f"list{change.number}@{DOMAIN}")
            members = tuple(entry.name for entry in self.accounts()[:2]) if kind == kinds.DISTRIBUTION_LIST else ()
            return self.store.create_entry(Entry(self._fresh(kind), kind, name, members=members))
        entry = entries[change.number % len(entries)]
        if change.item % 3 == 1:
            return self.store.update_entry(entry._replace(attrs={"description": (str(change.number),)}))
        return self.store.delete_entry(kind, entry.entry_id)

    def _account(self, change: Change) -> Entry:
        accounts = self.accounts()
        return accounts[change.account % len(accounts)]

    # -- mailboxes -------------------------------------------------------------------------------------------------

    def mailbox(self, account: str) -> list[ItemState]:
        return sorted(self.store.changes(account).items, key=lambda state: int(state.item_id))

    def _items(self, change: Change, *of_kinds: str) -> tuple[str, list[ItemState]]:
        account = self._account(change).entry_id
        found = [state for state in self.mailbox(account) if int(state.item_id) >= 256]
        return account, [state for state in found if not of_kinds or state.kind in of_kinds]

    def _chosen(self, change: Change, *of_kinds: str) -> tuple[str, ItemState | None]:
        account, items = self._items(change, *of_kinds)
        return account, items[change.item % len(items)] if items else None

    def _folder(self, change: Change, account: str, kind: str) -> str:
        """Return a folder: the one that is made for a kind, or any of the user's."""
        own = [state.item_id for state in self.mailbox(account) if state.kind == kinds.FOLDER]
        own = [one for one in own if int(one) >= 256]
        return ([PLACES.get(kind, INBOX), TRASH, *own])[change.item % (len(own) + 2)]

    def add(self, change: Change, kind: str) -> object:
        """Add an item of a kind."""
        account = self._account(change)
        owner = account.entry_id
        folder = self._folder(change, owner, kind)
        tags = [state.item_id for state in self.mailbox(owner) if state.kind == kinds.TAG]
        state = ItemState("", kind, folder, date=1_700_000_000_000 + change.number * 1000)
        if kind in COMES_BACK and change.number % 3 == 0 and tags:
            state = state._replace(tags=(tags[change.number % len(tags)],))
        if kind == kinds.MESSAGE:
            state = state._replace(flags=FLAGS[change.number % len(FLAGS)], attrs={"subject": str(change.number)})
        elif kind in (kinds.FOLDER, kinds.TAG):
            above = "1" if kind == kinds.FOLDER and change.number % 2 else folder
            state = state._replace(
                folder=above if kind == kinds.FOLDER else "", name=NAMES[change.number % len(NAMES)],
                attrs={"color": change.number % 9 + 1},
            )
        elif kind == kinds.DOCUMENT:
            state = state._replace(name=f"{change.number}.txt", attrs={"content_type": "text/plain"})
        elif kind == kinds.FILTER_SET:
            state = state._replace(folder="", name=("incoming", "outgoing")[change.number % 2])
        elif kind == kinds.CONTACT_GROUP:
            state = state._replace(attrs={"members": [
                {"type": "contact", "value": one.item_id} for one in self.mailbox(owner) if one.kind == kinds.CONTACT
            ][:2]})
        elif kind == kinds.MOUNTPOINT:
            others = [entry for entry in self.accounts() if entry.entry_id != owner]
            if not others:
                return False
            of = others[change.number % len(others)]
            state = state._replace(folder="1", name=NAMES[change.number % len(NAMES)], attrs={
                "owner_id": of.entry_id, "owner_name": of.name, "remote_id": INBOX, "remote_path": "/Inbox",
            })
        elif kind == kinds.DATA_SOURCE:
            state = state._replace(folder="", name=f"source{change.number}", attrs={
                "type": "imap", "host": "imap.example.net", "username": str(change.number), "folder": folder,
            })
        written = self.store.write_items(owner, [NewItem("", state, content(kind, change.number))])
        return not written[0].error

    def update(self, change: Change) -> object:
        """Change something of an item: flags, tags, date, attributes or content."""
        account, state = self._chosen(change)
        if state is None:
            return False
        number = change.number
        what = number % 4
        if what == 0 and state.kind in (kinds.MESSAGE, kinds.FOLDER):
            flags = FLAGS[number // 4 % len(FLAGS)] if state.kind == kinds.MESSAGE else ("", "*")[number // 4 % 2]
            self.store.update_item(account, state._replace(flags=flags))
        elif what == 1 and state.kind in COMES_BACK:
            tags = [one.item_id for one in self.mailbox(account) if one.kind == kinds.TAG]
            chosen = tags[: number // 4 % (len(tags) + 1)]
            self.store.update_item(account, state._replace(tags=tuple(sorted(chosen))))
        elif what == 2 and state.kind in kinds.WITH_CONTENT:
            self.store.update_item(account, state, content(state.kind, number + 1))
        elif state.kind in (kinds.FOLDER, kinds.TAG):
            self.store.update_item(account, state._replace(attrs={**state.attrs, "color": number % 9 + 1}))
        else:
            self.store.update_item(account, state._replace(date=state.date + number * 1000))
        return True

    def grant(self, change: Change) -> object:
        account, folder = self._chosen(change, kinds.FOLDER)
        if folder is None:
            return False
        to = self.accounts()[change.number % len(self.accounts())]
        grants = [{"grantee_id": to.entry_id, "grantee_type": "usr", "grantee_name": to.name, "rights": "rw"}]
        return self.store.update_item(account, folder._replace(attrs={**folder.attrs, "grants": grants}))

    def rename(self, change: Change) -> object:
        account, state = self._chosen(change, kinds.FOLDER, kinds.TAG, kinds.DOCUMENT, kinds.MOUNTPOINT)
        if state is None:
            return False
        return self.store.update_item(account, state._replace(name=f"{NAMES[change.number % 4]} {change.number}"))

    def move(self, change: Change) -> object:
        """Move an item, or a folder with all in it."""
        account, state = self._chosen(change, *COMES_BACK, kinds.FOLDER)
        if state is None:
            return False
        folder = self._folder(change._replace(item=change.number), account, state.kind)
        return self.store.update_item(account, state._replace(folder=folder))

    def trash(self, change: Change) -> object:
        account, state = self._chosen(change, *COMES_BACK, kinds.FOLDER)
        return False if state is None else self.store.update_item(account, state._replace(folder=TRASH))

    def empty_trash(self, change: Change) -> object:
        account, items = self._items(change)
        return self.store.delete_items(account, [state.item_id for state in items if state.folder == TRASH])

    def delete(self, change: Change) -> object:
        """Delete an item, or some; a folder with all in it."""
        account, items = self._items(change)
        if not items:
            return False
        first = change.item % len(items)
        return self.store.delete_items(account, [one.item_id for one in items[first: first + 1 + change.number % 3]])


VERBS: Final[dict[str, Callable[[Server, Change], object]]] = {
    **{kind: lambda server, change, kind=kind: server.add(change, kind) for kind in kinds.ITEM_KINDS},
    "update": Server.update, "grant": Server.grant, "rename": Server.rename, "move": Server.move,
    "trash": Server.trash, "empty trash": Server.empty_trash, "delete": Server.delete,
    "account": Server.make_account, "drop account": Server.drop_account, "set account": Server.set_account,
    "switch backup": Server.switch, "directory": Server.directory,
}
_OFTEN: Final = (*(kinds.MESSAGE, kinds.FOLDER, "update", "move", "trash", "delete") * 3, *VERBS)

CHANGES: Final = st.lists(
    st.builds(Change, st.sampled_from(_OFTEN), st.integers(0, 6), st.integers(0, 40), st.integers(0, 40)),
    min_size=1, max_size=12,
)


def content(kind: str, number: int) -> bytes | None:
    """Return one of a few contents, so that many items have the same; None for a kind that has none."""
    if kind not in kinds.WITH_CONTENT:
        return None
    if number % 7 == 0:
        return b""
    noise = b"".join(hashlib.sha256(b"%d %d" % (number, part)).digest() for part in range(number % 5 * 40))
    return b"Subject: %d\r\n\r\n" % (number % 20) + noise


def start(store: EmbeddedStore) -> None:
    """Make accounts with items of every kind; none of them is of the system, which External Restore leaves out."""
    fill(store)
    store.delete_entry(kinds.ACCOUNT, "a-galsync")


def do_all(store: EmbeddedStore, changes: Sequence[Change], note: Callable[[str], Any]) -> None:
    """Do some changes, and tell what came of each."""
    server = Server(store)
    for change in changes:
        note(f"{change.verb}: {server.do(change)}")
