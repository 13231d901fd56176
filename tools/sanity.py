# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run `ansible-test sanity` on a copy of the checkout, with nothing ignored.

    build/env-test/bin/python tools/sanity.py [arguments of ansible-test sanity]

ansible-test wants to be inside .../ansible_collections/restante/carbonio, so it runs in build/sanity/, on what git
knows or would take. It makes small virtual environments of its own and would download a script that installs pip into
them; it finds a script in its cache instead that has this environment's pip do so, from the package index alone. All
that it keeps is under build/sanity/home.

Its test of imports imports every file for itself, and Ansible's loader compiles all that this one imports, each time
anew: most of what the sanity tests took. So the environments of that test remember what they have compiled.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
SANITY = CHECKOUT / "build" / "sanity"
COPY = SANITY / "ansible_collections" / "restante" / "carbonio"
HOME = SANITY / "home"

GET_PIP = f"""\
import subprocess
import sys

wanted = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([{sys.executable!r}, "-m", "pip", "--python", sys.executable, "install", "-q", *wanted]))
"""

REMEMBER = """\
import builtins
import functools

builtins.compile = functools.lru_cache(maxsize=None, typed=True)(builtins.compile)
"""
"""What Python runs when it starts in one of those. An object of code does not change."""
IMPORTING = ("sanity", "sanity.import*")
"""Their names: the first one is of all tests that need no packages."""


def copy_checkout(copy: Path) -> None:
    """Make a copy, and no other file be there: what git knows or would take, as the working tree has it now."""
    listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             cwd=CHECKOUT, stdout=subprocess.PIPE, check=True)
    if copy.exists():
        shutil.rmtree(copy)
    for name in filter(None, os.fsdecode(listing.stdout).split("\0")):
        source, target = CHECKOUT / name, copy / name
        if source.is_file():  # one that was removed but is still in the index is not
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)


def put_get_pip() -> None:
    """Put the pip installer where ansible-test looks for the one that it would download."""
    package = importlib.util.find_spec("ansible_test")
    if package is None or package.origin is None:
        raise SystemExit(f"ansible-test is not installed for {sys.executable}")
    source = Path(package.origin).parent / "_internal" / "python_requirements.py"
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in re.findall(r"pip='([\d.]+)'", source.read_text(encoding="utf-8")):
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP, encoding="utf-8")


def put_remember() -> None:
    """Put what remembers into the environments that are there for the test of imports."""
    for name in IMPORTING:
        for place in (HOME / ".ansible" / "test" / "venv").glob(f"{name}/*/*/lib/python*/site-packages"):
            (place / "sitecustomize.py").write_text(REMEMBER, encoding="utf-8")


def main() -> int:
    copy_checkout(COPY)
    # A repository of its own: otherwise ansible-test asks that of the checkout, which ignores build/.
    subprocess.run(["git", "init", "-q"], cwd=COPY, check=True)
    put_get_pip()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = dict(os.environ, HOME=str(HOME), PATH=path)
    environment.setdefault("XDG_CONFIG_HOME", str(Path.home() / ".config"))  # pip's own settings stay in force
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = ["ansible-test", "sanity", "--local", "--python", python, "--requirements", "--color", "no"]
    subprocess.run([*command, "--prime-venvs"], cwd=COPY, env=environment, check=True)
    put_remember()
    return subprocess.run([*command, *sys.argv[1:]], cwd=COPY, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
