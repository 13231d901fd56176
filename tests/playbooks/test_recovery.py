# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The S3 recovery by playbook: from nothing, again, in part, in check mode, for both scenarios, as another user."""

from __future__ import annotations

import importlib
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.recovery import prove
from playbook_kit import PLAYBOOKS, Run, run
from recovery_kit import NodeA, recovery_variables

RECOVERY = PLAYBOOKS / "s3_recovery.yml"


def is_proven(root: Path) -> bool:
    """Return whether the node below a directory has everything that the restore directory says."""
    return prove(Node.load(str(root / "etc" / "restante.json")), str(root / "restore")).passed


class Recovered:
    """A node B that one run of the playbook has recovered."""

    def __init__(self, node_a: NodeA, root: Path) -> None:
        self.root = root
        self.variables = recovery_variables(node_a, root)
        self.first = self.again()

    def again(self, *options: str) -> Run:
        """Run the playbook."""
        return run(RECOVERY, self.variables, self.root, *options)


@pytest.fixture(scope="module")
def recovered(node_a: NodeA, tmp_path_factory: pytest.TempPathFactory) -> Recovered:
    return Recovered(node_a, tmp_path_factory.mktemp("b"))


def test_a_lost_node_is_recovered_from_its_bucket(recovered: Recovered, node_a: NodeA) -> None:
    """R-161, R-170, R-171, R-176, R-178, R-179, R-181, R-183."""
    assert recovered.first.status == 0, recovered.first.output
    assert is_proven(recovered.root)
    restored = recovered.first.named("Restore")[0].result["restored"]
    assert restored["message"] == node_a.held["message"]


def test_what_is_private_is_private(recovered: Recovered) -> None:
    for place in ("etc", "restore", "cache", "backup", "state", "mailstore"):
        assert stat.S_IMODE((recovered.root / place).stat().st_mode) == 0o700
    for file in ("restante.json", "buckets.json"):
        assert stat.S_IMODE((recovered.root / "etc" / file).stat().st_mode) == 0o600


def test_no_output_shows_the_secret_of_the_bucket(recovered: Recovered, node_a: NodeA) -> None:
    assert node_a.endpoint.secret_key not in recovered.first.output
    for results in recovered.first.tasks:
        assert node_a.endpoint.secret_key not in json.dumps(results.result, default=str)


def test_what_was_tuned_is_put_back(recovered: Recovered) -> None:
    """R-162, R-163, R-164, R-165."""
    assert recovered.first.named("Tune the mail server for the restore")[0].result["tuning"]["redo_log"] is False
    node = Node.load(str(recovered.root / "etc" / "restante.json"))
    store = node.store()
    assert node.settings.realtime_scanner and store.redo_log()
    assert not any(volume.compressed for volume in store.volumes())
    store.close()


def test_a_finished_recovery_changes_nothing_when_run_again(recovered: Recovered) -> None:
    again = recovered.again("--diff")
    assert again.status == 0, again.output
    assert again.changed() == []


def test_check_mode_foretells_that_nothing_will_change(recovered: Recovered) -> None:
    check = recovered.again("--check", "--diff")
    assert check.status == 0, check.output
    assert check.changed() == []


def test_one_step_can_be_run_again(recovered: Recovered) -> None:
    shutil.rmtree(recovered.root / "restore")
    (recovered.root / "restore").mkdir(mode=0o700)
    step = recovered.again("--tags", "metadata_retrieve")
    assert step.status == 0, step.output
    assert len(step.changed()) == 1
    assert is_proven(recovered.root)


def test_the_installed_command_line_knows_the_node(recovered: Recovered) -> None:
    command = [str(recovered.root / "bin" / "restante"), "--json", "backup", "getBackupInfo"]
    done = subprocess.run(command, stdout=subprocess.PIPE, env={"PATH": os.environ["PATH"]}, check=True)
    assert json.loads(done.stdout)["backup_path"] == str(recovered.root / "backup")


def test_check_mode_leaves_a_fresh_machine_alone(node_a: NodeA, tmp_path: Path) -> None:
    place = tmp_path / "fresh"
    variables = {**recovery_variables(node_a, place), "s3_recovery_server_id": node_a.server_id}
    check = run(RECOVERY, variables, tmp_path, "--check", "--diff")
    assert check.status == 0, check.output
    assert not place.exists()
    assert check.changed()


def test_a_decommissioned_node_is_recovered_from_its_backup_path(node_a: NodeA, tmp_path: Path) -> None:
    """R-170, R-171, R-173, R-180: the bucket is not asked for mail."""
    variables = {
        **recovery_variables(node_a, tmp_path), "s3_recovery_scenario": "decommissioned_node",
        "s3_recovery_source": str(node_a.backup_path), "s3_recovery_final_smartscan": False,
    }
    first = run(RECOVERY, variables, tmp_path)
    assert first.status == 0, first.output
    assert is_proven(tmp_path)
    again = run(RECOVERY, variables, tmp_path)
    assert again.status == 0, again.output
    assert again.changed() == []


@pytest.fixture
def public_place() -> Iterator[Path]:
    """A directory that every user can reach."""
    place = Path(tempfile.mkdtemp(prefix="restante-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def python_for_everybody(place: Path) -> Path:
    """Make a Python with the libraries that any user can run: that of the tests may lie in a private home."""
    libraries = place / "lib"
    libraries.mkdir()
    for name in ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3", "zstandard"):
        source = Path(importlib.import_module(name).__file__ or "")
        if source.name == "__init__.py":
            shutil.copytree(source.parent, libraries / source.parent.name)
        else:
            shutil.copy(source, libraries)
    wrapper = place / "python"
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH={libraries} exec /usr/bin/python3 "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become the service user")
def test_root_recovers_as_the_service_user(node_a: NodeA, public_place: Path, tmp_path: Path) -> None:
    """R-174, R-177."""
    present = subprocess.run(["/usr/bin/python3", "-c", "import sys; print(sys.version_info[:2])"],
                             stdout=subprocess.PIPE, text=True, check=False).stdout
    if present.strip() != str(sys.version_info[:2]):
        pytest.skip("the system's Python is another version than that of the tests")
    place = public_place / "node"
    variables = {
        **recovery_variables(node_a, place), "s3_recovery_become": True, "s3_recovery_service_user": "nobody",
        "s3_recovery_service_group": "nogroup", "ansible_become_method": "ansible.builtin.su",
        "ansible_become_flags": "-s /bin/sh", "ansible_python_interpreter": str(python_for_everybody(public_place)),
        "ansible_remote_tmp": str(public_place / "tmp"), "s3_recovery_final_smartscan": False,
        "s3_recovery_server_id": node_a.server_id,  # the other recoveries archive their own backup beside it
    }
    done = run(RECOVERY, variables, tmp_path)
    assert done.status == 0, done.output
    owners = {
        pwd.getpwuid(path.stat().st_uid).pw_name
        for part in ("etc", "restore", "backup", "state", "mailstore") for path in (place / part).rglob("*")
    }
    assert owners == {"nobody"}
    assert pwd.getpwuid((place / "bin" / "restante").stat().st_uid).pw_name == "root"
    assert is_proven(place)
