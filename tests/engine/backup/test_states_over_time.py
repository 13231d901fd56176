# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The past as the backup tells it, against a list of all that happened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
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

from tests.engine.backup.conftest import ANNA, BOB, opened, without_catalogue
from tests.engine.backup.fragile import UnsyncedFiles

MOMENTS = st.integers(-5, 30)
TEXTS = st.text(max_size=8)  # all of Unicode, lone surrogates too
ITEM_IDS = st.one_of(st.sampled_from(["1", "2", "257", "258", "259"]), TEXTS.filter(lambda text: text != ACCOUNT_ITEM))
JSON = st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(), st.lists(TEXTS, max_size=2), st.none()), max_size=3)


class Step(NamedTuple):
    """One transaction, and whether a commit follows it."""

    scope: str
    item_id: str
    kind: str
    state: State | None
    at: int
    commits: bool


@st.composite
def item_steps(draw: st.DrawFn) -> Step:
    item_id, kind = draw(ITEM_IDS), draw(st.sampled_from(kinds.ITEM_KINDS))
    state = None
    if draw(st.integers(0, 3)):
        state = ItemState(
            item_id, kind, draw(TEXTS), draw(TEXTS), draw(TEXTS), tuple(draw(st.lists(TEXTS, max_size=2))),
            draw(st.integers(-3, 9)), draw(st.integers(0, 9)), draw(TEXTS), draw(JSON),
        )
    return Step(draw(st.sampled_from([ANNA, BOB])), item_id, kind, state, draw(MOMENTS), draw(st.booleans()))


@st.composite
def entry_steps(draw: st.DrawFn) -> Step:
    kind = draw(st.sampled_from(kinds.ENTRY_KINDS))
    entry_id = draw(st.sampled_from([ANNA, BOB] if kind == kinds.ACCOUNT else ["e-1", "e-2"]))
    state = None
    if draw(st.integers(0, 3)):
        lists = draw(st.dictionaries(TEXTS, st.lists(TEXTS, max_size=2)))
        attrs = {name: tuple(values) for name, values in lists.items()}
        state = Entry(entry_id, kind, draw(TEXTS), attrs, tuple(draw(st.lists(TEXTS, max_size=2))))
    scope, item_id = (entry_id, ACCOUNT_ITEM) if kind == kinds.ACCOUNT else (SERVER, entry_id)
    return Step(scope, item_id, kind, state, draw(MOMENTS), draw(st.booleans()))


class History:
    """All transactions in order: the model that the backup is held against."""

    def __init__(self, transactions: list[Transaction]) -> None:
        self.transactions = transactions

    def last(self, at: int | None, stated: bool = False) -> dict[tuple[str, str], Transaction]:
        return {
            (one.scope, one.item_id): one for one in self.transactions
            if (at is None or one.at <= at) and (one.state is not None or not stated)
        }

    def states(self, scope: str, at: int | None, deleted: bool) -> dict[str, Transaction]:
        stated = self.last(at, stated=True)
        return {
            one.item_id: one if one.state is not None else one._replace(state=stated[key].state, gone=True)
            for key, one in self.last(at).items()
            if key[0] == scope and key[1] != ACCOUNT_ITEM and (one.state is not None or (deleted and key in stated))
        }


def write(path: Path, steps: list[Step]) -> History:
    path.mkdir(parents=True, exist_ok=True)
    files = UnsyncedFiles(str(path))
    files.write_new(commits.FORMAT_FILE, commits.encode_format(commits.FormatInfo("repository-id", "server-id", 0)))
    transactions = []
    repository = opened(path)
    with repository.writer() as writer:
        for step in steps:
            seq = writer.append(step.scope, step.item_id, step.kind, step.state, step.at)
            transactions.append(Transaction(seq, step.at, step.scope, step.item_id, step.kind, step.state))
            if step.commits:
                writer.commit()
        writer.commit()
    repository.close()
    return History(transactions)


def assert_tells(repository: Repository, history: History) -> None:
    known = history.last(None)
    for at in [None, *range(-6, 31, 4)]:
        for (scope, item_id), _one in known.items():
            assert repository.state(scope, item_id, at) == history.last(at).get((scope, item_id))
        for scope in (ANNA, BOB):
            for deleted in (False, True):
                expected = history.states(scope, at, deleted)
                found = list(repository.states(scope, at, deleted=deleted))
                assert {one.item_id: one for one in found} == expected and len(found) == len(expected)
                newest = list(repository.states(scope, at, newest_first=True, deleted=deleted))
                assert {one.item_id: one for one in newest} == expected
                dates = [one.state.date for one in newest if isinstance(one.state, ItemState)]
                assert dates == sorted(dates, reverse=True) and len(dates) == len(newest)
                some = repository.states(scope, at, (kinds.MESSAGE, kinds.FOLDER), deleted=deleted)
                assert {one.item_id for one in some} == {
                    item_id for item_id, one in expected.items() if one.kind in (kinds.MESSAGE, kinds.FOLDER)
                }
        for kind in kinds.ENTRY_KINDS:
            if kind == kinds.ACCOUNT:
                present = {key[0] for key, one in history.last(at).items() if key[1] == ACCOUNT_ITEM and one.state}
            else:
                server = history.states(SERVER, at, False)
                present = {item_id for item_id, one in server.items() if one.kind == kind}
            entries = list(repository.entries(kind, at))
            assert {one.state.entry_id for one in entries if isinstance(one.state, Entry)} == present
            assert len(entries) == len(present)
    for scope, item_id in known:
        told = [one for one in history.transactions if (one.scope, one.item_id) == (scope, item_id)]
        assert list(repository.history(scope, item_id)) == told
    for scope in (ANNA, BOB, SERVER):
        gone = [one for one in history.transactions if one.scope == scope and one.state is None and 3 <= one.at <= 20]
        assert list(repository.deleted_between(scope, 3, 20)) == sorted(gone, key=lambda one: (one.at, one.seq))
    moments = [one.at for one in history.transactions]
    assert repository.span() == ((min(moments), max(moments)) if moments else None)
    assert repository.counts()["transactions"] == len(moments)
    assert repository.damages() == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(st.one_of(item_steps(), entry_steps()), max_size=25))
def test_the_backup_tells_every_moment_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    """R-013, R-014, R-189."""
    path = tmp_path_factory.mktemp("history") / "backup"
    history = write(path, steps)
    for prepare in (lambda: path, lambda: without_catalogue(path)):
        repository = opened(prepare())
        assert_tells(repository, history)
        repository.close()


@pytest.mark.parametrize("read", [
    lambda repository: repository.states("unknown"),
    lambda repository: repository.history(ANNA, "unknown"),
    lambda repository: repository.deleted_between("unknown", 0, 100),
    lambda repository: repository.entries(kinds.COS),
])
def test_what_is_unknown_is_empty_and_no_error(backup: Path, read: Callable[[Repository], object]) -> None:
    assert list(read(opened(backup))) == []  # type: ignore[call-overload]


def test_an_unknown_item_has_no_state(backup: Path) -> None:
    repository = opened(backup)
    assert repository.state(ANNA, "unknown") is None
    assert repository.state(ANNA, "10", -1) is None
    assert repository.entry("unknown", ACCOUNT_ITEM) is None
    assert repository.token("unknown") == ""


def test_an_entry_is_told_as_it_was_and_a_deleted_one_when_asked_for(backup: Path) -> None:
    repository = opened(backup)
    with repository.writer() as writer:
        writer.append(BOB, ACCOUNT_ITEM, kinds.ACCOUNT, None, 600)
        writer.commit()
    entry = repository.entry(BOB, ACCOUNT_ITEM, 599)
    assert entry is not None and entry.name == f"{BOB}@example.com"
    assert repository.entry(BOB, ACCOUNT_ITEM) is None
    assert [one.scope for one in repository.entries(kinds.ACCOUNT)] == [ANNA]
    gone = {one.scope: (one.at, one.state) for one in repository.entries(kinds.ACCOUNT, deleted=True)}[BOB]
    assert gone == (600, entry)
