# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The coherency check of a node, as the command line and the modules call it."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import CATALOGUE_FILE
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    Damaged,
    InvalidInput,
    NotABackup,
    NotFound,
    Unavailable,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, care, coherency
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.coherency import Options
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume, Settings
from pytest import CaptureFixture

from tests.engine.backup.conftest import without_catalogue


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node with a small sample, scanned and archived."""
    root = tmp_path_factory.mktemp("made")
    with contextlib.closing(EmbeddedStore.create(str(root / "mailstore_path"))) as store:
        sample.fill(store, messages=20)
    (root / "archive").mkdir()
    backups.smart_scan(configured(root))
    return root


def configured(root: Path) -> Node:
    config_file = str(root / "etc" / "restante.json")
    places = {name: str(root / name) for name in ("backup_path", "cache_path", "state_path", "mailstore_path")}
    settings_file.save(config_file, Settings(**places, backup_volume=BackupVolume("local", str(root / "archive"))))
    return Node.load(config_file)


@pytest.fixture
def node(made: Path, tmp_path: Path) -> Iterator[Node]:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    yield configured(tmp_path)


def pack_files(node: Node, kind: str = packs.BLOBS) -> list[Path]:
    root = Path(node.settings.backup_path)
    with contextlib.closing(node.repository()) as repository:
        return [root / packs.file_name(pack.name) for pack in repository.packs() if pack.kind == kind]


def in_archive(node: Node, path: Path) -> Path:
    with contextlib.closing(node.repository()) as repository:
        root = Path(node.settings.backup_volume.path) / repository.server_id
    return root / path.relative_to(node.settings.backup_path)


def lose(node: Node, kind: str = packs.BLOBS) -> None:
    """Let a pack be gone, here and in the archive."""
    path = pack_files(node, kind)[0]
    in_archive(node, path).unlink()
    path.unlink()


def mail(node: Node) -> dict[str, bytes]:
    """Return the present contents of all mailboxes by digest, as the backup has them."""
    found = {}
    with contextlib.closing(node.repository()) as repository:
        for scope in repository.scopes():
            for one in repository.states(scope):
                if isinstance(one.state, ItemState) and one.state.digest:
                    with contextlib.suppress(Damaged, NotFound):
                        found[one.state.digest] = repository.read_blob(one.state.digest)
    return found


def run(node: Node, capsys: CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Carry out the command and return its exit status and what it says."""
    path = node.settings.backup_path
    status = main(["--config-file", node.config_file, "--json", "--sync", "backup", "doCoherencyCheck", path, *words])
    return status, json.loads(capsys.readouterr().out)


def test_the_command_says_what_is_damaged_and_ends_with_1_until_it_is_put_right(
    node: Node, capsys: CaptureFixture[str]
) -> None:
    """R-249, R-250."""
    status, said = run(node, capsys)
    assert (status, said["changed"], said["coherent"]) == (0, False, True)
    before = mail(node)
    pack_files(node)[0].write_bytes(b"altered")
    status, said = run(node, capsys)
    assert status == 1 and said["state"] == "failed" and said["report"]["faults"] == 1
    lost = said["report"]["lost"][0]
    assert "@" in lost["account"] and lost["kind"] in kinds.WITH_CONTENT and lost["since"]
    assert f"{lost['account']}: {lost['kind']} {lost['item']}" in said["stats"]
    notification = node.notifications().list()[-1]
    assert (notification.subject, notification.type) == ("Coherency Check: ended", "Error")
    status, said = run(node, capsys, "fixBackup", "true", "notifications", "admin@example.com")
    assert (status, said["changed"], said["report"]["mended"]["fetched_files"]) == (0, True, 1)
    assert said["report"]["lost_contents"] == 0 and mail(node) == before
    status, said = run(node, capsys, "fixBackup", "true")
    assert (status, said["changed"]) == (0, False)


def test_what_both_sides_have_lost_is_stored_again_by_the_next_scan(node: Node) -> None:
    """R-218, R-250: an ordinary scan will do, since the mailboxes concerned have no token any more."""
    before = mail(node)
    lose(node)
    done = coherency.check(node, Options(fix=True))
    assert done["coherent"] and done["report"]["lost_contents"] > 0
    assert "SmartScan stores again" in done["warnings"][0]
    lost = before.keys() - mail(node).keys()
    assert lost and backups.smart_scan(node)["new_blobs"] == len(lost)
    assert mail(node) == before
    assert coherency.check(node, Options(archive="contents"))["report"]["lost_contents"] == 0
    assert not backups.smart_scan(node)["changed"]


def test_lost_metadata_is_recorded_again_by_the_next_scan_and_purges_work(node: Node) -> None:
    before = mail(node)
    lose(node, packs.METADATA)
    without_catalogue(Path(node.settings.backup_path))
    with pytest.raises(Damaged, match="coherency check"):
        care.purge(node)
    assert coherency.check(node, Options(fix=True))["changed"]
    backups.smart_scan(node)
    assert mail(node) == before
    care.purge(node)
    assert coherency.check(node, Options(fix=True, archive="contents"))["coherent"]


def test_check_mode_says_what_fix_would_do_and_touches_nothing(node: Node) -> None:
    pack = pack_files(node)[0]
    arguments = {
        "config_file": node.config_file, "backup_path": None, "accounts": [], "fix": True, "archive": "contents",
        "max_minutes": 0, "compare_mailboxes": False, "double_compressed": "skip", "fail_on_damage": True,
        "notifications": [],
    }
    assert coherency.answer(Call(arguments, check_mode=True))["changed"] is False
    pack.write_bytes(b"altered")
    in_archive(node, pack_files(node, packs.METADATA)[0]).unlink()
    files = {path: path.read_bytes() for path in pack.parents[4].rglob("*") if path.is_file()}
    planned = coherency.answer(Call(arguments, check_mode=True))
    assert planned["changed"] and not planned["coherent"] and len(planned["plan"]) == 2
    assert "is sent to the archive" in planned["plan"][0] and "is fetched from the archive" in planned["plan"][1]
    assert planned["diff"]["prepared"].count("\n") == 2
    assert {path: path.read_bytes() for path in files if "catalog" not in path.name} == {
        path: data for path, data in files.items() if "catalog" not in path.name
    }
    assert not coherency.last(node)["checked"]
    assert coherency.answer(Call({**arguments, "fix": False}, check_mode=True))["plan"] == []


def test_damages_fail_the_task_unless_that_is_not_wanted(node: Node) -> None:
    pack_files(node)[0].write_bytes(b"altered")
    arguments = {
        "config_file": node.config_file, "backup_path": None, "accounts": [], "fix": False, "archive": "names",
        "max_minutes": 0, "compare_mailboxes": False, "double_compressed": "skip", "notifications": [],
    }
    with pytest.raises(Damaged, match="1 damages.*with fix"):
        coherency.answer(Call({**arguments, "fail_on_damage": True}))
    told = coherency.answer(Call({**arguments, "fail_on_damage": False}))
    assert not told["coherent"] and not told["changed"]
    assert [one.state for one in node.operations.list()[-2:]] == ["failed", "successful"]


def test_the_last_check_is_remembered_and_a_record_that_is_broken_is_no_matter(node: Node) -> None:
    assert coherency.last(node) == {"checked": False, "checked_at": "", "age_seconds": None, "report": {}}
    coherency.check(node, Options())
    told = coherency.last(node)
    assert told["checked"] and 0 <= told["age_seconds"] < 60 and told["report"]["coherent"]
    assert told["report"]["all_checked_since"] <= told["checked_at"]
    [record] = (Path(node.settings.state_path) / "coherency").iterdir()
    for broken in (b"", b"{", b"[]", b"\xff\xfe", record.read_bytes()[:-20]):
        record.write_bytes(broken)
        assert not coherency.last(node)["checked"]
        assert coherency.check(node, Options())["coherent"]
    assert coherency.last(node)["checked"]


@pytest.mark.parametrize("harm", ["missing", "empty", "cut short"])
@pytest.mark.parametrize("archived", [True, False])
def test_a_format_file_that_is_lost_is_had_again(node: Node, harm: str, archived: bool) -> None:
    path = Path(node.settings.backup_path) / "format.json"
    sound, before = path.read_bytes(), mail(node)
    if not archived:
        in_archive(node, path).unlink()
    path.unlink()
    if harm != "missing":
        path.write_bytes(b"" if harm == "empty" else sound[:40])
    with pytest.raises(Damaged, match="with fix puts it back"):
        coherency.check(node, Options())
    planned = coherency.preview(node, Options(fix=True))
    assert planned["changed"] and "format.json" in planned["plan"][0]
    done = coherency.check(node, Options(fix=True))
    assert done["changed"] and done["coherent"] and mail(node) == before
    if archived:
        assert path.read_bytes() == sound
    assert not coherency.check(node, Options(fix=True))["changed"]
    assert not backups.smart_scan(node)["changed"]


@pytest.mark.parametrize("archived", [True, False])
def test_no_new_backup_is_made_over_one_that_has_lost_its_format_file(node: Node, archived: bool) -> None:
    """A scan before the check would give the directory another identity, and what there was would be no part of it."""
    if not archived:
        settings_file.save(node.config_file, dataclasses.replace(node.settings, backup_volume=BackupVolume()))
        node = Node.load(node.config_file)
    path, before = Path(node.settings.backup_path) / "format.json", mail(node)
    path.unlink()
    for work in (backups.smart_scan, backups.preview, backups.info, care.purge):
        with pytest.raises(Damaged, match="format.json .* is missing.*check with fix puts it back"):
            work(node)
    assert not path.exists()
    assert coherency.check(node, Options(fix=True))["coherent"] and mail(node) == before
    assert not backups.smart_scan(node)["changed"]


@pytest.mark.parametrize("harm", [b"", b'{"format":2,"features":[]}'])
def test_a_format_file_that_cannot_be_read_is_no_backup_that_is_still_to_be_made(node: Node, harm: bytes) -> None:
    (Path(node.settings.backup_path) / "format.json").write_bytes(harm)
    for work in (backups.smart_scan, backups.preview, backups.info):
        with pytest.raises(NotABackup):
            work(node)


def test_an_archive_that_is_away_is_told_and_nothing_is_given_up_for_it(node: Node) -> None:
    """R-284."""
    archive = Path(node.settings.backup_volume.path)
    archive.rename(archive.with_name("away"))
    told = coherency.check(node, Options())
    assert told["coherent"] and "The archive was not checked" in told["warnings"][0]
    pack = pack_files(node)[0]
    pack.write_bytes(b"altered")
    with pytest.raises((NotFound, Unavailable)):
        coherency.check(node, Options(fix=True))
    archive.with_name("away").rename(archive)
    assert coherency.check(node, Options(fix=True))["report"]["mended"]["fetched_files"] == 1


@pytest.mark.parametrize("seed", range(10))
def test_a_catalogue_that_is_altered_in_any_way_is_put_right_by_a_fix(node: Node, seed: int) -> None:
    """Also one in which not even the check can read."""
    before, chance = mail(node), random.Random(seed)
    file = Path(node.settings.backup_path) / CATALOGUE_FILE
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(file.read_bytes())
    for _unused in range(60):
        data[chance.randrange(100, len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)
    assert coherency.check(node, Options(fix=True))["coherent"] and mail(node) == before
    assert not coherency.check(node, Options(fix=True))["changed"]


def test_what_another_damage_says_costs_no_sound_catalogue(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the last to know what packs of metadata said that are lost."""
    def altered_each_time(_check: coherency.Check) -> None:
        raise Damaged("It comes with other bytes each time.")

    file = Path(node.settings.backup_path) / CATALOGUE_FILE
    before = file.stat().st_ino
    monkeypatch.setattr(coherency.Check, "run", altered_each_time)
    with pytest.raises(Damaged, match="other bytes"):
        coherency.check(node, Options(fix=True))
    assert file.stat().st_ino == before


def test_a_fix_sends_what_the_archive_does_not_have_yet(node: Node) -> None:
    """As after a fix that was cut off between its commit and the upload; once more it changes nothing."""
    with contextlib.closing(node.store()) as store:
        account = next(store.entries(kinds.ACCOUNT))
        store.write_items(account.entry_id, [NewItem("", ItemState("", kinds.MESSAGE, "2"), b"Subject: new\r\n\r\n")])
    settings_file.save(node.config_file, dataclasses.replace(node.settings, backup_volume=BackupVolume()))
    backups.smart_scan(Node.load(node.config_file))
    settings_file.save(node.config_file, node.settings)
    told = coherency.check(node, Options())
    assert told["coherent"] and told["report"]["commits_to_upload"] and not told["changed"]
    assert coherency.preview(node, Options(fix=True))["plan"] == ["1 commits are sent to the archive"]
    done = coherency.check(node, Options(fix=True))
    assert done["changed"] and done["report"]["commits_to_upload"] == 0
    assert coherency.check(node, Options())["report"]["commits_to_upload"] == 0
    assert not coherency.preview(node, Options(fix=True))["changed"]
    assert not coherency.check(node, Options(fix=True))["changed"]


def test_another_path_is_checked_without_the_archive(node: Node, tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    """R-249."""
    other = tmp_path / "other"
    shutil.copytree(node.settings.backup_path, other)
    words = ["--config-file", node.config_file, "--sync", "--json", "backup", "docoherencycheck", str(other)]
    assert main(words) == 0
    assert "archived_packs" not in json.loads(capsys.readouterr().out)["report"]
    assert run(node, capsys)[1]["report"]["archived_packs"] > 0
    assert not coherency.last(node, str(tmp_path / "backup_path") + "/.")["report"].get("faults")
    with pytest.raises(NotABackup, match="holds no backup"):
        coherency.check(node, Options(str(tmp_path)))


def test_accounts_are_named_by_id_or_address(node: Node, capsys: CaptureFixture[str]) -> None:
    """R-249."""
    account = care.holds(node)[0]
    for name in (account["id"], account["name"]):
        assert run(node, capsys, "accountIds", name)[0] == 0
    with pytest.raises(NotFound, match="knows no account 'nobody'"):
        coherency.check(node, Options(accounts=["nobody"]))


@pytest.mark.parametrize("options", [Options(archive="some"), Options(double="maybe"), Options(max_minutes=-1)])
def test_options_that_cannot_be_used_are_refused(node: Node, options: Options) -> None:
    with pytest.raises(InvalidInput):
        coherency.check(node, options)
    assert coherency.last(node)["checked"] is False


def test_mailboxes_are_compared_with_the_backup(node: Node, capsys: CaptureFixture[str]) -> None:
    assert run(node, capsys, "checkZimbra", "true")[1]["report"]["mailbox_differences"] == 0
    with contextlib.closing(node.store()) as store:
        account = next(iter(store.entries(kinds.ACCOUNT)))
        mails = [one for one in store.changes(account.entry_id).items if one.kind == kinds.MESSAGE]
        store.delete_items(account.entry_id, [mails[0].item_id])
    status, said = run(node, capsys, "checkZimbra", "true")
    assert status == 0 and said["report"]["mailbox_differences"] == 1
    assert f"{account.name}: message {mails[0].item_id} is in the backup" in said["warnings"][0]


def test_contents_that_were_compressed_twice_are_found_and_unpacked(node: Node, capsys: CaptureFixture[str]) -> None:
    """R-253."""
    plain = b"Subject: packed\r\n\r\nTwice.\r\n"
    with contextlib.closing(node.repository()) as repository, repository.writer() as writer:
        scope = repository.scopes()[0]
        for item, data in (("9001", gzip.compress(gzip.compress(plain))), ("9002", gzip.compress(plain)[:-9])):
            state = ItemState(item, kinds.MESSAGE, "2", size=len(data), digest=writer.put_blob(data))
            writer.append(scope, item, kinds.MESSAGE, state)
        writer.commit()
    assert run(node, capsys)[1]["report"]["double_compressed"] == []
    told = run(node, capsys, "fixDoubleGzip", "check")[1]
    assert {one["item"] for one in told["report"]["double_compressed"]} == {"9001", "9002"} and not told["changed"]
    assert run(node, capsys, "fixDoubleGzip", "fix")[1]["report"]["unpacked_contents"] == 1
    with contextlib.closing(node.repository()) as repository:
        found = repository.state(scope, "9001")
        assert found is not None and isinstance(found.state, ItemState)
        assert repository.read_blob(found.state.digest) == plain and found.state.size == len(plain)
    assert not run(node, capsys, "fixDoubleGzip", "fix")[1]["changed"]
