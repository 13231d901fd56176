# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drill's own S3: moto's server as a process on the loopback address, for as long as the drill runs."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import boto3
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings

START_SECONDS = 60


class S3Server:
    """A context manager; inside it the server answers at `endpoint`."""

    def __init__(self, log: Path) -> None:
        """:param log: the file that the server's messages go to."""
        self._log = log
        self.endpoint = ""
        self.keys = {
            "region": "us-east-1", "access_key": secrets.token_hex(10), "secret_key": secrets.token_hex(20),
        }
        self.credentials = {
            "AWS_DEFAULT_REGION": self.keys["region"],
            "AWS_ACCESS_KEY_ID": self.keys["access_key"],
            "AWS_SECRET_ACCESS_KEY": self.keys["secret_key"],
        }
        """The keys as a process finds them in its environment, where the process list does not show them."""

    def __enter__(self) -> S3Server:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
                stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **self.credentials},
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return self
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self._process.kill()
                    raise SystemExit(f"The drill's S3 server did not start; {self._log} says why.") from error
                time.sleep(0.1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def create_bucket(self, name: str) -> None:
        """Create a bucket, as the administrator of the lost node once did."""
        boto3.client(
            "s3", endpoint_url=self.endpoint, region_name=self.keys["region"],
            aws_access_key_id=self.keys["access_key"], aws_secret_access_key=self.keys["secret_key"],
        ).create_bucket(Bucket=name)

    def settings(self, bucket: str, prefix: str) -> S3Settings:
        """Return how to reach the files under a prefix of a bucket."""
        return S3Settings(
            bucket=bucket, prefix=prefix, endpoint=self.endpoint, region=self.keys["region"],
            access_key=self.keys["access_key"], secret_key=self.keys["secret_key"],
        )
