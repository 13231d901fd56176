# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that runs beside all others: known by a file that it holds locked, started and ended by whoever may."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import IO, Final

from ..model.durable import make_directories
from ..model.errors import Busy, Refused, RestanteError

_POLL_SECONDS: Final = 0.05


class PidFile:
    """A file with the id of a process, locked by it for as long as it lives.

    The kernel lets go of the lock however the process ends, so the file never tells of a process that is no more.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Be that process while the with statement lasts.

        :raises Busy: another one is. :raises Refused: the file cannot be written.
        """
        with self._locked() as file:
            file.truncate(0)
            file.write(b"%d\n" % os.getpid())
            file.flush()
            yield

    def _locked(self) -> IO[bytes]:
        try:
            make_directories(os.path.dirname(self.path))
            file = open(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "ab")
        except OSError as error:
            raise Refused(f"{self.path} cannot be written ({error.strerror}); check its owner and mode.") from error
        until = time.monotonic() + 1
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return file
            except BlockingIOError as error:  # by the process, or for a moment by one that asks for it
                if time.monotonic() > until:
                    file.close()
                    raise Busy(f"The process {self.pid()} does this already ({self.path}).") from error
            time.sleep(_POLL_SECONDS)

    def pid(self) -> int:
        """Return the id of the process, 0 where there is none. :raises Refused: the file cannot be read."""
        try:
            with open(self.path, "rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(file.read() or b"0")
        except FileNotFoundError:
            pass
        except OSError as error:
            raise Refused(f"{self.path} cannot be read ({error.strerror}); run this as the service user.") from error
        return 0

    def wait(self, seconds: float, running: bool) -> bool:
        """Wait until there is such a process, or none; return whether it has come to that."""
        until = time.monotonic() + seconds
        while bool(self.pid()) != running:
            if time.monotonic() > until:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def terminate(self) -> None:
        """Ask the process to end, if there is one. :raises Refused: it belongs to somebody else."""
        pid = self.pid()
        if not pid:
            return
        try:
            os.kill(pid, signal.SIGTERM)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise Refused(f"The process {pid} cannot be ended ({error.strerror}); run this as its user.") from error


def detach(work: Callable[[], object], log: str) -> None:
    """Run something in a process of its own, out of the reach of this one, its terminal and its caller.

    :param log: a file that what it says is added to.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    status = 1
    try:
        os.chdir("/")
        make_directories(os.path.dirname(log))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(output, stream)
        work()
        status = 0
    except RestanteError as error:
        os.write(2, f"{error}\n".encode())
    except Exception:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)
