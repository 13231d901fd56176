# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a bucket is and how to get in: values, which need no library."""

from __future__ import annotations

import dataclasses
from typing import Final
from urllib.parse import urlsplit

LOCK_MODES: Final = ("GOVERNANCE", "COMPLIANCE")
STORAGE_CLASS_FROM: Final = 64 * 1024
"""The vendor's bound: files of fewer bytes stay in the bucket's own storage class."""


@dataclasses.dataclass(frozen=True)
class S3Settings:
    """Where a bucket is and how to get in. Secrets never show in its repr.

    What is left empty is found by boto3's own chain: environment, profile, instance role; AWS's endpoint and region.
    """

    bucket: str
    prefix: str = ""
    """Put before every name, with a slash between them."""
    region: str = ""
    endpoint: str = ""
    """URL of an S3-compatible server; empty for AWS."""
    access_key: str = ""
    secret_key: str = dataclasses.field(default="", repr=False)
    session_token: str = dataclasses.field(default="", repr=False)
    profile: str = ""
    signature_version: str = "v4"
    """"v4", or "v2" for old servers."""
    addressing: str = ""
    """"path" or "virtual"; empty means path for a given endpoint and boto3's choice for AWS."""
    storage_class: str = ""
    """Storage class of new files of storage_class_from bytes and more (R-292); empty for the bucket's default."""
    storage_class_from: int = STORAGE_CLASS_FROM
    ca_file: str = ""
    """Certificates to trust instead of the system's."""
    lock_mode: str = ""
    """Of Object Lock: GOVERNANCE or COMPLIANCE; empty to lock nothing."""
    lock_seconds: int = 0
    """How long a new file is locked."""
    connections: int = 32
    """Connections kept open, and therefore the number of requests in flight."""
    attempts: int = 5
    """Tries of a request that met a time-out, a broken connection, an overload or a server error."""
    connect_timeout: float = 10
    read_timeout: float = 60
    """Both in seconds, of one try."""

    @property
    def is_in_the_clear(self) -> bool:
        """Whether requests go over a network without TLS."""
        url = urlsplit(self.endpoint)
        return url.scheme == "http" and url.hostname not in ("localhost", "127.0.0.1", "::1")

    def where(self) -> str:
        """Return the bucket, prefix and endpoint for a message."""
        path = f"{self.bucket}/{self.prefix.strip('/')}".rstrip("/")
        return f"s3://{path} at {self.endpoint or 'AWS'}"
