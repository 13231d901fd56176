# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets as parameters: a process list shows what is on a command line, so they can wait on standard input."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping
from typing import Any, Final

from .grammar import TEXT, Parameter

FROM_STDIN: Final = "-"
SECRET: Final = Parameter(
    "secret", TEXT, f"{FROM_STDIN} reads it from standard input, where no process list shows it"
)


def told(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a command with its secret, which may be waiting on standard input."""
    if given.get(SECRET.name) != FROM_STDIN:
        return dict(given)
    waiting = getpass.getpass("secret: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    return {**given, SECRET.name: waiting}
