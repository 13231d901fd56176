# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking for what must not be seen: in files, in processes, in the system's log."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

SYSLOG = Path("/dev/log")


class Watch:
    """Reads what the system shows of all processes, again and again, and what is logged."""

    def __init__(self, canaries: Mapping[str, str]) -> None:
        self.found: set[str] = set()
        """Canaries that were seen, with where."""
        self.processes = 0
        """How many different ones were looked at."""
        self.logged: list[bytes] = []
        self._canaries = {name: text.encode() for name, text in canaries.items()}
        self._stop = threading.Event()

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Watch for as long as the with statement lasts."""
        with contextlib.ExitStack() as opened:
            threads = [threading.Thread(target=self._processes)]
            log = self._log()
            if log is not None:
                opened.callback(SYSLOG.unlink)
                opened.enter_context(log)
                threads.append(threading.Thread(target=self._listen, args=(log,)))
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                self._stop.set()
                for thread in threads:
                    thread.join()

    def _processes(self) -> None:
        known: set[str] = set()
        own = str(os.getpid())
        while not self._stop.wait(0.05):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                if pid == own:
                    continue
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        self.look(Path("/proc", pid, name).read_bytes(), f"/proc/<pid>/{name}")
                known.add(pid)
        self.processes = len(known)

    def look(self, data: bytes, where: str) -> None:
        """Note the canaries in some bytes."""
        self.found.update(f"{name} in {where}" for name, canary in self._canaries.items() if canary in data)

    @staticmethod
    def _log() -> socket.socket | None:
        """Be the system's log where there is none; what modules log is seen then."""
        if SYSLOG.exists() or SYSLOG.is_symlink() or not os.access(SYSLOG.parent, os.W_OK):
            return None
        log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        log.bind(str(SYSLOG))
        log.settimeout(0.1)
        return log

    def _listen(self, log: socket.socket) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                self.logged.append(log.recv(1 << 20))
                self.look(self.logged[-1], "the system's log")


def files_with(canaries: Mapping[str, str], directory: Path) -> set[tuple[str, str]]:
    """Return which canaries are in which files below a directory: names of canaries, and relative paths."""
    found = set()
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            for name, canary in canaries.items():
                if canary.encode() in data:
                    found.add((name, str(path.relative_to(directory))))
    return found


def readable_by_others(directory: Path) -> list[str]:
    """Return what is below a directory, itself included, that others than its owner may read or write."""
    return [
        f"{path} {path.lstat().st_mode & 0o7777:o}" for path in (directory, *directory.rglob("*"))
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    ]
