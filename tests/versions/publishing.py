# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Building the collection as it is published, from a checkout in which there is more than that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools import sanity

LEFT_BEHIND = (
    ".git/config", ".vault_password", ".venv/pyvenv.cfg", ".hypothesis/seed", ".ansible/x", "docs/.page.md.swp",
    "build/env-test/x", "collections/ansible_collections/x", "restante-carbonio-0.0.9.tar.gz",
    "changelogs/.plugin-cache.yaml", "plugins/modules/__pycache__/bucket.cpython-311.pyc", "tests/output/x",
)
"""What lies about in a checkout, and is not to be published."""


def build(place: Path) -> Path:
    """Return what is uploaded to Ansible Galaxy. :param place: a folder to make it in."""
    checkout = place / "checkout"
    sanity.copy_checkout(checkout)
    for name in LEFT_BEHIND:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("secret", encoding="ascii")
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-galaxy", "collection", "build", "--output-path", place], cwd=checkout,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout
    [built] = place.glob("*.tar.gz")
    return built
