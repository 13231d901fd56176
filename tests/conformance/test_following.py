# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every adapter of the mail server port has to do: telling what happens."""

from __future__ import annotations

from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.following import Follower, TokenFollower
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import MailStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds


def both(store: MailStore) -> list[Follower]:
    """Return the adapter's own follower, and the one of mail servers that have no feed."""
    return [store.follow(), TokenFollower(store.tokens)]


def test_a_follower_tells_of_what_happens_and_once(server: Any) -> None:
    """R-221."""
    quiet, busy = server.account("quiet"), server.account("busy")
    followers = both(server.store)
    assert [set(follower.news().scopes) for follower in followers] == [set(), set()]
    item = server.add(busy, kinds.MESSAGE, blob=b"Subject: new\r\n\r\n")
    assert [set(follower.news().scopes) for follower in followers] == [{busy}, {busy}]
    server.store.delete_items(busy, [item])
    server.add(quiet, kinds.MESSAGE, blob=b"Subject: another\r\n\r\n")
    for follower in followers:
        news = follower.news()
        assert set(news.scopes) == {busy, quiet} and not news.overrun
        assert not follower.news().scopes


def test_a_follower_tells_of_accounts_that_come_and_go(server: Any) -> None:
    followers = both(server.store)
    account = server.account()
    for follower in followers:
        assert account in follower.news().scopes
    server.store.delete_entry(kinds.ACCOUNT, account)
    for follower in followers:
        assert set(follower.news().scopes) == {account}
