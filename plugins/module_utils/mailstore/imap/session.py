# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One connection to an IMAP server, logged in as one account: IMAP4rev1 (RFC 3501) and what it was extended with.

Everything here is asked of the server and nothing is remembered but which mailbox is selected.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ...model.errors import Refused
from .answers import HEADER, Marked, Message, NewMessage, fields_of, message_of
from .connection import Ended
from .mailboxes import Mailboxes
from .settings import ImapSettings
from .syntax import as_set, astring, expanded, internal_date, quoted, ranges, said_by, words_of

_CODE: Final = re.compile(rb"\[APPENDUID (\d+) ([\d:,]+)\]")
_COPIED: Final = re.compile(rb"\[COPYUID (\d+) ([\d:,]+) ([\d:,]+)\]")
_LITERAL: Final = re.compile(rb"\{(\d+)\+?\}$")
_UNTAGGED: Final = re.compile(rb"\* (\d+|[A-Za-z-]+)(?: (FETCH))? ?", re.IGNORECASE)
_NUMBER: Final = re.compile(rb"(?<!\S)\d+(?!\S)")
"""Among the numbers of a search, which may be very many; not what stands in parentheses behind them (RFC 7162)."""
_ON_A_LINE: Final = 500
_LARGE: Final = 1 << 20
"""Bytes from which on a message may be more than a server takes."""
_EIGHT_BIT: Final = re.compile(rb"[\x80-\xff]")


class Session(Mailboxes):
    """A connection, and what concerns messages."""

    def __init__(self, settings: ImapSettings, address: str) -> None:
        """Log in as an account. :raises InvalidInput: the library is not there, or the master user is not let in."""
        super().__init__(settings, address)
        self._proven: dict[bytes, set[str]] = {}
        """Flags and keywords that the server has taken, by mailbox."""

    def uids(self, name: bytes) -> list[int]:
        """Return the UIDs of a mailbox's messages, ascending."""
        self.select(name)
        return self._searched("ALL")

    def messages(self, name: bytes, uids: str) -> Iterator[Message]:
        """Yield what a listing says of messages. :param uids: a set as IMAP writes it, such as "7:*"."""
        self.select(name)
        identity = self._message_identity()
        items = f"(UID FLAGS INTERNALDATE RFC822.SIZE {identity})"
        fetched = self._listed(name, uids, items)
        with self._asking("UID FETCH"):
            for line, literal in fetched:
                message = message_of(line, literal, identity)
                if message is not None:
                    yield message

    def _listed(self, name: bytes, uids: str, items: str) -> list[tuple[bytes, bytes]]:
        """Return what _fetched does; of a message at which the server ends the connection, all but its size.

        Dovecot does that at one that it cannot read, and finds out as it wants to know its size.
        """
        try:
            return self._fetched(uids, items)
        except Ended:
            self.reopen()
        self.select(name)
        rest = self._searched(f"UID {uids}")
        if len(rest) > 1:
            half = len(rest) // 2
            halves = (as_set(part) for part in (rest[:half], rest[half:]))
            return [one for part in halves for one in self._listed(name, part, items)]
        with contextlib.suppress(Ended):
            return self._fetched(uids, items)  # it may have been another reason
        self.reopen()
        self.select(name)
        items = items.replace(" RFC822.SIZE", "").replace(f" {HEADER}", "")
        return [(line + b" RFC822.SIZE 0", literal) for line, literal in self._fetched(uids, items)]

    def marks(self, name: bytes, uids: str, since: int = 0) -> tuple[Marked, list[tuple[int, int]]]:
        """Return the flags and keywords of messages by UID, and the ranges of UIDs that are gone.

        :param since: a modification number: only what changed after it; needs CONDSTORE. What is gone is told by a
            server with QRESYNC, and only then.
        """
        self.select(name)
        modifier = ""
        if since:
            modifier = f" (CHANGEDSINCE {since}{' VANISHED' if self.supports('QRESYNC') else ''})"
        marked = {}
        with self._asking("UID FETCH"):
            for line, _literal in self._fetched(uids, f"(UID FLAGS){modifier}"):
                fields = fields_of(line)
                if b"UID" in fields and b"FLAGS" in fields:
                    marked[int(fields[b"UID"])] = words_of(fields[b"FLAGS"])
            gone = [one for line in self._client._imap.untagged_responses.pop("VANISHED", [])
                    for one in ranges(line.rpartition(b" ")[2])]
        return marked, gone

    def contents(self, name: bytes, uids: Iterable[int]) -> dict[int, bytes]:
        """Return the contents of messages, without marking them as read; those that are gone are left out."""
        wanted = frozenset(uids)
        if not wanted:
            return {}
        self.select(name)
        found = {}
        for line, literal in self._fetched(as_set(wanted), "(UID BODY.PEEK[])"):
            number = re.search(rb"UID (\d+)", line)
            if number is None or b"BODY[]" not in line or int(number[1]) not in wanted:
                continue
            if not literal:
                quoted = re.search(rb'BODY\[\] ("(?:\\.|[^"\\])*")', line)
                literal = astring(quoted[1])[0] if quoted else b""
            if literal:  # else it is being removed (Dovecot with Maildir); no server takes a message of no content
                found[int(number[1])] = literal
        if self._is_dovecot():
            # It shows a NUL as another byte, but where it is asked for the binary content (RFC 3516).
            for uid in [uid for uid, content in found.items() if b"\x80" in content]:
                with contextlib.suppress(Refused):  # a message with a part that it cannot decode
                    for line, literal in self._fetched(str(uid), "(UID BINARY.PEEK[])"):
                        if b"BINARY[]" in line and literal.replace(b"\0", b"\x80") == found[uid]:
                            found[uid] = literal  # unless it has decoded parts of it
        return found

    def comparable(self, content: bytes) -> bytes:
        """Return a content without that which this server may alter as it takes it: equal before and after.

        Cyrus puts an X for each octet of a header that is not of ASCII, unless it is told not to (munge8bit).
        """
        if not self._is_cyrus():
            return content
        header, end, body = content.partition(b"\r\n\r\n")
        return _EIGHT_BIT.sub(b"X", header) + end + body

    def append(self, name: bytes, batch: Sequence[NewMessage]) -> list[int]:
        """Add messages, all of them or none (RFC 3502; one at a time where the server cannot do that).

        :return: their UIDs; nothing where the server does not tell (UIDPLUS).
        """
        if not self.supports("MULTIAPPEND") and len(batch) > 1:
            return [uid for one in batch for uid in self.append(name, [one])]
        proven = self._proven.setdefault(name, set())
        plus, binary = self.supports("LITERAL+"), self.supports("BINARY")
        written: dict[tuple[str, ...], bytes] = {}
        with self._asking("APPEND"):
            imap = self._client._imap
            imap.untagged_responses.clear()
            tag = imap._new_tag()
            unsent = [tag, b" APPEND ", quoted(name)]
            for one in batch:
                words = written.get(one.words)
                # A server that does not like a flag may take what follows for commands, so it is told its length only
                # when it has taken the flags; once it has, they can go with the rest.
                # So it is of what may be too large: Cyrus ends the connection where it has no other way to say so.
                at_once = (
                    plus and (words is not None or proven.issuperset(one.words)) and len(one.content) < _LARGE
                )
                if words is None:
                    words = written[one.words] = " ".join(one.words).encode("latin-1")
                date = b"" if one.date is None else b' "%s"' % internal_date(one.date).encode()
                unsent.append(b" (%s)%s %s{%d%s}\r\n" % (
                    words, date, b"~" if binary and b"\0" in one.content else b"", len(one.content),
                    b"+" if at_once else b"",
                ))
                if not at_once:
                    imap.send(b"".join(unsent))
                    unsent = []
                    refused = self._continued(tag)
                    if refused is not None:
                        raise Refused(f"{self.server} refused it: {said_by(refused)}")
                    proven.update(one.words)
                unsent.append(one.content)
            imap.send(b"".join([*unsent, b"\r\n"]))
            kind, data = imap._command_complete("APPEND", tag)
        said = data[0] if data and isinstance(data[0], bytes) else b""
        if kind != "OK":
            raise Refused(f"{self.server} refused it: {said_by(said)}")
        self._stale = True
        code = _CODE.search(said)
        try:
            return list(expanded(code[2], len(batch))) if code else []
        except ValueError:  # no numbers, or not those of what was sent
            return []

    def _continued(self, tag: bytes) -> bytes | None:
        """Wait until the server wants the literal; return what it says where it ends the command instead."""
        imap = self._client._imap
        while imap._get_response() is not None:
            if imap.tagged_commands.get(tag):
                _kind, data = imap.tagged_commands.pop(tag)
                return data[0] if data and isinstance(data[0], bytes) else b""
        return None

    def store(self, name: bytes, uid: int, words: Sequence[str]) -> None:
        """Give a message these flags and keywords, and no others."""
        self.select(name)
        self._command("UID STORE", [str(uid).encode(), b"FLAGS.SILENT", f"({' '.join(words)})".encode("latin-1")])

    def take_off(self, name: bytes, uids: Sequence[int], word: str) -> None:
        """Take a keyword off messages."""
        self.select(name)
        self._store_each(uids, b"-", word)

    def move(self, name: bytes, uid: int, other: bytes) -> int:
        """Bring a message into another mailbox; needs MOVE (RFC 6851).

        :return: its UID there; 0 where the server does not tell. :raises NotFound: the message is gone.
        """
        return next(iter(self._into("UID MOVE", name, uid, other)), 0)

    def copy(self, name: bytes, uid: int, other: bytes) -> list[int]:
        """Copy a message into another mailbox. :return: its UID there; nothing where the server does not tell."""
        return self._into("UID COPY", name, uid, other)

    def _into(self, verb: str, name: bytes, uid: int, other: bytes) -> list[int]:
        self.select(name)
        untagged = self._client._imap.untagged_responses
        untagged.clear()
        said = self._command(verb, [str(uid).encode(), quoted(other)])
        # A move tells before its end (RFC 6851), a copy at its end.
        told = b" ".join(b"[COPYUID %s]" % one for one in untagged.get("COPYUID", ()))
        found = _COPIED.search(said) or _COPIED.search(told)
        return [int(found[3])] if found and found[3].isdigit() else []

    def expunge(self, name: bytes, uids: Sequence[int]) -> None:
        """Remove messages for good."""
        self.select(name)
        self._store_each(uids, b"+", "\\Deleted")
        if self.supports("UIDPLUS"):
            for chosen in _sets(uids):
                self._command("UID EXPUNGE", [chosen])
            return
        # All that is marked so would go: what others have marked is not, meanwhile. Cut off here, it only stays.
        others = sorted(set(self._searched("DELETED")).difference(uids))
        self._store_each(others, b"-", "\\Deleted")
        self._command("EXPUNGE", [])
        self._store_each(others, b"+", "\\Deleted")

    def _store_each(self, uids: Sequence[int], sign: bytes, word: str) -> None:
        for chosen in _sets(uids):
            self._command("UID STORE", [chosen, sign + b"FLAGS.SILENT", f"({word})".encode("latin-1")])

    def _searched(self, what: str) -> list[int]:
        """Return the UIDs of those messages of the mailbox that is selected which a search finds, ascending."""
        lines, _unused = self._untagged("UID SEARCH", [what.encode()], response="SEARCH")
        return sorted(int(found[0]) for line in lines for found in _NUMBER.finditer(line))

    def _message_identity(self) -> str:
        if self._is_cyrus():
            return "EMAILID CREATEDMODSEQ"  # the first is the same for equal messages; both stay with one that is moved
        if self.supports("OBJECTID"):
            return "EMAILID"
        return "X-GUID" if self._is_dovecot() else HEADER

    def _fetched(self, uids: str, items: str) -> list[tuple[bytes, bytes]]:
        """Return of each FETCH response its line, and its literal where it has one.

        A mailbox has very many of them; so they are read here, and what else the server says goes to the library.
        """
        imap = self._client._imap
        imap.untagged_responses.clear()
        found = []
        with self._asking("UID FETCH"):
            tag = imap._new_tag()
            del imap.tagged_commands[tag]
            imap.send(b"%s UID FETCH %s %s\r\n" % (tag, uids.encode(), items.encode()))
            end = tag + b" "
            while not (line := self._line()).startswith(end):
                literal = b""
                while line.endswith(b"}") and (size := _LITERAL.search(line)):
                    content = self._read(int(size[1]))
                    if len(content) < int(size[1]):
                        raise EOFError("it ended in the middle of a message")
                    literal = literal or content
                    line = line[:size.start()] + self._line()
                response = _UNTAGGED.match(line)
                if response is None:
                    raise ValueError(f"{line[:80]!r}")
                if response[2]:
                    found.append((line[response.end():], literal))
                elif response[1].upper() == b"BYE":
                    raise EOFError(said_by(line[response.end():]))
                else:
                    imap._append_untagged(response[1].decode("latin-1"), line[response.end():])
        kind, _unused, said = line[len(end):].partition(b" ")
        if kind.upper() != b"OK" and b"[EXPUNGEISSUED]" not in said.upper():  # some have gone meanwhile
            raise Refused(f"{self.server} refused UID FETCH for {self.address}: {said_by(said)}")
        return found

    def _line(self) -> bytes:
        """Return a line of an answer. :raises EOFError: there is none, or not all of it."""
        line = self._readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("it ended the connection")
        return line[:-2]


def _sets(uids: Sequence[int]) -> Iterator[bytes]:
    """Yield UIDs in sets that fit into the line of a command, which servers limit: Dovecot to 64 KiB."""
    for start in range(0, len(uids), _ON_A_LINE):
        yield as_set(uids[start:start + _ON_A_LINE]).encode()
