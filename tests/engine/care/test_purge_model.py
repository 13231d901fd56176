# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever happened, purged at whatever moment: held against a list of all that happened."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care import hold
from ansible_collections.restante.carbonio.plugins.module_utils.care.purge import purge
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY, Retention
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import (
    ACCOUNT_ITEM,
    SERVER,
    Entry,
    ItemState,
    State,
    Transaction,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.backup.conftest import ANNA, BOB, content, opened, without_catalogue

DATA, ACCOUNTS = 10, 20
Key = tuple[str, str]


class Step(NamedTuple):
    """Something that happens; a day may pass, and a purge may follow it."""

    scope: str
    item: str
    content: int
    """-1 for a deletion."""
    days: int
    """That pass before it; a clock may go back."""
    commits: bool
    purges: bool


STEPS = st.builds(
    Step, st.sampled_from([ANNA, BOB]), st.sampled_from(["1", "2", "3", "4", ACCOUNT_ITEM]),
    st.integers(-1, 5), st.sampled_from([-2, 0, 0, 1, 3, 6, 12]), st.booleans(), st.sampled_from([False, False, True]),
)


class Model:
    """What must be answered: all that happened, less what a purge may take."""

    def __init__(self) -> None:
        self.transactions: list[Transaction] = []

    def of(self, key: Key) -> list[Transaction]:
        return [one for one in self.transactions if (one.scope, one.item_id) == key]

    def keys(self) -> set[Key]:
        return {(one.scope, one.item_id) for one in self.transactions}

    def at(self, key: Key, moment: int) -> Transaction | None:
        return next((one for one in reversed(self.of(key)) if one.at <= moment), None)

    def since(self, moment: int, now: int) -> int:
        """The first transaction after a moment: what was recorded behind it is not older, whatever its clock said."""
        return min((one.seq for one in self.transactions if moment < one.at <= now), default=2**62)

    def purge(self, now: int, held: str | None) -> None:
        """Take away what the window does not ask for: done by asking about every moment of it."""
        accounts = {scope: self.of((scope, ACCOUNT_ITEM)) for scope in (ANNA, BOB)}
        cutoff = now - DATA * DAY
        end, window = self.since(now - ACCOUNTS * DAY, now), self.since(cutoff, now)
        for key in self.keys():
            account = accounts.get(key[0])
            if key[0] == SERVER or key[0] == held:
                continue
            if account and account[-1].state is None:
                if account[-1].at <= now - ACCOUNTS * DAY and account[-1].seq < end:
                    self.drop(key, set())
                continue
            needed = {one.seq for one in self.of(key) if one.at > cutoff or one.seq > window}
            needed |= {one.seq for one in self.of(key) if one.seq < window and one.at <= cutoff
                       and not any(one.seq < other.seq < window and other.at <= cutoff for other in self.of(key))}
            stay = [one for one in self.of(key) if one.seq in needed]
            if stay and stay[0].state is None and stay[0].seq < window and stay[0].at <= cutoff:
                stay.pop(0)
            self.drop(key, {one.seq for one in stay})

    def drop(self, key: Key, stay: set[int]) -> None:
        self.transactions = [
            one for one in self.transactions if (one.scope, one.item_id) != key or one.seq in stay
        ]


def assert_tells(repository: Repository, model: Model, keys: set[Key]) -> None:
    assert repository.damages() == []
    digests = set()
    for scope, item in keys:
        told = list(repository.history(scope, item))
        assert told == model.of((scope, item))
        digests |= {one.state.digest for one in told if isinstance(one.state, ItemState) and one.state.digest}
        for moment in {one.at for one in model.of((scope, item))}:
            assert repository.state(scope, item, moment) == model.at((scope, item), moment)
    for scope in (ANNA, BOB):
        present = {
            item for held_scope, item in keys if held_scope == scope and item != ACCOUNT_ITEM
            for last in [model.at((scope, item), 2**62)] if last is not None and last.state is not None
        }
        assert {one.item_id for one in repository.states(scope)} == present
        assert (scope in repository.scopes()) == any(one.scope == scope for one in model.transactions)
    for digest in digests:
        repository.read_blob(digest)
    assert repository.counts()["transactions"] == len(model.transactions)


def everything(repository: Repository) -> list[object]:
    return [
        repository.scopes(), repository.tokens(), repository.span(), repository.counts(), repository.head(),
        sorted(repository.packs()), {scope: list(repository.states(scope, deleted=True)) for scope in (ANNA, BOB)},
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=20), st.sampled_from([None, None, BOB]), st.sampled_from([2, 100]))
def test_every_moment_of_the_window_is_told_as_before(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step], held: str | None, merge_from: int
) -> None:
    """R-233, R-234, R-235, R-239, R-243: and the catalogue that catches up says what one that is made anew says."""
    path = tmp_path_factory.mktemp("purge") / "backup"
    Repository.create(str(path), "server-id").close()
    repository, model, now = opened(path), Model(), 100 * DAY
    keys: set[Key] = set()
    writer = repository.writer()
    for scope in (ANNA, BOB):
        entry = Entry(scope, kinds.ACCOUNT, f"{scope}@example.com")
        seq = writer.append(scope, ACCOUNT_ITEM, kinds.ACCOUNT, entry, now)
        model.transactions.append(Transaction(seq, now, scope, ACCOUNT_ITEM, kinds.ACCOUNT, entry))
        keys.add((scope, ACCOUNT_ITEM))
    writer.commit()
    if held:
        hold.change(writer, hold.named(hold.accounts(repository), [held]), True)
        model.transactions += repository.history(SERVER, f"hold:{held}")
    for step in [*steps, Step(ANNA, "1", 0, 40, True, True)]:
        now += step.days * DAY
        kind, state = _state(step, writer)
        seq = writer.append(step.scope, step.item, kind, state, now)
        model.transactions.append(Transaction(seq, now, step.scope, step.item, kind, state))
        keys.add((step.scope, step.item))
        if step.commits or step.purges:
            writer.commit()
        if step.purges:
            writer.close()
            reader = opened(path)
            with repository.writer() as purging:
                purge(purging, Retention(DATA, ACCOUNTS), now, merge_from=merge_from)
                again, repacked = purge(purging, Retention(DATA, ACCOUNTS), now, merge_from=merge_from)
            assert not again.changes and not repacked.removed_packs
            model.purge(now, held)
            reader.refresh()
            assert_tells(reader, model, keys)
            fresh = opened(without_catalogue(_copy(path)))
            assert_tells(fresh, model, keys)
            assert everything(fresh) == everything(reader) == everything(repository)
            for other in (reader, fresh):
                other.close()
            writer = repository.writer()
    writer.close()
    repository.close()


def _copy(path: Path) -> Path:
    """Copy a backup, without the files that no commit names."""
    target = path.parent / "copy"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(path, target)
    repository = opened(target)
    named = {pack.name for pack in repository.packs()}
    repository.close()
    for file in (target / "packs").rglob("*"):
        if file.is_file() and file.name not in named:
            file.unlink()
    return target


def _state(step: Step, writer: object) -> tuple[str, State | None]:
    if step.item == ACCOUNT_ITEM:
        entry = Entry(step.scope, kinds.ACCOUNT, f"{step.scope}@example.com", {"n": (str(step.content),)})
        return kinds.ACCOUNT, entry if step.content >= 0 else None
    if step.content < 0:
        return kinds.MESSAGE, None
    data = content(step.content)
    digest = writer.put_blob(data)  # type: ignore[attr-defined]
    return kinds.MESSAGE, ItemState(step.item, kinds.MESSAGE, "2", size=len(data), digest=digest)
