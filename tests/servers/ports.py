# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ports for the servers that tests start, none for two of them.

Many tests run at a time, and a server takes its port some time after it was chosen. So they are not those that the
system gives to whoever connects to somewhere, and each is kept for its process by a lock, until that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
RANGE = range(10_000, 32_000)
"""Below those that Linux gives to whoever connects (net.ipv4.ip_local_port_range)."""
PLACE = Path(f"/tmp/restante-ports-{os.getuid()}")
"""One for all, wherever else each has its files."""

_kept: list[IO[bytes]] = []
"""The locks of this process."""


def free_port() -> int:
    """Return a port that nobody listens on, and that no other test is given while this process lives."""
    PLACE.mkdir(exist_ok=True)
    for _attempt in range(1000):
        port = random.choice(RANGE)
        lock = (PLACE / str(port)).open("ab")
        with contextlib.suppress(OSError), socket.socket() as listener:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            listener.bind((HOST, port))
            _kept.append(lock)
            return port
        lock.close()
    raise RuntimeError(f"no port from {RANGE.start} to {RANGE.stop} is free")
