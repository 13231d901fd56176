# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of a mailbox.log, and what they say of items (R-025). No I/O.

A line is "date level [thread] [context] logger - message" (docs/finding-items.md). Much of it can be chosen by users: a
client's name, the Message-ID of a mail from outside, names of folders and contacts. So a line counts only when all of
it fits its form; where a text can be taken apart in two ways, or follows a line that breaks off in the middle, what it
says is marked as doubtful. A line that somebody has forged in full cannot be told from a real one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Final, NamedTuple

ADDED: Final = "added"
MODIFIED: Final = "modified"
COPIED: Final = "copied"
MOVED: Final = "moved"
DELETED: Final = "deleted"
EMPTIED: Final = "emptied"
DELIVERING: Final = "delivering"
NOT_DELIVERED: Final = "not_delivered"
ACTIONS: Final = (ADDED, MODIFIED, COPIED, MOVED, DELETED, EMPTIED, DELIVERING, NOT_DELIVERED)

_HEAD: Final = re.compile(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) +(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL) +\[")
# In a value of the context ";" is doubled, so a value cannot end the context. A thread is named after the URL that it
# serves, which may have brackets in it; where there is no context, they would let a value pass for a thread.
_CONTEXT: Final = r"\[(?P<context>(?:\w+=[^;]*(?:;;[^;]*)*;)*)\]"
_BODY: Final = re.compile(
    rf"(?:(?:[^\]]|\](?! +\[))*\] +{_CONTEXT}|[^\[\]]*\]) +(?P<logger>[\w.$]+) +- (?P<message>.*)", re.DOTALL
)
_LOGGER: Final = re.compile(rb" +[\w.$]+ +- ")
_WITHOUT_CONTEXT: Final = re.compile(rb"\[[^\[\]]*\] +(?:\[\] +)?[\w.$]+ +- ")
_PAIR: Final = re.compile(r"(\w+)=([^;]*(?:;;[^;]*)*);")


class Line(NamedTuple):
    """A line that may say something of an item."""

    context: Mapping[str, str]
    """name, aname, mid, ip, ua and so on, see docs/finding-items.md."""
    logger: str
    message: str


class Event(NamedTuple):
    """What a line says."""

    action: str
    """One of ACTIONS."""
    kind: str = ""
    """What was acted on, in lower case: message, contact, folder, ..."""
    item_id: str = ""
    name: str = ""
    """Of a folder, tag or contact."""
    folder: str = ""
    """Name or path of the folder it went to, or that was emptied."""
    folder_id: str = ""
    copy_of: str = ""
    """Id of the item that this one is a copy of."""
    message_id: str = ""
    sender: str = ""
    account: str = ""
    """Where the message names it, and not only the context: an address or an id."""
    reason: str = ""
    """Why something was not delivered."""
    doubtful: bool = False
    """Whether the line can be read in another way, or may be part of another one."""


def stamp(line: bytes) -> re.Match[bytes] | None:
    """Return a line's local time: to the second as group 1, and the milliseconds as group 2; None where it has none."""
    return _HEAD.match(line)


def parse(line: bytes) -> Line | None:
    """Return a line taken apart, None where it has not the form of one: it breaks off, or was never one."""
    head = _HEAD.match(line)
    text = line[head.end():].decode("utf-8", "backslashreplace").rstrip("\r\n") if head else ""
    body = _BODY.fullmatch(text)
    if body is None:
        return None
    pairs = _PAIR.findall(body["context"] or "")
    return Line({key: value.replace(";;", ";") for key, value in pairs}, body["logger"], body["message"])


# -- messages ----------------------------------------------------------------------------------------------------------

_THING = (
    r"(?:(?P<kind>(?!Folder |Tag |Contact )\w{1,32})|(?P<named>Folder|Tag|Contact) (?P<name>ANY))"
    r" \(id=(?P<id>\d+)\)"
)
_PLACE = r"folderId=(?P<folder_id>\d+), folderName=(?P<folder>LAST)"
_GRAMMAR: Final = (
    ("mailop", ("Adding Message: ",), ADDED,
     r"Adding (?P<kind>Message): id=(?P<id>\d+), Message-ID=(?P<message_id>ANY), parentId=-?\d+, "
     rf"{_PLACE}(?: acct=(?P<account>[0-9A-Fa-f-]{{36}}))?\."),
    ("mailop", ("adding contact ",), ADDED, rf"adding (?P<kind>contact) (?P<name>ANY): id=(?P<id>\d+), {_PLACE}\."),
    ("mailop", ("modifying contact ",), MODIFIED,
     rf"modifying (?P<kind>contact) (?P<name>ANY): id=(?P<id>\d+), {_PLACE}\."),
    ("mailop", ("Adding Tag ", "Adding SearchFolder ", "Adding Mountpoint "), ADDED,
     r"Adding (?P<kind>\w+) (?P<name>ANY): id=(?P<id>\d+)"
     r"(?:, parentId=(?P<folder_id>\d+), parentName=(?P<folder>LAST))?\."),
    ("mailop", ("Copying ", "Performing IMAP copy of "), COPIED,
     rf"[\w ]+? {_THING}: copyId=(?P<copy>\d+), {_PLACE}(?:, parentId=-?\d+)?\."),
    ("mailop", ("moving ", "Moving "), MOVED,
     rf"[Mm]oving {_THING} to Folder (?P<folder>LAST) \(id=(?P<folder_id>\d+)\)"
     r"(?:\.  Affected message ids: (?P<ids>[\d,]*)\.|\.?)"),
    ("mailop", ("Deleting ",), DELETED, rf"Deleting {_THING}\."),
    ("mailop", ("Deleting ",), DELETED, r"Deleting (?P<kind>[A-Z_]{1,32})S: (?P<ids>[\d,]+)\.?"),
    ("mailbox", ("deleting folder ",), DELETED, r"deleting (?P<kind>folder) id=(?P<id>\d+),path=(?P<name>LAST)"),
    ("mailbox", ("Emptying ",), EMPTIED,
     r"Emptying \d+ items from (?P<folder>ANY), removeSubfolders=(?:true|false)\."),
    ("mailbox", ("Emptying ",), EMPTIED, r"Emptying (?P<folder>dumpster) with batchSize=\d+\.?"),
    ("lmtp", ("Delivering message: ",), DELIVERING,
     r"Delivering message: size=[\w ]+, nrcpts=\d+, sender=(?P<sender>ANY), msgid=(?P<message_id>LAST)"),
    ("lmtp", ("rejecting ", "accepted and discarded ", "try again for "), NOT_DELIVERED,
     r"(?P<reason>[\w ]+) message from=(?P<sender>ANY),to=(?P<account>[^\s,]*?)(?:: (?P<more>LAST))?"),
    ("lmtp", ("Not delivering ",), NOT_DELIVERED,
     r"Not delivering message with (?P<reason>duplicate) Message-ID (?P<message_id>LAST)"),
    ("mailbox", ("not delivering ",), NOT_DELIVERED,
     r"not delivering message, because it is a (?P<reason>duplicate) of sent message (?P<message_id>LAST)"),
)
"""Logger, beginnings, what it means, form; ANY and LAST stand for texts that users may have chosen."""


def _compiled(form: str, any_: str) -> re.Pattern[str]:
    # Mail servers take no longer names; without limits, a line could be made that takes minutes, or a lot of memory.
    last = ".{0,1024}?"
    return re.compile(form.replace(r"\d+", r"\d{1,19}").replace("LAST", last).replace("ANY", any_), re.DOTALL)


_FORMS: Final = tuple(
    (logger, starts, action, _compiled(form, ".{0,1024}?"), _compiled(form, ".{0,1024}"))
    for logger, starts, action, form in _GRAMMAR
)
"""Each form taking as little, and as much, for a name as it can: where the two differ, the line is ambiguous."""
_OPEN: Final = re.compile(
    r"(?:Adding (?:Message:|Tag|SearchFolder|Mountpoint)|(?:adding|modifying) contact|[Mm]oving|Copying) "
)


def _said(line: Line) -> Iterator[Event]:
    """Yield what a line says, one event for each item."""
    for logger, starts, action, least, most in _FORMS:
        if line.logger == logger and line.message.startswith(starts):
            found = least.fullmatch(line.message)
            if found is not None:
                greedy = most.fullmatch(line.message)
                ambiguous = greedy is None or greedy.groups() != found.groups()
                yield from _events(action, found.groupdict(default=""), ambiguous)
                return


def _events(action: str, found: Mapping[str, str], doubtful: bool) -> Iterator[Event]:
    get = found.get
    event = Event(
        action,
        kind=(get("kind") or get("named") or "").lower(),
        item_id=get("copy") or get("id") or "",
        name=get("name", ""),
        folder=get("folder", ""),
        folder_id=get("folder_id", ""),
        copy_of=get("id", "") if get("copy") else "",
        message_id=get("message_id", ""),
        sender=get("sender", "").strip("<>"),
        account=get("account", "").strip("<>"),
        reason=" ".join(filter(None, (get("reason"), get("more")))),
        doubtful=doubtful,
    )
    affected = [item_id for item_id in get("ids", "").split(",") if 0 < len(item_id) < 20]
    if event.item_id or not affected:
        yield event
    for item_id in affected:
        yield event._replace(kind="message" if event.item_id else event.kind, item_id=item_id)


def _closes(line: bytes) -> bool:
    """Tell whether the context of a line comes to its end: quicker than parse, and the same for its purpose."""
    end = line.find(b";]")
    while end >= 0:
        # Of semicolons of an odd number, the last one ends a value, and with the bracket the context.
        even = line[end - 1] != 59 or (end - len(line[:end].rstrip(b";"))) % 2 == 0  # of semicolons before this one
        if even and _LOGGER.match(line, end + 2):
            return True
        end = line.find(b";]", end + 2)
    return _WITHOUT_CONTEXT.match(line, line.index(b"[")) is not None


def read(line: bytes) -> tuple[Line | None, Sequence[Event], bool]:
    """Return a line taken apart, what it says, and whether it breaks off.

    What follows a line that breaks off may be the rest of it, a text with line breaks in it, and not lines at all.

    :param line: begins as a line does, see stamp.
    """
    if not (b"mailop - " in line or b"mailbox - " in line or b"lmtp - " in line):  # most lines say nothing of items
        return None, (), not _closes(line)
    parsed = parse(line)
    if parsed is None:
        return None, (), True
    said = list(_said(parsed))
    return parsed, said, not said and _OPEN.match(parsed.message) is not None


# -- time --------------------------------------------------------------------------------------------------------------

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND: Final = timedelta(milliseconds=1)
_OUT_OF_ORDER: Final = 120_000
"""Milliseconds by which a line may be older than the one before: threads write when they come to it."""


class Clock:
    """Local times of lines, in their order, as UTC milliseconds.

    The hour that comes twice in autumn is taken for the first one until the lines go back in time.
    """

    def __init__(self, zone: tzinfo | None) -> None:
        """:param zone: that of the server; None for this machine's."""
        self._zone = zone
        self._minute = b""
        self._base: int | None = 0

    def minute(self, local: bytes) -> int | None:
        """Return the minute of a line, UTC milliseconds; None for one that does not exist. To be asked for every line.

        :param local: yyyy-MM-dd HH:mm, whatever comes behind it.
        """
        if local[:16] != self._minute:
            self._minute = local[:16]
            self._base = self._of_minute(self._minute.decode("ascii"), self._base or 0)
        return self._base

    def _of_minute(self, minute: str, before: int) -> int | None:
        try:
            naive = datetime.strptime(minute, "%Y-%m-%d %H:%M")
            first, second = (self._utc(naive.replace(fold=fold)) for fold in (0, 1))
        except (ValueError, OverflowError):
            return None
        return second if second > first and first < before - _OUT_OF_ORDER else first

    def _utc(self, naive: datetime) -> int:
        aware = naive.astimezone() if self._zone is None else naive.replace(tzinfo=self._zone)
        return (aware - _EPOCH) // _MILLISECOND
