# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scan against a dictionary: whatever happens to the mailboxes, each scan records what was there, and no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import Silent
from ansible_collections.restante.carbonio.plugins.module_utils.scan.recorder import Cadence
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

INBOX, TRASH = "2", "3"
CONTENTS = st.sampled_from([b"", b"a", b"b", b"c" * 40_000])
STEPS = st.lists(
    st.sampled_from(["mail", "mail", "folder", "flag", "move", "delete", "rename", "account", "drop", "scan", "stop"]),
    min_size=5, max_size=40,
)


class StopAfter(Silent):
    def __init__(self, items: int) -> None:
        self.left = items

    def advance(self, items: int = 0, bytes_: int = 0) -> None:
        self.left -= items

    def stopping(self) -> bool:
        return self.left <= 0


def change(node: Any, step: str, data: st.DataObject, number: int) -> None:
    """Do one random thing to the mail server."""
    accounts = [entry.entry_id for entry in node.store.entries(kinds.ACCOUNT)]
    if step == "account" or not accounts:
        node.account(f"u{number}")
        return
    account = data.draw(st.sampled_from(accounts))
    items = [state for state in node.store.changes(account).items if int(state.item_id) >= 256]
    messages = [state for state in items if state.kind == kinds.MESSAGE]
    folders = [state for state in items if state.kind == kinds.FOLDER]
    if step == "drop":
        node.store.delete_entry(kinds.ACCOUNT, account)
    elif step == "mail":
        folder = data.draw(st.sampled_from([INBOX, *(folder.item_id for folder in folders)]))
        node.mail(account, data.draw(CONTENTS), folder=folder)
    elif step == "folder":
        node.store.write_items(account, [NewItem("", ItemState("", kinds.FOLDER, INBOX, f"f{number}"))])
    elif step == "rename":
        node.store.update_entry(Entry(account, kinds.ACCOUNT, "", {"displayName": (f"n{number}",)}))
    elif step == "delete" and items:
        node.store.delete_items(account, [data.draw(st.sampled_from(items)).item_id])
    elif step in ("flag", "move") and messages:
        message = data.draw(st.sampled_from(messages))
        new = message._replace(flags="f") if step == "flag" else message._replace(folder=TRASH)
        node.store.update_item(account, new)


def snapshot(node: Any) -> dict[str, Any]:
    """Return what the mail server holds, by account."""
    return {entry.entry_id: (entry.to_json(), node.live(entry.entry_id)) for entry in node.store.entries(kinds.ACCOUNT)}


def recorded(node: Any, at: int | None) -> dict[str, Any]:
    """Return what the backup held at a moment, by account."""
    return {
        last.scope: (last.state.to_json(), node.recorded(last.scope, at))
        for last in node.repository.entries(kinds.ACCOUNT, at)
    }


def assert_each_state_is_another_than_the_one_before(node: Any) -> None:
    for scope in node.repository.scopes():
        for item in {last.item_id for last in node.repository.states(scope, deleted=True)}:
            states = [last.state and last.state.to_json() for last in node.repository.history(scope, item)]
            assert all(one != other for one, other in zip(states, states[1:])), f"{scope} {item}: {states}"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS, data=st.data())
def test_each_scan_records_what_was_there_and_every_earlier_state_stays(
    make_node: Callable[[], Any], steps: list[str], data: st.DataObject
) -> None:
    """R-189, R-210, R-211, R-212, R-227."""
    node = make_node()
    seen: list[tuple[int, dict[str, Any]]] = []
    for number, step in enumerate([*steps, "scan"]):
        if step == "scan":
            node.scan(cadence=Cadence(seconds=data.draw(st.sampled_from([0, 1000]))))
            assert not node.scan().changed
            seen.append((moment.now(), snapshot(node)))
            while moment.now() == seen[-1][0]:
                pass
        elif step == "stop":
            node.scan(progress=StopAfter(data.draw(st.integers(0, 30))))
        else:
            change(node, step, data, number)
    for at, expected in seen:
        assert recorded(node, at) == expected
    for last in (last for scope in node.repository.scopes() for last in node.repository.states(scope)):
        if last.state.digest:
            assert len(node.repository.read_blob(last.state.digest)) == last.state.size
    assert_each_state_is_another_than_the_one_before(node)
