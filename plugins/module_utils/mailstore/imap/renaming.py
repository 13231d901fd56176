# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renaming accounts: the directory gives one another address, and its mailbox has to be the one that it was.

Whether it is depends on how the mail server finds mailboxes. One that finds them by an attribute that stays shows the
same one; one that finds them by the address would show an empty one, and whoever gets the old address next would find
the mail there. So what is shown is looked at, and the old address is given back where it is another mailbox.

Shares name addresses. Where one is with the very address that its owner gets, it would become what the owner may do,
which is less than an owner may: the server would let nobody put that right any more. So it is taken away before.

What is about to be done is noted in the mirror, durably, before anything is. Where a process ended in between, whoever
needs the account next, or looks into the directory, goes on with what is noted.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol, cast

from ...model import foreign, kinds
from ...model.errors import InvalidInput, NotFound, Refused, RestanteError, Unavailable
from ...model.state import Entry, state_from_json
from .collections import Collections
from .directory import Directory
from .mirror import Mirror
from .rights import Rights
from .session import Session
from .settings import ImapSettings, login_name

_UNOPENED: Final = (InvalidInput, NotFound, Refused)
"""How a mailbox is refused that is not there, or not for who comes by that name."""


class Shown(Protocol):
    """The connections of an account."""

    @property
    def session(self) -> Session:
        """That to its mail."""

    @property
    def rights(self) -> Rights:
        """The rights of its folders."""

    @property
    def collections(self) -> Collections | None:
        """That to its address books and calendars."""


Ask = Callable[[str, Callable[[Shown], Any]], Any]
"""Asks the mail server something of an account, on new connections."""
Shares = list[tuple[str, str]]
"""What somebody may do, by the names of mailboxes (in latin-1)."""


def standing(shown: Shown) -> str:
    """Return by what the mail server knows a mailbox, whatever its address is."""
    inbox = [(one.guid, one.uidvalidity) for one in shown.session.mailboxes() if one.name == b"INBOX"]
    collections = () if shown.collections is None else shown.collections.account.collections()
    return json.dumps([inbox, sorted((one.name, one.view, one.tag) for one in collections)])


def shares(shown: Shown, who: str) -> Shares:
    """Return which mailboxes of an account are shared with somebody."""
    if not shown.rights.known:
        return []
    names = [one.name for one in shown.session.mailboxes() if one.selectable]
    return [
        (name.decode("latin-1"), rights[who]) for name, rights in zip(names, shown.session.rights_of(names))
        if who in rights
    ]


def share(shown: Shown, who: str, wanted: Shares) -> None:
    """Share mailboxes of an account with somebody. :param wanted: no rights for no more."""
    for name, rights in wanted:
        shown.session.set_rights(name.encode("latin-1"), who, rights)


class _Renaming(NamedTuple):
    """What was begun."""

    goal: Entry
    """What the account is to become."""
    back: Entry
    """What it was, which it becomes again where its mailbox has not come along."""
    standing: str
    """By what its mailbox was known before; empty where it becomes again what it was: that is the goal then."""
    shares: Shares
    """What it shares with the address that it is to get."""


class Renamings:
    """Renames the accounts of a directory, and notes that in the mirror."""

    def __init__(self, mirror: Mirror, directory: Directory, settings: ImapSettings, ask: Ask) -> None:
        self._mirror = mirror
        self._database = mirror.database
        self._directory = directory
        self._settings = settings
        self._ask = ask

    def rename(self, present: Entry, entry: Entry) -> None:
        """Rename an account. Errors as those of Directory.reshape, and:

        :raises Refused: its mailbox has not come along, or cannot be looked at; the account is what it was.
        """
        with self._mirror.alone(entry.entry_id):
            before = self._ask(entry.entry_id, standing)
            shared = self._ask(entry.entry_id, lambda shown: shares(shown, self._login(entry)))
            noted = _Renaming(entry, present, before, shared)
            self._note(noted)
            error = self._go_on(noted)
        if error is not None:
            raise error

    def settle_all(self) -> None:
        """Bring to an end what was cut off, as far as that can be done. :raises Unavailable: a server is away."""
        for account, in self._database.execute("SELECT account FROM renamings").fetchall():
            with contextlib.suppress(Refused):
                self.settle(account)

    def settle(self, account: str) -> None:
        """Bring the renaming of an account to an end that was cut off, one way or the other.

        :raises Refused: that cannot be done. :raises Unavailable: a server is away.
        """
        if self._noted(account) is None:
            return
        with self._mirror.alone(account):
            noted = self._noted(account)  # another process may have been at it until now
            if noted is None:
                return
            if self._directory.find(kinds.ACCOUNT, account) is None:
                self.forget(account)
                return
            try:
                self._go_on(noted)  # whoever wanted it is told when they try again
            except Unavailable:
                raise
            except RestanteError as error:
                raise Refused(
                    f"The renaming of an account to or from {noted.goal.name} was cut off, and cannot be brought to an "
                    f"end: {error} Put that right in the directory."
                ) from error

    def forget(self, account: str) -> None:
        """A renaming is at its end, or its account is gone."""
        self._database.execute("DELETE FROM renamings WHERE account = ?", (account,))

    def _go_on(self, noted: _Renaming) -> RestanteError | None:
        """Do what is noted, wherever it was cut off; return why the account is what it was, None where it is not."""
        account, why = noted.goal.entry_id, None
        if noted.standing:
            why = self._tried(noted)
            if why is None:
                self.forget(account)
                return None
            noted = _Renaming(noted.back, noted.goal, "", noted.shares)
            self._note(noted)
        self._directory.reshape(noted.goal, noted.back.name)
        with contextlib.suppress(*_UNOPENED, Unavailable):
            self._ask(account, lambda shown: share(shown, self._login(noted.back), noted.shares))
        self.forget(account)
        return why

    def _tried(self, noted: _Renaming) -> RestanteError | None:
        """Rename an account; return why it cannot be called that, None where it can."""
        goal, back = noted.goal, noted.back
        try:
            present = self._directory.find(kinds.ACCOUNT, goal.entry_id)
            if noted.shares and present is not None and present.name.casefold() != goal.name.casefold():
                none = [(name, "") for name, _rights in noted.shares]
                self._ask(goal.entry_id, lambda shown: share(shown, self._login(goal), none))
            self._directory.reshape(goal, back.name)
        except Unavailable:
            raise  # it may have been done in part
        except RestanteError as error:
            return error
        same = False
        try:
            with contextlib.suppress(*_UNOPENED):
                same = self._ask(back.entry_id, standing) == noted.standing
        except RestanteError as error:
            return error
        return None if same else Refused(
            f"The account {back.name} cannot be called {goal.name}: the mail server finds mailboxes by the "
            "address, and shows another one under that. Have it find them by what stays (zimbraId, entryUUID), or move "
            "the mailbox there and do that by hand."
        )

    def _login(self, entry: Entry) -> str:
        return login_name(self._settings, entry.name)

    def _note(self, noted: _Renaming) -> None:
        self._database.execute("INSERT OR REPLACE INTO renamings VALUES (?, ?, ?, ?, ?)", (
            noted.goal.entry_id, _written(noted.goal), _written(noted.back), noted.standing, json.dumps(noted.shares),
        ))

    def _noted(self, account: str) -> _Renaming | None:
        row = self._database.execute(
            "SELECT goal, back, standing, shares FROM renamings WHERE account = ?", (account,)
        ).fetchone()
        return None if row is None else _Renaming(_read(row[0]), _read(row[1]), row[2], foreign.parse(row[3]))


def _written(entry: Entry) -> str:
    """Return what is noted of an entry: renaming one leaves its attributes alone."""
    return json.dumps(entry._replace(attrs={}).to_json())


def _read(text: str) -> Entry:
    return cast(Entry, state_from_json("", foreign.parse(text)))
