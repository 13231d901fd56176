# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one mailbox says of others: grants, mountpoints and contacts of groups, with the destination's ids (R-103).

What cannot be resolved keeps the id that it had in the backup: an account that is restored later under its own id finds
its shares again, and no other account can have that id. It is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Optional

from ..model import kinds
from ..model.state import ItemState
from .attributes import EntryIds

ItemIds = Callable[[str, str], Optional[str]]
"""(account id, item id) of the backup to the item's id at the destination; None where it is not there."""

OF_AN_ENTRY: Final = frozenset(("usr", "grp", "egp", "dom", "cos"))
"""Grantee types whose id is that of a directory entry; guests, keys, "all" and "pub" have none."""


class Resolved(NamedTuple):
    """A value with the destination's ids, and sentences about what could not be resolved."""

    attrs: Mapping[str, Any]
    problems: tuple[str, ...] = ()


def owner_name(mountpoint: ItemState) -> str:
    """Return whose folder a mountpoint leads to, by address where that is known."""
    return str(mountpoint.attrs.get("owner_name") or mountpoint.attrs.get("owner_id", ""))


def grantee_name(grant: Mapping[str, Any]) -> str:
    """Return with whom a folder is shared, by address where that is known."""
    return str(grant.get("grantee_name") or grant.get("grantee_id") or grant.get("grantee_type", ""))


def grants(state: ItemState, ids: EntryIds) -> Resolved:
    """Return a folder's attributes with the destination's ids in its grants."""
    if "grants" not in state.attrs:
        return Resolved(state.attrs)
    resolved = []
    problems = []
    for grant in state.attrs["grants"]:
        grantee = grant.get("grantee_id", "")
        if grant.get("grantee_type") in OF_AN_ENTRY and grantee:
            other = ids(grantee)
            if other is None:
                problems.append(
                    f"The folder {state.name!r} is shared with {grant.get('grantee_name') or grantee}, which is not at "
                    "the destination; the share is kept with the id it had."
                )
            else:
                grant = {**grant, "grantee_id": other}
        resolved.append(grant)
    return Resolved({**state.attrs, "grants": resolved}, tuple(problems))


def merged_grants(present: Sequence[Mapping[str, Any]], restored: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the grants of a folder that was there already: its own, and those restored; one of each grantee.

    Nothing is taken away: to whom the folder is shared at the destination, it stays shared, with the backup's rights
    where the backup has some.
    """
    by_grantee = {
        (grant.get("grantee_type"), grant.get("grantee_id") or grant.get("grantee_name")): grant
        for grant in (*present, *restored)
    }
    return list(by_grantee.values())


def mountpoint(state: ItemState, entry_ids: EntryIds, item_ids: ItemIds) -> Resolved:
    """Return a mountpoint's attributes with the destination's ids of the owner and of the shared folder."""
    owner, folder = state.attrs.get("owner_id", ""), state.attrs.get("remote_id", "")
    name = state.attrs.get("owner_name") or owner
    new_owner = entry_ids(owner) if owner else None
    if new_owner is None:
        return Resolved(state.attrs, (
            f"The mountpoint {state.name!r} leads to {name}, who is not at the destination; it is restored as it was.",
        ))
    attrs = {**state.attrs, "owner_id": new_owner}
    new_folder = item_ids(owner, folder)
    if new_folder is None:
        return Resolved(attrs, (
            f"The mountpoint {state.name!r} leads to a folder of {name} that is not at the destination "
            f"({state.attrs.get('remote_path') or folder}); it is restored as it was.",
        ))
    return Resolved({**attrs, "remote_id": new_folder})


def contact_of(member: Mapping[str, Any], account_id: str) -> tuple[str, str] | None:
    """Return (account id, item id) of a group's member that is a contact; None for one that is an address."""
    if member.get("type") != "contact":
        return None
    owner, _unused, item_id = str(member.get("value", "")).rpartition(":")
    return owner or account_id, item_id


def refers_to(state: ItemState, account_id: str) -> Iterator[tuple[str, str]]:
    """Yield (account id, item id) of what a mountpoint or a contact group refers to, in the backup's ids."""
    if state.kind == kinds.MOUNTPOINT:
        yield state.attrs.get("owner_id", ""), state.attrs.get("remote_id", "")
    for member in state.attrs.get("members", ()):
        contact = contact_of(member, account_id)
        if contact is not None:
            yield contact


def has_foreign_members(state: ItemState, account_id: str) -> bool:
    """Tell whether a contact group holds contacts of other mailboxes (R-134), which have to be there before it."""
    owners = (owner for owner, _unused in refers_to(state, account_id))
    return state.kind == kinds.CONTACT_GROUP and any(owner != account_id for owner in owners)


def members(state: ItemState, account_id: str, entry_ids: EntryIds, item_ids: ItemIds) -> Resolved:
    """Return a contact group's attributes with the destination's ids of its members.

    A member that is a contact which is not there is left out: its id may be that of another contact by now.
    """
    if "members" not in state.attrs:
        return Resolved(state.attrs)
    kept = []
    problems = []
    for member in state.attrs["members"]:
        contact = contact_of(member, account_id)
        if contact is None:
            kept.append(member)
            continue
        owner, item_id = contact
        new_owner, new_item = entry_ids(owner), item_ids(owner, item_id)
        if new_owner is None or new_item is None:
            problems.append(
                f"The contact group {state.name or state.item_id!r} has a member {member.get('value')!r} that is not "
                "at the destination; it is left out."
            )
        else:
            kept.append({**member, "value": new_item if owner == account_id else f"{new_owner}:{new_item}"})
    return Resolved({**state.attrs, "members": kept}, tuple(problems))
