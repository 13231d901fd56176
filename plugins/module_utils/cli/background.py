# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An operation in a process of its own: it goes on when the command line has ended, or was left with Ctrl+C (R-271)."""

from __future__ import annotations

import contextlib
import json
import os
import select
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from ..model.errors import RestanteError
from ..operations.operation import Removed
from ..operations.records import FAILED, REMOVED, STOPPED
from ..runtime.operations import Stopped

_CHUNK: Final = 1 << 16

Announce = Callable[[str], None]
"""Told the id of the operation as soon as it has one."""

Work = Callable[[Announce], Mapping[str, Any]]
"""Does the operation and returns its result, which can be written as JSON."""


class Failed(RestanteError):
    """The work ended with an error; the text is its sentence."""

    def __init__(self, sentence: str, state: str) -> None:
        super().__init__(sentence)
        self.state = state
        """FAILED; or STOPPED or REMOVED, where that has happened to an operation of it."""


class Background:
    """Work that runs in another process."""

    def __init__(self, work: Work) -> None:
        """Begin it."""
        ours, theirs = os.pipe()
        if os.fork() == 0:
            os.close(ours)
            _be_the_worker(work, theirs)
        os.close(theirs)
        self._pipe = ours
        self._received = b""
        self._ended = False
        self.operation_id = ""
        self.result: Mapping[str, Any] | None = None
        """What the work returned; None where it was killed, or has not ended."""

    def await_id(self) -> str:
        """Wait until the operation is recorded; return its id, empty where the work ended without any operation.

        :raises Failed: it ended before, with this sentence.
        """
        while not self.operation_id and not self._ended:
            self._hear(None)
        return self.operation_id

    def ended(self, seconds: float) -> bool:
        """Wait for the end, at most some seconds; return whether it has come.

        :raises Failed: it came with this sentence.
        """
        if not self._ended:
            self._hear(seconds)
        return self._ended

    def _hear(self, seconds: float | None) -> None:
        if not select.select([self._pipe], [], [], seconds)[0]:
            return
        data = os.read(self._pipe, _CHUNK)
        if not data:
            self._ended = True
            os.close(self._pipe)
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "error" in message:
                raise Failed(message["error"], message.get("state", FAILED))
            self.operation_id = message.get("operation_id", self.operation_id)
            self.result = message.get("result", self.result)


def _be_the_worker(work: Work, pipe: int) -> NoReturn:
    """Do the work, out of the reach of the terminal; never returns into the caller's code."""
    def tell(**message: Any) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            _write(pipe, json.dumps(message).encode() + b"\n")

    status = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        tell(result=work(lambda operation_id: tell(operation_id=operation_id)))
        status = 0
    except RestanteError as error:
        state = REMOVED if isinstance(error, Removed) else STOPPED if isinstance(error, Stopped) else FAILED
        tell(error=str(error), state=state)
    except Exception as error:
        tell(error=f"This is a fault in restante.carbonio, not in your input: {error!r}. Please report it.")
    finally:
        os._exit(status)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data):]
