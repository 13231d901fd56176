# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drill of a node: everything comes back beside it, nothing of it is touched, and what is amiss is found."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.drill import rehearsal
from ansible_collections.restante.carbonio.plugins.module_utils.evidence import seal
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    Damaged,
    InvalidInput,
    NotABackup,
    NotFound,
    Refused,
)
from ansible_collections.restante.carbonio.plugins.module_utils.operations.operation import Operation
from ansible_collections.restante.carbonio.plugins.module_utils.operations.records import BACKUP_QUEUE
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import (
    backups,
    drill,
    drill_reports,
    drill_source,
    metrics,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.drill_options import Options
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.operations import Stopped
from drill_kit import Machine, make, picture
from prometheus_client.parser import text_string_to_metric_families

CHECKOUT = Path(__file__).resolve().parents[3]
ONE_DRILL = """
import sys
from drill_kit import Machine
from pathlib import Path
print("begun", flush=True)
Machine(Path(sys.argv[1])).drill()
"""


def record(result: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a drill as its report has it."""
    made: dict[str, Any] = json.loads((Path(result["report_path"]) / "report.json").read_text("utf-8"))
    return made


# -- a drill that passes -----------------------------------------------------------------------------------------------


def test_everything_comes_back_and_nothing_of_the_node_is_touched(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: Any) -> None:
        raise AssertionError("a drill has opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    theirs = {place: picture(machine.root / place) for place in ("mailstore_path", "backup_path", "archive", "etc")}
    result = machine.drill(rpo_target="1h", rto_target="10m")
    assert {place: picture(machine.root / place) for place in theirs} == theirs
    assert machine.left() == [] and result["changed"]
    made = record(result)
    assert made["passed"] and made["reasons"] == [] and made["differences"] == [] and made["unrestored_items"] == []
    with contextlib.closing(machine.node.store()) as store:
        held = sum(len(list(store.changes(entry.entry_id).items)) for entry in store.entries("account"))
    kinds = made["items"]
    assert sum(counts["expected"] for kind, counts in kinds.items()
               if kind not in ("account", "domain", "cos", "distribution_list")) == held
    assert all(counts["expected"] == counts["verified"] for counts in kinds.values())
    assert set(kinds) >= {"message", "folder", "appointment", "task", "tag", "mountpoint", "filter_set", "cos"}
    for field in ("content", "flags", "folder", "tags", "date", "grants", "remote_id", "uid", "zimbraMailQuota"):
        assert made["compared"][field]["compared"] > 0 and made["compared"][field]["differing"] == 0, field


def test_the_moments_are_measured_and_come_in_their_order(machine: Machine) -> None:
    began = time.time()
    made = record(machine.drill(concurrent_accounts=2))
    seconds = [one["seconds"] for one in made["timeline"]]
    assert seconds[0] == 0 and seconds == sorted(seconds) and len(set(seconds[2:])) > 3
    assert 0 < seconds[-1] <= time.time() - began
    by_name = {one["name"]: one["seconds"] for one in made["timeline"]}
    newest = [one["newest_mail_seconds"] for one in made["accounts"]]
    assert by_name["first_mailbox"] == min(newest) and by_name["newest_mail"] == max(newest)
    for one in made["accounts"]:
        assert by_name["provisioned"] <= one["newest_mail_seconds"] <= one["complete_seconds"] <= by_name["complete"]
    assert made["rto_seconds"] == by_name["complete"]


def test_the_report_is_there_in_each_form_and_is_genuine(machine: Machine) -> None:
    result = machine.drill()
    path = Path(result["report_path"])
    assert ElementTree.parse(path / "junit.xml").getroot().attrib["failures"] == "0"
    assert "<b>PASSED</b>" in (path / "report.html").read_text("utf-8")
    assert drill_reports.verify(machine.node, str(path))["genuine"]
    made = record(result)
    assert made["signing_key"] == seal.fingerprint(drill_reports.public_key(machine.node).encode())
    assert made["configuration_sha256"] == drill.configuration(machine.node, Options()) and made["ran_by"]
    assert made["versions"]["restante.carbonio"] and made["id"] == result["operation_id"]
    (notification,) = [one for one in machine.node.notifications().list() if one.subject == "Drill: passed"]
    assert str(path) in notification.text


def test_an_encrypted_backup_is_drilled_with_its_key(tmp_path: Path) -> None:
    machine = make(tmp_path / "node", encrypted=True, messages=9)
    made = record(machine.drill())
    assert made["passed"] and made["backup"]["encrypted"]
    for number, (key, error) in enumerate({"22" * 32: Refused, "no key at all": InvalidInput}.items()):
        (machine.root / "etc" / "master.key").write_text(key)
        with pytest.raises(error, match=r"The report of the drill is"):
            machine.drill()
        drills = drill_reports.past(machine.node).past()
        assert len(drills) == number + 2 and not drills[-1]["passed"]


def test_a_note_of_what_the_archive_held_that_cannot_be_read_is_found(machine: Machine) -> None:
    (machine.place("backup_path") / "witness.json").write_text("{")
    with pytest.raises(Damaged, match=r"is no witness of an archive.*The report of the drill is"):
        machine.drill()
    assert not drill_reports.past(machine.node).past()[-1]["passed"]


def test_a_sample_is_restored_alone_and_can_be_drawn_again(machine: Machine) -> None:
    first, again = (record(machine.drill(sample="30%", seed="2026-03")) for _unused in range(2))
    assert first["passed"] and first["extent"] == again["extent"]
    extent = first["extent"]
    assert (extent["accounts_restored"], extent["accounts_of_backup"]) == (3, 9) and not extent["whole"]
    assert [one["address"] for one in first["accounts"]] == extent["sample"]
    assert first["items"]["account"]["expected"] == 3
    assert record(machine.drill(sample="3"))["extent"]["seed"] != record(machine.drill(sample="3"))["extent"]["seed"]


def test_it_can_start_from_the_backup_path_and_from_another_place(machine: Machine, tmp_path: Path) -> None:
    before = picture(machine.place("backup_path"))
    made = record(machine.drill(source="backup_path", sample="1"))
    assert made["passed"] and made["backup"]["source"] == "backup_path" and made["lag"] is None
    assert picture(machine.place("backup_path")) == before
    elsewhere = Machine(tmp_path / "elsewhere")
    elsewhere.settle(encrypted=False, archived=False)
    for options in (
        {"source": "archive", "source_path": str(machine.root / "archive")},
        {"source": "backup_path", "source_path": str(machine.place("backup_path"))},
    ):
        assert record(elsewhere.drill(sample="1", **options))["passed"]
    assert not elsewhere.place("mailstore_path").exists() and not elsewhere.place("backup_path").exists()


def test_the_scratch_store_stays_where_it_is_wanted(machine: Machine, tmp_path: Path) -> None:
    machine.drill(sample="1", keep=True, scratch_path=str(tmp_path / "scratch"))
    (kept,) = (tmp_path / "scratch").iterdir()
    with contextlib.closing(EmbeddedStore.open(str(kept / "mailstore"))) as store:
        assert len(list(store.entries("account"))) == 1
    machine.drill(sample="1", scratch_path=str(tmp_path / "scratch"))
    assert list((tmp_path / "scratch").iterdir()) == [kept]


# -- how old the backup is ---------------------------------------------------------------------------------------------


def test_what_has_not_gone_up_makes_the_recovery_point_older(machine: Machine) -> None:
    with contextlib.closing(machine.node.store()) as store:
        account = next(store.entries("account"))
        tag = next(one for one in store.changes(account.entry_id).items if one.kind == "tag")
        store.update_item(account.entry_id, tag._replace(name="new"))
    archived = settings_file.load(machine.config_file)
    settings_file.save(machine.config_file, dataclasses.replace(archived, backup_volume=settings_file.BackupVolume()))
    backups.smart_scan(machine.node)
    settings_file.save(machine.config_file, archived)
    made = record(machine.drill(sample="1"))
    assert made["lag"]["commits"] == 1 and made["lag"]["seconds"] > 0
    assert made["recovery_point"] == {"at": made["backup"]["last_commit_at"], "basis": "commit"}
    lines = metrics.collect(machine.node)
    assert "restante_archive_lag_commits 1" in lines


def test_a_scan_that_found_nothing_new_makes_it_younger(machine: Machine) -> None:
    backups.smart_scan(machine.node)
    made = record(machine.drill(sample="1"))
    assert made["recovery_point"]["basis"] == "scan"
    assert made["recovery_point"]["at"] > made["backup"]["last_commit_at"]


def test_the_loss_can_have_been_declared_before(machine: Machine) -> None:
    made = record(machine.drill(sample="1", declared="2026-01-01T00:00:00Z"))
    assert made["timeline"][0]["at"] == "2026-01-01T00:00:00.000Z" and made["rto_seconds"] > 86_400


# -- a drill that fails ------------------------------------------------------------------------------------------------


def damage(archive: Path) -> None:
    """Alter a part of the mail in an archive."""
    pack = sorted((archive / "packs").glob("*/*"), key=lambda path: path.stat().st_size)[-1]
    data = bytearray(pack.read_bytes())
    middle = len(data) // 2
    data[middle:middle + 100] = bytes(byte ^ 0x55 for byte in data[middle:middle + 100])
    pack.write_bytes(data)


def test_a_damaged_pack_fails_the_drill_and_its_items_are_named(machine: Machine) -> None:
    damage(machine.archive)
    result = machine.drill()
    made = record(result)
    assert not result["passed"] and not made["passed"]
    left = made["unrestored_items"]
    assert left and all(one["cause"] == "broken item" and "damaged" in one["reason"] for one in left)
    missing = {(one["account"], one["item_id"]) for one in made["differences"] if one["field"] == "missing"}
    assert missing == {(one["account"], one["item_id"]) for one in left}, "found by the comparison as well"
    page = (Path(result["report_path"]) / "report.html").read_text("utf-8")
    assert "<b>FAILED</b>" in page and all(one["item_id"] in page for one in left)
    whole = {one["address"]: one["whole"] for one in made["accounts"]}
    assert {address for address, is_whole in whole.items() if not is_whole} == {one["account"] for one in left}
    assert machine.drill(source="backup_path")["passed"], "the Backup Path is sound"
    assert [one["passed"] for one in drill_reports.past(machine.node).past()] == [False, True]


def test_an_archive_that_was_put_back_fails_the_drill(machine: Machine) -> None:
    witness = json.loads((machine.place("backup_path") / "witness.json").read_text("utf-8"))
    witness["seq"] += 5
    (machine.place("backup_path") / "witness.json").write_text(json.dumps(witness))
    with pytest.raises(Refused, match="put back to an older state"):
        machine.drill()
    made = json.loads((machine.reports()[-1] / "report.json").read_text("utf-8"))
    assert "put back to an older state" in made["reasons"][0] and not made["passed"]
    assert machine.left() == []


def test_an_archive_that_is_away_leaves_a_report_too(machine: Machine) -> None:
    machine.archive.rename(machine.root / "away")
    with pytest.raises(NotABackup, match="The report of the drill is"):
        machine.drill(rto_target="1h")
    (report,) = machine.reports()
    made = json.loads((report / "report.json").read_text("utf-8"))
    assert "could not go on" in made["reasons"][0] and made["rto_seconds"] is None and made["backup"]["source"]
    assert drill_reports.verify(machine.node, str(report))["genuine"]


def test_a_disk_without_room_is_not_filled(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "free", lambda path: 0)
    with pytest.raises(Refused, match="scratch_path") as refused:
        machine.drill()
    assert machine.left() == []
    needed = int(str(refused.value).split("some ")[1].split(" bytes")[0].replace(",", ""))
    monkeypatch.setattr(rehearsal, "free", lambda path: needed - 1)
    assert machine.drill(sample="1", seed="1")["passed"], "one account needs less"


def test_a_missed_target_fails_the_drill(machine: Machine) -> None:
    result = machine.drill(sample="1", rto_target="0.001s")
    assert not result["passed"] and "RTO" in result["reasons"][0] and "Verified Items" in result["stats"]


# -- ends before the end -----------------------------------------------------------------------------------------------


def test_killed_in_the_middle_it_leaves_nothing_once_it_has_run_again(machine: Machine) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (
        Path(__file__).parent, CHECKOUT, CHECKOUT / "build" / "collections",
    )))}
    for pause in (0.02, 0.3, 0.8):
        process = subprocess.Popen(
            [sys.executable, "-c", "import tests.conftest\n" + ONE_DRILL, str(machine.root)], cwd=CHECKOUT,
            env=environment, stdout=subprocess.PIPE, start_new_session=True,
        )
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        deadline = time.monotonic() + 30
        while not machine.left() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(pause)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        left = len(machine.left())
        assert left == 1 or (left == 0 and pause > 0.02), "a kill leaves what it had in hand, once"
    # On a quick machine the later ones had come to their end.
    complete = len(machine.reports())
    assert machine.drill(sample="1")["passed"]
    assert machine.left() == [] and len(machine.reports()) == complete + 1


def test_told_to_stop_it_leaves_nothing_at_all(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopping(self: Operation) -> bool:
        self._stopping = self._stopping or bool(self.record.items_done)
        return self._stopping

    monkeypatch.setattr(Operation, "stopping", stopping)
    with pytest.raises(Stopped):
        machine.drill()
    assert machine.left() == [] and machine.reports() == [] and drill_reports.past(machine.node).past() == []


def test_no_backup_waits_for_a_drill(machine: Machine) -> None:
    with machine.node.operations.start("SmartScan", queue=BACKUP_QUEUE):
        assert machine.drill(sample="1")["passed"]


# -- what is remembered ------------------------------------------------------------------------------------------------


def test_a_drill_is_due_when_the_last_one_is_old_has_failed_or_was_another_one(machine: Machine) -> None:
    options = Options(sample="1", due_after_days=7)
    assert drill.due(machine.node, options) is None
    machine.drill(sample="1", rto_target="0.001s")
    assert drill.due(machine.node, dataclasses.replace(options, rto_target="0.001s")) is None, "it has failed"
    result = machine.drill(sample="1", seed="x")
    last = drill.due(machine.node, options)
    assert last is not None and last["report_path"] == result["report_path"]
    assert drill.due(machine.node, dataclasses.replace(options, rto_target="1h")) is None
    assert drill.due(machine.node, dataclasses.replace(options, due_after_days=0)) is None
    machine.drill(sample="1", declared="2026-01-01T00:00:00Z", rto_target="1h")
    assert drill.due(machine.node, options) is None, "the last one was another one, and has failed"


def test_a_report_shows_the_drills_before_it(machine: Machine) -> None:
    ids = [machine.drill(sample="1")["operation_id"] for _unused in range(3)]
    assert [one["id"] for one in record({"report_path": str(machine.reports()[-1])})["past"]] == ids[:2]


def test_so_many_reports_are_kept_and_that_of_the_last_drill_that_has_passed(machine: Machine) -> None:
    passed = machine.drill(sample="1")["report_path"]
    failed = [machine.drill(sample="1", rto_target="0.001s")["report_path"] for _unused in range(3)]
    assert {*map(str, machine.reports())} == {passed, *failed}, "all of them without a bound"
    Path(failed[1], "notes of the auditor").touch()
    plan = drill.preview(machine.node, Options(reports_keep=2))["plan"]
    assert plan[4:] == [f"remove the older report {one}" for one in failed[:2]]
    done = machine.drill(sample="1", rto_target="0.001s", reports_keep=2)
    assert not done["warnings"] and not drill_reports.outdated(machine.node, 2)
    assert {*map(str, machine.reports())} == {passed, failed[1], failed[2], done["report_path"]}
    assert os.listdir(failed[1]) == ["notes of the auditor"]
    assert len(drill_reports.past(machine.node).past()) == 5, "they are remembered"
    newest = machine.drill(sample="1", reports_keep=1)["report_path"]
    assert {*map(str, machine.reports())} == {failed[1], newest}
    Path(newest, "report.html").unlink()
    Path(newest, "report.html").mkdir()  # what cannot be unlinked
    warning, = machine.drill(sample="1", reports_keep=1)["warnings"]
    assert warning == f"The report {newest} cannot be removed (Is a directory)."


def test_monitoring_is_told_of_the_backup_and_its_drill(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "restante.prom"
    machine.drill(sample="1", metrics_path=str(path), rpo_target="1h")
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(path.read_text()) for sample in family.samples
    }
    assert samples["restante_last_drill_success"] == 1 and samples["restante_drill_rpo_target_seconds"] == 3600
    assert abs(samples["restante_last_drill_timestamp_seconds"] - time.time()) < 60
    assert samples["restante_last_commit_timestamp_seconds"] < samples["restante_last_drill_timestamp_seconds"]
    last = samples["restante_last_commit_timestamp_seconds"]
    assert samples["restante_last_archived_commit_timestamp_seconds"] == last
    assert samples["restante_archive_lag_commits"] == samples["restante_archive_lag_seconds"] == 0
    result = machine.drill(sample="1", metrics_path=str(tmp_path / "missing" / "x.prom"))
    assert result["passed"] and "Monitoring was not told" in result["warnings"][0]


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "error", "sentence"), [
    ({"source": "tape"}, InvalidInput, "archive, backup_path"), ({"sample": "half"}, InvalidInput, "10%"),
    ({"rpo_target": "soon"}, InvalidInput, "rpo_target"), ({"declared": "2999-01-01"}, InvalidInput, "future"),
    ({"declared": "last"}, InvalidInput, "declared"), ({"concurrent_accounts": 0}, InvalidInput, "1 or more"),
    ({"due_after_days": -1}, InvalidInput, "due_after_days"),
    ({"reports_keep": -1}, InvalidInput, "reports_keep"),
    ({"reports_keep": 121}, InvalidInput, "give 1 to 120"),
    ({"bucket_configuration_id": "x", "source_path": "/x"}, InvalidInput, "not by both"),
    ({"witness": "/nonexistent"}, NotFound, "nonexistent"), ({"bucket_configuration_id": "x"}, NotFound, "x"),
    ({"source": "backup_path", "source_path": "/nonexistent"}, NotABackup, "no backup"),
])
def test_bad_input_gets_a_sentence(
    machine: Machine, options: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        machine.drill(**options)
    assert machine.left() == []


def test_an_archive_of_several_servers_needs_a_name(machine: Machine, tmp_path: Path) -> None:
    other = make(tmp_path / "other", messages=9)
    other.archive.rename(machine.root / "archive" / other.archive.name)
    assert machine.drill(sample="1")["passed"], "its own is meant"
    stranger = Machine(tmp_path / "stranger")
    stranger.settle(encrypted=False, archived=False)
    there = {"source": "archive", "source_path": str(machine.root / "archive"), "sample": "1"}
    with pytest.raises(InvalidInput, match="server_id"):
        stranger.drill(**there)
    own = drill_source._own_id(machine.node)
    assert record(stranger.drill(server_id=own, **there))["backup"]["server_id"] == own
