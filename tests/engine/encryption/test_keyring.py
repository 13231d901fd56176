# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keyring of a Backup Path while it is written to, killed, copied, damaged and put under another master key."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup import keyring, keys, packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.files import Files
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    Busy,
    Damaged,
    InvalidInput,
    NotABackup,
    NotFound,
    Refused,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ACCOUNT_ITEM, Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import encryption
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader

from tests.engine.backup.fragile import FragileFiles, Interrupted
from tests.engine.encryption.encryption_kit import (
    ADDRESS,
    ANNA,
    CARL,
    MASTER,
    OTHER,
    OWN,
    SHARED,
    Site,
    digest,
    newest,
    told,
)

DORA = "id-of-dora"


def arrive(repository: Repository, scope: str = DORA, content: bytes = b"Subject: new\r\n\r\nnew\r\n") -> str:
    """Record an account that was not there before; return what it has."""
    with repository.writer() as writer:
        writer.append(scope, ACCOUNT_ITEM, kinds.ACCOUNT, Entry(scope, kinds.ACCOUNT, f"{scope}@example.com"))
        stored = writer.put_blob(content)
        writer.commit()
    return stored


def is_whole(path: Path, *scopes: str) -> bool:
    """Check that a backup can be read, by its catalogue and without one, and knows some accounts."""
    for with_catalogue in (True, False):
        if not with_catalogue:
            for file in path.glob("catalog.sqlite*"):
                file.unlink()
        repository = Repository.open(str(path), masters=[MASTER])
        assert repository.damages() == [] and set(repository.scopes()) == {ANNA, CARL, *scopes}
        assert repository.read_blob(digest(SHARED)) == SHARED and repository.read_blob(digest(OWN[CARL])) == OWN[CARL]
        repository.close()
    return True


# -- several at work ---------------------------------------------------------------------------------------------------


def test_readers_that_were_open_before_an_account_came_read_it_too(site: Site) -> None:
    with site.repository() as reader, site.repository() as writer:
        assert DORA not in reader.scopes()
        stored = arrive(writer)
        reader.refresh()
        assert DORA in reader.scopes() and reader.read_blob(stored) and reader.damages() == []


def test_readers_that_were_open_before_anything_was_written_read_what_comes(site: Site) -> None:
    """The keyring is made by the first writer; till then every process that opens the backup has one of its own."""
    path = str(site.path / "new")
    with contextlib.closing(Repository.create(path, "server", masters=[MASTER])) as writing:
        with contextlib.closing(Repository.open(path, masters=[MASTER])) as reading:
            (site.path / "new-archive").mkdir()
            uploader = Uploader(reading, DirectoryArchive(str(site.path / "new-archive")))
            stored = arrive(writing)
            assert uploader.sync().commits == 1
            reading.refresh()
            assert reading.read_blob(stored) and reading.entry(DORA, ACCOUNT_ITEM) is not None
            assert arrive(reading, CARL) == stored, "a writer too goes on from there"
    with site.repository(Path(path)) as repository:
        assert repository.damages() == [] and {DORA, CARL} <= set(repository.scopes())


def test_a_backup_whose_first_commit_is_made_while_it_is_opened_has_its_keyring(tmp_path: Path) -> None:
    class Overtaken(Files):
        def scan(self, directory: str) -> Iterator[str]:
            names = list(super().scan(directory))
            if directory == keys.DIRECTORY and not names:
                arrive(first)
            return iter(names)

    with contextlib.closing(Repository.create(str(tmp_path / "new"), "server", masters=[MASTER])) as first:
        with contextlib.closing(Repository(Overtaken(first.path), first.info, masters=[MASTER])) as second:
            assert second.scopes() == [DORA] and second.damages() == []


def test_a_writer_that_was_open_before_another_one_goes_on_from_what_that_has_left(site: Site) -> None:
    """Accounts it has added, accounts it has forgotten, another number: no key comes back, and none is lost."""
    with site.repository() as early, site.repository() as other:
        arrive(other)
        arrive(early, "id-of-emil")
        site.delete()
        encryption.forget_accounts(site.node(), [CARL])
        arrive(early, "id-of-fred")
        assert early.keys is not None and CARL not in early.keys.ring.accounts
        assert set(early.keys.ring.accounts) == {ANNA, DORA, "id-of-emil", "id-of-fred"}
    with site.repository() as repository:
        assert repository.damages() == [] and CARL not in repository.scopes()
        assert {DORA, "id-of-emil", "id-of-fred"} <= set(repository.scopes())


def test_a_key_of_a_writer_that_did_not_commit_is_not_used_by_the_next_one(site: Site) -> None:
    """Nor does it take the place of the key that another process has given that account meanwhile."""
    with site.repository() as early, site.repository() as other:
        assert early.keys is not None
        with early.writer():
            early.keys.of_account(DORA, bytes(32))
        assert early.keys.pending() is None
        arrive(other)
        arrive(early, "id-of-emil")
        arrive(early)
    assert is_whole(site.backup, DORA, "id-of-emil")


def test_a_writer_that_has_a_newer_keyring_than_there_is_asks_for_it_and_writes_nothing(site: Site) -> None:
    """Or it would give other keys the numbers of those that it has."""
    before = {file.name: file.read_bytes() for file in (site.backup / keys.DIRECTORY).iterdir()}
    with site.repository() as early:
        arrive(early)
        for file in (site.backup / keys.DIRECTORY).iterdir():
            file.unlink()
        for name, data in before.items():
            (site.backup / keys.DIRECTORY / name).write_bytes(data)
        seq = early.newest()
        with pytest.raises(Damaged, match="somebody has put an older one back"):
            early.writer()
        early.refresh()
        assert early.newest() == seq
    assert {file.name: file.read_bytes() for file in (site.backup / keys.DIRECTORY).iterdir()} == before


def _is_killed(run: Callable[[Path, int], int], path: Path, step: int) -> bool:
    try:
        run(path, step)
    except Interrupted:
        return True
    return False


def test_a_new_key_is_kept_before_the_commit_that_needs_it(site: Site) -> None:
    """Killed at every operation: what is committed can be read, what is not was never there."""
    def run(path: Path, end_at: int) -> int:
        files = FragileFiles(str(path), end_at)
        with site.repository(path) as known:
            info = known.info
        repository = Repository(files, info, masters=[MASTER])
        files.operations = 0
        try:
            arrive(repository)
        finally:
            repository.close()
        return files.operations

    seen, step, killed = set(), 0, True
    while killed:  # how many operations there are is not always the same: names of packs are random
        step += 1
        path = Path(shutil.copytree(site.backup, site.path / f"step-{step}"))
        killed = _is_killed(run, path, step)
        with site.repository(path) as repository:
            there = DORA in repository.scopes()
        seen.add((there, keyring.newest(FragileFiles(str(path)))))
        assert is_whole(path, *[DORA] * there)
        with site.repository(path) as repository:
            arrive(repository)
        assert is_whole(path, DORA)
        assert len(list((path / "keys").iterdir())) == 1
        shutil.rmtree(path)
    assert (False, 1) in seen and (False, 2) in seen and (True, 1) not in seen, "killed between the two as well"


def test_the_first_writer_may_be_killed_at_every_step(site: Site) -> None:
    def run(path: Path, end_at: int) -> int:
        files = FragileFiles(str(path), end_at)
        repository = Repository.open(str(path), masters=[MASTER])
        own = Repository(files, repository.info, masters=[MASTER])
        repository.close()
        files.operations = 0
        try:
            arrive(own)
        finally:
            own.close()
        return files.operations

    def make(name: str) -> Path:
        Repository.create(str(site.path / name), "server-id", masters=[MASTER]).close()
        return site.path / name

    step, killed = 0, True
    while killed:
        step += 1
        path = make(f"first-{step}")
        killed = _is_killed(run, path, step)
        with site.repository(path) as repository:
            arrive(repository)
        with site.repository(path) as repository:
            assert repository.scopes() == [DORA] and repository.damages() == []


def test_two_hosts_that_share_a_backup_path_are_stopped_by_the_keyring(site: Site) -> None:
    """Where locks do not work, as over some network file systems."""
    with site.repository() as one, site.repository() as other:
        ours, theirs = one.keys, other.keys
        assert ours is not None and theirs is not None
        ours.of_account(DORA, bytes(32))
        theirs.of_account("id-of-emil", bytes(32))
        one.keep_keys(ours.pending())
        with pytest.raises(Busy, match="two hosts must not share"):
            other.keep_keys(theirs.pending())


def test_two_hosts_with_a_copied_backup_path_go_their_own_ways_and_the_second_one_is_refused(site: Site) -> None:
    clone = site.copy(site.path.parent / "clone")
    clone.save("a", dataclasses.replace(
        clone.settings_of("a"), backup_volume=BackupVolume("local", str(site.archive_path)), witness_path="",
    ))
    for one, name in ((site, "dora"), (clone, "emil")):
        with one.store() as store:
            store.create_entry(Entry(f"id-of-{name}", kinds.ACCOUNT, f"{name}@example.com"))
    site.scan()
    with pytest.raises(Refused, match="another (writer|server)|is not the one"):
        clone.scan()
    with site.repository(site.archived) as repository:
        assert repository.damages() == [] and DORA in repository.scopes() and "id-of-emil" not in repository.scopes()


def test_an_upload_that_ends_between_keyring_and_commit_is_finished_by_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.repository() as repository:
        arrive(repository)
    real = type(site.archive).put_new

    def ends(archive: Any, name: str, data: bytes) -> bool:
        if name.startswith("commits/"):
            raise Interrupted
        return real(archive, name, data)

    with monkeypatch.context() as patched:
        patched.setattr(type(site.archive), "put_new", ends)
        with pytest.raises(Interrupted):
            site.scan()
    assert newest(site.archived, "keys").name == keys.name(2).rpartition("/")[2]
    with site.repository(site.archived) as repository:
        assert repository.damages() == [] and DORA not in repository.scopes()
    site.scan()
    with site.repository(site.archived) as repository:
        assert repository.damages() == []


# -- lost and damaged --------------------------------------------------------------------------------------------------


def harmed(site: Site, how: str) -> None:
    file = newest(site.backup, "keys")
    data = file.read_bytes()
    file.unlink()
    if how == "altered inside":
        record = json.loads(data)
        record["secret"] = record["secret"][:20] + ("A" if record["secret"][20] != "A" else "B") + record["secret"][21:]
        file.write_bytes(json.dumps(record, separators=(",", ":"), sort_keys=True).encode() + b"\n")
    elif how != "lost":
        file.write_bytes({"cut": data[:50], "empty": b"", "rubbish": b"\0" * 100}[how])


@pytest.mark.parametrize("how", ["lost", "cut", "empty", "rubbish", "altered inside"])
def test_a_keyring_that_is_gone_is_told_and_put_back_from_the_archive_by_a_check_with_fix(site: Site, how: str) -> None:
    with site.repository() as repository:
        before = told(repository, contents=True)
    harmed(site, how)
    with pytest.raises((Damaged, Refused), match="keyring|cannot be opened"):
        site.check()
    with pytest.raises((Damaged, Refused)):
        site.scan()
    done = site.check(fix=True)
    assert done["changed"] and done["coherent"], done
    with site.repository() as repository:
        assert told(repository, contents=True) == before
    assert not site.check(fix=True)["changed"]


def test_a_keyring_that_is_gone_on_both_sides_is_told(site: Site) -> None:
    shutil.rmtree(site.backup / "keys")
    shutil.rmtree(site.archived / "keys")
    with pytest.raises(Damaged, match="its keyring is gone"):
        site.check(fix=True)
    site.save("a", dataclasses.replace(site.settings_of("a"), backup_volume=BackupVolume()))
    with pytest.raises(Damaged, match="put it back from the archive or from a copy"):
        site.check(fix=True)


def test_a_damaged_keyring_that_is_newer_than_that_of_the_archive_is_named(site: Site) -> None:
    junk = site.backup / keys.name(999)
    junk.write_bytes(b"{}")
    with pytest.raises(Damaged, match=f"{junk.name}.* Move the damaged one away"):
        site.check(fix=True)
    junk.unlink()
    assert site.check(fix=True)["coherent"] and is_whole(site.backup)


def test_another_master_key_is_no_damage_and_nothing_is_put_right_with_it(site: Site) -> None:
    site.write_key(site.key, OTHER)
    before = newest(site.backup, "keys").read_bytes()
    for fix in (False, True):
        with pytest.raises(Refused, match="the master key is not the one"):
            site.check(fix=fix)
    assert newest(site.backup, "keys").read_bytes() == before


@pytest.mark.parametrize("in_archive", [True, False])
def test_a_lost_format_file_is_made_again_as_that_of_an_encrypted_backup(site: Site, in_archive: bool) -> None:
    before = (site.backup / "format.json").read_bytes()
    (site.backup / "format.json").unlink()
    if not in_archive:
        site.save("a", dataclasses.replace(site.settings_of("a"), backup_volume=BackupVolume(), witness_path=""))
    done = site.check(fix=True)
    assert done["changed"] and done["coherent"]
    assert (site.backup / "format.json").read_bytes() == before
    assert is_whole(site.backup)


def pack_of(site: Site, content: bytes) -> str:
    with site.repository() as repository:
        return packs.file_name(repository.locate([digest(content)])[digest(content)].pack)


@pytest.mark.parametrize("kind", [packs.METADATA, packs.BLOBS])
def test_a_lost_pack_is_fetched_from_the_archive(site: Site, kind: str) -> None:
    with site.repository() as repository:
        before = told(repository, contents=True)
        name = next(packs.file_name(pack.name) for pack in repository.packs() if pack.kind == kind)
    (site.backup / name).unlink()
    done = site.check(fix=True)
    assert done["changed"] and done["coherent"], done["report"]
    with site.repository() as repository:
        assert told(repository, contents=True) == before
    assert is_whole(site.backup)


def test_of_a_blob_pack_that_is_lost_on_both_sides_the_next_scan_brings_what_the_mail_server_has(site: Site) -> None:
    name = pack_of(site, SHARED)
    for path in (site.backup, site.archived):
        (path / name).unlink()
    assert site.check(fix=True)["changed"]
    site.scan()
    assert is_whole(site.backup)
    with site.repository(site.archived) as repository:
        assert repository.read_blob(digest(SHARED)) == SHARED


def test_of_a_metadata_pack_that_is_lost_on_both_sides_the_catalogue_saves_what_it_knows(site: Site) -> None:
    with site.repository() as repository:
        before = told(repository)
        name = next(packs.file_name(pack.name) for pack in repository.packs() if pack.kind == packs.METADATA)
    for path in (site.backup, site.archived):
        (path / name).unlink()
    assert site.check(fix=True)["changed"]
    with site.repository() as repository:
        after = told(repository)
        assert {scope: after[scope] for scope in ADDRESS} == {scope: before[scope] for scope in ADDRESS}
    assert is_whole(site.backup)
    assert site.retrieve()["warnings"] == []


def test_what_is_salvaged_from_a_damaged_blob_pack_stays_readable(site: Site) -> None:
    """One frame of two is altered, on both sides: the other one is written anew, encrypted."""
    content = b"Subject: beside\r\n\r\nbeside another one\r\n" * 5
    with site.repository() as repository, repository.writer() as writer:
        beside = [writer.put_blob(one) for one in (content, content[::-1])]
        for number, one in enumerate(beside):
            writer.append(ANNA, str(900 + number), kinds.MESSAGE, ItemState(
                str(900 + number), kinds.MESSAGE, "2", size=len(content), digest=one,
            ))
        writer.commit()
    with site.repository() as repository:
        place = repository.locate(beside)[beside[0]]
    file = site.backup / packs.file_name(place.pack)
    data = bytearray(file.read_bytes())
    data[place.offset + place.length - 1] ^= 1
    file.write_bytes(data)
    site.save("a", dataclasses.replace(site.settings_of("a"), backup_volume=BackupVolume(), witness_path=""))
    done = site.check(fix=True)
    assert done["changed"] and done["report"]["lost_contents"] == 1
    with site.repository() as repository:
        assert repository.read_blob(beside[1]) == content[::-1]
        with pytest.raises((Damaged, NotFound)):
            repository.read_blob(beside[0])


# -- another master key ------------------------------------------------------------------------------------------------


def change(site: Site, dry_run: bool = False) -> dict[str, Any]:
    site.write_key(site.path / "other.key", OTHER)
    return encryption.change_master_key(site.node(), {"encryption_key_file": str(site.path / "other.key")}, dry_run)


def test_another_master_key_opens_everything_from_then_on_and_the_former_one_nothing(site: Site) -> None:
    packs_before = sorted(file.name for file in (site.backup / "packs").rglob("*"))
    done = change(site)
    assert done["changed"] and done["warnings"] == []
    assert MASTER.hex() not in str(done) and OTHER.hex() not in str(done)
    assert site.node().settings.encryption_key_file == str(site.path / "other.key")
    for path in (site.backup, site.archived):
        with site.repository(path, OTHER) as repository:
            assert repository.damages() == [] and repository.read_blob(digest(SHARED)) == SHARED
        with pytest.raises(Refused, match="the master key is not the one"):
            Repository.open(str(path), masters=[MASTER])
        assert len(list((path / "keys").iterdir())) == 1
    assert sorted(file.name for file in (site.backup / "packs").rglob("*")) == packs_before, "nothing else is written"
    assert not change(site)["changed"]
    site.mail(ANNA, b"Subject: after\r\n\r\nthe change\r\n")


def test_a_dry_run_says_what_would_change_and_changes_nothing(site: Site) -> None:
    before = newest(site.backup, "keys").read_bytes()
    done = change(site, dry_run=True)
    assert done["changed"] and done["diff"]["before"] != done["diff"]["after"] and "operation_id" not in done
    assert newest(site.backup, "keys").read_bytes() == before and is_whole(site.backup)
    assert site.node().settings.encryption_key_file == str(site.key)


def test_a_change_that_is_killed_before_the_settings_are_written_is_finished_by_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*_unused: object) -> None:
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(settings_file, "save", ends)
        with pytest.raises(Interrupted):
            change(site)
    with pytest.raises(Refused, match="the master key is not the one"):
        site.scan()
    assert change(site, dry_run=True)["changed"]
    assert change(site)["changed"] and not change(site)["changed"]
    site.mail(ANNA, b"Subject: after\r\n\r\nthe change\r\n")
    with site.repository(site.archived, OTHER) as repository:
        assert repository.damages() == []


def test_an_archive_that_takes_no_keyring_is_told_and_made_up_for_by_the_same_once_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_unused: object) -> None:
        raise Refused("no permission")

    with monkeypatch.context() as patched:
        patched.setattr(type(site.archive), "put_new", refuse)
        assert "still has the former keyring" in str(change(site)["warnings"])
    with site.repository(site.archived) as there:
        assert there.damages() == [], "there it is the former one that opens it"
    assert change(site, dry_run=True)["changed"]
    again = change(site)
    assert again["changed"] and again["warnings"] == [] and not change(site)["changed"]
    with site.repository(site.archived, OTHER) as there:
        assert there.damages() == []
    with pytest.raises(Refused, match="the master key is not the one"):
        Repository.open(str(site.archived), masters=[MASTER])


def test_a_former_keyring_that_the_archive_keeps_is_told_each_time_and_no_change(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a bucket that locks files."""
    def refuse(*_unused: object) -> None:
        raise Refused("locked for now")

    with monkeypatch.context() as patched:
        patched.setattr(DirectoryArchive, "erase", refuse)
        assert change(site)["changed"]
        again = change(site)
        assert not again["changed"] and "keeps a former keyring" in str(again["warnings"])
    done = change(site)
    assert done["changed"] and done["warnings"] == []
    assert not change(site)["changed"]


def test_a_change_with_the_wrong_former_key_or_no_new_one_is_refused(site: Site) -> None:
    node = site.node()
    with pytest.raises(NotFound, match="does not exist"):
        encryption.change_master_key(node, {"encryption_key_file": "/nowhere/key"})
    with pytest.raises(InvalidInput, match="Say where"):
        encryption.change_master_key(node, {})
    site.write_key(site.key, bytes(32))
    with pytest.raises(Refused, match="the master key is not the one"):
        change(site)
    site.write_key(site.key, MASTER)
    assert is_whole(site.backup)


def test_a_change_needs_an_encrypted_backup(site: Site) -> None:
    node = Node(site.node().config_file, dataclasses.replace(site.settings_of("a"), backup_path=str(site.path / "no")))
    site.write_key(site.path / "other.key", OTHER)
    with pytest.raises(NotABackup, match="backup_config"):
        encryption.change_master_key(node, {"encryption_key_file": str(site.path / "other.key")})


def test_a_writer_that_was_open_under_the_former_master_key_is_refused_and_harms_nothing(site: Site) -> None:
    with site.repository() as early:
        change(site)
        with pytest.raises(Refused, match="the master key is not the one"):
            arrive(early)
    with site.repository(site.backup, OTHER) as repository:
        assert repository.damages() == [] and DORA not in repository.scopes()
