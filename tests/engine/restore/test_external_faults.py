# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong in a restore concerns one item, or one account, or is said once and for all; nothing is lost."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup.files import Files
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import Written
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    Damaged,
    NotFound,
    Refused,
    RestanteError,
    Unavailable,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import Silent
from ansible_collections.restante.carbonio.plugins.module_utils.restore import workers
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import LocalBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.external import PHASES, external_restore
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.session import Sides
from restore_kit import INBOX, NO_WAIT, World, mail

ANNA, BRUNO, HARA = "anna@example.com", "bruno@example.com", "o'hara \"x\"@example.org"


class Between:
    """A mail server of which single methods are replaced; a replacement is given the real one first."""

    def __init__(self, store: Any, **methods: Callable[..., Any]) -> None:
        self._store = store
        for name, method in methods.items():
            setattr(self, name, lambda *arguments, _call=method, **named: _call(store, *arguments, **named))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def between(world: World, **methods: Callable[..., Any]) -> Sides:
    plain = world.sides()
    return plain._replace(store=lambda: Between(plain.store(), **methods))  # type: ignore[arg-type, return-value]


def seconds(count: int) -> Callable[[], bool]:
    """Return a question that is answered with False so many times, and then with True."""
    left = iter(range(count))
    return lambda: next(left, None) is None


def test_an_altered_content_costs_only_its_item(world: World) -> None:
    """R-020, R-275: a broken item; the rest is restored, and the item when the backup is whole again."""
    with world.a() as store:
        message = mail(store, "a-anna", INBOX, 200)
    packs = world.path / "backup-a" / "packs"
    newest = max(
        (path for path in packs.rglob("*") if path.is_file() and b"Subject: 200" in path.read_bytes()),
        key=lambda path: path.stat().st_mtime, default=None,
    )
    assert newest is not None, "the content is not stored as it is; alter it another way"
    whole = newest.read_bytes()
    newest.chmod(0o600)
    newest.write_bytes(whole.replace(b"Subject: 200", b"Subject: 201"))
    report = world.restore(skip_system_accounts=False)
    assert [(item.account, item.item_id, item.cause) for item in report.unrestored] == [(ANNA, message, "broken item")]
    assert len(world.items(ANNA, kinds.MESSAGE)) == 12
    newest.write_bytes(whole)
    again = world.restore(skip_system_accounts=False)
    assert again.restored == {kinds.MESSAGE: 1}
    assert world.verify().passed


def test_a_missing_pack_costs_only_what_is_in_it(world: World) -> None:
    """R-020, R-275: a read error for each."""
    packs = sorted((world.path / "backup-a" / "packs").rglob("*"), key=lambda path: path.stat().st_size)
    with contextlib.closing(world.source()) as source:
        blob_packs = {pack.name for pack in source.packs() if pack.kind == "blobs"}
    missing = next(path for path in packs if path.name in blob_packs)
    missing.unlink()
    report = world.restore()
    assert report.unrestored
    assert {item.cause for item in report.unrestored} == {"read error"}
    assert report.restored[kinds.FOLDER] > 0
    assert not [item for item in report.unrestored if item.kind in kinds.ENTRY_KINDS]


def test_damage_of_the_backup_is_named(world: World) -> None:
    """R-209."""
    with world.a() as store:
        mail(store, "a-anna", INBOX, 300)
    commits = sorted((world.path / "backup-a" / "commits").iterdir())
    commits[-1].chmod(0o600)
    commits[-1].write_bytes(b"{}")
    os.unlink(world.path / "backup-a" / "catalog.sqlite")
    report = world.restore()
    assert any(commits[-1].name in warning for warning in report.warnings)
    assert len(world.items(ANNA, kinds.MESSAGE)) == 12


def test_an_item_that_the_mail_server_refuses_does_not_stop_the_others(world: World) -> None:
    """R-275: an invalid item, with the words of the mail server."""
    def write_items(store: Any, account: str, batch: Any, import_id: str = "") -> Any:
        bad = [item for item in batch if item.blob is not None and b"Subject: 3\r" in item.blob]
        good = [item for item in batch if item not in bad]
        written = {item.origin: item for item in store.write_items(account, good, import_id)}
        return [written.get(item.origin) or Written(item.origin, "", error="552 too ugly") for item in batch]

    report = world.restore(between(world, write_items=write_items))
    assert sorted(item.account for item in report.unrestored) == [ANNA, BRUNO]
    assert {(item.cause, item.reason) for item in report.unrestored} == {("invalid item", "552 too ugly")}
    assert len(world.items(ANNA, kinds.MESSAGE)) == 11
    assert world.restore().restored == {kinds.MESSAGE: 2}


def test_a_folder_that_the_mail_server_refuses_does_not_cost_what_is_in_it(world: World) -> None:
    def write_items(store: Any, account: str, batch: Any, import_id: str = "") -> Any:
        return [
            Written(item.origin, "", error="no such names here") if item.state.name == "work"
            else store.write_items(account, [item], import_id)[0]
            for item in batch
        ]

    report = world.restore(between(world, write_items=write_items))
    assert [(item.kind, item.reason) for item in report.unrestored] == [(kinds.FOLDER, "no such names here")]
    assert len(world.items(ANNA, kinds.MESSAGE)) == 12


def test_a_folder_that_cannot_be_corrected_costs_no_other(world: World) -> None:
    """Those that every mailbox has are there, and get the colours and dates of the backup."""
    def update_items(store: Any, account: str, states: Any) -> Any:
        done = iter(store.update_items(account, [state for state in states if state.name != "Inbox"]))
        return [Refused("this one stays blue") if state.name == "Inbox" else next(done) for state in states]

    report = world.restore(between(world, update_items=update_items))
    assert {(item.kind, item.reason) for item in report.unrestored} == {(kinds.FOLDER, "this one stays blue")}
    assert len(report.unrestored) == report.restored[kinds.ACCOUNT]
    assert len(world.items(ANNA, kinds.MESSAGE)) == 12
    again = world.restore()
    assert not again.unrestored and again.restored == {kinds.FOLDER: len(report.unrestored)}


def test_a_mail_server_that_does_not_answer_is_asked_again(world: World) -> None:
    answers = seconds(2)

    def write_items(store: Any, *arguments: Any) -> Any:
        if not answers():
            raise Unavailable("busy")
        return store.write_items(*arguments)

    calls = []

    def create_entry(store: Any, entry: Entry) -> Any:
        created = store.create_entry(entry)
        calls.append(entry)
        if len(calls) == 1:
            raise Unavailable("the answer was lost")
        return created

    sides = between(world, write_items=write_items, create_entry=create_entry)
    report = world.restore(sides, skip_system_accounts=False)
    assert not report.unrestored
    assert world.verify().passed


@pytest.mark.parametrize("concurrent", [1, 3])
def test_a_mail_server_that_stays_away_ends_the_restore_and_a_later_run_completes_it(
    world: World, concurrent: int
) -> None:
    answers = iter(range(1_000_000))

    def write_items(store: Any, account: str, *arguments: Any) -> Any:
        if account == "a-anna" and next(answers) > 2:
            raise Unavailable("The mail server is down.")
        return store.write_items(account, *arguments)

    with pytest.raises(RestanteError, match="The mail server is down"):
        world.restore(between(world, write_items=write_items), concurrent_accounts=concurrent)
    world.restore(skip_system_accounts=False)
    assert world.verify().passed
    assert not list(world.backup_path.rglob("quota_lifted"))


def test_blobs_that_cannot_be_reached_end_the_restore_instead_of_every_item(world: World) -> None:
    class Away(LocalBlobs):
        def read(self, wanted: Any) -> Any:
            return ((digest, Unavailable("The bucket does not answer.")) for digest in wanted)

    with pytest.raises(Unavailable, match="bucket"):
        world.restore(world.sides(blobs=Away))
    world.restore(skip_system_accounts=False)
    assert world.verify().passed


@pytest.mark.parametrize("error", [Refused("The mailbox is in maintenance."), NotFound("The mailbox is gone.")])
def test_a_mailbox_that_is_refused_as_a_whole_does_not_stop_the_others(world: World, error: RestanteError) -> None:
    def write_items(store: Any, account: str, *arguments: Any) -> Any:
        if account == "a-anna":
            raise error
        return store.write_items(account, *arguments)

    report = world.restore(between(world, write_items=write_items))
    account, mountpoint = report.unrestored
    assert (account.account, account.item_id, account.kind) == ("", ANNA, kinds.ACCOUNT)
    assert str(error) in account.reason
    assert (mountpoint.account, mountpoint.kind) == (BRUNO, kinds.MOUNTPOINT), "what it leads to is not there yet"
    assert len(world.items(BRUNO, kinds.MESSAGE)) == 5
    world.restore(skip_system_accounts=False)
    assert world.verify().passed


def test_an_account_that_cannot_be_created_does_not_stop_the_others(world: World) -> None:
    with world.b() as store:  # its address is somebody's alias
        store.create_entry(Entry("d-x", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("x", kinds.ACCOUNT, "x@example.com", aliases=(ANNA,)))
    report = world.restore()
    assert ANNA in [item.item_id for item in report.unrestored]
    assert len(world.items(BRUNO, kinds.MESSAGE)) == 5


def test_one_bad_attribute_or_alias_costs_only_itself(world: World) -> None:
    def update_entry(store: Any, entry: Entry) -> Any:
        if entry.attrs.get("displayName") == ("anna",):
            raise Refused("No display names.")
        if "bruno.alias@example.com" in entry.aliases:
            raise AlreadyExists("bruno.alias@example.com is taken.")
        return store.update_entry(entry)

    report = world.restore(between(world, update_entry=update_entry))
    assert sorted((item.item_id, item.reason) for item in report.unrestored) == [
        (ANNA, "No display names."), (BRUNO, "bruno.alias@example.com is taken."),
    ]
    with world.b() as store:
        anna, bruno = (store.find_entry(kinds.ACCOUNT, address) for address in (ANNA, BRUNO))
    assert anna.attrs["userPassword"] == ("{SSHA512}anna",)
    assert anna.aliases == ("anna.alias@example.com",)
    assert bruno.attrs["displayName"] == ("bruno",)
    assert len(world.items(ANNA, kinds.MESSAGE)) == 12


def test_an_id_that_is_taken_does_not_keep_an_account_from_coming_back(world: World) -> None:
    with world.b() as store:
        store.create_entry(Entry("d-x", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("a-anna", kinds.ACCOUNT, "other@example.com"))
    assert not world.restore(skip_system_accounts=False).unrestored
    with world.b() as store:
        assert store.find_entry(kinds.ACCOUNT, ANNA).entry_id != "a-anna"
        assert store.find_entry(kinds.ACCOUNT, "other@example.com").entry_id == "a-anna"
    assert world.verify().passed


def test_a_worker_that_is_killed_costs_only_its_account(world: World) -> None:
    """R-166: the account is named, the others are restored, and the next run completes it."""
    def write_items(store: Any, account: str, *arguments: Any) -> Any:
        if account == "a-anna":
            os.kill(os.getpid(), signal.SIGKILL)
        return store.write_items(account, *arguments)

    report = world.restore(between(world, write_items=write_items), concurrent_accounts=2)
    assert [item.kind for item in report.unrestored] == [kinds.ACCOUNT, kinds.MOUNTPOINT]
    assert report.unrestored[0].item_id == ANNA
    assert "killed" in report.unrestored[0].reason
    assert len(world.items(BRUNO, kinds.MESSAGE)) == 5
    assert len(world.items(HARA, kinds.MESSAGE)) == 1
    world.restore(skip_system_accounts=False)
    assert world.verify().passed


def test_a_full_disk_is_said_and_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def append(files: Files, descriptor: int, data: bytes) -> None:
        written.append(data)
        if len(written) > 6:
            raise OSError(28, "No space left on device")
        original(files, descriptor, data)

    original = Files.append
    with monkeypatch.context() as patched:
        patched.setattr(Files, "append", append)
        try:
            report = world.restore()
            assert any("disk is full" in item.reason for item in report.unrestored)
        except Refused as error:
            assert "disk is full" in str(error)
    world.restore(skip_system_accounts=False)
    verified = world.verify()
    assert verified.passed, verified.differences
    assert not verified.foreign


class Stopped(Silent):
    def __init__(self, after: int) -> None:
        self._asked = seconds(after)

    def stopping(self) -> bool:
        return self._asked()


@pytest.mark.parametrize("concurrent", [1, 2])
def test_a_restore_that_is_stopped_can_be_run_again(world: World, concurrent: int) -> None:
    for after in (0, 3, 14, 18):
        world.restore(progress=Stopped(after), concurrent_accounts=concurrent)
    world.restore(skip_system_accounts=False)
    verified = world.verify()
    assert verified.passed
    assert not verified.foreign


class Listening(Silent):
    def __init__(self, heard: list[str]) -> None:
        self.heard = heard

    def phase(self, name: str, items: int = 0, bytes_: int = 0) -> None:
        self.heard.append(name)


def test_people_are_told_in_the_documented_order(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """R-135, R-139, R-148, R-151, R-272."""
    heard: list[str] = []
    told: list[tuple[str, str]] = []

    def notify(type_: str, subject: str, text: str) -> None:
        heard.append(subject.partition(": ")[2])
        told.append((type_, text))

    caplog.set_level(logging.INFO)
    report = external_restore(
        world.sides(), ExternalOptions(), progress=Listening(heard), notify=notify, patience=NO_WAIT
    )
    assert heard == [
        "Operation Started", PHASES[0], "PHASE 1 Feedback", PHASES[1], PHASES[2], "Operation Ended",
    ]
    assert {type_ for type_, _unused in told} == {"Information"}
    assert "3 accounts" in told[0][1]
    assert told[2][1] == report.text()
    assert told[2][1].startswith("- stats -\nRestored Items: ")
    assert [record.getMessage() for record in caplog.records if "account restored" in record.getMessage()] == [
        f"account restored: {address}" for address in (ANNA, BRUNO, HARA)
    ]


def test_people_are_told_when_it_fails(world: World) -> None:
    """R-151."""
    def imported(store: Any, *arguments: Any) -> Any:
        raise Unavailable("The mail server is down.")

    told = []
    with pytest.raises(Unavailable):
        external_restore(
            between(world, imported=imported), ExternalOptions(), patience=NO_WAIT,
            notify=lambda type_, subject, text: told.append((type_, subject, text)),
        )
    assert told[-1][0] == "Error"
    assert "The mail server is down." in told[-1][2]


def test_a_store_that_keeps_its_blobs_badly_is_not_the_restores_fault(world: World) -> None:
    """What was restored is not read again; the deep check of the store is another job."""
    world.restore()

    def read_blob(store: Any, *arguments: Any) -> Any:
        raise Damaged("lost")

    assert not world.restore(between(world, read_blob=read_blob)).changed


def test_tasks_are_handed_out_in_order_and_each_is_done_once() -> None:
    """R-118 for several at a time."""
    @contextlib.contextmanager
    def session(progress: Any) -> Any:
        yield lambda task: {"task": task, "pid": os.getpid()}

    for count in (1, 2, 7):
        results = list(workers.run(session, 20, count, Silent()))
        assert sorted(task for task, _unused in results) == list(range(20))
        assert all(result == {**result, "task": task} for task, result in results if result is not None)
        processes = {result["pid"] for _unused, result in results if result is not None}
        assert (os.getpid() in processes) is (count == 1)
