# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work of a warm standby that is disturbed: node b follows node a, from the beginning and what is new, and is
promoted."""

from __future__ import annotations

from typing import Any, Final

from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Refused
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import standby
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.standing_by import Source

from tests.engine.restore.restore_kit import add, mail

from .jobs import Job, ready
from .worlds import ANNA, INBOX, World


def _follow(world: World) -> None:
    node = world.node("b")
    standby.set_up(node, Source("local", str(world.archive)))
    standby.once(node)
    status = standby.status(node)
    if status["failure_count"] or status["lag_commits"] or status["damages"]:
        raise Refused(f"{status['failures']} {status['error']} {status['damages']}")


def _changes(world: World) -> None:
    """Follow, and let everything happen at node a that can: mail comes, moves and goes, and so do folders, tags and
    accounts."""
    _follow(world)
    with world.store("a") as store:
        folders = {one.name: one for one in store.folders(ANNA)}
        store.update_item(ANNA, folders["work"]._replace(folder="1", name="moved"))
        other = add(store, ANNA, kinds.FOLDER, INBOX, "work")
        messages = [one for one in store.changes(ANNA).items if one.kind == kinds.MESSAGE]
        store.update_item(ANNA, messages[0]._replace(folder=other, flags="f", tags=()))
        store.delete_items(ANNA, [one.item_id for one in messages[1:4]])
        store.delete_items(ANNA, [one.item_id for one in store.changes(ANNA).items if one.kind == kinds.TAG])
        for number in range(200, 206):
            mail(store, ANNA, other, number)
        store.delete_entry(kinds.ACCOUNT, "a-bruno")
        store.create_entry(Entry("a-new", kinds.ACCOUNT, "bruno@example.com", {"displayName": ("new",)}))
        mail(store, "a-new", INBOX, 300)
    world.scan()


def _promote(world: World) -> None:
    node = world.node("b")
    if standby.status(node)["is_standby"]:
        _follow(world)  # an archive that cannot be had would not keep it from being promoted
    promoted = standby.promote(node)
    if promoted["error"] or promoted["failures"] or promoted.get("warnings"):
        raise Refused(promoted["error"] or str(promoted.get("warnings")))


def _promoted(world: World) -> Any:
    return standby.status(world.node("b"))["state"], world.mailboxes("b")


JOBS: Final = (
    Job("standby from the beginning", ready, _follow, lambda world: world.mailboxes("b")),
    Job("standby", _changes, _follow, lambda world: world.mailboxes("b")),
    Job("promotion", _changes, _promote, _promoted),
)
