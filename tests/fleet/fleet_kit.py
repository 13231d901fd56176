# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet: mail nodes and spare ones, a real S3 server, and the playbooks as an administrator runs them over SSH."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.operations.operation import Operations
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.recovery import OPERATION

from tests.fleet.follow import Terminal
from tests.playbooks.playbook_kit import ANSIBLE, CHECKOUT, Run, environment, run_command
from tests.playbooks.recovery_kit import make_bucket
from tests.servers.endpoint import Endpoint
from tests.servers.nodes import Node, nodes
from tests.servers.radosgw import radosgw

DOCUMENTATION = (CHECKOUT / "docs" / "fleet.md").read_text(encoding="utf-8")
BUCKET = "mail-backup"
MAIL, SPARE = ("mail1.example.com", "mail2.example.com"), "spare1.example.com"
MAIL1, MAIL2 = MAIL
PATIENCE = 300.0


class Fleet:
    """The nodes, the bucket, and the folder in which the administrator works."""

    def __init__(self, fleet: Mapping[str, Node], endpoint: Endpoint, directory: Path, sockets: str) -> None:
        self.nodes = fleet
        self.endpoint = endpoint
        self.directory = directory
        self._sockets = sockets

    def play(self, playbook: str, *options: str, **variables: Any) -> Run:
        """Run a playbook by its name."""
        line = ["ansible-playbook", f"restante.carbonio.{playbook}", "-i", "inventory", "-e", json.dumps(variables)]
        return self._run([*line, *options])

    def documented(self, playbook: str, number: int = 0, **others: str) -> Run:
        """Run a command as the documentation has it.

        :param number: which of those with this playbook. :param others: values of variables, where it has others.
        """
        start = f"    ansible-playbook restante.carbonio.{playbook} "
        line = shlex.split([one for one in DOCUMENTATION.splitlines() if one.startswith(start)][number])
        for name, value in others.items():
            [place] = [index for index, word in enumerate(line) if word.startswith(f"{name}=")]
            line[place] = f"{name}={value}"
        return self._run(line)

    def _run(self, line: Sequence[str]) -> Run:
        return run_command([str(ANSIBLE), *line[1:]], self.directory, **self._ours())

    def _ours(self) -> dict[str, str]:
        return {"ANSIBLE_REMOTE_TEMP": "~/.ansible/tmp", "ANSIBLE_SSH_CONTROL_PATH_DIR": self._sockets}

    def terminal(self) -> Terminal:
        """Return a terminal of the administrator's, in the folder with the inventory."""
        path = f"{ANSIBLE.parent}{os.pathsep}{os.environ['PATH']}"
        return Terminal(["bash"], self.directory, **{**environment(self.directory), **self._ours(), "PATH": path})

    def node_terminal(self, node: str, user: str) -> Terminal:
        """Return a terminal of a user on a node."""
        return Terminal(self.nodes[node].shell(user))

    def begin(self, playbook: str, *options: str, **variables: Any) -> Future[Run]:
        """Begin to run a playbook."""
        pool = ThreadPoolExecutor(1)
        future = pool.submit(self.play, playbook, *options, **variables)
        pool.shutdown(wait=False)
        return future

    def on(self, node: str, *words: str) -> Any:
        """Do what on_node.py can do."""
        path = f"{CHECKOUT / 'build' / 'collections'}:{CHECKOUT}"
        command = [sys.executable, "-m", "tests.fleet.on_node", *words]
        return json.loads(self.nodes[node].run(*command, PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1"))

    def items(self, node: str) -> Counter[tuple[Any, ...]]:
        """Return how often each item is on a node, by all that its owner sees of it."""
        return Counter({tuple(line): count for *line, count in self.on(node, "items")})

    def await_restore(self, node: str, future: Future[Run], items: int = 1) -> None:
        """Wait until a node has restored some items, or the playbook ends."""
        deadline = time.monotonic() + PATIENCE
        while not future.done() and time.monotonic() < deadline:
            try:
                records = Operations(str(self.nodes[node].path("/var/lib/restante"))).list()
            except OSError:
                records = []
            running = [record for record in records if record.type == OPERATION]
            if running and "items" in running[-1].phase and running[-1].items_done >= items:
                return
            time.sleep(0.01)

    def write_inventory(self, **variables: Any) -> None:
        """Write the inventory that the documentation has, and what is peculiar to these nodes."""
        place = self.directory / "inventory"
        common = place / "group_vars" / "all"
        common.mkdir(parents=True)
        (place / "host_vars").mkdir()
        (place / "hosts.ini").write_text(_block("ini", "# inventory/hosts.ini"), encoding="utf-8")
        documented = _block("yaml", "# inventory/group_vars/all/main.yml")
        (common / "main.yml").write_text(
            documented.replace("https://s3.example.com", self.endpoint.url), encoding="utf-8"
        )
        keys = {"vault_access_key": self.endpoint.access_key, "vault_secret": self.endpoint.secret_key}
        (common / "vault.yml").write_text(json.dumps(keys), encoding="utf-8")
        (common / "of_the_tests.yml").write_text(json.dumps({
            "restante_progress_seconds": 0, "s3_recovery_mailstore_create": True,
            "s3_recovery_skip_system_accounts": False, **variables,
        }), encoding="utf-8")
        for name, node in self.nodes.items():
            (place / "host_vars" / f"{name}.yml").write_text(json.dumps(node.variables()), encoding="utf-8")


def _block(language: str, first: str) -> str:
    """Return a block of code of the documentation by its first line."""
    _before, found, after = DOCUMENTATION.partition(f"```{language}\n{first}\n")
    assert found, f"docs/fleet.md has no {first}"
    return after.partition("```")[0]


@contextmanager
def running_fleet(directory: Path, **variables: Any) -> Iterator[Fleet]:
    """Let a fleet run for as long as the with statement lasts. Its nodes have nothing yet, its bucket is empty.

    :param variables: of the inventory.
    """
    # Short: a socket's path has an end.
    with nodes(*MAIL, SPARE) as fleet, radosgw() as endpoint, tempfile.TemporaryDirectory(prefix="ssh-") as sockets:
        make_bucket(endpoint, BUCKET)
        made = Fleet(fleet, endpoint, directory, sockets)
        made.write_inventory(**variables)
        yield made
