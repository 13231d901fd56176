# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""moto: an S3 server in this process. Quick, but it accepts any credentials."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer

from .endpoint import Endpoint


@contextmanager
def moto_server() -> Iterator[Endpoint]:
    """Serve S3 on a free port of 127.0.0.1 for as long as the with statement lasts."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it prints a line per request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Endpoint(f"http://{host}:{port}", "moto-access", "moto-secret")
    finally:
        server.stop()
