# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Photographs: what was known of an item, or of a directory entry, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Union

from . import kinds
from .foreign import is_number

NO_ATTRS: Mapping[str, Any] = {}


class ItemState(NamedTuple):
    """The whole metadata of one mailbox item at one moment.

    A named tuple and not a data class, because a restore makes millions of them.
    """

    item_id: str
    """The mail server's own id, unique in the mailbox (decimal for Carbonio and the embedded store)."""
    kind: str
    """One of kinds.ITEM_KINDS."""
    folder: str = ""
    """Id of the folder it lies in; empty for the root folder and for kinds that lie in no folder."""
    name: str = ""
    """Name of a folder, tag, mountpoint, document, data source or filter set ("incoming", "outgoing")."""
    flags: str = ""
    """Sorted flag letters in the vendor's alphabet (interfaces, section 6); 'u' is unread, 'x' is IMAP \\Deleted."""
    tags: tuple[str, ...] = ()
    """Sorted ids of tag items of the same mailbox."""
    date: int = 0
    """When it was received or created, UTC milliseconds."""
    size: int = 0
    """Bytes of its blob."""
    digest: str = ""
    """SHA-256 of its blob, lower-case hexadecimal; empty for kinds without a blob."""
    attrs: Mapping[str, Any] = NO_ATTRS
    """What only this kind has, as JSON values; docs/model.md lists the keys by kind."""

    def to_json(self) -> dict[str, Any]:
        """Return the state as a JSON object; empty values are left out, the item id too (its transaction has it)."""
        record: dict[str, Any] = {"kind": self.kind}
        if self.folder:
            record["folder"] = self.folder
        if self.name:
            record["name"] = self.name
        if self.flags:
            record["flags"] = self.flags
        if self.tags:
            record["tags"] = list(self.tags)
        if self.date:
            record["date"] = self.date
        if self.size:
            record["size"] = self.size
        if self.digest:
            record["digest"] = self.digest
        if self.attrs:
            record["attrs"] = self.attrs
        return record


class Entry(NamedTuple):
    """A directory entry: an account, a domain, a class of service or a distribution list."""

    entry_id: str
    """Its UUID (zimbraId)."""
    kind: str
    """One of kinds.ENTRY_KINDS."""
    name: str
    """E-mail address, domain name or COS name."""
    attrs: Mapping[str, tuple[str, ...]] = NO_ATTRS
    """Directory attributes by their Carbonio/Zimbra names, each with its values; userPassword holds the hash."""
    aliases: tuple[str, ...] = ()
    """Further addresses of an account or list."""
    members: tuple[str, ...] = ()
    """Addresses of a list's members."""
    signatures: tuple[Mapping[str, str], ...] = ()
    """Signatures of an account: id, name, type (text/plain or text/html), content."""

    def to_json(self) -> dict[str, Any]:
        """Return the entry as a JSON object; empty values are left out."""
        record: dict[str, Any] = {"kind": self.kind, "entry_id": self.entry_id, "name": self.name}
        if self.attrs:
            record["attrs"] = {key: list(values) for key, values in sorted(self.attrs.items())}
        if self.aliases:
            record["aliases"] = list(self.aliases)
        if self.members:
            record["members"] = list(self.members)
        if self.signatures:
            record["signatures"] = [dict(signature) for signature in self.signatures]
        return record

    def first(self, attribute: str, default: str = "") -> str:
        """Return the first value of a directory attribute, or the default where it has none."""
        values = self.attrs.get(attribute)
        return values[0] if values else default


State = Union[ItemState, Entry]

SERVER = "server"
"""The scope (journal) of what belongs to no account: domains, COS, distribution lists."""

ACCOUNT_ITEM = "account"
"""The item id of the account itself in its own journal."""


class Transaction(NamedTuple):
    """One change of one item: its new photograph, or its deletion."""

    seq: int
    """Position in the backup; the order of things is this, never the clock."""
    at: int
    """When it was recorded, UTC milliseconds."""
    scope: str
    """Account id, or SERVER."""
    item_id: str
    """Item id; ACCOUNT_ITEM for the account itself; the entry's UUID for what lies in SERVER."""
    kind: str
    """Kind of the item, known also for deletions."""
    state: State | None
    """The photograph; None for a deletion."""
    gone: bool = False
    """True of a deletion that was given the photograph before it, where that was asked for."""


def state_from_json(item_id: str, record: Mapping[str, Any]) -> State:
    """Rebuild a state from its JSON object.

    :param item_id: the id of the transaction that carried it.
    :param record: what to_json gave.
    :raises KeyError, TypeError, ValueError, AttributeError: the object is not a state (the caller names the line).
    """
    kind = record["kind"]
    if kind in kinds.ENTRY_KINDS:
        entry = Entry(
            entry_id=record["entry_id"],
            kind=kind,
            name=record["name"],
            attrs={key: tuple(values) for key, values in record.get("attrs", NO_ATTRS).items()},
            aliases=tuple(record.get("aliases", ())),
            members=tuple(record.get("members", ())),
            signatures=tuple(record.get("signatures", ())),
        )
        # Joining says of all at once whether they are texts.
        "".join((entry.entry_id, entry.name, *entry.attrs, *entry.aliases, *entry.members))
        for values in (*entry.attrs.values(), *(tuple(one.values()) for one in entry.signatures)):
            "".join(values)
        return entry
    state = ItemState(
        item_id,
        kind,
        record.get("folder", ""),
        record.get("name", ""),
        record.get("flags", ""),
        tuple(record.get("tags", ())),
        record.get("date", 0),
        record.get("size", 0),
        record.get("digest", ""),
        record.get("attrs", NO_ATTRS),
    )
    "".join((kind, state.folder, state.name, state.flags, state.digest, *state.tags))
    if not (is_number(state.date) and is_number(state.size) and isinstance(state.attrs, dict)):
        raise TypeError("a value is not of its type")
    return state
