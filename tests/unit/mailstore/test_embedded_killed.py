# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An embedded store whose writer is killed at any line: nothing reported is lost, nothing is half, nothing twice."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import AlreadyExists


def die_at_line(number: int) -> Callable[..., Any]:
    """Return a tracer that kills this process, as kill -9 would, before the given line of the store's own code."""
    left = number

    def trace(frame: Any, event: str, _argument: object) -> Callable[..., Any] | None:
        nonlocal left
        if "/mailstore/embedded/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def killed(work: Callable[[], object], line: int) -> bool:
    """Let a child do some work, to be killed before a line; False if it was through before that.

    The child starts as a copy of this process, so no store may be open in it: SQLite does not survive a fork.
    """
    child = os.fork()
    if not child:
        status = 1
        try:
            sys.settrace(die_at_line(line))
            work()
            sys.settrace(None)
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0


def killed_in(box: Any, work: Callable[[Any], object], line: int) -> bool:
    """Let a child open the store and do some work on it, to be killed before a line, and open it here again."""
    def open_and_work() -> None:
        store = EmbeddedStore.open(str(box.path))
        work(store)
        store.close()

    box.store.close()
    try:
        return killed(open_and_work, line)
    finally:
        box.store = EmbeddedStore.open(str(box.path))


def assert_tidy(box: Any) -> None:
    """Check that every blob has an item once the next writer has been there, and every item its blob."""
    box.mail(b"from the next writer")
    assert len(box.files()) == len(box.contents())
    assert len(os.listdir(box.path / "incoming")) == 1  # the next writer's own


@pytest.mark.parametrize("redo_log", [False, True])
def test_an_import_killed_at_any_line_and_done_again_is_whole(make_box: Callable[[str], Any], redo_log: bool) -> None:
    chance = random.Random(7)
    line, kills = 1, 0
    box = make_box("store")
    box.store.set_redo_log(redo_log)
    while True:
        batch = box.batch(5 * kills, 5 * kills + 5)
        through = not killed_in(box, lambda store: store.write_items(box.account, batch, "import"), line)  # noqa: B023
        for _origin, item in list(box.store.imported(box.account, "import"))[-5:]:
            box.store.read_blob(box.account, item)  # no item without its blob
        written = box.store.write_items(box.account, batch, "import")
        assert len({one.existed for one in written}) == 1  # all or nothing
        if through:
            break
        kills, line = kills + 1, line + chance.randint(1, 35)
    assert kills > 15
    assert box.contents() == sorted(b"message %d" % number for number in range(5 * kills + 5))
    assert_tidy(box)


def test_what_was_reported_before_the_kill_stays(box: Any) -> None:
    def work(store: Any) -> None:
        store.write_items(box.account, box.batch(0, 3), "import")
        os.kill(os.getpid(), signal.SIGKILL)

    assert killed_in(box, work, 10**9)
    assert box.contents() == [b"message 0", b"message 1", b"message 2"]
    assert_tidy(box)


@pytest.mark.parametrize("redo_log", [False, True])
def test_an_update_killed_at_any_line_leaves_the_old_or_the_new_content(box: Any, redo_log: bool) -> None:
    box.store.set_redo_log(redo_log)
    item, = box.mail(b"old")
    state = box.store.item(box.account, item)
    line, kills = 1, 0
    while killed_in(box, lambda store: store.update_item(box.account, state._replace(flags="f"), b"new"), line):
        now = box.store.item(box.account, item)
        assert (now.flags, box.store.read_blob(box.account, item)) in (("", b"old"), ("f", b"new"))
        box.store.update_item(box.account, state, b"old")
        line, kills = line + 11, kills + 1
    assert kills > 10
    assert_tidy(box)


def test_a_deletion_killed_at_any_line_leaves_all_or_none(box: Any) -> None:
    line, kills = 1, 0
    items = box.mail(b"1", b"2", b"3")
    while killed_in(box, lambda store: store.delete_items(box.account, items), line):
        left = box.contents()
        assert left in ([], [b"1", b"2", b"3"])
        if not left:
            items[:] = box.mail(b"1", b"2", b"3")
        line, kills = line + 5, kills + 1
    assert kills > 10
    assert_tidy(box)


def test_a_store_whose_making_was_killed_can_be_made(tmp_path: Any) -> None:
    line, kills = 1, 0
    while killed(lambda: EmbeddedStore.create(str(tmp_path / str(line))), line):  # noqa: B023
        path = str(tmp_path / str(line))
        try:
            store = EmbeddedStore.create(path)
        except AlreadyExists:  # it was killed at the last lines
            store = EmbeddedStore.open(path)
        assert len(store.volumes()) == 1
        store.close()
        line, kills = line + 9, kills + 1
    assert kills > 5


def test_a_living_writer_is_left_in_peace(box: Any) -> None:
    """What one writer has on disk and not yet in the database is no rubbish for another."""
    other = EmbeddedStore.open(str(box.path))
    with other._blobs.put(1, [b"under way"]) as places:
        box.reopen()
        box.mail(b"mine")
        assert (box.path / "volumes" / "message1" / places[0].locator).read_bytes() == b"under way"
        assert len(box.files()) == 2
    other.close()
