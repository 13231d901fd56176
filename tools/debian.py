# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that tests and benchmarks need, from the distribution's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping


def missing(packages: Mapping[str, str]) -> str:
    """Return why some programs cannot be run here, empty when they can; installs them first where that is allowed.

    :param packages: Debian's package by the name of its program, or by the path of another file of it.
    """
    absent = [package for file, package in packages.items() if not _is_there(file)]
    if not absent:
        return ""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return f"{', '.join(absent)} are not installed, and only root on Debian or Ubuntu can have them installed"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *absent]):
        done = subprocess.run(
            ["apt-get", "-q", *command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False,
        )
        if done.returncode:
            return f"apt-get {command[0]} failed: {done.stderr.strip()[-500:]}"
    return ""


def _is_there(file: str) -> bool:
    return os.path.exists(file) if os.path.isabs(file) else bool(shutil.which(file))
