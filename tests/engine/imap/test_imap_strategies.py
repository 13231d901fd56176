# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup of one kind of mail server restored to another one, and back: what is there is proven item by item."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState
from strategies_kit import Open, proven, restored, scanned

from tests.conformance.imap_servers import DOVECOTS

MAIL_AND_DIRECTORY = frozenset((
    kinds.FOLDER, kinds.TAG, kinds.MESSAGE, kinds.FILTER_SET, *kinds.ENTRY_KINDS,
))


@pytest.fixture
def dovecot(tmp_path: Path) -> Iterator[Open]:
    """An empty Dovecot, and what opens it."""
    path = tmp_path / "dovecot"
    path.mkdir()
    DOVECOTS.create(path).close()
    yield lambda: DOVECOTS.connect(path)
    DOVECOTS.stop(path)


@pytest.fixture(scope="module", autouse=True)
def _servers() -> Iterator[None]:
    yield
    DOVECOTS.end()


def embedded(path: Path) -> Open:
    """Make an empty embedded store; return what opens it."""
    EmbeddedStore.create(str(path)).close()
    return lambda: EmbeddedStore.open(str(path))


def test_a_backup_of_the_embedded_store_comes_to_dovecot_and_back(tmp_path: Path, dovecot: Open) -> None:
    first = embedded(tmp_path / "a")
    with contextlib.closing(first()) as store:
        sample.fill(store, messages=150)
    scanned(first, tmp_path / "backup-a")
    report = restored(tmp_path / "backup-a", dovecot, tmp_path / "backup-d")
    assert {one.kind for one in report.unrestored}.isdisjoint(MAIL_AND_DIRECTORY)
    assert report.not_held[kinds.FOLDER, "attribute color"] and report.not_held[kinds.MESSAGE, "flag s"]
    proof = proven(tmp_path / "backup-a", dovecot, tmp_path / "backup-d")
    assert proof.passed, proof.differences[:5]
    assert proof.verified[kinds.MESSAGE] > 150 and proof.not_held[kinds.CONTACT]
    assert not restored(tmp_path / "backup-a", dovecot, tmp_path / "backup-d").changed

    assert not scanned(dovecot, tmp_path / "backup-d").failures
    last = embedded(tmp_path / "b")
    assert not restored(tmp_path / "backup-d", last, tmp_path / "backup-b").unrestored
    proof = proven(tmp_path / "backup-d", last, tmp_path / "backup-b")
    assert proof.passed, proof.differences[:5]
    assert not scanned(dovecot, tmp_path / "backup-d").new_items, "nothing has changed"


def test_a_lost_mail_server_is_restored_to_an_empty_one_of_its_kind(tmp_path: Path, dovecot: Open) -> None:
    first = embedded(tmp_path / "a")
    with contextlib.closing(first()) as store:
        sample.fill(store, messages=60)
    scanned(first, tmp_path / "backup-a")
    restored(tmp_path / "backup-a", dovecot, tmp_path / "backup-d")
    scanned(dovecot, tmp_path / "backup-d")
    other = tmp_path / "other"
    other.mkdir()
    DOVECOTS.create(other).close()
    try:
        report = restored(tmp_path / "backup-d", lambda: DOVECOTS.connect(other), tmp_path / "backup-o")
        assert not report.unrestored and not report.not_held
        proof = proven(tmp_path / "backup-d", lambda: DOVECOTS.connect(other), tmp_path / "backup-o")
        assert proof.passed, proof.differences[:5]
    finally:
        DOVECOTS.stop(other)


def test_the_past_of_a_mailbox_is_in_its_backup(tmp_path: Path, dovecot: Open) -> None:
    """What was read, moved and deleted since is as it was."""
    first = embedded(tmp_path / "a")
    with contextlib.closing(first()) as store:
        sample.fill(store, messages=20)
    scanned(first, tmp_path / "backup-a")
    restored(tmp_path / "backup-a", dovecot, tmp_path / "backup-d")
    scanned(dovecot, tmp_path / "backup-d")
    then = moment.now()
    with contextlib.closing(dovecot()) as store:
        account = next(entry.entry_id for entry in store.entries(kinds.ACCOUNT) if entry.name.startswith("ann@"))
        states = [one for one in store.changes(account).items if one.kind == kinds.MESSAGE]
        gone, moved = states[0], states[1]
        store.delete_items(account, [gone.item_id])
        store.update_item(account, moved._replace(folder="3", flags="f"))
        arrived = NewItem("", ItemState("", kinds.MESSAGE, "2"), b"Subject: new\r\n\r\nnew\r\n")
        new, = store.write_items(account, [arrived])
    scanned(dovecot, tmp_path / "backup-d")
    with contextlib.closing(Repository.open(str(tmp_path / "backup-d"))) as backup:
        before = {one.item_id: one.state for one in backup.states(account, then)}
        after = {one.item_id: one.state for one in backup.states(account)}
    assert before[gone.item_id] is not None and gone.item_id not in after
    assert (before[moved.item_id].folder, after[moved.item_id].folder) == (moved.folder, "3")  # type: ignore[union-attr]
    assert new.item_id in after and new.item_id not in before
