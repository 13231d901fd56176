# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One connection to an IMAP server, logged in as one account: IMAP4rev1 (RFC 3501) and what it was extended with.

Everything here is asked of the server and nothing is remembered but which mailbox is selected. Names of mailboxes are
bytes, as IMAP writes them.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import socket
import ssl
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from ...model.errors import AlreadyExists, InvalidInput, NotFound, Refused, Unavailable
from . import tls
from .settings import SEPARATED, STARTTLS, TLS, ImapSettings, login_name

try:
    import imapclient
    from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

    IMAPCLIENT_MISSING = ""
except ImportError:
    IMAPCLIENT_MISSING = traceback.format_exc()

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_STATUS: Final = re.compile(rb"([A-Z-]+) ([^ ()]+)")
_PAIR: Final = re.compile(
    rb'(UID|FLAGS|INTERNALDATE|RFC822\.SIZE|X-GUID|EMAILID|CREATEDMODSEQ) (\([^()]*\)|"[^"]*"|[^ ()]+)'
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CODE: Final = re.compile(rb"\[APPENDUID (\d+) ([\d:,]+)\]")
_COPIED: Final = re.compile(rb"\[COPYUID (\d+) ([\d:,]+) ([\d:,]+)\]")
_HEADER: Final = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"
_UNIQUE_ID: Final = "/shared/vendor/cmu/cyrus-imapd/uniqueid"
_EIGHT_BIT: Final = re.compile(rb"[\x80-\xff]")
_NOT_QUOTABLE: Final = re.compile(rb"[\r\n\x80-\xff]")
_LONGEST_LINE: Final = 64 * 1024 * 1024
"""The UIDs of a mailbox are one line."""
_LARGEST: Final = 1 << 30
"""No mail server takes a message that is larger."""
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
    words: Sequence[str]
    date: int | None
    """UTC milliseconds; None for the moment at which it is added."""


class Session:
    """A connection. A server that says no raises Refused; one that does not answer, or ends the connection,
    Unavailable, and then the session is of no more use."""

    def __init__(self, settings: ImapSettings, address: str) -> None:
        """Log in as an account. :raises InvalidInput: the library is not there, or the master user is not let in."""
        if IMAPCLIENT_MISSING:
            raise InvalidInput("The Python library IMAPClient is missing on this node; install python3-imapclient.")
        self.address = address
        self.server = f"The mail server {settings.host}:{settings.port}"
        self._selected = b""
        self._stale = False
        self._proven: dict[bytes, set[str]] = {}
        """Flags and keywords that the server has taken, by mailbox."""
        with self._asking(f"opening {address}"):
            context = tls.context(settings.ca_file)
            self._client: Any = imapclient.IMAPClient(
                settings.host, settings.port, ssl=settings.security == TLS, ssl_context=context,
                timeout=settings.timeout,
            )
            self._client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client._imap.readline, self._client._imap.read = self._readline, self._read
            self._client.folder_encode = False
            self._client.normalise_times = False
        try:
            with self._asking(f"opening {address}"):
                if settings.security == STARTTLS:
                    self._client.starttls(context)
            self._log_in(settings)
            with self._asking(f"opening {address}"):
                self._capabilities = frozenset(
                    word.decode("latin-1").upper() for word in self._client.capabilities()
                )
                if self.supports("QRESYNC"):
                    self._client.enable("QRESYNC")
                elif self.supports("CONDSTORE") and self.supports("ENABLE"):
                    self._client.enable("CONDSTORE")
            self._identity = ""
            self.prefix, self.delimiter, self._foreign = self._namespaces()
        except BaseException:
            self.close()
            raise

    def _readline(self) -> bytes:
        """Read a line of an answer. The library's own way to read has an end that is too early, or none."""
        line: bytes = self._client._imap.file.readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise ValueError("a line without an end")
        return line

    def _read(self, size: int) -> bytes:
        """Read a literal; as much memory is taken as has come."""
        if size > _LARGEST:
            raise ValueError(f"something of {size} bytes")
        parts = []
        while size and (part := self._client._imap.file.read(min(size, 1 << 20))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def supports(self, capability: str) -> bool:
        """Return whether the server says that it has an extension."""
        return capability in self._capabilities

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(Exception):
            self._client.shutdown()

    @property
    def socket(self) -> Any:
        """What the connection goes over, for who waits for what the server says by itself (watch.py)."""
        return self._client.socket()

    # -- mailboxes -------------------------------------------------------------------------------------------------

    def mailboxes(self) -> list[Mailbox]:
        """Return the mailboxes of the account's own namespace and how they stand."""
        if self._selected:
            self._command("NOOP", [])  # else Dovecot shows the one that is selected as it was
            self._stale = False
        with self._asking("LIST"):
            return self._mailboxes()

    def _mailboxes(self) -> list[Mailbox]:
        wanted = ["MESSAGES", "UIDNEXT", "UIDVALIDITY"]
        if self.supports("CONDSTORE") or self.supports("QRESYNC"):
            wanted.append("HIGHESTMODSEQ")
        guid = self._mailbox_identity()
        if guid:
            wanted.append(guid)
        returned = ["SPECIAL-USE"] if self.supports("SPECIAL-USE") else []
        if self.supports("LIST-EXTENDED"):
            returned.append("SUBSCRIBED")
        by_metadata = self._is_cyrus() and self.supports("LIST-METADATA") and self.supports("LIST-EXTENDED")
        if by_metadata:
            returned.append(f"METADATA ({_UNIQUE_ID})")
        with_status = self.supports("LIST-STATUS") and self.supports("LIST-EXTENDED")
        if with_status:
            returned.append(f"STATUS ({' '.join(wanted)})")
        arguments = [self.prefix and _quoted(b"") or b'""', _quoted(self.prefix + b"*")]
        if returned and self.supports("LIST-EXTENDED"):
            arguments += [b"RETURN", f"({' '.join(returned)})".encode()]
        listed, statuses = self._untagged("LIST", arguments, "STATUS")
        subscribed = None if self.supports("LIST-EXTENDED") else self._subscribed()
        states = {}
        for line in statuses:
            name, rest = _astring(line)
            states[_inbox(name)] = dict(_STATUS.findall(rest))
        found = []
        if by_metadata:
            guid = _UNIQUE_ID
            for line in _joined(self._client._imap.untagged_responses.pop("METADATA", [])):
                name, rest = _astring(line)
                entry = list(_astrings(rest.strip().strip(b"()")))
                if len(entry) == 2 and _inbox(name) in states:
                    states[_inbox(name)][_UNIQUE_ID.encode()] = entry[1]
        for line in listed:
            mailbox = _listed(line)
            if mailbox is None or self._is_foreign(mailbox.name):
                continue
            if subscribed is not None:
                mailbox = mailbox._replace(subscribed=mailbox.name in subscribed)
            if mailbox.selectable and not with_status:
                states[mailbox.name] = self._status(mailbox.name, wanted)
            if mailbox.selectable and mailbox.name not in states:
                continue  # gone since it was listed, or not to be opened
            found.append(_standing(mailbox, states.get(mailbox.name, {}), guid))
        return found

    def create(self, name: bytes, special: bytes = b"") -> None:
        """Make a mailbox, with those above it. :raises AlreadyExists: it is there."""
        arguments = [_quoted(name)]
        if special and self.supports("CREATE-SPECIAL-USE"):
            arguments.append(b"(USE (" + special + b"))")
        try:
            self._command("CREATE", arguments)
        except Refused as error:
            if "ALREADYEXISTS" in str(error) or "exists" in str(error).lower():
                raise AlreadyExists(str(error)) from error
            raise

    def rename(self, name: bytes, other: bytes) -> None:
        """Give a mailbox, and those below it, another name."""
        self._leave(name)
        self._command("RENAME", [_quoted(name), _quoted(other)])

    def delete(self, name: bytes) -> None:
        """Delete a mailbox with all that is in it, not those below it."""
        self._leave(name)
        self._command("DELETE", [_quoted(name)])

    def subscribe(self, name: bytes, wanted: bool) -> None:
        """Subscribe to a mailbox, or do so no more."""
        self._command("SUBSCRIBE" if wanted else "UNSUBSCRIBE", [_quoted(name)])

    def rights_of(self, names: Sequence[bytes]) -> list[dict[str, str]]:
        """Return who may do what in mailboxes: rights (RFC 4314) by identifier; none where we may not know."""
        found: dict[bytes, dict[str, str]] = {}
        with self._asking("GETACL"):
            for name, rest in self._of_each("GETACL", "ACL", [_quoted(name) for name in names]):
                words = [word.decode("utf-8", "replace") for word in _astrings(rest)]
                found[name] = dict(zip(words[::2], words[1::2]))
        return [found.get(name, {}) for name in names]

    def annotations_of(self, names: Sequence[bytes], entries: Sequence[str]) -> list[dict[str, str]]:
        """Return the annotations of mailboxes (RFC 5464) that are text: values by entries, whose case does not matter.

        :param entries: those that are asked for; none for all.
        """
        depth = b"" if entries else b"(DEPTH infinity) "
        asked = b" ".join(_quoted(entry.encode()) for entry in entries or ("/private", "/shared"))
        arguments = [b"%s%s (%s)" % (depth, _quoted(name), asked) for name in names]
        found: dict[bytes, dict[str, str]] = {}
        with self._asking("GETMETADATA"):
            for name, rest in self._of_each("GETMETADATA", "METADATA", arguments):
                found.setdefault(name, {}).update(_annotations(rest))
        return [found.get(name, {}) for name in names]

    def annotate(self, name: bytes, entry: str, value: str | None) -> None:
        """Give a mailbox an annotation, or take it away. :raises Refused: the server takes none of this name."""
        written = b"NIL"
        if value is not None:
            octets = value.encode()
            written = _quoted(octets)
            if _NOT_QUOTABLE.search(octets):
                if not self.supports("LITERAL+"):
                    raise Refused(f"{self.server} takes only plain text for {entry}.")
                written = b"{%d+}\r\n" % len(octets) + octets
        self._command("SETMETADATA", [_quoted(name), b"(" + _quoted(entry.encode()) + b" " + written + b")"])

    def set_rights(self, name: bytes, identifier: str, rights: str) -> None:
        """Say what somebody may do in a mailbox; nothing any more where rights is empty."""
        who = _quoted(identifier.encode())
        if rights:
            self._command("SETACL", [_quoted(name), who, _quoted(rights.encode())])
        else:
            self._command("DELETEACL", [_quoted(name), who])

    # -- messages --------------------------------------------------------------------------------------------------

    def select(self, name: bytes) -> None:
        """Open a mailbox for the following. :raises NotFound: there is none."""
        if self._selected == name and self._stale:
            self._command("NOOP", [])  # else a server may go on to show it as it was
            self._stale = False
        if self._selected != name:
            self._selected = b""
            try:
                self._command("SELECT", [_quoted(name)])
            except Refused as error:
                raise NotFound(str(error)) from error
            self._client._imap.state = "SELECTED"
            self._selected = name
            self._stale = False

    def renew(self) -> None:
        """Look at what is there now, also in the mailbox that is selected."""
        self._stale = True

    def uids(self, name: bytes) -> list[int]:
        """Return the UIDs of a mailbox's messages, ascending."""
        self.select(name)
        lines, _unused = self._untagged("UID SEARCH", [b"ALL"], response="SEARCH")
        return sorted(int(word) for line in lines for word in line.split() if word.isdigit())

    def messages(self, name: bytes, uids: str) -> Iterator[Message]:
        """Yield what a listing says of messages. :param uids: a set as IMAP writes it, such as "7:*"."""
        self.select(name)
        identity = self._message_identity()
        items = f"(UID FLAGS INTERNALDATE RFC822.SIZE {identity})"
        for line, literal in self._fetched(uids, items):
            with self._asking("UID FETCH"):
                message = _message(line, literal, identity)
            if message is not None:
                yield message

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
                fields = dict(_PAIR.findall(line))
                if b"UID" in fields and b"FLAGS" in fields:
                    marked[int(fields[b"UID"])] = _words(fields[b"FLAGS"])
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
                literal = _astring(quoted[1])[0] if quoted else b""
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
        with self._asking("APPEND"):
            imap = self._client._imap
            imap.untagged_responses.clear()
            tag = imap._new_tag()
            unsent = [tag, b" APPEND ", _quoted(name)]
            for one in batch:
                words = " ".join(one.words).encode("latin-1")
                binary = b"~" if b"\0" in one.content and self.supports("BINARY") else b""
                # A server that does not like a flag may take what follows for commands, so it is told its length only
                # when it has taken the flags; once it has, they can go with the rest.
                at_once = self.supports("LITERAL+") and proven.issuperset(one.words)
                date = b"" if one.date is None else b' "%s"' % _internal_date(one.date).encode()
                unsent.append(b" (%s)%s %s{%d%s}\r\n" % (
                    words, date, binary, len(one.content), b"+" if at_once else b"",
                ))
                if not at_once:
                    imap.send(b"".join(unsent))
                    unsent = []
                    refused = self._continued(tag)
                    if refused is not None:
                        raise Refused(f"{self.server} refused it: {_said(refused)}")
                unsent.append(one.content)
            imap.send(b"".join([*unsent, b"\r\n"]))
            kind, data = imap._command_complete("APPEND", tag)
        said = data[0] if data and isinstance(data[0], bytes) else b""
        if kind != "OK":
            raise Refused(f"{self.server} refused it: {_said(said)}")
        self._stale = True
        proven.update(word for one in batch for word in one.words)
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
        chosen = as_set(uids).encode()
        self._command("UID STORE", [chosen, b"-FLAGS.SILENT", f"({word})".encode("latin-1")])

    def move(self, name: bytes, uid: int, other: bytes) -> int:
        """Bring a message into another mailbox. :return: its UID there; 0 where the server does not tell.

        :raises NotFound: the message is gone.
        """
        self.select(name)
        arguments = [str(uid).encode(), _quoted(other)]
        verb = "UID MOVE" if self.supports("MOVE") else "UID COPY"
        untagged = self._client._imap.untagged_responses
        untagged.clear()
        said = self._command(verb, arguments)
        # A move tells before its end (RFC 6851), a copy at its end.
        told = b" ".join(b"[COPYUID %s]" % one for one in untagged.get("COPYUID", ()))
        found = _COPIED.search(said) or _COPIED.search(told)
        if verb == "UID COPY":
            self.expunge(name, [uid])
        return int(found[3]) if found and found[3].isdigit() else 0

    def expunge(self, name: bytes, uids: Sequence[int]) -> None:
        """Remove messages for good."""
        self.select(name)
        chosen = as_set(uids).encode()
        self._command("UID STORE", [chosen, b"+FLAGS.SILENT", b"(\\Deleted)"])
        if self.supports("UIDPLUS"):
            self._command("UID EXPUNGE", [chosen])
        else:
            self._command("EXPUNGE", [])

    # -- how the server is asked -----------------------------------------------------------------------------------

    def _log_in(self, settings: ImapSettings) -> None:
        """Log in as the account with the master user's password, by SASL PLAIN (RFC 4616): any name fits into it."""
        name = login_name(settings, self.address)
        who, authorised = settings.master_user, name
        if settings.impersonation == SEPARATED and settings.separator not in name:
            who, authorised = f"{name}{settings.separator}{settings.master_user}", ""
        try:
            with self._asking(f"opening {self.address}"):
                self._client.plain_login(who, settings.master_password, authorised)
        except Refused as error:
            raise Refused(
                f"{self.server} does not let the master user {settings.master_user} in as {name}: {error} Check that "
                "the account is there, and master_user, master_password and impersonation of the imap settings."
            ) from error

    def _namespaces(self) -> tuple[bytes, str, tuple[bytes, ...]]:
        """Return the prefix of the account's own namespace, its delimiter, and the prefixes of all others."""
        if self.supports("NAMESPACE"):
            with self._asking("asking for namespaces"):
                found = self._client.namespace()
            personal = found.personal or ()
            others = [prefix for kind in (found.other, found.shared) for prefix, _unused in kind or ()]
            if personal:
                prefix, delimiter = personal[0]
                others += [prefix for prefix, _unused in personal[1:]]
                return _bytes(prefix), _bytes(delimiter or b"").decode("latin-1"), tuple(map(_bytes, others))
        lines, _unused = self._untagged("LIST", [b'""', b'""'])
        found_delimiter = re.search(rb'\) "\\?(.)"', lines[0]) if lines else None
        return b"", found_delimiter[1].decode("latin-1") if found_delimiter else "", ()

    def _is_foreign(self, name: bytes) -> bool:
        if name == b"INBOX":
            return False
        delimiter = self.delimiter.encode("latin-1")
        return not name.startswith(self.prefix) or any(
            other and (name.startswith(other) or name == other.rstrip(delimiter)) for other in self._foreign
        )

    def _mailbox_identity(self) -> str:
        """Return by which item of STATUS the server says which mailbox it is; empty where it does not."""
        if self._is_cyrus():
            return ""  # 3.6 has another's memory in STATUS instead; its own name for it is asked for (mailboxes)
        if self.supports("OBJECTID"):
            return "MAILBOXID"
        return "X-GUID" if self._is_dovecot() else ""

    def _message_identity(self) -> str:
        if self._is_cyrus():
            return "EMAILID CREATEDMODSEQ"  # the first is the same for equal messages; both stay with one that is moved
        if self.supports("OBJECTID"):
            return "EMAILID"
        return "X-GUID" if self._is_dovecot() else _HEADER

    def _is_cyrus(self) -> bool:
        return self.supports("X-CREATEDMODSEQ")

    def _is_dovecot(self) -> bool:
        """Dovecot has identities without saying so (in STATUS and FETCH alike); it is asked for one to know."""
        if not self._identity:
            try:
                self._command("STATUS", [b"INBOX", b"(X-GUID)"])
                self._identity = "dovecot"
            except Refused:
                self._identity = "other"
        return self._identity == "dovecot"

    def _status(self, name: bytes, wanted: Sequence[str]) -> dict[bytes, bytes]:
        lines, _unused = self._untagged("STATUS", [_quoted(name), f"({' '.join(wanted)})".encode()])
        return dict(_STATUS.findall(_astring(lines[0])[1])) if lines else {}

    def _subscribed(self) -> set[bytes]:
        lines, _unused = self._untagged("LSUB", [b'""', _quoted(self.prefix + b"*")])
        return {mailbox.name for line in lines if (mailbox := _listed(line))}

    def _leave(self, name: bytes) -> None:
        if self._selected == name:
            self._selected = b""
            if self.supports("UNSELECT"):
                self._command("UNSELECT", [])

    def _fetched(self, uids: str, items: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield of each FETCH response its line, and its literal where it has one."""
        lines, _unused = self._untagged("UID FETCH", [uids.encode(), items.encode()], response="FETCH", joined=False)
        number = 0
        while number < len(lines):
            part = lines[number]
            number += 1
            if isinstance(part, tuple):
                line, literal = part
                while number < len(lines) and isinstance(lines[number], bytes) and not lines[number][:1].isdigit():
                    line += lines[number]
                    number += 1
                yield line, literal
            elif isinstance(part, bytes):
                yield part, b""

    def _of_each(self, verb: str, response: str, arguments: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Give a command once for each of several arguments, all at once; return mailbox and rest of each response.

        What is refused has none.
        """
        imap = self._client._imap
        imap.untagged_responses.clear()
        tags = [imap._new_tag() for _unused in arguments]
        imap.send(b"".join(b"%s %s %s\r\n" % (tag, verb.encode(), one) for tag, one in zip(tags, arguments)))
        for tag in tags:
            imap._command_complete(verb, tag)
        found = map(_astring, _joined(imap.untagged_responses.pop(response, [])))
        return [(_inbox(name), rest) for name, rest in found]

    def _untagged(
        self, verb: str, arguments: Sequence[bytes], other: str = "", response: str = "", joined: bool = True
    ) -> tuple[list[Any], list[Any]]:
        """Give a command; return its untagged responses of its own name (or `response`), and of another one.

        :param joined: literals within a response become quoted strings of its line.
        """
        imap = self._client._imap
        imap.untagged_responses.clear()
        self._command(verb, arguments)
        found = imap.untagged_responses.pop(response or verb, []), imap.untagged_responses.pop(other, [])
        if not joined:
            return list(found[0]), []
        return _joined(found[0]), _joined(found[1])

    def _command(self, verb: str, arguments: Sequence[bytes]) -> bytes:
        """Give a command; return what the server says at its end. :raises Refused: it says no."""
        with self._asking(verb):
            imap = self._client._imap
            tag = imap._new_tag()
            line = b" ".join([tag, verb.encode(), *arguments])
            imap.send(line + b"\r\n")
            kind, data = imap._command_complete(verb, tag)
        said: bytes = data[0] if data and isinstance(data[0], bytes) else b""
        if kind != "OK":
            raise Refused(f"{self.server} refused {verb} for {self.address}: {_said(said)}")
        return said

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Turn failures into sentences."""
        try:
            yield
        except IMAPClientAbortError as error:
            raise Unavailable(
                f"{self.server} ended the connection for {self.address} ({what}): {_said(error)} It is tried again."
            ) from error
        except IMAPClientError as error:
            if isinstance(error.__context__, IMAPClientAbortError):  # the library takes it for a wrong password
                raise Unavailable(
                    f"{self.server} ended the connection for {self.address} ({what}): {_said(error)} It is tried again."
                ) from error
            raise Refused(f"{self.server} refused {what} for {self.address}: {_said(error)}") from error
        except ssl.SSLCertVerificationError as error:
            raise InvalidInput(
                f"{self.server} cannot prove who it is ({error.verify_message}); set ca_file to the authority that "
                "signed its certificate."
            ) from error
        except FileNotFoundError as error:  # of the ca_file
            raise InvalidInput(f"The ca_file of the imap settings is not there ({error.strerror}).") from error
        except (OSError, EOFError) as error:
            raise Unavailable(
                f"{self.server} does not answer ({what} of {self.address}: {error}); check that it runs."
            ) from error
        except (ValueError, IndexError, KeyError, TypeError, MemoryError) as error:
            raise Unavailable(
                f"{self.server} answers in words that are none of IMAP ({what} of {self.address}: {error})."
            ) from error


def as_set(uids: Iterable[int]) -> str:
    """Return UIDs as IMAP writes them, neighbours as a range."""
    parts: list[str] = []
    first = last = 0
    for uid in sorted(uids):
        if first and uid == last + 1:
            last = uid
            continue
        if first:
            parts.append(str(first) if first == last else f"{first}:{last}")
        first = last = uid
    if first:
        parts.append(str(first) if first == last else f"{first}:{last}")
    return ",".join(parts)


def ranges(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield the ranges of a set of UIDs. :raises ValueError: it is none."""
    for part in text.split(b","):
        first, _unused, last = part.partition(b":")
        one, other = int(first), int(last or first)
        yield min(one, other), max(one, other)


def expanded(text: bytes, most: int = 100_000) -> Iterator[int]:
    """Yield the UIDs of a set. :raises ValueError: it is none, or has more than anything could."""
    for first, last in ranges(text):
        most -= last - first + 1
        if most < 0:
            raise ValueError("too many UIDs")
        yield from range(first, last + 1)


def _internal_date(milliseconds: int) -> str:
    """Return a moment as IMAP writes it; by hand, as the library's own knows no year before 1000."""
    at = _EPOCH + datetime.timedelta(seconds=milliseconds // 1000)
    return f"{at.day:2d}-{_MONTHS[at.month - 1]}-{at.year:04d} {at:%H:%M:%S} +0000"


def _date(text: bytes) -> int:
    """Return an internal date in milliseconds."""
    found = re.match(r'"?\s*(\d+)-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)', text.decode("latin-1"))
    if found is None:
        raise ValueError(f"no date: {text[:40]!r}")
    day, month, year, hour, minute, second, sign, zone_hour, zone_minute = found.groups()
    zone = datetime.timedelta(hours=int(zone_hour), minutes=int(zone_minute))
    at = datetime.datetime(
        int(year), _MONTHS.index(month.title()) + 1, int(day), int(hour), int(minute), min(int(second), 59),
        tzinfo=datetime.timezone.utc,
    )
    since = at - _EPOCH - (zone if sign == "+" else -zone)
    return since.days * 86_400_000 + since.seconds * 1000


def _listed(line: bytes) -> Mailbox | None:
    """Return the mailbox that a LIST response names; None where it is none (any more)."""
    found = re.match(rb'\(([^()]*)\) (?:"(?:\\.|[^"\\])*"|NIL) ', line)
    if found is None:
        return None
    flags = {word.lower() for word in found[1].split()}
    if b"\\nonexistent" in flags:
        return None
    name, _rest = _astring(line[found.end():])
    special = next((use for use in SPECIAL_USES if use in flags), b"")
    return Mailbox(_inbox(name), special, b"\\subscribed" in flags, b"\\noselect" not in flags)


def _message(line: bytes, literal: bytes, identity: str) -> Message | None:
    """Return the message that a FETCH response is about; None where it tells of another session's doing.

    :raises ValueError, KeyError: it says what is none.
    """
    fields = dict(_PAIR.findall(line))
    if not {b"UID", b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"} <= fields.keys():
        return None
    try:
        date = _date(fields[b"INTERNALDATE"])
    except ValueError:
        date = 0  # its mail is worth more
    size = int(fields[b"RFC822.SIZE"])
    if identity == _HEADER:
        guid = f"{date} {size} {literal.strip().decode('latin-1')}"
    else:
        guid = " ".join(fields[item.encode()].strip(b'()"').decode("latin-1") for item in identity.split())
    return Message(int(fields[b"UID"]), _words(fields[b"FLAGS"]), date, size, guid)


def _standing(mailbox: Mailbox, status: dict[bytes, bytes], guid: str) -> Mailbox:
    uidvalidity, uidnext, modseq, messages = (
        int(status.get(item, b"0")) for item in (b"UIDVALIDITY", b"UIDNEXT", b"HIGHESTMODSEQ", b"MESSAGES")
    )
    return mailbox._replace(
        guid=status.get(guid.encode(), b"").strip(b"()").decode("latin-1"),
        uidvalidity=uidvalidity, uidnext=uidnext, modseq=modseq, messages=messages,
    )


def _inbox(name: bytes) -> bytes:
    """The one name whose case does not matter."""
    return b"INBOX" if name.upper() == b"INBOX" else name


def _words(text: bytes) -> tuple[bytes, ...]:
    return tuple(text.strip(b"()").split())


def _quoted(text: bytes) -> bytes:
    """Return a string as IMAP writes it. What no quoted string can hold is no name of anything."""
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _astring(text: bytes) -> tuple[bytes, bytes]:
    """Return the first string of a line, and the rest of it."""
    text = text.lstrip()
    if text[:1] == b'"':
        found = re.match(rb'"((?:\\.|[^"\\])*)"', text, re.DOTALL)
        if found is None:
            raise ValueError("a string without an end")
        return re.sub(rb"\\(.)", rb"\1", found[1], flags=re.DOTALL), text[found.end():]
    word, _unused, rest = text.partition(b" ")
    return word, rest


def _astrings(text: bytes) -> Iterator[bytes]:
    while text.strip():
        word, text = _astring(text)
        yield word


def _annotations(text: bytes) -> Iterator[tuple[str, str]]:
    """Yield entries and values of those annotations that are there, and are text."""
    text = text.strip()
    if text[:1] != b"(":
        return  # names of what has changed
    text = text[1:-1]
    while text.strip():
        entry, text = _astring(text)
        absent = text.lstrip()[:1] != b'"'
        value, text = _astring(text)
        if absent and value.upper() == b"NIL":
            continue
        try:
            yield entry.decode("ascii").lower(), value.decode()
        except UnicodeDecodeError:
            continue


def _joined(responses: Iterable[Any]) -> list[bytes]:
    """Return responses as lines; imaplib gives one with a literal as pairs and ends."""
    lines: list[bytes] = []
    open_line: bytes | None = None
    for part in responses:
        if isinstance(part, tuple):
            start = re.sub(rb"\{\d+\+?\}$", b"", part[0])
            open_line = (open_line or b"") + start + _quoted(part[1])
        elif isinstance(part, bytes):
            if open_line is not None:
                lines.append(open_line + part)
                open_line = None
            else:
                lines.append(part)
    if open_line is not None:
        lines.append(open_line)
    return lines


def _bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode("latin-1")


def _said(text: object) -> str:
    """Return the server's words on one line."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return " ".join(words.split())[:500] or "it gives no reason."
