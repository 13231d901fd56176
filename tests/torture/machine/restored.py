# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore has written into mailboxes, held against what the model says that it had to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ACCOUNT_ITEM, ItemState

from tests.torture.machine.model import COMES_BACK, Model
from tests.torture.worlds import Broken

Mailbox = Mapping[str, ItemState]
SETTINGS = frozenset((kinds.FILTER_SET, kinds.DATA_SOURCE, kinds.MOUNTPOINT))


class Copy(NamedTuple):
    """What an item looks like wherever it is restored to."""

    kind: str
    name: str
    digest: str
    flags: str
    date: int
    tags: tuple[str, ...]


def copy_of(state: ItemState, mailbox: Mailbox, added: str = "", visible: bool = True) -> Copy:
    """Return what a copy looks like. :param added: a further tag. :param visible: without the flag "deleted"."""
    tags = [mailbox[tag].name for tag in state.tags if tag in mailbox] + ([added] if added else [])
    flags = state.flags.replace("x", "") if visible else state.flags
    return Copy(state.kind, state.name, state.digest, flags, state.date, tuple(sorted(set(tags))))


def counted(states: Iterable[ItemState], mailbox: Mailbox) -> Counter[Copy]:
    return Counter(copy_of(state, mailbox, visible=False) for state in states if state.kind in COMES_BACK)


def with_substitutes(mailbox: Mailbox) -> dict[str, ItemState]:
    """Return a mailbox with the folders that a copy of it has besides: a data source that puts mail into a folder that
    is gone gets one of the name unknown_<its id> (R-087).
    """
    wanted = {str(one.attrs.get("folder", "")) for one in mailbox.values() if one.kind == kinds.DATA_SOURCE} - {""}
    missing = wanted - mailbox.keys()
    return {**mailbox, **{one: ItemState(one, kinds.FOLDER, "1", f"unknown_{one}") for one in missing}}


def compare(found: Any, wanted: Any, what: str) -> None:
    """:raises Broken: both are not the same."""
    if found == wanted:
        return
    if isinstance(found, list) and isinstance(wanted, list):
        found, wanted = Counter(map(str, found)), Counter(map(str, wanted))
    if isinstance(found, Counter) and isinstance(wanted, Counter):
        raise Broken(f"{what}: too much is {dict(found - wanted)}, missing is {dict(wanted - found)}.")
    raise Broken(f"{what}: {found}, and not {wanted}.")


def untouched(before: Mailbox, after: Mailbox, what: str, but: frozenset[str] = frozenset()) -> None:
    """:param but: kinds that may change. :raises Broken: something that was in a mailbox is gone or another."""
    for item, state in before.items():
        now = after.get(item)
        if now is None or (now != state and state.kind not in but):
            raise Broken(f"{what}: {state} was there, and is {now}.")


def without_what_has_moved(before: Mailbox, after: Mailbox, everywhere: Mapping[str, Mailbox]) -> Mailbox:
    """Return a mailbox without the folders in whose place a mountpoint is now (R-155), and without what was in them.

    :raises Broken: something that was in one of them is in no mailbox.
    """
    shares = {(one.folder, one.name) for one in after.values() if one.kind == kinds.MOUNTPOINT}
    gone = {
        item for item, one in before.items()
        if one.kind == kinds.FOLDER and item not in after and (one.folder, one.name) in shares
    }
    there = {one.digest for mailbox in everywhere.values() for one in mailbox.values()}
    for one in before.values():
        if one.folder in gone and one.digest and one.digest not in there:
            raise Broken(f"{one} was in the place of a mountpoint, and is nowhere.")
    return {item: one for item, one in before.items() if item not in gone and one.folder not in gone}


def deleted(model: Model, scope: str, start: int, end: int) -> dict[tuple[str, int], ItemState]:
    """Return what comes back of what was deleted in an interval, by item and the number of its state."""
    found = {}
    for _at, seq, item in model.deletions(scope, start, end):
        last = model.before(scope, item, seq)
        if item != ACCOUNT_ITEM and last is not None and last[2]["kind"] in COMES_BACK:
            found[item, last[0]] = model.item(item, last)
    return found


def tag_names(model: Model, scope: str, state: ItemState) -> dict[str, ItemState]:
    """Return the tags of an item as they were last."""
    found = {}
    for tag in state.tags:
        last = model.before(scope, tag, 2**62)
        if last is not None:
            found[tag] = model.item(tag, last)
    return found
