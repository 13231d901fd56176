# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes of a fleet: each with a file system, users and processes of its own, and reached through real SSH.

A node is this machine's file system with a layer of its own above it, in namespaces of its own for mounts, processes,
names and shared memory. All share the loopback network, where each has an address of its own, so that they reach the
servers of the tests. The layer is to a node what its disk is: it outlasts a power failure, and may be lost.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import daemon
from .daemon import BUILD, PATIENCE
from .ports import free_port

USER = "zextras"
HOME = "/opt/zextras"
PROGRAMS = {"sshd": "openssh-server", "ssh": "openssh-client", "sudo": "sudo", "unshare": "util-linux"}
_LAYERS = Path("/dev/shm")
"""Memory, where there is some: a layer cannot lie on a layer, which the file system of a container is."""

_APART = ("unshare", "--mount", "--pid", "--uts", "--ipc", "--fork")
# $1: the node's folder; $2: its name; $3: address; $4: port; then what has to be visible in it.
_BOOT = """
set -eu
folder=$1 name=$2 address=$3 port=$4; shift 4
root=$folder/root
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/disk,workdir=$folder/work" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
number=0
for visible; do
  number=$((number + 1))
  mkdir -p "$root$visible" "$folder/seen$number/layer" "$folder/seen$number/work"
  mount -t overlay overlay "$root$visible" \\
    -o "lowerdir=$visible,upperdir=$folder/seen$number/layer,workdir=$folder/seen$number/work"
  while [ "$visible" != / ]; do visible=$(dirname "$visible"); chmod o+rx "$root$visible"; done
done
hostname "$name"
if [ ! -e "$folder/installed" ]; then
  echo "127.0.0.1 localhost $name" > "$root/etc/hosts"
  rm -rf "$root/etc/restante" "$root/var/lib/restante"  # what this machine itself may have is not a new node's
  chroot "$root" usermod --password '*' root
  chroot "$root" useradd --system --create-home --home-dir "$HOME" --shell /bin/bash "$USER"
  mkdir -p "$root/root/.ssh"
  cp "$folder/../key.pub" "$root/root/.ssh/authorized_keys"
  chown -R 0:0 "$root/root/.ssh"; chmod 0700 "$root/root/.ssh"; chmod 0600 "$root/root/.ssh/authorized_keys"
  touch "$folder/installed"
fi
cp "$folder/../host" "$root/run/host"; chmod 0600 "$root/run/host"
mkdir -p "$root/run/sshd"
exec chroot "$root" "$(command -v sshd)" -D -e -f /dev/null -h /run/host -p "$port" \\
  -o "ListenAddress=$address" -o PidFile=/run/sshd.pid -o UsePAM=no -o StrictModes=no -o UseDNS=no
"""


def missing() -> str:
    """Return why nodes cannot be had here, empty where they can; installs what they need where that is allowed."""
    if os.geteuid() != 0:
        return "only root can give a node a file system of its own"
    return daemon.missing(PROGRAMS) or _forbidden()


def _forbidden() -> str:
    """Return why this machine does not let a node be made: a container may forbid mounting."""
    with _folder() as folder:
        for part in ("disk", "work", "root"):
            (folder / part).mkdir()
        layer = f"lowerdir=/,upperdir={folder}/disk,workdir={folder}/work"
        done = subprocess.run(
            [*_APART, "mount", "-t", "overlay", "overlay", "-o", layer, str(folder / "root")],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )
    return f"this machine allows no namespaces or no overlay: {done.stderr.strip()}" if done.returncode else ""


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="nodes-", dir=_LAYERS if os.access(_LAYERS, os.W_OK) else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Node:
    """One node. It is off until it is booted."""

    def __init__(self, folder: Path, name: str, address: str) -> None:
        self.name = name
        self.address, self.port = address, free_port()
        self._folder = folder / name
        self._key = folder / "key"
        self._process: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Switch it on; with a new disk, where it has none. It answers when this returns."""
        for part in ("disk", "work", "root"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        log = self._folder / "log"
        with log.open("ab") as written:
            self._process = subprocess.Popen(
                [*_APART, "--kill-child", "--mount-proc", "sh", "-c", _BOOT, "boot", str(self._folder), self.name,
                 self.address, str(self.port), *_visible()],
                env={**os.environ, "HOME": HOME, "USER": USER},
                stdin=subprocess.DEVNULL, stdout=written, stderr=written, start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            if daemon.greets(self.address, self.port):
                return
            time.sleep(0.01)
        raise RuntimeError(f"{self.name} does not boot: {log.read_text(encoding='utf-8', errors='replace')[-3000:]}")

    def kill(self) -> None:
        """Take its power away. What it has on its disk stays."""
        if self._process:
            daemon.end(self._process, signal.SIGKILL)
            self._process = None

    def lose(self) -> None:
        """Take its power away, and its disk."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def path(self, path: str) -> Path:
        """Return where a file of the running node is to be found from outside."""
        assert self._process is not None, f"{self.name} is off"
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text(encoding="ascii")
        return Path(f"/proc/{children.split()[0]}/root{path}")

    def run(self, *command: str, user: str = USER, **environment: str) -> str:
        """Run a command on it, as the service user; return what it prints. :raises RuntimeError: it fails."""
        prefix = [*self._ssh(), "sudo", "-n", "-H", "-u", user, "env"]
        words = [*(f"{name}={value}" for name, value in environment.items()), *command]
        done = subprocess.run(
            [*prefix, *map(_quoted, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(command)}: {done.stdout}{done.stderr}"[-3000:])
        return done.stdout

    def shell(self, user: str) -> Sequence[str]:
        """Return the command that opens a shell on it, which reads what is typed from its standard input."""
        return [*self._ssh(), "sudo", "-n", "-i", "-u", user, "bash"]

    def variables(self) -> Mapping[str, Any]:
        """Return what an inventory says of it."""
        return {
            "ansible_host": self.address, "ansible_port": self.port, "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self._key), "ansible_python_interpreter": sys.executable,
            "ansible_ssh_common_args": " ".join(_OPTIONS),
        }

    def _ssh(self) -> list[str]:
        return ["ssh", "-i", str(self._key), "-p", str(self.port), *_OPTIONS, f"root@{self.address}"]


_OPTIONS = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
            "-o", "IdentitiesOnly=yes")


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def _visible() -> Sequence[str]:
    """Return the folders of this Python and of the checkout, which may be mounted apart, and lie in a private home."""
    return sorted({os.path.realpath(one) for one in (sys.prefix, sys.base_prefix, BUILD.parent)})


@contextmanager
def nodes(*names: str) -> Iterator[Mapping[str, Node]]:
    """Let nodes run for as long as the with statement lasts."""
    with _folder() as folder:
        for name in ("key", "host"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        fleet = {name: Node(folder, name, f"127.0.0.{11 + number}") for number, name in enumerate(names)}
        with contextlib.ExitStack() as stack:
            for node in fleet.values():
                stack.callback(node.kill)
                node.boot()
            yield fleet
