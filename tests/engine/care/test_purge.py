# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A purge: what goes, what stays, beside readers, and killed at any moment."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care import hold
from ansible_collections.restante.carbonio.plugins.module_utils.care.purge import plan, purge
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY, Retention
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, NotFound, Refused
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ACCOUNT_ITEM, SERVER, Entry
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import Silent

from tests.engine.backup.conftest import (
    ANNA,
    BOB,
    account,
    content,
    items,
    message,
    opened,
    pack_path,
    without_catalogue,
)
from tests.engine.backup.fragile import FragileFiles, FullDisk, Interrupted
from tests.engine.backup.test_rescue import files, rescue
from tests.engine.care.care_kit import NOW, RETENTION, delete_bob, run, told, unnamed_files_removed


def size(path: Path) -> int:
    return sum(pack.size for pack in opened(path).packs())


def test_the_window_is_told_as_before_and_the_rest_is_gone(past: Path, tmp_path: Path) -> None:
    """R-233, R-235."""
    before, was = told(opened(past)), size(past)
    planned, repacked = run(past)
    assert planned.totals()["purged_items"] == 20 == planned.blobs
    assert repacked.removed_packs > 20 > repacked.new_packs
    assert told(opened(past)) == before
    small = unnamed_files_removed(past, tmp_path / "small")
    assert told(opened(without_catalogue(small))) == before
    assert size(small) < was / 2
    assert opened(past).state(ANNA, "61") is None
    repository = opened(past)
    assert [one.at // DAY for one in repository.history(ANNA, "89")] == [89, 93]
    with pytest.raises(NotFound):
        repository.read_blob(message_digest(61))


def message_digest(number: int) -> str:
    return hashlib.sha256(content(number)).hexdigest()


def test_a_second_purge_changes_nothing(past: Path) -> None:
    run(past)
    head = opened(past).head()
    planned, repacked = run(past)
    assert not planned.changes and planned.lines() == [] and not repacked.removed_packs
    assert opened(past).head() == head


def test_a_plan_says_what_goes_and_changes_nothing(past: Path) -> None:
    before = sorted(file.name for file in (past / "packs").rglob("*"))
    planned, _inventory = plan(opened(past), RETENTION, NOW)
    lines = planned.lines()
    assert lines[0].startswith("anna-id@example.com: ") and lines[-1].startswith("20 contents of ")
    assert sorted(file.name for file in (past / "packs").rglob("*")) == before
    assert run(past)[0] == planned


def test_a_deleted_account_stays_whole_until_its_own_retention_has_passed(past: Path) -> None:
    """R-239: it can be restored fully, even after the data retention."""
    delete_bob(past, 99)
    before = {one.item_id: one for one in opened(past).states(BOB, 80 * DAY)}
    run(past, now=118 * DAY)
    repository = opened(past)
    assert {one.item_id: one for one in repository.states(BOB, 80 * DAY)} == before and len(before) > 4
    for one in before.values():
        if one.kind == kinds.MESSAGE:
            repository.read_blob(one.state.digest)  # type: ignore[union-attr]
    repository.close()
    again = Retention(RETENTION.data_days, RETENTION.account_days)
    with opened(past).writer() as writer:
        planned, _repacked = purge(writer, again, 119 * DAY)
    assert planned.totals()["purged_accounts"] == [f"{BOB}@example.com"]
    repository = opened(past)
    assert repository.scopes() == [ANNA] and repository.entry(BOB, "account", 80 * DAY) is None
    assert opened(without_catalogue(past)).scopes() == [ANNA]


def test_a_clock_that_was_wrong_for_a_while_lets_nothing_go_that_is_needed(tmp_path: Path) -> None:
    """R-233, R-239: what was deleted yesterday is there, be it recorded as of long ago or as of next month."""
    Repository.create(str(tmp_path), "server-id").close()
    repository = opened(tmp_path)
    with repository.writer() as writer:
        for scope in (ANNA, BOB):
            account(writer, scope, 30 * DAY)
            for number in (11, 12, 13):
                message(writer, scope, number, at=40 * DAY)
            message(writer, scope, 14, at=98 * DAY)
        for scope in (ANNA, BOB):  # on day 99 the clock goes back, then ahead, and is right again
            writer.append(scope, "11", kinds.MESSAGE, None, 50 * DAY)
            writer.append(scope, "12", kinds.MESSAGE, None, 130 * DAY)
            writer.append(scope, "13", kinds.MESSAGE, None, 99 * DAY)
        writer.append(BOB, ACCOUNT_ITEM, kinds.ACCOUNT, None, 51 * DAY)
        writer.commit({ANNA: "1", BOB: ""})
    repository.close()
    planned, _repacked = run(tmp_path)
    assert planned.journals == []
    with contextlib.closing(opened(tmp_path)) as repository:
        for scope in (ANNA, BOB):
            for number in ("11", "12", "13"):
                assert [one.state is None for one in repository.history(scope, number)] == [False, True]


def test_an_account_whose_backup_was_switched_off_goes_after_the_data_retention(past: Path) -> None:
    """R-245."""
    repository = opened(past)
    with repository.writer() as writer:
        entry = repository.entry(BOB, "account")
        assert entry is not None
        writer.append(BOB, "account", kinds.ACCOUNT, entry._replace(attrs={"backupEnabled": ("FALSE",)}), 99 * DAY)
        writer.append(BOB, "account", kinds.ACCOUNT, None, 99 * DAY)
        writer.commit({BOB: ""})
    assert not any(one.verdict.wholly for one in run(past, now=108 * DAY)[0].journals)
    planned, _repacked = run(past, now=109 * DAY)
    assert [(one.name, one.verdict.reason) for one in planned.journals if one.verdict.wholly] == [
        (f"{BOB}@example.com", "backup switched off")
    ]


def test_nothing_of_an_account_on_hold_goes_and_all_of_it_does_when_the_hold_is_lifted(past: Path) -> None:
    """R-243."""
    delete_bob(past, 99)
    repository = opened(past)
    with repository.writer() as writer:
        hold.change(writer, hold.named(hold.accounts(repository), [f"{BOB}@EXAMPLE.com"]), True)
    before = [list(repository.history(BOB, str(number))) for number in range(60, 99, 4)]
    planned, _repacked = run(past, now=120 * DAY)
    assert planned.held == [f"{BOB}@example.com"]
    repository = opened(without_catalogue(past))
    assert [list(repository.history(BOB, str(number))) for number in range(60, 99, 4)] == before
    with repository.writer() as writer:
        hold.change(writer, hold.accounts(repository), False)
    assert hold.held(repository) == set()
    run(past, now=120 * DAY)
    assert opened(past).scopes() == [ANNA]


def test_with_0_days_everything_stays(past: Path) -> None:
    """R-236."""
    before = opened(past).counts()
    with opened(past).writer() as writer:
        planned, _repacked = purge(writer, Retention(0, 0), NOW, merge_from=10**6)
    assert not planned.changes and opened(past).counts() == before


def test_entries_of_the_directory_go_when_no_account_can_need_them(tmp_path: Path) -> None:
    path = tmp_path / "backup"
    Repository.create(str(path), "server-id").close()
    with opened(path).writer() as writer:
        for number in (1, 2, 3):
            entry = Entry(f"d{number}", kinds.DOMAIN, f"{number}.example.com")
            writer.append(SERVER, entry.entry_id, kinds.DOMAIN, entry, 50 * DAY)
        for number, gone in ((1, 79), (2, 85)):
            writer.append(SERVER, f"d{number}", kinds.DOMAIN, None, gone * DAY)
        writer.commit()
    run(path)
    assert {one.item_id for one in opened(path).entries(kinds.DOMAIN, deleted=True)} == {"d2", "d3"}


def test_small_packs_are_merged_by_account_and_nothing_else_changes(past: Path, tmp_path: Path) -> None:
    repository = opened(past)
    before, history = told(repository), [list(repository.history(ANNA, str(number))) for number in range(60, 99)]
    was = repository.counts()
    with repository.writer() as writer:
        planned, repacked = purge(writer, None, NOW)
    assert not planned.changes and repacked.removed_packs > 70 and repacked.new_packs < 20
    repository = opened(without_catalogue(unnamed_files_removed(past, tmp_path / "small")))
    assert told(repository) == before
    assert [list(repository.history(ANNA, str(number))) for number in range(60, 99)] == history
    now = repository.counts()
    assert now["packs"] < was["packs"] / 3 and now["transactions"] == was["transactions"]
    order = [found.pack for found in sorted(
        repository.locate(message_digest(number) for number in range(61, 99) if number % 4).values(),
        key=lambda place: (place.pack, place.offset),
    )]
    assert len(set(order)) <= len(order) // 3, "the mail of an account lies together"


def test_a_scan_after_a_purge_goes_on_with_the_journals(past: Path, tmp_path: Path) -> None:
    for _round in range(3):
        run(past)
        with opened(past).writer() as writer:
            message(writer, ANNA, 200 + _round, at=NOW)
            writer.commit({ANNA: f"t{_round}"})
    small = unnamed_files_removed(past, tmp_path / "small")
    repository = opened(without_catalogue(small))
    assert repository.damages() == []
    assert {"200", "201", "202"} <= set(items(repository, ANNA)) and repository.token(ANNA) == "t2"


def test_a_reader_of_the_time_before_reads_on(past: Path) -> None:
    """What it began with stays readable: by the old packs until the grace time has passed."""
    reader = opened(past)
    before = told(reader)
    place = reader.locate([message_digest(98)])
    run(past)
    assert told(reader) == before
    reader.refresh()
    assert told(reader) == before
    assert reader.files.size(packs.file_name(place[message_digest(98)].pack)) is not None


def test_the_rescue_script_reads_what_a_purge_has_left(past: Path, tmp_path: Path) -> None:
    run(past)
    with opened(past).writer() as writer:
        message(writer, ANNA, 99, at=99 * DAY)
        writer.commit()
    small = without_catalogue(unnamed_files_removed(past, tmp_path / "small"))
    rescue(small, "extract", ANNA, "--all", str(tmp_path / "out"), "--at", str(95 * DAY))
    present = items(opened(past), ANNA, 95 * DAY)
    assert files(tmp_path / "out") == {f"Inbox/{number}.eml": content(int(number)) for number in present}
    rescue(small, "extract", ANNA, "99", str(tmp_path / "one"))
    listed = rescue(past, "list", ANNA)[0]
    ids = {json.loads(line)[0] for line in listed.splitlines() if json.loads(line)[1] == kinds.MESSAGE}
    assert ids == set(items(opened(past), ANNA)), "what was purged is not found in files that still lie there"


@pytest.mark.parametrize("power_failure", [False, True], ids=["killed", "power failure"])
def test_a_purge_that_ends_anywhere_leaves_a_whole_backup_and_the_next_completes_it(
    past: Path, tmp_path: Path, power_failure: bool
) -> None:
    before = told(opened(past))
    counting = FragileFiles(str(tmp_path / "counted"))
    run(Path(shutil.copytree(past, tmp_path / "counted")), counting)
    assert counting.operations > 20
    done = opened(tmp_path / "counted").counts()
    for end_at in range(1, counting.operations + 1):
        path = Path(shutil.copytree(past, tmp_path / "crashed"))
        with pytest.raises(Interrupted):
            run(path, FragileFiles(str(path), end_at, power_failure))
        repository = opened(path if end_at % 2 else without_catalogue(path))
        assert told(repository) == before
        repository.close()
        run(path)
        repository = opened(path)
        assert told(repository) == before
        assert repository.counts() == done
        repository.close()
        shutil.rmtree(path)


def test_a_full_disk_ends_a_purge_and_changes_nothing(past: Path) -> None:
    head, before = opened(past).head(), told(opened(past))
    with pytest.raises(Refused, match="the disk is full"):
        run(past, FullDisk(str(past), 3000))
    assert opened(past).head() == head and told(opened(past)) == before


def test_a_purge_that_is_told_to_stop_changes_nothing(past: Path) -> None:
    class Stopping(Silent):
        def stopping(self) -> bool:
            return True

    head = opened(past).head()
    repository = opened(past)
    with repository.writer() as writer:
        _planned, repacked = purge(writer, RETENTION, NOW, Stopping(), 4)
    assert repacked.stopped and opened(past).head() == head


def test_a_damaged_backup_is_left_as_it_is(past: Path) -> None:
    repository = opened(past)
    [pack] = [pack for pack in repository.commit(5).packs if pack.kind == packs.METADATA]
    pack_path(past, pack.name).unlink()
    head = repository.head()
    without_catalogue(past)
    with pytest.raises(Damaged, match="left as it is.*coherency check"):
        run(past)
    assert opened(past).head() == head


@pytest.mark.parametrize("fault", ["missing", "altered"])
def test_a_pack_of_contents_that_cannot_be_read_stays_and_the_others_are_merged(past: Path, fault: str) -> None:
    repository = opened(past)
    place = repository.locate([message_digest(98)])[message_digest(98)]
    path = pack_path(past, place.pack)
    whole = path.read_bytes()
    path.write_bytes(whole[:place.offset + 120] + b"x" + whole[place.offset + 121:])
    if fault == "missing":
        path.unlink()
    _planned, repacked = run(past)
    assert repacked.removed_packs > 20
    assert [place.pack in reason for reason in repacked.unreadable] == [True] * (fault == "altered")
    path.write_bytes(whole)
    repository = opened(without_catalogue(past))
    assert repository.read_blob(message_digest(98)) == content(98)
    assert repository.damages() == []


def test_what_comes_again_after_a_purge_is_written_again(past: Path, tmp_path: Path) -> None:
    run(past)
    repository = opened(past)
    was = {pack.name for pack in repository.commit(1).packs}
    with repository.writer() as writer:
        assert not writer.has_blob(message_digest(61))
        message(writer, ANNA, 61, at=NOW)
        writer.commit()
    assert repository.locate([message_digest(61)])[message_digest(61)].pack in was, "it is the very same pack"
    assert repository.read_blob(message_digest(61)) == content(61)
    assert opened(without_catalogue(past)).read_blob(message_digest(61)) == content(61)
    rescue(past, "extract", ANNA, "61", str(tmp_path / "out"))
    assert files(tmp_path / "out") == {"Inbox/61.eml": content(61)}
