# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A standby follows its primary: what happens there happens here, and what is not the primary's is left alone."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care.purge import merge, purge
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import Retention
from ansible_collections.restante.carbonio.plugins.module_utils.ledger.standby import STOPPED, Record
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import Written
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    Damaged,
    NotFound,
    Refused,
    Unavailable,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.restore.verify import verify
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan
from ansible_collections.restante.carbonio.plugins.module_utils.standby.origin import Diverged

from tests.engine.conftest import Between
from tests.engine.restore.restore_kit import CONTACTS, INBOX, add, fill, mail
from tests.engine.standby.standby_kit import Pair

ANNA, BRUNO = "a-anna", "a-bruno"


@pytest.fixture
def filled(pair: Pair) -> Pair:
    """A primary with everything in it, followed."""
    pair.primary.delete_entry(kinds.DOMAIN, "d-1")
    fill(pair.primary)
    pair.follow()
    return pair


def mails(store: Any, account: str = ANNA) -> dict[str, Any]:
    """The messages of an account by their subjects."""
    return {
        store.read_blob(account, state.item_id).split(b"\r\n")[0].decode(): state
        for state in store.changes(account).items if state.kind == kinds.MESSAGE
    }


def test_everything_that_a_primary_has_is_there_item_by_item(filled: Pair) -> None:
    """Also as the proof of a restore sees it, which shares no code with the standby."""
    filled.assert_equal()
    assert not filled.failures() and not filled.conflicts()
    with filled.standby() as store, filled.record() as record:
        ids = {one.source: one.destination for one in record.entries()}
        proof = verify(filled.backup, store, record.meta("import"), ids=ids)
    assert proof.passed and not proof.differences and not proof.foreign
    assert all(source == here for source, here in ids.items()), "entries keep their ids"


def test_mail_that_moves_changes_and_goes_does_so_here(filled: Pair) -> None:
    with filled.standby() as store:
        before = {subject: state.item_id for subject, state in mails(store).items()}
    primary = filled.primary
    there = list(mails(primary).values())
    folder = next(one for one in primary.folders(ANNA) if one.name == "work")
    primary.update_item(ANNA, there[0]._replace(folder="3", flags="f"))
    primary.delete_items(ANNA, [there[1].item_id])
    primary.update_item(ANNA, folder._replace(name="renamed", folder="1"))
    report = filled.follow()
    filled.assert_equal()
    assert report.deleted == {"message": 1} and report.updated == {"message": 1, "folder": 1} and not report.created
    with filled.standby() as store:
        after = {subject: state.item_id for subject, state in mails(store).items()}
    assert after.items() < before.items(), "what moves is moved, and not made anew"


def test_an_account_that_goes_and_one_that_is_renamed(filled: Pair) -> None:
    filled.primary.delete_entry(kinds.ACCOUNT, BRUNO)
    anna = filled.primary.find_entry(kinds.ACCOUNT, ANNA)
    filled.primary.reshape_entry(anna._replace(name="anna.new@example.com", aliases=("bruno@example.com",)))
    report = filled.follow()
    filled.assert_equal()
    assert report.deleted["account"] == 1 and not report.created
    with filled.standby() as store:
        assert store.find_entry(kinds.ACCOUNT, "anna.new@example.com").entry_id == ANNA


def test_a_domain_and_a_class_of_service_that_nobody_needs_any_more_go(filled: Pair) -> None:
    filled.primary.create_entry(Entry("d-9", kinds.DOMAIN, "gone.example"))
    filled.follow()
    filled.primary.delete_entry(kinds.DOMAIN, "d-9")
    filled.primary.delete_entry(kinds.COS, "c-2")
    assert filled.follow().deleted == {"cos": 1, "domain": 1}
    filled.assert_equal()


# -- what is not the primary's ---------------------------------------------------------------------------------------


def test_what_somebody_adds_here_is_told_and_never_deleted(filled: Pair) -> None:
    filled.round()  # and sees what it has written itself
    with filled.standby() as store:
        work = next(one.item_id for one in store.folders(ANNA) if one.name == "work")
        mine = mail(store, ANNA, work, 77)
        other = mail(store, ANNA, INBOX, 78)
    filled.round()
    assert {one.item for one in filled.conflicts()} == {mine, other}
    folder = next(one for one in filled.primary.folders(ANNA) if one.name == "work")
    filled.primary.delete_items(ANNA, [folder.item_id])
    filled.follow()
    with filled.standby() as store:
        assert store.item(ANNA, mine).folder == work and store.item(ANNA, other) is not None
        assert set(mails(store)) == set(mails(filled.primary)) | {"Subject: 77", "Subject: 78"}
    assert any("it has 1 items in it that did not come from there" in one.what for one in filled.conflicts())
    assert not filled.failures()
    # A folder of the name that is made at the primary later becomes that folder.
    add(filled.primary, ANNA, kinds.FOLDER, INBOX, "work")
    filled.follow()
    with filled.standby() as store:
        assert [one.item_id for one in store.folders(ANNA) if one.name == "work"] == [work]


def test_what_was_here_before_is_followed_and_never_deleted(pair: Pair) -> None:
    pair.primary.create_entry(Entry(ANNA, kinds.ACCOUNT, "anna@example.com"))
    mail(pair.primary, ANNA, INBOX, 1)
    with pair.standby() as store:
        store.create_entry(Entry("d-here", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("here", kinds.ACCOUNT, "anna@example.com"))
        mine = mail(store, "here", INBOX, 2)
    report = pair.follow()
    assert report.adopted["account"] == report.adopted["domain"] == 1 and report.created == {"message": 1}
    pair.primary.delete_entry(kinds.ACCOUNT, ANNA)
    assert pair.follow().kept == {"account": 1}
    with pair.standby() as store:
        assert list(mails(store, "here")) == ["Subject: 2"] and store.item("here", mine) is not None
    # And comes back with the same ids, though not with the same mail.
    pair.primary.create_entry(Entry(ANNA, kinds.ACCOUNT, "anna@example.com"))
    mail(pair.primary, ANNA, INBOX, 3)
    pair.follow()
    with pair.standby() as store:
        assert sorted(mails(store, "here")) == ["Subject: 2", "Subject: 3"]


def test_an_account_whose_backup_is_switched_off_stays_as_it_was(filled: Pair) -> None:
    """R-245: to a backup it looks like one that was deleted."""
    filled.primary.update_entry(Entry(BRUNO, kinds.ACCOUNT, "", {"backupEnabled": ("FALSE",)}))
    filled.follow()
    mail(filled.primary, BRUNO, INBOX, 50)
    filled.follow()
    with filled.standby() as store:
        assert len(mails(store, BRUNO)) == 5
    assert [one.reason for one in filled.failures()] == [
        "Its backup was switched off at the primary; it stays here as it was then."
    ]
    filled.primary.update_entry(Entry(BRUNO, kinds.ACCOUNT, "", {"backupEnabled": ("TRUE",)}))
    filled.follow()
    filled.assert_equal()
    assert not filled.failures()


# -- what cannot be applied --------------------------------------------------------------------------------------------


def test_what_is_refused_costs_nothing_else_and_is_tried_again(filled: Pair) -> None:
    for number in (20, 21, 22):
        mail(filled.primary, ANNA, INBOX, number)
    filled.scan()
    with filled.standby() as store:
        def write_items(account: str, batch: Any, import_id: str = "") -> Any:
            welcome = [one for one in batch if b"21\r\n" not in (one.blob or b"")]
            written = iter(store.write_items(account, welcome, import_id))
            return [next(written) if one in welcome else Written(one.origin, "", error="No.") for one in batch]

        report = filled.round(store=Between(store, write_items=write_items))
    assert report.created == {"message": 2} and report.failed == {"message": 1}
    assert [(one.scope, one.reason) for one in filled.failures()] == [(ANNA, "No.")]
    with filled.record() as record:
        assert record.number("seq") == filled.backup.head().seq, "it goes on"
    assert not filled.round(look_seconds=1000).failed, "a process that begins looks at once"
    filled.assert_equal()
    assert not filled.failures()


def test_a_mailbox_that_is_refused_costs_no_other(filled: Pair) -> None:
    for account in (ANNA, BRUNO):
        mail(filled.primary, account, INBOX, 30)
    filled.scan()
    with filled.standby() as store:
        def changes(account: str, since: str = "") -> Any:
            if account == ANNA:
                raise Refused("The mailbox is locked.")
            return store.changes(account, since)

        filled.round(store=Between(store, changes=changes))
        assert "Subject: 30" in mails(store, BRUNO)
    assert "The mailbox is locked." in filled.failures()[0].reason
    filled.round()
    filled.assert_equal()
    assert not filled.failures()


def test_a_mail_server_that_is_away_ends_the_round_and_loses_nothing(filled: Pair) -> None:
    mail(filled.primary, ANNA, INBOX, 40)
    filled.scan()

    def write_items(*_arguments: Any) -> Any:
        raise Unavailable("It does not answer.")

    with filled.standby() as store, pytest.raises(Unavailable):
        filled.round(store=Between(store, write_items=write_items))
    filled.round()
    filled.assert_equal()


# -- the archive -------------------------------------------------------------------------------------------------------


def test_a_purge_and_a_merge_at_the_primary_delete_nothing(filled: Pair) -> None:
    for number in range(20):
        mail(filled.primary, ANNA, INBOX, 100 + number)
        filled.scan()
    with contextlib.closing(filled.backup.writer()) as writer:
        merge(writer)
        purge(writer, Retention(1, 1), moment.now())
    filled.backup.refresh()
    assert filled.round().created == {"message": 20}
    filled.assert_equal()
    assert not filled.round().changed


def test_what_was_deleted_and_purged_before_it_was_seen_goes(filled: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = list(mails(filled.primary).values())[:3]
    filled.primary.delete_items(ANNA, [state.item_id for state in gone])
    filled.primary.delete_entry(kinds.ACCOUNT, BRUNO)
    filled.scan()
    mail(filled.primary, ANNA, INBOX, 60)
    later = moment.now() + 40 * 86_400_000
    monkeypatch.setattr(moment, "now", lambda: later)
    filled.scan()
    with contextlib.closing(filled.backup.writer()) as writer:
        purge(writer, Retention(), later)
    filled.backup.refresh()
    assert filled.backup.state(ANNA, gone[0].item_id) is None and not filled.backup.first(BRUNO)
    filled.round()
    filled.assert_equal()


def aside(pair: Pair, name: str = "before") -> Path:
    """A copy of the primary's Backup Path as it is now."""
    return Path(shutil.copytree(pair.path / "backup", pair.path / name))


def test_an_archive_that_was_put_back_is_not_followed(filled: Pair) -> None:
    before = aside(filled)
    mail(filled.primary, ANNA, INBOX, 70)
    filled.follow()
    filled.archive = DirectoryArchive(str(before))
    with pytest.raises(Diverged, match="does not hold commit 2 any more, which the standby has: it was put back"):
        filled.round()
    filled.assert_equal()
    with filled.record() as record:
        assert record.meta("state") == STOPPED and "put back" in record.meta("reason")


def test_a_history_of_another_writer_is_not_followed(filled: Pair) -> None:
    before = aside(filled)
    mail(filled.primary, ANNA, INBOX, 70)
    filled.follow()
    with contextlib.closing(Repository.open(str(before), masters=filled.masters)) as other:
        for number in (80, 81):
            mail(filled.primary, ANNA, INBOX, number)
            with other.writer() as writer:
                smart_scan(filled.primary, writer)
    filled.archive = DirectoryArchive(str(before))
    with pytest.raises(Diverged, match="Commit 2 in .* is another than the one that the standby has: two writers"):
        filled.round()
    with filled.standby() as store:
        assert "Subject: 81" not in mails(store)


def test_another_backup_is_not_followed(filled: Pair, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Pair(tmp_path_factory.mktemp("other"))
    other.scan()
    filled.archive = other.archive
    with pytest.raises(Diverged, match="another"):
        filled.round()
    other.close()
    filled.assert_equal()


def test_an_archive_that_is_gone_is_waited_for(filled: Pair) -> None:
    (filled.path / "backup").rename(filled.path / "aside")
    with pytest.raises(Exception, match="backup") as caught:
        filled.round()
    assert not isinstance(caught.value, Diverged)
    (filled.path / "aside").rename(filled.path / "backup")
    filled.round()
    with filled.record() as record:
        assert record.meta("state") == "following"


def test_contents_that_cannot_be_read_cost_only_themselves(filled: Pair) -> None:
    class Lossy(DirectoryArchive):
        lost = ""

        def get_range(self, name: str, offset: int, length: int) -> bytes:
            if name == self.lost:
                raise Damaged(f"{name} is altered.")
            return super().get_range(name, offset, length)

    packs = {one.name for one in filled.backup.packs()}
    add(filled.primary, ANNA, kinds.MESSAGE, INBOX, blob=b"Subject: lost\r\n\r\n")
    filled.scan()
    filled.archive = lossy = Lossy(str(filled.path / "backup"))
    new = [one for one in filled.backup.packs() if one.name not in packs and one.kind == "blobs"]
    lossy.lost = f"packs/{new[0].name[:2]}/{new[0].name}"
    mail(filled.primary, BRUNO, INBOX, 90)
    filled.follow()
    with filled.standby() as store:
        assert "Subject: 90" in mails(store, BRUNO) and "Subject: lost" not in mails(store)
    assert "is altered" in filled.failures()[0].reason
    lossy.lost = ""
    filled.round()
    filled.assert_equal()
    assert not filled.failures()


def test_metadata_that_is_lost_deletes_nothing_and_is_made_up_for(filled: Pair) -> None:
    packs = {one.name for one in filled.backup.packs()}
    mail(filled.primary, ANNA, INBOX, 91)
    filled.scan()
    new, = (one for one in filled.backup.packs() if one.name not in packs and one.kind == "metadata")
    place = filled.path / "backup" / "packs" / new.name[:2] / new.name
    data = place.read_bytes()
    place.chmod(0o600)
    place.write_bytes(data[:40])
    mail(filled.primary, BRUNO, INBOX, 92)
    filled.follow()
    with filled.standby() as store:
        assert "Subject: 92" in mails(store, BRUNO) and "Subject: 91" not in mails(store)
        assert len(mails(store)) == 12
    place.write_bytes(data)
    mail(filled.primary, BRUNO, INBOX, 93)
    filled.follow()
    filled.assert_equal()


def test_what_refers_to_others_is_right_when_they_come_later(filled: Pair) -> None:
    carla = filled.primary.create_entry(Entry("a-carla", kinds.ACCOUNT, "carla@example.com")).entry_id
    shared = add(filled.primary, carla, kinds.FOLDER, INBOX, "for anna")
    for _unused in range(3):
        add(filled.primary, carla, kinds.CONTACT, CONTACTS, blob=b"BEGIN:VCARD\r\nEND:VCARD\r\n")
    add(filled.primary, ANNA, kinds.MOUNTPOINT, "1", "carla's", attrs={"owner_id": carla, "remote_id": shared})
    filled.follow()
    filled.assert_equal()
    with filled.standby() as store:
        mounted = next(one for one in store.folders(ANNA) if one.name == "carla's")
        assert store.item(carla, mounted.attrs["remote_id"]).name == "for anna"


def test_nothing_is_written_to_a_mail_store_without_a_record(tmp_path: Path) -> None:
    EmbeddedStore.create(str(tmp_path / "store")).close()
    with pytest.raises(NotFound, match="This node is no standby"):
        Record(str(tmp_path))
