# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A standby by playbooks, as a new user has it: set up, followed, promoted; in check mode, done, and done again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import realtime, standby
from playbook_kit import PLAYBOOKS, Run, run

from tests.engine.standby.node_kit import Nodes


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    nodes = Nodes(tmp_path)
    with nodes.primary() as store:
        sample.fill(store, messages=40)
    yield nodes
    standby.STANDBY.stop(nodes.node("standby"))
    for name in ("primary", "standby"):
        realtime.stop(nodes.node(name))


def played(nodes: Nodes, playbook: str, *options: str, **variables: Any) -> Run:
    given = {
        "standby_hosts": "node", "standby_become": False, "standby_config_file": nodes.config_file("standby"),
        "standby_source_type": "local", "standby_source": str(nodes.archive), **variables,
    }
    done = run(PLAYBOOKS / playbook, given, nodes.path, *options)
    assert done.status == 0, done.output
    return done


def test_a_standby_is_set_up_follows_and_takes_over(nodes: Nodes) -> None:
    done = played(nodes, "standby.yml")
    assert len(done.changed()) == 2 and nodes.mail("standby") == nodes.mail("primary")
    assert not played(nodes, "standby.yml", "--check", "--diff").changed(), "what follows is left to follow"
    assert nodes.status()["running"]
    checked = played(nodes, "standby_check.yml")
    assert not checked.changed() and "0.0 s behind; the last sign of life of the primary came" in checked.output

    with nodes.primary() as store:
        account = next(one.entry_id for one in store.entries(kinds.ACCOUNT) if one.name.startswith("ann@"))
        messages = [one for one in store.changes(account).items if one.kind == kinds.MESSAGE]
        store.delete_items(account, [one.item_id for one in messages[:3]])
        store.update_item(account, messages[4]._replace(folder="3", flags="f"))
        store.write_items(account, [NewItem("", ItemState("", kinds.MESSAGE, "2", date=1), b"Subject: last\r\n\r\n")])

    fence = {
        "promote_fence_hosts": "node", "promote_fence_become": False,
        "promote_fence_config_file": nodes.config_file("primary"),
    }
    foretold = played(nodes, "promote.yml", "--check", **fence)
    assert any("Promote" in name for name in foretold.changed()) and nodes.status()["state"] == "following"
    done = played(nodes, "promote.yml", **fence)
    promotion = done.named("Promote")[-1].result["promotion"]
    assert promotion["lost_commits"] == promotion["failures"] == 0 and promotion["seconds"] < 60
    assert f"It took {promotion['seconds']} s" in done.named("Say what it came to")[0].result["msg"]
    assert nodes.mail("standby") == nodes.mail("primary")
    with contextlib.closing(nodes.node("standby").repository()) as backup, nodes.standby() as store:
        assert backup.server_id == store.server_id(), "its own backup goes on"
        moved = [one for one in store.changes(account).items if one.folder == "3" and one.flags == "f"]
        assert len(moved) == 1, "accounts keep their ids"
    assert realtime.status(nodes.node("standby"))["running"]
    assert not nodes.status()["running"] and nodes.status()["state"] == "promoted"


def test_the_check_fails_where_the_primary_is_silent_for_too_long(nodes: Nodes) -> None:
    nodes.answer(service=True)
    given: dict[str, Any] = {
        "standby_hosts": "node", "standby_become": False, "standby_config_file": nodes.config_file("standby"),
        "standby_warn_silence_seconds": 1, "standby_max_silence_seconds": 0,
    }
    end = time.monotonic() + 60
    while not nodes.status()["sign_of_life_seconds"] > 1:
        assert time.monotonic() < end
        time.sleep(0.1)
    done = run(PLAYBOOKS / "standby_check.yml", given, nodes.path)
    assert not done.status and "The primary last gave a sign of life" in done.output
    done = run(PLAYBOOKS / "standby_check.yml", {**given, "standby_max_silence_seconds": 1}, nodes.path)
    assert done.status and "The primary last gave a sign of life" in done.output


def test_a_standby_that_was_promoted_is_not_set_up_again_and_what_is_none_is_not_promoted(nodes: Nodes) -> None:
    given: dict[str, Any] = {
        "standby_hosts": "node", "standby_become": False, "standby_config_file": nodes.config_file("standby"),
    }
    done = run(PLAYBOOKS / "promote.yml", given, nodes.path)
    assert done.status and "is no standby; there is nothing to promote" in done.output
    given.update(standby_source_type="local", standby_source=str(nodes.archive))
    foretold = run(PLAYBOOKS / "standby.yml", given, nodes.path, "--check")
    assert "Follow until nothing is new" in " ".join(foretold.changed()) and nodes.status()["state"] == "none"
    nodes.answer()
    nodes.answer(state="promoted")
    done = run(PLAYBOOKS / "standby.yml", given, nodes.path)
    assert done.status and "This node was promoted" in done.output
