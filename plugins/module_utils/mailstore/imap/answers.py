# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an IMAP server says of mailboxes and messages, as values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from .syntax import astring, inbox, milliseconds, words_of

_PAIR: Final = re.compile(
    rb'(UID|FLAGS|INTERNALDATE|RFC822\.SIZE|X-GUID|EMAILID|CREATEDMODSEQ) (\([^()]*\)|"[^"]*"|[^ ()]+)'
)
HEADER: Final = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"
"""By which a message is known again where the server has no name for it."""
SPECIAL_USES: Final = (b"\\trash", b"\\junk", b"\\sent", b"\\drafts")


class Mailbox(NamedTuple):
    """A mailbox and how it stands: unequal when anything but its rights has changed in it."""

    name: bytes
    special: bytes = b""
    """One of SPECIAL_USES, or nothing."""
    subscribed: bool = False
    selectable: bool = True
    guid: str = ""
    """What stays the same when it is renamed; empty where the server does not tell."""
    uidvalidity: int = 0
    uidnext: int = 0
    modseq: int = 0
    """0 where the server does not count changes (CONDSTORE)."""
    messages: int = 0
    refusal: str = ""
    """What the server says where it does not tell how it stands, and does not let it be opened either."""


Marked = dict[int, tuple[bytes, ...]]


class Message(NamedTuple):
    """What a listing says of a message."""

    uid: int
    words: tuple[bytes, ...]
    """Flags and keywords."""
    date: int
    """Internal date, UTC milliseconds."""
    size: int
    guid: str
    """What stays the same when it is moved."""


class NewMessage(NamedTuple):
    """A message to be appended."""

    content: bytes
    words: tuple[str, ...]
    date: int | None
    """UTC milliseconds; None for the moment at which it is added."""


def listed(line: bytes) -> Mailbox | None:
    """Return the mailbox that a LIST response names; None where it is none (any more)."""
    found = re.match(rb'\(([^()]*)\) (?:"(?:\\.|[^"\\])*"|NIL) ', line)
    if found is None:
        return None
    flags = {word.lower() for word in found[1].split()}
    if b"\\nonexistent" in flags:
        return None
    name, _rest = astring(line[found.end():])
    special = next((use for use in SPECIAL_USES if use in flags), b"")
    return Mailbox(inbox(name), special, b"\\subscribed" in flags, b"\\noselect" not in flags)


def message_of(line: bytes, literal: bytes, identity: str) -> Message | None:
    """Return the message that a FETCH response is about; None where it tells of another session's doing.

    :raises ValueError, KeyError: it says what is none.
    """
    fields = fields_of(line)
    try:
        uid, words, at, octets = (fields[item] for item in (b"UID", b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"))
    except KeyError:
        return None
    try:
        date = milliseconds(at)
    except ValueError:
        date = 0  # its mail is worth more
    size = int(octets)
    if identity == HEADER:
        guid = f"{date} {size} {literal.strip().decode('latin-1')}"
    else:
        guid = " ".join(fields[item.encode()].strip(b'()"').decode("latin-1") for item in identity.split())
    return Message(int(uid), words_of(words), date, size, guid)


def standing(mailbox: Mailbox, status: dict[bytes, bytes], guid: str) -> Mailbox:
    """Return a mailbox with what STATUS says of it. :param guid: the item that says which one it is."""
    uidvalidity, uidnext, modseq, messages = (
        int(status.get(item, b"0")) for item in (b"UIDVALIDITY", b"UIDNEXT", b"HIGHESTMODSEQ", b"MESSAGES")
    )
    return mailbox._replace(
        guid=status.get(guid.encode(), b"").strip(b"()").decode("latin-1"),
        uidvalidity=uidvalidity, uidnext=uidnext, modseq=modseq, messages=messages,
    )


def annotations_in(text: bytes) -> Iterator[tuple[str, str]]:
    """Yield entries and values of those annotations that are there, and are text."""
    text = text.strip()
    if text[:1] != b"(":
        return  # names of what has changed
    text = text[1:-1]
    while text.strip():
        entry, text = astring(text)
        absent = text.lstrip()[:1] != b'"'
        value, text = astring(text)
        if absent and value.upper() == b"NIL":
            continue
        try:
            yield entry.decode("ascii").lower(), value.decode()
        except UnicodeDecodeError:
            continue


def fields_of(line: bytes) -> dict[bytes, bytes]:
    """Return what a FETCH response says, by items."""
    return dict(_PAIR.findall(line))
