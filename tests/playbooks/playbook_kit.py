# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running playbooks as an administrator does, and reading what became of each task."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

CHECKOUT = Path(__file__).resolve().parents[2]
PLAYBOOKS = CHECKOUT / "playbooks"
ANSIBLE = Path(sys.executable).parent / "ansible-playbook"
TIMEOUT = 900
UNUSED = 24 * 60 * 60.0
"""Seconds after which what was made of other sources is of no use any more."""


class Task(NamedTuple):
    """What became of one task."""

    name: str
    outcome: str
    """ok, failed, skipped or unreachable."""
    result: Mapping[str, Any]
    host: str = ""

    @property
    def changed(self) -> bool:
        """Whether it says that it changed something."""
        return bool(self.result.get("changed"))


class Run(NamedTuple):
    """What became of a playbook."""

    status: int
    output: str
    tasks: Sequence[Task]

    def named(self, name: str) -> list[Task]:
        """Return the tasks of a name, the role's name left out."""
        return [task for task in self.tasks if task.name.rpartition(" : ")[2] == name]

    def changed(self) -> list[str]:
        """Return the names of the tasks that changed something."""
        return [task.name for task in self.tasks if task.changed]

    def summary(self) -> str:
        """Return what was said at the end of every node."""
        return "\n".join(line for task in self.named("Summary") for line in task.result["msg"])


def callbacks(*names: str) -> dict[str, str]:
    """Return the environment of an Ansible that uses callbacks of ours, of which share_modules is always one."""
    return {
        "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "tests" / "playbooks" / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": ",".join(("share_modules", *names)),
        "SHARED_MODULES": str(_shared_modules()),
    }


@functools.cache
def _shared_modules() -> Path:
    """Return a directory that is used for as long as the sources stay as they are; those of other sources go."""
    digest = hashlib.sha256(f"{sys.executable}\n".encode())
    for source in sorted((CHECKOUT / "plugins").rglob("*.py")):
        digest.update(f"{source} {source.stat().st_size} {source.stat().st_mtime_ns}\n".encode())
    modules = CHECKOUT / "build" / "test" / "modules"
    path = modules / digest.hexdigest()[:16]
    path.mkdir(parents=True, exist_ok=True)
    os.utime(path)
    for other in modules.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process was quicker
            if other.stat().st_mtime < time.time() - UNUSED:  # else, another run may be at work there
                shutil.rmtree(other, ignore_errors=True)
    return path


def environment(directory: Path) -> dict[str, str]:
    """Return the environment of an ansible-playbook whose temporary files stay below a directory."""
    return {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "build" / "collections"),
        **callbacks("record"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_HOME": str(directory / "ansible"),
        "ANSIBLE_REMOTE_TEMP": str(directory / "ansible" / "tmp"),
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_NOCOLOR": "true",
        "RECORD_FILE": str(directory / "results.jsonl"),
        "LC_ALL": "C.UTF-8",
    }


def command(playbook: Path, variables: Mapping[str, Any], directory: Path, options: Sequence[str] = ()) -> list[str]:
    """Return the command line that runs a playbook on this machine."""
    inventory, given = directory / "inventory.json", directory / "variables.json"
    # Progress is the subject of test_progress.py; the others are faster without.
    host = {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "restante_progress_seconds": 0,
    }
    inventory.write_text(json.dumps({"applicationServers": {"hosts": {"node": host}}}), encoding="utf-8")
    given.write_text(json.dumps(variables), encoding="utf-8")
    return [str(ANSIBLE), "-i", str(inventory), "-e", f"@{given}", *options, str(playbook)]


def run(playbook: Path, variables: Mapping[str, Any], directory: Path, *options: str) -> Run:
    """Run a playbook.

    :param directory: for its temporary files; it is there.
    """
    return run_command(command(playbook, variables, directory, options), directory)


def run_command(line: Sequence[str], directory: Path, **further: str) -> Run:
    """Run a command line of ansible-playbook.

    :param directory: where it is run, and its temporary files are. :param further: variables of its environment.
    """
    results = directory / "results.jsonl"
    results.unlink(missing_ok=True)
    done = subprocess.run(
        line, env={**environment(directory), **further}, cwd=directory,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT, check=False,
    )
    lines = results.read_text(encoding="utf-8").splitlines() if results.is_file() else []
    records = [json.loads(line) for line in lines]
    return Run(
        done.returncode, done.stdout, [Task(one["task"], one["outcome"], one["result"], one["host"]) for one in records]
    )


def run_tasks(
    tasks: Sequence[Mapping[str, Any]], directory: Path, *options: str, config_file: Path | None = None
) -> Run:
    """Run tasks as a play of their own; the modules of the collection use the settings of config_file."""
    play: dict[str, Any] = {"hosts": "node", "gather_facts": False, "tasks": list(tasks)}
    if config_file is not None:
        play["module_defaults"] = {"group/restante.carbonio.all": {"config_file": str(config_file)}}
    playbook = directory / "tasks.yml"
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    return run(playbook, {}, directory, *options)
