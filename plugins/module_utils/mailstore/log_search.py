# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Searching a mailbox.log, and its rotated files, for what happened to items (R-025).

A line of a move or a deletion names an item by its id alone. So what earlier lines said of an item (its Message-ID, its
sender, the folder it went to) is remembered, of a bounded number of items, and counts for the later ones.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from datetime import tzinfo
from typing import Any, Final, Generic, NamedTuple, TypeVar

from ..model import moment
from ..model.errors import InvalidInput, RestanteError
from . import mailbox_log
from .log_files import LONGEST, LogFile, LogFiles, RawLine, Skipped, day
from .mailbox_log import Event, Line

DAY: Final = 86_400_000
REMEMBERED: Final = 10_000
"""Items, and deliveries, of which something is remembered."""
_CLIENT: Final = 256
"""Characters of a client's name that are told."""
_HOPELESS: Final = 100_000
"""Lines of which none begins as one should, after which a file is taken for something else than a log."""


class Wanted(NamedTuple):
    """What to find: what matches everything that is given."""

    start: int | None = None
    """UTC milliseconds."""
    end: int | None = None
    """UTC milliseconds; not included."""
    account: str = ""
    """Address, or id of the account or of the mailbox."""
    item_id: str = ""
    message_id: str = ""
    sender: str = ""
    """A part of the address, in any case."""
    folder: str = ""
    """Name, path or id."""
    actions: Collection[str] = ()
    """Of mailbox_log.ACTIONS; empty for all."""

    @property
    def names_an_item(self) -> bool:
        """Whether what is wanted is certain items."""
        return bool(self.item_id or self.message_id or self.sender)

    def check(self) -> Wanted:
        """Return it. :raises InvalidInput: nothing can match."""
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise InvalidInput("The interval is backwards: its start must be earlier than its end.")
        unknown = sorted(set(self.actions) - set(mailbox_log.ACTIONS))
        if unknown:
            raise InvalidInput(
                f"There is no action {', '.join(unknown)} in a mailbox.log; there are {', '.join(mailbox_log.ACTIONS)}."
            )
        return self


class Found(NamedTuple):
    """Something that happened to an item."""

    at: int
    """UTC milliseconds."""
    event: Event
    account: str
    mailbox_id: str
    by: str
    """Who did it, where the log says so."""
    ip: str
    client: str
    file: str
    line: int

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        event = self.event._asdict()
        del event["account"]
        return {
            "at": moment.iso(self.at), "account": self.account, "mailbox_id": self.mailbox_id, **event,
            "by": self.by, "ip": self.ip, "client": self.client, "file": self.file, "line": self.line,
        }


def _place(at: int, line: Line, file: LogFile, raw: RawLine) -> Found:
    """Return what a line's context says, the event left out."""
    context = line.context
    return Found(
        at, Event(""), context.get("name", ""), context.get("mid", ""), context.get("aname") or context.get("name", ""),
        context.get("oip") or context.get("ip", ""), context.get("ua", "")[:_CLIENT], file.path, raw.number,
    )


Value = TypeVar("Value")


class _Memory(Generic[Value]):
    """A mapping that forgets what was put into it first, once it is full."""

    def __init__(self) -> None:
        self._known: dict[Any, Value] = {}

    def get(self, key: Any) -> Value | None:
        return self._known.get(key)

    def put(self, key: Any, value: Value) -> None:
        self._known.pop(key, None)
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = value

    def items(self) -> list[tuple[Any, Value]]:
        return list(self._known.items())


class LogSearch:
    """One search of a log. The log is opened at once, so that it may be rotated while it is read."""

    def __init__(self, path: str, wanted: Wanted, zone: tzinfo | None = None, rotated: bool = True) -> None:
        """
        :param zone: that of the server that wrote it; None for this machine's.
        :param rotated: whether to read its rotated files, too.
        :raises NotFound, Refused, InvalidInput: the log cannot be opened, or nothing can match.
        """
        self._wanted = wanted.check()
        self._files = LogFiles(path, rotated)
        self._zone = zone
        self._clock = mailbox_log.Clock(zone)
        self._items: _Memory[Event] = _Memory()
        self._senders: _Memory[str] = _Memory()
        self.read: list[str] = []
        """The files that were read."""
        self.problems: list[RestanteError] = []
        """What could not be read."""

    def close(self) -> None:
        """Close the log."""
        self._files.close()

    def found(self) -> Generator[Found, None, None]:
        """Yield what matches, in the order of the log.

        :raises RestanteError: nothing could be read at all.
        """
        for file in self._files.files():
            if isinstance(file, Skipped):
                self.problems.append(file.error)
            elif not self._is_of_another_time(file.path):
                try:
                    yield from self._of_file(file)
                except RestanteError as error:
                    self.problems.append(error)
        if self.problems and not self.read:
            raise self.problems[-1]

    def _is_of_another_time(self, path: str) -> bool:
        """Tell by a rotated file's name that nothing in it can count."""
        named = day(path)
        if not named or self._wanted.names_an_item:
            return False
        clock = mailbox_log.Clock(self._zone)
        midnight = clock.minute(f"{named} 00:00".encode("ascii"))
        if midnight is None:
            return False
        start, end = self._wanted.start, self._wanted.end
        return (start is not None and midnight + 2 * DAY < start) or (end is not None and midnight - DAY > end)

    def _of_file(self, file: LogFile) -> Iterator[Found]:
        lines, doubtful_until = 0, 0
        raw = RawLine(b"", 0, 0, True)
        for raw in file.lines():
            stamp = mailbox_log.stamp(raw.data)
            minute = None if stamp is None else self._clock.minute(stamp[1])
            if stamp is None or minute is None:
                if not lines and raw.number > _HOPELESS:
                    break
                continue
            lines += 1
            if lines == 1:
                self.read.append(file.path)
            line, said, breaks_off = mailbox_log.read(raw.data)
            if line is not None and said:
                at = minute + int(stamp[1][17:]) * 1000 + int(stamp[2])
                here = _place(at, line, file, raw)
                doubtful = raw.offset < doubtful_until or not raw.whole
                for event in said:
                    yield from self._of_event(here, event._replace(doubtful=True) if doubtful else event)
            if breaks_off:
                doubtful_until = raw.offset + len(raw.data) + LONGEST
        if raw.number and not lines:
            raise InvalidInput(
                f"{file.path} is no mailbox.log: none of its lines begins as one, it may be binary. Name another file."
            )

    def _of_event(self, here: Found, event: Event) -> Iterator[Found]:
        account = here.account or event.account
        mailbox = here.mailbox_id or account.lower()
        if event.action == mailbox_log.DELIVERING:
            self._senders.put(event.message_id, event.sender)
        of_items = list(self._emptied(mailbox, event)) if event.action == mailbox_log.EMPTIED else []
        for one in of_items or [self._completed(mailbox, event)]:
            if self._is_of_wanted_item(one):
                if one.item_id and event.action != mailbox_log.EMPTIED:
                    self._items.put((mailbox, one.item_id), one)
                if self._matches(here, account, one):
                    yield here._replace(event=one, account=account)

    def _completed(self, mailbox: str, event: Event) -> Event:
        """Return an event with what earlier lines said of its item; as doubtful as they, where they make it match."""
        known = self._items.get((mailbox, event.item_id)) or self._items.get((mailbox, event.copy_of))
        if known is not None:
            event = event._replace(
                message_id=event.message_id or known.message_id, sender=event.sender or known.sender,
                doubtful=event.doubtful or (known.doubtful and not self._wanted.item_id),
            )
        sender = self._senders.get(event.message_id) if event.message_id and not event.sender else None
        return event._replace(sender=sender) if sender else event

    def _emptied(self, mailbox: str, event: Event) -> Iterator[Event]:
        """Yield the emptying of a folder as what happened to the items that lines before have put there."""
        if not self._wanted.names_an_item:
            return
        name = event.folder.rpartition("/")[2]
        for (of_mailbox, item_id), last in self._items.items():
            if of_mailbox == mailbox and last.action != mailbox_log.DELETED and last.folder.rpartition("/")[2] == name:
                self._items.put((of_mailbox, item_id), last._replace(folder=""))  # it is there no more
                yield last._replace(
                    action=event.action, folder=event.folder, copy_of="", doubtful=last.doubtful or event.doubtful
                )

    def _is_of_wanted_item(self, event: Event) -> bool:
        wanted = self._wanted
        return (
            wanted.item_id in ("", event.item_id, event.copy_of)
            and (not wanted.message_id or wanted.message_id.strip("<> ") == event.message_id.strip("<> "))
            and wanted.sender.lower() in event.sender.lower()
        )

    def _matches(self, here: Found, account: str, event: Event) -> bool:
        wanted = self._wanted
        folder = wanted.folder.strip("/").lower()
        path = event.folder.strip("/").lower()
        names = (account.lower(), event.account.lower(), here.mailbox_id)
        return (
            (wanted.start is None or here.at >= wanted.start)
            and (wanted.end is None or here.at < wanted.end)
            and (not wanted.account or wanted.account.lower() in names)
            and (not folder or folder in (path, path.rpartition("/")[2], event.folder_id))
            and (not wanted.actions or event.action in wanted.actions)
        )
