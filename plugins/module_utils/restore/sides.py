# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two sides of a restore described in the same words: names and paths in the place of ids.

An item of the backup and its copy on the mail server have other ids, and so has all they refer to. Described by names
and paths they can be compared without a word from the restore about what became of what.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Container, Mapping
from typing import Any, Final

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds
from ..model.state import Entry, ItemState

Description = Mapping[str, Any]
"""What is to be equal on both sides, by field."""

Path = tuple[str, ...]
"""Names from the root down; that of the root is empty. A name may hold slashes."""

_OF_THE_SERVER = frozenset((
    "zimbraId", "zimbraCreateTimestamp", "zimbraMailHost", "zimbraMailTransport", "zimbraSignatureId",
    "zimbraSharedItem",
))
"""Attributes that an entry has from the server it is on, and that no restore takes elsewhere (R-022)."""

_DEFAULT_CALENDAR = "zimbraPrefDefaultCalendarId"
"""The one attribute that names a folder of the account's own mailbox."""

_WORD = re.compile(r"[^ :]+")
"""What may be the id of an entry in the value of an attribute: "<id>", "<id>:<number>", "<id> usr <right>"."""


_ACCOUNTS_HELD = 500
"""Accounts whose folders are kept in memory."""


class Side(abc.ABC):
    """One of the two sides: a backup at a moment, or a mail server."""

    def __init__(self) -> None:
        self._names: Mapping[str, str] | None = None
        self._accounts: dict[str, tuple[Mapping[str, Path], dict[str, str]]] = {}

    @abc.abstractmethod
    def item(self, account_id: str, item_id: str) -> ItemState | None:
        """Return an item, None where it is not there."""

    @abc.abstractmethod
    def _folders(self, account_id: str) -> Mapping[str, ItemState]:
        """Return the folders and mountpoints of an account by id."""

    @abc.abstractmethod
    def _entries(self) -> Mapping[str, str]:
        """Return the names of all entries by id."""

    def names(self) -> Mapping[str, str]:
        """Return the names of all entries of the directory by id."""
        if self._names is None:
            self._names = self._entries()
        return self._names

    def name(self, entry_id: str) -> str:
        """Return the name of an entry; the id itself where there is none."""
        return self.names().get(entry_id, entry_id)

    def path(self, account_id: str, folder_id: str) -> Path:
        """Return where a folder is; its id, marked as such, where it is not there."""
        paths, _unused = self._account(account_id)
        return paths.get(folder_id, (f"(no folder {folder_id})",) if folder_id else ())

    def tag(self, account_id: str, tag_id: str) -> str:
        """Return the name of a tag; its id, marked as such, where it is not there."""
        _unused, tags = self._account(account_id)
        if tag_id not in tags:
            tag = self.item(account_id, tag_id)
            tags[tag_id] = f"(no tag {tag_id})" if tag is None else tag.name
        return tags[tag_id]

    def _account(self, account_id: str) -> tuple[Mapping[str, Path], dict[str, str]]:
        """The paths of an account's folders and the names of its tags, as far as they were asked for."""
        if account_id not in self._accounts:
            if len(self._accounts) >= _ACCOUNTS_HELD:
                self._accounts.clear()
            folders = self._folders(account_id)
            self._accounts[account_id] = ({folder_id: _path(folders, folder_id) for folder_id in folders}, {})
        return self._accounts[account_id]

    def describe(self, account_id: str, state: ItemState) -> Description:
        """Return a description of an item; sets for what has no order."""
        described: dict[str, Any] = {
            "kind": state.kind,
            "folder": self.path(account_id, state.folder),
            "name": state.name,
            "flags": state.flags,
            "tags": tuple(sorted(self.tag(account_id, tag) for tag in state.tags)),
            "date": state.date,
            "size": state.size,
            "digest": state.digest,
        }
        for key, value in state.attrs.items():
            translate = _REFERENCES.get((state.kind, key))
            described[key] = value if translate is None else translate(self, account_id, state.attrs)
        return {key: value for key, value in described.items() if value}

    def describe_entry(self, entry: Entry, absent: Container[str] = ()) -> Description:
        """Return a description of an entry of the directory; all its fields are sets.

        :param absent: ids of entries that the other side does not have: what refers to them is left out.
        """
        described: dict[str, Any] = {}
        for key, values in entry.attrs.items():
            if key == _DEFAULT_CALENDAR:
                described[key] = {self.path(entry.entry_id, value) for value in values}
            elif key not in _OF_THE_SERVER:
                described[key] = {
                    _WORD.sub(lambda word: self.name(word[0]), value)
                    for value in values
                    if not any(word in absent for word in _WORD.findall(value))
                }
        described["aliases"] = set(entry.aliases)
        described["members"] = set(entry.members)
        described["signatures"] = {
            (signature.get("name"), signature.get("type"), signature.get("content")) for signature in entry.signatures
        }
        return {key: value for key, value in described.items() if value}


class BackupSide(Side):
    """A backup at a moment."""

    def __init__(self, repository: Repository, at: int | None) -> None:
        super().__init__()
        self._repository = repository
        self._at = at

    def item(self, account_id: str, item_id: str) -> ItemState | None:
        """Return an item, None where it was not there."""
        last = self._repository.state(account_id, item_id, self._at)
        return last.state if last is not None and isinstance(last.state, ItemState) else None

    def _folders(self, account_id: str) -> Mapping[str, ItemState]:
        found = self._repository.states(account_id, self._at, kinds=(kinds.FOLDER, kinds.MOUNTPOINT))
        return {last.item_id: last.state for last in found if isinstance(last.state, ItemState)}

    def _entries(self) -> Mapping[str, str]:
        return {
            last.state.entry_id: last.state.name
            for kind in kinds.ENTRY_KINDS
            for last in self._repository.entries(kind, self._at)
            if isinstance(last.state, Entry)
        }


class StoreSide(Side):
    """A mail server. An account that it does not know was not restored; what refers to it means the backup's."""

    def __init__(self, store: MailStore, backup: BackupSide) -> None:
        super().__init__()
        self._store = store
        self._backup = backup

    def item(self, account_id: str, item_id: str) -> ItemState | None:
        """Return an item, None where it is not there."""
        if account_id not in self.names():
            return self._backup.item(account_id, item_id)
        return self._store.item(account_id, item_id)

    def path(self, account_id: str, folder_id: str) -> Path:
        """Return where a folder is; its id, marked as such, where it is not there."""
        if account_id not in self.names():
            return self._backup.path(account_id, folder_id)
        return super().path(account_id, folder_id)

    def name(self, entry_id: str) -> str:
        """Return the name of an entry; the id itself where there is none."""
        return self.names().get(entry_id) or self._backup.name(entry_id)

    def folder_at(self, account_id: str, path: Path) -> str | None:
        """Return the id of the folder at a path, None where there is none."""
        paths, _unused = self._account(account_id)
        return next((folder_id for folder_id, other in paths.items() if other == path), None)

    def _folders(self, account_id: str) -> Mapping[str, ItemState]:
        return {folder.item_id: folder for folder in self._store.folders(account_id)}

    def _entries(self) -> Mapping[str, str]:
        return {entry.entry_id: entry.name for kind in kinds.ENTRY_KINDS for entry in self._store.entries(kind)}


def _path(folders: Mapping[str, ItemState], folder_id: str) -> Path:
    names: list[str] = []
    passed = set()
    while folder_id:
        folder = folders.get(folder_id)
        if folder is None or folder_id in passed:  # an orphan or a ring: damaged, but never endless
            names.append(f"(no folder {folder_id})")
            break
        passed.add(folder_id)
        names.append(folder.name)
        folder_id = folder.folder
    return tuple(name for name in reversed(names) if name)


_Attrs = Mapping[str, Any]


def _grants(side: Side, account_id: str, attrs: _Attrs) -> Any:
    """Who may do what; the name of a grantee that is no entry (a guest) is all there is of it."""
    return {
        (
            grant.get("grantee_type", ""),
            side.name(grant.get("grantee_id", "")) or grant.get("grantee_name", ""),
            grant.get("rights", ""),
        )
        for grant in attrs["grants"]
    }


def _owner(side: Side, account_id: str, attrs: _Attrs) -> Any:
    return side.name(attrs["owner_id"])


def _remote_folder(side: Side, account_id: str, attrs: _Attrs) -> Any:
    owner = attrs.get("owner_id", "")
    return side.path(owner, attrs["remote_id"]) if owner else attrs["remote_id"]


def _folder(side: Side, account_id: str, attrs: _Attrs) -> Any:
    return side.path(account_id, attrs["folder"])


def _members(side: Side, account_id: str, attrs: _Attrs) -> Any:
    """Contacts by their account and content; one that is not there is a member no more."""
    members: list[Any] = []
    for member in attrs["members"]:
        if member.get("type") != "contact":
            members.append(dict(member))
            continue
        owner, _unused, item_id = member.get("value", "").rpartition(":")
        contact = side.item(owner or account_id, item_id)
        if contact is not None:
            members.append((side.name(owner or account_id), contact.digest))
    return members


_REFERENCES: Final[Mapping[tuple[str, str], Callable[[Side, str, _Attrs], Any]]] = {
    (kinds.FOLDER, "grants"): _grants,
    (kinds.MOUNTPOINT, "grants"): _grants,
    (kinds.MOUNTPOINT, "owner_id"): _owner,
    (kinds.MOUNTPOINT, "remote_id"): _remote_folder,
    (kinds.DATA_SOURCE, "folder"): _folder,
    (kinds.CONTACT_GROUP, "members"): _members,
}
"""The attributes that refer to something by its id (docs/model.md)."""
