# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logging in ahead: while one account is looked at, the next ones are logged in.

A server takes longer to let an account in than to say that nothing has changed there.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from .session import Session
from .settings import ImapSettings
from .sieve import Scripts


class LoggedIn(NamedTuple):
    """The connections of an account that the server has let in."""

    session: Session
    scripts: Scripts | None

    def close(self) -> None:
        """End them."""
        self.session.close()
        if self.scripts is not None:
            self.scripts.close()


def log_in(settings: ImapSettings, address: str) -> LoggedIn:
    """Log in as an account. :raises InvalidInput, Refused, Unavailable: as Session and Scripts."""
    session = Session(settings, address)
    try:
        return LoggedIn(session, Scripts(settings, address) if settings.sieve_port else None)
    except BaseException:
        session.close()
        raise


class Connecting:
    """Accounts that are being logged in, each in a thread of its own. Used by one thread."""

    def __init__(self, settings: ImapSettings) -> None:
        self._settings = settings
        self._pool: ThreadPoolExecutor | None = None
        self._coming: dict[str, Future[LoggedIn]] = {}

    def __len__(self) -> int:
        return len(self._coming)

    def expect(self, addresses: Sequence[str]) -> None:
        """Begin to log in as accounts, but for those that are on their way."""
        for address in addresses:
            if address not in self._coming:
                self._pool = self._pool or ThreadPoolExecutor(max(1, self._settings.connections - 1))
                self._coming[address] = self._pool.submit(log_in, self._settings, address)

    def take(self, address: str) -> LoggedIn:
        """Log in as an account, or wait until that is done which was begun. Raises what log_in does."""
        coming = self._coming.pop(address, None)
        return log_in(self._settings, address) if coming is None else coming.result()

    def close(self) -> None:
        """End what nobody has taken."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        for coming in self._coming.values():
            if not coming.cancelled() and coming.exception() is None:
                coming.result().close()
        self._coming.clear()
