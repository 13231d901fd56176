# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Realtime Scanner as a process: switched off and on, beside others, and with what it needs away for a while."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, NotFound, Refused
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import (
    backups,
    realtime,
    service,
    services,
    tuning,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.scan import recorder
from realtime_kit import CLI, ENVIRONMENT, until


def closed_gaps(node: Any) -> list[str]:
    """Return what was notified of gaps."""
    return [note.text for note in node.node.notifications().list() if "gap was closed" in note.subject]


def test_it_ends_orderly_with_a_last_commit(live_node: Any) -> None:
    live_node.start()
    assert live_node.is_complete()
    live_node.mail(live_node.accounts[0], b"the last one")
    status, said = live_node.end(signal.SIGTERM)
    assert status == 0 and said.splitlines()[-1].endswith("stopped")
    assert live_node.is_complete()
    assert live_node.recorded(live_node.accounts[0], live_node.remains()) == live_node.live(live_node.accounts[0])


def test_the_first_start_makes_the_backup(live_node: Any) -> None:
    """R-210, R-217."""
    assert not backups.is_initialised(live_node.node)
    live_node.start()
    assert live_node.is_complete()
    until(lambda: closed_gaps(live_node), "the notification of the gap")  # it is told when all has been done
    assert "nothing was followed before" in closed_gaps(live_node)[0]
    for name in ("realtime.json", "realtime.pid"):
        assert os.stat(Path(live_node.node.settings.state_path, name)).st_mode & 0o777 == 0o600


def test_it_is_switched_off_and_on_while_it_runs(live_node: Any) -> None:
    """R-162, R-222, R-224, R-225: off for an import, on again afterwards, and what was missed is made up for."""
    live_node.start()

    def tune(state: str) -> None:
        arguments = {"realtime_scanner": False, "redo_log": True, "compress": False}
        tuning.answer(Call({"config_file": live_node.config_file, "state": state, **arguments}))

    tune("tuned")
    live_node.await_state("off")
    live_node.mail(live_node.accounts[0], b"imported")
    status = live_node.status()
    assert status["running"] and not status["enabled"]
    assert status["gap"] and status["gap_reason"] == "it was switched off"
    assert not live_node.is_complete()
    tune("original")
    live_node.await_state("following")
    assert live_node.is_complete()
    until(lambda: "it was switched off" in "".join(closed_gaps(live_node)[-1:]), "the notification of the gap")


def test_a_smart_scan_has_its_turn_and_gives_it(live_node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-222: the two are independent of each other."""
    monkeypatch.setattr(recorder, "TURN", 0)
    live_node.start()
    for number in range(20):
        live_node.mail(live_node.accounts[number % 2], b"%d" % number * 1000)
        if number % 5 == 0:
            backups.smart_scan(live_node.node, deep=number == 10)
    live_node.await_archived()
    live_node.assert_nothing_twice()


def test_an_archive_that_is_away_is_waited_for(live_node: Any) -> None:
    """R-284."""
    live_node.start()
    live_node.await_archived()
    aside = live_node.archive.rename(live_node.path / "aside")
    live_node.mail(live_node.accounts[0], b"while it was away")
    until(live_node.is_complete, "the commit")
    until(lambda: live_node.status()["archive_error"], "the error")
    assert live_node.status()["state"] == "following"
    aside.rename(live_node.archive)
    live_node.await_archived()
    until(lambda: not live_node.status()["archive_error"], "the end of the error")
    assert live_node.recorded(live_node.accounts[0], live_node.remains()) == live_node.live(live_node.accounts[0])


def test_a_mail_store_that_is_away_is_waited_for(live_node: Any) -> None:
    live_node.start()
    place = Path(live_node.store.path)
    aside = place.rename(live_node.path / "aside")
    live_node.await_state("waiting")
    status = live_node.status()
    assert "mail store" in status["error"] and status["gap"]
    aside.rename(place)
    live_node.mail(live_node.accounts[0], b"before it was seen again")
    live_node.await_state("following")
    assert live_node.is_complete()
    until(lambda: "it had to wait" in "".join(closed_gaps(live_node)[-1:]), "the notification of the gap")


def test_there_is_one_for_a_node(live_node: Any) -> None:
    live_node.start()
    second = live_node.command("doRunService", "realtime-scanner")
    assert second.returncode == 1
    assert f"The process {live_node.status()['pid']} does this already" in second.stderr


def test_it_is_started_and_stopped_by_commands(live_node: Any) -> None:
    """R-304."""
    def services() -> Any:
        return json.loads(live_node.command("getServices", "--json").stdout)["realtime-scanner"]

    assert services() == {"could_start": True, "could_stop": False, "running": False}
    assert live_node.command("doStartService", "realtime-scanner").stdout == "service started\n"
    assert live_node.command("doStartService", "Realtime-Scanner").stdout == "the service runs already\n"
    assert services() == {
        "could_start": False, "could_stop": True, "running": True, "could_not_start_because": "it runs",
    }
    live_node.await_state("following")
    first = live_node.status()["pid"]
    assert live_node.command("doRestartService", "realtime-scanner").stdout == "service restarted\n"
    live_node.await_state("following")
    assert live_node.status()["pid"] != first
    assert live_node.command("doStopService", "realtime-scanner").stdout == "service stopped\n"
    assert live_node.command("doStopService", "realtime-scanner").stdout == "the service does not run\n"
    said = Path(live_node.node.settings.state_path, "realtime.log")
    assert said.read_text().splitlines()[-1].endswith("stopped") and said.stat().st_mode & 0o777 == 0o600
    unknown = live_node.command("doStartService", "mailbox")
    assert unknown.returncode == 1 and "There is no service 'mailbox'" in unknown.stderr


@pytest.fixture
def systemd(live_node: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A unit for the node, and a systemctl that notes how it is called and starts what the unit would."""
    units, tools, noted = (live_node.path / name for name in ("units", "tools", "noted"))
    units.mkdir()
    tools.mkdir()
    run = f"{sys.executable} -m {CLI} --config-file {live_node.config_file} backup doRunService realtime-scanner"
    (units / realtime.UNIT).write_text(f"[Service]\nExecStart={run}\n")
    (tools / "systemctl").write_text(
        f'#!/bin/sh\necho "$@" >> {noted}\n[ "$1" != start ] || setsid {run} > {noted}.log 2>&1 &\n'
    )
    (tools / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    monkeypatch.setattr(service, "UNIT_DIRECTORY", str(units))
    monkeypatch.setattr(service, "SYSTEMD", str(units))
    return Path(noted)


def test_where_there_is_a_unit_it_is_started_and_stopped_as_that(live_node: Any, systemd: Path) -> None:
    assert realtime.start(live_node.node)
    assert live_node.status()["unit"] == realtime.UNIT
    live_node.await_state("following")
    assert realtime.stop(live_node.node)
    assert not realtime.stop(live_node.node)
    assert systemd.read_text().splitlines() == [f"start {realtime.UNIT}", f"stop {realtime.UNIT}"]


def test_a_unit_of_another_node_is_left_alone(live_node: Any, systemd: Path) -> None:
    unit = Path(service.UNIT_DIRECTORY, realtime.UNIT)
    unit.write_text(unit.read_text().replace(live_node.config_file, live_node.config_file + ".other"))
    assert live_node.status()["unit"] == ""


def test_systemctl_that_refuses_is_quoted(live_node: Any, systemd: Path) -> None:
    Path(os.environ["PATH"].split(os.pathsep)[0], "systemctl").write_text("#!/bin/sh\necho Access denied >&2\nexit 4\n")
    with pytest.raises(Refused, match="Access denied. Run this as root"):
        realtime.start(live_node.node)


# -- before a restore --------------------------------------------------------------------------------------------------


def test_a_gap_is_closed_before_something_is_restored(live_node: Any) -> None:
    """Reference, sections 2.4 and 4.0: what is not certain is settled by a scan."""
    assert not realtime.settle(live_node.node), "a node without a backup of its own has nothing to settle"
    live_node.start()
    live_node.end(signal.SIGKILL)
    for account in live_node.accounts:
        live_node.mail(account, b"unseen")
    assert realtime.settle(live_node.node, ["anna@example.com"])
    assert live_node.is_complete(), "of a gap, everything is looked at"
    scanned = live_node.status()
    assert scanned["gap"] and scanned["gap_since"] > scanned["complete_until"], "the scan moves its beginning"
    assert not realtime.settle(live_node.node)


def test_a_scan_that_could_not_read_everything_leaves_the_beginning_of_a_gap(
    live_node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_node.start()
    live_node.end(signal.SIGKILL)
    live_node.mail(live_node.accounts[0], b"unseen")

    def changes(*_arguments: Any) -> Any:
        raise Damaged("The disk of the mailbox cannot be read.")

    with monkeypatch.context() as sick:
        sick.setattr(type(live_node.store), "changes", changes)
        assert backups.smart_scan(live_node.node)["read_errors"]
    status = live_node.status()
    assert status["gap_since"] == status["complete_until"] != ""
    backups.smart_scan(live_node.node)
    assert live_node.status()["gap_since"] > status["gap_since"]


def test_without_a_gap_only_what_is_behind_is_looked_at(live_node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    backups.smart_scan(live_node.node)
    monkeypatch.setattr(realtime, "_gap_since", lambda node: 0)
    anna, bruno = live_node.accounts
    for account in live_node.accounts:
        live_node.mail(account, b"a moment ago")
    assert not realtime.settle(live_node.node, ["gone@example.com"])
    assert realtime.settle(live_node.node, ["anna@example.com", "gone@example.com"])
    assert live_node.recorded(anna) == live_node.live(anna)
    assert live_node.recorded(bruno) != live_node.live(bruno)
    assert realtime.settle(live_node.node)
    assert live_node.is_complete()


# -- what it tells -----------------------------------------------------------------------------------------------------


def test_a_status_file_that_was_cut_is_a_gap_of_unknown_age(live_node: Any) -> None:
    live_node.start()
    live_node.end(signal.SIGKILL)
    Path(live_node.node.settings.state_path, "realtime.json").write_text('{"state": "fol')
    status = live_node.status()
    assert status["gap"] and status["gap_since"] == "" and status["complete_until"] == ""
    live_node.start()
    assert not live_node.status()["gap"]


def test_check_mode_foretells_and_changes_nothing(live_node: Any) -> None:
    def answer(check_mode: bool, **arguments: Any) -> Any:
        return realtime.answer(Call({"config_file": live_node.config_file, **arguments}, check_mode))

    wanted = {"state": "started", "enabled": False}
    foretold = answer(True, **wanted)
    assert foretold["changed"] and foretold["status"]["running"] and not foretold["status"]["enabled"]
    assert "records nothing" in foretold["warnings"][0]
    assert live_node.node.settings.realtime_scanner and not live_node.status()["running"]
    done = answer(False, state="stopped", enabled=False)
    assert done["changed"] and done["diff"]["after"] == {"enabled": False, "running": False}
    assert not live_node.node.settings.realtime_scanner
    assert not answer(False, state="stopped", enabled=False)["changed"]


def test_a_name_that_is_no_service_is_told(live_node: Any) -> None:
    with pytest.raises(NotFound, match="there is realtime-scanner and standby"):
        services.find("smartscan")
