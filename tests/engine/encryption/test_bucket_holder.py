# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who has the keys of the bucket, and not the master key, can destroy a backup; nothing that they put there is taken
for it, and what is gone is told."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, frames, keys, packs
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    Damaged,
    Refused,
    RestanteError,
    Unavailable,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import recovery
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume

from tests.engine.encryption.encryption_kit import (
    ADDRESS,
    ANNA,
    CARL,
    MASTER,
    OWN,
    SHARED,
    Site,
    digest,
    newest,
    restored,
    snapshot,
    told,
)

MORE = [b"Subject: %d\r\n\r\n" % number + b"more and more " * 9 for number in range(3)]


@pytest.fixture(scope="module")
def made_to_grow(made: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = made.copy(tmp_path_factory.mktemp("grown") / "site")
    site.mail(ANNA, *MORE)
    return site


@pytest.fixture
def grown(made_to_grow: Site, tmp_path: Path) -> Site:
    """With some more commits."""
    return made_to_grow.copy(tmp_path / "site")


OTHER_MAIL = b"Subject: other\r\n\r\nin the other backup\r\n"


def another(site: Site, path: Path) -> Path:
    """Return the archive of another backup of the same server, under the same master key, with other mail."""
    path.mkdir()
    before = site.settings_of("a")
    site.save("a", dataclasses.replace(
        before, backup_path=str(path / "backup"), backup_volume=BackupVolume("local", str(path)), witness_path="",
    ))
    for _time in range(6):
        site.mail(CARL, OTHER_MAIL)
    site.save("a", before)
    return next(one for one in path.iterdir() if one.name != "backup")


def outcome(site: Site) -> dict[str, Any] | str:
    """Return what a retrieval by node b has told, with all that can be read then; or why it was refused."""
    try:
        report = site.retrieve()
    except RestanteError as error:
        return str(error)
    with site.repository(site.retrieved) as repository:
        return {"warnings": report["warnings"], **told(repository)}


def truth(site: Site) -> dict[str, Any]:
    with site.repository() as repository:
        return told(repository)


def is_part_of(found: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Return whether all that a backup says of accounts is in what another one says: nothing is new, nothing other."""
    return all(
        all(one in whole[scope].get(item, ()) for one in history)
        for scope in ADDRESS if scope in found for item, history in found[scope].items()
    )


def commit_file(site: Site, back: int = 0) -> Path:
    return sorted((site.archived / "commits").iterdir())[-1 - back]


# -- commits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("target", "source"), [(0, 1), (0, 2), (1, 0), (2, 1)])
def test_a_commit_under_the_number_of_another_is_told_and_not_taken(grown: Site, target: int, source: int) -> None:
    """Or a backup could be put back to an older state under the newest number."""
    shutil.copyfile(commit_file(grown, source), commit_file(grown, target))
    found = outcome(grown)
    assert isinstance(found, dict) and commit_file(grown, target).name in str(found["warnings"])
    assert is_part_of(found, truth(grown))


def test_a_commit_of_another_backup_is_told_and_not_taken(grown: Site, tmp_path: Path) -> None:
    other = another(grown, tmp_path / "other")
    name = commit_file(grown).name
    shutil.copyfile(other / "commits" / name, commit_file(grown))
    found = outcome(grown)
    assert isinstance(found, dict) and name in str(found["warnings"])
    assert is_part_of(found, truth(grown)) and digest(OTHER_MAIL) not in str(found)


@pytest.mark.parametrize("back", [0, 1])
def test_a_plain_commit_of_ones_own_making_is_told_and_not_taken(grown: Site, back: int) -> None:
    """One that takes all accounts out of the backup, say."""
    with grown.repository() as repository:
        head = repository.head()
    assert head is not None
    seq = head.seq - back
    forged = commits.encode(head._replace(seq=seq, heads={}, packs=(), full=True, checkpoint=seq))
    commit_file(grown, back).write_bytes(forged)
    found = outcome(grown)
    assert isinstance(found, dict) and "no commit that was sealed with the keys" in str(found["warnings"])
    assert ANNA in found and CARL in found and is_part_of(found, truth(grown))


def test_no_altered_byte_of_a_commit_is_taken(grown: Site) -> None:
    whole = commit_file(grown).read_bytes()
    for place in range(0, len(whole), 37):
        commit_file(grown).write_bytes(whole[:place] + bytes((whole[place] ^ 1,)) + whole[place + 1:])
        found = outcome(grown)
        assert isinstance(found, dict) and commit_file(grown).name in str(found["warnings"])
    commit_file(grown).write_bytes(whole + b"more")
    assert "put behind it" in str(outcome(grown))


def test_an_altered_commit_is_told_by_the_next_upload_too(grown: Site) -> None:
    data = commit_file(grown).read_bytes()
    commit_file(grown).write_bytes(data[:-1] + bytes((data[-1] ^ 1,)))
    with pytest.raises(Refused, match="is not the one in"):
        grown.mail(ANNA, b"Subject: next\r\n\r\nand so on\r\n")


# -- putting it back to an older state ---------------------------------------------------------------------------------


def test_an_older_state_is_refused_with_the_witness(grown: Site) -> None:
    for _time in range(2):
        commit_file(grown).unlink()
        with pytest.raises(Refused, match="was put back to an older state"):
            grown.retrieve(witness=True)
    assert not list(grown.retrieved.glob("commits/*")), "and nothing of it was taken"
    assert grown.retrieve()["warnings"] == [], "without one nothing tells it from a backup that ended then"


def test_another_commit_under_the_newest_number_is_refused_with_the_witness(grown: Site) -> None:
    """As the one that another writer with the same keys made: a clone of the node, started by somebody."""
    shutil.copyfile(commit_file(grown, 1), commit_file(grown))
    with pytest.raises(Refused, match="is not the one that was there"):
        grown.retrieve(witness=True)


def test_an_older_state_is_told_and_put_right_by_the_next_upload(site: Site) -> None:
    before = snapshot(site.archived)
    site.mail(ANNA, *MORE)
    restored(site.archived, before)
    done = site.scan()
    assert "3 commits that were not there any more" in str(done["warnings"])
    assert outcome(site) == {"warnings": [], **truth(site)}
    assert site.scan()["warnings"] == []


def test_what_the_archive_has_lost_is_told_also_when_the_first_upload_fails(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(site.archived)
    site.mail(ANNA, *MORE)
    restored(site.archived, before)
    put_file, answers = DirectoryArchive.put_file, iter([False])

    def put(self: DirectoryArchive, *arguments: Any) -> None:
        if next(answers, True):
            return put_file(self, *arguments)
        raise Unavailable("the store does not answer")

    monkeypatch.setattr(DirectoryArchive, "put_file", put)
    with site.repository() as repository:
        uploader = site.node().uploader(repository, site.archive)
        with pytest.raises(Unavailable):
            uploader.sync()
        assert "3 commits that were not there any more" in str(uploader.sync().warnings)
        assert uploader.sync().warnings == ()


def test_an_emptied_archive_is_told_and_filled_again(grown: Site) -> None:
    restored(grown.archived, {})
    assert "not there any more" in str(grown.scan()["warnings"])
    assert outcome(grown) == {"warnings": [], **truth(grown)}


# -- keyrings ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_former(site: Site) -> tuple[Site, dict[str, bytes]]:
    """With what the archive held before an account came, and its keyring with it."""
    before = snapshot(site.archived)
    with site.store() as store:
        store.create_entry(Entry("id-of-dora", kinds.ACCOUNT, "dora@example.com"))
    site.scan()
    return site, before


def test_a_former_keyring_under_its_own_number_leaves_the_newest_in_force(
    with_former: tuple[Site, dict[str, bytes]]
) -> None:
    site, before = with_former
    for name in before:
        if name.startswith("keys/"):
            (site.archived / name).write_bytes(before[name])
    assert outcome(site) == {"warnings": [], **truth(site)}


def test_a_former_keyring_in_the_place_of_the_newest_is_refused(with_former: tuple[Site, dict[str, bytes]]) -> None:
    site, before = with_former
    former = next(data for name, data in before.items() if name.startswith("keys/"))
    newest(site.archived, "keys").write_bytes(former)
    assert "under another name" in str(outcome(site))


def test_a_former_keyring_alone_is_told_by_the_commit_that_names_a_newer_one(
    with_former: tuple[Site, dict[str, bytes]]
) -> None:
    site, before = with_former
    newest(site.archived, "keys").unlink()
    for name in before:
        if name.startswith("keys/"):
            (site.archived / name).write_bytes(before[name])
    [warning] = site.retrieve()["warnings"]
    assert "somebody has put an older keyring back" in warning
    with site.repository(site.retrieved) as repository:
        assert is_part_of(told(repository), truth(site))


def test_a_keyring_that_is_not_the_own_stops_the_next_upload(grown: Site) -> None:
    file = newest(grown.archived, "keys")
    data = file.read_bytes()
    file.write_bytes(data.replace(b'"keys":"', b'"keys":"A'))
    with pytest.raises(Refused, match="The keyring 1 in .* is not the one in"):
        grown.scan()


def test_the_keyring_of_another_backup_is_refused(grown: Site, tmp_path: Path) -> None:
    other = another(grown, tmp_path / "other")
    shutil.copyfile(newest(other, "keys"), newest(grown.archived, "keys"))
    assert "keyring of another backup" in str(outcome(grown))


@pytest.mark.parametrize("data", [b"", b"{}", b"rubbish", b"[" * 100_000])
@pytest.mark.parametrize("numbers", [[9], [10**20 - 1, 9, 10**19]])
def test_rubbish_under_a_later_number_is_told_by_name_and_the_keyring_before_it_opens_all(
    grown: Site, data: bytes, numbers: list[int]
) -> None:
    """Nobody can lock the owner out with one more file."""
    files = [grown.archived / keys.name(number) for number in sorted(numbers, reverse=True)]
    for file in files:
        file.write_bytes(data)
    found = outcome(grown)
    assert isinstance(found, dict), found
    assert {**found, "warnings": []} == {"warnings": [], **truth(grown)}
    assert [file.name in warning for file, warning in zip(files, found["warnings"], strict=True)] == [True] * len(files)
    for file in files:
        file.unlink()
    assert outcome(grown) == {"warnings": [], **truth(grown)}, "and once it is away nothing of it has stayed"


def test_a_keyring_of_ones_own_making_under_a_later_number_is_told_and_not_taken(grown: Site) -> None:
    ring = keys.new_ring(keys.identity_of(newest(grown.archived, "keys").read_bytes(), ""))._replace(number=9)
    (grown.archived / keys.name(9)).write_bytes(keys.encode(ring, b"x" * 32))
    found = outcome(grown)
    assert isinstance(found, dict), found
    assert "cannot be opened" in str(found["warnings"])
    assert {**found, "warnings": []} == {"warnings": [], **truth(grown)}


def test_a_former_keyring_behind_rubbish_is_not_put_in_the_place_of_a_lost_one(
    with_former: tuple[Site, dict[str, bytes]]
) -> None:
    """What the newest commit cannot be read with was not the newest: nothing is given up for want of that."""
    site, before = with_former
    newest(site.archived, "keys").write_bytes(b"rubbish")
    for name in before:
        if name.startswith("keys/"):
            (site.archived / name).write_bytes(before[name])
    newest(site.backup, "keys").unlink()
    with pytest.raises(Damaged, match="is cut short or altered"):
        site.check(fix=True)
    assert list((site.backup / "keys").iterdir()) == []


@pytest.mark.parametrize("name", [
    f"keys/deeper/{9:020}.json", "keys/" + "\u0660" * 19 + "\u0669.json", "keys/9.json", f"commits/deeper/{1:020}.json",
    "commits/" + "\u0660" * 19 + "\u0661.json", f"commits/{1:020}.json.bak", "zzz", f"packs/zz/{1:020}.json",
])
def test_files_with_strange_names_hold_up_nothing(grown: Site, name: str) -> None:
    """None of them is what it looks like, and a search for the newest ends all the same."""
    (grown.archived / name).parent.mkdir(parents=True, exist_ok=True)
    (grown.archived / name).write_bytes(b"{}")
    assert outcome(grown) == {"warnings": [], **truth(grown)}


def test_a_lost_keyring_is_told(grown: Site) -> None:
    newest(grown.archived, "keys").unlink()
    assert "its keyring is gone" in str(outcome(grown))


# -- format.json and plain backups -------------------------------------------------------------------------------------


def test_a_plain_backup_in_its_place_is_refused(site: Site, tmp_path: Path) -> None:
    """A downgrade: it holds what somebody wants the new server to have."""
    before = site.settings_of("a")
    site.save("a", dataclasses.replace(
        before, encryption_key_file="", backup_path=str(tmp_path / "plain"), witness_path="",
        backup_volume=BackupVolume("local", str(tmp_path)),
    ))
    site.scan()
    plain = next(one for one in tmp_path.iterdir() if one.name not in ("plain", "site"))
    archived = site.archived
    restored(archived, snapshot(plain))
    assert "somebody may have put it there" in str(outcome(site))
    with pytest.raises(Refused, match="somebody may have put it there"):
        recovery.restore(site.node("b"), str(archived), ExternalOptions())


def test_a_format_file_that_says_nothing_is_encrypted_is_refused(grown: Site) -> None:
    file = grown.archived / "format.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "features": []}))
    assert "somebody may have put it there" in str(outcome(grown))


@pytest.mark.parametrize("field", ["repository", "server", "created"])
def test_a_format_file_of_another_backup_is_refused(grown: Site, field: str) -> None:
    file = grown.archived / "format.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, field: 5 if field == "created" else "another"}))
    assert "keyring of another backup" in str(outcome(grown))


# -- packs and frames --------------------------------------------------------------------------------------------------


def packs_of(site: Site, kind: str) -> list[Path]:
    with site.repository() as repository:
        return [site.archived / packs.file_name(pack.name) for pack in repository.packs() if pack.kind == kind]


def frames_of(path: Path) -> list[tuple[int, bytes]]:
    data = path.read_bytes()
    return [(offset, data[offset: offset + head.length]) for offset, head in frames.scan(data)]


def swap_packs(site: Site, kind: str, _tmp_path: Path) -> None:
    one, other, *_rest = packs_of(site, kind)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def swap_frames(site: Site, kind: str, _tmp_path: Path) -> None:
    """Put a frame into the place of one in another pack, as far as there is room."""
    one, other, *_rest = packs_of(site, kind)
    (at, frame), (_at, foreign) = frames_of(one)[0], frames_of(other)[0]
    data = one.read_bytes()
    one.write_bytes(data[:at] + foreign[: len(frame)].ljust(len(frame), b"\0") + data[at + len(frame):])


def from_another(site: Site, kind: str, tmp_path: Path) -> None:
    other = another(site, tmp_path / "other")
    files = sorted((file for file in other.rglob("*") if file.is_file() and "packs" in str(file)), key=str)
    for pack in packs_of(site, kind):
        pack.write_bytes(files[0].read_bytes())


def plain_frames(site: Site, kind: str, _tmp_path: Path) -> None:
    """Put in frames that are not encrypted, under the names of those that were there."""
    for pack in packs_of(site, kind):
        data = bytearray(pack.read_bytes())
        for at, frame in frames_of(pack):
            plain = frames.encode(frames.header(frame).kind, b"forged mail", frames.header(frame).digest)
            data[at: at + len(plain)] = plain
        pack.write_bytes(data)


@pytest.mark.parametrize("harm", [swap_packs, swap_frames, from_another, plain_frames])
@pytest.mark.parametrize("kind", [packs.METADATA, packs.BLOBS])
def test_no_other_pack_or_frame_is_taken_for_the_one_that_was_there(
    grown: Site, tmp_path: Path, kind: str, harm: Callable[[Site, str, Path], None]
) -> None:
    expected = truth(grown)
    harm(grown, kind, tmp_path)
    found = outcome(grown)
    assert isinstance(found, dict) and is_part_of(found, expected)
    if kind == packs.METADATA:
        assert "packs/" in str(found["warnings"])
        return
    unreadable = 0
    with grown.repository(grown.archived) as repository:
        for content in (SHARED, *OWN.values(), *MORE):
            try:
                assert repository.read_blob(digest(content)) == content
            except (Damaged, RestanteError):
                unreadable += 1
    assert unreadable
    done = recovery.restore(grown.node("b"), str(grown.archived), ExternalOptions())
    assert len(done["unrestored_items"]) >= unreadable
    assert b"forged" not in b"".join(snapshot(grown.path / "b" / "store").values())


def test_the_witness_tells_nothing_of_the_mail_and_no_key(grown: Site) -> None:
    said = grown.witness.read_bytes()
    assert set(json.loads(said)) == {"archive", "hash", "repository", "seq", "server"}
    assert MASTER.hex().encode() not in said


def test_the_archive_of_a_copied_backup_path_is_not_written_to_by_both(grown: Site) -> None:
    """A clone of the node, which has all its keys: its commits are valid, and the second writer is refused."""
    clone = grown.copy(grown.path.parent / "clone")
    clone.save("a", dataclasses.replace(
        clone.settings_of("a"), backup_volume=BackupVolume("local", str(grown.archive_path)), witness_path="",
    ))
    grown.mail(ANNA, b"Subject: here\r\n\r\nhere\r\n")
    with pytest.raises(Refused, match=r"another (writer|server)|is not the one"):
        clone.mail(ANNA, b"Subject: there\r\n\r\nthere\r\n")
    assert outcome(grown) == {"warnings": [], **truth(grown)}
