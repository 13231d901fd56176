# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ids inside the attributes of directory entries, and what they become at the destination (interfaces, section 2.2)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple, Optional

from ..model.state import Entry

EntryIds = Callable[[str], Optional[str]]
"""Id of an entry in the backup to its id at the destination; None where the destination has no such entry."""

QUOTA: Final = "zimbraMailQuota"
"""Bytes that a mailbox may hold; 0 for no limit. Without it the class of service decides."""
UNLIMITED: Final = ("0",)

DEFAULT_CALENDAR: Final = "zimbraPrefDefaultCalendarId"
"""Id of a folder of the account's own mailbox: known only once the folders are there."""

CREATION: Final = frozenset(("zimbraDomainType", "zimbraDomainAliasTargetId"))
"""What a mail server takes at the creation of an entry only."""

OF_THE_SERVER: Final = frozenset((
    "zimbraId", "zimbraCreateTimestamp", "zimbraMailHost", "zimbraMailTransport", "zimbraSignatureId",
    "zimbraSharedItem",
))
"""What the destination gives an entry by itself, and what would be wrong there (R-022)."""

ADDRESSES: Final = frozenset((
    "uid", "mail", "zimbraMailDeliveryAddress", "zimbraMailCanonicalAddress", "zimbraPrefFromAddress",
))
"""What says under which address an account gets and sends mail: of no use to one with another address."""

ADMINISTRATION: Final = frozenset((
    "zimbraIsAdminAccount", "zimbraIsDelegatedAdminAccount", "zimbraIsDomainAdminAccount",
    "zimbraAdminConsoleUIComponents",
))
"""What makes an administrator of an account: not restored with a single account (R-069)."""

HIDE_IN_GAL: Final = "zimbraHideInGal"

_ALIASES: Final = "zimbraMailAlias"


def _whole(value: str, ids: EntryIds) -> str | None:
    return ids(value)


def _before_colon(value: str, ids: EntryIds) -> str | None:
    """zimbraDomainCOSMaxAccounts: "<id>:<number>"."""
    entry_id, colon, rest = value.partition(":")
    mapped = ids(entry_id)
    return None if mapped is None else mapped + colon + rest


def _access_rule(value: str, ids: EntryIds) -> str | None:
    """zimbraACE: "<grantee id> <grantee type> <right>"; "all" and "pub" have ids that are the same everywhere."""
    grantee, space, rest = value.partition(" ")
    mapped = grantee if rest.startswith(("all ", "pub ", "gst ", "key ")) else ids(grantee)
    return None if mapped is None else mapped + space + rest


_WITH_IDS: Final[Mapping[str, Callable[[str, EntryIds], str | None]]] = {
    "zimbraCOSId": _whole,
    "zimbraDomainDefaultCOSId": _whole,
    "zimbraDomainDefaultExternalUserCOSId": _whole,
    "zimbraDomainAliasTargetId": _whole,
    "zimbraGalAccountId": _whole,
    "zimbraDomainCOSMaxAccounts": _before_colon,
    "zimbraACE": _access_rule,
}


class Mapped(NamedTuple):
    """An entry as the destination is to hold it."""

    entry: Entry
    unresolved: tuple[tuple[str, str], ...]
    """(attribute, value) that names something which the destination does not have; left out."""


def mapped(entry: Entry, ids: EntryIds, skip_aliases: bool = False) -> Mapped:
    """Return an entry of the backup with the destination's ids in its attributes.

    What belongs to the server it was on and what is of the mailbox (DEFAULT_CALENDAR) is left out; skip_aliases leaves
    out the further addresses (R-115).
    """
    attrs: dict[str, tuple[str, ...]] = {}
    unresolved = []
    for name, values in entry.attrs.items():
        if name in OF_THE_SERVER or name == DEFAULT_CALENDAR or (skip_aliases and name == _ALIASES):
            continue
        translate = _WITH_IDS.get(name)
        if translate is None:
            attrs[name] = values
            continue
        translated = [(value, translate(value, ids)) for value in values]
        unresolved += [(name, value) for value, other in translated if other is None]
        found = tuple(other for _unused, other in translated if other is not None)
        if found or not values:
            attrs[name] = found
    return Mapped(
        entry._replace(attrs=attrs, aliases=() if skip_aliases else entry.aliases), tuple(unresolved)
    )


def empty(entry: Entry, keep: Collection[str] = CREATION) -> Entry:
    """Return an entry with what its creation needs and nothing else."""
    return Entry(
        entry.entry_id, entry.kind, entry.name, {name: entry.attrs[name] for name in keep if name in entry.attrs}
    )
