# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes that are really killed (SIGKILL) at their n-th request to a store, and run again."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.restore.retrieve import retrieve
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader
from archive_kit import ACCOUNT, Backup
from servers.faulty_proxy import LOSE, FaultyProxy, faulty_proxy

PROGRAM = """
import sys
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.restore.retrieve import retrieve
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader

what, path, endpoint, bucket = sys.argv[1:]
archive = S3Archive(S3Settings(bucket, "p", endpoint=endpoint, access_key="a", secret_key="b"))
if what == "upload":
    Uploader(Repository.open(path), archive).sync()
else:
    retrieve(archive, path)
"""


@pytest.fixture
def proxy(moto_bucket: S3Settings) -> Iterator[FaultyProxy]:
    with faulty_proxy(moto_bucket.endpoint) as proxy:
        yield proxy


@pytest.fixture
def undisturbed(moto_bucket: S3Settings) -> S3Archive:
    return S3Archive(dataclasses.replace(moto_bucket, prefix="p"))


def run_and_kill(proxy: FaultyProxy, bucket: str, what: str, path: Path, request: int) -> int:
    """Run a process and kill it when its n-th request was carried out; return its exit status."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, what, str(path), proxy.url, bucket],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    del proxy.seen[:]

    def kill(method: str, path: str) -> str:
        if len(proxy.seen) < request:
            return ""
        process.kill()
        return LOSE

    proxy.decide = kill
    status = process.wait()
    proxy.decide = lambda method, path: ""
    return status


@pytest.mark.parametrize("request_", [1, 4, 9])
def test_a_killed_upload_is_completed_by_the_next(
    proxy: FaultyProxy, undisturbed: S3Archive, moto_bucket: S3Settings, backup: Backup, request_: int
) -> None:
    backup.grow(commits=3)
    assert run_and_kill(proxy, moto_bucket.bucket, "upload", backup.path, request_) == -signal.SIGKILL
    Uploader(backup.repository, undisturbed).sync()
    assert [file.name for file in undisturbed.list("")] == sorted(backup.files())
    for name in backup.files():
        assert undisturbed.get(name) == (backup.path / name).read_bytes()


@pytest.mark.parametrize("request_", [4, 8])
def test_a_killed_retrieval_is_completed_by_the_next(
    proxy: FaultyProxy, undisturbed: S3Archive, moto_bucket: S3Settings, backup: Backup, tmp_path: Path, request_: int
) -> None:
    backup.grow(commits=3)
    Uploader(backup.repository, undisturbed).sync()
    target = tmp_path / "restore"
    assert run_and_kill(proxy, moto_bucket.bucket, "retrieve", target, request_) == -signal.SIGKILL
    retrieve(undisturbed, str(target))
    repository = Repository.open(str(target))
    assert not repository.damages()
    assert list(repository.states(ACCOUNT)) == list(backup.repository.states(ACCOUNT))
    assert not retrieve(undisturbed, str(target)).changed
    assert not list(target.rglob("*.part"))
