# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the benchmarks run as processes of their own: `python -m bench.steps.<group> <step> [argument ...]`.

A group imports only what its steps need, since importing is part of the time that is measured. A step prints what it
has to say as one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Step = Callable[..., Mapping[str, Any]]

MAILBOXES = 20
"""How many accounts the mail of the comparisons lies in."""

MASTER_KEY = "BENCH_MASTER_KEY"
"""The environment variable with the master key of a backup that is encrypted, in hexadecimal."""


def masters() -> Sequence[bytes]:
    """Return the master keys that a backup is made and opened with: none for one that is not encrypted."""
    return [bytes.fromhex(key) for key in [os.environ.get(MASTER_KEY, "")] if key]


def main(*steps: Step) -> None:
    """Call the step that the command line names, with the arguments that follow."""
    name, *arguments = sys.argv[1:]
    for step in steps:
        if step.__name__ == name:
            print(json.dumps(step(*arguments)))
            return
    raise SystemExit(f"there is no step {name}")
