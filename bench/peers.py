# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs that the engine is held against, as their users would run them, and the S3 server that all share."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tools import debian

from .measure import CHECKOUT, Failed, Usage, run

PACKAGES = {"rclone": "rclone", "restic": "restic", "borg": "borgbackup"}
RCLONE_TRANSFERS = "64"
RESTIC_CONNECTIONS = "16"
"""Requests in flight: what was found best for each with a server on the same 2 cores."""
BUCKET = "bench"


class Server(NamedTuple):
    """An S3 server, where it answers and how it is asked."""

    endpoint: str
    credentials: Mapping[str, str]
    """AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""
    description: str


@contextmanager
def serve(kind: str) -> Iterator[Server]:
    """Start the S3 server as a process of its own (ours has to stay small: see measure.run), and end it.

    :param kind: "radosgw" or "moto".
    """
    command = [sys.executable, "-m", "bench.server", kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdin is not None and process.stdout is not None
        first = process.stdout.readline()
        if not first:
            raise Failed("the S3 server did not start; see above")
        try:
            yield Server(**json.loads(first))
        finally:
            process.stdin.close()  # which it takes as the end


def missing() -> str:
    """Return why the peers cannot be run here, empty when they can; installs them first where that is allowed."""
    return debian.missing(PACKAGES)


def versions() -> Mapping[str, str]:
    """Return the version that each peer reports."""
    questions = {"rclone": ["rclone", "version"], "restic": ["restic", "version"], "borg": ["borg", "--version"]}
    said = {
        name: subprocess.run(question, stdout=subprocess.PIPE, text=True, check=True).stdout
        for name, question in questions.items()
    }
    return {name: text.split("\n")[0].partition(" compiled")[0] for name, text in said.items()}


class Rclone:
    """rclone, its remote `s3:` set by environment variables so that no secret is in argv."""

    def __init__(self, server: Server) -> None:
        self.environment = {
            "RCLONE_CONFIG_S3_TYPE": "s3",
            "RCLONE_CONFIG_S3_PROVIDER": "Ceph",
            "RCLONE_CONFIG_S3_ENDPOINT": server.endpoint,
            "RCLONE_CONFIG_S3_ENV_AUTH": "true",
            "RCLONE_CONFIG": os.devnull,
            "AWS_CA_BUNDLE": "",  # rclone stops at one, needed or not
            **server.credentials,
        }

    def copy(self, source: str | Path, target: str | Path) -> Usage:
        """Copy a tree, from or to `s3:<bucket>/<prefix>`."""
        command = ["rclone", "copy", "--fast-list", "--transfers", RCLONE_TRANSFERS, "--checkers", RCLONE_TRANSFERS]
        return run([*command, str(source), str(target)], self.environment)


class Restic:
    """restic, on a repository in a directory or in the bucket, with a cache as cold as on a new machine."""

    def __init__(self, repository: str, work: Path, credentials: Mapping[str, str]) -> None:
        self._cache = work / "restic-cache"
        self._command = ["restic", "-q", "-r", repository, "--cache-dir", str(self._cache),
                         "-o", f"s3.connections={RESTIC_CONNECTIONS}"]
        # A benchmark on generated data keeps no secret: the password is there because restic asks for one.
        self._environment = {"RESTIC_PASSWORD": "bench", "RESTIC_PROGRESS_FPS": "0", **credentials}

    def init(self) -> None:
        run([*self._command, "init"], self._environment)

    def backup(self, tree: Path) -> Usage:
        return run([*self._command, "backup", str(tree)], self._environment)

    def restore(self, target: Path) -> Usage:
        shutil.rmtree(self._cache, ignore_errors=True)
        return run([*self._command, "restore", "latest", "--target", str(target)], self._environment)


class Borg:
    """borg, on a repository in a directory, without encryption."""

    def __init__(self, repository: Path, work: Path) -> None:
        self._repository = repository
        self._environment = {
            "BORG_BASE_DIR": str(work / "borg-base"), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }

    def init(self) -> None:
        run(["borg", "init", "-e", "none", str(self._repository)], self._environment)

    def create(self, archive: str, tree: Path) -> Usage:
        """Make an archive of a tree; files that a former one had are known by their size and times."""
        where = f"{self._repository}::{archive}"
        return run(["borg", "create", "--compression", "zstd,3", where, str(tree)], self._environment)
