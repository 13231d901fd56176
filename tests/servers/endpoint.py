# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a test needs to know of an object store that was started for it."""

from __future__ import annotations

import socket
from typing import NamedTuple


class Endpoint(NamedTuple):
    """An S3 server and a user of it."""

    url: str
    access_key: str
    secret_key: str


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
