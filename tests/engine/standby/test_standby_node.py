# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node as a standby: set up, as a service, stopped, promoted; and what is refused."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.buckets import BucketRecord
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput, NotFound, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, recovery, standby
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume
from ansible_collections.restante.carbonio.plugins.module_utils.scan import alive
from servers.moto_server import moto_server

from tests.engine.restore.restore_kit import INBOX, fill, mail
from tests.engine.standby.node_kit import Nodes

CLI = "ansible_collections.restante.carbonio.plugins.module_utils.cli.main"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "build" / "collections")}


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    nodes = Nodes(tmp_path)
    with nodes.primary() as store:
        fill(store)
    yield nodes
    standby.STANDBY.stop(nodes.node("standby"))


def until(true: Callable[[], object], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} has not come"
        time.sleep(0.05)


def command(nodes: Nodes, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", CLI, "--config-file", nodes.config_file("standby"), "backup", *words],
        capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=120,
    )


def test_it_is_set_up_once_and_follows_what_is_new(nodes: Nodes) -> None:
    assert nodes.status() == {"is_standby": False, "state": "none", "running": False}
    foretold = nodes.answer(check_mode=True)
    assert foretold["changed"] and foretold["diff"]["after"]["state"] == "following"
    assert nodes.status()["state"] == "none", "check mode changes nothing"
    done = nodes.answer()
    assert done["changed"] and done["created"]["account"] == 4 and nodes.mail("standby") == nodes.mail("primary")
    assert not nodes.answer(check_mode=True)["changed"] and not nodes.answer()["changed"]
    with nodes.primary() as store:
        mail(store, "a-anna", INBOX, 50)
    assert nodes.answer(check_mode=True)["changed"] and nodes.status()["applied_commit"] == 1
    assert nodes.answer()["created"] == {"message": 1}
    status = nodes.status()
    assert (status["applied_commit"], status["lag_commits"], status["lag_seconds"]) == (2, 0, 0.0)
    assert status["failure_count"] == status["conflict_count"] == 0 and status["accounts"] == 4


def test_a_service_follows_within_seconds(nodes: Nodes) -> None:
    nodes.answer(service=True)
    until(lambda: nodes.status()["applied_commit"] == 1, "the first commit")
    assert not nodes.answer(service=True)["changed"]
    for number in range(3):
        with nodes.primary() as store:
            mail(store, "a-anna", INBOX, 60 + number)
            store.delete_items("a-bruno", [next(
                one.item_id for one in store.changes("a-bruno").items if one.kind == kinds.MESSAGE
            )])
        until(lambda: nodes.mail("standby") == nodes.mail("primary"), "what the primary has")
    until(lambda: nodes.status()["activity"] == "following", "that the round is at its end")
    status = nodes.status()
    assert status["running"] and 0 <= status["contact_seconds"] < 30
    services = json.loads(command(nodes, "getServices", "--json").stdout)
    assert services["standby"] == {
        "could_start": False, "could_stop": True, "running": True, "could_not_start_because": "it runs",
    }
    assert "Another process works on the standby" in command(nodes, "doStandbyRound", "--sync").stderr
    assert nodes.answer(state="stopped")["changed"] and not nodes.answer(state="stopped")["changed"]
    assert not nodes.status()["running"] and nodes.status()["state"] == "stopped"
    with nodes.primary() as store:
        mail(store, "a-anna", INBOX, 70)
    assert nodes.mail("standby") != nodes.mail("primary")
    nodes.answer(service=True)
    until(lambda: nodes.mail("standby") == nodes.mail("primary"), "what came meanwhile")


def test_a_service_that_is_killed_goes_on_where_it_was(nodes: Nodes) -> None:
    standby.set_up(nodes.node("standby"), standby.Source("local", str(nodes.archive)))
    for delay in (0.4, 0.8, 1.2):
        process = subprocess.Popen(
            [sys.executable, "-m", CLI, "--config-file", nodes.config_file("standby"), "backup", "doRunService",
             "standby"], env=ENVIRONMENT, stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with nodes.primary() as store:
            mail(store, "a-anna", INBOX, int(100 * delay))
    nodes.answer()
    assert nodes.mail("standby") == nodes.mail("primary")


def test_an_archive_that_is_away_is_waited_for_and_another_one_is_not_followed(nodes: Nodes) -> None:
    nodes.answer(service=True)
    until(lambda: nodes.status()["applied_commit"] == 1, "the first commit")
    aside = nodes.archive.rename(nodes.path / "aside")
    until(lambda: nodes.status()["activity"] == "waiting", "that it waits")
    assert "archive" in nodes.status()["error"]
    nodes.archive.mkdir()
    (nodes.path / "other").mkdir()
    other = Nodes(nodes.path / "other")
    with other.primary() as store:
        fill(store)
    nodes.archive.rmdir()
    aside.rename(nodes.archive)
    until(lambda: nodes.status()["activity"] == "following", "that it follows again")
    server = next(nodes.archive.iterdir())
    server.rename(nodes.path / "mine")
    next(other.archive.iterdir()).rename(server)
    with other.primary() as store:
        mail(store, "a-anna", INBOX, 90)
    nodes.answer(state="stopped")
    with contextlib.suppress(Unavailable):  # where it has ended before it is looked for
        nodes.answer(service=True)
    until(lambda: nodes.status()["state"] == "stopped" and not nodes.status()["running"], "that it stops")
    assert "another" in nodes.status()["error"]
    assert any("does not follow any more" in note.subject for note in nodes.node("standby").notifications().list())


def test_it_is_promoted_once_and_for_ever_and_its_own_backup_goes_on(nodes: Nodes) -> None:
    nodes.answer()
    with nodes.primary() as store:
        mail(store, "a-anna", INBOX, 80)
    assert nodes.answer(check_mode=True, state="promoted")["changed"] and nodes.status()["state"] == "following"
    done = nodes.answer(state="promoted")
    promotion = done["promotion"]
    assert done["changed"] and promotion["lost_commits"] == 0 and promotion["applied_commit"] == 2
    assert not promotion["error"] and not promotion["failures"] and promotion["seconds"] < 60
    assert nodes.mail("standby") == nodes.mail("primary"), "the last round is one of what was not applied"
    assert not nodes.answer(state="promoted")["changed"]
    assert nodes.answer(state="promoted")["promotion"] == promotion
    with nodes.primary() as store:
        mail(store, "a-anna", INBOX, 81)
    with pytest.raises(InvalidInput, match="This node was promoted"):
        nodes.answer()
    with pytest.raises(InvalidInput, match="was promoted"):
        nodes.answer(state="stopped")
    assert "was promoted" in command(nodes, "doFollowPrimary", "Local", str(nodes.archive)).stderr
    # Its users' mail is here, under the ids that the accounts had; and it is backed up as that of any primary.
    with nodes.standby() as store:
        mail(store, "a-anna", INBOX, 82)
    assert backups.smart_scan(nodes.node("standby"))["new_accounts"] == 4
    own, primary = (backups.info(nodes.node(name))["server_id"] for name in ("standby", "primary"))
    with nodes.standby() as store:
        assert own == store.server_id() != primary


def test_a_promotion_without_its_archive_says_what_is_lost(nodes: Nodes) -> None:
    nodes.answer()
    nodes.archive.rename(nodes.path / "gone")
    done = nodes.answer(state="promoted")
    assert done["changed"] and "archive" in done["promotion"]["error"] and done["promotion"]["silent_seconds"] > 0
    assert "could not be followed once more" in done["warnings"][0]
    assert nodes.status()["state"] == "promoted" and not nodes.status()["is_standby"]


def test_a_commit_that_cannot_be_read_is_told_and_waited_for_by_nobody(nodes: Nodes) -> None:
    nodes.answer()
    with nodes.primary() as store:
        mail(store, "a-anna", INBOX, 53)
    commit = next(nodes.archive.glob("*/commits/*2.json"))
    data = commit.read_bytes()
    commit.chmod(0o600)
    commit.write_bytes(b"{}")
    assert "is damaged" in nodes.answer()["warnings"][0] and "commits/" in nodes.status()["damages"][0]
    commit.write_bytes(data)
    assert nodes.answer()["created"] == {"message": 1} and not nodes.status()["damages"]


def test_what_is_no_standby_can_be_neither_stopped_nor_promoted(nodes: Nodes) -> None:
    for state in ("stopped", "promoted"):
        for check_mode in (True, False):
            with pytest.raises(NotFound, match="This node is no standby"):
                nodes.answer(check_mode, state=state)


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_cannot_be_followed_is_refused_before_anything_is_written(nodes: Nodes, check_mode: bool) -> None:
    with pytest.raises(InvalidInput, match="own Backup Path"):
        nodes.answer(check_mode, source=nodes.node("standby").settings.backup_path)
    with pytest.raises(NotFound, match="bucket"):
        nodes.answer(check_mode, source_type="s3", bucket_configuration_id="unknown")
    with pytest.raises(InvalidInput, match="bucket_configuration_id"):
        nodes.answer(check_mode, source_type="s3")
    with nodes.standby() as store:
        store.create_entry(Entry("d-mine", kinds.DOMAIN, "mine.example"))
        store.create_entry(Entry("mine", kinds.ACCOUNT, "mine@mine.example"))
        mail(store, "mine", INBOX, 1)
    with pytest.raises(InvalidInput, match="holds mail .mine@mine.example has a message."):
        nodes.answer(check_mode)
    assert nodes.status()["state"] == "none"


def test_another_mail_store_in_its_place_is_not_written_to(nodes: Nodes) -> None:
    nodes.answer()
    nodes.change("standby", mailstore_path=nodes.node("primary").settings.mailstore_path)
    with pytest.raises(InvalidInput, match="is not the one that was made the standby"):
        nodes.answer()


def test_an_idle_primary_is_told_from_a_dead_one(nodes: Nodes) -> None:
    file, = nodes.archive.glob(f"*/{alive.FILE}")
    repository = json.loads(file.read_bytes())["repository"]

    def seen(at: object, **other: Any) -> dict[str, Any]:
        """What is known after a sign of life; what was known before that is forgotten."""
        (nodes.path / "standby" / "state_path" / "standby" / "status.json").unlink()
        return seen_again(at, **other)

    def seen_again(at: object, **other: Any) -> dict[str, Any]:
        file.write_text(json.dumps({"repository": repository, "commit": 1, "at": at, **other}))
        nodes.answer()
        return nodes.status()

    nodes.answer()
    status = nodes.status()
    assert status["gives_signs_of_life"] and 0 <= status["sign_of_life_seconds"] <= status["silent_seconds"] < 600
    hour, now, committed = 3_600_000, moment.now(), moment.parse(status["newest_commit_at"])
    assert isinstance(committed, int)
    # An old one is older than the commit; a new one counts, and one from the future from when it came.
    assert moment.parse(seen(now - hour)["last_sign_of_life"]) == committed
    assert moment.parse(seen(committed + 1)["last_sign_of_life"]) == committed + 1
    wrong = seen(now + hour)
    assert wrong["sign_of_life_seconds"] < 60 and 3500 < wrong["clock_ahead_seconds"] <= 3600
    again = seen_again(now + hour)
    assert again["last_sign_of_life"] == wrong["last_sign_of_life"], "the same one is no further sign"
    later = seen_again(now + hour + 1)
    assert later["last_sign_of_life"] > wrong["last_sign_of_life"], "another one is"
    # What others say, or is no sign at all, counts for nothing, and stops nothing.
    assert not seen(now, repository="another")["gives_signs_of_life"]
    assert not seen("soon")["gives_signs_of_life"]
    file.unlink()
    nodes.answer()
    info = standby.info(Call({
        "config_file": nodes.config_file("standby"), "warn_silence_seconds": 0, "max_silence_seconds": 1,
        "max_lag_seconds": 0,
    }, False))
    assert info["problems"] == ["The standby does not follow: it is following."]


def test_the_primarys_backup_path_can_be_followed_where_it_is_mounted(nodes: Nodes) -> None:
    nodes.answer(source=nodes.node("primary").settings.backup_path)
    assert nodes.mail("standby") == nodes.mail("primary")


def test_a_bucket_is_followed(nodes: Nodes) -> None:
    with moto_server() as endpoint:
        s3: Any = boto3.client(
            "s3", endpoint_url=endpoint.url, region_name="us-east-1", aws_access_key_id=endpoint.access_key,
            aws_secret_access_key=endpoint.secret_key,
        )
        s3.create_bucket(Bucket="archive")
        given = {
            "bucket": "archive", "provider": "CustomS3", "endpoint": endpoint.url, "region": "us-east-1",
            "access_key": endpoint.access_key, "secret_key": endpoint.secret_key,
        }
        for name in ("primary", "standby"):
            node = nodes.node(name)
            record = node.buckets.add(BucketRecord(label="archive", **given))
            if name == "primary":
                nodes.change("primary", backup_volume=BackupVolume("s3", "", record.id, "nodes"))
        with nodes.primary() as store:
            mail(store, "a-anna", INBOX, 51)
        arguments = {"source_type": "s3", "bucket_configuration_id": "archive", "volume_prefix": "nodes"}
        nodes.answer(**arguments)
        with nodes.primary() as store:
            mail(store, "a-anna", INBOX, 52)
            store.delete_entry(kinds.ACCOUNT, "a-bruno")
        assert nodes.answer(**arguments)["deleted"]["account"] == 1
        assert nodes.mail("standby") == nodes.mail("primary")


def test_the_commands_do_as_the_module(nodes: Nodes) -> None:
    done = command(nodes, "doFollowPrimary", "Local", str(nodes.archive), "service", "false")
    assert done.returncode == 0, done.stderr
    assert nodes.mail("standby") == nodes.mail("primary")
    shown = json.loads(command(nodes, "getStandby", "--json").stdout)
    assert shown["state"] == "following" and shown["applied_commit"] == 1
    assert command(nodes, "doStopFollowing").stdout == "stopped\n"
    assert command(nodes, "doStopFollowing").stdout == "it does not follow\n"
    promoted = command(nodes, "doPromoteStandby", "--sync", "--json")
    assert promoted.returncode == 0, promoted.stderr
    assert nodes.status()["state"] == "promoted"


def test_recovery_knows_nothing_of_it(nodes: Nodes) -> None:
    """A standby is no External Restore: that would begin anew."""
    nodes.answer()
    with pytest.raises(NotFound, match="never restored"):
        recovery.prove(nodes.node("standby"), nodes.node("primary").settings.backup_path)
