# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS to a mail server and what stands beside it: certificates are checked, and what comes is acknowledged at once.

A server's system sends a small piece only when the one before was acknowledged (RFC 896), unless the server tells it
otherwise, and the system at the other end acknowledges 40 ms later than it could, so as to do it together with what may
be sent next (RFC 1122 section 4.2.3.2). Cyrus does not tell it otherwise: each of its answers that comes in several
pieces would take so long.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any, Final

_AT_ONCE: Final = getattr(socket, "TCP_QUICKACK", None)
"""Linux has it. It is about what has come so far, and not for ever."""


def context(ca_file: str) -> ssl.SSLContext:
    """Return what connections are made with.

    :param ca_file: the authorities to trust; empty for those of the system. :raises OSError: it cannot be used.
    """
    made = ssl.create_default_context(cafile=ca_file or None)
    made.sslsocket_class = _PromptSocket
    return made


class _PromptSocket(ssl.SSLSocket):
    """A connection that acknowledges all that it reads."""

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        self._acknowledge()

    def recv(self, *arguments: Any) -> bytes:
        received = super().recv(*arguments)
        self._acknowledge()
        return received

    def recv_into(self, *arguments: Any) -> int:
        count = super().recv_into(*arguments)
        self._acknowledge()
        return count

    def _acknowledge(self) -> None:
        if _AT_ONCE is not None:
            self.setsockopt(socket.IPPROTO_TCP, _AT_ONCE, 1)
