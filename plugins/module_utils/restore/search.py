# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding items in a backup: all states of one, and those of an account that match (reference, section 3.2).

Reads only, and streams: what is asked of a mailbox of millions takes no more memory than a small one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from typing import Final, NamedTuple

from ..backup.repository import Repository
from ..model import kinds
from ..model.errors import InvalidInput, NotFound, RestanteError
from ..model.state import ItemState, State, Transaction
from .blobs import Blobs
from .shown import shown, texts

ALL: Final = "all"
TYPES: Final = {
    ALL: kinds.ITEM_KINDS,
    **{kind: (kind,) for kind in kinds.ITEM_KINDS},
    kinds.CONTACT: (kinds.CONTACT, kinds.CONTACT_GROUP),
}
"""The item kinds of each type that can be searched for; the vendor's contact has both (R-033)."""

DELETED: Final = "deleted"
NOT_DELETED: Final = "not_deleted"
FILTERS: Final = (ALL, DELETED, NOT_DELETED)

_AT_ONCE: Final = 200
"""Contents that are asked for together."""


class Period(NamedTuple):
    """One state of an item, and how long it held."""

    start: int
    """UTC milliseconds."""
    end: int | None
    """When the next state began; None for the one that holds now."""
    deleted: bool
    state: State | None
    """Of what is deleted, the last one; None where that is not known either."""


def periods(source: Repository, account_id: str, item_id: str) -> list[Period]:
    """Return all states of an item, oldest first (R-029). :raises NotFound: the backup knows no such item."""
    found: list[Period] = []
    for one in source.history(account_id, item_id):
        state = one.state
        if found:
            found[-1] = found[-1]._replace(end=one.at)
            state = state or found[-1].state
        found.append(Period(one.at, None, one.state is None, state))
    if not found:
        raise NotFound(
            f"The backup in {source.path} knows no item {item_id!r} of this account; look for it with doItemSearch, or "
            "in mailbox.log."
        )
    return found


def period_at(states: Sequence[Period], at: int) -> Period | None:
    """Return the state that holds at a moment; None where there was none yet. Pure."""
    held = [period for period in states if period.start <= at]
    return held[-1] if held else None


def nearest(states: Sequence[Period], wanted: Period, restorable: Callable[[Period], bool]) -> Period | None:
    """Return the restorable state that began least long before or after another one began. Pure."""
    return min(filter(restorable, states), key=lambda period: abs(period.start - wanted.start), default=None)


class Criteria(NamedTuple):
    """What items to find: those that match everything that is given (R-033)."""

    item_id: str = ""
    text: str = ""
    """Somewhere in the name or the attributes, in this case."""
    kinds: Collection[str] = (kinds.MESSAGE,)
    after: int | None = None
    """Received or created at this moment or later, UTC milliseconds."""
    before: int | None = None
    """Received or created before this moment."""
    deleted_after: int | None = None
    deleted_before: int | None = None
    filter: str = DELETED
    """One of FILTERS."""

    def check(self) -> Criteria:
        """Return them. :raises InvalidInput: nothing can match them."""
        for what, start, end in (
            ("after", self.after, self.before), ("deleted_after", self.deleted_after, self.deleted_before)
        ):
            if start is not None and end is not None and start >= end:
                raise InvalidInput(f"The interval is backwards: {what} must be earlier than {what[:-5]}before.")
        if self.filter == NOT_DELETED and (self.deleted_after is not None or self.deleted_before is not None):
            raise InvalidInput("What is not deleted was not deleted at any time; leave out search_filter or the dates.")
        return self


class Match(NamedTuple):
    """An item that was found."""

    state: ItemState
    """Its last one."""
    deleted_at: int | None
    """When its deletion was recorded, UTC milliseconds; None where it is there."""


class Unread(NamedTuple):
    """An item whose content could not be looked into."""

    item_id: str
    error: RestanteError


def search(
    source: Repository, account_id: str, wanted: Criteria, blobs: Blobs | None = None
) -> Generator[Match | Unread, None, None]:
    """Yield the items of an account that match, by their last state, as they come.

    :param blobs: where to look for the text too: among contents, as they are stored, of what matches otherwise.
    """
    waiting: list[Match] = []
    for last in _candidates(source, account_id, wanted if blobs is None else wanted._replace(text="")):
        if not isinstance(last.state, ItemState):
            continue
        deleted_at = last.at if last.gone else None
        if not matches(wanted, last.state, deleted_at):
            continue
        if has_text(wanted.text, last.state):
            yield Match(last.state, deleted_at)
        elif blobs is not None and last.state.digest:
            waiting.append(Match(last.state, deleted_at))
            if len(waiting) == _AT_ONCE:
                yield from _with_content(wanted.text, waiting, blobs)
                waiting.clear()
    if blobs is not None:
        yield from _with_content(wanted.text, waiting, blobs)


def _with_content(text: str, waiting: Sequence[Match], blobs: Blobs) -> Iterator[Match | Unread]:
    by_digest: dict[str, list[Match]] = {}
    for match in waiting:
        by_digest.setdefault(match.state.digest, []).append(match)
    sought = text.encode("utf-8", "surrogateescape")
    for digest, content in blobs.read(list(by_digest)):
        if isinstance(content, RestanteError):
            yield from (Unread(match.state.item_id, content) for match in by_digest[digest])
        elif sought in content:
            yield from by_digest[digest]


def _candidates(source: Repository, account_id: str, wanted: Criteria) -> Iterator[Transaction]:
    if not wanted.item_id:
        return source.states(account_id, None, wanted.kinds, deleted=wanted.filter != NOT_DELETED, text=wanted.text)
    history = list(source.history(account_id, wanted.item_id))
    states = [one.state for one in history if one.state is not None]
    return iter([history[-1]._replace(state=states[-1], gone=history[-1].state is None)] if states else [])


def matches(wanted: Criteria, state: ItemState, deleted_at: int | None) -> bool:
    """Tell whether an item matches, but for the text. Pure.

    :param state: its last one. :param deleted_at: None where it is not deleted.
    """
    return (
        state.kind in wanted.kinds
        and wanted.filter in (ALL, NOT_DELETED if deleted_at is None else DELETED)
        and wanted.item_id in ("", state.item_id)
        and _within(state.date, wanted.after, wanted.before)
        and _within(deleted_at, wanted.deleted_after, wanted.deleted_before)
    )


def has_text(text: str, state: ItemState) -> bool:
    """Tell whether a text is in the name or the attributes of an item; secrets are none of them. Pure."""
    return not text or text in state.name or any(text in other for other in texts(shown(state).get("attrs")))


def _within(at: int | None, start: int | None, end: int | None) -> bool:
    if at is None:
        return start is None and end is None
    return (start is None or start <= at) and (end is None or at < end)
