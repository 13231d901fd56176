# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folders of an account: from the mailboxes that a server lists to the tree of the model.

INBOX and the mailboxes of special use (RFC 6154) are the model's system folders, whatever they are called; where a
server marks none, one of a usual name is taken for it. All others are below the root or below each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ..index.items import ROOT
from . import names
from .answers import Mailbox
from .mirror import RemoteFolder, item_id

INBOX: Final = 2
SYSTEM: Final = {INBOX: "Inbox", 3: "Trash", 4: "Junk", 5: "Sent", 6: "Drafts"}
_USES: Final = {b"\\trash": 3, b"\\junk": 4, b"\\sent": 5, b"\\drafts": 6}
SPECIAL: Final = {item: use for use, item in _USES.items()}
_USUAL: Final = {
    "trash": 3, "deleted items": 3, "deleted messages": 3, "junk": 4, "spam": 4, "junk e-mail": 4, "sent": 5,
    "sent items": 5, "sent messages": 5, "drafts": 6,
}


class Folder(NamedTuple):
    """A folder of the model and the mailbox that it is."""

    item: int
    parent: int
    name: str
    mailbox: Mailbox


def folders(
    listed: Sequence[Mailbox], prefix: bytes, delimiter: str, known: Mapping[int, RemoteFolder]
) -> list[Folder]:
    """Return the folders of an account, parents before children.

    :param prefix: of its namespace. :param known: how they were last seen.
    """
    by_parts = _by_parts(listed, prefix, delimiter)
    system = _system(by_parts)
    ids = _ids(by_parts, system, known)
    made: list[Folder] = []
    taken = {(ROOT, name) for name in (SYSTEM[item] for item in system.values())}
    for parts in sorted(by_parts, key=lambda parts: (len(parts), parts not in system, parts)):
        item = ids[parts]
        if parts in system:
            made.append(Folder(item, ROOT, SYSTEM[item], by_parts[parts]))
            continue
        parent = ids[parts[:-1]] if len(parts) > 1 else ROOT
        name = names.name_of(parts[-1], delimiter)
        while (parent, name) in taken:
            name += " (imap)"
        taken.add((parent, name))
        made.append(Folder(item, parent, name, by_parts[parts]))
    return made


_Parts = tuple[bytes, ...]


def _by_parts(listed: Sequence[Mailbox], prefix: bytes, delimiter: str) -> dict[_Parts, Mailbox]:
    """Return mailboxes by where they are, from the top down, and the levels that the server does not list.

    Where one is called INBOX.x and another x, or one INBOX.INBOX, there is one place for both: the longer name is
    taken for that of a folder below the Inbox.
    """
    found: dict[_Parts, Mailbox] = {}
    for mailbox in sorted(listed, key=lambda one: bool(prefix) and one.name.startswith(prefix)):
        parts = names.split(mailbox.name, prefix, delimiter)
        if parts in found and mailbox.selectable:
            parts = names.split(mailbox.name, b"", delimiter)
        found.setdefault(parts, mailbox)
    for parts, mailbox in list(found.items()):
        whole = names.split(mailbox.name, b"", delimiter)
        for depth in range(1, len(parts)):
            above = names.join(whole[:depth - len(parts)], b"", delimiter)
            found.setdefault(parts[:depth], Mailbox(above, selectable=False))
    return found


def _system(by_parts: Mapping[_Parts, Mailbox]) -> dict[_Parts, int]:
    found: dict[_Parts, int] = {}
    for parts in sorted(by_parts, key=lambda parts: (len(parts), parts)):
        mailbox = by_parts[parts]
        item = INBOX if mailbox.name == b"INBOX" else _USES.get(mailbox.special, 0)
        if item and item not in found.values():
            found[parts] = item
    for parts in sorted(by_parts):
        item = _USUAL.get(names.decoded(parts[-1]).lower(), 0) if len(parts) == 1 else 0
        if item and item not in found.values() and parts not in found:
            found[parts] = item
    return found


def _ids(
    by_parts: Mapping[_Parts, Mailbox], system: Mapping[_Parts, int], known: Mapping[int, RemoteFolder]
) -> dict[_Parts, int]:
    """Return the id of each folder: that which it had, wherever it can be known again."""
    by_name = {folder.name: folder for folder in known.values()}
    listed = {mailbox.name for mailbox in by_parts.values()}
    ids = dict(system)
    for parts, mailbox in by_parts.items():
        if parts in ids:
            continue
        before = by_name.get(mailbox.name)
        if mailbox.guid:
            ids[parts] = item_id("folder", mailbox.guid)
        elif before is not None and before.item not in SYSTEM and not before.guid:
            ids[parts] = before.item
        else:
            renamed = [
                folder.item for folder in known.values()
                if mailbox.uidvalidity and not folder.guid and folder.uidvalidity == mailbox.uidvalidity
                and folder.name not in listed and folder.uidnext <= mailbox.uidnext and folder.item not in SYSTEM
            ]
            ids[parts] = renamed[0] if len(renamed) == 1 else item_id(
                "folder", f"{mailbox.uidvalidity}/{mailbox.name.decode('latin-1')}"
            )
    return ids
