# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The units of the role service where systemd really boots: they do their work, and can do nothing else.

A container of systemd-nspawn boots over this machine's own files, of which it changes a copy in memory.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.restante.carbonio.plugins.module_utils.archive.buckets import BucketRecord, BucketRegistry
from ansible_collections.restante.carbonio.plugins.module_utils.cli.wrapper import build
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import (
    BUCKETS_FILE,
    BackupVolume,
    Settings,
    save,
)
from playbook_kit import CHECKOUT, run_tasks
from recovery_kit import make_bucket

from tests.servers.endpoint import Endpoint
from tests.servers.needed import needed
from tools import debian

ROLE = CHECKOUT / "roles" / "service"
USER = "restante-test"
SHARED = "/srv/restante-test"
"""Where the container finds the node."""
BASE, LIBRARIES = "/srv/python-base", "/srv/python-libraries"
PYTHON = f"{BASE}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
CONFIG = f"{SHARED}/etc/restante.json"
PLACES = ("backup_path", "cache_path", "state_path", "mailstore_path")
UNITS = (
    "restante-smartscan.service", "restante-realtime-scanner.service", "restante-drill.service",
    "restante-metrics.service", "attempts.service",
)
EXPOSURE = 11
"""What systemd-analyze may say at most, of 100."""
BOOT_SECONDS = 90

ATTEMPTS = {
    "write where it must not": "open('/var/lib/attempt', 'w')",
    "write its own settings": f"open('{SHARED}/etc/attempt', 'w')",
    "read the home directory of root": "os.listdir('/root')",
    "see the processes of others": "open('/proc/1/cmdline')",
    "become root": "os.setuid(0)",
    "mount": "1 / (0 == ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None))",
    "open a raw socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "make a namespace": "1 / (0 == ctypes.CDLL(None).unshare(0x10000000))",
    "have writable code": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "make a device": "os.mknod('/tmp/attempt', 0o20666, os.makedev(1, 3))",
    "make a program that changes the user": f"os.chmod('{SHARED}/attempt', 0o4755)",
    "set the clock": "time.clock_settime(time.CLOCK_REALTIME, time.time())",
}
"""What none of the services can do, as an expression that succeeds where it can."""

NOT_EVEN_ROOT = {"set the clock", "make a device", "make a program that changes the user"}
"""Of these what the container itself lets nobody do."""

ATTEMPTING = """import ctypes, mmap, os, socket, sys, time
for name, attempt in {attempts!r}.items():
    try:
        eval(attempt)
    except (OSError, ZeroDivisionError):
        continue
    print(name, flush=True)
print("tried", flush=True)
"""

DRIVER = """#!/bin/sh
chmod 666 /dev/null /dev/zero /dev/full /dev/random /dev/urandom  # they are as on the machine around
chown -R {user}: {shared}
touch {shared}/attempt; {shared}/python {shared}/attempts.py > {shared}/control
umount /tmp
chown {user}: {shared}/attempt
for unit in restante-smartscan restante-drill restante-metrics attempts restante-realtime-scanner; do
    systemctl start $unit.service; echo "$unit $?" >> {shared}/log
done
sleep 3
systemctl is-active restante-realtime-scanner.service >> {shared}/log
journalctl -b -o cat > {shared}/journal
systemctl poweroff -ff
"""

BOOT = """set -eu
mount -t tmpfs tmpfs {work}
mkdir {work}/up {work}/work {work}/root
mount -t overlay overlay -o lowerdir=/,upperdir={work}/up,workdir={work}/work {work}/root
rm -rf {work}/root/etc/systemd/system/*.wants {work}/root/etc/systemd/system/default.target
cp {units}/* {work}/root/etc/systemd/system/
ln -s driver.target {work}/root/etc/systemd/system/default.target
useradd -R {work}/root --system {user}
exec systemd-nspawn --register=no --keep-unit -q -M {machine} -D {work}/root {binds} -b
"""


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory, endpoint: Endpoint) -> Path:
    """A directory with a node, the command and the units as the role writes them."""
    root = tmp_path_factory.mktemp("units")
    with contextlib.closing(EmbeddedStore.create(str(root / "mailstore_path"))) as store:
        sample.fill(store, messages=20)
    bucket = f"units-{uuid.uuid4().hex[:8]}"
    make_bucket(endpoint, bucket)
    for name in ("etc", "units", *PLACES[:3]):
        (root / name).mkdir(mode=0o700)
    record = BucketRegistry(str(root / "etc" / BUCKETS_FILE)).add(BucketRecord(
        bucket, provider="CustomS3", endpoint=endpoint.url, access_key=endpoint.access_key,
        secret_key=endpoint.secret_key,
    ))
    settings = Settings(
        **{name: f"{SHARED}/{name}" for name in PLACES},
        backup_volume=BackupVolume("s3", bucket_configuration_id=record.id),
    )
    save(str(root / "etc" / "restante.json"), settings)
    (root / "restante").write_bytes(build(CONFIG, f"{SHARED}/python"))
    (root / "restante").chmod(0o755)
    variables = {
        **yaml.safe_load((ROLE / "defaults" / "main.yml").read_text("utf-8")),
        "service_user": USER, "service_group": USER, "service_config_file": CONFIG,
        "service_command_path": f"{SHARED}/restante", "service_drill_arguments": "sample 50% rto_target 1h",
        "service_metrics_calendar": "*:0/5", "service_metrics_path": f"{SHARED}/state_path/restante.prom",
        "service_settings": {"settings": settings.public()},
    }
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.include_vars": str(ROLE / "vars" / "main.yml")},
        *(
            {
                "ansible.builtin.template": {
                    "src": str(ROLE / "templates" / template), "dest": str(root / "units" / unit)
                },
                "vars": {**variables, "item": f"{{{{ service_jobs[{job}] }}}}"},
            }
            for template, unit, job in (
                ("job.service.j2", UNITS[0], 0), ("realtime-scanner.service.j2", UNITS[1], 0),
                ("job.service.j2", UNITS[2], 3), ("job.service.j2", UNITS[3], 4),
            )
        ),
    ]
    done = run_tasks(tasks, root)
    assert done.status == 0, done.output
    return root


@pytest.fixture(scope="module")
def booted(units: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after it has booted and all units have been started."""
    reason = debian.missing({"systemd-nspawn": "systemd-container"})
    if not reason and os.geteuid() != 0:
        reason = "only root may boot a container"
    needed("a container", reason)
    hardened = (units / "units" / UNITS[0]).read_text("utf-8")
    command = next(line for line in hardened.splitlines() if line.startswith("ExecStart="))
    own = {
        "attempts.service": hardened.replace(command, f"ExecStart={SHARED}/python {SHARED}/attempts.py\n"
                                                      f"StandardOutput=append:{SHARED}/attempts"),
        "driver.service": f"[Service]\nType=oneshot\nExecStart={SHARED}/driver\n",
        "driver.target": "[Unit]\nRequires=basic.target\nWants=driver.service\nAfter=basic.target\n",
    }
    for name, text in own.items():
        (units / "units" / name).write_text(text, "utf-8")
    (units / "attempts.py").write_text(ATTEMPTING.format(attempts=ATTEMPTS), "utf-8")
    (units / "driver").write_text(DRIVER.format(shared=SHARED, user=USER), "utf-8")
    (units / "driver").chmod(0o755)
    # The Python of the tests may lie in a home directory, which is hidden from the services.
    start = f'LD_LIBRARY_PATH={BASE}/lib PYTHONPATH={LIBRARIES} exec {PYTHON} "$@"'
    (units / "python").write_text(f"#!/bin/sh\n{start}\n", "utf-8")
    (units / "python").chmod(0o755)
    read = {sys.base_prefix: BASE, sysconfig.get_path("purelib"): LIBRARIES}
    binds = [f"--bind={units}:{SHARED}", *(f"--bind-ro={outside}:{inside}" for outside, inside in read.items())]
    script = BOOT.format(
        work=tmp_path_factory.mktemp("boot"), units=units / "units", user=USER, machine=f"t{uuid.uuid4().hex[:8]}",
        binds=" ".join(binds),
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=BOOT_SECONDS, check=False,
    )
    assert (units / "log").is_file(), done.stdout[-3000:] + done.stderr[-3000:]
    return units


def outcome(booted: Path) -> Mapping[str, str]:
    """Return the exit codes of the units."""
    lines = (booted / "log").read_text("utf-8").split()
    return dict(zip(lines[:10:2], lines[1:10:2]))


@pytest.mark.parametrize("unit", UNITS[:4])
def test_the_services_are_hardly_exposed(units: Path, unit: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager",
         str(units / "units" / unit)],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_hardened_scan_backs_up_into_the_bucket(booted: Path) -> None:
    journal = (booted / "journal").read_text("utf-8")
    assert outcome(booted)["restante-smartscan"] == "0", journal[-3000:]
    assert list((booted / "backup_path" / "commits").iterdir())


def test_a_hardened_drill_restores_from_the_bucket_and_monitoring_hears_of_it(booted: Path) -> None:
    journal = (booted / "journal").read_text("utf-8")
    assert outcome(booted)["restante-drill"] == outcome(booted)["restante-metrics"] == "0", journal[-3000:]
    (report,) = (booted / "state_path" / "drills" / "reports").iterdir()
    assert "<b>PASSED</b>" in (report / "report.html").read_text("utf-8")
    assert "restante_last_drill_success 1.0" in (booted / "state_path" / "restante.prom").read_text("utf-8")


def test_a_hardened_realtime_scanner_goes_on(booted: Path) -> None:
    journal = (booted / "journal").read_text("utf-8")
    assert (booted / "log").read_text("utf-8").splitlines()[-1] == "active", journal[-3000:]


def test_what_they_write_is_for_their_user_alone(booted: Path) -> None:
    written = list((booted / "backup_path").rglob("*"))
    assert written and all(path.lstat().st_mode & 0o077 == 0 for path in written)


def test_they_can_do_nothing_but_their_work(booted: Path) -> None:
    without_hardening = set((booted / "control").read_text("utf-8").splitlines())
    assert without_hardening == {*ATTEMPTS, "tried"} - NOT_EVEN_ROOT
    assert (booted / "attempts").read_text("utf-8").splitlines() == ["tried"]
