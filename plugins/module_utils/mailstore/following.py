# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following a mail server: being told of which accounts something has changed, as it happens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, Protocol


class News(NamedTuple):
    """What has happened on a mail server since it was asked before."""

    scopes: Collection[str]
    """Ids of the accounts of which something changed, and model.state.SERVER where another entry did."""
    last: str
    """The newest event, as the mail server numbers them; empty where it does not."""
    overrun: bool = False
    """True: the mail server cannot tell any more what happened in between; everything has to be looked at."""


class Follower(Protocol):
    """Tells what happens on a mail server from the moment on at which it was made."""

    def news(self) -> News:
        """Return what has happened since this was called before; errors are those of the mail server."""


class TokenFollower:
    """Follows a mail server that has no change feed, by its change tokens. It does not see the directory."""

    def __init__(self, tokens: Callable[[], Iterable[tuple[str, str]]]) -> None:
        """:param tokens: MailStore.tokens of the mail server."""
        self._tokens = tokens
        self._before = dict(tokens())

    def news(self) -> News:
        now = dict(self._tokens())
        changed = {account for account, _token in now.items() ^ self._before.items()}
        self._before = now
        return News(changed, "")
