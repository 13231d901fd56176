# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which versions are tried with which: docs/versions.md has this as a table."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.servers.pythons import Environment

CHECKOUT = Path(__file__).resolve().parents[2]
SEALING = "cryptography>=38"
"""What a node needs to encrypt a backup and to sign a report, besides requirements.txt."""


class Pair(NamedTuple):
    """A controller, and a node that it manages."""

    core: str
    """The line of versions of ansible-core."""
    controller_python: str
    node_python: str
    first: bool = False
    """Whether the controller has the first of its line, and not the newest."""
    oldest_libraries: bool = False
    """Whether the node has the oldest libraries that we allow, and not the newest."""
    playbooks: tuple[str, ...] = ()
    """Those of the collection that are run besides modules.yml."""

    @property
    def controller(self) -> Environment:
        """What is installed on the controller: ansible-core alone."""
        return Environment(
            f"ansible-core-{self.core}", self.controller_python, [f"ansible-core~={self.core}.0"], oldest=self.first,
        )

    @property
    def node(self) -> Environment:
        """What is installed on the node: the libraries of the engine, and what encrypts and signs."""
        return Environment(
            f"node-{self.node_python}", self.node_python, [*libraries(), SEALING], oldest=self.oldest_libraries,
        )


PAIRS = (
    # The ends first: they take longest, and are the most likely to differ.
    Pair("2.17", "3.10", "3.12", first=True, playbooks=("backup_setup", "status", "drill")),
    Pair("2.21", "3.13", "3.9", oldest_libraries=True, playbooks=("backup_setup", "status")),
    Pair("2.18", "3.11", "3.13"),
    Pair("2.19", "3.13", "3.10"),
    Pair("2.20", "3.12", "3.11"),
)
"""Every version of ansible-core, and every Python of a node, in one pair each."""


def libraries() -> list[str]:
    """Return what requirements.txt asks for on a node."""
    lines = (CHECKOUT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
