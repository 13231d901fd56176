# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The change feed of an embedded store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import feed
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    NotFound,
    Refused,
    Unavailable,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import SERVER, Entry


def test_every_transaction_is_in_the_feed_once_and_in_order(box: Any) -> None:
    assert [(entry.seq, entry.scope, entry.change) for entry in box.store.feed(0)] == [
        (1, SERVER, 0), (2, box.account, 1)
    ]
    box.mail(b"1", b"2")
    item, = box.mail(b"3")
    box.store.update_entry(Entry("d", kinds.DOMAIN, "example.com", {"description": ("x",)}))
    box.store.delete_items(box.account, [item])
    assert [(entry.scope, entry.change) for entry in box.store.feed(2)] == [
        (box.account, 2), (box.account, 3), (SERVER, 0), (box.account, 4)
    ]
    assert box.store.changes(box.account).token.split(":")[2] == "4"
    assert box.store.last_transaction() == 6
    assert list(box.store.feed(6)) == []


def test_what_changed_nothing_is_not_in_the_feed(box: Any) -> None:
    last = box.store.last_transaction()
    box.store.delete_items(box.account, ["999"])
    box.store.update_entry(Entry("d", kinds.DOMAIN, "example.com"))
    box.store.write_items(box.account, [])
    with pytest.raises(Refused):
        box.store.delete_items(box.account, ["2"])
    assert list(box.store.feed(last)) == []


def test_the_sessions_of_a_mailbox_are_noted_once_each_and_go_with_it(box: Any) -> None:
    box.mail(b"1")
    box.mail(b"2")
    box.reopen()
    box.mail(b"3")
    box.mail(b"4")
    rows = box.store._database.execute("SELECT mailbox, change FROM sessions").fetchall()
    assert rows == [(1, 1), (1, 4)]
    box.store.delete_entry(kinds.ACCOUNT, box.account)
    assert box.store._database.execute("SELECT count(*) FROM sessions").fetchone() == (0,)


def test_the_feed_is_trimmed_and_says_so(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "KEPT", 10)
    box.store._database.execute("UPDATE sqlite_sequence SET seq = 998 WHERE name = 'feed'")
    box.store._database.execute("UPDATE feed SET seq = seq + 996")
    box.mail(b"1")
    box.mail(b"2")  # the thousandth
    assert [entry.seq for entry in box.store.feed(998)] == [999, 1000]
    box.store._database.execute("DELETE FROM feed WHERE seq < 1000")
    for lost in (0, 998, 1001):
        with pytest.raises(NotFound, match="all accounts"):
            box.store.feed(lost)


def test_a_follower_is_told_of_the_directory_too(box: Any) -> None:
    follower = box.store.follow()
    box.store.update_entry(Entry("d", kinds.DOMAIN, "example.com", {"description": ("x",)}))
    assert set(follower.news().scopes) == {SERVER}


def test_a_follower_that_is_too_slow_is_told_that_it_has_missed_something(box: Any) -> None:
    follower = box.store.follow()
    box.mail(b"1")
    box.mail(b"2")
    box.store._database.execute("DELETE FROM feed WHERE seq < ?", (box.store.last_transaction(),))
    news = follower.news()
    assert news.overrun and not news.scopes
    box.mail(b"3")
    news = follower.news()
    assert not news.overrun and set(news.scopes) == {box.account}
    assert news.last == str(box.store.last_transaction())


def test_a_follower_notices_that_the_store_is_gone_or_another_one(box: Any, tmp_path: Path) -> None:
    follower = box.store.follow()
    file = Path(box.store.path, "store.sqlite")
    aside = tmp_path / "aside"
    file.rename(aside)
    with pytest.raises(Unavailable, match="waited for"):
        follower.news()
    file.write_bytes(aside.read_bytes())
    with pytest.raises(Unavailable, match="in the place of"):
        follower.news()
