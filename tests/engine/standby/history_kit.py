# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random histories of a mail server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import AlreadyExists, Refused
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from hypothesis import strategies as st

INBOX, TRASH, CONTACTS, CALENDAR, BRIEFCASE = "2", "3", "7", "10", "16"
DOMAIN = "example.com"
NAMES = ("x", "y", "z")

Draw = Callable[[Sequence[Any]], Any]


def _account(store: Any, draw: Draw, number: int) -> None:
    with contextlib.suppress(AlreadyExists):  # few ids and names: deleted accounts come back, as themselves and others
        store.create_entry(Entry(
            f"a-{draw(NAMES)}", kinds.ACCOUNT, f"{draw(NAMES)}@{DOMAIN}",
            {"displayName": (f"n{number}",), "zimbraPrefDefaultCalendarId": (CALENDAR,)},
        ))


def _drop(store: Any, draw: Draw, account: Entry, number: int) -> None:
    store.delete_entry(kinds.ACCOUNT, account.entry_id)


def _name(store: Any, draw: Draw, account: Entry, number: int) -> None:
    attrs = {"displayName": (f"n{number}",), "description": () if number % 2 else ("d",)}
    store.update_entry(Entry(account.entry_id, kinds.ACCOUNT, "", attrs))


def _reshape(store: Any, draw: Draw, account: Entry, number: int) -> None:
    signatures = ({"id": "s", "name": "s", "type": "text/plain", "content": str(number)},) if number % 3 else ()
    with contextlib.suppress(AlreadyExists):
        store.reshape_entry(account._replace(
            name=f"{draw(NAMES)}@{DOMAIN}", aliases=(f"{draw(NAMES)}.too@{DOMAIN}",)[:draw([0, 1])],
            signatures=signatures,
        ))


def _exchange(store: Any, draw: Draw, account: Entry, number: int) -> None:
    """Two accounts exchange their addresses."""
    other = draw(list(store.entries(kinds.ACCOUNT)))
    if other.entry_id == account.entry_id:
        return
    store.reshape_entry(account._replace(name=f"between{number}@{DOMAIN}"))
    store.reshape_entry(other._replace(name=account.name))
    store.reshape_entry(account._replace(name=other.name))


def _list(store: Any, draw: Draw, account: Entry, number: int) -> None:
    group = store.find_entry(kinds.DISTRIBUTION_LIST, "l-1")
    members = tuple(sorted({f"{draw(NAMES)}@{DOMAIN}" for _unused in range(2)}))
    if group is None:
        store.create_entry(Entry(
            "l-1", kinds.DISTRIBUTION_LIST, f"all@{DOMAIN}", {"zimbraACE": (f"{account.entry_id} usr sendToDistList",)},
            members=members,
        ))
    elif draw([True, False]):
        store.reshape_entry(group._replace(members=members))
    else:
        store.delete_entry(kinds.DISTRIBUTION_LIST, "l-1")


def _cos(store: Any, draw: Draw, account: Entry, number: int) -> None:
    cos = store.find_entry(kinds.COS, "c-1")
    if cos is None:
        store.create_entry(Entry("c-1", kinds.COS, "staff", {"zimbraMailQuota": (str(number),)}))
        store.update_entry(Entry(account.entry_id, kinds.ACCOUNT, "", {"zimbraCOSId": ("c-1",)}))
    else:
        for one in store.entries(kinds.ACCOUNT):
            store.update_entry(Entry(one.entry_id, kinds.ACCOUNT, "", {"zimbraCOSId": ()}))
        store.delete_entry(kinds.COS, "c-1")


def items(store: Any, account: Entry, *of: str) -> list[ItemState]:
    """Return what somebody has made in a mailbox, of some kinds."""
    found = store.changes(account.entry_id).items
    return [state for state in found if int(state.item_id) >= 256 and (not of or state.kind in of)]


def _write(store: Any, account: Entry, state: ItemState, blob: bytes | None = None) -> str:
    return str(store.write_items(account.entry_id, [NewItem("", state, blob)])[0].item_id)


def _update(store: Any, account: Entry, state: ItemState, blob: bytes | None = None) -> None:
    with contextlib.suppress(Refused):
        store.update_item(account.entry_id, state, blob)


def _folder_id(store: Any, draw: Draw, account: Entry, *system: str) -> str:
    return str(draw([*system, *(one.item_id for one in items(store, account, kinds.FOLDER))]))


def _mail(store: Any, draw: Draw, account: Entry, number: int) -> None:
    tags = [one.item_id for one in items(store, account, kinds.TAG)]
    blob = draw([b"", b"a", b"b", b"c" * 20_000, b"%d" % number])
    _write(store, account, ItemState(
        "", kinds.MESSAGE, _folder_id(store, draw, account, INBOX, TRASH), flags="u", date=number * 1000,
        tags=(draw(tags),) if tags else (), attrs={"subject": f"s{number}"},
    ), blob)


def _folder(store: Any, draw: Draw, account: Entry, number: int) -> None:
    _write(store, account, ItemState("", kinds.FOLDER, _folder_id(store, draw, account, INBOX, "1"), draw(NAMES)))


def _share(store: Any, draw: Draw, account: Entry, number: int) -> None:
    """A folder is shared with somebody, who mounts it."""
    folders = items(store, account, kinds.FOLDER)
    other = draw(list(store.entries(kinds.ACCOUNT)))
    if not folders:
        return
    folder = draw(folders)
    grants = [{"grantee_id": other.entry_id, "grantee_type": "usr", "rights": "r"}]
    _update(store, account, folder._replace(attrs={"color": number % 9, "grants": grants}))
    _write(store, other, ItemState("", kinds.MOUNTPOINT, "1", f"m{number}", attrs={
        "owner_id": account.entry_id, "remote_id": folder.item_id,
    }))


def _group(store: Any, draw: Draw, account: Entry, number: int) -> None:
    other = draw(list(store.entries(kinds.ACCOUNT)))
    card = _write(store, other, ItemState("", kinds.CONTACT, CONTACTS), b"BEGIN:VCARD %d" % number)
    mine = _write(store, account, ItemState("", kinds.CONTACT, CONTACTS), b"BEGIN:VCARD mine %d" % number)
    members = [{"type": "contact", "value": f"{other.entry_id}:{card}"}, {"type": "contact", "value": mine}]
    _write(store, account, ItemState("", kinds.CONTACT_GROUP, CONTACTS, "g", attrs={"members": members}), b"group")


def _source(store: Any, draw: Draw, account: Entry, number: int) -> None:
    folder = _folder_id(store, draw, account, INBOX)
    _write(store, account, ItemState("", kinds.DATA_SOURCE, "", f"d{number}", attrs={"type": "imap", "folder": folder}))


def _filter(store: Any, draw: Draw, account: Entry, number: int) -> None:
    there = items(store, account, kinds.FILTER_SET)
    if there and draw([True, False]):
        store.delete_items(account.entry_id, [there[0].item_id])
    elif there:
        _update(store, account, there[0], b"keep; # %d" % number)
    else:
        _write(store, account, ItemState("", kinds.FILTER_SET, "", "incoming"), b"keep;")


def _document(store: Any, draw: Draw, account: Entry, number: int) -> None:
    there = items(store, account, kinds.DOCUMENT)
    if there:
        _update(store, account, draw(there), b"version %d" % number)
    else:
        _write(store, account, ItemState("", kinds.DOCUMENT, BRIEFCASE, "notes"), b"version 0")


def _tag(store: Any, draw: Draw, account: Entry, number: int) -> None:
    _write(store, account, ItemState("", kinds.TAG, "", draw(NAMES)))


def _rename_tag(store: Any, draw: Draw, account: Entry, number: int) -> None:
    tags = items(store, account, kinds.TAG)
    if tags:
        _update(store, account, draw(tags)._replace(name=draw(NAMES)))


def _delete_tag(store: Any, draw: Draw, account: Entry, number: int) -> None:
    tags = items(store, account, kinds.TAG)
    if tags:
        store.delete_items(account.entry_id, [draw(tags).item_id])


def _flag(store: Any, draw: Draw, account: Entry, number: int) -> None:
    mail = items(store, account, kinds.MESSAGE)
    if mail:
        _update(store, account, draw(mail)._replace(flags=draw(["f", "fr", ""]), tags=()))


def _move(store: Any, draw: Draw, account: Entry, number: int) -> None:
    mail = items(store, account, kinds.MESSAGE, kinds.FOLDER)
    if mail:
        _update(store, account, draw(mail)._replace(folder=_folder_id(store, draw, account, INBOX, TRASH)))


def _rename_folder(store: Any, draw: Draw, account: Entry, number: int) -> None:
    folders = items(store, account, kinds.FOLDER)
    if folders:
        _update(store, account, draw(folders)._replace(name=draw(NAMES)))


def _turn_round(store: Any, draw: Draw, account: Entry, number: int) -> None:
    """A folder comes to lie in one that lay in it, and both exchange their names."""
    folders = {one.item_id: one for one in items(store, account, kinds.FOLDER)}
    inner = [one for one in folders.values() if one.folder in folders]
    if not inner:
        return
    inside = draw(inner)
    outside = folders[inside.folder]
    with contextlib.suppress(Refused):
        store.update_item(account.entry_id, inside._replace(folder="1", name=f"t{number}"))
        store.update_item(account.entry_id, outside._replace(folder=inside.item_id, name=inside.name))
        store.update_item(account.entry_id, inside._replace(folder=outside.folder, name=outside.name))


def _delete(store: Any, draw: Draw, account: Entry, number: int) -> None:
    there = items(store, account)
    if there:
        store.delete_items(account.entry_id, [draw(there).item_id])


_CHANGES: dict[str, Callable[[Any, Draw, Entry, int], None]] = {
    "drop": _drop, "name": _name, "reshape": _reshape, "exchange": _exchange, "list": _list, "cos": _cos,
    "mail": _mail, "folder": _folder, "share": _share, "group": _group, "source": _source, "filter": _filter,
    "document": _document, "tag": _tag, "rename_tag": _rename_tag, "delete_tag": _delete_tag, "flag": _flag,
    "move": _move, "rename_folder": _rename_folder, "turn_round": _turn_round, "delete": _delete,
}
STEPS = ("account", "account", "mail", "mail", "folder", "folder", "move", "tag", *_CHANGES)


def change(store: Any, step: str, data: st.DataObject, number: int) -> None:
    """Do one random thing to a mail server."""
    def draw(choices: Sequence[Any]) -> Any:
        return data.draw(st.sampled_from(list(choices)))

    accounts = list(store.entries(kinds.ACCOUNT))
    if step == "account" or not accounts:
        _account(store, draw, number)
    else:
        _CHANGES[step](store, draw, draw(accounts), number)
