# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node whose clock is days ahead or behind, and leaps while work goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care.purge import purge
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY, Retention
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, care
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume, Settings
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader

ACCOUNTS = ("a-anna", "a-bruno")
RETENTION = 10
STEPS = 14
DAYS_PER_STEP = 3


class Clock:
    """The node's clock, which is wrong by some days, and may leap at any time it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.real = moment.now()
        self.wrong = 0
        """Milliseconds that it is ahead."""
        self.leaps_after = -1
        """So many more times it is asked before it leaps; negative for never."""
        self.leaps_to = 0
        monkeypatch.setattr(moment, "now", self.now)

    def now(self) -> int:
        self.real += 1
        if not self.leaps_after:
            self.wrong = self.leaps_to
        self.leaps_after -= 1
        return self.real + self.wrong


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def message(store: EmbeddedStore, account: str, number: int) -> str:
    state = ItemState("", kinds.MESSAGE, "2")
    return store.write_items(account, [NewItem("", state, b"Subject: %d\n\ntext" % number)])[0].item_id


def live(store: EmbeddedStore, account: str) -> dict[str, object]:
    return {one.item_id: one.to_json() for one in store.changes(account).items}


def recorded(repository: Repository, account: str) -> dict[str, object]:
    return {one.item_id: one.state.to_json() for one in repository.states(account) if one.state is not None}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with contextlib.closing(EmbeddedStore.create(str(tmp_path / "mailstore_path"))) as store:
        store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        for account in ACCOUNTS:
            store.create_entry(Entry(account, kinds.ACCOUNT, f"{account[2:]}@example.com"))
        yield store


@pytest.mark.parametrize("seed", range(6))
def test_what_is_backed_up_archived_and_purged_is_right_whatever_the_clock_says(
    store: EmbeddedStore, clock: Clock, tmp_path: Path, seed: int
) -> None:
    """Order is by sequence: the last state is the mailbox's.

    A purge takes nothing that was deleted of late, if anything at all was recorded by the right time before it in the
    window.
    """
    chance = random.Random(seed)
    (tmp_path / "archive").mkdir()
    deleted: dict[tuple[str, str], int] = {}
    right: list[int] = []
    with contextlib.closing(Repository.create(str(tmp_path / "backup"), store.server_id())) as repository:
        uploader = Uploader(repository, DirectoryArchive(str(tmp_path / "archive")))
        for number in range(STEPS):
            clock.real += DAYS_PER_STEP * DAY
            if chance.random() < 0.4:
                clock.wrong = chance.choice((-40, -1, 0, 1, 40)) * DAY
            clock.leaps_after, clock.leaps_to = chance.randrange(-20, 20), chance.choice((-40, 0, 40)) * DAY
            if number % 2:
                clock.leaps_after, clock.wrong = -1, 0
                right.append(clock.real)
            account = chance.choice(ACCOUNTS)
            ids = [message(store, account, 10 * number + one) for one in range(3)]
            gone = chance.choice([item for item in live(store, account) if int(item) >= int(ids[0]) - 4])
            if int(gone) >= 256:
                store.delete_items(account, [gone])
                deleted[account, gone] = clock.real
            with repository.writer() as writer:
                smart_scan(store, writer)
            uploader.sync()
            for one in ACCOUNTS:
                assert recorded(repository, one) == live(store, one)
        clock.leaps_after, clock.wrong = -1, 0
        seen = {(account, item) for account, item in deleted if list(repository.history(account, item))}
        with repository.writer() as writer:
            purge(writer, Retention(RETENTION, RETENTION), clock.now())
        uploader.sync()
        assert repository.damages() == []
        for one in ACCOUNTS:
            assert recorded(repository, one) == live(store, one)
        for (account, item), at in deleted.items():
            told = any(clock.real - RETENTION * DAY < time <= at for time in right)
            if told and (account, item) in seen:  # not if it came and went between two scans
                assert list(repository.history(account, item)), f"{item} was deleted of late, and is gone"


def test_the_clock_of_the_whole_server_tells_what_is_new_in_a_mailbox_where_nothing_happened_for_long(
    store: EmbeddedStore, clock: Clock, tmp_path: Path
) -> None:
    """R-233: its last message is deleted while the clock is behind, so that it looks as old as those before it."""
    number = message(store, ACCOUNTS[0], 1)
    with contextlib.closing(Repository.create(str(tmp_path / "backup"), store.server_id())) as repository:
        def scan() -> None:
            with repository.writer() as writer:
                smart_scan(store, writer)

        scan()
        clock.real += 60 * DAY
        message(store, ACCOUNTS[1], 2)
        scan()
        clock.wrong = -40 * DAY
        store.delete_items(ACCOUNTS[0], [number])
        scan()
        clock.wrong = 0
        with repository.writer() as writer:
            purge(writer, Retention(RETENTION, RETENTION), clock.now() + DAY)
        assert list(repository.history(ACCOUNTS[0], number))


# -- a purge while the clock is wrong ----------------------------------------------------------------------------------


@pytest.fixture
def node(store: EmbeddedStore, clock: Clock, tmp_path: Path) -> Node:
    """A node with a message that was deleted a day ago."""
    config_file = str(tmp_path / "etc" / "restante.json")
    places = {name: str(tmp_path / name) for name in ("backup_path", "cache_path", "state_path", "mailstore_path")}
    (tmp_path / "archive").mkdir()
    settings_file.save(
        config_file, Settings(**places, backup_volume=BackupVolume("local", str(tmp_path / "archive")))
    )
    node = Node.load(config_file)
    number = message(store, ACCOUNTS[0], 1)
    backups.smart_scan(node)
    store.delete_items(ACCOUNTS[0], [number])
    backups.smart_scan(node)
    clock.real += DAY
    return node


def kept(node: Node) -> int:
    """Return of how many deleted messages the backup knows."""
    with contextlib.closing(node.repository()) as repository:
        return len(list(repository.deleted_between(ACCOUNTS[0], 0, 2**60)))


@pytest.mark.parametrize("archive", ["answers", "is away", "there is none"])
def test_a_purge_while_the_clock_is_ahead_takes_nothing_and_says_why(
    node: Node, clock: Clock, monkeypatch: pytest.MonkeyPatch, archive: str
) -> None:
    """R-233: the clock of the archive counts, or the newest commit; who knows better can insist."""
    def away(_archive: DirectoryArchive) -> int:
        raise Unavailable("It is away.")

    real = clock.real
    monkeypatch.setattr(DirectoryArchive, "now", away if archive == "is away" else lambda _archive: real)
    if archive == "there is none":
        settings_file.save(node.config_file, node.settings.__class__(
            **{**vars(node.settings), "backup_volume": BackupVolume()}
        ))
        node = Node.load(node.config_file)
    clock.wrong = 60 * DAY
    done = care.purge(node)
    assert kept(node) == 1 and done["report"]["purged_items"] == 0
    assert any("was taken for the present" in warning for warning in done["warnings"])
    assert care.preview(node)["warnings"] and not care.preview(node)["changed"]
    assert care.preview(node, trust_clock=True)["changed"]
    done = care.purge(node, trust_clock=True)
    assert kept(node) == 0 and done["report"]["purged_items"] == 1
    assert not any("was taken for the present" in warning for warning in done["warnings"])


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("archived", [True, False])
def test_neither_a_disk_of_the_node_nor_what_it_records_while_its_clock_is_ahead_proves_that_clock(
    node: Node, store: EmbeddedStore, clock: Clock, monkeypatch: pytest.MonkeyPatch, archived: bool, recorded: bool
) -> None:
    """R-233: a file on a local disk gets the time of the clock that is wrong, and so does what is recorded."""
    monkeypatch.setattr(DirectoryArchive, "now", lambda _archive: clock.now())
    if not archived:
        settings_file.save(node.config_file, dataclasses.replace(node.settings, backup_volume=BackupVolume()))
        node = Node.load(node.config_file)
    clock.wrong = 400 * DAY
    for number in range(2 if recorded else 0):
        message(store, ACCOUNTS[1], number)
        backups.smart_scan(node)
        clock.real += DAY
    done = care.purge(node)
    assert kept(node) == 1 and any("without a leap" in warning for warning in done["warnings"])
    if recorded:
        for number in (8, 9):
            clock.real += 4 * DAY
            message(store, ACCOUNTS[1], number)
            backups.smart_scan(node)
        assert not any("without a leap" in warning for warning in care.purge(node)["warnings"])
        assert kept(node) == 0, "after a week the clock is believed"


def test_files_stay_for_their_grace_time_by_the_archives_clock(
    node: Node, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = clock.real
    monkeypatch.setattr(DirectoryArchive, "now", lambda _archive: real)
    care.purge(node, trust_clock=True, purge_days="1")
    clock.wrong = 60 * DAY
    done = care.purge(node)
    assert done["report"]["deleted_files"] == done["report"]["deleted_in_archive"] == 0
