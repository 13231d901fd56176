# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shares of a mail server: which are broken, and what they should be after an import (R-316, R-317).

A grant names who may see a folder, a mountpoint the folder that it shows, a contact group contacts of other mailboxes.
All of them do so by ids, and an import gives new ones. What an id of the source means here, the import's map says; what
the map does not know, the name beside the id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ..mailstore.port import MailStore
from ..model import kinds
from ..model.state import Entry, ItemState
from . import shares
from .references import paths_of


class Translation(Protocol):
    """What the ids of the source of an import mean here."""

    def entry(self, source_id: str) -> str | None:
        """Return the id here of a directory entry, None where it is not known."""

    def items(self, owner_id: str, wanted: Collection[str]) -> Mapping[str, str]:
        """Return the ids here of items of a mailbox, by their ids at the source."""


class Imported:
    """The Translation of an External Restore to this mail server."""

    def __init__(self, store: MailStore, import_id: str, ids: Mapping[str, str]) -> None:
        """:param ids: of directory entries, by their ids at the source."""
        self._store = store
        self._import_id = import_id
        self._ids = ids

    def entry(self, source_id: str) -> str | None:
        """See Translation."""
        return self._ids.get(source_id)

    def items(self, owner_id: str, wanted: Collection[str]) -> Mapping[str, str]:
        """See Translation."""
        return {origin: item for origin, item in self._store.imported(owner_id, self._import_id) if origin in wanted}


class Finding(NamedTuple):
    """One share that is broken."""

    account: str
    """Address of the account whose item it is."""
    item_id: str
    kind: str
    name: str
    problem: str
    """What is wrong, as a sentence."""
    repaired: bool
    """Whether the repair mends it."""


class Examined(NamedTuple):
    """One item with a broken share."""

    account: Entry
    findings: Sequence[Finding]
    repair: ItemState | None
    """The item as it should be; None where nothing can be mended."""


class Shares:
    """Examines the shares of all accounts of a mail server. Only reads."""

    def __init__(self, store: MailStore, translation: Translation | None = None) -> None:
        """:param translation: of the import whose map is at hand; None for none: then nothing can be mended."""
        self._store = store
        self._translation = translation
        self._entries = {entry.entry_id: entry for kind in kinds.ENTRY_KINDS for entry in store.entries(kind)}
        self._by_name = {entry.name.lower(): entry for entry in self._entries.values()}
        self._folders: dict[str, Mapping[str, ItemState]] = {}

    def examine(self) -> Iterator[Examined]:
        """Yield the items with broken shares, account by account."""
        looked_at = {
            kinds.FOLDER: self._grants, kinds.MOUNTPOINT: self._mountpoint, kinds.CONTACT_GROUP: self._members,
        }
        for account in self._store.entries(kinds.ACCOUNT):
            for state in self._store.changes(account.entry_id).items:
                if state.kind not in looked_at:
                    continue
                problems, attrs = looked_at[state.kind](account, state)
                if problems:
                    repair = state._replace(attrs=attrs) if attrs != state.attrs else None
                    yield Examined(account, [
                        Finding(account.name, state.item_id, state.kind, state.name, problem, mended)
                        for problem, mended in problems
                    ], repair)

    # -- grants ----------------------------------------------------------------------------------------------------

    def _grants(self, _account: Entry, state: ItemState) -> tuple[list[tuple[str, bool]], Mapping[str, Any]]:
        problems, grants = [], []
        for grant in state.attrs.get("grants", ()):
            grantee = grant.get("grantee_id", "")
            if grant.get("grantee_type") in shares.OF_AN_ENTRY and grantee not in self._entries:
                meant = self._meant(grantee, grant.get("grantee_name", ""))
                who = grant.get("grantee_name") or grantee
                problems.append((f"It is shared with {who}, under an id that is not here.", bool(meant)))
                grant = {**grant, "grantee_id": meant or grantee}
            grants.append(grant)
        # What was shared twice, under the old id and the new one, is shared once.
        return problems, {**state.attrs, "grants": shares.merged_grants((), grants)} if problems else state.attrs

    # -- mountpoints -----------------------------------------------------------------------------------------------

    def _mountpoint(self, account: Entry, state: ItemState) -> tuple[list[tuple[str, bool]], Mapping[str, Any]]:
        owner_id, remote_id = state.attrs.get("owner_id", ""), state.attrs.get("remote_id", "")
        owner_name = state.attrs.get("owner_name", "")
        owner = self._entries.get(owner_id)
        if owner is None:
            meant = self._meant(owner_id, owner_name, kinds.ACCOUNT)
            folder = self._folder(meant, remote_id, state.attrs.get("remote_path", "")) if meant else None
            problem = f"It leads to {owner_name or owner_id}, under an id that is not here."
            attrs = {**state.attrs, "owner_id": meant, "remote_id": folder} if folder else state.attrs
            return [(problem, bool(folder))], attrs
        if remote_id not in self._folders_of(owner_id):
            folder = self._folder(owner_id, remote_id, state.attrs.get("remote_path", ""))
            problem = f"It leads to a folder of {owner.name} that is not there ({remote_id})."
            return [(problem, bool(folder))], {**state.attrs, "remote_id": folder} if folder else state.attrs
        if not self._may_see(account, owner_id, remote_id):
            return [(f"It leads to a folder of {owner.name} that is not shared with this account.", False)], state.attrs
        return [], state.attrs

    def _folder(self, owner_id: str, source_id: str, path: str) -> str | None:
        """Return what a folder of the source is here: by the import, or by its path."""
        present = self._folders_of(owner_id)
        if self._translation is None:
            return None
        known = self._translation.items(owner_id, (source_id,)).get(source_id)
        if known in present:
            return known
        wanted = path.strip("/").lower()
        named = [one for one, names in paths_of(list(present.values())).items() if "/".join(names).lower() == wanted]
        return named[0] if wanted and len(named) == 1 else None

    def _may_see(self, account: Entry, owner_id: str, folder_id: str) -> bool:
        """Return whether a folder, or one that it lies in, is shared with an account."""
        folders = self._folders_of(owner_id)
        seen: set[str] = set()
        while folder_id in folders and folder_id not in seen:
            seen.add(folder_id)
            if any(self._means(grant, account) for grant in folders[folder_id].attrs.get("grants", ())):
                return True
            folder_id = folders[folder_id].folder
        return False

    def _means(self, grant: Mapping[str, Any], account: Entry) -> bool:
        type_, grantee = grant.get("grantee_type"), grant.get("grantee_id", "")
        if type_ == "grp":
            return self._is_member(account, grantee, set())
        if type_ == "dom":
            domain = self._entries.get(grantee)
            return domain is not None and account.name.lower().endswith(f"@{domain.name.lower()}")
        if type_ == "cos":
            return account.first("zimbraCOSId") in (grantee, "")
        return type_ in ("all", "pub") or grantee == account.entry_id

    def _is_member(self, account: Entry, list_id: str, seen: set[str]) -> bool:
        group = self._entries.get(list_id)
        if group is None or list_id in seen:
            return False
        seen.add(list_id)
        members = {address.lower() for address in group.members}
        if members & {address.lower() for address in (account.name, *account.aliases)}:
            return True
        inner = (self._by_name[address].entry_id for address in members if address in self._by_name)
        return any(self._is_member(account, one, seen) for one in inner)

    # -- contact groups --------------------------------------------------------------------------------------------

    def _members(self, account: Entry, state: ItemState) -> tuple[list[tuple[str, bool]], Mapping[str, Any]]:
        problems, members = [], []
        for member in state.attrs.get("members", ()):
            contact = shares.contact_of(member, account.entry_id)
            if contact is not None and not self._has_contact(*contact):
                owner_id, item_id = contact
                meant = owner_id if owner_id in self._entries else self._meant(owner_id, "", kinds.ACCOUNT)
                found = self._translation.items(meant, (item_id,)).get(item_id) if self._translation and meant else None
                mended = bool(meant and found and self._has_contact(meant, found))
                problems.append((f"Its member {member['value']} is not here.", mended))
                if mended:
                    member = {**member, "value": found if meant == account.entry_id else f"{meant}:{found}"}
            members.append(member)
        return problems, {**state.attrs, "members": members} if problems else state.attrs

    def _has_contact(self, owner_id: str, item_id: str) -> bool:
        return owner_id in self._entries and self._store.item(owner_id, item_id) is not None

    # -- both ------------------------------------------------------------------------------------------------------

    def _meant(self, source_id: str, name: str, kind: str = "") -> str | None:
        """Return the id here of an entry of the source: by the import, or by its name."""
        if self._translation is None:
            return None
        known = self._translation.entry(source_id)
        if known in self._entries:
            return known
        entry = self._by_name.get(name.lower())
        return entry.entry_id if entry is not None and kind in ("", entry.kind) else None

    def _folders_of(self, account_id: str) -> Mapping[str, ItemState]:
        if account_id not in self._folders:
            self._folders[account_id] = {folder.item_id: folder for folder in self._store.folders(account_id)}
        return self._folders[account_id]
