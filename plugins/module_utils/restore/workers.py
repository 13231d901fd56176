# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several accounts at the same time: worker processes, each with its own connections (R-166).

Workers are forked, so whoever calls must not have a mail store or a backup open meanwhile: SQLite does not survive a
fork. A worker dies with the process that made it, so that a killed restore leaves nobody behind who goes on writing.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import mmap
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final, NoReturn

from ..model.errors import RestanteError
from ..operations.progress import Progress

Work = Callable[[int], dict[str, Any]]
"""Does one task by its number; what it returns can be written as JSON."""

Session = Callable[[Progress], AbstractContextManager[Work]]
"""Opens what work needs."""

_POLL_SECONDS: Final = 0.2
_PR_SET_PDEATHSIG: Final = 1


class WorkerFailed(RestanteError):
    """A worker ended with an error that concerns more than its task."""


def run(session: Session, tasks: int, count: int, progress: Progress) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Do tasks 0 to tasks - 1, at most count at a time, handed out in this order.

    Yields (task, result) as they are done; the result is None where the worker died. Once progress says stopping, or
    work has failed, no further task is begun.

    :raises RestanteError: what work raised; the tasks that were under way have ended.
    """
    if count == 1 or tasks == 1:
        with session(progress) as work:
            for task in range(tasks):
                if progress.stopping():
                    return
                yield task, work(task)
        return
    with mmap.mmap(-1, 1) as stop:
        yield from _Pool(session, tasks, progress, stop).run(min(count, tasks))


class _Worker:
    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.connection = connection
        self.task = -1
        self.received = b""


class _Pool:
    def __init__(self, session: Session, tasks: int, progress: Progress, stop: mmap.mmap) -> None:
        self._session = session
        self._waiting = list(range(tasks))
        self._progress = progress
        self._stop = stop
        self._workers = selectors.DefaultSelector()
        self._failure = ""

    def run(self, count: int) -> Iterator[tuple[int, dict[str, Any] | None]]:
        try:
            for _unused in range(count):
                self._start()
            while self._workers.get_map():
                if self._progress.stopping():
                    self._stop[0] = 1
                for key, _unused in self._workers.select(_POLL_SECONDS):
                    yield from self._hear(key.data)
        finally:
            for key in list(self._workers.get_map().values()):
                os.kill(key.data.pid, signal.SIGKILL)
                self._end(key.data)
            self._workers.close()
        if self._failure:
            raise WorkerFailed(self._failure)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            gc.freeze()  # what there is by now is here to stay; it need not be looked through for waste
            others = [key.fileobj for key in self._workers.get_map().values()]
            for connection in (ours, *others):
                connection.close()  # type: ignore[union-attr]
            _serve(self._session, theirs, self._stop, parent)
        theirs.close()
        worker = _Worker(pid, ours)
        self._workers.register(ours, selectors.EVENT_READ, worker)
        self._next(worker)

    def _next(self, worker: _Worker) -> None:
        """Give a worker its next task; none tells it to end."""
        worker.task = self._waiting.pop(0) if self._waiting and not self._stop[0] and not self._failure else -1
        with contextlib.suppress(OSError):  # it died; hearing will tell
            worker.connection.sendall(b"%d\n" % worker.task)

    def _hear(self, worker: _Worker) -> Iterator[tuple[int, dict[str, Any] | None]]:
        try:
            data = worker.connection.recv(1 << 20)
        except ConnectionError:
            data = b""
        if not data:
            task = worker.task
            self._end(worker)
            if task >= 0:
                yield task, None
                if self._waiting:
                    self._start()
            return
        *lines, worker.received = (worker.received + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "advance" in message:
                self._progress.advance(*message["advance"])
                continue
            if "failed" in message:
                self._failure = self._failure or message["failed"]
            else:
                yield worker.task, message["result"]
            self._next(worker)

    def _end(self, worker: _Worker) -> None:
        self._workers.unregister(worker.connection)
        worker.connection.close()
        os.waitpid(worker.pid, 0)


def _serve(session: Session, connection: socket.socket, stop: mmap.mmap, parent: int) -> NoReturn:
    """Be a worker; never returns into the caller's code."""
    status = 1
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == parent:
            _work(session, connection, stop)
            status = 0
    finally:
        os._exit(status)


def _work(session: Session, connection: socket.socket, stop: mmap.mmap) -> None:
    progress = _Reporting(connection, stop)
    with connection.makefile("rb") as tasks:
        try:
            with session(progress) as work:
                for line in tasks:
                    task = int(line)
                    if task < 0:
                        return
                    result = work(task)
                    progress.flush()
                    _send(connection, {"result": result})
        except (RestanteError, OSError) as error:
            _send(connection, {"failed": str(error)})
            tasks.readline()


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    connection.sendall(json.dumps(message).encode("ascii") + b"\n")


class _Reporting:
    """The Progress of a worker: it tells the process that made it, a few times a second."""

    def __init__(self, connection: socket.socket, stop: mmap.mmap) -> None:
        self._connection = connection
        self._stop = stop
        self._items = self._bytes = 0
        self._sent = time.monotonic()

    def phase(self, name: str, items: int = 0, bytes_: int = 0) -> None:
        """The phases are those of the whole restore."""

    def advance(self, items: int = 0, bytes_: int = 0) -> None:
        self._items += items
        self._bytes += bytes_
        if time.monotonic() - self._sent > _POLL_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what has not been sent."""
        if self._items or self._bytes:
            _send(self._connection, {"advance": (self._items, self._bytes)})
            self._items = self._bytes = 0
        self._sent = time.monotonic()

    def stopping(self) -> bool:
        return bool(self._stop[0])
