# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work in a process of its own, a fork of this one so that nothing is imported anew; and how it has ended."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn

from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import RestanteError

TIMEOUT: Final = 120.0
"""Seconds after which work hangs."""

_REFUSED, _BROKEN = 3, 4
"""How a process ends whose work raised an error of ours, or any other."""


class Ended(NamedTuple):
    """How work has ended."""

    killed: bool = False
    refused: str = ""
    """The sentence of an error of ours."""
    broken: str = ""
    """What no work may end with: another error, with its traceback, or that it hangs."""
    told: str = ""
    """What it returned, where that is a text."""


def in_child(
    work: Callable[[], object], begun: Callable[[int], object], before: Callable[[], object], timeout: float = TIMEOUT
) -> Ended:
    """Do work in a process that leads a group of its own.

    :param begun: called here with its id, before it does anything. :param before: called there, before the work.
    :param timeout: seconds after which the work hangs, and is killed.
    """
    said, saying = os.pipe()
    ready, getting_ready = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(said)
        os.close(getting_ready)
        _child(work, before, ready, saying)
    os.close(saying)
    os.close(ready)
    begun(pid)
    os.write(getting_ready, b".")
    status = _waited(pid, timeout)
    os.close(getting_ready)
    with os.fdopen(said, encoding="utf-8", errors="replace") as lines:
        text = lines.read() if status is not None else ""
    return _ended(status, text, timeout)


def _child(work: Callable[[], object], before: Callable[[], object], ready: int, saying: int) -> NoReturn:
    os.setsid()
    code = 0
    try:
        os.read(ready, 1)
        before()
        told = work()
        os.write(saying, told.encode()[-60_000:] if isinstance(told, str) else b"")
    except RestanteError as error:
        code = _REFUSED
        os.write(saying, str(error).encode())
    except BaseException:
        code = _BROKEN
        os.write(saying, traceback.format_exc().encode()[-60_000:])
    os._exit(code)


def _waited(pid: int, timeout: float) -> int | None:
    """Return how a process and its children ended; None where they hang, and are killed."""
    deadline = time.monotonic() + timeout
    pause = 0.001
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(pause)
        pause = min(2 * pause, 0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def _ended(status: int | None, said: str, timeout: float) -> Ended:
    if status is None:
        return Ended(broken=f"It has not ended after {timeout:.0f} s.")
    if os.WIFSIGNALED(status):
        signalled = os.WTERMSIG(status)
        if signalled == signal.SIGKILL:
            return Ended(killed=True)
        return Ended(broken=f"It was ended by signal {signalled}.")
    code = os.WEXITSTATUS(status)
    if code == _REFUSED:
        return Ended(refused=said)
    return Ended(broken="" if code == 0 else said or f"It ended with {code}.", told="" if code else said)
