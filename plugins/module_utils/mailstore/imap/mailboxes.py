# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mailboxes of one account on a connection: how they stand, who may see them, and what is noted on them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ...model.errors import AlreadyExists, NotFound, Refused
from .answers import Mailbox, annotations_in, listed, standing
from .connection import Connection
from .settings import ImapSettings
from .syntax import astring, astrings, inbox, joined, quoted

_STATUS: Final = re.compile(rb"([A-Z-]+) ([^ ()]+)")
_UNIQUE_ID: Final = "/shared/vendor/cmu/cyrus-imapd/uniqueid"
_NOT_QUOTABLE: Final = re.compile(rb"[\r\n\x80-\xff]")


class Mailboxes(Connection):
    """A connection, and what concerns whole mailboxes. Their names are bytes, as IMAP writes them."""

    _selected = b""
    _stale = False
    """Whether the one that is selected may be shown as it was."""

    def __init__(self, settings: ImapSettings, address: str) -> None:
        """Log in as an account. :raises InvalidInput: the library is not there, or the master user is not let in."""
        self._views: dict[bytes, bool] = {}
        """Of further namespaces of the account's own, whether they show what lies in other mailboxes."""
        super().__init__(settings, address)

    def reopen(self) -> None:
        super().reopen()
        self._selected = b""

    def mailboxes(self) -> list[Mailbox]:
        """Return the mailboxes of the account's own namespaces and how they stand.

        All are opened anew after that. One that stayed open would be shown as it was before, so that something in it
        was missed for ever, and of what was told to have gone meanwhile it would not be told once more.
        """
        if self._selected:
            if not self.supports("UNSELECT"):
                self._command("NOOP", [])  # else Dovecot says how it stood
            self._leave(self._selected)
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
        options = []
        if returned and self.supports("LIST-EXTENDED"):
            options = [b"RETURN", f"({' '.join(returned)})".encode()]
        lines, statuses = [], []
        for pattern in self._patterns():
            told = self._untagged("LIST", [b'""', pattern, *options], "STATUS")
            lines += told[0]
            statuses += told[1]
        subscribed = None if self.supports("LIST-EXTENDED") else self._subscribed()
        states = {}
        for line in statuses:
            name, rest = astring(line)
            states[inbox(name)] = dict(_STATUS.findall(rest))
        found = []
        if by_metadata:
            guid = _UNIQUE_ID
            for line in joined(self._client._imap.untagged_responses.pop("METADATA", [])):
                name, rest = astring(line)
                entry = list(astrings(rest.strip().strip(b"()")))
                if len(entry) == 2 and inbox(name) in states:
                    states[inbox(name)][_UNIQUE_ID.encode()] = entry[1]
        for line in lines:
            mailbox = listed(line)
            if mailbox is None or self._is_foreign(mailbox.name):
                continue
            if subscribed is not None:
                mailbox = mailbox._replace(subscribed=mailbox.name in subscribed)
            if mailbox.selectable and mailbox.name not in states:
                try:
                    states[mailbox.name] = self._status(mailbox.name, wanted)
                except Refused as error:
                    if not self._untagged("LIST", [b'""', quoted(mailbox.name)])[0]:
                        continue  # gone since it was listed
                    mailbox = mailbox._replace(refusal=str(error))
            found.append(standing(mailbox, states.get(mailbox.name, {}), guid))
        views = tuple(prefix for prefix in self._own[1:] if self._shows_others(prefix, found))
        return [mailbox for mailbox in found if not (views and mailbox.name.startswith(views))]

    def _patterns(self) -> list[bytes]:
        """Return what finds the mailboxes of the account's own namespaces, asked for one after the other."""
        wanted = [b"*"] if b"" in self._own else [b"INBOX", *(prefix + b"*" for prefix in self._own)]
        if len(wanted) > 1 and self.supports("LIST-EXTENDED"):
            return [b"(" + b" ".join(map(quoted, wanted)) + b")"]
        return list(map(quoted, wanted))

    def _shows_others(self, prefix: bytes, found: Sequence[Mailbox]) -> bool:
        """Return whether a further namespace only shows what lies in other mailboxes (Dovecot's plugin virtual)."""
        if prefix not in self._views and self._is_dovecot():
            filled = next((one for one in found if one.name.startswith(prefix) and one.messages), None)
            if filled is None:
                return False
            self.select(filled.name)
            lines, _unused = self._untagged("FETCH", [b"1", b"(X-MAILBOX)"])
            real = re.search(rb"X-MAILBOX (.*)\)", lines[0]) if lines else None
            self._views[prefix] = real is not None and astring(real[1])[0] != filled.name
        return self._views.get(prefix, False)

    def create(self, name: bytes, special: bytes = b"") -> None:
        """Make a mailbox, with those above it. :raises AlreadyExists: it is there."""
        arguments = [quoted(name)]
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
        if self._selected:  # it may be one of those below: Dovecot would end the connection
            self._leave(self._selected)
        self._command("RENAME", [quoted(name), quoted(other)])

    def delete(self, name: bytes) -> None:
        """Delete a mailbox with all that is in it, not those below it."""
        self._leave(name)
        self._command("DELETE", [quoted(name)])

    def subscribe(self, name: bytes, wanted: bool) -> None:
        """Subscribe to a mailbox, or do so no more."""
        self._command("SUBSCRIBE" if wanted else "UNSUBSCRIBE", [quoted(name)])

    def rights_of(self, names: Sequence[bytes]) -> list[dict[str, str]]:
        """Return who may do what in mailboxes: rights (RFC 4314) by identifier; none where we may not know."""
        found: dict[bytes, dict[str, str]] = {}
        with self._asking("GETACL"):
            for name, rest in self._of_each("GETACL", "ACL", [quoted(name) for name in names]):
                words = [word.decode("utf-8", "replace") for word in astrings(rest)]
                found[name] = dict(zip(words[::2], words[1::2]))
        return [found.get(name, {}) for name in names]

    def annotations_of(self, names: Sequence[bytes], entries: Sequence[str]) -> list[dict[str, str]]:
        """Return the annotations of mailboxes (RFC 5464) that are text: values by entries, whose case does not matter.

        :param entries: those that are asked for; none for all.
        """
        depth = b"" if entries else b"(DEPTH infinity) "
        asked = b" ".join(quoted(entry.encode()) for entry in entries or ("/private", "/shared"))
        arguments = [b"%s%s (%s)" % (depth, quoted(name), asked) for name in names]
        found: dict[bytes, dict[str, str]] = {}
        with self._asking("GETMETADATA"):
            for name, rest in self._of_each("GETMETADATA", "METADATA", arguments):
                found.setdefault(name, {}).update(annotations_in(rest))
        return [found.get(name, {}) for name in names]

    def annotate(self, name: bytes, entry: str, value: str | None) -> None:
        """Give a mailbox an annotation, or take it away. :raises Refused: the server takes none of this name."""
        written = b"NIL"
        if value is not None:
            octets = value.encode()
            written = quoted(octets)
            if _NOT_QUOTABLE.search(octets):
                if not self.supports("LITERAL+"):
                    raise Refused(f"{self.server} takes only plain text for {entry}.")
                written = b"{%d+}\r\n" % len(octets) + octets
        self._command("SETMETADATA", [quoted(name), b"(" + quoted(entry.encode()) + b" " + written + b")"])

    def set_rights(self, name: bytes, identifier: str, rights: str) -> None:
        """Say what somebody may do in a mailbox; nothing any more where rights is empty."""
        who = quoted(identifier.encode())
        if rights:
            self._command("SETACL", [quoted(name), who, quoted(rights.encode())])
        else:
            self._command("DELETEACL", [quoted(name), who])

    def select(self, name: bytes) -> None:
        """Open a mailbox for the following. :raises NotFound: there is none."""
        if self._selected == name and self._stale:
            self._command("NOOP", [])  # else a server may go on to show it as it was
            self._stale = False
        if self._selected != name:
            self._selected = b""
            try:
                self._command("SELECT", [quoted(name)])
            except Refused as error:
                raise NotFound(str(error)) from error
            self._client._imap.state = "SELECTED"
            self._selected = name
            self._stale = False

    def _leave(self, name: bytes) -> None:
        if self._selected == name:
            self._selected = b""
            if self.supports("UNSELECT"):
                self._command("UNSELECT", [])

    def _mailbox_identity(self) -> str:
        """Return by which item of STATUS the server says which mailbox it is; empty where it does not."""
        if self._is_cyrus():
            return ""  # 3.6 has another's memory in STATUS instead; its own name for it is asked for (mailboxes)
        if self.supports("OBJECTID"):
            return "MAILBOXID"
        return "X-GUID" if self._is_dovecot() else ""

    def _status(self, name: bytes, wanted: Sequence[str]) -> dict[bytes, bytes]:
        lines, _unused = self._untagged("STATUS", [quoted(name), f"({' '.join(wanted)})".encode()])
        return dict(_STATUS.findall(astring(lines[0])[1])) if lines else {}

    def _subscribed(self) -> set[bytes]:
        lines = [line for pattern in self._patterns() for line in self._untagged("LSUB", [b'""', pattern])[0]]
        return {mailbox.name for line in lines if (mailbox := listed(line))}
