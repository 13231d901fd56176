# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small IMAP server in a thread, which keeps mail in memory and answers what a test tells it to."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import ImapSettings

ANNA = "anna@example.com"
USUAL = (
    "IMAP4REV1 UIDPLUS LITERAL+ MULTIAPPEND MOVE NAMESPACE LIST-EXTENDED LIST-STATUS SPECIAL-USE UNSELECT"
)
DATE = b"01-Jan-2020 10:00:00 +0000"
_MESSAGE = re.compile(rb'\(([^()]*)\)(?: "([^"]*)")? ~?<(\d+)>')


def mail(number: int) -> bytes:
    """Return a message."""
    return b"Message-ID: <%d@example.com>\r\nSubject: %d\r\n\r\nHello\r\n" % (number, number)


@dataclasses.dataclass
class Mail:
    """A message."""

    words: bytes
    date: bytes
    content: bytes


@dataclasses.dataclass
class Box:
    """A mailbox."""

    uidvalidity: int
    flags: bytes = b""
    uidnext: int = 1
    mails: dict[int, Mail] = dataclasses.field(default_factory=dict)
    subscribed: bool = False

    def add(self, mail: Mail) -> int:
        """Add a message; return its UID."""
        self.mails[self.uidnext] = mail
        self.uidnext += 1
        return self.uidnext - 1


Answer = Callable[["Connection", bytes, bytes, "list[bytes]"], "bytes | None"]
"""Takes the connection, the tag, the arguments (a literal as its number in angle brackets) and the literals; returns
what the server says, or None to have the usual."""


class ScriptedImap(socketserver.ThreadingTCPServer):
    """The server. A test changes what it is like."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.capabilities = USUAL
        self.namespace = b'(("" "/")) NIL NIL'
        self.delimiter: bytes = b'"/"'
        self.boxes = {b"INBOX": Box(1)}
        self.answers: dict[str, Answer] = {}
        """By verb, such as "UID FETCH"; "" for the greeting, "literal" for when one is about to come."""
        self.commands: list[str] = []
        """The verbs of all commands that were given."""
        accounts = directory / "accounts"
        accounts.write_text(f"{ANNA}\n", encoding="utf-8")
        self.settings = ImapSettings(
            host="127.0.0.1", port=self.server_address[1], security="none", master_user="master",
            master_password="secret", timeout=2, sieve_port=0, accounts_file=str(accounts),
        )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that is gone."""

    def contents(self, box: bytes = b"INBOX") -> list[bytes]:
        """Return what the messages of a mailbox hold."""
        return [mail.content for mail in self.boxes[box].mails.values()]


class Gone(Exception):
    """Ends the connection."""


class Connection(socketserver.StreamRequestHandler):
    """One client."""

    server: ScriptedImap

    def handle(self) -> None:
        """Talk with it."""
        self.selected = b""
        with contextlib.suppress(OSError, Gone):
            self.say(self._asked("", b"", b"", []) or b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n")
            while line := self.rfile.readline():
                line, literals = self._whole(line.rstrip(b"\r\n"))
                tag, _unused, rest = line.partition(b" ")
                verb, _unused, arguments = rest.partition(b" ")
                if verb.upper() == b"UID":
                    second, _unused, arguments = arguments.partition(b" ")
                    verb += b" " + second
                name = verb.decode().upper()
                self.server.commands.append(name)
                said = self._asked(name, tag, arguments, literals)
                if said is None:
                    usual = getattr(self, f"do_{name.lower().replace(' ', '_')}", None)
                    said = usual(arguments, literals) if usual else b"BAD what?"
                    lines = said.split(b"\r\n")
                    said = b"".join(one + b"\r\n" for one in (*lines[:-1], tag + b" " + lines[-1]))
                self.say(said)

    def say(self, text: bytes) -> None:
        """Say something."""
        self.wfile.write(text)

    def leave(self) -> None:
        """End the connection."""
        raise Gone

    def _asked(self, verb: str, tag: bytes, arguments: bytes, literals: list[bytes]) -> bytes | None:
        answer = self.server.answers.get(verb)
        return answer(self, tag, arguments, literals) if answer else None

    def _whole(self, line: bytes) -> tuple[bytes, list[bytes]]:
        literals: list[bytes] = []
        while found := re.search(rb"\{(\d+)(\+?)\}$", line):
            self._asked("literal", b"", line, literals)
            if not found[2]:
                self.say(b"+ go on\r\n")
            literals.append(self.rfile.read(int(found[1])))
            rest = self.rfile.readline().rstrip(b"\r\n")
            line = line[:found.start()] + b"<%d>" % (len(literals) - 1) + rest
        return line, literals

    # -- what it usually says --------------------------------------------------------------------------------------

    def do_capability(self, _arguments: bytes, _literals: list[bytes]) -> bytes:
        return b"* CAPABILITY %s\r\nOK done" % self.server.capabilities.encode()

    def do_authenticate(self, _arguments: bytes, _literals: list[bytes]) -> bytes:
        if not _arguments.partition(b" ")[2]:
            self.say(b"+ \r\n")
            self.rfile.readline()
        return b"OK [CAPABILITY %s] in" % self.server.capabilities.encode()

    def do_logout(self, _arguments: bytes, _literals: list[bytes]) -> bytes:
        return b"* BYE\r\nOK done"

    def do_enable(self, arguments: bytes, _literals: list[bytes]) -> bytes:
        return b"* ENABLED %s\r\nOK done" % arguments

    def do_noop(self, _arguments: bytes, _literals: list[bytes]) -> bytes:
        return b"OK done"

    def do_unselect(self, _arguments: bytes, _literals: list[bytes]) -> bytes:
        return b"OK done"

    def do_namespace(self, _arguments: bytes, _literals: list[bytes]) -> bytes:
        return b"* NAMESPACE %s\r\nOK done" % self.server.namespace

    def do_list(self, arguments: bytes, _literals: list[bytes]) -> bytes:
        if arguments == b'"" ""':
            return b'* LIST (\\NoSelect) %s ""\r\nOK done' % self.server.delimiter
        lines = []
        for name, box in self.server.boxes.items():
            if not self._wanted(arguments, name):
                continue
            flags = box.flags + (b" \\Subscribed" if box.subscribed else b"")
            lines.append(b'* LIST (%s) %s "%s"' % (flags.strip(), self.server.delimiter, name))
            if b"STATUS" in arguments and b"\\noselect" not in flags.lower():
                lines.append(self._status(name, box, arguments))
        return b"\r\n".join([*lines, b"OK done"])

    def do_lsub(self, _arguments: bytes, _literals: list[bytes]) -> bytes:
        return b"".join(
            b'* LSUB () %s "%s"\r\n' % (self.server.delimiter, name)
            for name, box in self.server.boxes.items() if box.subscribed
        ) + b"OK done"

    def do_status(self, arguments: bytes, _literals: list[bytes]) -> bytes:
        name = self._name(arguments)
        if b"X-GUID" in arguments:
            return b"BAD unknown item"
        if name not in self.server.boxes:
            return b"NO no such mailbox"
        return self._status(name, self.server.boxes[name], arguments) + b"\r\nOK done"

    def do_select(self, arguments: bytes, _literals: list[bytes]) -> bytes:
        self.selected = self._name(arguments)
        return b"OK [READ-WRITE] done" if self.selected in self.server.boxes else b"NO no such mailbox"

    def do_create(self, arguments: bytes, _literals: list[bytes]) -> bytes:
        name = self._name(arguments)
        if name in self.server.boxes:
            return b"NO [ALREADYEXISTS] it is there"
        self.server.boxes[name] = Box(len(self.server.boxes) + 100)
        return b"OK done"

    def do_delete(self, arguments: bytes, _literals: list[bytes]) -> bytes:
        return b"OK done" if self.server.boxes.pop(self._name(arguments), None) else b"NO no such mailbox"

    def do_subscribe(self, arguments: bytes, _literals: list[bytes]) -> bytes:
        self.server.boxes[self._name(arguments)].subscribed = True
        return b"OK done"

    def do_unsubscribe(self, arguments: bytes, _literals: list[bytes]) -> bytes:
        self.server.boxes[self._name(arguments)].subscribed = False
        return b"OK done"

    def do_append(self, arguments: bytes, literals: list[bytes]) -> bytes:
        box = self.server.boxes.get(self._name(arguments))
        if box is None:
            return b"NO [TRYCREATE] no such mailbox"
        uids = [
            box.add(Mail(words, date or b"01-Jan-2020 10:00:00 +0000", literals[int(number)]))
            for words, date, number in _MESSAGE.findall(arguments)
        ]
        if "UIDPLUS" not in self.server.capabilities:
            return b"OK done"
        return b"OK [APPENDUID %d %d:%d] done" % (box.uidvalidity, uids[0], uids[-1])

    def do_uid_search(self, arguments: bytes, _literals: list[bytes]) -> bytes:
        chosen = self._chosen(arguments.partition(b" ")[2]) if arguments.startswith(b"UID ") else self._box.mails
        return b"* SEARCH %s\r\nOK done" % b" ".join(
            b"%d" % uid for uid in chosen
            if arguments != b"DELETED" or b"\\deleted" in self._box.mails[uid].words.lower()
        )

    def do_uid_fetch(self, arguments: bytes, _literals: list[bytes]) -> bytes:
        chosen, _unused, items = arguments.partition(b" ")
        lines = [self.fetched(uid, items) for uid in self._chosen(chosen)]
        return b"".join(line + b"\r\n" for line in lines) + b"OK done"

    def fetched(self, uid: int, items: bytes) -> bytes:
        """Return a FETCH response."""
        mail = self._box.mails[uid]
        parts = [b"UID %d" % uid]
        if b"FLAGS" in items:
            parts.append(b"FLAGS (%s)" % mail.words)
        if b"INTERNALDATE" in items:
            parts.append(b'INTERNALDATE "%s" RFC822.SIZE %d' % (mail.date, len(mail.content)))
        if b"HEADER" in items:
            found = re.search(rb"(?mi)^Message-ID:.*$", mail.content)
            header = (found[0] if found else b"") + b"\r\n"
            parts.append(b"BODY[HEADER.FIELDS (MESSAGE-ID)] {%d}\r\n%s" % (len(header), header))
        elif b"BODY.PEEK[]" in items:
            parts.append(b"BODY[] {%d}\r\n%s" % (len(mail.content), mail.content))
        return b"* %d FETCH (%s)" % (list(self._box.mails).index(uid) + 1, b" ".join(parts))

    def do_uid_store(self, arguments: bytes, _literals: list[bytes]) -> bytes:
        chosen, how, words = arguments.split(b" ", 2)
        for uid in self._chosen(chosen):
            mail = self._box.mails[uid]
            given = words.strip(b"()")
            if how.startswith(b"-"):
                mail.words = b" ".join(word for word in mail.words.split() if word.lower() != given.lower())
            else:
                mail.words = mail.words + b" " + given if how.startswith(b"+") else given
        return b"OK done"

    def do_uid_expunge(self, _arguments: bytes, _literals: list[bytes]) -> bytes:
        return self.do_expunge(b"", [])

    def do_expunge(self, _arguments: bytes, _literals: list[bytes]) -> bytes:
        for uid, mail in list(self._box.mails.items()):
            if b"\\deleted" in mail.words.lower():
                del self._box.mails[uid]
        return b"OK done"

    def do_uid_copy(self, arguments: bytes, _literals: list[bytes]) -> bytes:
        chosen, _unused, name = arguments.partition(b" ")
        target = self.server.boxes[self._name(name)]
        for uid in self._chosen(chosen):
            target.add(dataclasses.replace(self._box.mails[uid]))
        return b"OK done"

    def do_uid_move(self, arguments: bytes, literals: list[bytes]) -> bytes:
        self.do_uid_copy(arguments, literals)
        for uid in self._chosen(arguments.partition(b" ")[0]):
            del self._box.mails[uid]
        return b"OK done"

    @property
    def _box(self) -> Box:
        return self.server.boxes.get(self.selected, Box(0))

    def _chosen(self, chosen: bytes) -> list[int]:
        found = []
        for part in chosen.split(b","):
            first, _unused, last = part.partition(b":")
            end = max(self._box.mails, default=0) if last == b"*" else int(last or first)
            found += [uid for uid in self._box.mails if int(first) <= uid <= end]
        return found

    @staticmethod
    def _name(arguments: bytes) -> bytes:
        found = re.match(rb'"((?:\\.|[^"\\])*)"', arguments)
        return found[1] if found else arguments.split(b" ")[0]

    @staticmethod
    def _wanted(arguments: bytes, name: bytes) -> bool:
        """Return whether one of the patterns of a LIST is that of a mailbox."""
        patterns = re.findall(rb'"((?:\\.|[^"\\])*)"', re.sub(rb" RETURN .*", b"", arguments))[1:]
        return any(re.fullmatch(re.escape(one).replace(rb"\*", b".*"), name) for one in patterns)

    @staticmethod
    def _status(name: bytes, box: Box, wanted: bytes) -> bytes:
        modseq = b" HIGHESTMODSEQ 1" if b"HIGHESTMODSEQ" in wanted else b""
        return b'* STATUS "%s" (MESSAGES %d UIDNEXT %d UIDVALIDITY %d%s)' % (
            name, len(box.mails), box.uidnext, box.uidvalidity, modseq
        )


@contextlib.contextmanager
def scripted_imap(directory: Path) -> Iterator[ScriptedImap]:
    """Serve for as long as the with statement lasts. :param directory: where its list of accounts is."""
    with ScriptedImap(directory) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
