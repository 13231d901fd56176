# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mailbox at any moment, with and without what was deleted by then, against a model that is a dictionary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from copy_kit import Server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from restore_kit import INBOX, add, mail

TRASH = "3"
ACTIONS = st.lists(
    st.tuples(st.sampled_from(("deliver", "move", "flag", "delete")), st.integers(0, 5), st.integers(0, 3)),
    min_size=3, max_size=10,
)


class Model:
    """Where each message is, and where it was: a list of (folder, flags) for each; None for its deletion."""

    def __init__(self) -> None:
        self.history: dict[str, list[tuple[str, str] | None]] = {}
        self.ids: dict[str, str] = {}
        self.numbers: dict[str, str] = {}
        """By the digest of the content."""

    def at(self, undelete: bool) -> dict[str, tuple[str, str]]:
        """The folder and the flags of each message, by what it is."""
        found = {}
        for number, history in self.history.items():
            known = [one for one in history if one is not None]
            if history[-1] is not None:
                found[number] = history[-1]
            elif undelete:
                found[number] = next((one for one in reversed(known) if one[0] != "Trash"), known[-1])
        return found


def act(store: Any, model: Model, folders: dict[str, str], action: tuple[str, int, int]) -> None:
    verb, which, where = action
    place = list(folders)[where]
    present = [number for number, history in model.history.items() if history[-1] is not None]
    if verb == "deliver" or not present:
        number = str(len(model.ids))
        model.ids[number] = mail(store, "a-x", folders[place], int(number))
        model.numbers[store.item("a-x", model.ids[number]).digest] = number
        model.history[number] = [(place, "u")]
        return
    number = present[which % len(present)]
    state = store.item("a-x", model.ids[number])
    last = model.history[number][-1]
    assert last is not None
    if verb == "move":
        store.update_item("a-x", state._replace(folder=folders[place]))
        model.history[number].append((place, last[1]))
    elif verb == "flag":
        store.update_item("a-x", state._replace(flags="f" if last[1] == "u" else "u"))
        model.history[number].append((last[0], "f" if last[1] == "u" else "u"))
    else:
        store.delete_items("a-x", [model.ids[number]])
        model.history[number].append(None)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTIONS, st.integers(0, 9))
def test_a_mailbox_at_any_moment_is_what_it_was(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, int, int]], chosen: int
) -> None:
    """R-045, R-055, R-059, R-061."""
    server, model = Server.create(Path(tmp_path_factory.mktemp("model"))), Model()
    with server.changed() as store:
        store.create_entry(Entry("d-1", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("a-x", kinds.ACCOUNT, "x@example.com"))
        folders = {"Inbox": INBOX, "Trash": TRASH, "one": add(store, "a-x", kinds.FOLDER, "1", "one")}
        folders["two"] = add(store, "a-x", kinds.FOLDER, folders["one"], "two")
    moments = []
    for action in actions:
        with server.changed() as store:
            act(store, model, folders, action)
        moments.append((server.now(), model.at(False), model.at(True)))
    at, present, all_of_them = moments[chosen % len(moments)]
    for undelete, expected in ((False, present), (True, all_of_them)):
        address = f"undelete-{undelete}@example.com"
        assert not server.new("a-x", address, date=at, undelete=undelete).unrestored
        states = server.states(address)
        assert expected == {
            model.numbers[state.digest]: (states[state.folder].name, state.flags)
            for state in states.values() if state.kind == kinds.MESSAGE
        }
