# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single Item Restore: one item of any kind, as it was at a moment, in its owner's mailbox (R-036 to R-043).

Exactly one: of a folder nothing of what is in it. What is in the mailbox stays as it is: a former state of an item that
is still there comes back as another item. Only what a mailbox has one of becomes again what it was: a set of
filters of one name, a folder of one path.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds, moment
from ..model.errors import InvalidInput, NotFound
from ..model.moment import Moment
from ..model.state import ACCOUNT_ITEM, Entry, ItemState
from . import plan
from .accounts import moment_in
from .blobs import Blobs
from .in_place import InPlacePlan, earlier_copy
from .past import FOREVER, Known, Past
from .placement import Placement, parts
from .search import Period, nearest, periods

NAME: Final = "Single Item Restore"

_SETTINGS: Final = (kinds.FILTER_SET, kinds.DATA_SOURCE, kinds.TAG)
"""The kinds that lie in no folder."""


def plan_item(
    source: Repository, store: MailStore, backup_path: str, account: Entry, item_id: str, date: Moment = moment.LAST,
    restore_folder: str = "",
) -> InPlacePlan:
    """Return the plan for one item of an account that the mail server has.

    :param backup_path: where the records of earlier runs are.
    :param date: as it was then; of an item that was deleted by then, as it was last.
    :param restore_folder: the path of the folder to put it into; empty for its own, that of before the Trash.
    :raises NotFound: the backup knows no such item. :raises InvalidInput: not then, or there is no such folder.
    """
    at = moment_in(source, date)
    known, deleted = _as_it_was(source, account, item_id, at)
    state = known.state
    names = parts(restore_folder) if restore_folder else []
    if names and state.kind in _SETTINGS:
        raise InvalidInput(f"Item {item_id} is a {state.kind}, which lies in no folder; leave restore_folder out.")
    if plan.is_root(state):
        raise InvalidInput(f"Item {item_id} is the root of the mailbox, which is always there.")
    present = store.item(account.entry_id, item_id)
    is_there = not names and present is not None and _same(present, state)

    def items(_opened: Repository) -> Iterator[Known]:
        if not is_there:
            yield known

    def place(placement: Placement, one: Known) -> str:
        if state.kind in _SETTINGS:
            folder = str(state.attrs.get("folder") or "")
            return _folder(placement, folder, one) if folder else ""
        above = placement.path(names, _view(state)) if names else _folder(placement, state.folder, one)
        return placement.again(one, above) if state.kind == kinds.FOLDER else above

    name = f" {state.name!r}" if state.name else ""
    where = f" into /{'/'.join(names)}" if names else ""
    how = "before it was deleted" if deleted else f"at {moment.iso(_shown_at(source, at))}"
    planned = InPlacePlan(
        NAME, account, items, place, FOREVER if at is None else at, apart="/".join(names),
        title=f"The {state.kind}{name} (item {item_id}) of {account.name} comes back as it was {how}{where}.",
        instead=lambda opened, blobs: _nearest(opened, blobs, account.entry_id, known),
    )
    if is_there:
        return planned._replace(notes=(f"Item {item_id} is in the mailbox as it was then; nothing is to be done.",))
    copy = earlier_copy(source, store, backup_path, planned, known)
    if not copy or store.item(account.entry_id, copy) is not None:
        return planned
    known_copy = source.state(account.entry_id, copy) is not None
    advice = "restore that one" if known_copy else "give a restore_folder to have it once more"
    return planned._replace(notes=(
        f"Item {item_id} was brought back before, as item {copy}, which somebody has deleted since: {advice}.",
    ))


def _as_it_was(source: Repository, account: Entry, item_id: str, at: int | None) -> tuple[Known, bool]:
    """Return an item as it was, and whether it was deleted by then."""
    history = list(source.history(account.entry_id, item_id)) if item_id != ACCOUNT_ITEM else []
    if not history:
        raise NotFound(
            f"The backup knows no item {item_id} of {account.name}; doItemSearch and item_search_info find items."
        )
    so_far = [one for one in history if at is None or one.at <= at]
    if not so_far:
        raise InvalidInput(
            f"Item {item_id} of {account.name} did not exist at {moment.iso(at or 0)}: the backup knows it from "
            f"{moment.iso(history[0].at)} on. Give a later date, or last."
        )
    last = so_far[-1]
    if isinstance(last.state, ItemState):
        return Known(last.state, last.seq, last.seq), False
    known = Past(source, account.entry_id).item(item_id, last.seq)
    if known is None:
        raise NotFound(f"The backup has no state of item {item_id} of {account.name} any more, only its deletion.")
    return known, True


def _folder(placement: Placement, folder_id: str, known: Known) -> str:
    """Return the key of a folder: the very same, if it is there still, whatever it is called now."""
    if placement.is_there(folder_id, known.seq):
        return placement.present(folder_id)
    return placement.folder(folder_id, known.until)


def _view(state: ItemState) -> str:
    """Return what a folder that is made for an item is for."""
    if state.kind in (kinds.FOLDER, kinds.MOUNTPOINT):
        return str(state.attrs.get("view") or "")
    return kinds.CONTACT if state.kind == kinds.CONTACT_GROUP else state.kind


def _nearest(source: Repository, blobs: Blobs, account_id: str, known: Known) -> str:
    """Say which other state of an item, the content of which cannot be read, can be restored."""
    item_id, digest = known.state.item_id, known.state.digest
    states = [period for period in periods(source, account_id, item_id) if not period.deleted]
    wanted = next(period for period in states if period.state == known.state)

    def restorable(period: Period) -> bool:
        other = period.state.digest if isinstance(period.state, ItemState) else ""
        return other not in ("", digest) and all(isinstance(blob, bytes) for _unused, blob in blobs.read([other]))

    found = nearest(states, wanted, restorable)
    if found is None:
        return f"No other state of item {item_id} has a content that is there."
    return f"The nearest state of item {item_id} that can be restored is that of {moment.iso(found.start)}: its date."


def _same(present: ItemState, state: ItemState) -> bool:
    return present._replace(date=state.date) == state


def _shown_at(source: Repository, at: int | None) -> int:
    span = source.span()
    return at if at is not None else span[1] if span else 0
