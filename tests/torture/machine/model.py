# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The model: plain dictionaries of what every account looked like at every moment, kept without the engine's help.

It is told what the mail server held at each scan, and says what the backup must hold. What a purge takes is computed
from docs/retention.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import MailStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.configuration import lasting
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import (
    ACCOUNT_ITEM,
    SERVER,
    ItemState,
    state_from_json,
)
from ansible_collections.restante.carbonio.plugins.module_utils.scan.directory import SERVER_KINDS, SWITCHES, switch_of

from tests.torture.worlds import Broken, History

Fact = tuple[int, int, Any]
"""Sequence number, moment (UTC milliseconds), and the state as JSON; None for a deletion."""
Told = dict[str, History]
"""All that a backup says: by scope and item, facts in order."""

ALWAYS: Final = 2**62
HOLD: Final = "hold:"
TRASH: Final = "3"
COMES_BACK: Final = frozenset((
    kinds.MESSAGE, kinds.CONTACT, kinds.CONTACT_GROUP, kinds.APPOINTMENT, kinds.TASK, kinds.DOCUMENT,
))
"""The kinds that a mailbox can have any number of alike, so that a second one would be seen."""


class Witness:
    """What a mail server held at one moment."""

    def __init__(self, store: MailStore) -> None:
        switch = switch_of(store)
        self.scopes: dict[str, dict[str, Any]] = {
            SERVER: {entry.entry_id: entry.to_json() for kind in SERVER_KINDS for entry in store.entries(kind)}
        }
        self.switched_off: dict[str, Any] = {}
        """The entries of accounts whose backup is switched off."""
        for account in store.entries(kinds.ACCOUNT):
            entry = lasting(account).to_json()
            if switch.is_on(account):
                items = {state.item_id: state.to_json() for state in store.changes(account.entry_id).items}
                self.scopes[account.entry_id] = {ACCOUNT_ITEM: entry, **items}
            else:
                self.switched_off[account.entry_id] = entry

    def says(self, scope: str, item: str, before: Any, known: bool) -> list[Any]:
        """Return the states that a scan may record of an item, in order; the last one holds afterwards.

        :param before: its state so far. :param known: whether the backup may know it by now.
        """
        if scope in self.scopes:
            return [self.scopes[scope].get(item)]
        if item != ACCOUNT_ITEM:
            return [before]  # what a deleted account held stays as it was
        off = self.switched_off.get(scope)
        return [off, None] if off is not None and known else [None]


class Model:
    """All that the backup must say."""

    def __init__(self) -> None:
        self.past: Told = {SERVER: {}}
        self.commits: dict[int, Told] = {}
        """The past by the number of the commit that ended it."""
        self.whole: list[int] = []
        """The moments at which everything was recorded, in order."""

    # -- questions -------------------------------------------------------------------------------------------------

    def accounts(self) -> list[str]:
        return sorted(scope for scope in self.past if scope != SERVER)

    def moments(self) -> list[int]:
        return sorted({at for items in self.past.values() for facts in items.values() for _seq, at, _state in facts})

    def fact(self, scope: str, item: str, at: int = ALWAYS) -> Fact | None:
        """Return the fact that holds at a moment: order is by sequence, never by the clock."""
        return next((one for one in reversed(self.past.get(scope, {}).get(item, ())) if one[1] <= at), None)

    def state(self, scope: str, item: str, at: int = ALWAYS) -> Any:
        found = self.fact(scope, item, at)
        return None if found is None else found[2]

    def present(self, scope: str, at: int = ALWAYS) -> dict[str, Fact]:
        """Return what was there, without the account itself."""
        found = {item: self.fact(scope, item, at) for item in self.past.get(scope, {}) if item != ACCOUNT_ITEM}
        return {item: fact for item, fact in found.items() if fact is not None and fact[2] is not None}

    def mailbox(self, scope: str, at: int = ALWAYS) -> dict[str, ItemState]:
        """Return what was in a mailbox."""
        return {item: self.item(item, fact) for item, fact in self.present(scope, at).items()}

    def item(self, item: str, fact: Fact) -> ItemState:
        """Return what a fact says of an item."""
        state = state_from_json(item, fact[2])
        assert isinstance(state, ItemState)
        return state

    def deletions(self, scope: str, start: int = -ALWAYS, end: int = ALWAYS) -> list[tuple[int, int, str]]:
        """Return moment, number and item of all deletions in an interval, oldest first."""
        return sorted(
            (at, seq, item) for item, facts in self.past.get(scope, {}).items() for seq, at, state in facts
            if state is None and start <= at <= end
        )

    def ends(self, scope: str) -> list[int]:
        """Return the numbers of the deletions of an account."""
        return [seq for seq, _at, state in self.past.get(scope, {}).get(ACCOUNT_ITEM, ()) if state is None]

    def real_ends(self, scope: str) -> list[int]:
        """Return the numbers of those ends of an account that were no switching off of its backup."""
        facts = self.past[scope].get(ACCOUNT_ITEM, ())
        return [fact[0] for fact in facts if fact[2] is None and not self._was_switched_off(scope, fact)]

    def began_after(self, scope: str) -> int:
        """Return the number of the deletion after which an account was there again; 0 for none."""
        last = max((seq for seq, _at, state in self.past[scope].get(ACCOUNT_ITEM, ()) if state is not None), default=0)
        return max((end for end in self.real_ends(scope) if end < last), default=0)

    def is_orderly(self, at: int) -> bool:
        """Return whether the clock was right as far as a moment is concerned: what is of before it was recorded before.

        Only then a mailbox at that moment is one that there ever was.
        """
        facts = [fact for items in self.past.values() for facts in items.values() for fact in facts]
        before = max((seq for seq, when, _state in facts if when <= at), default=0)
        return all(seq > before for seq, when, _state in facts if when > at)

    def held(self) -> set[str]:
        return {item[len(HOLD):] for item in self.present(SERVER) if item.startswith(HOLD)}

    def before(self, scope: str, item: str, seq: int) -> Fact | None:
        """Return what an item was before a number: its last state outside of the Trash, if there is one."""
        found = [fact for fact in self.past[scope].get(item, ()) if fact[0] < seq and fact[2] is not None]
        outside = [fact for fact in found if not self._in_trash(scope, fact[2].get("folder", ""), fact[0])]
        return (outside or found or [None])[-1]  # type: ignore[list-item]

    def _in_trash(self, scope: str, folder: str, seq: int) -> bool:
        seen: set[str] = set()
        while folder and folder != TRASH and folder not in seen:
            seen.add(folder)
            states = [fact[2] for fact in self.past[scope].get(folder, ()) if fact[0] <= seq and fact[2] is not None]
            folder = states[-1].get("folder", "") if states else ""
        return folder == TRASH

    # -- what happens ----------------------------------------------------------------------------------------------

    def committed(self, newest: int) -> None:
        """Remember what the backup says as of its newest commit."""
        self.commits[newest] = self.past

    def as_of(self, number: int, last: int) -> Told:
        """Return what a commit says: what the next one known here says, less what came after it.

        :param last: the number of its last transaction.
        """
        later = self.commits[min(seq for seq in self.commits if seq >= number)]
        cut = {
            scope: {item: [fact for fact in facts if fact[0] <= last] for item, facts in items.items()}
            for scope, items in later.items()
        }
        return {
            scope: {item: facts for item, facts in items.items() if facts}
            for scope, items in cut.items() if scope == SERVER or any(items.values())
        }

    def scanned(
        self, told: Told, witnesses: Sequence[Witness], at: int, complete: bool, only: Collection[str] | None = None
    ) -> None:
        """Take in what a scan has recorded, after it was compared with what there was to be recorded.

        :param witnesses: what the mail server held while it went on, oldest first.
        :param complete: whether it came to its end; one that was killed may have recorded any part.
        :param only: the accounts that it was of; None for all. :raises Broken: it has recorded something else.
        """
        last = max((fact[0] for items in self.past.values() for facts in items.values() for fact in facts), default=0)
        for scope, item in self._names(told, witnesses):
            known, now = self.past.get(scope, {}).get(item, []), told.get(scope, {}).get(item, [])
            where = f"item {item} of {scope}"
            if now[:len(known)] != known:
                raise Broken(f"The backup said of {where} {known}, and says {now}.")
            new, before = now[len(known):], known[-1][2] if known else None
            of_it = only is None or scope in only or self._tells_why(scope, item, told, witnesses, only)
            if new and (not of_it or item.startswith(HOLD)):
                raise Broken(f"A scan that was not of {where} has recorded {new}.")
            if any(seq <= last or when != at for seq, when, _state in new):
                raise Broken(f"The clock says {at}, the last number was {last}, and of {where} was recorded {new}.")
            if of_it and not item.startswith(HOLD):
                _compare(where, before, [state for _seq, _at, state in new], witnesses, complete, (scope, item))
        self.past = told
        if complete and only is None:
            self.whole.append(at)
        elif at in self.whole:
            self.whole.remove(at)

    def _tells_why(
        self, scope: str, item: str, told: Told, witnesses: Sequence[Witness], only: Collection[str]
    ) -> bool:
        """Return whether it is an entry that tells why an account of a scan was switched off."""
        if scope != SERVER or item.startswith(HOLD):
            return False
        states = [fact[2] for said in (self.past, told) for fact in said[SERVER].get(item, ()) if fact[2] is not None]
        kind = [*states, *(one.scopes[SERVER][item] for one in witnesses if item in one.scopes[SERVER])][0]["kind"]
        return kind in SWITCHES and any(
            account in one.switched_off and self.state(account, ACCOUNT_ITEM) is not None
            for account in only for one in witnesses
        )

    def _names(self, told: Told, witnesses: Iterable[Witness]) -> Iterator[tuple[str, str]]:
        names = {(scope, item) for said in (self.past, told) for scope, items in said.items() for item in items}
        names |= {
            (scope, item) for one in witnesses for scope, items in one.scopes.items() for item in items
        }
        return iter(sorted(names))

    def holding(self, told: Told, scopes: Collection[str], hold: bool) -> None:
        """Take in a change of legal holds. :raises Broken: it is another one than was asked for."""
        changed = {scope for scope in scopes if (scope in self.held()) != hold}
        for scope, item in self._names(told, ()):
            known, now = self.past.get(scope, {}).get(item, []), told.get(scope, {}).get(item, [])
            new = now[len(known):]
            wanted = scope == SERVER and item.startswith(HOLD) and item[len(HOLD):] in changed
            if now[:len(known)] != known or len(new) != wanted or any((fact[2] is not None) != hold for fact in new):
                raise Broken(f"A hold ({hold}) of {sorted(changed)} has recorded {new} of {item} of {scope}.")
        self.past = told

    # -- retention -------------------------------------------------------------------------------------------------

    def purged(self, now: int, data_days: int, account_days: int) -> Told:
        """Return what is left after a purge (docs/retention.md)."""
        if not data_days:
            return self.past
        held = self.held()
        left = {scope: self._left(scope, now, data_days, account_days, held) for scope in self.past}
        return {scope: items for scope, items in left.items() if items or scope == SERVER}

    def _left(self, scope: str, now: int, data_days: int, account_days: int, held: set[str]) -> History:
        items = self.past[scope]
        if scope == SERVER:
            if held or not account_days:
                return items
            return self._window(scope, now - max(data_days, account_days) * DAY, now)
        if scope in held:
            return items
        ended = self.fact(scope, ACCOUNT_ITEM)
        if ended is None or ended[2] is not None:
            return self._window(scope, now - data_days * DAY, now)
        days = data_days if self._was_switched_off(scope, ended) else account_days
        end = now - days * DAY
        return {} if days and ended[1] <= end and ended[0] < self._since(end, now) else items

    def _since(self, moment: int, now: int) -> int:
        """Return the first number of the window: what was recorded behind it is in the window, whatever the clock said
        and whichever mailbox it was in.
        """
        return min((
            seq for items in self.past.values() for facts in items.values() for seq, at, _state in facts
            if moment < at <= now
        ), default=ALWAYS)

    def _window(self, scope: str, cutoff: int, now: int) -> History:
        since = self._since(cutoff, now)
        began = 0 if scope == SERVER else self.began_after(scope)
        left = {}
        for item, facts in self.past[scope].items():
            old = [fact for fact in facts if fact[1] <= cutoff and fact[0] < since]
            stay = [fact for fact in facts if fact not in old[:-1] or (item == ACCOUNT_ITEM and fact[0] == began)]
            if stay and stay[0][2] is None and stay[0] in old[-1:]:
                stay = stay[1:]
            if stay:
                left[item] = stay
        return left

    def _was_switched_off(self, scope: str, ended: Fact) -> bool:
        facts = self.past[scope][ACCOUNT_ITEM]
        last = [state for seq, _at, state in facts if state is not None and seq < ended[0]]
        if not last:
            return False
        at, entry = ended[1], last[-1]
        own = _first(entry, "backupEnabled")
        if own:
            return own == "FALSE"
        domain = next((
            fact[2] for fact in self.present(SERVER, at).values()
            if fact[2]["kind"] == kinds.DOMAIN and fact[2]["name"] == entry["name"].rpartition("@")[2]
        ), {})
        cos = _first(entry, "zimbraCOSId") or _first(domain, "zimbraDomainDefaultCOSId")
        return bool(cos) and _first(self.state(SERVER, cos, at) or {}, "backupEnabled") == "FALSE"


def _first(entry: Mapping[str, Any], attribute: str) -> str:
    return str(entry.get("attrs", {}).get(attribute, [""])[0])


def _compare(
    where: str, before: Any, new: list[Any], witnesses: Sequence[Witness], complete: bool, name: tuple[str, str]
) -> None:
    """Compare the new states of an item with those that it had while a scan went on."""
    if any(one == other for one, other in zip([before, *new], new)):
        raise Broken(f"Of {where} was recorded what was known: {new}, after {before}.")
    had: list[Any] = []
    for witness in witnesses:
        known = any(state is not None for state in [before, *had])
        had += witness.says(*name, had[-1] if had else before, known)
    rest = iter(had)
    if not all(any(state == one for one in rest) for state in new):
        raise Broken(f"Of {where} was recorded {new}; it was {had}.")
    now = new[-1] if new else before
    # Of an account that is gone by then, what came last may have come too late to be seen.
    is_there = name[1] == ACCOUNT_ITEM or name[0] in witnesses[-1].scopes
    if complete and is_there and now != had[-1]:
        raise Broken(f"Of {where} the backup says {now} after a scan; it is {had[-1]}.")
