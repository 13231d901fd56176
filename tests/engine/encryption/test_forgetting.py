# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A forgotten account: nothing says anything of it any more, whatever copies there are; what others have they keep."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import frames, keyring, keys, packs, sealing
from ansible_collections.restante.carbonio.plugins.module_utils.backup.keys import Ring
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care.forgetting import Candidate, forget
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    Damaged,
    InvalidInput,
    NotFound,
    Refused,
    RestanteError,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ACCOUNT_ITEM, Entry
from ansible_collections.restante.carbonio.plugins.module_utils.restore.copy_source import CopyOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import (
    accounts,
    care,
    encryption,
    inspection,
    recovery,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume

from tests.engine.backup.fragile import FragileFiles, Interrupted
from tests.engine.encryption.encryption_kit import (
    ADDRESS,
    ANNA,
    CARL,
    INBOX,
    MASTER,
    OF_CARL,
    OWN,
    SHARED,
    Site,
    digest,
    later,
    newest,
    readable,
    rows,
    snapshot,
    tells,
    told,
    write,
)

BEFORE_ITS_OWN = 3
"""How many operations on files there are at least before the account is out of reach."""


@pytest.fixture(scope="module")
def made_to_leave(made: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = made.copy(tmp_path_factory.mktemp("left") / "site")
    site.delete()
    return site


@pytest.fixture
def left(made_to_leave: Site, tmp_path: Path) -> Site:
    """With Carl's account deleted on the mail server."""
    return made_to_leave.copy(tmp_path / "site")


@pytest.fixture(scope="module")
def made_to_forget(made_to_leave: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = made_to_leave.copy(tmp_path_factory.mktemp("forgotten") / "site")
    done = encryption.forget_accounts(site.node(), [ADDRESS[CARL]])
    assert done["changed"] and done["warnings"] == []
    assert done["accounts"] == [{"name": ADDRESS[CARL], "id": CARL}]
    return site


@pytest.fixture
def forgotten(made_to_forget: Site, tmp_path: Path) -> Site:
    """With Carl forgotten."""
    return made_to_forget.copy(tmp_path / "forgotten")


def knows_nothing(repository: Repository) -> bool:
    """Check that a backup says nothing of Carl, and all of Anna."""
    assert repository.damages() == []
    assert repository.scopes() == [ANNA]
    assert list(repository.states(CARL, deleted=True)) == []
    assert list(repository.history(CARL, ACCOUNT_ITEM)) == []
    assert repository.state(CARL, ACCOUNT_ITEM) is None and repository.entry(CARL, ACCOUNT_ITEM) is None
    assert [one.scope for one in repository.entries(kinds.ACCOUNT, deleted=True)] == [ANNA]
    assert repository.token(CARL) == "" and CARL not in repository.catalogue.heads()
    assert list(repository.states(ANNA))
    return True


# -- nothing is said ---------------------------------------------------------------------------------------------------


def test_the_backup_says_nothing_of_it_and_all_of_the_others(left: Site, forgotten: Site) -> None:
    with left.repository() as repository:
        before = told(repository, contents=True)
    with forgotten.repository() as repository:
        assert knows_nothing(repository)
        after = told(repository, contents=True)
    assert after[ANNA] == before[ANNA]
    assert after[digest(SHARED)] == SHARED and after[digest(OWN[ANNA])] == OWN[ANNA]
    assert digest(OWN[CARL]) not in after and before[digest(OWN[CARL])] == OWN[CARL]


def test_nor_does_a_catalogue_that_is_made_anew(forgotten: Site) -> None:
    with forgotten.repository() as repository:
        before = told(repository, contents=True)
    forgotten.without_catalogue()
    with forgotten.repository() as repository:
        assert knows_nothing(repository) and told(repository, contents=True) == before
        repository.rebuild()
        assert knows_nothing(repository) and told(repository, contents=True) == before


def test_the_file_of_the_catalogue_has_no_trace_of_it(left: Site, forgotten: Site) -> None:
    assert tells(left.backup, [b"carl", CARL.encode()]) == {"catalog.sqlite"}
    assert tells(forgotten.backup, OF_CARL) == set()
    assert "carl" not in rows(forgotten.backup / "catalog.sqlite").lower()
    contents = [digest(OWN[CARL]).encode(), bytes.fromhex(digest(OWN[CARL]))]
    assert tells(forgotten.backup, contents) == set()


def test_searches_and_restores_know_no_such_account(forgotten: Site) -> None:
    node = forgotten.node()
    for act in (
        lambda: accounts.restore_account(node, ADDRESS[CARL], options=CopyOptions()),
        lambda: accounts.restore_account(node, CARL, options=CopyOptions()),
        lambda: accounts.restore_on_new_account(node, ADDRESS[CARL], "new@example.com", options=CopyOptions()),
        lambda: care.set_hold(node, [ADDRESS[CARL]], True),
        lambda: inspection.item(node, ADDRESS[CARL], "258"),
    ):
        with pytest.raises((NotFound, InvalidInput)):
            act()
    assert [row["name"] for row in care.holds(node)] == [ADDRESS[ANNA]]


def test_an_external_restore_brings_back_the_others_alone(forgotten: Site) -> None:
    assert forgotten.retrieve(witness=True)["warnings"] == []
    with forgotten.repository(forgotten.retrieved) as repository:
        assert knows_nothing(repository)
    done = recovery.restore(forgotten.node("b"), str(forgotten.archived), ExternalOptions())
    assert done["unrestored_items"] == []
    with forgotten.store("b") as store:
        assert [entry.name for entry in store.entries(kinds.ACCOUNT)] == [ADDRESS[ANNA]]
    assert tells(forgotten.path / "b", OF_CARL) == set()
    assert recovery.prove(forgotten.node("b"), str(forgotten.archived)).passed


@pytest.mark.parametrize("fix", [False, True])
def test_a_check_finds_nothing_amiss(forgotten: Site, fix: bool) -> None:
    for _time in range(2):
        done = forgotten.check(fix=fix, archive="contents")
        assert done["coherent"] and not done["changed"] and done["warnings"] == [], done
    with forgotten.repository() as repository:
        assert knows_nothing(repository)


# -- nor can it be found out -------------------------------------------------------------------------------------------


NEVER = (OWN[CARL], ADDRESS[CARL].encode(), b"Canary-Carl", b"Canary-carl", digest(OWN[CARL]).encode())
"""Its id alone is in former commits; docs/security.md says so."""


def all_secrets(ring: Ring) -> list[bytes]:
    """Return whatever can be made of a keyring without knowing a content."""
    purposes = [b"", b"names", b"contents", b"key id", b"repository", b"keyring"]
    roots = [ring.secret, *(key.secret for key in ring.accounts.values())]
    derived = [sealing.derive(root, purpose) for root in roots for purpose in purposes]
    known = [bytes.fromhex(digest(one)) for one in (SHARED, OWN[ANNA])]
    return [*roots, *derived, *(sealing.derive(one, raw) for one in derived for raw in known)]


def opened_frames(path: Path, ring: Ring) -> set[int]:
    """Return the kinds of the frames under a directory that can be opened with all that a keyring gives."""
    found = set()
    for file in path.rglob("*"):
        if not file.is_file() or "catalog" in file.name:
            continue
        data = file.read_bytes()
        for offset, head in frames.scan(data):
            for secret in all_secrets(ring):
                body = data[offset + frames.HEADER_SIZE: offset + head.length]
                try:
                    plain = sealing.unseal(
                        secret, head.nonce[: sealing.NONCE_SIZE], body, data[offset: offset + frames.HEADER_SIZE - 4]
                    )
                except Damaged:
                    continue
                found.add(head.kind)
                assert not any(word in text for text in readable(plain) for word in NEVER)
    return found


def test_all_secrets_that_are_left_open_nothing_of_it(left: Site, forgotten: Site) -> None:
    """Also not in a copy of the packs that somebody has kept from before."""
    with forgotten.repository() as repository:
        assert repository.keys is not None
        ring = repository.keys.ring
    kept = left.path / "kept"
    shutil.copytree(left.archived / "packs", kept)
    for path in (forgotten.backup, forgotten.archived, kept):
        assert {frames.SEGMENT, frames.INDEX, frames.BLOB} <= opened_frames(path, ring), "the others' can be read"


def test_the_former_keyring_is_gone_on_both_sides(left: Site, forgotten: Site) -> None:
    former = {name: data for name, data in snapshot(left.backup).items() if name.startswith("keys/")}
    for path in (forgotten.backup, forgotten.archived):
        assert not set(former) & set(snapshot(path))
        assert len(list((path / "keys").iterdir())) == 1
    (name, data), = former.items()
    ring = keys.parse(data, [MASTER], name)[0]
    assert not tells(forgotten.path, [ring.accounts[CARL].secret, ring.accounts[CARL].secret.hex().encode()])


def test_who_kept_the_former_keyring_and_has_the_master_key_can_read_it(left: Site, forgotten: Site) -> None:
    """What the documentation says is true: only the key is destroyed, and a copy of it is a copy."""
    shutil.rmtree(forgotten.archived / "keys")
    shutil.copytree(left.archived / "keys", forgotten.archived / "keys")
    with forgotten.repository(forgotten.archived) as repository:
        assert repository.read_blob(digest(OWN[CARL])) == OWN[CARL]


# -- what is refused ---------------------------------------------------------------------------------------------------


def unchanged(site: Site, names: Collection[str], error: type[RestanteError], says: str) -> None:
    """Check that accounts are not forgotten, and nothing has changed."""
    before = {name: data for name, data in snapshot(site.backup).items() if "catalog" not in name}
    for dry_run in (True, False):
        with pytest.raises(error, match=says):
            encryption.forget_accounts(site.node(), list(names), dry_run=dry_run)
    after = {name: data for name, data in snapshot(site.backup).items() if "catalog" not in name}
    assert after == before


def test_an_account_that_is_there_is_refused(site: Site) -> None:
    unchanged(site, [ADDRESS[CARL]], Refused, "is still there")


def test_an_account_on_hold_is_refused_also_beside_another_one(left: Site) -> None:
    care.set_hold(left.node(), [CARL], True)
    unchanged(left, [CARL], Refused, "legal hold")
    care.set_hold(left.node(), [CARL], False)
    assert encryption.forget_accounts(left.node(), [CARL])["changed"]


def test_one_that_must_not_be_forgotten_saves_all_that_are_named(left: Site) -> None:
    unchanged(left, [ADDRESS[CARL], ADDRESS[ANNA]], Refused, "is still there")


@pytest.mark.parametrize(("names", "error", "says"), [
    (["nobody@example.com"], NotFound, "no account"), ([ADDRESS[CARL], "nobody@example.com"], NotFound, "no account"),
    (["all"], InvalidInput, "one by one"), ([], InvalidInput, "Name the accounts"), ([""], NotFound, "no account"),
])
def test_names_that_mean_none_or_all_are_refused(
    left: Site, names: list[str], error: type[RestanteError], says: str
) -> None:
    unchanged(left, names, error, says)


def test_a_plain_backup_cannot_forget(site: Site) -> None:
    site.save("a", dataclasses.replace(
        site.settings_of("a"), encryption_key_file="", backup_path=str(site.path / "plain"),
        backup_volume=BackupVolume(), witness_path="",
    ))
    site.scan()
    with pytest.raises(InvalidInput, match="is not encrypted"):
        encryption.forget_accounts(site.node(), [ADDRESS[CARL]])


# -- once and again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [ADDRESS[CARL], ADDRESS[CARL].upper(), CARL])
def test_what_is_forgotten_already_is_no_change_by_whatever_name(forgotten: Site, name: str) -> None:
    before = snapshot(forgotten.archived)
    for dry_run in (True, False):
        done = encryption.forget_accounts(forgotten.node(), [name], dry_run=dry_run)
        assert not done["changed"] and done["accounts"] == [] and "operation_id" not in done
    assert snapshot(forgotten.archived) == before


def test_a_dry_run_says_what_would_be_forgotten_and_forgets_nothing(left: Site) -> None:
    before = snapshot(left.archived)
    done = encryption.forget_accounts(left.node(), [ADDRESS[CARL]], dry_run=True)
    assert done["changed"] and done["accounts"] == [{"name": ADDRESS[CARL], "id": CARL}]
    assert ADDRESS[CARL] in done["diff"]["before"] and "operation_id" not in done
    assert snapshot(left.archived) == before
    with left.repository() as repository:
        assert repository.read_blob(digest(OWN[CARL])) == OWN[CARL]


def test_an_account_that_comes_back_with_its_id_has_another_key_and_is_recorded(forgotten: Site) -> None:
    with forgotten.repository() as repository:
        assert repository.keys is not None
        destroyed = repository.keys.ring.destroyed[0]
    with forgotten.store() as store:
        store.create_entry(Entry(CARL, kinds.ACCOUNT, ADDRESS[CARL], {"displayName": ("Carl again",)}))
        write(store, CARL, kinds.MESSAGE, INBOX, OWN[CARL])
    assert forgotten.scan()["warnings"] == []
    for path in (forgotten.backup, forgotten.archived):
        with forgotten.repository(path) as repository:
            assert repository.damages() == []
            assert repository.read_blob(digest(OWN[CARL])) == OWN[CARL]
            assert len(list(repository.history(CARL, ACCOUNT_ITEM))) == 1, "of its first life nothing is known"
            assert repository.keys is not None and repository.keys.forgotten() == set()
            assert repository.keys.ring.accounts[CARL].id != destroyed.id
    forgotten.without_catalogue()
    with forgotten.repository() as repository:
        assert repository.damages() == [] and len(list(repository.history(CARL, ACCOUNT_ITEM))) == 1
    unchanged(forgotten, [CARL], Refused, "is still there")
    forgotten.delete()
    assert encryption.forget_accounts(forgotten.node(), [CARL])["accounts"] == [{"name": ADDRESS[CARL], "id": CARL}]
    with forgotten.repository() as repository:
        assert knows_nothing(repository)
        assert repository.keys is not None and len(repository.keys.ring.destroyed) == 2
    assert not encryption.forget_accounts(forgotten.node(), [ADDRESS[CARL]])["changed"]


def test_a_reader_that_was_open_before_goes_on_and_a_new_one_says_nothing(left: Site) -> None:
    with left.repository() as reader:
        list(reader.states(CARL))
        encryption.forget_accounts(left.node(), [CARL])
        reader.refresh()
        assert knows_nothing(reader)
        assert reader.read_blob(digest(SHARED)) == SHARED
    with left.repository() as repository:
        assert knows_nothing(repository)


def test_who_was_open_before_and_writes_afterwards_knows_nothing_of_what_comes_back(left: Site) -> None:
    """Or it takes what it finds in an account that comes back for recorded, and records nothing but its token."""
    with left.repository() as early:
        list(early.states(CARL))
        encryption.forget_accounts(left.node(), [CARL])
        with early.writer():
            assert knows_nothing(early)


def test_a_catalogue_of_before_is_made_anew_by_the_next_who_opens_it(left: Site) -> None:
    """Somebody puts it back from a copy of the Backup Path, or a reader was at work when it went."""
    catalogue = (left.backup / "catalog.sqlite").read_bytes()
    encryption.forget_accounts(left.node(), [CARL])
    for file in left.backup.glob("catalog.sqlite*"):
        file.unlink()
    (left.backup / "catalog.sqlite").write_bytes(catalogue)
    with left.repository() as repository:
        assert knows_nothing(repository)
    assert tells(left.backup, OF_CARL) == set()


def test_a_directory_that_was_retrieved_before_forgets_it_with_the_next_retrieval(left: Site) -> None:
    left.retrieve()
    with left.repository(left.retrieved) as repository:
        assert list(repository.states(CARL, deleted=True))
    assert tells(left.retrieved, OF_CARL)
    encryption.forget_accounts(left.node(), [CARL])
    assert left.retrieve()["warnings"] == []
    with left.repository(left.retrieved) as repository:
        assert knows_nothing(repository)
    assert tells(left.retrieved, OF_CARL) == set()


def test_the_next_scans_go_on(forgotten: Site) -> None:
    content = b"Subject: later\r\n\r\nlater on\r\n"
    forgotten.mail(ANNA, content)
    with forgotten.repository(forgotten.archived) as repository:
        assert repository.read_blob(digest(content)) == content
    with forgotten.repository() as repository:
        assert knows_nothing(repository)


def test_a_purge_removes_what_nobody_can_read_any_more(forgotten: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def bytes_of(path: Path) -> int:
        return sum(len(data) for name, data in snapshot(path / "packs").items())

    before = bytes_of(forgotten.backup), bytes_of(forgotten.archived)
    with forgotten.repository() as repository:
        expected = told(repository, contents=True)
        forgotten_id = repository.keys.ring.destroyed[0].id if repository.keys else b""
    later(monkeypatch, 100)
    done = care.purge(forgotten.node())
    assert done["changed"] and done["report"]["purged_blobs"] == 1
    later(monkeypatch, 100)
    for file in (*(forgotten.backup / "packs").rglob("*"), *(forgotten.archived / "packs").rglob("*")):
        os.utime(file, (1, 1))
    care.purge(forgotten.node())
    assert bytes_of(forgotten.backup) < before[0] and bytes_of(forgotten.archived) < before[1]
    for path in (forgotten.backup, forgotten.archived):
        heads = [head for data in snapshot(path / "packs").values() for _offset, head in frames.scan(data)]
        assert heads and sum(head.key == forgotten_id for head in heads) <= 1, "one that shares a pack with another's"
        with forgotten.repository(path) as repository:
            assert knows_nothing(repository)
            assert {key: value for key, value in told(repository, contents=True).items() if key != "tokens"} == {
                key: value for key, value in expected.items() if key != "tokens"
            }


# -- killed ------------------------------------------------------------------------------------------------------------


def run_to(site: Site, end_at: int) -> int:
    """Forget Carl and be killed at some operation on files; return how many there were."""
    files = FragileFiles(str(site.backup), end_at)
    with site.repository() as known:
        info = known.info
    repository = Repository(files, info, masters=[MASTER])
    files.operations = 0
    try:
        with repository.writer() as writer:
            forget(writer, [Candidate(ADDRESS[CARL], CARL)], moment.now())
    finally:
        repository.close()
    return files.operations


def test_killed_at_every_step_the_same_call_finishes_it(left: Site, tmp_path: Path) -> None:
    steps = run_to(left.copy(tmp_path / "whole"), 0)
    assert steps > BEFORE_ITS_OWN
    finished = 0
    for step in range(1, steps + 1):
        site = left.copy(tmp_path / f"step-{step}")
        with pytest.raises(Interrupted):
            run_to(site, step)
        with site.repository() as repository:
            assert repository.damages() == []
            gone = repository.scopes() == [ANNA]
            assert list(repository.states(ANNA)) and repository.read_blob(digest(SHARED)) == SHARED
        finished += gone
        done = encryption.forget_accounts(site.node(), [ADDRESS[CARL]])
        assert done["warnings"] == [] and (done["changed"] or gone)
        site.scan()
        with site.repository() as repository:
            assert knows_nothing(repository)
        assert tells(site.backup, OF_CARL) == set(), f"after a kill at operation {step}"
        assert not encryption.forget_accounts(site.node(), [ADDRESS[CARL]])["changed"]
        assert site.retrieve()["warnings"] == []
        with site.repository(site.archived) as repository:
            assert knows_nothing(repository)
        for path in (site.backup, site.archived):
            assert len(list((path / "keys").iterdir())) == 1, "no former key is left"
        shutil.rmtree(site.path)
    assert 0 < finished < steps


def failing(site: Site, act: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Do something while the archive does not answer to some kind of request."""
    def refuse(*_unused: object) -> None:
        raise Refused("no permission")

    with monkeypatch.context() as patched:
        patched.setattr(f"{type(site.archive).__module__}.DirectoryArchive.{what}", refuse)
        act()


@pytest.mark.parametrize("again", [
    Site.scan, lambda site: encryption.forget_accounts(site.node(), [ADDRESS[CARL]]),
], ids=["the next scan", "the same once more"])
def test_an_archive_that_takes_nothing_is_told_and_made_up_for(
    left: Site, monkeypatch: pytest.MonkeyPatch, again: Callable[[Site], dict[str, Any]]
) -> None:
    done: dict[str, Any] = {}
    failing(left, lambda: done.update(encryption.forget_accounts(left.node(), [CARL])), monkeypatch, "put_new")
    assert "still has the former keyring" in str(done["warnings"])
    with left.repository() as repository:
        assert knows_nothing(repository)
    assert encryption.forget_accounts(left.node(), [CARL], dry_run=True)["changed"]
    assert again(left)["warnings"] == []
    assert not encryption.forget_accounts(left.node(), [CARL], dry_run=True)["changed"]
    assert len(list((left.archived / "keys").iterdir())) == 1
    with left.repository(left.archived) as repository:
        assert knows_nothing(repository)


def test_an_archive_that_took_the_keyring_and_not_the_commit_gets_it_by_the_same_once_more(forgotten: Site) -> None:
    """As one whose disk became full in between."""
    newest = max((forgotten.archived / "commits").iterdir())
    newest.unlink()
    assert encryption.forget_accounts(forgotten.node(), [CARL], dry_run=True)["changed"]
    encryption.forget_accounts(forgotten.node(), [CARL])
    assert newest.exists()
    assert not encryption.forget_accounts(forgotten.node(), [CARL])["changed"]
    with forgotten.repository(forgotten.archived) as repository:
        assert knows_nothing(repository)


def test_an_archive_that_keeps_the_former_keyring_is_told_until_it_is_gone(
    left: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one whose objects are locked for some days."""
    done: dict[str, Any] = {}
    failing(left, lambda: done.update(encryption.forget_accounts(left.node(), [CARL])), monkeypatch, "erase")
    assert "keeps a former keyring" in str(done["warnings"])
    assert len(list((left.archived / "keys").iterdir())) == 2
    assert left.retrieve()["warnings"] == []
    with left.repository(left.retrieved) as repository:
        assert knows_nothing(repository)
    left.mail(ANNA, b"Subject: later\r\n\r\nlater on\r\n")
    assert [file.name for file in (left.archived / "keys").iterdir()] == [newest(left.backup, "keys").name]


def test_an_archive_that_keeps_versions_which_may_not_be_listed_is_told(
    left: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(left.archive), "erase", lambda *_unused: False)
    done = encryption.forget_accounts(left.node(), [CARL])
    assert done["changed"] and "keeps its former version" in str(done["warnings"])


def test_keys_of_others_are_where_they_were(left: Site, forgotten: Site) -> None:
    with left.repository() as before, forgotten.repository() as after:
        assert before.keys is not None and after.keys is not None
        assert after.keys.ring.accounts == {ANNA: before.keys.ring.accounts[ANNA]}
        assert after.keys.ring.secret == before.keys.ring.secret
        assert keyring.newest(after.files) == keyring.newest(before.files) + 1
        assert packs.METADATA in {pack.kind for pack in after.packs()}
