# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The archives that the tests of this room run over: two S3 servers and a directory."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.bucket_admin import (
    BucketAdmin,
    BucketState,
    plan,
)
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.port import Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from archive_kit import Backup
from servers.endpoint import Endpoint
from servers.moto_server import moto_server
from servers.needed import needed
from servers.radosgw import missing, radosgw

MakeArchive = Callable[[str], Archive]
"""Makes an archive with a prefix; all of one test are in the same bucket or directory."""


@pytest.fixture(scope="session")
def moto() -> Iterator[Endpoint]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def ceph() -> Iterator[Endpoint]:
    needed("radosgw", missing())
    with radosgw() as endpoint:
        yield endpoint


def new_bucket(endpoint: Endpoint) -> S3Settings:
    """Create a bucket and return its settings, with little patience."""
    settings = S3Settings(
        f"mail-{uuid.uuid4().hex[:12]}",
        endpoint=endpoint.url,
        access_key=endpoint.access_key,
        secret_key=endpoint.secret_key,
        attempts=3,
        connect_timeout=5,
        read_timeout=10,
    )
    BucketAdmin(settings).apply(plan(BucketState(), None))
    return settings


@pytest.fixture
def moto_bucket(moto: Endpoint) -> S3Settings:
    return new_bucket(moto)


@pytest.fixture
def ceph_bucket(ceph: Endpoint) -> S3Settings:
    return new_bucket(ceph)


@pytest.fixture(params=["directory", "moto", "radosgw"])
def make_archive(request: pytest.FixtureRequest, tmp_path: Path) -> MakeArchive:
    if request.param == "directory":
        (tmp_path / "archive").mkdir()
        return lambda prefix: DirectoryArchive(str(tmp_path / "archive"), prefix)
    settings = new_bucket(request.getfixturevalue("moto" if request.param == "moto" else "ceph"))
    return lambda prefix: S3Archive(dataclasses.replace(settings, prefix=prefix))


@pytest.fixture
def archive(make_archive: MakeArchive) -> Archive:
    return make_archive("backups/server-1")


@pytest.fixture
def backup(tmp_path: Path) -> Iterator[Backup]:
    backup = Backup(tmp_path / "backup")
    yield backup
    backup.repository.close()
