# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a mail server that has written a vCard or an iCalendar object anew still says the same with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..mailstore.port import MailStore
from ..model.state import ItemState
from . import content_lines, time_zones
from .content_lines import Component

_ZONE: Final = "VTIMEZONE"
_ADDED: Final = (("VCALENDAR", "VERSION"), ("VCARD", "VERSION"), *(
    (name, "DTSTAMP") for name in ("VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY")
))
"""What the standards ask for and a server adds where none has it (RFC 5545 sections 3.6.1 and 3.7.4, RFC 6350)."""
_LeftOut = Callable[[Component, str], bool]


def differences(expected: bytes, found: bytes) -> tuple[list[str], list[str]] | None:
    """Return the names of what either content alone says: properties, and components that differ in any of theirs.

    Values are not told: a report may be read by others than the content.

    :return: nothing twice where both say the same; None where one of them is no such content, and only bytes can tell.
    """
    one, other = content_lines.parse(expected), content_lines.parse(found)
    if one is None or other is None:
        return None
    whole, whole_found = Component("", (), tuple(one)), Component("", (), tuple(other))
    has = {(part.name, prop.name) for part in whole.within() for prop in part.properties}
    added = frozenset(_ADDED) - has

    def left_out(part: Component, name: str) -> bool:
        return part.name == _ZONE if not name else (part.name, name) in added

    less, more = _beside(whole, whole_found, left_out)
    for lost in _lost_zones(whole, whole_found):
        less.append(lost)
    return sorted(less), sorted(more)


def is_given_back(store: MailStore, account_id: str, here: ItemState, blob: bytes) -> bool:
    """Return whether an item that is here has a content, in the form in which this mail server gives it back."""
    held = store.held_blob(here.kind, blob)
    if hashlib.sha256(held).hexdigest() == here.digest:
        return True
    return store.rewrites(here.kind) and differences(held, store.read_blob(account_id, here.item_id)) == ([], [])


def _beside(one: Component, other: Component, left_out: _LeftOut) -> tuple[list[str], list[str]]:
    """Return what two components of a kind differ in; one component of a name is looked into."""
    less, more = _minus(one, other, left_out), _minus(other, one, left_out)
    for name in {*less} & {*more}:
        here, there = _named(one, name), _named(other, name)
        if len(here) == len(there) == 1:
            inner = _beside(here[0], there[0], left_out)
            less.remove(name)
            more.remove(name)
            less += inner[0]
            more += inner[1]
    return less, more


def _minus(component: Component, against: Component, left_out: _LeftOut) -> list[str]:
    there: Mapping[Any, int] = content_lines.said(against, left_out)
    return [
        content_lines.name_of(thing) for thing, count in content_lines.said(component, left_out).items()
        for _unused in range(count - there.get(thing, 0))
    ]


def _named(component: Component, name: str) -> Sequence[Component]:
    return [one for one in component.components if one.name == name]


def _lost_zones(one: Component, other: Component) -> list[str]:
    """Return the zones that are gone though times refer to them, or that give these another offset."""
    lost = []
    there = {time_zones.zone_id(zone): zone for zone in other.within() if zone.name == _ZONE}
    uses = time_zones.uses(one)
    for name, zone in {time_zones.zone_id(zone): zone for zone in one.within() if zone.name == _ZONE}.items():
        used, other_zone = uses.get(name), there.get(name)
        if used and (other_zone is None or not _is_same(zone, other_zone, used)):
            lost.append(f"{_ZONE} {name}")
    return lost


def _is_same(zone: Component, other: Component, used: Sequence[time_zones.Use]) -> bool:
    def left_out(_part: Component, _name: str) -> bool:
        return False

    return content_lines.said(zone, left_out) == content_lines.said(other, left_out) or time_zones.same(
        zone, other, used
    )
