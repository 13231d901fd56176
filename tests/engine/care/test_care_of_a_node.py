# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Purge and legal hold of a node, as the command line and the modules call them."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care import hold
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput, NotABackup
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.restore.retrieve import retrieve
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, care, locks
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume, Settings
from pytest import CaptureFixture, MonkeyPatch


class Clock:
    """The time, for all that ask for it, the archive too."""

    def __init__(self, monkeypatch: MonkeyPatch) -> None:
        self.days = 0.0
        real, seen, size = moment.now, dict[str, int](), DirectoryArchive.size

        def stored_at(archive: DirectoryArchive, name: str) -> int | None:
            return None if size(archive, name) is None else seen.setdefault(name, moment.now())

        monkeypatch.setattr(moment, "now", lambda: real() + round(self.days * DAY))
        monkeypatch.setattr(DirectoryArchive, "now", lambda _archive: moment.now())
        monkeypatch.setattr(DirectoryArchive, "has_own_clock", True)
        monkeypatch.setattr(DirectoryArchive, "stored_at", stored_at)


@pytest.fixture
def clock(monkeypatch: MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mail store of a small sample."""
    path = tmp_path_factory.mktemp("made") / "mailstore_path"
    with contextlib.closing(EmbeddedStore.create(str(path))) as store:
        sample.fill(store, messages=30)
    return path


@pytest.fixture
def node(made: Path, tmp_path: Path, clock: Clock) -> Iterator[Node]:
    """A node that was scanned, and has an archive in a directory."""
    shutil.copytree(made, tmp_path / "mailstore_path")
    (tmp_path / "archive").mkdir()
    config_file = str(tmp_path / "etc" / "restante.json")
    places = {name: str(tmp_path / name) for name in ("backup_path", "cache_path", "state_path", "mailstore_path")}
    settings_file.save(
        config_file, Settings(**places, backup_volume=BackupVolume("local", str(tmp_path / "archive")))
    )
    node = Node.load(config_file)
    backups.smart_scan(node)
    yield node


def delete_mail(node: Node) -> tuple[str, int]:
    """Delete all messages of one account; return its address and how many there were."""
    with contextlib.closing(node.store()) as store:
        for account in store.entries(kinds.ACCOUNT):
            mail = [one.item_id for one in store.changes(account.entry_id).items if one.kind == kinds.MESSAGE]
            if len(mail) > 3:
                store.delete_items(account.entry_id, mail)
                break
    backups.smart_scan(node)
    return account.name, len(mail)


def archive(node: Node) -> DirectoryArchive:
    found = node.archive(node.repository().server_id)
    assert isinstance(found, DirectoryArchive)
    return found


def packs_of(node: Node) -> set[str]:
    return {pack.name for pack in node.repository().packs()}


def archived(node: Node) -> set[str]:
    return {file.name.rpartition("/")[2] for file in archive(node).list("packs/")}


def test_a_purge_takes_out_what_is_older_than_the_retention_here_and_in_the_archive(node: Node, clock: Clock) -> None:
    """R-233, R-235, R-237."""
    _address, mails = delete_mail(node)
    assert not care.purge(node)["changed"], "it was deleted just now"
    clock.days = 31
    arguments = {"config_file": node.config_file, "purge_days": None, "backup_path": None, "trust_clock": False}
    check = Call(arguments, check_mode=True)
    planned = care.answer(check)
    assert planned["changed"] and planned["report"]["purged_items"] == mails
    assert f"{mails} items" in planned["diff"]["prepared"]
    done = care.purge(node)
    assert done["changed"] and done["warnings"] == []
    assert {name: done["report"][name] for name in planned["report"]} == planned["report"]
    assert f"Purged items: {mails}" in done["stats"]
    assert "Purge: ended" in [one.subject for one in node.notifications().list()]
    assert done["report"]["waiting_files"] > 0 and archived(node) > packs_of(node)
    assert not care.answer(check)["changed"] and not care.purge(node)["changed"]
    clock.days = 39
    done = care.purge(node)
    assert done["report"]["deleted_files"] > 0 and done["report"]["deleted_in_archive"] > 0
    assert archived(node) == packs_of(node)
    assert not backups.smart_scan(node)["changed"]


def test_a_smartscan_merges_the_small_packs_that_frequent_commits_leave(node: Node, clock: Clock) -> None:
    with contextlib.closing(node.repository()) as repository, repository.writer() as writer:
        for number in range(20):
            domain = Entry(f"d-{number}", kinds.DOMAIN, f"{number}.example")
            writer.append("server", domain.entry_id, kinds.DOMAIN, domain)
            writer.commit()
    backups.smart_scan(node, accounts=[care.holds(node)[0]["name"]])
    assert len(packs_of(node)) > 20, "a scan of one account is over soon"
    assert backups.preview(node)["changed"]
    done = backups.smart_scan(node)
    assert done["changed"] and done["merged_packs"] > 20 and done["upload"]["commits"] > 0
    assert len(packs_of(node)) < 6 and archived(node) > packs_of(node)
    assert not backups.preview(node)["changed"] and not backups.smart_scan(node)["changed"]


def test_an_archive_that_is_away_stops_neither_the_purge_nor_the_next_one(node: Node, clock: Clock) -> None:
    """R-284."""
    delete_mail(node)
    before = archived(node)
    clock.days = 31
    away = Path(node.settings.backup_volume.path)
    away.rename(away.with_name("away"))
    done = care.purge(node)
    assert done["changed"] and done["report"]["purged_items"] > 0
    assert "was not tidied up; the next purge does that" in done["warnings"][0]
    clock.days = 60
    done = care.purge(node)
    assert done["report"]["deleted_files"] == 0, "the archive does not have them yet"
    away.with_name("away").rename(away)
    care.purge(node)
    assert archived(node) >= before
    clock.days = 70
    care.purge(node)
    assert archived(node) == packs_of(node)


def test_0_days_end_it_at_once(node: Node, clock: Clock, capsys: CaptureFixture[str]) -> None:
    """R-232, R-236."""
    delete_mail(node)
    settings_file.save(node.config_file, dataclasses.replace(node.settings, data_retention_days=0))
    clock.days = 400
    newest = node.repository().newest()
    assert not care.purge(Node.load(node.config_file))["changed"]
    assert care.preview(Node.load(node.config_file))["changed"] is False
    assert main(["--config-file", node.config_file, "backup", "doPurge", "purgeDays", "0", "--sync"]) == 0
    assert "everything is kept for ever" in capsys.readouterr().out
    assert node.repository().newest() == newest


def test_it_can_be_given_a_retention_and_a_path(
    node: Node, clock: Clock, tmp_path: Path, capsys: CaptureFixture[str]
) -> None:
    """R-238."""
    delete_mail(node)
    other = tmp_path / "other"
    shutil.copytree(node.settings.backup_path, other)
    clock.days = 5
    newest, there = node.repository().newest(), archived(node)
    words = ["backup", "dopurge", "purgeDays", "3", "backup_path", str(other), "--sync"]
    assert main(["--config-file", node.config_file, *words]) == 0
    assert "purged_items" in capsys.readouterr().out
    assert node.repository().newest() == newest and archived(node) == there
    assert Repository.open(str(other)).newest() == newest + 1
    assert care.purge(node, "3")["report"]["purged_items"] > 0


@pytest.mark.parametrize("days", ["ten", "-1", "1.5", "99999"])
def test_an_invalid_retention_is_told_before_anything_begins(
    node: Node, days: str, capsys: CaptureFixture[str]
) -> None:
    """R-240."""
    before = len(node.operations.list())
    assert main(["--config-file", node.config_file, "backup", "doPurge", "purgeDays", days]) == 1
    said = capsys.readouterr()
    assert f"purgeDays is {days!r}" in said.err and "whole number of days" in said.err and said.out == ""
    assert len(node.operations.list()) == before


@pytest.mark.parametrize("name, value", [
    ("data_retention_days", -1), ("account_retention_days", 36501), ("purge_grace_days", 0),
])
def test_a_setting_that_is_no_retention_is_refused(name: str, value: int) -> None:
    """R-240."""
    with pytest.raises(InvalidInput, match=f"{name} is {value}"):
        settings_file.from_json({name: value}, "a file")


def test_a_path_without_a_backup_is_told(node: Node, tmp_path: Path) -> None:
    with pytest.raises(NotABackup, match="holds no backup"):
        care.purge(node, "", str(tmp_path))


def test_a_hold_keeps_what_the_retention_would_take(node: Node, clock: Clock, capsys: CaptureFixture[str]) -> None:
    """R-242, R-243."""
    address, mails = delete_mail(node)

    def said(*words: str) -> list[str]:
        assert main(["--config-file", node.config_file, "backup", "legalHold", *words]) == 0
        return capsys.readouterr().out.splitlines()

    everybody = said("get", "all")
    assert len(everybody) > 2 and all(line.endswith(" unset") for line in everybody)
    [line] = said("set", address.upper())
    assert line.split()[0] == address and line.endswith(" set")
    assert [line for line in said("get", "all") if line.endswith(" set")] == [line]
    clock.days = 31
    report: dict[str, Any] = care.purge(node)["report"]
    assert (report["purged_items"], report["held_accounts"]) == (0, [address])
    said("unset", "all")
    assert care.purge(node)["report"]["purged_items"] == mails
    assert main(["--config-file", node.config_file, "backup", "legalhold", "get", "nobody@example.com"]) == 1
    assert "knows no account 'nobody@example.com'" in capsys.readouterr().err


def test_a_hold_goes_with_the_backup_into_the_archive(node: Node, tmp_path: Path) -> None:
    [row] = care.set_hold(node, [care.holds(node)[0]["name"]], True)["accounts"]
    assert row["held"] and care.set_hold(node, [row["id"]], True)["changed"] is False
    backups.smart_scan(node)
    retrieve(archive(node), str(tmp_path / "restore"))
    assert hold.held(Repository.open(str(tmp_path / "restore"))) == {row["id"]}


def test_nobody_named_is_not_everybody(node: Node) -> None:
    with pytest.raises(InvalidInput, match="Name the accounts"):
        care.set_hold(node, [], True)


# -- locks -------------------------------------------------------------------------------------------------------------


class Locking(DirectoryArchive):
    """A directory that remembers locks, and how often it was asked for them."""

    retention = 32 * DAY

    def __init__(self, path: str, prefix: str) -> None:
        super().__init__(path, prefix)
        self.ends: dict[str, int] = {}
        self.asked = 0

    def locked_until(self, name: str) -> int | None:
        self.asked += 1
        return None if self.size(name) is None else self.ends.get(name, 0)

    def lock_until(self, name: str, until: int) -> None:
        self.ends[name] = until


def test_scans_look_at_the_locks_now_and_then_and_renew_those_of_which_half_is_over(
    node: Node, clock: Clock, monkeypatch: MonkeyPatch
) -> None:
    locking = Locking(node.settings.backup_volume.path, backups.info(node)["server_id"])
    monkeypatch.setattr(Node, "archive", lambda _node, _server_id: locking)

    def scan(days: int = 0) -> tuple[int, bool]:
        """Return how many locks a scan renews after some days, and whether it has looked at them."""
        clock.days += days
        before = locking.asked
        return backups.smart_scan(node)["renewed_locks"], locking.asked > before

    first, looked = scan()
    assert first > 3 and looked
    assert scan() == (0, False)
    assert scan(3) == (0, False)
    assert scan(2) == (0, True), "half of their time is not over"
    assert scan(12) == (first, True)
    Path(node.settings.state_path, "locks.json").unlink()
    assert scan() == (0, True), "what is not known is looked at"
    monkeypatch.setattr(locking, "lock_until", DirectoryArchive.lock_until.__get__(locking))
    clock.days += 30
    told = backups.smart_scan(node)["warnings"]
    assert len(told) == 1 and f"{first} files of the archive could not be locked" in told[0]
    assert backups.smart_scan(node)["warnings"] == told, "it is tried again"


def test_an_archive_that_locks_nothing_has_no_locks_to_renew(node: Node) -> None:
    with pytest.raises(InvalidInput, match="locks no files"):
        locks.renew(node)
