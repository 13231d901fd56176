# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The published collection, as a new user has it: installed where there is nothing else, and used from there.

Each test is one controller and one node of matrix.py. Nothing of the checkout is on any path of theirs; they share this
machine, and the mail and the object store of the tests.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.endpoint import Endpoint
from tests.servers.needed import needed
from tests.versions.matrix import CHECKOUT, PAIRS, SEALING, Pair, libraries

COLLECTION = Path(".ansible", "collections", "ansible_collections", "restante", "carbonio")
MODULES = {path.stem for path in (CHECKOUT / "plugins" / "modules").glob("[a-z]*.py")}
ROLES = {path.name for path in (CHECKOUT / "roles").iterdir()}
TIMEOUT = 500
# Every file of the collection that a node may be sent.
IMPORT_ALL = """
import importlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
files = [file for folder in ("module_utils", "modules") for file in (root / "plugins" / folder).rglob("*.py")]
for file in files:
    parts = file.relative_to(root).with_suffix("").parts
    importlib.import_module(".".join(("ansible_collections.restante.carbonio", *parts)))
print(len(files))
"""


class User:
    """Somebody with a home of his own and what matrix.py installs, and no more."""

    def __init__(self, pair: Pair, home: Path) -> None:
        self.home = home
        self._pair = pair

    def run(self, program: str, *arguments: str | Path) -> str:
        """Run a program of Ansible's; return what it says. It ends well, and warns of nothing."""
        done = subprocess.run(
            [self._pair.controller.program(program), *arguments], cwd=self.home, env={
                "HOME": str(self.home), "PATH": f"{self._pair.controller.program().parent}:/usr/bin:/bin",
                "LC_ALL": "C.UTF-8", "ANSIBLE_PIPELINING": "true", "ANSIBLE_NOCOLOR": "true",
            },
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert "[WARNING]" not in done.stdout and "[DEPRECATION WARNING]" not in done.stdout, done.stdout
        return done.stdout

    def import_all(self) -> int:
        """Import all that the node may be sent with the node's Python; return how many files that are."""
        [ansible] = self._pair.controller.place.glob("lib/python*/site-packages/ansible")
        beside = self.home / "of-the-controller"  # what Ansible sends along with a module
        beside.mkdir()
        (beside / "ansible").symlink_to(ansible)
        done = subprocess.run(
            [self._pair.node.program(), "-B", "-W", "error::SyntaxWarning", "-c", IMPORT_ALL, self.home / COLLECTION],
            cwd=self.home, env={"PYTHONPATH": f"{self.home / COLLECTION.parents[2]}:{beside}", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )
        assert done.returncode == 0, done.stdout
        return int(done.stdout)


def inventory(pair: Pair, home: Path) -> dict[str, Any]:
    """Return an inventory of one node."""
    return {"applicationServers": {"hosts": {"node": {
        "ansible_connection": "local", "ansible_python_interpreter": str(pair.node.program()),
        "ansible_remote_tmp": str(home / "tmp"), "restante_progress_seconds": 0,
    }}}}


def variables(pair: Pair, home: Path, endpoint: Endpoint, messages: int) -> dict[str, Any]:
    """Return the variables of all playbooks. :param messages: how many the mail store has."""
    node = home / "node"
    config_file = str(node / "etc" / "restante.json")
    prefix = pair.core.replace(".", "-")  # of the buckets: those that run at the same time have others
    s3 = {
        "provider": "CustomS3", "url": endpoint.url, "region": "us-east-1", "access_key": endpoint.access_key,
        "secret": endpoint.secret_key,
    }
    return {
        # modules.yml
        "by_hand": str(home / "by-hand"), "by_hand_bucket": f"{prefix}-by-hand", "held_messages": messages,
        **{f"s3_{name}": s3[name] for name in s3},
        # backup_setup
        "backup_setup_become": False, "backup_setup_service": False, "backup_setup_bucket_create": True,
        "backup_setup_config_file": config_file, "backup_setup_command_path": str(node / "bin" / "restante"),
        **{f"backup_setup_{name}_path": str(node / name) for name in ("backup", "cache", "state", "mailstore")},
        "backup_setup_bucket_name": f"{prefix}-node", **{f"backup_setup_bucket_{name}": s3[name] for name in s3},
        # status, drill
        "restante_config_file": config_file, "restante_become": False,
        "drill_become": False, "drill_config_file": config_file, "drill_fetch_path": str(home / "evidence"),
    }


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"ansible-core {pair.core}, Python {pair.node_python}")
def test_a_new_user_has_what_is_promised(
    pair: Pair, tarball: Path, mail: tuple[Path, Mapping[str, int]], endpoint: Endpoint, tmp_path: Path,
) -> None:
    for environment in (pair.controller, pair.node):
        needed(f"Python {environment.python} with {', '.join(environment.packages)}", environment.missing())
    user = User(pair, tmp_path)
    user.run("ansible-galaxy", "collection", "install", tarball)
    assert user.import_all() > 300

    described = json.loads(user.run("ansible-doc", "--json", "--type", "module", "--list", "restante.carbonio"))
    assert described.keys() == {f"restante.carbonio.{name}" for name in MODULES}
    described = json.loads(user.run("ansible-doc", "--json", "--type", "role", "--list", "restante.carbonio"))
    assert described.keys() == {f"restante.carbonio.{name}" for name in ROLES}

    store, held = mail
    for place in ("by-hand", "node"):
        shutil.copytree(store, tmp_path / place / "mailstore")
    given = variables(pair, tmp_path, endpoint, held["message"])
    (tmp_path / "inventory.json").write_text(json.dumps(inventory(pair, tmp_path)), encoding="utf-8")
    (tmp_path / "backup.json").write_text(json.dumps(given), encoding="utf-8")
    told = "".join(
        user.run("ansible-playbook", "-i", "inventory.json", "-e", "@backup.json", playbook)
        for playbook in (
            CHECKOUT / "tests" / "versions" / "modules.yml", *(f"restante.carbonio.{name}" for name in pair.playbooks),
        )
    )
    assert "[node] SmartScan: mailboxes: done" in told
    assert endpoint.secret_key not in told
    assert ("node: done" in told) == ("backup_setup" in pair.playbooks)
    proofs = [json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "evidence").rglob("report.json")]
    assert [proof["passed"] for proof in proofs] == [True] * pair.playbooks.count("drill")


def test_every_version_is_tried_and_the_documentation_says_which_with_which() -> None:
    assert {pair.core for pair in PAIRS} == {"2.17", "2.18", "2.19", "2.20", "2.21"}
    assert {pair.node_python for pair in PAIRS} == {"3.9", "3.10", "3.11", "3.12", "3.13"}
    page = (CHECKOUT / "docs" / "versions.md").read_text(encoding="utf-8")
    for core, controller, node, first, oldest, playbooks in PAIRS:
        row = (
            f"{core}.0" if first else f"{core}, newest", controller, node,
            ", ".join([*libraries(), SEALING]) if oldest else "newest",
            " ".join(["modules", *(f"`{name}`" for name in playbooks)]),
        )
        assert f"| {' | '.join(row)} |" in page


def test_what_we_ask_for_is_the_oldest_that_is_tried() -> None:
    runtime = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    oldest = min((pair for pair in PAIRS if pair.first), key=lambda pair: pair.core).core
    assert runtime["requires_ansible"] == f">={oldest}.0"
    for role in ROLES:
        meta = yaml.safe_load((CHECKOUT / "roles" / role / "meta" / "main.yml").read_text(encoding="utf-8"))
        assert meta["galaxy_info"]["min_ansible_version"] == oldest
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert f"ansible-core {oldest} to " in readme
