# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Undelete against a model that is a dictionary, over any interval, and killed at any moment."""

from __future__ import annotations

import bisect
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from copy_kit import Server
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from in_place_kit import ACCOUNT, ANNA, TAG, delete, undelete
from kill_kit import KILLS, lines_of, run_until
from restore_kit import INBOX, add, mail
from test_copies_model import ACTIONS, TRASH, Model, act


def found(server: Server) -> dict[str, list[tuple[str, str, bool]]]:
    """By content: the folder and the flags of each message, and whether it has the tag of the run."""
    states = server.states(ANNA)
    messages: dict[str, list[tuple[str, str, bool]]] = {}
    for one in states.values():
        if one.kind == kinds.MESSAGE:
            tagged = any(states[tag].name == TAG for tag in one.tags)
            messages.setdefault(one.digest, []).append((states[one.folder].name, one.flags, tagged))
    return messages


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTIONS, st.integers(0, 9), st.integers(0, 9))
@example([("deliver", 0, 0)] * 5 + [("delete", 0, 0), ("move", 0, 0)], 6, 6)
def test_what_was_deleted_in_an_interval_is_there_once_and_the_rest_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, int, int]], one: int, two: int
) -> None:
    """R-080, R-081, R-082, R-083, R-091, R-097."""
    server, model = Server.create(Path(tmp_path_factory.mktemp("model"))), Model()
    with server.changed() as store:
        store.create_entry(Entry("d-1", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("a-x", kinds.ACCOUNT, ANNA))
        folders = {"Inbox": INBOX, "Trash": TRASH, "one": add(store, "a-x", kinds.FOLDER, "1", "one")}
        folders["two"] = add(store, "a-x", kinds.FOLDER, folders["one"], "two")
    moments, gone = [], [set[str]()]
    for action in actions:
        with server.changed() as store:
            act(store, model, folders, action)
        moments.append(server.now())
        gone.append({number for number, history in model.history.items() if history[-1] is None})
        time.sleep(0.002)  # two scans of one millisecond are one moment
    start, end = sorted((moments[one % len(moments)], moments[two % len(moments)]))
    # What changes nothing, such as a move to where it is, makes no moment of its own: its moment is the one before.
    first, last = bisect.bisect_left(moments, start), bisect.bisect_right(moments, end) - 1
    expected = {number: [(*place, False)] for number, place in model.at(False).items()}
    for number, place in model.at(True).items():
        if number in gone[last + 1] - gone[first]:
            expected[number] = [(*place, True)]
    for _again in range(2):
        report = undelete(server, start, end)
        assert not report.unrestored
        assert {model.numbers[digest]: messages for digest, messages in found(server).items()} == expected


RESTORE = """
from pathlib import Path
from copy_kit import Server
import in_place_kit

server, item_id = Server(Path(sys.argv[2])), sys.argv[3]
begin()
end(in_place_kit.restore_item(server, item_id) if item_id else in_place_kit.undelete(server))
"""


def killed_after(server: Server, item_id: str, lines: int) -> int:
    """Restore an item, or undelete, in a process that is killed at a line; return the lines, 0 for a killed one."""
    return lines_of(run_until(RESTORE, lines, server.path, item_id))


def content(server: Server) -> list[Any]:
    return server.content(ANNA)


@pytest.mark.parametrize("strategy", ["undelete", "item"])
def test_a_restore_killed_again_and_again_ends_as_if_it_never_was(
    server: Server, tmp_path: Path, strategy: str
) -> None:
    """R-004, R-036, R-080: of an item, the folder and the tag that it needs besides."""
    with server.changed() as store:
        folder = add(store, ACCOUNT, kinds.FOLDER, INBOX, "Projects")
        tag = add(store, ACCOUNT, kinds.TAG, "", "mine")
        numbers = [mail(store, ACCOUNT, folder, number, tags=(tag,)) for number in range(100, 112)]
    delete(server, *numbers, folder, tag)
    item_id = numbers[0] if strategy == "item" else ""
    pristine = tmp_path / "pristine"
    for part in ("store", "backup"):
        shutil.copytree(server.path / part, pristine / part)
    lines = killed_after(server, item_id, 0)
    expected = content(server)
    chance = random.Random(KILLS)
    deaths = rounds = 0
    while deaths < KILLS // 2:
        rounds += 1
        assert rounds < 10 * KILLS, "too few were killed"
        again = Server(tmp_path / f"killed{rounds}")
        for part in ("store", "backup"):
            shutil.copytree(pristine / part, again.path / part)
        for _unused in range(chance.randrange(1, 4)):
            deaths += not killed_after(again, item_id, chance.randrange(1, lines))
        assert killed_after(again, item_id, 0)
        assert content(again) == expected
