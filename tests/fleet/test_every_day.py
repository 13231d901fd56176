# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done with a fleet that is well: set it up, look at it, bring back what users have lost, take a node away."""

from __future__ import annotations

import json

import pytest

from tests.fleet.fleet_kit import BUCKET, MAIL, MAIL1, MAIL2, SPARE, Fleet
from tests.playbooks.playbook_kit import Run


@pytest.fixture(scope="module")
def set_up(fleet: Fleet) -> Run:
    checked = fleet.documented("backup_setup", 0)
    assert checked.status == 0, checked.output
    assert not fleet.nodes[MAIL1].path("/etc/restante").exists(), "check mode has written something"
    done = fleet.documented("backup_setup", 1)
    assert done.status == 0, done.output
    return done


def test_the_backup_is_rolled_out_to_a_group(fleet: Fleet, set_up: Run) -> None:
    for name in MAIL:
        backup = fleet.nodes[name].path("/opt/zextras/backup/zextras")
        assert backup.stat().st_uid != 0 and backup.stat().st_mode & 0o777 == 0o700
        assert (backup / "format.json").is_file()
        assert f"{BUCKET}/{name}" in set_up.summary()
        units = {unit.name for unit in fleet.nodes[name].path("/etc/systemd/system").glob("restante-*")}
        assert {"restante-realtime-scanner.service", "restante-smartscan.timer", "restante-purge.timer"} <= units
        told = json.loads(fleet.nodes[name].run("restante", "--json", "backup", "getBackupInfo"))
        assert told["backup_path"] == "/opt/zextras/backup/zextras"
    assert not fleet.nodes[SPARE].path("/etc/restante").exists(), "it is in another group"


def test_rolled_out_again_it_changes_nothing(fleet: Fleet, set_up: Run) -> None:
    again = fleet.play("backup_setup", "--diff", "--limit", MAIL1)
    assert again.status == 0, again.output
    assert again.changed() == []


def test_all_that_is_missing_is_named_at_once_and_nothing_is_touched(fleet: Fleet) -> None:
    spare = fleet.nodes[SPARE]
    spare.run("sh", "-c", "mkdir -p /srv/shut/in && chmod 0700 /srv/shut && touch /srv/file", user="root")
    wrong = {
        "s3_recovery_hosts": "spareServers", "s3_recovery_scenario": "decommissioned_node",
        "s3_recovery_source": "/srv/nothing", "s3_recovery_cache_path": "/srv/file/cache",
        "s3_recovery_restore_path": "/srv/shut/in/restore", "s3_recovery_service_group": "postfix-of-nobody",
        "s3_recovery_mounts": ["/srv"], "s3_recovery_bucket_secret": "another",
    }
    before = spare.run("find", "/etc", "/opt", "/srv", "/var/lib", "/usr/local", "-newer", "/etc/hosts", user="root")
    for options in ([], ["--check"]):
        failed = fleet.play("s3_recovery", *options, **wrong)
        assert failed.status == 2, failed.output
        for sentence in (
            "/srv/nothing does not exist", "/srv/file is no directory", "zextras cannot enter /srv/shut",
            "no group postfix-of-nobody", "Nothing is mounted at /srv", "Check the keys",
        ):
            assert sentence in failed.summary()
        assert not failed.named("Make the directories"), "it began"
        assert not failed.changed()
    after = spare.run("find", "/etc", "/opt", "/srv", "/var/lib", "/usr/local", "-newer", "/etc/hosts", user="root")
    assert after == before


def test_a_variable_that_is_missing_is_named_with_the_rest(fleet: Fleet) -> None:
    wrong = {"s3_recovery_hosts": "spareServers", "s3_recovery_bucket_name": "", "s3_recovery_mounts": ["/srv"]}
    failed = fleet.play("s3_recovery", "--check", **wrong)
    assert "s3_recovery_bucket_name is missing" in failed.summary()
    assert "Nothing is mounted at /srv" in failed.summary()


def test_a_backup_that_is_not_there_is_missed_before_anything_is_touched(fleet: Fleet, set_up: Run) -> None:
    failed = fleet.play(
        "s3_recovery", s3_recovery_hosts="spareServers", s3_recovery_volume_prefix=MAIL1,
        s3_recovery_server_id="no-such-server",
    )
    assert failed.status == 2
    assert "There is no backup of the server no-such-server" in failed.summary()
    assert "last commit" in failed.summary(), "what is there instead"
    assert not fleet.nodes[SPARE].path("/etc/restante").exists()


def test_the_state_of_every_node_is_told(fleet: Fleet, set_up: Run) -> None:
    fleet.nodes[MAIL2].kill()
    try:
        done = fleet.documented("status")
    finally:
        fleet.nodes[MAIL2].boot()
    assert done.status == 2, "one node did not answer"
    assert done.changed() == []
    [table] = [task.result["msg"] for task in done.named("Table")]
    assert len(table) == 3 and table[1].startswith(f"{MAIL1} ") and " -0 " in table[1]
    assert table[2].startswith(f"{MAIL2} ") and "does not answer" in table[2]
    assert f"{MAIL1}: done" in done.summary() and f"{MAIL2}: FAILED" in done.summary()


def test_an_item_comes_back_on_the_node_that_has_its_account(fleet: Fleet, set_up: Run) -> None:
    before = fleet.items(MAIL2)
    [item] = fleet.on(MAIL2, "delete", "ina@mail2.example.com", "1")
    assert fleet.items(MAIL2) != before
    done = fleet.documented("restore_item", restore_item_account="ina@mail2.example.com", restore_item_id=item)
    assert done.status == 0, done.output
    assert fleet.items(MAIL2) == before
    assert "Restored 1," in done.summary() and f"{MAIL1}: it does not have ina@mail2.example.com" in done.summary()


def test_what_was_deleted_comes_back(fleet: Fleet, set_up: Run) -> None:
    fleet.on(MAIL1, "delete", "ina@mail1.example.com", "5")
    done = fleet.documented("undelete", undelete_account="ina@mail1.example.com", undelete_start_date="first")
    assert done.status == 0, done.output
    assert "has the tag undelete_" in done.summary()
    of_ina = [count for line, count in fleet.items(MAIL1).items() if line[:2] == ("ina@mail1.example.com", "message")]
    assert sum(of_ina) == 30


def test_an_account_that_several_nodes_have_is_asked_about(fleet: Fleet, set_up: Run) -> None:
    given = {"restore_account_account": "ann@harbour.example", "restore_account_destination": "again@harbour.example"}
    failed = fleet.play("restore_account", "--check", **given)
    assert failed.status == 2
    assert f"Several nodes have ann@harbour.example in their backup: {MAIL1}, {MAIL2}" in failed.summary()
    done = fleet.play("restore_account", "--limit", MAIL1, **given)
    assert done.status == 0, done.output
    of_node = fleet.items(MAIL1)
    assert {line[1:] for line in of_node if line[0] == "ann@harbour.example"} >= {
        line[1:] for line in of_node if line[0] == "again@harbour.example" and line[1] == "message"
    }


def test_a_deleted_account_comes_back_as_it_was(fleet: Fleet, set_up: Run) -> None:
    before = fleet.items(MAIL2)
    fleet.on(MAIL2, "remove", "dai@orchard.example")
    done = fleet.play("restore_account", "--limit", MAIL2, restore_account_account="dai@orchard.example")
    assert done.status == 0, done.output
    assert fleet.items(MAIL2) == before


def test_a_node_that_goes_away_hands_its_mail_over(fleet: Fleet, set_up: Run) -> None:
    done = fleet.documented("decommission")
    assert done.status == 0, done.output
    assert fleet.items(SPARE) == fleet.items(MAIL2)
    assert f"{MAIL2}: done" in done.summary() and "switch it off" in done.summary()
    assert done.named("Compare every item with the backup")[0].result["verification"]["passed"]
