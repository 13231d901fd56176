# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access rights of mailboxes (RFC 4314) and the shares of the model that they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from ...model.errors import Refused
from .session import Session
from .tree import Folder

_MEANS: Final = (("r", "r"), ("w", "w"), ("i", "i"), ("te", "d"), ("k", "c"), ("a", "a"))
"""Letters of IMAP, any of which is seen as the letter of the model."""
_GIVES: Final = {"r": "lrs", "w": "ws", "i": "ip", "d": "te", "c": "k", "a": "a"}
_VIRTUAL: Final = (("d", "te"), ("c", "kx"))
"""What RFC 2086 had one letter for. A server shows that one beside any of those that it stands for (RFC 4314 section
2.1.1), and would take it for all of them."""
_ANYONE: Final = "anyone"
EXACT: Final = "imap_rights"
"""The letters as the server has them: a share that goes back to an IMAP server is the same again."""


class Names(Protocol):
    """What turns the names that accounts log in with into accounts, and back."""

    def account(self, login: str) -> tuple[str, str] | None:
        """Return id and address of who logs in with a name; None where nobody does."""

    def login(self, account_id: str, address: str) -> str | None:
        """Return what an account logs in with; None where there is no such account."""


class Rights:
    """The rights of the folders of one account."""

    def __init__(self, session: Session, owner: str, names: Names) -> None:
        """:param owner: what the account logs in with; its own rights are no share."""
        self._session = session
        self._owner = owner
        self._names = names
        self.known = session.supports("ACL")
        self._takes_anyone: bool | None = None

    def of_folders(self, folders: Sequence[Folder]) -> dict[int, list[dict[str, str]]]:
        """Return the shares of each folder that has any."""
        if not self.known:
            return {}
        found = {}
        for folder, rights in zip(folders, self._session.rights_of([folder.mailbox.name for folder in folders])):
            shares = [self._share(who, letters) for who, letters in sorted(rights.items()) if who != self._owner]
            if shares:
                found[folder.item] = shares
        return found

    def put(self, name: bytes, wanted: Sequence[Mapping[str, Any]], present: Sequence[Mapping[str, Any]]) -> None:
        """Make the shares of a mailbox those that are wanted. :raises Refused: the server says no."""
        before = {self._identifier(share): letters_of(share) for share in present}
        after = {who: letters_of(share) for share in wanted if (who := self._identifier(share))}
        for who in [*(who for who in before if who not in after), *(w for w in after if after[w] != before.get(w))]:
            self._session.set_rights(name, who, after.get(who, ""))

    def held(self, grants: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return those of some shares that this server can hold, with the rights that it makes of them."""
        held = []
        for grant in grants:
            who = self._identifier(grant)
            if who and who != self._owner and letters_of(grant):
                held.append({**grant, "rights": self._share(who, letters_of(grant))["rights"]})
        return held

    def _share(self, who: str, shown: str) -> dict[str, str]:
        letters = _real(shown)
        rights = "".join(letter for means, letter in _MEANS if not set(means).isdisjoint(letters))
        if who == _ANYONE:
            return {"grantee_type": "pub", "rights": rights, EXACT: letters}
        account = self._names.account(who)
        if account is None:
            return {"grantee_type": "guest", "grantee_name": who, "rights": rights, EXACT: letters}
        return {
            "grantee_id": account[0], "grantee_name": account[1], "grantee_type": "usr", "rights": rights,
            EXACT: letters,
        }

    def _identifier(self, share: Mapping[str, Any]) -> str:
        """Return how the server calls who a share is with; empty where it knows nobody of the kind."""
        kind = share.get("grantee_type")
        if kind == "pub":
            return _ANYONE if self._may_be_anyone() else ""
        if kind == "usr":
            return self._names.login(share.get("grantee_id", ""), share.get("grantee_name", "")) or ""
        return str(share.get("grantee_name", "")) if kind == "guest" and EXACT in share else ""

    def _may_be_anyone(self) -> bool:
        """Return whether the server lets one share with anyone: it says so only when one tries to.

        Taking away what nobody has changes nothing.
        """
        if self._takes_anyone is None:
            self._takes_anyone = _ANYONE in self._session.rights_of([b"INBOX"])[0]
            if not self._takes_anyone:
                try:
                    self._session.set_rights(b"INBOX", _ANYONE, "-l")
                    self._takes_anyone = True
                except Refused:
                    pass
        return self._takes_anyone


def letters_of(share: Mapping[str, Any]) -> str:
    """Return the rights of a share in the letters of IMAP."""
    exact = share.get(EXACT)
    if isinstance(exact, str):
        return _real(exact)
    letters = [_GIVES[letter] for letter in str(share.get("rights", "")) if letter in _GIVES]
    return "".join(dict.fromkeys("".join(letters)))


def _real(letters: str) -> str:
    """Return rights without the letters that only stand for others of them."""
    for virtual, stands_for in _VIRTUAL:
        if not set(stands_for).isdisjoint(letters):
            letters = letters.replace(virtual, "")
    return letters
