# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plans of a standby: what is to be done to it so that it is as the primary was. No I/O; every step can be printed.

What is compared is what the primary has with what is here, and not one state of the primary with the next: so a plan
that was carried out by half is made again, and only what is left of it is in the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from ..ledger.standby import NAMED, Copy, Known
from ..mailstore.port import shape
from ..model import kinds
from ..model.state import Entry, ItemState
from ..restore.plan import is_root

CREATE: Final = "create"
UPDATE: Final = "update"
DELETE: Final = "delete"
ADOPT: Final = "adopt"
"""It is here already, and becomes what the primary has; it was not made by the standby, which never deletes it."""
ASIDE: Final = "put aside"
"""Something else gets its name."""
KEEP: Final = "keep"
"""It is gone at the primary, and not the standby's to delete."""
LEAVE: Final = "leave"
"""It cannot be applied now."""


class EntryStep(NamedTuple):
    """One thing to do to the directory."""

    action: str
    source: str
    """Id of the entry at the primary."""
    entry: Entry
    """As the primary has it; for DELETE and KEEP, as it was applied last."""
    known: Known | None = None

    def __str__(self) -> str:
        return f"{self.action} {self.entry.kind} {self.entry.name}"


class ItemStep(NamedTuple):
    """One thing to do to a mailbox."""

    action: str
    origin: str
    """Id of the item at the primary; empty where it is none of the primary's."""
    state: ItemState
    """As the primary has it, in its ids; for DELETE, KEEP and ASIDE, as it is here."""
    item_id: str = ""
    """Id here, for all but CREATE."""
    reason: str = ""
    """For LEAVE: a sentence."""

    def __str__(self) -> str:
        name = f" {self.state.name!r}" if self.state.name else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.action} {self.state.kind} {self.origin or self.item_id}{name}{reason}"


# -- the directory -----------------------------------------------------------------------------------------------------


_MADE: Final = {kinds.DOMAIN: 0, kinds.COS: 1, kinds.DISTRIBUTION_LIST: 2, kinds.ACCOUNT: 3}
_GONE: Final = {kinds.DISTRIBUTION_LIST: 0, kinds.ACCOUNT: 1, kinds.COS: 2, kinds.DOMAIN: 3}


class DirectoryPlan(NamedTuple):
    """What is to be done to the directory, in three parts: each needs the one before it."""

    first: Sequence[EntryStep]
    """Accounts and lists that are gone: what comes may have their addresses."""
    then: Sequence[EntryStep]
    """What is made or changed: domains, classes of service, lists, accounts."""
    last: Sequence[EntryStep]
    """Classes of service and domains that are gone: nothing needs them any more."""


def directory(wanted: Iterable[Entry], gone: Iterable[Known]) -> DirectoryPlan:
    """Return what is to be done to the directory.

    :param wanted: entries of the primary that are new or other. :param gone: entries that it has no more.
    """
    ending = [
        EntryStep(DELETE if one.own else KEEP, one.source, one.applied or Entry(one.source, one.kind, one.name), one)
        for one in sorted(gone, key=lambda one: (_GONE[one.kind], one.name))
    ]
    # Alias domains behind the domains that they stand for.
    making = sorted(wanted, key=lambda one: (
        _MADE[one.kind], one.first("zimbraDomainType") == "alias", one.name,
    ))
    addressed = (kinds.DISTRIBUTION_LIST, kinds.ACCOUNT)
    return DirectoryPlan(
        [step for step in ending if step.entry.kind in addressed],
        [EntryStep(UPDATE, one.entry_id, one) for one in making],
        [step for step in ending if step.entry.kind not in addressed],
    )


def to_release(wanted: Iterable[Entry], here: Mapping[str, Entry]) -> list[Entry]:
    """Return what entries here become for a moment, so that all addresses can change hands: two accounts may exchange
    theirs.

    :param wanted: what entries here are to become, by the ids here. :param here: what they are, by id.
    """
    will_have = {
        address.casefold(): one.entry_id for one in wanted for address in (one.name, *one.aliases)
    }
    released = []
    for entry in here.values():
        keeps = tuple(alias for alias in entry.aliases if will_have.get(alias.casefold(), entry.entry_id)
                      == entry.entry_id)
        name = entry.name
        if will_have.get(name.casefold(), entry.entry_id) != entry.entry_id:
            local, _at, domain = name.rpartition("@")
            name = f"{local}.restante-{entry.entry_id[:8]}@{domain}"
        if (name, keeps) != (entry.name, entry.aliases):
            released.append(entry._replace(name=name, aliases=keeps))
    return released


def attributes(wanted: Entry, applied: Entry | None) -> Entry:
    """Return the attributes to write: those of the primary, and without values those that it has no more.

    :param applied: what was written last: what the mail server here has besides is its own.
    """
    before = {} if applied is None else applied.attrs
    unset: dict[str, tuple[str, ...]] = {name: () for name in before if name not in wanted.attrs}
    return Entry(wanted.entry_id, wanted.kind, wanted.name, {**wanted.attrs, **unset})


def shaped(wanted: Entry, applied: Entry | None, here: Entry) -> Entry:
    """Return an entry here with the name, aliases, members and signatures that it is to have.

    :param applied: what was written last: what it has besides, somebody else has added, and it stays.
    """
    def merged(there: Sequence[str], was: Sequence[str], now: Sequence[str]) -> tuple[str, ...]:
        known = {one.casefold() for one in (*there, *was)}
        return (*there, *(one for one in now if one.casefold() not in known))

    was = applied or Entry(here.entry_id, here.kind, here.name)
    ids = {one.get("id") for one in (*wanted.signatures, *was.signatures)}
    shaping = here._replace(
        name=wanted.name,
        aliases=tuple(
            one for one in merged(wanted.aliases, was.aliases, here.aliases) if one.casefold() != wanted.name.casefold()
        ),
        members=merged(wanted.members, was.members, here.members),
        signatures=(*wanted.signatures, *(one for one in here.signatures if one.get("id") not in ids)),
    )
    return here if shape(shaping) == shape(here) else shaping


# -- what has a name that nothing else may have ------------------------------------------------------------------------


_Place = tuple[str, str, str]
"""Kind of names, the folder it lies in (an id here, or _NEW and an id there), name."""
_NEW: Final = "+"
_OF_FOLDERS: Final = (kinds.FOLDER, kinds.MOUNTPOINT)


class NamedPlan(NamedTuple):
    """What is to be done to folders, mountpoints, tags and filter sets."""

    steps: Sequence[ItemStep]
    """What is made, moved, renamed or otherwise changed, in an order in which that can be done."""
    deletions: Sequence[ItemStep]
    """To be done when nothing lies in them any more: inner ones first."""


def named(
    wanted: Sequence[ItemState], gone: Iterable[Copy], here: Mapping[str, ItemState], known: Iterable[Copy],
    unchanged: Callable[[ItemState, ItemState], bool] = lambda wanted, here: False,
) -> NamedPlan:
    """Return what is to be done to what has a name that nothing else in its place may have.

    :param wanted: what of it is new or other at the primary, in its ids. :param gone: what is gone there.
    :param here: all that is here, by id. :param known: which of that are copies.
    :param unchanged: whether something here is already what it is to be.
    """
    return _Named(wanted, gone, here, known, unchanged).plan()


class _Named:
    def __init__(
        self, wanted: Sequence[ItemState], gone: Iterable[Copy], here: Mapping[str, ItemState], known: Iterable[Copy],
        unchanged: Callable[[ItemState, ItemState], bool],
    ) -> None:
        self._here = here
        self._unchanged = unchanged
        self._copies = {one.origin: one for one in known if one.item_id in here}
        self._gone = [one for one in gone if one.item_id in here]
        self._wanted = {state.item_id: state for state in wanted}
        self._keys = {origin: one.item_id for origin, one in self._copies.items()}
        """Of the primary's items: their ids here, or what stands for those that are to be made."""
        self._mine = {one.item_id: one.origin for one in self._copies.values()}
        """Of what is here: whose copy it is, or becomes."""
        self._places: dict[str, _Place] = {}
        """Where everything is, as the steps so far leave it."""
        self._at: dict[_Place, str] = {}
        """And what is in each place."""
        for item_id, state in here.items():
            self._put(item_id, _place(state))
        self._steps: list[ItemStep] = []

    def plan(self) -> NamedPlan:
        for state in self._ordered():
            self._settle(state)
        deletions = sorted(self._gone, key=lambda one: (-self._depth(one.item_id), one.origin))
        return NamedPlan(self._steps, [
            ItemStep(DELETE if one.own else KEEP, one.origin, self._here[one.item_id], one.item_id)
            for one in deletions
        ])

    def _put(self, key: str, place: _Place | None) -> None:
        """Something is in another place, or nowhere, from now on."""
        before = self._places.pop(key, None)
        if before is not None and self._at.get(before) == key:
            del self._at[before]
        if place is not None:
            self._places[key] = place
            self._at[place] = key

    def _ordered(self) -> list[ItemState]:
        """Return what is wanted, from the root of the tree that is wanted downwards: so that whatever a folder is moved
        into is in its place already, and cannot be inside it."""
        depths: dict[str, int] = {}
        above = {key: place[1] for key, place in self._places.items()}
        for state in self._wanted.values():
            key = self._keys.get(state.item_id, _NEW + state.item_id)
            above[key] = self._keys.get(state.folder, _NEW + state.folder) if state.folder else ""

        def depth(key: str) -> int:
            steps, at = 0, key
            while at and steps <= len(above):  # folders that lie in each other are no tree: they are refused later
                at = above.get(at, "")
                steps += 1
            return steps

        for origin in self._wanted:
            depths[origin] = depth(self._keys.get(origin, _NEW + origin))
        return sorted(self._wanted.values(), key=lambda state: (depths[state.item_id], state.item_id))

    def _settle(self, state: ItemState) -> None:
        origin = state.item_id
        parent = self._parent(state)
        if parent is None:
            self._steps.append(ItemStep(
                LEAVE, origin, state, self._keys.get(origin, ""), f"Its folder {state.folder} is not on the standby."
            ))
            return
        place = (_group(state.kind), parent, state.name)
        copy = self._copies.get(origin)
        if copy is not None and self._here[copy.item_id].kind != state.kind:
            self._steps.append(ItemStep(DELETE, origin, self._here[copy.item_id], copy.item_id))
            self._put(copy.item_id, None)
            copy = None
        occupant = self._at.get(place)
        if copy is None:
            if occupant is not None and self._may_adopt(occupant, state):
                self._mine[occupant] = origin
                self._keys[origin] = occupant
                self._steps.append(ItemStep(ADOPT, origin, state, occupant))
                return
            if occupant is not None and not self._put_aside(occupant, state):
                return
            self._keys[origin] = _NEW + origin
            self._put(_NEW + origin, place)
            self._steps.append(ItemStep(CREATE, origin, state))
            return
        if occupant not in (None, copy.item_id) and not self._put_aside(str(occupant), state):
            return
        moved = self._places[copy.item_id] != place
        self._put(copy.item_id, place)
        if moved or not self._unchanged(state, self._here[copy.item_id]):
            self._steps.append(ItemStep(UPDATE, origin, state, copy.item_id))

    def _parent(self, state: ItemState) -> str | None:
        if state.kind not in _OF_FOLDERS or not state.folder:
            return ""
        key = self._keys.get(state.folder)
        return key if key is not None and key in self._places else None

    def _may_adopt(self, occupant: str, state: ItemState) -> bool:
        """Something of the same kind and name that is no copy becomes the primary's."""
        there = self._here.get(occupant)
        return there is not None and there.kind == state.kind and occupant not in self._mine

    def _put_aside(self, occupant: str, state: ItemState) -> bool:
        """Let something give its name away: it gets another one itself by a later step, or is none of the primary's."""
        there = self._here.get(occupant)
        if there is None or is_root(there):
            self._steps.append(ItemStep(
                LEAVE, state.item_id, state, self._keys.get(state.item_id, ""),
                f"There is another {state.kind} named {state.name!r} in its place.",
            ))
            return False
        group, parent, name = self._places[occupant]
        new, number = f"{name} (standby)", 1
        while (group, parent, new) in self._at:
            number += 1
            new = f"{name} (standby {number})"
        self._put(occupant, (group, parent, new))
        self._steps.append(ItemStep(ASIDE, self._mine.get(occupant, ""), there._replace(name=new), occupant))
        return True

    def _depth(self, item_id: str) -> int:
        steps, at = 0, item_id
        while at in self._here and steps <= len(self._here):
            at = self._here[at].folder
            steps += 1
        return steps


def _group(kind: str) -> str:
    return kinds.FOLDER if kind in _OF_FOLDERS else kind


def _place(state: ItemState) -> _Place:
    return _group(state.kind), state.folder if state.kind in _OF_FOLDERS else "", state.name


# -- everything else ---------------------------------------------------------------------------------------------------


def item(
    origin: str, wanted: ItemState | None, copy: Copy | None, here: ItemState | None,
    unchanged: Callable[[ItemState, ItemState], bool],
) -> list[ItemStep]:
    """Return what is to be done about an item whose name, if it has one, others may have too.

    :param wanted: as the primary has it; None where it is gone there. :param copy: what is known of it here.
    :param here: the copy as it is; None where it is not here (any more).
    :param unchanged: whether that is already what it is to be.
    """
    if wanted is None:
        if copy is None:
            return []
        left = here or ItemState(copy.item_id, copy.kind)
        return [ItemStep(DELETE if copy.own else KEEP, origin, left, copy.item_id)]
    if copy is None or here is None:
        return [ItemStep(CREATE, origin, wanted)]
    if here.kind != wanted.kind:
        return [ItemStep(DELETE, origin, here, copy.item_id), ItemStep(CREATE, origin, wanted)]
    return [] if unchanged(wanted, here) else [ItemStep(UPDATE, origin, wanted, copy.item_id)]


__all__ = [
    "ADOPT", "ASIDE", "CREATE", "DELETE", "KEEP", "LEAVE", "NAMED", "UPDATE", "DirectoryPlan", "EntryStep", "ItemStep",
    "NamedPlan", "attributes", "directory", "item", "named", "shaped", "to_release",
]
