# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets as parameters: a process list shows what is on a command line, so they can wait on standard input."""

from __future__ import annotations

import getpass
import sys
from typing import Final

from .grammar import TEXT, Parameter

FROM_STDIN: Final = "-"
SECRET: Final = Parameter(
    "secret", TEXT, f"{FROM_STDIN} reads it from standard input, where no process list shows it"
)


def read(text: str) -> str:
    """Return a secret, which may be waiting on standard input."""
    if text != FROM_STDIN:
        return text
    return getpass.getpass("secret: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
