# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes that are lost, one or all, and one that loses its power while it is recovered."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.fleet_kit import BUCKET, MAIL, MAIL1, MAIL2, SPARE, Fleet
from tests.fleet.follow import Sheets, Step, follow, legible, lines, print_page, read
from tests.playbooks.playbook_kit import CHECKOUT
from tests.servers import chromium
from tests.servers.needed import needed
from tests.servers.nodes import USER

LONG = 1800
"""Seconds: many playbooks, on a machine that does other things as well."""
RUNBOOK = CHECKOUT / "docs" / "runbook-lost-node.md"


@pytest.fixture(scope="module")
def held(fleet: Fleet) -> Mapping[str, Counter[Any]]:
    """What the nodes had when they were backed up last."""
    assert fleet.documented("backup_setup", 1).status == 0
    return {name: fleet.items(name) for name in MAIL}


@pytest.fixture(scope="module")
def sheets(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Sheets:
    """The runbook on paper, with the names of this fleet in its blanks."""
    needed("A browser", chromium.missing())
    values = {
        "s3_recovery_volume_prefix": MAIL1, "s3_recovery_hosts": SPARE, "s3_recovery_bucket_name": BUCKET,
        "s3_recovery_bucket_provider": "CustomS3", "s3_recovery_bucket_url": fleet.endpoint.url,
        "s3_recovery_bucket_region": "", "ansible_python_interpreter": sys.executable,
        "runbook_keys_are_in": "the safe on the second floor", "runbook_people": "Ina, 555-0199",
        "runbook_dns_names": "mail.example.com, by Dai",
    }
    with chromium.browser() as browser:
        return read(browser, print_page(RUNBOOK, values, tmp_path_factory.mktemp("runbook")))


def test_the_runbook_is_legible_on_paper(sheets: Sheets) -> None:
    assert [step.number for step in sheets.steps] == list(range(1, len(sheets.steps) + 1))
    for line in (line for step in sheets.steps for line in lines(step)):
        assert legible(line, sheets), f"not on one line of paper: {line}"
    assert sheets.count <= 14


def part(sheets: Sheets, beginning: str) -> list[Step]:
    """Return the steps of the parts whose headings begin like this."""
    found = [step for step in sheets.steps if step.part.startswith(beginning)]
    assert found, f"the runbook has no part {beginning}"
    return found


@pytest.fixture(scope="module")
def kept(fleet: Fleet, held: Mapping[str, Counter[Any]], sheets: Sheets) -> Path:
    """What the runbook has one keep beforehand: the command, as a file."""
    told = fleet.directory / "inventory" / "group_vars" / "spareServers.yml"
    told.write_text(json.dumps({"restante_progress_seconds": 10}), encoding="utf-8")
    with fleet.terminal() as admin:
        follow(part(sheets, "Fill in beforehand"), {"admin$": admin}, fleet.directory)
    return fleet.directory / "restante"


@pytest.mark.timeout(LONG)
def test_one_lost_node_of_several_is_recovered_by_the_runbook(
    fleet: Fleet, held: Mapping[str, Counter[Any]], sheets: Sheets, kept: Path
) -> None:
    """Line by line from the paper, with nothing typed that does not stand there."""
    fleet.nodes[MAIL1].lose()
    with fleet.terminal() as admin:
        follow(part(sheets, "Part "), {"admin$": admin}, fleet.directory)
    assert fleet.items(SPARE) == held[MAIL1]
    assert fleet.items(MAIL2) == held[MAIL2], "another node was touched"


def test_a_lost_node_is_recovered_by_hand_as_the_runbook_says(
    fleet: Fleet, held: Mapping[str, Counter[Any]], sheets: Sheets, kept: Path
) -> None:
    """In the vendor's six steps, on another new node, without Ansible."""
    spare = fleet.nodes[SPARE]
    spare.lose()
    spare.boot()
    spare.run("install", "-d", "-m", "0700", "-o", USER, "/var/lib/restante", user="root")
    fleet.on(SPARE, "install")
    spare.path("/mnt/restante").write_bytes(kept.read_bytes())
    secrets = {"ACCESS_KEY": fleet.endpoint.access_key, "SECRET_KEY": fleet.endpoint.secret_key}
    with fleet.node_terminal(SPARE, "root") as root, fleet.node_terminal(SPARE, USER) as user:
        follow(part(sheets, "By hand"), {"root#": root, "zextras$": user}, fleet.directory, secrets)
    messages = {line: count for line, count in held[MAIL1].items() if line[1] == "message" and "galsync" not in line[0]}
    assert {line: count for line, count in fleet.items(SPARE).items() if line[1] == "message"} == messages


def test_all_are_recovered_although_one_loses_its_power_meanwhile(
    fleet: Fleet, held: Mapping[str, Counter[Any]]
) -> None:
    for name in MAIL:
        fleet.nodes[name].lose()
        fleet.nodes[name].boot()
    given = {"s3_recovery_serial": 1, "s3_recovery_volume_prefix": "{{ inventory_hostname }}"}
    running = fleet.begin("s3_recovery", **given)
    fleet.await_restore(MAIL1, running)
    fleet.nodes[MAIL1].kill()
    broken = running.result()
    assert broken.status == 2, broken.output
    assert f"{MAIL1}: FAILED" in broken.summary() and "stopped answering" in broken.summary()
    assert f"{MAIL2}: done" in broken.summary()
    assert fleet.items(MAIL2) == held[MAIL2], "one node's failure has stopped another's data"

    fleet.nodes[MAIL1].boot()
    assert fleet.items(MAIL1) != held[MAIL1], "it was over before the power went"
    done = fleet.play("s3_recovery", "--limit", MAIL1, **given)
    assert done.status == 0, done.output
    assert fleet.items(MAIL1) == held[MAIL1], "something is missing, or there twice"
    assert fleet.items(MAIL2) == held[MAIL2]


def test_no_further_node_is_begun_where_too_many_have_failed(fleet: Fleet, held: Mapping[str, Counter[Any]]) -> None:
    fleet.nodes[MAIL1].kill()
    try:
        stopped = fleet.play(
            "s3_recovery", s3_recovery_serial=1, s3_recovery_max_fail_percentage=40,
            s3_recovery_volume_prefix="{{ inventory_hostname }}",
        )
    finally:
        fleet.nodes[MAIL1].boot()
    assert stopped.status == 2
    assert f"{MAIL1}: FAILED" in stopped.summary() and "does not answer" in stopped.summary()
    assert f"Not begun: 1 of 2 nodes have failed ({MAIL1})" in stopped.summary()
    assert stopped.changed() == []
