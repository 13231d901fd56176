# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following an IMAP server: over a few connections, many accounts.

Those that have changed last have a connection on which the server tells what happens (watch.py); it can tell too much,
so such an account is synchronised, and told of when that has brought something new. All others are synchronised in
turn, and so are those that are watched, but rarely: filters, rights and what is beside IMAP no server tells of. An
account whose connection comes anew, whatever the reason, is synchronised as well: so nothing is lost with one.

Whatever changes the mirror is told of once, also what this store itself has written, or another process.
"""

from __future__ import annotations

import dataclasses
import selectors
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, cast

from ...model.errors import RestanteError, Unavailable
from ...model.state import SERVER
from ..following import News
from .directory import Directory
from .entries import KnownEntries
from .mirror import Mirror
from .settings import ImapSettings
from .watch import Watch

_AT_ONCE: Final = 0.5
"""Seconds after which nothing else is begun in one call of news()."""
_START: Final = 20.0
"""Seconds after which no further connection is opened before the first call of news()."""
_TIMEOUT: Final = 10
"""Seconds that a server may take to answer to a connection that watches, where the settings do not give it less."""
_RETRY: Final = 300.0
"""Seconds after which a connection that cannot be opened is tried again, at most."""
_RETRY_SERVER: Final = 4.0
"""The same, of a server that does not answer to anybody: whose turn it is does not matter then."""


class Pace(NamedTuple):
    """How often is looked, in seconds."""

    ask: float = 10.0
    """Between two looks at the folders of an account that the server does not tell of by itself."""
    keep: float = 240.0
    """After which a silent connection is used once. Servers end those that are silent for half an hour."""
    watched: float = 300.0
    """Between two looks at all that there is of an account that is watched."""
    others: float = 60.0
    """Between two looks at an account that is not, where there are few enough."""
    each: float = 0.25
    """Between two such looks at any account. It takes 1,000 accounts four minutes and a bit, and so on."""
    directory: float = 30.0
    """Between two looks at the directory."""
    hold: float = 30.0
    """For which a connection stays with an account, even if another has changed since."""
    patience: float = 30.0
    """For which a mail server may be away before that is told; it is made up for when it is back."""


class _Delay:
    """When something that has failed is tried again: ever later."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._failures = 0
        self.until = 0.0

    def grow(self, now: float) -> None:
        """It has failed once more."""
        self.until = now + min(2.0 ** min(self._failures, 20), self._most)
        self._failures += 1


class Watching:
    """Follows an IMAP server. Ask it often; it does its work while it is asked."""

    def __init__(
        self, directory: Directory, mirror: Mirror, synchronise: Callable[[str, bool], None], settings: ImapSettings,
        pace: Pace, clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open connections.

        :param synchronise: brings the mirror up to an account; where the second parameter is true, also to what the
            account has beside mail.
        :raises Unavailable: the mail server cannot be reached.
        """
        self._mirror = mirror
        self._synchronise = synchronise
        self._settings = dataclasses.replace(settings, timeout=min(settings.timeout, _TIMEOUT))
        self._pace = pace
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._watches: dict[str, Watch] = {}
        self._since: dict[str, float] = {}
        """Since when each of them is there."""
        self._delays: dict[str, _Delay] = {}
        """Accounts whose connection could not be opened, or ended."""
        self._heard: dict[str, None] = {}
        """Accounts that may have changed."""
        self._looked = clock()
        """When accounts whose turn it was were looked at last."""
        self._recent: dict[str, float] = {}
        """When each account was last told of."""
        self._away = 0.0
        """Since when nothing can be reached; 0 where something can."""
        self._unavailable = Unavailable("")
        self._server = _Delay(_RETRY_SERVER)
        self._known = KnownEntries(directory, pace.directory, clock)
        accounts = self._known.accounts
        self._due = {
            account: self._looked + pace.others * number / len(accounts)  # not all at once
            for number, account in enumerate(accounts, 1)
        }
        """When each account is to be looked at, whatever is heard of it."""
        self._told = dict.fromkeys(accounts, "")
        """The token of each account that was told of last."""
        self._version: object = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connections."""
        for account in list(self._watches):
            self._leave(account)
        self._selector.close()

    def renew(self) -> None:
        """Look at the directory when news are asked for next: something was written to it."""
        self._known.renew()

    def news(self) -> News:
        """Return which accounts have changed, and whether the rest of the directory has.

        :raises Unavailable: nothing of the mail server can be reached, and has not been for a while.
        """
        end = self._clock() + _AT_ONCE
        told = set(self._compare_directory())
        self._listen()
        told.update(self._look_at_heard(end))
        self._tend(end)
        told.update(self._look_at_due(end))
        told.update(self._moved())
        self._recent.update(dict.fromkeys(told & self._known.accounts.keys(), self._clock()))
        return News(told, "")

    def _start(self) -> None:
        end = self._clock() + _START
        while self._clock() < end and not self._away and self._open_one():
            pass
        if self._away:
            raise self._unavailable
        for account in list(self._heard):
            if self._clock() < end:
                del self._heard[account]
                list(self._look(account))
        list(self._moved())  # is no news

    def _compare_directory(self) -> Iterator[str]:
        """Yield what has come, gone or become another in the directory."""
        found = self._known.difference()
        for account in found.gone:
            self._leave(account)
            for things in (self._due, self._told, self._recent, self._delays, self._heard):
                cast("dict[str, object]", things).pop(account, None)
        for account in found.come:
            self._told[account] = ""
            self._due[account] = self._clock()
            self._heard[account] = None
        for account in found.renamed:  # it logs in by another name
            self._leave(account)
        yield from (*found.come, *found.gone, *found.altered)
        if found.others:
            yield SERVER

    # -- hearing ---------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Gather what the server has told."""
        ready = {key.data for key, _events in self._selector.select(0)} if self._watches else set()
        for account, watch in list(self._watches.items()):
            if account in ready or watch.pending:
                try:
                    if watch.heard():
                        self._heard[account] = None
                except Unavailable as error:
                    self._lost(account, error)

    def _tend(self, end: float) -> None:
        """Do for the connections what has to be done, at least one thing."""
        for account, watch in list(self._watches.items()):
            if watch.is_due:
                try:
                    watch.tend()
                    if watch.heard():
                        self._heard[account] = None
                except RestanteError as error:
                    self._lost(account, error)
                if self._clock() > end:
                    return
        while self._open_one() and self._clock() < end:
            pass
        if self._away and self._clock() - self._away > self._pace.patience:
            raise self._unavailable

    def _open_one(self) -> bool:
        """Open a connection to the account that needs it most; return whether there was one."""
        now = self._clock()
        if len(self._watches) == len(self._known.accounts) or (self._away and now < self._server.until):
            return False
        wanted = max(
            (one for one in self._known.accounts if one not in self._watches and not self._waits(one, now)),
            key=lambda one: self._recent.get(one, 0.0), default=None,
        )
        if wanted is None:
            return False
        if len(self._watches) >= self._settings.connections:
            least = min(self._watches, key=lambda one: self._recent.get(one, 0.0))
            if self._recent.get(wanted, 0.0) <= self._recent.get(least, 0.0):
                return False
            if now < self._since[least] + self._pace.hold:
                return False
            self._leave(least)
            self._due[least] = min(self._due[least], now + self._pace.others)
        try:
            address = self._known.accounts[wanted].name
            watch = Watch(self._settings, address, self._pace.ask, self._pace.keep, self._clock)
        except RestanteError as error:
            self._lost(wanted, error)
            return True
        self._watches[wanted], self._since[wanted] = watch, now
        self._selector.register(watch.socket, selectors.EVENT_READ, wanted)
        self._delays.pop(wanted, None)
        self._heard[wanted] = None  # whatever has happened while nobody watched
        self._reached()
        return True

    def _waits(self, account: str, now: float) -> bool:
        return not self._away and account in self._delays and now < self._delays[account].until

    def _lost(self, account: str, error: RestanteError) -> None:
        """A connection has ended, or cannot be opened."""
        self._leave(account)
        now = self._clock()
        self._delays.setdefault(account, _Delay(_RETRY)).grow(now)
        self._heard[account] = None
        if isinstance(error, Unavailable):
            self._failed(error)
        else:
            self._reached()

    def _leave(self, account: str) -> None:
        watch = self._watches.pop(account, None)
        if watch is not None:
            self._selector.unregister(watch.socket)
            watch.close()

    def _reached(self) -> None:
        self._away = 0.0
        self._server = _Delay(_RETRY_SERVER)

    def _failed(self, error: Unavailable) -> None:
        if not self._watches:
            now = self._clock()
            self._away = self._away or now
            self._unavailable = error
            self._server.grow(now)

    # -- looking ---------------------------------------------------------------------------------------------------

    def _look_at_heard(self, end: float) -> Iterator[str]:
        """Look at the accounts that may have changed; yield those that there is no time for or that give no answer."""
        for account in list(self._heard):
            if self._away:
                return
            del self._heard[account]
            if self._clock() > end:
                yield account
            else:
                yield from self._look(account)

    def _look_at_due(self, end: float) -> Iterator[str]:
        """Look at all that there is of the accounts whose turn it is, at a bounded pace."""
        now = self._clock()
        number = min(int((now - self._looked) / self._pace.each), 10)
        if self._away or number < 1:
            return
        self._looked = now
        waiting = sorted((due, account) for account, due in self._due.items() if due <= now)
        for _due, account in waiting[:number]:
            yield from self._look(account, thoroughly=True)
            self._due[account] = self._clock() + self._interval(account)
            if self._away or self._clock() > end:
                return

    def _interval(self, account: str) -> float:
        return self._pace.watched if account in self._watches else self._pace.others

    def _look(self, account: str, thoroughly: bool = False) -> Iterator[str]:
        """Synchronise an account; yield it where that cannot be done: it may have changed."""
        try:
            self._synchronise(account, thoroughly)
        except Unavailable as error:
            self._failed(error)
            if self._away:
                self._heard[account] = None
            else:
                yield account
        except RestanteError:
            yield account
        else:
            self._reached()

    def _moved(self) -> Iterator[str]:
        """Yield the accounts that the mirror holds something new of, once."""
        version = self._mirror.version()
        if version == self._version:
            return
        self._version = version
        for account, token in self._mirror.reader.tokens():
            if self._told.get(account, token) != token:
                self._told[account] = token
                yield account
