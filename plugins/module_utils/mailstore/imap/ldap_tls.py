# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look at an ldaps:// server before libldap connects to it.

libldap waits for ever for a server that says nothing while TLS is set up, and does not tell what is wrong with a
certificate.
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

from ...model.errors import Unavailable

_AUTHORITIES: Final = (
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
)


def system_authorities() -> str:
    """Return the file of those whom this system trusts, empty where none is found."""
    return next(filter(os.path.exists, _AUTHORITIES), "")


def doubt(url: str, ca_file: str, timeout: int) -> str:
    """Return why a server's certificate is not to be trusted, empty where nothing speaks against it.

    Only libldap decides; this is for the message. :raises Unavailable: the server says nothing.
    """
    try:
        parts = urlsplit(url)
        context = ssl.create_default_context(cafile=ca_file or None)
        with socket.create_connection((parts.hostname or "localhost", parts.port or 636), timeout) as connection:
            with context.wrap_socket(connection, server_hostname=parts.hostname or "localhost"):
                return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except socket.timeout as error:
        raise Unavailable(f"{url} does not answer within {timeout} s. Check ldap_url, and that it runs.") from error
    except (OSError, ValueError):
        return ""
