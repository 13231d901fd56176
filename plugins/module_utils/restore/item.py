# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single Item Restore: one item of any kind, as it was at a moment, in its owner's mailbox (R-036 to R-043).

Exactly one: of a folder nothing of what is in it. What is in the mailbox stays as it is: a former state of an item that
is still there comes back as another item.
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
from .accounts import moment_in
from .in_place import InPlacePlan
from .past import Known, Past
from .placement import Placement, parts

NAME: Final = "Single Item Restore"

_SETTINGS: Final = (kinds.FILTER_SET, kinds.DATA_SOURCE, kinds.TAG)
"""The kinds that lie in no folder."""
_FOREVER: Final = 2**62


def plan_item(
    source: Repository, store: MailStore, account: Entry, item_id: str, date: Moment = moment.LAST,
    restore_folder: str = "",
) -> InPlacePlan:
    """Return the plan for one item of an account that the mail server has.

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
    present = store.item(account.entry_id, item_id)
    is_there = not names and present is not None and _same(present, state)

    def items(_opened: Repository) -> Iterator[Known]:
        if not is_there:
            yield known

    def place(placement: Placement, one: Known) -> str:
        if state.kind in _SETTINGS:
            folder = str(state.attrs.get("folder") or "")
            return _folder(placement, folder, one) if folder else ""
        above = placement.path(names) if names else _folder(placement, state.folder, one)
        return placement.again(one, above) if state.kind == kinds.FOLDER else above

    name = f" {state.name!r}" if state.name else ""
    where = f" into /{'/'.join(names)}" if names else ""
    how = "before it was deleted" if deleted else f"at {moment.iso(_shown_at(source, at))}"
    notes = (f"Item {item_id} is in the mailbox as it was then; nothing is to be done.",) if is_there else ()
    return InPlacePlan(
        NAME, account, items, place, _FOREVER if at is None else at, apart="/".join(names), notes=notes,
        title=f"The {state.kind}{name} (item {item_id}) of {account.name} comes back as it was {how}{where}.",
    )


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
    if placement.is_there(folder_id):
        return placement.present(folder_id)
    return placement.folder(folder_id, known.until)


def _same(present: ItemState, state: ItemState) -> bool:
    return present._replace(date=state.date) == state


def _shown_at(source: Repository, at: int | None) -> int:
    span = source.span()
    return at if at is not None else span[1] if span else 0
