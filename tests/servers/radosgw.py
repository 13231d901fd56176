# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""radosgw: a real S3 server from the distribution's packages, with one monitor and one object store in memory."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tools import debian

from .endpoint import Endpoint
from .ports import free_port

PACKAGES = ("ceph-mon", "ceph-mgr", "ceph-osd", "radosgw")
PATIENCE = 120.0
ACCESS_KEY, SECRET_KEY = "test-access", "test-secret-of-radosgw"
GUEST, GUEST_ACCESS_KEY, GUEST_SECRET_KEY = "guest", "guest-access", "guest-secret-of-radosgw"
"""A second user, who may do nothing but what the policy of a bucket allows."""

CONFIGURATION = """
[global]
fsid = {fsid}
mon initial members = a
mon host = [v2:127.0.0.1:{mon_port}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon warn on pool no redundancy = false
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 2
run dir = {directory}
log file =
admin socket = {directory}/$name.asok
pid file =
[mon]
mon data = {directory}/mon
[mgr]
mgr data = {directory}/mgr
[osd]
osd data = {directory}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
[client.rgw]
rgw data = {directory}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw dns name = 127.0.0.1
ms mon client mode = crc
"""


def missing() -> str:
    """Return why radosgw cannot be run here, empty when it can; installs it first where that is allowed."""
    return debian.missing({name: name for name in PACKAGES})


class Radosgw(NamedTuple):
    """A radosgw that can be killed and started again; what it has stored stays."""

    endpoint: Endpoint
    daemons: list[subprocess.Popen[bytes]]
    """The last one is the gateway."""
    start_gateway: Callable[[], object]

    def kill(self) -> None:
        """Kill the gateway."""
        self.daemons[-1].kill()
        self.daemons[-1].wait()

    def start(self) -> None:
        """Start it again. It answers some seconds later."""
        self.daemons.pop()
        self.start_gateway()


@contextmanager
def radosgw() -> Iterator[Endpoint]:
    """Serve S3 on a free port of 127.0.0.1 for as long as the with statement lasts. Up in some ten seconds."""
    with mortal_radosgw() as server:
        yield server.endpoint


@contextmanager
def mortal_radosgw() -> Iterator[Radosgw]:
    """Do the same, and let the gateway be killed meanwhile."""
    directory = Path(tempfile.mkdtemp(prefix="rgw-"))  # short: a socket's path has an end
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        port = free_port()
        start_gateway = _start(directory, port, daemons)
        yield Radosgw(Endpoint(f"http://127.0.0.1:{port}", ACCESS_KEY, SECRET_KEY), daemons, start_gateway)
    finally:
        for daemon in reversed(daemons):
            daemon.kill()
            daemon.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _start(directory: Path, port: int, daemons: list[subprocess.Popen[bytes]]) -> Callable[[], object]:
    """Start all of it; return what starts the gateway again."""
    mon_port, fsid = free_port(), str(uuid.uuid4())
    configuration = directory / "ceph.conf"
    configuration.write_text(
        CONFIGURATION.format(directory=directory, fsid=fsid, mon_port=mon_port, port=port), encoding="utf-8"
    )
    for part in ("mon", "mgr", "osd", "rgw"):
        (directory / part).mkdir()
    log = directory / "log"
    environment = {**os.environ, "CEPH_CONF": str(configuration)}

    def run(*command: str) -> None:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")

    def start(*command: str) -> None:
        with log.open("ab") as written:
            daemons.append(subprocess.Popen(
                [*command, "-f", "-c", str(configuration)],
                env=environment, stdin=subprocess.DEVNULL, stdout=written, stderr=written,
            ))

    def start_gateway() -> None:
        start("radosgw", "-n", "client.rgw", "--debug-rgw", "0")

    monitors = str(directory / "monmap")
    run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{mon_port}]", monitors)
    run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors)
    start("ceph-mon", "-i", "a")
    osd = str(uuid.uuid4())
    run("ceph", "--connect-timeout", "60", "osd", "new", osd)
    start("ceph-mgr", "-i", "x")
    run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", osd)
    start("ceph-osd", "-i", "0")
    start_gateway()
    for user, access_key, secret_key in (
        ("tester", ACCESS_KEY, SECRET_KEY), (GUEST, GUEST_ACCESS_KEY, GUEST_SECRET_KEY)
    ):
        run(
            "radosgw-admin", "--ms-mon-client-mode", "crc", "user", "create", "--uid", user,
            "--display-name", user, "--access-key", access_key, "--secret-key", secret_key,
        )
    _await(port, daemons, log)
    return start_gateway


def _await(port: int, daemons: list[subprocess.Popen[bytes]], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if any(daemon.poll() is not None for daemon in daemons):
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"radosgw did not start: {log.read_text(encoding='utf-8', errors='replace')[-3000:]}")
