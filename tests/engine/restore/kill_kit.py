# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores in a process of their own that is killed at some line of the engine.

RESTANTE_KILLS sets how many restores a test kills (12 by default).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

KILLS = int(os.environ.get("RESTANTE_KILLS", "12"))

_CHECKOUT = Path(__file__).resolve().parents[3]

_COUNT = """
import os, signal, sys, threading
from ansible_collections.restante.carbonio.plugins.module_utils.restore import mailbox

die_after, lines = int(sys.argv[1]), 0
mailbox.WINDOW_ITEMS, mailbox.BATCH_ITEMS = 5, 2

def count(frame, event, argument):
    global lines
    if "/module_utils/" not in frame.f_code.co_filename:
        return None
    if event == "line":
        lines += 1
        if lines == die_after:
            os.kill(os.getpid(), signal.SIGKILL)
    return count

def begin():
    threading.settrace(count)
    sys.settrace(count)

def end(report):
    sys.settrace(None)
    print(lines, len(report.unrestored))

"""


def run_until(script: str, die_after: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script that calls begin() and end(report), with arguments from sys.argv[2] on.

    :param die_after: how many lines of the engine run; 0 for all.
    """
    paths = (_CHECKOUT / "build" / "collections", _CHECKOUT, Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", _COUNT + script, str(die_after), *map(str, arguments)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}, check=False, timeout=300,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done


def lines_of(done: subprocess.CompletedProcess[str]) -> int:
    """Return how many lines a restore has run that left nothing out; 0 for one that was killed."""
    if done.returncode:
        return 0
    lines, unrestored = done.stdout.split()
    assert unrestored == "0"
    return int(lines)
