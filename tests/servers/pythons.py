# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pythons of other versions, each in an environment of its own below build/, which is made once.

A Python is one of this machine: on the PATH, or built by pyenv. Where there is none of that version, uv fetches one, if
it can.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from . import daemon

PLACE = daemon.BUILD / "versions"
UV = Path(sys.executable).parent / "uv"
STAMP = "made-of"


class Environment(NamedTuple):
    """A Python and packages, by a name that no other environment has."""

    name: str
    python: str
    """Its version, such as 3.9."""
    packages: Sequence[str]
    """Requirements, as pip takes them."""
    oldest: bool = False
    """Whether the packages are to be the oldest that the requirements allow, and not the newest."""

    @property
    def place(self) -> Path:
        """Where it is."""
        return PLACE / self.name

    def program(self, name: str = "python") -> Path:
        """Return where a program of it is."""
        return self.place / "bin" / name

    def missing(self) -> str:
        """Return why it cannot be had here, empty when it can; makes it first, where it is not there or is another."""
        python = _of_this_machine(self.python) or self.python
        stamp = hashlib.sha256(repr((self, str(self.place), python)).encode()).hexdigest()
        with daemon.alone(PLACE / "locks" / self.name):
            made_of = self.place / STAMP
            if made_of.is_file() and made_of.read_text(encoding="ascii") == stamp:
                return ""
            resolution = "lowest-direct" if self.oldest else "highest"
            for line in (
                ["venv", "--clear", "--no-project", "--no-config", "--python", python, str(self.place)],
                ["pip", "install", "--no-config", "--python", str(self.program()), "--resolution", resolution,
                 *self.packages],
            ):
                done = subprocess.run(
                    [UV, "--quiet", *line], env={**os.environ, "UV_CACHE_DIR": str(PLACE / "cache")},
                    stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                )
                if done.returncode:
                    return f"uv {line[0]} failed: {done.stderr.strip()[-500:]}"
            made_of.write_text(stamp, encoding="ascii")
        return ""


def _of_this_machine(version: str) -> str:
    """Return the path of a Python, empty where there is none of this version."""
    check = f"import sys, venv, sqlite3, ssl; sys.exit('%d.%d' % sys.version_info[:2] != {version!r})"
    for path in _candidates(version):
        done = subprocess.run(
            [path, "-c", check], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode == 0:
            return path
    return ""


def _candidates(version: str) -> Iterator[str]:
    on_path = shutil.which(f"python{version}")  # of pyenv this may be a stand-in that finds none
    if on_path:
        yield on_path
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for built in sorted(root.glob(f"versions/{version}.*/bin/python{version}")):
        yield str(built)
