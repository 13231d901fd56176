# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""moto: an S3 server in this process. Quick, but it accepts any credentials.

moto asks whether an object exists and then stores it, with nothing that keeps another thread from doing the same in
between: of two writers of one new object that came at once, both could be told that theirs is stored. S3 does not do
that, so here one object is stored after the other.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

from .endpoint import Endpoint

_STORING = threading.Lock()


def _one_at_a_time(answer: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(answer)
    def locked(*arguments: Any, **keywords: Any) -> Any:
        with _STORING:
            return answer(*arguments, **keywords)

    return locked


S3Response.put_object = _one_at_a_time(S3Response.put_object)
S3Response._key_response_post = _one_at_a_time(S3Response._key_response_post)  # what completes a multipart upload


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
