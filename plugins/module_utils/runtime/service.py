# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service of a node: a process that goes on, as a systemd unit where there is one, else in the background."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Final, NamedTuple

from ..model import moment
from ..model.errors import Refused, Unavailable
from .node import Node, import_adapters
from .process import PidFile, detach

UNIT_DIRECTORY: Final = "/etc/systemd/system"
SYSTEMD: Final = "/run/systemd/system"
"""There where systemd runs."""

_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 60.0


class Service(NamedTuple):
    """What a node's service is called, and how it is run."""

    title: str
    """What it is called in sentences, such as "the Realtime Scanner"."""
    unit: str
    """The name of its systemd unit."""
    pid_file: Callable[[Node], PidFile]
    log_file: Callable[[Node], str]
    """Where it writes what it says when it is no unit."""
    run: Callable[[Node], object]
    """Be it."""

    def start(self, node: Node) -> bool:
        """Start it; True if it did not run. As its systemd unit where there is one, else by itself.

        :raises Unavailable: it did not come to run. :raises Refused: this user may not start it.
        """
        process = self.pid_file(node)
        if process.pid():
            return False
        unit = self.has_unit(node)
        if unit:
            self._systemctl("start")
        else:
            import_adapters()
            detach(lambda: self.run(node), self.log_file(node))
        if not process.wait(_START_SECONDS, running=True):
            where = f"journalctl -u {self.unit}" if unit else self.log_file(node)
            raise Unavailable(f"{self._subject} was started and does not run; {where} says why.")
        return True

    def stop(self, node: Node) -> bool:
        """Stop it; True if it ran.

        :raises Unavailable: it does not end. :raises Refused: this user may not stop it.
        """
        process = self.pid_file(node)
        if not process.pid():
            return False
        if self.has_unit(node):
            self._systemctl("stop")
        process.terminate()  # also one that was not started as the unit
        if not process.wait(_STOP_SECONDS, running=False):
            raise Unavailable(
                f"{self._subject} (process {process.pid()}) was told to end and goes on; look at its status."
            )
        return True

    def has_unit(self, node: Node) -> bool:
        """Return whether systemd runs here and has been given a unit for this node."""
        if not os.path.isdir(SYSTEMD):
            return False
        try:
            with open(os.path.join(UNIT_DIRECTORY, self.unit), encoding="utf-8") as file:
                return f"--config-file {node.config_file} " in file.read()
        except OSError:
            return False

    @property
    def _subject(self) -> str:
        return self.title[0].upper() + self.title[1:]

    def _systemctl(self, verb: str) -> None:
        done = subprocess.run(["systemctl", verb, self.unit], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(
                f"systemctl {verb} {self.unit} failed: {done.stderr.strip() or done.returncode}. Run this as root, and "
                f"look at journalctl -u {self.unit}."
            )


def log(sentence: str) -> None:
    """Write a sentence to standard error, with the time."""
    sys.stderr.write(f"{moment.iso(moment.now())} {sentence}\n")
    sys.stderr.flush()
