# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a Python environment under build/, for a machine that has Python and nothing else of ours.

    python3 tools/environment.py drill     what `make drill` needs -> build/env-drill
    python3 tools/environment.py test      what `make test` needs  -> build/env-test

Does nothing where the environment is there and its requirements files are unchanged. Needs no root and changes nothing
outside build/. Debian ships Python without ensurepip unless python3-venv is installed; there, pip comes out of
Debian's own package python3-pip-whl, which is unpacked under build/ and not installed.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
BUILD = CHECKOUT / "build"
COLLECTION_LINK = BUILD / "collections" / "ansible_collections" / "restante" / "carbonio"
DEBIAN_WHEELS = "usr/share/python-wheels"
OLDEST = (3, 10)
INTERPRETERS = ("python3", "python3.13", "python3.12", "python3.11", "python3.10")


class Impossible(Exception):
    """The environment cannot be made; the text says why and what to do."""


def link_collection() -> None:
    """Make the checkout importable and findable as restante.carbonio, whatever it is called."""
    COLLECTION_LINK.parent.mkdir(parents=True, exist_ok=True)
    target = os.path.relpath(CHECKOUT, COLLECTION_LINK.parent)
    if not COLLECTION_LINK.is_symlink():
        COLLECTION_LINK.symlink_to(target, target_is_directory=True)


def requirement_files(first: Path) -> Iterator[Path]:
    """Yield a requirements file and the ones that it names with -r."""
    yield first
    for line in first.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            yield from requirement_files(first.parent / line[3:].strip())


def stamp_of(requirements: Path, python: str) -> str:
    """Return what an environment depends on, as one digest: its requirements, its Python and where it lies."""
    digest = hashlib.sha256(f"{python}\n{os.path.realpath(python)}\n{BUILD}\n".encode())
    for file in requirement_files(requirements):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def run(command: Sequence[str], failed: str, cwd: Path | None = None) -> None:
    """Run a command quietly; where it fails, show all that it said and raise Impossible with this sentence."""
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Impossible(f"{done.stdout.rstrip()}\n\n{failed}\nThe command was: {' '.join(command)}")


def suitable_python() -> str:
    """Return a Python that is new enough for ansible-core: the one that runs this, or another of this machine."""
    if sys.version_info >= OLDEST:
        return sys.executable
    check = f"import sys; sys.exit(sys.version_info < {OLDEST})"
    for name in INTERPRETERS:
        path = shutil.which(name)
        if path and subprocess.run([path, "-c", check], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return path
    raise Impossible(
        f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed (this is {sys.version.split()[0]}), and none was found in "
        "PATH. Install one, or name it: make PYTHON=/path/to/python3 ..."
    )


def pip_wheel() -> Path:
    """Return Debian's wheel of pip, for a Python without ensurepip; fetched but not installed where it is missing."""
    kept = BUILD / "pip"
    for place in (Path("/") / DEBIAN_WHEELS, kept / DEBIAN_WHEELS):
        for wheel in sorted(place.glob("pip-*.whl")):
            return wheel
    advice = (
        "This Python has no ensurepip, and pip could not be fetched from the Debian archive either. "
        "Install it and try again: apt-get install python3-venv (or, elsewhere, the venv and pip of your Python)."
    )
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise Impossible(advice)
    # Lists and cache of our own: an ordinary user may not refresh the system's, and a fresh machine has none.
    for folder in ("lists/partial", "cache/archives/partial"):
        (kept / folder).mkdir(parents=True, exist_ok=True)
    apt = ["apt-get", "-q", "-o", f"Dir::State::Lists={kept}/lists", "-o", f"Dir::Cache={kept}/cache",
           "-o", "APT::Sandbox::User=", "-o", "Debug::NoLocking=1"]
    run([*apt, "update"], advice, cwd=kept)
    run([*apt, "download", "python3-pip-whl"], advice, cwd=kept)
    for package in kept.glob("python3-pip-whl_*.deb"):
        run(["dpkg-deb", "-x", str(package), str(kept)], advice)
    for wheel in sorted((kept / DEBIAN_WHEELS).glob("pip-*.whl")):
        return wheel
    raise Impossible(advice)


def has_module(python: str, name: str) -> bool:
    """Say whether a Python can import a module."""
    return subprocess.run([python, "-c", f"import {name}"], stderr=subprocess.DEVNULL, check=False).returncode == 0


def create(environment: Path, python: str) -> list[str]:
    """Create an empty virtual environment; return the command that runs pip in it."""
    if not has_module(python, "venv"):
        raise Impossible(f"{python} has no venv module. Install it and try again: apt-get install python3-venv.")
    inside = str(environment / "bin" / "python")
    if has_module(python, "ensurepip"):
        run([python, "-m", "venv", str(environment)], "The virtual environment could not be made.")
        return [inside, "-m", "pip"]
    wheel = pip_wheel()
    run([python, "-m", "venv", "--without-pip", str(environment)], "The virtual environment could not be made.")
    run([inside, f"{wheel}/pip", "install", "-q", "pip"], "pip could not be installed; is the package index reachable?")
    return [inside, "-m", "pip"]


def make(name: str) -> Path:
    """Make build/env-<name> as its requirements say, unless it is so already; return its directory.

    :raises Impossible: with a sentence for the person who reads it.
    """
    requirements = CHECKOUT / "tools" / f"requirements-{name}.txt"
    environment = BUILD / f"env-{name}"
    stamp_file = environment / "requirements.sha256"
    python = suitable_python()
    stamp = stamp_of(requirements, python)
    if stamp_file.is_file() and stamp_file.read_text(encoding="utf-8") == stamp:
        return environment
    print(f"making {environment.relative_to(CHECKOUT)} with {python} ...", flush=True)
    if environment.exists():
        shutil.rmtree(environment)
    pip = create(environment, python)
    run([*pip, "install", "-q", "--disable-pip-version-check", "-r", str(requirements)],
        f"The packages of {requirements.relative_to(CHECKOUT)} could not be installed; is the package index reachable?")
    stamp_file.write_text(stamp, encoding="utf-8")  # last: a half-made environment has no stamp and is made anew
    return environment


def main() -> int:
    parser = argparse.ArgumentParser(description="Make a Python environment under build/.")
    parser.add_argument("name", choices=("drill", "test"))
    name = parser.parse_args().name
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / "environment.lock", "w", encoding="utf-8") as lock:  # two makes at once: the second one waits
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            link_collection()
            make(name)
        except (Impossible, OSError) as error:
            print(f"tools/environment.py: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
